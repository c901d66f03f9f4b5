"""`sandbox test`: the checks in the order of their price, then one pytest run over the rest."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from . import debian, java
from .places import ROOT

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
EVERYTHING = ("tests", "notebooks", "sandbox", "--doctest-modules")
QUICK = (
    "not spark and not faults and not notebook and not browser and not docker and not vm "
    "and not campaign"
)


def shell_scripts() -> list[str]:
    """List the shell scripts of the checkout."""
    found = [ROOT / ".ci" / "run", *ROOT.glob("*.sh")]
    for room in ("docker", "provision", "ami", "vm", "tests", "sandbox"):
        found += sorted((ROOT / room).rglob("*.sh"))
    return [str(path.relative_to(ROOT)) for path in found if path.is_file()]


def static_checks() -> list[tuple[str, list[str]]]:
    """Give the checks that run nothing: (name, command)."""
    python = sys.executable
    beside = Path(python).parent
    lint_imports = "from importlinter.cli import lint_imports_command as main; main()"
    return [
        ("ruff check", [python, "-m", "ruff", "check", "."]),
        ("ruff format", [python, "-m", "ruff", "format", "--check", "."]),
        ("mypy", [python, "-m", "mypy"]),
        ("import directions", [python, "-c", lint_imports]),
        ("shellcheck", [str(beside / "shellcheck"), *shell_scripts()]),
    ]


def run_check(name: str, command: Sequence[str]) -> bool:
    """Run a check; show its output only where it fails."""
    started = time.perf_counter()
    try:
        answer = subprocess.run(
            command,
            cwd=ROOT,
            check=False,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        good, output = answer.returncode == 0, answer.stdout
    except FileNotFoundError as error:
        good, output = False, f"{error}\n"
    verdict = "ok    " if good else "FAILED"
    print(f"{verdict} {name} ({time.perf_counter() - started:.1f} s)", flush=True)
    if not good:
        print(output, flush=True)
    return good


def find_browser() -> str | None:
    """Find Chromium, or Chrome."""
    named = os.environ.get("SANDBOX_CHROMIUM")
    if named:
        return named
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


def settle_browser() -> str | None:
    """Find Chromium; as root on Debian, install it where it is missing."""
    found = find_browser()
    if found is None and debian.refusal() is None:
        print(debian.install(["chromium"]), end="", flush=True)
        found = find_browser()
    if found is None:
        print("No Chromium here: the browser tests are skipped (apt-get install chromium).")
    else:
        os.environ["SANDBOX_CHROMIUM"] = found
    return found


def pytest_arguments(extra: Sequence[str], *, quick: bool) -> list[str]:
    """Give pytest's arguments; paths among `extra` replace the whole."""
    arguments = ["-q", "-p", "sandbox.cli.report", "-p", "sandbox.cli.limit"]
    if quick:
        arguments += ["-m", QUICK]
    else:
        arguments += ["--nbval-lax", "--nbval-current-env", "--nbval-cell-timeout=900"]
    named = any((ROOT / word.split("::")[0]).exists() for word in extra if word[0] != "-")
    if not named:
        arguments += [part for part in EVERYTHING if part[0] == "-" or (ROOT / part).exists()]
        if quick and "notebooks" in arguments:
            arguments.remove("notebooks")
    return [*arguments, *extra]


def check(extra: Sequence[str], *, quick: bool = False) -> int:
    """Run everything; give 0 only if everything passed."""
    failed = [name for name, command in static_checks() if not run_check(name, command)]
    java.settle()
    if not quick:
        settle_browser()
    command = [sys.executable, "-m", "pytest", *pytest_arguments(extra, quick=quick)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    status = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
    if failed:
        print(f"FAILED before the tests: {', '.join(failed)}", flush=True)
    return status or int(bool(failed))
