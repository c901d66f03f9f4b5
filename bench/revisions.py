"""The library against itself at an earlier revision: training steps and inference, in turns.

Each side has a process of its own with the library of its revision on the path, and an empty cache
of kernel choices: what is measured is what a user of either gets. They take turns: now, before,
before, now ... A ratio is the time now over the time before; the bar is on its median.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from . import harness
from ._workload import WORKLOADS

ROOT = Path(__file__).resolve().parents[1]
SECONDS = 0.3  # of a turn


class Side:
    """One revision's process."""

    def __init__(self, name: str, checkout: Path, cache: Path) -> None:
        environment = {**os.environ, "PYTHONPATH": str(checkout), "SANDBOX_CACHE": str(cache)}
        self.process = subprocess.Popen(
            [sys.executable, str(ROOT / "bench" / "_workload.py"), name],
            env=environment,
            cwd=checkout,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.loss = float("nan")
        if self._line() != "ready":
            raise harness.RefusedError(f"{name}: the library in {checkout} cannot run it.")

    def _line(self) -> str:
        return str(self.process.stdout.readline()).strip() if self.process.stdout else ""

    def run(self, steps: int) -> float:
        """Let it take so many steps; return seconds per step."""
        if self.process.stdin is None:
            raise RuntimeError("the process has no input.")
        self.process.stdin.write(f"{steps}\n")
        self.process.stdin.flush()
        seconds, loss = self._line().split()
        self.loss = float(loss)
        return float(seconds) / steps

    def close(self) -> None:
        """End the process."""
        if self.process.stdin:
            self.process.stdin.close()
        self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()


def checkout(revision: str, folder: Path) -> Path:
    """Write a revision's files into a folder."""
    archive = subprocess.run(
        ["git", "-C", str(ROOT), "archive", revision, "sandbox"], check=True, capture_output=True
    )
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive.stdout, check=True)
    return folder


def compare(report, name: str, before: Path, caches: Path, rounds: int, bar: float) -> None:
    """Compare one workload."""
    sides = [
        Side(name, place, caches / f"{label}-{name.replace(' ', '-')}")
        for label, place in (("now", ROOT), ("before", before))
    ]
    try:
        for side in sides:
            side.run(3)
        harness.agree(f"{name}: loss", sides[0].loss, sides[1].loss)
        steps = [max(1, round(SECONDS / side.run(1))) for side in sides]
        pairs = []
        for number in range(rounds):
            found = [0.0, 0.0]
            for place in (0, 1) if number % 2 == 0 else (1, 0):
                found[place] = sides[place].run(steps[place])
            pairs.append(found)
    finally:
        for side in sides:
            side.close()
    now, then = zip(*pairs, strict=True)
    ratio = statistics.median(a / b for a, b in pairs)
    least = min(now) / min(then)
    report(
        f"{name:<24} now {1e3 * statistics.median(now):9.3f} ({1e3 * min(now):9.3f}) ms   "
        f"before {1e3 * statistics.median(then):9.3f} ({1e3 * min(then):9.3f}) ms   "
        f"of the minima {least:.3f}"
    )
    report.value(f"{name}: now / before, median of {rounds}", ratio, at_most=bar)


def main(arguments, report):
    """Run the comparisons."""
    parser = harness.options("revisions", __doc__, rounds=30)
    parser.add_argument("--against", default="HEAD~1", help="the earlier revision (HEAD~1)")
    parser.add_argument("--bar", type=float, default=1.03, help="largest median ratio (1.03)")
    parser.add_argument("--only", default="", help="workloads whose name holds this")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        before, caches = Path(folder) / "before", Path(folder) / "caches"
        before.mkdir()
        checkout(chosen.against, before)
        report(f"before: {chosen.against}")
        for name in WORKLOADS:
            if chosen.only in name:
                compare(report, name, before, caches, chosen.rounds, chosen.bar)
    return report.close()
