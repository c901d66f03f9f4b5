"""One training run in the driver: submit the job, hear its ranks, submit it again if need be."""

from __future__ import annotations

import copy
import logging
import os
import queue
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ..train.backend import Interrupted
from ..train.events import Event, stage
from ..train.job import CheckpointPolicy, Command, Result, TrainJob
from . import cluster, hosts
from .ended import java_alive
from .errors import SparkSetupError, WorkerError
from .failures import explain, python_error, rebuild
from .frames import SparkDataset
from .hosts import is_local
from .inputs import Storage
from .progress import LineServer, Message
from .submit import SparkJob
from .worker import RankPlan, Survival

__all__ = ["SESSION", "DriverRun"]

logger = logging.getLogger("sandbox.spark")

GIVE_UP = 5  # failures in a row without one more iteration
SOFT_STOP_S = 1.5  # after Ctrl-C, for the iteration under way and the final state
GONE_S = 4.0
BUSY = 200  # events heard in a row before commands get their turn
SESSION, SENT, MET = 0.5, 0.6, 0.8  # shares of the way to the first iteration
_NEVER = float("inf")
_ENVIRONMENT = ("SANDBOX_ENGINE", "SANDBOX_EAGER", "SANDBOX_GEMM", "SANDBOX_CACHE", "SANDBOX_DATA")


class DriverRun:
    """One training run on a session.

    Parameters
    ----------
    spark, ranks, job : the session, how many tasks, what to train.
    emit, poll : where events go and commands come from.
    exchange, deadline_s, state_every : see `SparkBackend`.
    """

    def __init__(
        self,
        spark: Any,
        ranks: int,
        job: TrainJob,
        emit: Callable[[Event], None],
        poll: Callable[[], Command | None],
        *,
        exchange: str,
        deadline_s: float,
        state_every: int | None,
    ) -> None:
        self.spark, self.ranks, self.job = spark, ranks, job
        self.emit, self.poll = emit, poll
        self.interrupted = threading.Event()
        self.impatient = threading.Event()
        self.storage = Storage()
        self.result: Result | None = None
        self.best_step = -1
        self.mark_step = -1
        self.failures = 0
        self.last_words = ""
        self.pending: list[Command] = []
        self.rate: Command | None = None
        self.paused = False
        self.begun = False
        context = spark.sparkContext
        local = is_local(context.master)
        token = secrets.token_bytes(32)
        host = "127.0.0.1" if local else context.getConf().get("spark.driver.host", "127.0.0.1")
        bind = context.getConf().get("spark.driver.bindAddress", host)
        self.server = LineServer("127.0.0.1" if local else bind, token, job.start)
        asked = job.checkpoint
        light = replace(
            job,
            model=copy.copy(job.model),
            data=None,
            validation=None,
            start=None,
            checkpoint=CheckpointPolicy(
                Survival(None if asked is None else asked.every, _distance(job, state_every)),
                True if asked is None else asked.history,
            ),
        )
        emit(stage("sending the data", SESSION))
        self.plan = RankPlan(
            job=light,
            data=self.storage.handle(job.data, ranks, 0),
            validation=None
            if job.validation is None
            else self.storage.handle(job.validation, ranks, 1),
            line=(host, self.server.address[1]),
            token=token,
            loopback=local,
            exchange=exchange,
            deadline_s=deadline_s,
            environment={k: os.environ[k] for k in _ENVIRONMENT if k in os.environ},
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
        while True:
            self.emit(stage(f"starting {_ranks(self.ranks)}", SENT))
            job = SparkJob(self.spark, self.plan, self.ranks, (self.job.data, self.job.validation))
            try:
                with java_alive():
                    again = self._follow(job)
            except BaseException:
                self._cancel(job)
                raise
            if self.result is not None:
                if self.interrupted.is_set():
                    raise Interrupted(self.result)
                return self.result
            if self.interrupted.is_set():
                raise KeyboardInterrupt
            if again and not self.server.generation:  # else the next meeting of the ranks says so
                self.emit({"type": "state", "state": "retrying"})

    def _follow(self, job: SparkJob) -> bool:
        """Hear the ranks until this submission ends; returns whether to try again."""
        self.begun = False
        watched = time.monotonic()
        stop_by = finished_by = _NEVER
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
                if verdict == "finished" and self.interrupted.is_set():
                    self._cancel(job)
                    return False
                if verdict == "finished":
                    finished_by = time.monotonic() + 5.0
                    stop_by = _NEVER
                continue
            heard = 0
            self._command()
            now = time.monotonic()
            if job.done.is_set():
                if self.result is None and (message := self._next()) is not None:
                    self._hear(message)
                    continue
                return self.result is None and self._judge(job)
            if now > finished_by:
                self._cancel(job)
                return False
            if self.interrupted.is_set() and stop_by == _NEVER and self.result is None:
                stop_by = now + (SOFT_STOP_S if self.begun and not self.paused else 0.0)
                self._send(Command("stop"))
            if now > stop_by or self.impatient.is_set():
                self._cancel(job)
                return False
            if not self.begun and now - watched > 0.5:
                watched = now
                self._watch(job)

    def _next(self) -> Message | None:
        try:
            return self.server.messages.get(timeout=0.02)
        except queue.Empty:
            return None

    def _hear(self, message: Message) -> str | None:
        if message.kind == "event":
            if message.generation in (0, self.server.generation):
                self._pass_on(message.rank, message.value)
        elif message.kind == "begin":
            self._on_begin(message.generation, message.value["pids"])
        elif message.kind == "finish":
            value = message.value
            self.result = Result(
                value["reason"], value["step"], value["epoch"], value["state"], value["seconds"]
            )
            return "finished"
        elif message.kind == "failure":
            failure = message.value
            if failure["kind"] == "not_readable":
                return "ship"
            if failure["kind"] == "own":
                raise rebuild(failure)
            self.last_words = failure["text"]
            logger.info("lost: %s", self.last_words)
        return None

    def _pass_on(self, rank: int, event: Event) -> None:
        kind = event["type"]
        if kind == "log":
            if event["level"] == "info":
                logger.info("rank %d: %s", rank, event["text"])
            event = {**event, "rank": rank}
        elif kind == "stage":
            event = stage(event["text"], MET + (1.0 - MET) * event["share"])
        elif kind == "iteration":
            self.best_step = max(self.best_step, event["step"])
        elif kind == "checkpoint":
            wanted = event.pop("wanted", True) or event["best"] or event["good"]
            if not wanted and self.job.checkpoint is not None:
                return  # kept by the line server only
        elif kind == "state" and event["state"] in ("paused", "running"):
            self.paused = event["state"] == "paused"
        self.emit(event)

    def _on_begin(self, generation: int, pids: list[int]) -> None:
        self.begun = True
        self.emit(
            {
                "type": "log",
                "level": "info",
                "text": f"{len(pids)} ranks met: process {', '.join(map(str, pids))}",
                "pids": pids,
            }
        )
        if generation > 1:
            self._count_failure()
            self.emit({"type": "state", "state": "retrying"})
            self._log(
                "warning",
                f"a worker was lost ({self.last_words or 'no last words'}); the "
                f"ranks go on from step {max(0, self.server.latest_step)}",
            )
            if self.rate is not None:
                self.server.command(self.rate)
            if self.paused:
                self.server.command(Command("pause"))
        for command in self.pending:
            self.server.command(command)
        self.pending.clear()

    def _command(self) -> None:
        command = self.poll()
        if command is not None:
            self._send(command)

    def _send(self, command: Command) -> None:
        if command.kind == "learning_rate":
            self.rate = command
        if self.begun:
            self.server.command(command)
        else:
            self.pending.append(command)

    def interrupt(self) -> None:
        """Stop softly at the first call (Ctrl-C), hard at the second."""
        if self.interrupted.is_set():
            self.impatient.set()
        self.interrupted.set()

    # -- when something goes wrong ------------------------------------------------------------

    def _count_failure(self) -> None:
        if self.best_step > self.mark_step:
            self.failures = 0
        self.mark_step = self.best_step
        self.failures += 1
        if self.failures > GIVE_UP:
            raise WorkerError(
                f"{self.failures} failures in a row without one more iteration; the last: "
                f"{self.last_words or 'unknown'}. Memory is the usual cause: raise "
                "spark.executor.memoryOverhead (ranks live outside of the JVM heap)."
            )

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
        self.last_words = self.last_words or text.strip().splitlines()[0][:500]
        self._count_failure()
        if self.spark.sparkContext._jsc is None:
            raise SparkSetupError("the Spark session was stopped while it trained.") from error
        return True

    def _watch(self, job: SparkJob) -> None:
        """Look whether Spark fails the tasks again and again before a rank can call."""
        retries, reasons = cluster.describe_failure(self.spark.sparkContext, job.group)
        for reason in reasons:
            explain(reason)
            if self._lacks_package(reason):
                self._cancel(job)
                return
            found = python_error(reason)
            if found is not None:
                raise found
        if retries >= 3:
            raise WorkerError(
                f"no rank could start in {retries} tries; Spark says: "
                f"{reasons[0] if reasons else 'nothing'}"
            )

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
        """Cancel the job and wait until its ranks are gone."""
        self.server.stop()
        job.cancel()
        job.done.wait(GONE_S)
        self.server.wait_gone(GONE_S)
        self.server.resume()

    def _log(self, level: str, text: str) -> None:
        logger.log(logging.WARNING if level == "warning" else logging.INFO, text)
        self.emit({"type": "log", "level": level, "text": text})

    def close(self) -> None:
        """Hang up and remove the files."""
        self.server.close()
        self.storage.close()


def _ranks(count: int) -> str:
    return f"{count} Python processes" if count > 1 else "a Python process"


def _distance(job: TrainJob, asked: int | None) -> int:
    """Choose the iterations between two states by the size of the model."""
    if asked is not None:
        return asked
    parameters = sum(p.data.size for _, p in job.model.named_parameters())
    return 100 + int(parameters) // 100_000
