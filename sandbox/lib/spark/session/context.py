"""Spark sessions that suit long tasks: right confs, quiet, on loopback where possible."""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import re
import shutil
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyspark

from ...core import validate
from ...train.backend import calling_at_interrupt
from ..errors import SparkSetupError
from . import gateway
from .ended import bury
from .hosts import equip, is_local
from .java import java_home

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["java_home", "running_session", "spark_session"]

logger = logging.getLogger("sandbox.spark")

_MASTER = re.compile(r"local(\[.+\]|-cluster\[.+\])?$|yarn$|spark://.|k8s://.")


def spark_session(
    master: str = "local[3]",
    *,
    app_name: str = "sandbox",
    conf: Mapping[str, Any] | None = None,
    tell: Callable[[str, float], object] | None = None,
) -> SparkSession:
    """Start a Spark session, or return the running one of the same master.

    Parameters
    ----------
    master : str, default="local[3]"
        `local[N]`, `local-cluster[executors,cores,MB]`, `spark://host:port`, ...
    app_name : str
        Shown in Spark's own pages.
    conf : dict, optional
        More settings; they win over ours. On a running session those of SQL are set.
    tell : callable(text, share), optional
        Hears what is going on while a session starts, and which share of the way is done.

    Raises
    ------
    SparkSetupError : no Java, a SPARK_HOME of another version, a session on another master runs, or
        nobody listens at the master's address; the running session has another value of a setting
        that holds from its start.

    Notes
    -----
    Ctrl-C takes effect once the session stands, since half a one could neither be used nor
    replaced; a second Ctrl-C does not wait.

    What we set and why: `spark.python.worker.reuse` on, as Spark has it, so that a model is loaded
    once in each process (ranks end theirs with their task, and their memory is gone when the job
    is); no web page (`spark.ui.enabled`); on this machine's masters everything is bound to
    127.0.0.1; the ranks' Python is this Python unless `PYSPARK_PYTHON` names another.
    """
    from pyspark.sql import SparkSession

    validate.text("master", master)
    validate.text("app_name", app_name)
    if conf is not None:
        validate.instance("conf", conf, Mapping)
    if ended := bury():
        logger.warning("%s A new session starts now.", ended)
    active = running_session()
    if active is not None:
        running = active.sparkContext.master
        if running != master:
            raise SparkSetupError(
                f"spark_session: a session on spark.master={running} is running, so {master} cannot"
                " start in this process. Call spark.stop() first."
            )
        _apply(active, {key: _text(value) for key, value in (conf or {}).items()})
        return active
    check_spark_home()
    check_master(master)
    os.environ["JAVA_HOME"] = str(java_home())
    settings = {
        "spark.master": master,
        "spark.app.name": app_name,
        "spark.python.worker.reuse": "true",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.deploy.maxExecutorRetries": "-1",
        "spark.driver.extraJavaOptions": gateway.java_options(),
        # Executors write their logs into files, on hosts where ours is not.
        "spark.executor.extraJavaOptions": "-XX:-UsePerfData",
    }
    if is_local(master):
        settings |= {
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.host": "127.0.0.1",
        }
    # Elsewhere processes may lack this package; told, for Java keeps what a session before had.
    ours = master.startswith("local")
    settings["spark.python.daemon.module"] = f"{__package__}.daemon" if ours else "pyspark.daemon"
    settings |= {key: _text(value) for key, value in (conf or {}).items()}
    tell = tell or (lambda text, share: None)
    builder = SparkSession.builder
    for key, value in settings.items():
        builder = builder.config(key, value)
    interrupted = threading.Event()

    def interrupt() -> None:
        if interrupted.is_set():
            raise KeyboardInterrupt
        interrupted.set()

    with gateway.environment(loopback=is_local(master)), calling_at_interrupt(interrupt):
        tell("starting Java", 0.0)
        gateway.start(settings)
        try:
            tell("starting Spark", 0.4)
            session = builder.getOrCreate()
        except Exception as error:
            said = " ".join(str(error).split("\n\tat ")[0].splitlines()[:3])  # no Java traceback
            raise SparkSetupError(
                f"Spark did not start on spark.master={master} with Java in "
                f"{os.environ['JAVA_HOME']}: {said}. `sandbox doctor` checks Java and Spark."
            ) from error
    if interrupted.is_set():
        raise KeyboardInterrupt
    _quiet_errors()
    if not os.environ.get("PYSPARK_PYTHON"):
        session.sparkContext.pythonExec = sys.executable
    equip(session.sparkContext)
    if master.startswith("local-cluster"):  # Spark leaves the folders of its executors behind
        home = os.environ.get("SPARK_HOME") or str(Path(pyspark.__file__).parent)
        work = Path(home) / "work" / session.sparkContext.applicationId
        atexit.register(shutil.rmtree, work, ignore_errors=True)
    return session


def running_session() -> SparkSession | None:
    """Return the session of this process, whichever thread asks; None if there is none."""
    from pyspark.sql import SparkSession

    context = pyspark.SparkContext._active_spark_context
    if context is None or context._jsc is None:
        return None
    # An active session is one of a thread; a bare context (RDDs alone) has none yet.
    session = SparkSession.getActiveSession() or SparkSession._instantiatedSession
    return SparkSession(context) if session is None else session


def _apply(session: SparkSession, wanted: Mapping[str, str]) -> None:
    """Set on a running session what can be; refuse what holds from its start and is another.

    Raises
    ------
    SparkSetupError : names the settings, both values and the cure.
    """
    given, other = session.sparkContext.getConf(), []
    for key, value in wanted.items():
        if session.conf.isModifiable(key):
            continue
        has = given.get(key)
        if has != value:
            other.append(f"{key}={has if has is not None else '<not set>'}, not {value}")
    if other:
        raise SparkSetupError(
            "spark_session: `conf` must fit the running session; it has "
            f"{'; '.join(other)}. These hold from its start: call spark.stop() first."
        )
    for key, value in wanted.items():
        if session.conf.isModifiable(key):
            session.conf.set(key, value)


def _quiet_errors() -> None:
    """Keep Spark from logging, with all of Java's frames, each error that it raises anyway."""
    from pyspark.logger import PySparkLogger

    for name in ("SQLQueryContextLogger", "DataFrameQueryContextLogger"):
        PySparkLogger.getLogger(name).setLevel(logging.CRITICAL)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def check_spark_home() -> None:
    """Refuse a SPARK_HOME that holds another Spark than the pyspark package.

    Raises
    ------
    SparkSetupError : names both versions.
    """
    given = os.environ.get("SPARK_HOME")
    if not given or Path(given).resolve() == Path(pyspark.__file__).resolve().parent:
        return
    version = _spark_version(Path(given))
    if version != pyspark.__version__:
        raise SparkSetupError(
            f"SPARK_HOME={given} holds Spark {version or 'of no known version'}; the pyspark "
            f"package is {pyspark.__version__}. Unset SPARK_HOME, or install "
            f"pyspark=={version or '<its version>'}."
        )


def check_master(master: str, patience_s: float = 5.0) -> None:
    """Refuse a master of no known kind, and a standalone one that nobody listens on.

    Spark itself would try for a minute and then speak of a stopped context.

    Raises
    ------
    SparkSetupError : names the master, or the addresses and why each could not be reached.
    """
    if not _MASTER.match(master):
        raise SparkSetupError(
            f"spark.master={master!r} is none that Spark knows. For example: local[3],"
            " local-cluster[2,1,1024], spark://host:7077, yarn, k8s://https://host:443."
        )
    addresses = re.findall(r"([^,/]+):(\d+)(?:,|$)", master.partition("spark://")[2])
    reasons = []
    for host, port in addresses:
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=patience_s).close()
            return
        except OSError as error:
            reasons.append(f"{host}:{port}: {error}")
    if reasons:
        raise SparkSetupError(
            f"spark.master={master}: no master could be reached ({'; '.join(reasons)}). Is it "
            "running (spark-class org.apache.spark.deploy.master.Master), is the address right, "
            "and does a firewall stand between?"
        )


def _spark_version(home: Path) -> str | None:
    for jar in home.glob("jars/spark-core_*.jar"):
        match = re.fullmatch(r"spark-core_[\d.]+-(.+)\.jar", jar.name)
        if match:
            return match[1]
    with contextlib.suppress(OSError):
        match = re.match(r"Spark (\S+)", (home / "RELEASE").read_text())
        return match[1] if match else None
    return None
