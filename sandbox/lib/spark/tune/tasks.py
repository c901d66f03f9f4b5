"""Trials in Spark's tasks: one job of one task each, as many at once as the search has slots."""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ...core.errors import ArgumentError, TrainingError
from ...data import Dataset, PartitionedDataset
from ..diagnosis import explain, python_error
from ..errors import SparkSetupError
from ..rows.dataset import SparkDataset
from ..rows.inputs import Handle, NotReadable, Storage
from ..rows.sessions import own_session
from ..rows.travel import pack, unpack
from ..session import hosts
from ..session.cluster import wait_for_slots
from ..session.ended import java_alive
from ..session.jobs import GONE_S
from ..submit import SparkJob
from ..turns import Turn
from ..watch import Interrupts
from ..worker import environment
from .records import Result
from .trial import Order, Setting, failed, run_trial

__all__ = ["SparkTasks"]

logger = logging.getLogger("sandbox.spark")

_SCHEMA = "result string, state binary"
_LOOK_S = 0.05
_LOST = 3  # processes that a trial may lose
_START_S = 60.0  # for a cluster's executors


@dataclass(frozen=True)
class _Shared:
    """What travels with every trial; rows lie in files or broadcasts."""

    setting: Setting
    rows: tuple[Handle, Handle]
    environment: dict[str, str]


class _Going:
    """A trial that goes on, or waits for a slot."""

    def __init__(self, order: Order, turn: Turn) -> None:
        self.order, self.turn = order, turn
        self.job: SparkJob | None = None
        self.lost = 0


class SparkTasks:
    """Runs trials in tasks of a session; a context.

    Parameters
    ----------
    spark : SparkSession
    setting : Setting
    rows : (data set, data set)
        Of training and validation; those of a DataFrame are brought here, for each trial needs all.
    parallel : int, optional
        Trials at once; one less than there are slots by default.
    interrupts : Interrupts
        Ctrl-C.
    tell : callable(text)
        Hears what the search waits for.

    Raises
    ------
    ArgumentError : `model_fn` cannot travel.
    """

    def __init__(
        self,
        spark: Any,
        setting: Setting,
        rows: tuple[Dataset, Dataset],
        parallel: int | None,
        interrupts: Interrupts,
        tell: Callable[[str], object],
    ) -> None:
        self.spark, self.interrupts, self._tell = spark, interrupts, tell
        self.slots = parallel or _slots(spark)
        cores = int(spark.sparkContext.getConf().get("spark.task.cpus", "1"))
        self._going: list[_Going] = []
        self._told = ""
        self.storage = Storage(spark, 1)
        try:
            handles = [self.storage.handle(gathered(one)) for one in rows]
            self.shared = _Shared(
                replace(setting, threads=cores), (handles[0], handles[1]), environment()
            )
            _packed(self.shared, "`model_fn`")
        except BaseException:
            self.storage.close()
            raise

    def start(self, order: Order) -> None:
        """Begin a trial once there is a slot."""
        turn = Turn(
            self.spark.sparkContext, lambda event: None, lambda: None, self.interrupts.check
        )
        self._going.append(_Going(order, turn))

    def next(self) -> tuple[Result, bytes | None]:
        """Wait for one to end.

        Raises
        ------
        KeyboardInterrupt : after Ctrl-C.
        TrainingError : a training that waits for the session has asked for it.
        SparkSetupError : the session has ended.
        """
        while True:
            self.interrupts.check()
            for one in list(self._going):
                answer = self._look(one)
                if answer is not None:
                    self._going.remove(one)
                    return answer
            time.sleep(_LOOK_S)

    def _look(self, one: _Going) -> tuple[Result, bytes | None] | None:
        if one.job is None:
            if one.turn.try_take(1, behind=True):
                self._submit(one)
            elif not any(other.job for other in self._going):
                self._say("another training holds Spark: the search waits for it")
            return None
        if one.turn.command() is not None:
            raise TrainingError(
                "search: stopped, for a training that waited asked for Spark's slots. Call it again"
                " with the same `folder` to go on."
            )
        if not one.job.done.is_set():
            return None
        answer = self._judge(one, one.job)
        if answer is not None:
            one.turn.give_back()
        return answer

    def _say(self, text: str) -> None:
        if text != self._told:
            self._told = text
            self._tell(text)

    def _submit(self, one: _Going) -> None:
        self._told = ""
        task = _make_task(self.shared, one.order)

        def table() -> Any:
            return own_session(self.spark).range(0, 1, 1, 1).mapInArrow(task, _SCHEMA)

        one.job = SparkJob(self.spark, table, f"trial {one.order.trial}")

    def _judge(self, one: _Going, job: SparkJob) -> tuple[Result, bytes | None] | None:
        """Return what an ended job gives; None if it has been submitted again."""
        if job.error is None:
            row = job.rows[0]
            told = json.loads(row.getString(0))
            if "not_readable" in told:
                self.storage.ship(self.spark.sparkContext)
                self._submit(one)
                return None
            state = row.get(1)
            return Result(**told), None if state is None else bytes(state)
        if not job.retryable:
            raise job.error
        text = str(job.error)
        with java_alive():
            explain(text)
        if self.spark.sparkContext._jsc is None:
            raise SparkSetupError("the Spark session was stopped while it searched.") from job.error
        if hosts.lacks_package(text) and hosts.send_package(self.spark.sparkContext):
            self._submit(one)
            return None
        _refuse_unsent(text)
        raised = python_error(text)
        one.lost += 1
        if raised is None and one.lost < _LOST:
            logger.warning("trial %d lost its process and is run again", one.order.trial)
            self._submit(one)
            return None
        words = (
            f"{type(raised).__name__}: {raised}"
            if raised
            else (
                f"its process ended {_LOST} times without a word; memory is the usual cause: raise"
                " spark.executor.memoryOverhead"
            )
        )
        return failed(one.order, "failed", words), None

    def close(self) -> None:
        """Cancel what goes on until it is gone, and give back what was held."""
        jobs = [one.job for one in self._going if one.job is not None]
        until = time.monotonic() + GONE_S
        while time.monotonic() < until and not all(job.over() for job in jobs):
            for job in jobs:
                job.cancel()
            time.sleep(_LOOK_S)
        for one in self._going:
            one.turn.give_back()
        self._going = []
        self.storage.close()


def _slots(spark: Any) -> int:
    """Return how many trials run at once where nobody says so."""
    try:
        return wait_for_slots(spark, None, _START_S)
    except SparkSetupError as error:
        if "dynamicAllocation" not in str(error):
            raise
        raise SparkSetupError(
            "spark.dynamicAllocation.enabled=true: how many trials run at once must be said, since"
            " Spark would start executors for any number: search(parallel=4)."
        ) from error


def gathered(rows: Dataset) -> Dataset:
    """Return rows that tasks can have: those of a DataFrame as arrays, others as they are."""
    if not isinstance(rows, SparkDataset):
        return rows
    parts = [rows.load(part) for part in range(len(rows.partition_sizes))]
    return PartitionedDataset(parts, transform=rows.transform, dtype=rows.dtype)


def _refuse_unsent(text: str) -> None:
    """Say how a module of the user's gets to the workers, if one is missing there."""
    found = re.search(r"No module named '(\w+)", text)
    if found is None:
        return
    module = sys.modules.get(found[1])
    place = getattr(module, "__file__", None) or f"{found[1]}.py"
    if Path(place).name == "__init__.py":
        place = f"{Path(place).parent.name}.zip"
    raise ArgumentError(
        f"search: `model_fn` must be able to travel to Spark's workers; they have no module"
        f" {found[1]!r}. Send it: spark.sparkContext.addPyFile({place!r})."
    )


def _packed(value: Any, what: str) -> bytes:
    try:
        return pack(value)
    except ArgumentError as error:
        raise ArgumentError(
            f"search: {what} must be able to travel to Spark's workers; {error} What it needs from"
            " outside must not hold a session, a DataFrame, a file or a lock; load it inside."
        ) from None


def _make_task(shared: _Shared, order: Order) -> Callable[[Iterator[Any]], Iterator[Any]]:
    packed = _packed((shared, order), "`model_fn`")
    pieces = [handle.pieces for handle in shared.rows]

    def task(batches: Iterator[Any]) -> Iterator[Any]:
        import pyarrow

        for _ in batches:  # to the end, as Spark expects
            pass
        told, state = _run(packed, pieces)
        yield pyarrow.RecordBatch.from_pydict(
            {
                "result": pyarrow.array([json.dumps(told)], pyarrow.string()),
                "state": pyarrow.array([state], pyarrow.binary()),
            }
        )

    return task


def _run(packed: bytes, pieces: list[Any]) -> tuple[dict[str, Any], bytes | None]:
    """Run a trial in a task; return its result as JSON data, and its state."""
    shared, order = unpack(packed)
    os.environ.update(shared.environment)
    for handle, beside in zip(shared.rows, pieces, strict=True):
        handle.pieces = beside
    try:
        data, validation = (handle.open() for handle in shared.rows)
    except NotReadable:
        return {"not_readable": True}, None
    result, state = run_trial(shared.setting, order, data, validation)
    return asdict(result), state
