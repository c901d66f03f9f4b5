"""A pytest plugin: a test that hangs ends with a clear failure instead of holding up the run."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import pytest

# Far above what the slowest test needs on two busy cores; a hang is all that they shall end. The
# first test of a carrier builds the image or the machine in its set-up.
LIMIT_S = 1200
CARRIER_LIMIT_S = 1800
CARRIERS = ("docker", "vm")


class OverTimeError(Exception):
    """A test took longer than any working test does."""


@contextmanager
def limited(item: pytest.Item, phase: str) -> Iterator[None]:
    """Raise in the main thread when a part of a test takes too long."""
    seconds = CARRIER_LIMIT_S if any(map(item.get_closest_marker, CARRIERS)) else LIMIT_S

    def give_up(number: int, frame: FrameType | None) -> None:
        raise OverTimeError(f"the {phase} of {item.nodeid} has not ended within {seconds} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


if hasattr(signal, "SIGALRM"):

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
        """Limit what a test needs before it begins."""
        with limited(item, "set-up"):
            return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
        """Limit the test itself."""
        with limited(item, "test"):
            return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
        """Limit what a test leaves to be put away."""
        with limited(item, "tear-down"):
            return (yield)
