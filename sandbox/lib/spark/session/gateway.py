"""Starts the Java process behind a session: its options, its surroundings, and what it says.

Whatever ends it at its start reads alike to pyspark ("exited before sending its port number"). Here
its words are passed on, without those that say nothing, and the last ones become the error.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import shlex
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path

from pyspark import SparkConf, SparkContext
from pyspark.java_gateway import launch_gateway

from ...engine.files import write_atomic
from ...engine.folders import cache_folder, temporary_folder
from ..errors import SparkSetupError
from .calls import mind_interrupts
from .ended import memory_limit

_LOG4J = """# Only what a person must know.
rootLogger.level = error
rootLogger.appenderRef.stderr.ref = stderr
appender.stderr.type = Console
appender.stderr.name = stderr
appender.stderr.target = SYSTEM_ERR
appender.stderr.layout.type = PatternLayout
appender.stderr.layout.pattern = %d{HH:mm:ss} %p %c{1}: %m%n
# Lost workers and the retries after them are told by our own progress lines.
logger.scheduler.name = org.apache.spark.scheduler
logger.scheduler.level = off
logger.deploy.name = org.apache.spark.deploy
logger.deploy.level = off
logger.executor.name = org.apache.spark.executor
logger.executor.level = off
logger.python.name = org.apache.spark.api.python
logger.python.level = off
logger.gateway.name = org.apache.spark.api.python.PythonGatewayServer
logger.gateway.level = error
logger.sqlpython.name = org.apache.spark.sql.execution.python
logger.sqlpython.level = off
logger.rpc.name = org.apache.spark.rpc
logger.rpc.level = off
logger.network.name = org.apache.spark.network
logger.network.level = off
"""
# Printed by every Java that Spark starts; and by native code of netlib's, past all log settings,
# where the system has no BLAS: Java's own one does the work then.
_NOISE = re.compile(
    rb"WARNING: Using incubator modules: [\w.]+\n|netlib-\w+: JNI_OnLoad: dlopen\(.*\) failed.*\n"
)
_NOISES = b"WARNING: Using incubator", b"netlib-"  # how they begin: held until the line is whole
_FRAMES = re.compile(r"\s+at |\s+\.\.\. \d+ more|.*: line \d+: CMD: bad array subscript|\s*$")
# What steers this process from outside, and is looked at last by whoever wonders.
_VARIABLES = (
    *("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS", "PYSPARK_SUBMIT_ARGS"),
    *("SPARK_SUBMIT_OPTS", "SPARK_LAUNCHER_OPTS", "SPARK_CONF_DIR", "SPARK_HOME"),
)
_CURES = (
    (
        r"reserve enough space|annot allocate|nsufficient memory|OutOfMemory|heap size",
        "Lower spark.driver.memory, or free some memory.",
    ),
    (
        r"Unrecognized (VM )?option|Could not create the Java Virtual Machine|Invalid .*option",
        "Correct the Java option it names (spark.driver.extraJavaOptions, or a variable).",
    ),
    (r"[Nn]o space left", "Free some disk, or set TMPDIR to a folder on another one."),
    (r"UnsupportedClassVersion|Unsupported major", "Set JAVA_HOME to a Java 17 to 21."),
    (r"spark-submit: not found|Failed to find Spark|find or load main class", "Unset SPARK_HOME."),
)
_OTHER_JOBS = {"--help", "-h", "--version", "--kill", "--status", "--usage-error"}


class Voice(threading.Thread):
    """Passes on what a process writes to one of its outputs, and keeps the last lines.

    Parameters
    ----------
    target : int
        The descriptor of ours to pass it on to.
    """

    def __init__(self, target: int) -> None:
        super().__init__(name=f"voice of Java {target}", daemon=True)
        self.target = target
        self.source, self.end = os.pipe()
        self.lines: deque[str] = deque(maxlen=200)

    def run(self) -> None:
        """Read until the process ends."""
        rest = b""
        while chunk := os.read(self.source, 1 << 16):
            *whole, rest = (rest + chunk).splitlines(keepends=True)
            if rest.endswith(b"\n"):
                whole, rest = [*whole, rest], b""
            for line in whole:
                if not _NOISE.fullmatch(line):
                    self._pass_on(line)
                    self.lines.append(line.decode(errors="replace").rstrip("\n"))
            if rest and not any(noise.startswith(rest[: len(noise)]) for noise in _NOISES):
                self._pass_on(rest)  # the beginning of a line, such as a progress bar
                self.lines.append(rest.decode(errors="replace"))
                rest = b""
        os.close(self.source)

    def _pass_on(self, text: bytes) -> None:
        with contextlib.suppress(OSError):  # closed here; the process must not be held up
            while text:
                text = text[os.write(self.target, text) :]


def start(settings: Mapping[str, str]) -> None:
    """Start the Java process of this Python, unless it runs.

    Raises
    ------
    SparkSetupError : it ended at once; with its last words and what to do.
    """
    if SparkContext._gateway is not None:
        return
    conf = SparkConf(loadDefaults=False).setAll(list(settings.items()))
    voices = Voice(1), Voice(2)
    for voice in voices:
        voice.start()
    try:
        outputs = {"stdout": voices[0].end, "stderr": voices[1].end}
        gateway = launch_gateway(conf, outputs)  # type: ignore[no-untyped-call]
        mind_interrupts(gateway)
        SparkContext._ensure_initialized(gateway=gateway)
    except Exception as error:
        failure = error
    else:
        return
    finally:
        for voice in voices:
            os.close(voice.end)
    for voice in voices:
        voice.join(2.0)
    words = last_words([line for voice in voices for line in voice.lines]) or [str(failure)]
    raise SparkSetupError(
        f"Spark did not start on spark.master={settings['spark.master']} with Java in "
        f"{os.environ['JAVA_HOME']}. Its last words:\n  "
        + "\n  ".join(words)
        + f"\nCure: {_cure(' '.join(words))}"
    ) from None


def last_words(lines: list[str]) -> list[str]:
    """Give the lines that tell why a Java process ended: no frames, no help text.

    Examples
    --------
    >>> last_words(["Error: no such thing", "", "Usage: spark-submit [options]", "Options:"])
    ['Error: no such thing']
    """
    told: dict[str, None] = {}
    for line in lines:
        if line.startswith("Usage: "):
            break
        if not _FRAMES.match(line):
            told[line.strip()[:300]] = None
    return list(told)[-8:]


def _cure(words: str) -> str:
    cures = [cure for pattern, cure in _CURES if re.search(pattern, words)][:1]
    heard = [
        f"{name}={os.environ[name]}"
        for name in _VARIABLES
        if os.environ.get(name, "pyspark-shell") not in ("", "pyspark-shell")
    ]
    if heard:
        cures.append(f"It heeds {', '.join(heard)}: unset what is not meant for it.")
    if (limit := memory_limit()) and limit < 2 << 30:
        cures.append(f"This container may use {limit >> 20} MB; give it more (docker run -m 3g).")
    return " ".join(cures or ["`sandbox doctor` checks Java and Spark."])


def java_options() -> str:
    """Give the options of the driver's Java: log settings, a home where the system knows none."""
    options = ["-XX:-UsePerfData"]
    if (settings := _log_settings()) is not None:
        options.insert(0, f"-Dlog4j2.configurationFile={settings.as_uri()}")
    if _account() is None:
        home = os.environ.get("HOME", "")
        home = home if os.path.isabs(home) else str(cache_folder())
        options.append('"-Duser.home=' + re.sub(r'(["\\])', r"\\\1", home) + '"')
    return " ".join(options)


def _account() -> str | None:
    """Give the name of the account that runs this, or None for a number without one."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return None


@contextlib.contextmanager
def environment(*, loopback: bool) -> Iterator[None]:
    """Set what the Java that starts inside, and its executors, shall find in their environment."""
    values = {"PYSPARK_SUBMIT_ARGS": submit_arguments()}
    if loopback:
        values |= {"SPARK_LOCAL_IP": "127.0.0.1", "SPARK_LOCAL_HOSTNAME": "localhost"}
    if _account() is None:  # Hadoop asks the system for the name otherwise, and fails
        for name in ("SPARK_USER", "HADOOP_USER_NAME"):
            values[name] = os.environ.get(name) or f"uid-{os.getuid()}"
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def submit_arguments() -> str:
    """Give `PYSPARK_SUBMIT_ARGS` with `pyspark-shell` at its end, which is easily left out.

    Raises
    ------
    SparkSetupError : they cannot be read, or ask for something else than a session.
    """
    given = os.environ.get("PYSPARK_SUBMIT_ARGS", "")
    try:
        words = shlex.split(given)
    except ValueError as error:
        raise SparkSetupError(
            f"PYSPARK_SUBMIT_ARGS must be words as in a shell; got {given!r} ({error}). "
            "Correct or unset it."
        ) from None
    options = words[: words.index("pyspark-shell")] if "pyspark-shell" in words else words
    if other := [word for word in options if word.partition("=")[0] in _OTHER_JOBS]:
        raise SparkSetupError(
            f"PYSPARK_SUBMIT_ARGS must hold options of a session; got {other[0]} in {given!r}. "
            "Correct or unset it."
        )
    return given if len(options) < len(words) else f"{given} pyspark-shell".strip()


def _log_settings() -> Path | None:
    """Write (once) the log settings of our sessions' Java; None where no folder takes them."""
    folders = [cache_folder(), temporary_folder()]
    if not str(folders[0]).isascii():  # a Java in the C locale cannot open it
        del folders[0]
    for folder in folders:
        path = folder / "log4j2-quiet.properties"
        with contextlib.suppress(OSError):
            if not path.exists() or path.read_text() != _LOG4J:
                folder.mkdir(parents=True, exist_ok=True)
                write_atomic(path, _LOG4J.encode())
            return path
    return None
