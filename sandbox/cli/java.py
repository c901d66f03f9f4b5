"""Settle Java before something that may start Spark."""

from __future__ import annotations

import os


def settle() -> str | None:
    """Set `JAVA_HOME` for this process and its children; give it, or None if there is none.

    How a Java is found or made is the Spark room's knowledge; a notebook without Spark works
    without one, so nothing fails here: the Spark room's own error comes when a session is asked
    for.
    """
    from ..lib.spark.errors import SparkSetupError
    from ..lib.spark.session.java import java_home

    try:
        home = str(java_home())
    except SparkSetupError:
        return None
    os.environ["JAVA_HOME"] = home
    return home
