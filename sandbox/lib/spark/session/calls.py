"""Ctrl-C in a call to Java: it ends that call and its query, and no other thread's.

py4j closes all connections to Java at a KeyboardInterrupt (it looks for those with the same address
of Java, which all have). The calls of other threads then fail, or are sent a second time: a job of
a training in the background would be submitted twice.
"""

from __future__ import annotations

import contextlib
import threading
from typing import Any

from py4j.clientserver import ClientServerConnection, JavaClient
from pyspark import SparkContext

__all__ = ["mind_interrupts"]


class _Interrupted(BaseException):
    """A KeyboardInterrupt that py4j does not know."""


class _Connection(ClientServerConnection):  # type: ignore[misc]
    def send_command(self, command: str) -> Any:
        try:
            return super().send_command(command)
        except KeyboardInterrupt:
            self.close()
            raise _Interrupted from None


class _Client(JavaClient):  # type: ignore[misc]
    def _create_new_connection(self) -> Any:
        connection = super()._create_new_connection()
        connection.__class__ = _Connection
        return connection

    def send_command(self, *arguments: Any, **options: Any) -> Any:
        try:
            return super().send_command(*arguments, **options)
        except _Interrupted:
            # Another thread asks, for this one is on its way out.
            threading.Thread(target=_cancel_queries, name="sandbox-cancel", daemon=True).start()
            raise KeyboardInterrupt from None


def _cancel_queries() -> None:
    """Cancel the jobs that belong to no group: those of the person at the keyboard."""
    context: Any = SparkContext._active_spark_context
    with contextlib.suppress(Exception):  # the session may be on its way out
        tracker = context.statusTracker()
        for job in set(tracker.getActiveJobsIds()) & set(tracker.getJobIdsForGroup(None)):
            context._jsc.sc().cancelJob(job)


def mind_interrupts(gateway: Any) -> None:
    """Have the calls through a gateway behave so; called again it does nothing."""
    client: Any = getattr(gateway, "_gateway_client", None)
    if type(client) is JavaClient:  # not where threads share connections (PYSPARK_PIN_THREAD)
        client.__class__ = _Client
        for connection in list(client.deque):
            connection.__class__ = _Connection
