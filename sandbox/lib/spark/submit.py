"""One submission of the job, in a thread of its own so that the driver can listen."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from .session.ended import java_alive
from .session.jobs import JobGroup

__all__ = ["SparkJob"]

_LOOK_S = 0.1
_TRIES = 3


class SparkJob:
    """Runs the partitions of a table as the tasks of one stage; `done` is set when it has ended.

    A task that is lost is tried again by itself, as often as Spark tries any task: ranks meet at
    the driver's line and need no barrier stage.

    No call to Java lasts as long as the job: one that is cut off is sent again by py4j, and would
    be a second job.

    Parameters
    ----------
    spark : SparkSession
    table : function that gives a DataFrame
        Called in the job's own thread; `rows` holds its rows, as Java gives them, in the end.
    what : str
        Shown in Spark's pages.
    """

    def __init__(self, spark: Any, table: Callable[[], Any], what: str) -> None:
        from pyspark import InheritableThread

        self.spark, self._table = spark, table
        self.group = JobGroup(spark.sparkContext, what)
        self.rows: Any = None
        self.done = threading.Event()
        self.error: Exception | None = None
        self.retryable = False
        self._action: Any = None
        self._cancelled = False
        self._thread = InheritableThread(target=self._run, name=self.group.name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        from py4j.protocol import Py4JError
        from pyspark.errors import PySparkException

        try:
            self.group.enter()
            table = self._table()
            if not self._cancelled:
                self._action = table._jdf.toJavaRDD().collectAsync()
                while not _answer(self._action.isDone):
                    time.sleep(_LOOK_S)
                self.rows = _answer(self._action.get)
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


def _answer(call: Callable[[], Any]) -> Any:
    """Return what Java answers, asked again if the connection was lost on the way."""
    from py4j.protocol import Py4JError, Py4JJavaError

    for attempt in range(_TRIES):
        try:
            return call()
        except Py4JJavaError:
            raise
        except (Py4JError, ConnectionError, EOFError):
            with java_alive():
                if attempt == _TRIES - 1:
                    raise
            time.sleep(_LOOK_S)
    raise AssertionError("unreachable")
