"""One submission of the job, in a thread of its own so that the driver can listen."""

from __future__ import annotations

import contextlib
import secrets
import threading
from typing import Any

from .inputs import Storage
from .worker import SCHEMA, RankPlan, make_task

__all__ = ["SparkJob"]


class SparkJob:
    """Runs the ranks as the tasks of one stage; `done` is set when Spark has ended it.

    A task that is lost is tried again by itself, as often as Spark tries any task: the ranks meet
    at the driver's line and need no barrier stage.
    """

    def __init__(self, spark: Any, plan: RankPlan, storage: Storage) -> None:
        from pyspark import InheritableThread

        self.spark, self.plan, self.storage = spark, plan, storage
        self.group = f"sandbox-{secrets.token_hex(6)}"
        self.done = threading.Event()
        self.error: Exception | None = None
        self.retryable = False
        self._cancelled = False
        self._thread = InheritableThread(target=self._run, name=self.group, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        from py4j.protocol import Py4JError
        from pyspark.errors import PySparkException

        try:
            context = self.spark.sparkContext
            context.setJobGroup(self.group, "sandbox: training", interruptOnCancel=False)
            table = self.storage.table()
            if not self._cancelled:
                table.mapInArrow(make_task(self.plan), SCHEMA).collect()
        except (PySparkException, Py4JError) as error:
            self.retryable = True
            self.error = error
        except Exception as error:
            self.error = error
        finally:
            self.done.set()

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
