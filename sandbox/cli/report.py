"""A pytest plugin: which data the run used, what it left out, and whether it may leave that out."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest

# A run in continuous integration (CI=true) that leaves one of these out has failed.
REQUIRED = ("spark", "notebook", "browser", "faults", "docker", "vm")


def is_ci() -> bool:
    """Tell whether this is a run in continuous integration."""
    return os.environ.get("CI", "").lower() in ("1", "true", "yes")


class Skips:
    """Tests that were skipped: reason -> (how many, the required parts among them)."""

    def __init__(self) -> None:
        self.reasons: dict[str, int] = defaultdict(int)
        self.required: dict[str, set[str]] = defaultdict(set)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Count a file that skips itself as a whole; which tests it holds nobody knows."""
        if report.skipped:
            parts = report.nodeid.split("/")
            self._count(report, {n for n in REQUIRED if any(p.startswith(n) for p in parts)})

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count a skipped test; an expected failure is none."""
        if report.skipped and not hasattr(report, "wasxfail"):
            self._count(report, set(report.required))

    def _count(self, report: Any, parts: set[str]) -> None:
        longrepr = report.longrepr
        reason = str(longrepr[2] if isinstance(longrepr, tuple) else longrepr)
        reason = reason.removeprefix("Skipped: ")
        self.reasons[reason] += 1
        self.required[reason] |= parts

    @property
    def forbidden(self) -> list[str]:
        """Give the reasons that make a run in continuous integration fail."""
        if not is_ci():
            return []
        return [reason for reason, parts in self.required.items() if parts]

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Fail a run that left out what it must not."""
        if exitstatus == 0 and self.forbidden:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Say which data were used and what was skipped and why."""
        from .data import in_one_line

        terminalreporter.write_line(f"data: {in_one_line()}")
        if not self.reasons:
            terminalreporter.write_line("skipped: nothing")
        for reason, count in sorted(self.reasons.items()):
            tests = "1 test" if count == 1 else f"{count} tests"
            verdict = " (REQUIRED in CI: the run fails)" if reason in self.forbidden else ""
            terminalreporter.write_line(f"skipped: {tests}: {reason}{verdict}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Write into a test's report which of the required parts it belongs to."""
    report = yield
    report.required = [name for name in REQUIRED if item.get_closest_marker(name)]
    return report


def pytest_configure(config: pytest.Config) -> None:
    """Join the run; of several processes, the one that all reports come to."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Skips(), "sandbox-skips")
