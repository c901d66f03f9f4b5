"""One submission of the job, in a thread of its own so that the driver can listen."""

from __future__ import annotations

import contextlib
import secrets
import threading
from contextlib import ExitStack
from typing import Any

from .frames import SparkDataset
from .worker import SCHEMA, RankPlan, make_task

__all__ = ["SparkJob"]


class SparkJob:
    """Runs the ranks as the tasks of one stage; `done` is set when Spark has ended it.

    A task that is lost is tried again by itself, as often as Spark tries any task: the ranks meet
    at the driver's line and need no barrier stage.
    """

    def __init__(self, spark: Any, plan: RankPlan, ranks: int, sources: tuple[Any, ...]) -> None:
        from pyspark import InheritableThread

        self.spark, self.plan, self.ranks = spark, plan, ranks
        self.group = f"sandbox-{secrets.token_hex(6)}"
        self.done = threading.Event()
        self.error: Exception | None = None
        self.retryable = False
        self._sources = sources
        self._cancelled = False
        self._thread = InheritableThread(target=self._run, name=self.group, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        from py4j.protocol import Py4JError
        from pyspark.errors import PySparkException

        try:
            context = self.spark.sparkContext
            context.setJobGroup(self.group, "sandbox: training", interruptOnCancel=False)
            with ExitStack() as stack:
                table = self._input(stack)
                if not self._cancelled:
                    table.mapInArrow(make_task(self.plan), SCHEMA).collect()
        except (PySparkException, Py4JError) as error:
            self.retryable = True
            self.error = error
        except Exception as error:
            self.error = error
        finally:
            self.done.set()

    def _input(self, stack: ExitStack) -> Any:
        """Return the table whose partition r goes to rank r."""
        from pyspark.sql import functions as f

        tables: list[Any] = []
        partitions = 0
        for handle, source in zip(
            (self.plan.data, self.plan.validation), self._sources, strict=True
        ):
            if handle is not None and handle.frame is not None:
                if not isinstance(source, SparkDataset):
                    raise TypeError(f"expected a SparkDataset; got {type(source).__name__}")
                tables.append(stack.enter_context(source.blocks(handle.frame, partitions)))
                partitions += len(handle.frame.sizes)
        if not tables:
            return self.spark.range(0, self.ranks, 1, self.ranks)
        table = tables[0]
        for other in tables[1:]:
            table = table.union(other)
        if hasattr(table, "repartitionById"):
            return table.repartitionById(self.ranks, f.col("rank"))
        return table.repartition(self.ranks, f.element_at(self._keys(), f.col("rank") + 1))

    def _keys(self) -> Any:
        """Return a column with, for each rank, a number whose hash leads Spark to its partition."""
        from pyspark.sql import functions as f

        places = self.spark.range(0, 100 * self.ranks + 1000).select(
            f.col("id").cast("int").alias("key"),
            f.pmod(f.hash(f.col("id").cast("int")), f.lit(self.ranks)).alias("place"),
        )
        keys: dict[int, int] = {}
        for key, place in places.collect():
            keys.setdefault(place, key)
        return f.array(*[f.lit(keys[rank]) for rank in range(self.ranks)])

    def cancel(self) -> None:
        """Ask Spark to cancel, also what it has not begun yet; `over` tells when it has."""
        self._cancelled = True
        with contextlib.suppress(Exception):
            self.spark.sparkContext._jsc.sc().cancelJobGroupAndFutureJobs(self.group)

    def over(self) -> bool:
        """Tell whether nothing of this submission goes on, here or in Spark."""
        if not self.done.is_set():
            return False
        with contextlib.suppress(Exception):  # a session that was stopped has no jobs
            tracker = self.spark.sparkContext.statusTracker()
            active = set(tracker.getActiveJobsIds())
            return active.isdisjoint(tracker.getJobIdsForGroup(self.group))
        return True
