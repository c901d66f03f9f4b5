"""Workers that end with their task, in sessions that use workers again.

Spark hands a Python process on to the next task (`spark.python.worker.reuse`): right for what is
short and loads a model, wrong for a rank, whose memory would stay with a process that waits.
"""

from __future__ import annotations

from typing import Any, NoReturn

__all__ = ["take_no_other_task"]


def take_no_other_task() -> None:
    """Let this process end when its present task has, whatever daemon started it.

    At the end of a task Spark says that all has been sent, and the worker answers that it is ready
    for another task, or, if it could not read that, that it is not: then Java puts it into no queue
    and closes its connection, by which the process ends. This process says the latter. To end it
    after it was put into the queue would fail the task that got it from there.
    """
    from pyspark.messages import SparkSocketMessageReceiver

    def refuse(receiver: Any) -> NoReturn:
        raise EOFError("this worker takes no other task")

    kind: Any = SparkSocketMessageReceiver
    kind.get_finish_signal_from_stream = refuse
