"""What a cluster can do, asked before a job starts: slots and confs."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

from .errors import SparkSetupError

__all__ = ["capacity", "check_session", "ranks_on_a_host", "slots", "wait_for_slots"]

_DYNAMIC = "spark.dynamicAllocation.enabled"


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


def capacity(context: Any) -> int:
    """Return how many tasks could run at once, counting executors that Spark would ask for."""
    return slots(context)


def ranks_on_a_host(context: Any, ranks: int) -> int:
    """Return how many of so many ranks share a host, if all hosts get as many."""
    hosts = [info.host() for info in context._jsc.sc().statusTracker().getExecutorInfos()]
    driver = context.getConf().get("spark.driver.host", "")
    if len(hosts) > 1 and driver in hosts:  # it is counted as an executor
        hosts.remove(driver)
    return -(-ranks // max(1, len(set(hosts))))


def wait_for_slots(
    spark: Any, ranks: int | None, patience_s: float, rest: Callable[[float], object] = time.sleep
) -> int:
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
        rest(0.2)
    if ranks is None and not re.match(r"local(\[|$)", master):
        have = _settled(spark, have, rest)
    return ranks or have


def _settled(spark: Any, have: int, rest: Callable[[float], object]) -> int:
    """Wait until no more executors have come for two seconds."""
    since = time.monotonic()
    while time.monotonic() - since < 2.0:
        rest(0.2)
        now = slots(spark.sparkContext)
        if now != have:
            have, since = now, time.monotonic()
    return have
