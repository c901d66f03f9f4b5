"""One training run in the driver: submit the job, hear its ranks, submit it again if need be."""

from __future__ import annotations

import copy
import itertools
import logging
import queue
import secrets
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import Any, Self

from ..train.backend import Interrupted
from ..train.control import Control
from ..train.events import Event, stage
from ..train.job import CheckpointPolicy, Command, Result, TrainJob
from .diagnosis import explain, python_error, rebuild
from .errors import SparkSetupError, WorkerError
from .exchange.ports import Ports
from .line.caller import AHEAD
from .line.rendezvous import disagreement
from .line.server import LineServer, Message
from .line.states import Desk, RecoveryPoints, nonce, state_distance, weights_file
from .rows.dataset import SparkDataset
from .rows.inputs import Storage
from .session import cluster, hosts
from .session.ended import java_alive
from .session.hosts import is_local
from .session.jobs import GONE_S
from .submit import SparkJob
from .watch import MET, SENT, Absences, Interrupts, Loading, Losses
from .worker import SCHEMA, RankTask, environment, make_task

__all__ = ["SESSION", "DriverRun"]

logger = logging.getLogger("sandbox.spark")

SOFT_STOP_S = 1.5  # after Ctrl-C, for the iteration under way and the final state
EARLY_STOP_S = 2.0  # after a stop before the ranks have met, in case they are about to
BUSY = 200  # events heard in a row before commands get their turn
SESSION = 0.5  # share of the way to the first iteration
_NEVER = float("inf")


class DriverRun:
    """One training run on a session; a context, which holds the line and the files.

    Parameters
    ----------
    spark, ranks, job : the session, how many tasks, what to train.
    emit, poll : where events go and commands come from.
    interrupts : Interrupts
        Ctrl-C.
    exchange, deadline_s, state_every, ports, start_timeout_s, memory_per_rank : see `SparkBackend`.
    """

    def __init__(
        self,
        spark: Any,
        ranks: int,
        job: TrainJob,
        emit: Callable[[Event], None],
        poll: Callable[[], Command | None],
        interrupts: Interrupts,
        *,
        exchange: str,
        deadline_s: float,
        state_every: int | None,
        ports: Ports,
        start_timeout_s: float,
        memory_per_rank: int | None,
    ) -> None:
        self.spark, self.ranks, self.job = spark, ranks, job
        self.emit, self.poll, self.interrupts = emit, poll, interrupts
        self.exchange, self.deadline_s, self.state_every = exchange, deadline_s, state_every
        self.ports, self.start_timeout_s = ports, start_timeout_s
        self.memory_per_rank = memory_per_rank
        self.control = Control()  # what is wanted, as far as this run has heard
        self.result: Result | None = None
        self.newest = (0, 0)  # step and epoch of the newest state
        self.best_step = -1
        self.handled = self.acknowledged = -1
        self.losses = Losses()
        self.paused = False
        self.begun = False
        self.stop_by = _NEVER

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._acquire(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _acquire(self, stack: ExitStack) -> None:
        """Take hold of what has to be given back, and make the ranks' plan."""
        context, job = self.spark.sparkContext, self.job
        local = is_local(context.master)
        token = secrets.token_bytes(32)
        host = "127.0.0.1" if local else context.getConf().get("spark.driver.host", "127.0.0.1")
        bind = context.getConf().get("spark.driver.bindAddress", host)
        weights = stack.enter_context(weights_file(job))
        self.server = LineServer(
            "127.0.0.1" if local else bind,
            token,
            self.ranks,
            Desk(job.start, weights, "" if job.places is None else job.places.spool),
            ports=self.ports,
            silence_s=self.deadline_s,
        )
        stack.callback(self.server.close)
        self.storage = Storage(self.spark, self.ranks)
        stack.callback(self.storage.close)
        asked = job.checkpoint
        light = replace(
            job,
            model=copy.copy(job.model),
            data=None,
            validation=None,
            start=None,
            weights=None,
            checkpoint=CheckpointPolicy(
                RecoveryPoints(
                    None if asked is None else asked.every,
                    self.state_every or state_distance(job.model),
                ),
                True if asked is None else asked.history,
            ),
        )
        self.emit(stage("sending the data", SESSION))
        self.plan = RankTask(
            job=light,
            data=self.storage.handle(job.data),
            validation=None if job.validation is None else self.storage.handle(job.validation),
            line=(host, self.server.address[1]),
            token=token,
            nonce=nonce(job.places),
            loopback=local,
            ranks=self.ranks,
            ports=self.ports,
            exchange=self.exchange,
            deadline_s=self.deadline_s,
            memory=self.memory_per_rank,
            ranks_here=cluster.ranks_on_a_host(context, self.ranks),
            environment=environment(),
        )

    # -- the driver's loop --------------------------------------------------------------------

    def go(self) -> Result:
        """Submit until a result is there."""
        for data in (self.job.data, self.job.validation):
            if isinstance(data, SparkDataset) and data.unordered():
                self._log(
                    "warning",
                    f"{data}: its rows come out of a shuffle in no fixed order; "
                    "cache() or sort it if runs must be equal bit for bit",
                )
        for note in self.storage.notes():
            self._log("info", note)
        for submission in itertools.count(1):
            self.interrupts.check()
            self.emit(stage(f"starting {_ranks(self.ranks)}", SENT))
            self.server.open(submission)
            plan = replace(self.plan, submission=submission)
            job = SparkJob(self.spark, partial(self._table, plan), "training")
            try:
                with java_alive():
                    again = self._follow(job)
            except BaseException:
                self._cancel(job)
                raise
            if self.result is not None:
                if self.interrupts.soft.is_set():
                    raise Interrupted(self.result)
                return self.result
            self.interrupts.check()
            if again and not self.server.generation:  # else the next meeting of the ranks says so
                self.emit({"type": "state", "state": "retrying"})
        raise AssertionError("unreachable")

    def _table(self, plan: RankTask) -> Any:
        """Return the table whose partitions are the ranks."""
        return self.storage.table().mapInArrow(make_task(plan), SCHEMA)

    def _follow(self, job: SparkJob) -> bool:
        """Hear the ranks until this submission ends; returns whether to try again."""
        self.begun = False
        self.loading = Loading(self.ranks, self.emit)
        self.absences = Absences(
            *(self.spark, self.server, self.ranks, self.emit, self.losses),
            deadline_s=self.deadline_s,
            start_timeout_s=self.start_timeout_s,
        )
        self.stop_by = finished_by = _NEVER
        heard = 0
        while True:
            message = self._next() if heard < BUSY else None
            if message is not None:
                heard += 1
                verdict = self._hear(message)
                if verdict == "ship":
                    self._cancel(job)
                    self.storage.ship(self.spark.sparkContext)
                    return False
                if verdict == "finished" and self.interrupts.soft.is_set():
                    self._cancel(job)
                    return False
                if verdict == "finished":
                    finished_by = time.monotonic() + 5.0
                    self.stop_by = _NEVER
                continue
            heard = 0
            self._acknowledge()
            now = time.monotonic()
            if job.done.is_set():
                if self.result is None and (message := self._next()) is not None:
                    self._hear(message)
                    continue
                return self.result is None and self._judge(job)
            if now > finished_by:
                self._cancel(job)
                return False
            if self.stop_by == _NEVER and self.result is None:
                self.stop_by = now + self._patience()
            if now > self.stop_by or self.interrupts.hard.is_set():
                self._cancel(job)
                if not self.interrupts.soft.is_set() and self.result is None:
                    state = self.server.desk.latest if self.newest[0] else None
                    self.result = Result("stopped", *self.newest, state, 0.0)
                return False
            if self.result is None and self.absences.hopeless():
                self._cancel(job)
                self.losses.add(self.best_step)
                return True

    def _patience(self) -> float:
        """Return how many seconds a stop, if one is wanted, may take until the job is cancelled."""
        if self.interrupts.soft.is_set():
            self._send(Command("stop"))
            return SOFT_STOP_S if self.begun and not self.paused else 0.0
        return EARLY_STOP_S if self.control.wanted.stop and not self.begun else _NEVER

    def _next(self) -> Message | None:
        try:
            return self.server.messages.get(timeout=0.02)
        except queue.Empty:
            return None

    def _hear(self, message: Message) -> str | None:
        value = message.value
        if message.kind == "event":
            if message.generation in (0, self.server.generation):
                self._pass_on(message.rank, value)
        elif message.kind == "begin":
            self._on_begin(message.generation, value["pids"])
        elif message.kind == "finish":
            self.result = Result(
                value["reason"], value["step"], value["epoch"], value["state"], value["seconds"]
            )
            return "finished"
        elif message.kind == "failure":
            if value["kind"] == "not_readable":
                return "ship"
            if value["kind"] == "own":
                raise rebuild(value)
            self.losses.hear(value["text"])
        elif message.kind == "disagree":
            raise disagreement(message.rank, **value)
        elif message.generation == self.server.generation and self.result is None:
            self.absences.begin_anew()
            if message.kind == "lost":
                self.losses.hear(value["text"])
            elif not self.losses.words:
                self.losses.hear(f"the process of rank {message.rank} ended", died=True)
        return None

    def _pass_on(self, rank: int, event: Event) -> None:
        kind = event["type"]
        if kind == "log":
            if event["level"] == "info":
                logger.info("rank %d: %s", rank, event["text"])
            event = {**event, "rank": rank}
        elif kind == "stage":
            if not self.begun:
                self.loading.hear(rank, event)
                return
            event = stage(event["text"], MET + (1.0 - MET) * event["share"])
        elif kind == "iteration":
            self.best_step = max(self.best_step, event["step"])
        elif kind == "checkpoint":
            self.newest = (event["step"], event["epoch"])
            wanted = event.pop("wanted", True) or event["best"] or event["good"]
            if not wanted and self.job.checkpoint is not None:
                return  # kept by the line server only
        elif kind == "state" and event["state"] in ("paused", "running"):
            self.paused = event["state"] == "paused"
        self.emit(event)
        if kind == "iteration":
            self.handled = event["step"]
            if self.handled - self.acknowledged >= AHEAD // 4:
                self._acknowledge()

    def _acknowledge(self) -> None:
        """Let rank 0 know how far its events have been handled: it goes no further ahead.

        Before that it hears what was asked for meanwhile.
        """
        self._command()
        if self.handled != self.acknowledged:
            self.acknowledged = self.handled
            self.server.handled(self.handled)

    def _on_begin(self, generation: int, pids: list[int]) -> None:
        if not self.begun and not self.interrupts.soft.is_set():
            self.stop_by = _NEVER  # a stop reaches the ranks now
        self.begun = True
        self.absences.all_met()
        self.handled = self.acknowledged = -1
        self.emit(
            {
                "type": "log",
                "level": "info",
                "text": f"{len(pids)} ranks met: process {', '.join(map(str, pids))}",
                "pids": pids,
            }
        )
        if generation > 1:
            self.losses.add(self.best_step)
            self.emit({"type": "state", "state": "retrying"})
            self._log(
                "warning",
                f"a worker was lost ({self.losses.words or 'no last words'}); the "
                f"ranks go on from step {max(0, self.server.latest_step)}",
            )
        self.losses.forget()

    def _command(self) -> None:
        command = self.poll()
        if command is not None:
            self._send(command)

    def _send(self, command: Command) -> None:
        self.control.send(command)
        self.server.want(self.control.wanted)

    # -- when something goes wrong ------------------------------------------------------------

    def _judge(self, job: SparkJob) -> bool:
        """Decide whether a job that ended without a result is submitted again."""
        error = job.error
        if error is None:
            raise WorkerError("Spark ended the job without an answer of rank 0.")
        if not job.retryable:
            raise error
        text = str(error)
        explain(text)
        if self._lacks_package(text):
            return True
        if not self.begun and (found := python_error(text)) is not None:
            raise found  # a row that cannot be read: the same again and again
        self.losses.hear(text.strip().splitlines()[0][:500])
        if not self.begun:  # else it is counted when the ranks meet again
            self.losses.died = True
            self.losses.add(self.best_step)
        if self.spark.sparkContext._jsc is None:
            raise SparkSetupError("the Spark session was stopped while it trained.") from error
        return True

    def _lacks_package(self, text: str) -> bool:
        if not hosts.lacks_package(text) or not hosts.send_package(self.spark.sparkContext):
            return False
        self._log(
            "warning",
            "the hosts lack this package: its Python files were sent; without the "
            "native libraries they compute with NumPy, which is slow",
        )
        return True

    def _cancel(self, job: SparkJob) -> None:
        """Cancel the job until Spark runs nothing of it and its ranks are gone."""
        until = time.monotonic() + GONE_S
        self.server.stop()
        while True:
            job.cancel()
            settled = time.monotonic() + 0.1
            while time.monotonic() < settled and not job.done.is_set():
                self._next()  # readers with something to say must not wait for us
            if job.over() and not self.server.ranks():
                return
            self._next()
            if time.monotonic() > until:
                self._log("warning", f"Spark has not ended the job {job.group.name} yet")
                return

    def _log(self, level: str, text: str) -> None:
        logger.log(logging.WARNING if level == "warning" else logging.INFO, text)
        self.emit({"type": "log", "level": level, "text": text})


def _ranks(count: int) -> str:
    return f"{count} Python processes" if count > 1 else "a Python process"
