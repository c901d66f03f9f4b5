"""The Java behind a session: starts for every account and name of a folder, ends with its words."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from sandbox.lib.core.errors import SparkSetupError
from sandbox.lib.spark.session import gateway
from tests.cli.test_script_starts import as_stranger

ROOT = Path(__file__).resolve().parents[2]
COUNT = (
    "from sandbox.lib.spark import spark_session\n"
    "session = spark_session('local[1]')\n"
    "print('rows:', session.range(10).count())\n"
    "session.stop()\n"
)
FACTORS = (
    "from sandbox.lib.spark import spark_session\n"
    "from pyspark.ml.recommendation import ALS\n"
    "session = spark_session('local[1]')\n"
    "rows = [(0, 0, 1.0), (0, 1, 2.0), (1, 0, 3.0)]\n"
    "rows = session.createDataFrame(rows, 'user int, item int, rating float')\n"
    "als = ALS(rank=2, maxIter=1, seed=0, numUserBlocks=1)\n"
    "print('users:', als.fit(rows).userFactors.count())\n"
    "session.stop()\n"
)
TELL = (
    "from sandbox.lib.spark import spark_session\n"
    "from sandbox.lib.core.errors import SparkSetupError\n"
    "try:\n    spark_session('local[1]')\n"
    "except SparkSetupError as error:\n    print(error)\n"
)


def python(code, *command, without=(), **environment):
    inherited = {name: v for name, v in os.environ.items() if name not in without}
    return subprocess.run(
        [*command, sys.executable, "-c", code],
        env=inherited | {"PYTHONPATH": str(ROOT)} | environment,
        capture_output=True,
        text=True,
        timeout=120,
        cwd="/",
    )


@pytest.mark.spark
def test_any_name_of_a_cache_will_do_and_nothing_red_is_said(tmp_path):
    """Also: options of one's own, without the word that pyspark wants at their end."""
    cache = tmp_path / "a \"b' c,d%20;$HOME"
    answer = python(
        COUNT,
        SANDBOX_CACHE=str(cache),
        HOME=str(tmp_path),
        PYSPARK_SUBMIT_ARGS="--driver-memory 512m",
    )
    assert answer.stdout == "rows: 10\n", answer.stderr
    assert answer.stderr == ""  # "incubator modules", "Reconfiguration failed"
    assert (cache / "log4j2-quiet.properties").is_file()


@pytest.mark.spark
@pytest.mark.campaign
def test_matrices_without_a_blas_of_the_system_say_nothing_red():
    answer = python(FACTORS)
    assert answer.stdout == "users: 2\n", answer.stderr
    assert answer.stderr == ""  # "netlib-blas: JNI_OnLoad: dlopen(libblas.so.3) failed"


@pytest.mark.spark
@pytest.mark.campaign
def test_a_home_with_letters_unknown_to_the_locale_will_do(tmp_path):
    home = tmp_path / "hé"
    home.mkdir()
    answer = python(
        COUNT, without=["SANDBOX_CACHE"], HOME=str(home), LC_ALL="C", TMPDIR=str(tmp_path)
    )
    assert (answer.stdout, answer.stderr) == ("rows: 10\n", "")


@pytest.mark.spark
@pytest.mark.campaign
def test_a_number_without_an_account_and_without_a_home_will_do():
    become = as_stranger()
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)  # pytest's own folders are private
        answer = python(COUNT, *become, without=["SANDBOX_CACHE"], HOME="/", TMPDIR=folder)
        assert (answer.stdout, answer.stderr) == ("rows: 10\n", "")


@pytest.mark.spark
def test_what_ends_java_at_its_start_is_told_with_its_words_and_the_cure(tmp_path):
    answer = python(
        TELL,
        without=["SPARK_SUBMIT_OPTS"],
        JAVA_TOOL_OPTIONS="-Xfoo",
        SANDBOX_CACHE=str(tmp_path),
    )
    assert "\n  Unrecognized option: -Xfoo\n" in answer.stdout
    assert "\nCure: Correct the Java option" in answer.stdout
    assert "It heeds JAVA_TOOL_OPTIONS=-Xfoo: unset" in answer.stdout
    assert "port number" not in answer.stdout


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, "pyspark-shell"),
        ("", "pyspark-shell"),
        ("--driver-memory 2g", "--driver-memory 2g pyspark-shell"),
        ("--conf 'a=b c'", "--conf 'a=b c' pyspark-shell"),
        ("--driver-memory 2g pyspark-shell", "--driver-memory 2g pyspark-shell"),
        ("pyspark-shell --version", "pyspark-shell --version"),
    ],
)
def test_the_arguments_of_submit_end_with_the_shell(monkeypatch, given, expected):
    monkeypatch.delenv("PYSPARK_SUBMIT_ARGS", raising=False)
    if given is not None:
        monkeypatch.setenv("PYSPARK_SUBMIT_ARGS", given)
    before = dict(os.environ)
    with gateway.environment(loopback=True):
        assert os.environ["PYSPARK_SUBMIT_ARGS"] == expected
        assert os.environ["SPARK_LOCAL_IP"] == "127.0.0.1"
    assert dict(os.environ) == before


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("--conf 'a", "must be words as in a shell; got .*No closing quotation"),
        ("--version", "must hold options of a session; got --version in '--version'"),
        ("--kill=7 pyspark-shell", "must hold options of a session; got --kill=7"),
    ],
)
def test_arguments_that_start_no_session_are_refused(monkeypatch, given, said):
    """Spark would hang: it waits for a Java that has ended well."""
    monkeypatch.setenv("PYSPARK_SUBMIT_ARGS", given)
    with pytest.raises(SparkSetupError, match=f"PYSPARK_SUBMIT_ARGS {said}"):
        gateway.submit_arguments()


def test_an_account_without_a_name_gets_one_and_a_home(monkeypatch, tmp_path):
    monkeypatch.setattr(gateway, "_account", lambda: None)
    monkeypatch.setenv("SANDBOX_CACHE", str(tmp_path))
    monkeypatch.setenv("HOME", '/a "b\\c')
    monkeypatch.delenv("HADOOP_USER_NAME", raising=False)
    monkeypatch.setenv("SPARK_USER", "me")
    assert gateway.java_options().endswith(' "-Duser.home=/a \\"b\\\\c"')
    with gateway.environment(loopback=False):
        assert os.environ["SPARK_USER"] == "me"
        assert os.environ["HADOOP_USER_NAME"] == f"uid-{os.getuid()}"
    monkeypatch.setenv("HOME", "none")
    assert gateway.java_options().endswith(f' "-Duser.home={tmp_path}"')


@pytest.mark.parametrize(
    ("words", "cure"),
    [
        ("Could not reserve enough space for object heap", "Lower spark.driver.memory"),
        ("java.io.IOException: No space left on device", "Free some disk"),
        ("Failed to find Spark jars directory (/x).", "Unset SPARK_HOME"),
        ("java.lang.UnsupportedClassVersionError: x", "Java 17 to 21"),
        ("something new", "`sandbox doctor` checks"),
    ],
)
def test_each_kind_of_end_has_its_cure(monkeypatch, words, cure):
    for name in gateway._VARIABLES:
        monkeypatch.delenv(name, raising=False)
    assert cure in gateway._cure(words)
    monkeypatch.setenv("SPARK_HOME", "/x")
    assert "It heeds SPARK_HOME=/x" in gateway._cure(words)


def test_last_words_leave_out_frames_and_help():
    said = [
        'Exception in thread "main" java.lang.Error: basedir must be absolute: ?/.ivy2',
        "\tat org.apache.ivy.util.Checks.checkAbsolute(Checks.java:48)",
        "\t... 21 more",
        "",
        "bin/spark-class: line 97: CMD: bad array subscript",
        "Usage: spark-submit [options]",
        "Options:",
    ]
    assert gateway.last_words(said) == said[:1]


def test_a_voice_passes_on_all_but_the_noise(tmp_path):
    with (tmp_path / "out").open("wb") as out:
        voice = gateway.Voice(out.fileno())
        voice.start()
        for piece in (
            b"WARNING: Using incu",
            b"bator modules: jdk.incubator.vector\n",
            b"netlib-blas: JNI_On",
            b"Load: dlopen(libblas.so.3) failed: libblas.so.3: cannot open\n",
            b"a\nb",
            b"c\n",
        ):
            os.write(voice.end, piece)
        os.close(voice.end)
        voice.join(10)
    assert (tmp_path / "out").read_bytes() == b"a\nbc\n"
    assert "".join(voice.lines) == "abc"
