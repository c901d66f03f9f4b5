"""What a cluster can do, asked before a job starts: slots and confs."""

from __future__ import annotations

import contextlib
import re
import time
from typing import Any

from .errors import SparkSetupError

__all__ = ["check_session", "describe_failure", "slots", "wait_for_slots"]

_DYNAMIC = "spark.dynamicAllocation.enabled"
_TASKS = 1000  # of a stage that are asked why they failed


def check_session(spark: Any) -> None:
    """Refuse a session on which long barrier tasks cannot run.

    Raises
    ------
    SparkSetupError : quotes the conf and its value, with the cure.
    """
    if not hasattr(spark, "_jsparkSession"):
        raise SparkSetupError(
            f"SparkBackend: `spark` must be a classic SparkSession; got {type(spark).__module__}."
            f"{type(spark).__name__}. Spark Connect has no barrier tasks: start the session on a "
            "master such as local[2] or spark://host:7077."
        )
    context = spark.sparkContext
    if context._jsc is None:
        raise SparkSetupError(
            "SparkBackend: the session was stopped; got a SparkContext without "
            "JVM. Make a new one: spark_session()."
        )
    value = context.getConf().get(_DYNAMIC, "false")
    if value == "true":
        raise SparkSetupError(
            f"{_DYNAMIC}={value}: ranks need executors that stay (barrier mode), and Spark refuses "
            f"them with dynamic allocation. Start the session with {_DYNAMIC}=false and "
            "spark.executor.instances=<number>."
        )


def slots(context: Any) -> int:
    """Return how many tasks of a SparkContext can run at once now."""
    scala = context._jsc.sc()
    profile = scala.resourceProfileManager().defaultResourceProfile()
    return int(scala.maxNumConcurrentTasks(profile))


def wait_for_slots(spark: Any, ranks: int | None, patience_s: float) -> int:
    """Return the number of ranks to run: `ranks`, or all slots.

    Executors of a cluster take some seconds to register; on this machine's own threads the number
    is known at once.

    Raises
    ------
    SparkSetupError : the cluster has fewer slots than ranks.
    """
    master = spark.sparkContext.master
    wanted = ranks or 1
    until = time.monotonic() + (0.0 if re.match(r"local(\[|$)", master) else patience_s)
    while True:
        have = slots(spark.sparkContext)
        if have >= wanted:
            break
        if time.monotonic() >= until:
            cure = (
                f"Use local[{wanted}] or ranks={have}."
                if re.match(r"local(\[|$)", master)
                else "Are the workers running and reachable, with free cores and memory "
                "(spark.executor.instances, spark.executor.cores, spark.task.cpus)?"
            )
            raise SparkSetupError(
                f"ranks={wanted}: each rank needs a slot of its own, all at the same time; "
                f"spark.master={master} has {have}"
                + (
                    f" after {patience_s:g} s. "
                    if patience_s and not master.startswith("local[")
                    else ". "
                )
                + cure
            )
        time.sleep(0.2)
    if ranks is None and not re.match(r"local(\[|$)", master):
        have = _settled(spark, have)
    return ranks or have


def _settled(spark: Any, have: int) -> int:
    """Wait until no more executors have come for two seconds."""
    since = time.monotonic()
    while time.monotonic() - since < 2.0:
        time.sleep(0.2)
        now = slots(spark.sparkContext)
        if now != have:
            have, since = now, time.monotonic()
    return have


def describe_failure(context: Any, group: str) -> tuple[int, list[str]]:
    """Return how often stages of a job group were tried again, and why tasks failed.

    The reasons are those of the tasks: a stage itself tells only what ended it last, which is that
    the other tasks of a barrier were killed. Such a reason comes last.
    """
    tracker = context.statusTracker()
    store = context._jsc.sc().statusStore()
    retries, reasons = 0, dict[str, None]()
    for job in tracker.getJobIdsForGroup(group):
        info = tracker.getJobInfo(job)
        for stage in info.stageIds if info is not None else ():
            with contextlib.suppress(Exception):  # a stage that Spark has not begun
                last = int(store.lastStageAttempt(stage).attemptId())
                retries = max(retries, last)
                for attempt in range(max(0, last - 3), last + 1):
                    reasons |= dict.fromkeys(_task_errors(store, stage, attempt))
    return retries, sorted(reasons, key=_was_killed)


def _task_errors(store: Any, stage: int, attempt: int) -> list[str]:
    tasks = store.taskList(stage, attempt, _TASKS)
    errors = (tasks.apply(place).errorMessage() for place in range(tasks.size()))
    return [str(error.get()) for error in errors if error.isDefined()]


def _was_killed(reason: str) -> bool:
    return reason.startswith("TaskKilled")
