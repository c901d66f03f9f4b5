"""What a cluster can do, asked before a job starts: slots and confs."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

from ..errors import SparkSetupError

__all__ = ["capacity", "check_session", "ranks_on_a_host", "slots", "wait_for_slots"]

_DYNAMIC = "spark.dynamicAllocation"
_ENDLESS = 1 << 30  # slots of a cluster that grows as it needs
_LOCAL = re.compile(r"local(\[|$)")


def check_session(spark: Any, what: str = "SparkBackend: `spark`") -> None:
    """Refuse a session on which ranks cannot run.

    Parameters
    ----------
    what : str
        What is of this session.

    Raises
    ------
    SparkSetupError : says what is missing, with the cure.
    """
    if not hasattr(spark, "_jsparkSession"):
        raise SparkSetupError(
            f"{what} must be a classic SparkSession; got {type(spark).__module__}."
            f"{type(spark).__name__}. Spark Connect gives its clients no SparkContext, by which "
            "the driver counts slots, sends this package and sees which jobs go on. Start the "
            "session in this process, on a master such as local[3] or spark://host:7077."
        )
    if spark.sparkContext._jsc is None:
        raise SparkSetupError(
            "SparkBackend: the session was stopped; got a SparkContext without "
            "JVM. Make a new one: spark_session()."
        )


def slots(context: Any) -> int:
    """Return how many tasks of a SparkContext can run at once now."""
    scala = context._jsc.sc()
    profile = scala.resourceProfileManager().defaultResourceProfile()
    return int(scala.maxNumConcurrentTasks(profile))


def capacity(context: Any) -> int:
    """Return how many tasks can run at once, with the executors that Spark would ask for."""
    now = slots(context)
    if not context._jsc.sc().executorAllocationManager().isDefined():
        return now
    conf = context.getConf()
    most, cores = (conf.get(f"{_DYNAMIC}.maxExecutors"), conf.get("spark.executor.cores"))
    if most is None or cores is None:
        return _ENDLESS
    return max(now, int(most) * (int(cores) // int(conf.get("spark.task.cpus", "1"))))


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
    """Return the number of ranks to run: `ranks`, or one less than there are slots.

    Executors of a cluster take some seconds to register; on this machine's own threads the number
    is known at once. With dynamic allocation they come when tasks ask for them.

    Raises
    ------
    SparkSetupError : the cluster has fewer slots than ranks.
    """
    context = spark.sparkContext
    local = _LOCAL.match(context.master) is not None
    elastic = capacity(context)
    if ranks is None and elastic == _ENDLESS:
        raise SparkSetupError(
            f"{_DYNAMIC}.enabled=true: how many ranks train must be said, since Spark would start "
            f"executors for any number: SparkBackend(ranks=4), or set {_DYNAMIC}.maxExecutors and "
            "spark.executor.cores."
        )
    wanted = ranks or 1
    until = time.monotonic() + (0.0 if local else patience_s)
    while (have := capacity(context)) < wanted:
        if time.monotonic() >= until:
            cure = (
                f"Use local[{wanted + 1}] or ranks={max(1, have)}."
                if local
                else "Are the workers running and reachable, with free cores and memory "
                "(spark.executor.instances, spark.executor.cores, spark.task.cpus, "
                f"{_DYNAMIC}.maxExecutors)?"
            )
            waited = f" after {patience_s:g} s" if patience_s and not local else ""
            raise SparkSetupError(
                f"ranks={wanted}: each rank needs a slot of its own, all at the same time; "
                f"spark.master={context.master} has {have}{waited}. {cure}"
            )
        rest(0.2)
    if ranks is not None:
        return ranks
    if not local:
        have = _settled(context, have, rest)
    return max(1, have - 1)


def _settled(context: Any, have: int, rest: Callable[[float], object]) -> int:
    """Wait until no more executors have come for two seconds."""
    since = time.monotonic()
    while time.monotonic() - since < 2.0:
        rest(0.2)
        now = capacity(context)
        if now != have:
            have, since = now, time.monotonic()
    return have
