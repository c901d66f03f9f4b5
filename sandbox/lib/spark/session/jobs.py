"""Spark jobs of ours under a name, cancelled until they are over; Ctrl-C in short ones."""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from ...train.backend import calling_at_interrupt

__all__ = ["JobGroup", "interruptible"]

T = TypeVar("T")
GONE_S = 30.0  # for Spark to end what was cancelled
_LOOK_S = 0.05


class JobGroup:
    """The jobs that one thread starts, under a name that is never used again.

    Parameters
    ----------
    context : SparkContext
        Where they run.
    what : str
        Shown in Spark's pages.
    """

    def __init__(self, context: Any, what: str) -> None:
        self.context, self.what = context, what
        self.name = f"sandbox-{secrets.token_hex(6)}"

    def enter(self) -> None:
        """Have the jobs that this thread starts from now on belong to the group."""
        self.context.setJobGroup(self.name, f"sandbox: {self.what}", interruptOnCancel=False)

    def cancel(self) -> None:
        """Ask Spark to cancel, also what it has not begun yet."""
        with contextlib.suppress(Exception):  # a session that was stopped has no jobs
            self.context._jsc.sc().cancelJobGroupAndFutureJobs(self.name)

    def active(self) -> bool:
        """Tell whether Spark runs a job of the group."""
        with contextlib.suppress(Exception):
            tracker = self.context.statusTracker()
            active = set(tracker.getActiveJobsIds())
            return not active.isdisjoint(tracker.getJobIdsForGroup(self.name))
        return False


def interruptible(context: Any, job: Callable[[], T]) -> T:
    """Return what a function gives that runs Spark jobs; Ctrl-C cancels these, and no others.

    An exception in the middle of a call to Java would leave the job running. So, in the main
    thread, the function is called in another one, which is waited for.

    Raises
    ------
    KeyboardInterrupt : after Ctrl-C, once Spark runs nothing of it any more.
    """
    from pyspark import InheritableThread

    here = threading.current_thread() is threading.main_thread()
    if not here or context is None:  # signals come to the main thread only
        return job()
    group = JobGroup(context, "looking at rows")
    done, interrupts = threading.Event(), list[float]()
    answers: list[T] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            group.enter()
            answers.append(job())
        except BaseException as error:  # raised again where the function was called
            errors.append(error)
        finally:
            done.set()

    with calling_at_interrupt(lambda: interrupts.append(time.monotonic())):
        InheritableThread(target=work, name=group.name, daemon=True).start()
        while not done.wait(_LOOK_S) or (interrupts and group.active()):
            if interrupts:
                group.cancel()
                if len(interrupts) > 1 or time.monotonic() - interrupts[0] > GONE_S:
                    break
    if interrupts:
        raise KeyboardInterrupt
    if errors:
        raise errors[0]
    return answers[0]
