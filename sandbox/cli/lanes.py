"""A pytest plugin: a whole run in several processes, part by part (see `parts`)."""

from __future__ import annotations

import gc
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from .parts import ORDER, Plan, part_of
from .progress import Progress

LEFT = "left open"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the parts into their order; within a part all stays as it was."""
    items.sort(key=lambda item: ORDER.index(part_of(item)))


class Lanes(LoadScopeScheduling):  # type: ignore[misc]
    """Distributes whole lanes, in the order of the plan."""

    def __init__(self, config: pytest.Config, log: Any, plan: Plan) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False  # as planned, not by length
        self.plan = plan

    def _split_scope(self, nodeid: str) -> str:
        return self.plan.places[nodeid].lane

    def remove_node(self, node: Any) -> str | None:
        """Give the test that ended its process; it is not run again, the rest of its lane is."""
        for lane in self.assigned_work[node].values():
            for name, done in lane.items():
                if not done:
                    lane[name] = True
                    super().remove_node(node)
                    return name
        return super().remove_node(node)

    def _reschedule(self, node: Any) -> None:
        if node in self.registered_collections:  # else it takes the place of one that has crashed
            super()._reschedule(node)


class Collector:
    """In a process that runs tests: writes the plan, and tells what the tests left open."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Write before the end of the collection is told."""
        self.plan.write(session.items)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Look for what pytest finds at its very end; of several processes, nobody hears of it."""
        if not hasattr(session.config, "workeroutput"):
            return
        found: list[str] = []
        before = sys.unraisablehook
        sys.unraisablehook = lambda left: found.append(f"{left.exc_value!r} in {left.object!r}")
        try:
            gc.collect()
        finally:
            sys.unraisablehook = before
        session.config.workeroutput[LEFT] = found


class Distributor:
    """In the process that distributes: tells where the plan has to be written, and goes by it."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.left: list[str] = []

    def pytest_configure_node(self, node: Any) -> None:
        """Tell a process where."""
        node.workerinput["plan"] = str(self.plan.file)

    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> Lanes:
        """Distribute by lanes."""
        return Lanes(config, log, self.plan)

    def pytest_testnodedown(self, node: Any) -> None:
        """Hear what its tests left open."""
        self.left += getattr(node, "workeroutput", {}).get(LEFT, [])

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Fail a run whose tests left something open."""
        if self.left and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Tell what was left open."""
        for what in self.left:
            terminalreporter.write_line(f"FAILED, left open at the end of a process: {what}")


def pytest_configure(config: pytest.Config) -> None:
    """Join the run, in each of its processes."""
    register = config.pluginmanager.register
    if hasattr(config, "workerinput"):
        register(Collector(Plan(Path(config.workerinput["plan"]))), "sandbox-collector")
        return
    folder = tempfile.TemporaryDirectory(prefix="sandbox-test-")
    config.add_cleanup(folder.cleanup)
    plan = Plan(Path(folder.name) / "plan.json")
    distributes = config.getoption("dist") != "no"
    register(Distributor(plan) if distributes else Collector(plan), "sandbox-distributor")
    register(Progress(plan), "sandbox-progress")
