"""`sandbox test`: the checks that run nothing, then one pytest run over the rest."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import debian, java
from .errors import CommandError
from .places import ROOT

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
EVERYTHING = ("tests", "notebooks", "sandbox", "--doctest-modules")
# What `test` leaves to `test --all`, and what `test --quick` leaves out further.
SAMPLE = "not campaign and not docker and not vm"
QUICK = f"{SAMPLE} and not spark and not faults and not processes and not notebook and not browser"
# Java of tests compiles once and collects in one thread: its start takes half the processor time.
JAVA_OPTIONS = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
# Two tests at a time keep two cores busy; more need more memory than processors.
PROCESSES = 2


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
    line = f"{'ok    ' if good else 'FAILED'} {name} ({time.perf_counter() - started:.1f} s)\n"
    print(line if good else f"{line}{output}\n", end="", flush=True)
    return good


def run_checks() -> list[str]:
    """Run the checks that run nothing, two at a time; give the names of those that failed."""
    checks = static_checks()
    with ThreadPoolExecutor(PROCESSES) as pool:
        good = list(pool.map(lambda named: run_check(*named), checks))
    return [name for (name, _), fine in zip(checks, good, strict=True) if not fine]


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


def pytest_arguments(
    extra: Sequence[str], *, quick: bool = False, whole: bool = False
) -> list[str]:
    """Give pytest's arguments; paths among `extra` replace the choice, and run in one process."""
    arguments = ["-q", "-p", "sandbox.cli.report", "-p", "sandbox.cli.limit"]
    arguments += ["--durations=10", "--durations-min=1"]
    if not quick:
        arguments += ["--nbval-lax", "--nbval-current-env", "--nbval-cell-timeout=900"]
    named = any((ROOT / word.split("::")[0]).exists() for word in extra if word[0] != "-")
    if quick or not (whole or named):
        arguments += ["-m", QUICK if quick else SAMPLE]
    if not named:
        arguments += ["-p", "sandbox.cli.lanes", f"--numprocesses={PROCESSES}"]
        arguments += [part for part in EVERYTHING if part[0] == "-" or (ROOT / part).exists()]
        if quick and "notebooks" in arguments:
            arguments.remove("notebooks")
    return [*arguments, *extra]


def run_pytest(arguments: Sequence[str]) -> int:
    """Run pytest; give its status. Ctrl-C reaches it as well: it puts away what it has started."""
    environment = {"SPARK_SUBMIT_OPTS": JAVA_OPTIONS, **os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", *arguments], cwd=ROOT, env=environment
    )
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue


def check(extra: Sequence[str], *, quick: bool = False, whole: bool = False) -> int:
    """Run the checks; give 0 only if everything passed."""
    if quick and whole:
        raise CommandError("--quick and --all exclude each other", "Give one of them, or none.")
    failed = run_checks()
    java.settle()
    if not quick:
        settle_browser()
    status = run_pytest(pytest_arguments(extra, quick=quick, whole=whole))
    if failed:
        print(f"FAILED before the tests: {', '.join(failed)}", flush=True)
    return status or int(bool(failed))
