"""What the driver keeps an eye on during a run: Ctrl-C, lost ranks, ranks that do not come."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from ..train.events import Event, stage
from .errors import SparkSetupError, WorkerError
from .line.server import LineServer
from .session import cluster

__all__ = ["MET", "SENT", "Absences", "Interrupts", "Loading", "Losses"]

logger = logging.getLogger("sandbox.spark")

GIVE_UP = 5  # failures in a row without one more iteration
REPLACED_S = 15.0  # for Spark to start a task again whose process was told to leave
MISSED_S = 2.0  # until a rank that has not called is spoken of
SENT, MET = 0.6, 0.8  # shares of the way to the first iteration
_NEVER = float("inf")


class Interrupts:
    """Ctrl-C during a run: told by flags, for an exception in a call to Java would break it."""

    def __init__(self) -> None:
        self.soft = threading.Event()
        self.hard = threading.Event()

    def __call__(self) -> None:
        """Stop softly at the first call, hard at the second."""
        if self.soft.is_set():
            self.hard.set()
        self.soft.set()

    def check(self) -> None:
        """Raise KeyboardInterrupt if there was one."""
        if self.soft.is_set():
            raise KeyboardInterrupt


class Losses:
    """Ranks that a run has lost: what they said, and how many in a row without progress."""

    def __init__(self) -> None:
        self.count = 0
        self.words = ""
        """The first that was heard since the ranks met last."""
        self.died = False
        """Whether a process ended without a word."""
        self._mark = -1

    def hear(self, text: str, *, died: bool = False) -> None:
        """Take note of a loss."""
        if not self.words:
            self.words, self.died = text, self.died or died
        logger.info("lost: %s", text)

    def forget(self) -> None:
        """Begin anew, once the ranks have met."""
        self.words, self.died = "", False

    def add(self, step: int) -> None:
        """Count a failure; `step` is the last iteration that was heard of.

        Raises
        ------
        WorkerError : too many in a row.
        """
        if step > self._mark:
            self.count = 0
        self._mark = step
        self.count += 1
        if self.count > GIVE_UP:
            cure = (
                " Memory is the usual cause: raise spark.executor.memoryOverhead (ranks live "
                "outside of the JVM heap)."
            )
            raise WorkerError(
                f"{self.count} failures in a row without one more iteration; the last: "
                f"{self.words or 'unknown'}.{cure if self.died else ''}"
            )


class Loading:
    """Tells how far that rank is which has the most rows to load yet."""

    def __init__(self, ranks: int, emit: Callable[[Event], None]) -> None:
        self._ranks, self._emit = ranks, emit
        self._shares: dict[int, float] = {}
        self._told = 0.0

    def hear(self, rank: int, event: Event) -> None:
        """Take a rank's stage event."""
        self._shares[rank] = event["share"]
        share = min(self._shares.values()) if len(self._shares) == self._ranks else 0.0
        if share >= self._told + 0.01 or not self._told:
            self._told = max(share, 1e-9)
            self._emit(stage(event["text"], SENT + (MET - SENT) * share))


class Absences:
    """Looks after ranks of a submission that do not come, or not come back.

    Parameters
    ----------
    spark, server, ranks : the session, the line, how many ranks there are.
    emit, losses : where is told that ranks wait, and that one was lost.
    deadline_s, start_timeout_s : see `SparkBackend`.
    """

    def __init__(
        self,
        spark: Any,
        server: LineServer,
        ranks: int,
        emit: Callable[[Event], None],
        losses: Losses,
        *,
        deadline_s: float,
        start_timeout_s: float,
    ) -> None:
        self._spark, self._server, self._ranks = spark, server, ranks
        self._emit, self._losses = emit, losses
        self._deadline_s, self._start_timeout_s = deadline_s, start_timeout_s
        self._since = time.monotonic()
        self._replaced_by = _NEVER
        self._told = ""

    def begin_anew(self) -> None:
        """Count from now: a rank has just left."""
        self._since = time.monotonic()

    def all_met(self) -> None:
        """Wait for nobody: all ranks have met."""
        self._replaced_by = _NEVER

    def hopeless(self) -> bool:
        """Look who is missing; whether the job has to be submitted again.

        Raises
        ------
        SparkSetupError : the cluster has too few slots left.
        """
        now = time.monotonic()
        for rank in self._server.drop_silent(self._deadline_s):
            self._losses.hear(f"rank {rank} has not come back within {self._deadline_s:g} s")
            self._replaced_by = now + REPLACED_S
        missing = self._server.missing()
        if not missing:
            self._since = now
            return False
        if now > self._replaced_by:
            return True
        if now - self._since > MISSED_S and len(missing) < self._ranks:
            self._tell(missing, now)
        return False

    def _tell(self, missing: list[int], now: float) -> None:
        have = cluster.slots(self._spark.sparkContext)
        if now - self._since > self._start_timeout_s and have < self._ranks:
            raise SparkSetupError(
                f"ranks={self._ranks}: Spark has {have} slots left, and no others within "
                f"{self._start_timeout_s:g} s. Are the workers running? Use ranks={max(1, have)}."
            )
        text = f"{len(missing)} of {self._ranks} ranks wait for a free slot of Spark"
        if text != self._told:
            self._told = text
            self._emit(stage(text, SENT))
