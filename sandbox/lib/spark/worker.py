"""What a rank does inside its Spark task: meet the others, run the loop, tell the driver."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from ..core.errors import DivergedError, SandboxError
from ..core.parameter import without_values
from ..train.events import stage
from ..train.job import CheckpointPolicy, TrainJob
from .errors import ExchangeError, Stopped
from .exchange.ports import Ports
from .line.caller import Line
from .line.rendezvous import facts_of, meet
from .line.states import RecoveryPoints, settle, told
from .rows.inputs import Handle, NotReadable, open_inputs
from .rows.travel import pack, unpack
from .session.last_task import take_no_other_task

__all__ = ["SCHEMA", "RankTask", "environment", "make_task"]

SCHEMA = "answer string"
LAST_WORDS_S = 1.0
HANDOVER_S = 5.0
_OBEYED = ("SANDBOX_ENGINE", "SANDBOX_EAGER", "SANDBOX_GEMM", "SANDBOX_CACHE", "SANDBOX_DATA")


@dataclass
class RankTask:
    """All that a rank needs; it travels inside Spark's closure.

    Parameters
    ----------
    job : TrainJob
        Without data and start state: those come by the handles and by the line.
    data, validation : Handle
        How a rank gets at its rows.
    line, token : where the driver listens, and the job's secret.
    nonce : by which a rank knows that it sees the driver's private folder.
    loopback, ports : all ranks are on this machine; where ranks may listen.
    ranks : how many they are.
    submission : how often the driver has submitted the job before.
    environment : dict
        Variables of the driver that the library obeys (SANDBOX_ENGINE, ...).
    memory, ranks_here : see `inputs.open_inputs`.
    """

    job: TrainJob
    data: Handle
    validation: Handle | None
    line: tuple[str, int]
    token: bytes
    loopback: bool
    ranks: int
    nonce: str = ""
    ports: Ports = Ports(0, 0)  # noqa: RUF009 - a constant
    submission: int = 0
    exchange: str = "auto"
    deadline_s: float = 60.0
    environment: dict[str, str] = field(default_factory=dict)
    memory: int | None = None
    ranks_here: int = 1


def environment() -> dict[str, str]:
    """Return the variables of this process that the library obeys, for tasks to set."""
    return {name: os.environ[name] for name in _OBEYED if name in os.environ}


def make_task(plan: RankTask) -> Callable[[Iterator[Any]], Iterator[Any]]:
    """Return the function for `mapInArrow`."""
    # Where large states lie in files, so do the parameters: rank 0 reads them there.
    large = plan.job.places is not None
    with without_values(p for p in plan.job.model.parameters() if large and p.dtype.kind == "f"):
        packed = pack(plan)
    pieces = [handle and handle.pieces for handle in (plan.data, plan.validation)]

    def task(batches: Iterator[Any]) -> Iterator[Any]:
        import pyarrow

        answer = run_rank(packed, batches, pieces)
        yield pyarrow.RecordBatch.from_pydict({"answer": [json.dumps(answer)]})

    return task


def run_rank(packed: bytes, batches: Iterator[Any], pieces: list[Any]) -> dict[str, Any]:
    """Train as one rank of the job; returns a summary for Spark.

    Parameters
    ----------
    packed : bytes
        The `RankTask`. It is unpacked anew for each generation, as training changes what is in it.
    batches : Arrow batches
        The task's own input.
    pieces : list
        What travels beside the handles of training and validation: see `Handle.pieces`.
    """
    from pyspark import TaskContext

    take_no_other_task()
    plan: RankTask = unpack(packed)
    context: Any = TaskContext.get()
    rank = context.partitionId()
    os.environ.update(plan.environment)
    leash = _Leash()
    line = Line(
        plan.line,
        plan.token,
        rank,
        hello={
            "pid": os.getpid(),
            "submission": plan.submission,
            "attempt": context.attemptNumber(),
        },
        on_stop=leash.pull,
        deadline_s=plan.deadline_s,
    )
    try:
        handles = (plan.data, plan.validation)
        for handle, beside in zip(handles, pieces, strict=True):
            if handle is not None:
                handle.pieces = beside
        data, validation = open_inputs(
            handles,
            rank,
            batches,
            memory=plan.memory,
            ranks_here=plan.ranks_here,
            tell=lambda share, text: line.emit(stage(text, share)),
        )
        while True:
            try:
                mine = replace(plan.job, data=data, validation=validation)
                return _train(plan, mine, rank, line, leash)
            except ExchangeError as error:  # of the group: others were lost
                line.lose(f"{type(error).__name__}: {error}")
            leash.group = None
            del mine
            gc.collect()  # the vectors of the generation before
            plan = unpack(packed)
    except BaseException as error:
        if rank and isinstance(error, DivergedError):
            line.stopped.wait(HANDOVER_S)  # rank 0 raises it too, and hands the good state over
        leash.abort(error)
        line.fail(_describe(rank, error))
        raise
    finally:
        leash.release()
        line.close()


def _train(plan: RankTask, job: TrainJob, rank: int, line: Line, leash: _Leash) -> dict[str, Any]:
    """Take part in one generation, from the meeting of the ranks to its end."""
    from ..train.loop import run

    begin = time.perf_counter()
    group = meet(
        line,
        plan.token,
        facts_of(job),
        loopback=plan.loopback,
        ports=plan.ports,
        exchange=plan.exchange,
        deadline_s=plan.deadline_s,
        threads=job.threads,
    )
    leash.group = group
    with group:
        settle(job, line, group, plan.nonce)
        for text in (group.describe(), *group.notes):
            line.emit({"type": "log", "level": "info", "text": text})
        result = run(job, group, _emitter(line, rank, job.checkpoint), line.poll)
        if rank == 0:
            line.finish(
                {
                    "reason": result.reason,
                    "step": result.step,
                    "epoch": result.epoch,
                    "state": told(result.state),
                    "seconds": result.seconds,
                }
            )
        group.barrier()
    if result.reason == "stopped" and line.stopped.wait(LAST_WORDS_S / 2):
        os._exit(0)  # interrupted: be gone at once, the job is being cancelled
    return {"rank": rank, "step": result.step, "seconds": time.perf_counter() - begin}


def _emitter(
    line: Line, rank: int, policy: CheckpointPolicy | None
) -> Callable[[dict[str, Any]], None]:
    trigger = policy.every if policy is not None else None

    def emit(event: dict[str, Any]) -> None:
        if rank and event["type"] != "log":
            return
        if event["type"] == "checkpoint":
            event = {**event, "data": told(event["data"])}
            if isinstance(trigger, RecoveryPoints):
                event["wanted"] = trigger.wanted
        line.emit(event)

    return emit


class _Leash:
    """Ends this rank when the driver says so or is gone, even in the middle of a long wait."""

    def __init__(self) -> None:
        self.group: Any = None
        self._released = threading.Event()

    def pull(self) -> None:
        """Leave the group, and if that does not help end the process."""
        if self.group is not None:
            self.group.interrupt()
        if not self._released.wait(LAST_WORDS_S):
            os._exit(1)

    def abort(self, error: BaseException) -> None:
        if self.group is not None:
            with contextlib.suppress(OSError):
                self.group.abort(f"{type(error).__name__}: {error}")

    def release(self) -> None:
        self._released.set()


def _describe(rank: int, error: BaseException) -> dict[str, Any]:
    """Tell the driver what happened: whose fault it is decides whether to try again."""
    if isinstance(error, NotReadable):
        kind = "not_readable"
    elif isinstance(error, Stopped):
        kind = "stopped"
    elif isinstance(error, Exception):
        kind = "own"
    else:  # SystemExit, KeyboardInterrupt: Spark ends this task
        kind = "stopped"
    return {
        "rank": rank,
        "kind": kind,
        "type": type(error).__name__,
        "library": isinstance(error, SandboxError),
        "text": str(error),
        "trace": "".join(traceback.format_exception(error)),
    }
