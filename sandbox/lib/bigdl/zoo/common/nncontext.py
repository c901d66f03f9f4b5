"""The context of Spark, as `zoo.common.nncontext`."""

from __future__ import annotations

from typing import Any

from ....spark.session import context


def init_spark_conf(conf: Any = None) -> Any:
    """Return a SparkConf; `conf` is a dict of settings."""
    from pyspark import SparkConf

    return SparkConf().setAll(list(dict(conf or {}).items()))


def init_nncontext(
    conf: Any = None, spark_log_level: str = "WARN", redirect_spark_log: bool = True
) -> Any:
    """Return the running SparkContext, or start one.

    Parameters
    ----------
    conf : SparkConf or str, optional
        Settings, or the name of the application.
    spark_log_level : str
        How much Spark tells; `redirect_spark_log` is taken and changes nothing.
    """
    running = context.running_session()
    if running is None:
        named: dict[str, Any] = {"app_name": conf} if isinstance(conf, str) else {}
        settings = {} if conf is None or isinstance(conf, str) else dict(conf.getAll())
        master = settings.pop("spark.master", None)
        named |= {} if master is None else {"master": master}
        name = settings.pop("spark.app.name", None)
        named |= {} if name is None else {"app_name": name}
        running = context.spark_session(conf=settings or None, **named)
    running.sparkContext.setLogLevel(spark_log_level)
    return running.sparkContext


def getOrCreateSparkContext(conf: Any = None) -> Any:  # noqa: N802 - the ancestor's name
    """Return the running SparkContext, or start one."""
    return init_nncontext(conf)
