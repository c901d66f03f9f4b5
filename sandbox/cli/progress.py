"""What a person sees of a whole test run: which part runs, what failed, how long each part took."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from .parts import Plan

MINUTE = 60


@dataclass
class Part:
    """What is known of a part of the run.

    Parameters
    ----------
    tests : how many it has; of these `done` have ended, and `failed` have failed.
    begun, ended : seconds since the run began.
    work : seconds its tests took, one after the other.
    """

    tests: int
    begun: float
    ended: float = 0.0
    done: int = 0
    failed: int = 0
    work: float = 0.0


def clock(seconds: float) -> str:
    """Write a time as a person does: 2:05."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


class Progress:
    """Writes a line where a part begins or ends or a test fails, and each minute how far it is.

    A terminal also shows the test that began last. There are no dots.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.parts: dict[str, Part] = {}
        self.running = False
        self.spoken = 0.0

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Start the clock."""
        self.started = time.monotonic()
        self.terminal: Any = session.config.pluginmanager.getplugin("terminalreporter")
        self.running = True

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """Leave what follows to pytest."""
        self._status("")
        self.running = False

    @property
    def now(self) -> float:
        """Give the seconds since the run began."""
        return time.monotonic() - self.started

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Tell that a part begins."""
        self._part(nodeid)
        done = sum(part.done for part in self.parts.values())
        percent = f"{100 * done // len(self.plan.places)} %"
        if self.now - self.spoken > MINUTE:
            self._line(percent)
        self._status(f"{clock(self.now):>6}  {percent}  {nodeid}")

    @pytest.hookimpl(wrapper=True)
    def pytest_report_teststatus(self) -> Iterator[None]:
        """Keep the dots back, not the counting."""
        category, letter, word = yield
        return (category, "", "") if self.running else (category, letter, word)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count, and name what failed at once."""
        part = self._part(report.nodeid)
        part.work += report.duration
        if report.failed:
            part.failed += 1
            self._line(f"FAILED {report.nodeid}")
        if report.when not in ("setup", "call"):  # put away, or ended with its process
            part.done += 1
        if part.done == part.tests and not part.ended:
            part.ended = self.now
            verdict = f", {part.failed} FAILED" if part.failed else ""
            name = self.plan.places[report.nodeid].part
            self._line(f"{name}: done in {clock(part.ended - part.begun)}{verdict}")

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Tell how long each part took; several run at a time."""
        if not self.parts:
            return
        terminalreporter.section("parts")
        terminalreporter.write_line(f"{'':16}  tests  began   took   work")
        for name, part in self.parts.items():
            times = (part.begun, (part.ended or self.now) - part.begun, part.work)
            columns = "  ".join(f"{clock(time):>5}" for time in times)
            verdict = f"  {part.failed} FAILED" if part.failed else ""
            if not part.ended:
                verdict += f"  {part.tests - part.done} did not run"
            terminalreporter.write_line(f"{name:16}  {part.tests:5}  {columns}{verdict}")

    def _part(self, nodeid: str) -> Part:
        name = self.plan.places[nodeid].part
        if name not in self.parts:
            tests = Counter(place.part for place in self.plan.places.values())[name]
            self.parts[name] = Part(tests, self.now)
            self._line(f"{name}: {tests} test{'s' * (tests != 1)}")
        return self.parts[name]

    def _line(self, text: str) -> None:
        self.spoken = self.now
        self._status("")
        self.terminal.write_line(f"{clock(self.now):>6}  {text}")

    def _status(self, text: str) -> None:
        if self.terminal.isatty():
            self.terminal.rewrite(text[: shutil.get_terminal_size().columns - 1], erase=True)
            self.terminal.rewrite("")
