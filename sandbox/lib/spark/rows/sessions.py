"""Sessions of our own on a user's context: SQL settings of ours, and the user's untouched."""

from __future__ import annotations

from typing import Any

__all__ = ["BATCH_BYTES", "own_session", "rebased"]

BATCH_BYTES = 4 << 20
_ADAPTIVE = "spark.sql.adaptive.enabled"
_RECORDS = "spark.sql.execution.arrow.maxRecordsPerBatch"
_OURS = {
    _ADAPTIVE: "false",  # it may merge partitions from one run to the next
    "spark.sql.execution.arrow.maxBytesPerBatch": str(BATCH_BYTES),
    "spark.sql.inMemoryColumnarStorage.batchSize": "4",  # rows of a megabyte each
    "spark.sql.classic.shuffleDependency.fileCleanup.enabled": "true",  # once a query has ended
}


def own_session(spark: Any, records: int = 1000) -> Any:
    """Return a session with the user's settings, tables and functions, but for what is ours.

    Parameters
    ----------
    spark : SparkSession
        The user's.
    records : int > 0
        Rows of an Arrow batch at most; of large rows also at most `BATCH_BYTES`.
    """
    from pyspark.sql import SparkSession

    own = SparkSession(spark.sparkContext, spark._jsparkSession.cloneSession())
    for key, value in _OURS.items():
        own.conf.set(key, value)
    if int(own.conf.get(_RECORDS) or 0) not in range(1, records + 1):
        own.conf.set(_RECORDS, str(records))
    return own


def rebased(table: Any, session: Any) -> Any:
    """Return a DataFrame that is planned and run by the settings of another session."""
    from pyspark.sql.classic.dataframe import DataFrame

    dataset = session.sparkContext._jvm.org.apache.spark.sql.classic.Dataset
    plan = table._jdf.queryExecution().analyzed()
    return DataFrame(dataset.ofRows(session._jsparkSession, plan), session)
