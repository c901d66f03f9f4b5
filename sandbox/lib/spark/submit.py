"""One submission of the job, in a thread of its own so that the driver can listen."""

from __future__ import annotations

import threading
from typing import Any

from .inputs import Storage
from .jobs import JobGroup
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
        self.group = JobGroup(spark.sparkContext, "training")
        self.done = threading.Event()
        self.error: Exception | None = None
        self.retryable = False
        self._cancelled = False
        self._thread = InheritableThread(target=self._run, name=self.group.name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        from py4j.protocol import Py4JError
        from pyspark.errors import PySparkException

        try:
            self.group.enter()
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
        self.group.cancel()

    def over(self) -> bool:
        """Tell whether nothing of this submission goes on, here or in Spark."""
        return self.done.is_set() and not self.group.active()
