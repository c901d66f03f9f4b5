"""`python -m bench [NAME] [--save] [OPTIONS]`: list the measurements or run one of them."""

from __future__ import annotations

import ast
import importlib
import os
import subprocess
import sys
from pathlib import Path

from . import opponent
from .harness import RefusedError, Report

FOLDER = Path(__file__).parent
NOT_BENCHES = {
    "__init__",
    "__main__",
    "harness",
    "opponent",
    "our_side",
    "rivals",
    "subjects",
    "torch_networks",
    "torch_side",
}


def summaries() -> dict[str, str]:
    """Give the first line of each measurement's docstring, importing none of them."""
    found = {}
    for path in sorted(FOLDER.glob("*.py")):
        if path.stem not in NOT_BENCHES and not path.stem.startswith("_"):
            text = ast.get_docstring(ast.parse(path.read_text())) or ""
            found[path.stem] = text.split("\n")[0]
    return found


def usage() -> str:
    """Tell what can be measured."""
    known = summaries()
    width = max(map(len, known), default=0)
    lines = [f"  {name:<{width}}  {text}" for name, text in known.items()]
    head = "Usage: bench NAME [--save] [OPTIONS of that measurement; --help lists them]"
    foot = "--save keeps the output in bench/results/NAME.txt."
    return "\n".join([head, "", *lines, "", foot])


def main(arguments: list[str]) -> int:
    """Run one measurement."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(usage())
        return 0
    name, *rest = arguments
    if name not in summaries():
        print(f"bench: no measurement is called {name}.\n\n{usage()}", file=sys.stderr)
        return 2
    # Read, not imported: such a measurement imports its opponents at its top.
    text = (FOLDER / f"{name}.py").read_text()
    wants_help = not {"-h", "--help"}.isdisjoint(rest)
    if "\nNEEDS_TORCH = True\n" in text and not opponent.is_here():
        if wants_help and not opponent.is_set_up():
            print(ast.get_docstring(ast.parse(text)))
            print("\nIts options are told once the opponents are set up, at the first run.")
            return 0
        command = [opponent.python(), "-m", "bench", *arguments]
        environment = {**os.environ, "PYTHONPATH": str(FOLDER.parent)}
        return subprocess.run(command, env=environment, check=False).returncode
    module = importlib.import_module(f"bench.{name}")
    if wants_help:
        module.main(["--help"], None)  # the parser ends the process
    save = "--save" in rest
    rest = [word for word in rest if word != "--save"]
    report = Report(name, rest)
    try:
        status = module.main(rest, report)
    except RefusedError as error:
        report(f"REFUSED: {error}")
        status = 1
    if save:
        print(f"saved: {report.save(FOLDER / 'results' / f'{name}.txt')}")
    return status or 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
