"""A standalone cluster on loopback, started through spark-class."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyspark
import pytest

from sandbox.lib import criterion, nn, optim
from sandbox.lib.core.errors import SparkSetupError
from sandbox.lib.data import ArrayDataset
from sandbox.lib.spark import SparkBackend, SparkDataset, java_home, spark_session
from sandbox.lib.spark.session.context import running_session
from sandbox.lib.train import Trainer

pytestmark = pytest.mark.spark
SPARK_CLASS = Path(pyspark.__file__).parent / "bin" / "spark-class"


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def listening(port):
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"nobody listens on {port}")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A master and a worker with two cores, as their own processes."""
    active = running_session()
    if active is not None:
        active.stop()
    folder = tmp_path_factory.mktemp("spark")
    environment = {
        **os.environ,
        "JAVA_HOME": str(java_home()),
        "SPARK_HOME": str(SPARK_CLASS.parent.parent),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_DAEMON_MEMORY": "512m",
    }
    environment.pop("PYTHONPATH", None)  # hosts of a cluster do not see this checkout
    port = free_port()
    master = f"spark://127.0.0.1:{port}"

    def start(*words):
        return subprocess.Popen(
            [str(SPARK_CLASS), *words],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    package = "org.apache.spark.deploy"
    processes = [
        start(
            f"{package}.master.Master",
            "--host",
            "127.0.0.1",
            "--port",
            str(port),
            "--webui-port",
            "0",
        )
    ]
    try:
        listening(port)
        processes.append(
            start(
                f"{package}.worker.Worker",
                "--host",
                "127.0.0.1",
                "--webui-port",
                "0",
                "-c",
                "2",
                "-m",
                "2g",
                "-d",
                str(folder),
                master,
            )
        )
        yield master
    finally:
        active = running_session()
        if active is not None:
            active.stop()
        for process in reversed(processes):
            process.terminate()
            process.wait(20)


@pytest.fixture
def session(cluster):
    """Open sessions on the cluster, and close them whatever the test did."""
    opened = []

    def open_session(**conf):
        opened.append(spark_session(cluster, conf=conf))
        return opened[-1]

    yield open_session
    for spark in opened:
        spark.stop()


def bare_python(folder):
    bare, site = folder / "python", Path(np.__file__).parents[1]
    bare.write_text(f'#!/bin/sh\nPYTHONPATH="{site}" exec "{sys.executable}" -S "$@"\n')
    bare.chmod(0o755)
    return bare


def use(spark, python, monkeypatch):
    """Have the hosts run this Python: named by a person, or ours would be taken."""
    monkeypatch.setenv("PYSPARK_PYTHON", str(python))
    spark.sparkContext.pythonExec = str(python)


def fit(backend, steps=12):
    random = np.random.default_rng(0)
    x = random.standard_normal((200, 6)).astype(np.float32)
    model = nn.zoo.mlp([6, 8, 2], rng=0)
    events = []
    trainer = Trainer(
        model,
        criterion.CrossEntropy(),
        optim.SGD(0.1),
        batch_size=32,
        threads=1,
        progress=None,
        backend=backend,
    )
    trainer.subscribe(events.append)
    trainer.fit(ArrayDataset(x, (x[:, 0] > 0).astype(np.int64)), steps=steps)
    return np.concatenate([p.data.ravel() for _, p in model.named_parameters()]), events


@pytest.mark.campaign
def test_a_standalone_cluster_trains_like_one_process_also_without_the_package(
    session, tmp_path, monkeypatch
):
    conf = {"spark.executor.memory": "1g", "spark.executor.cores": 1, "spark.cores.max": 2}
    spark = session(**conf)
    alone, _ = fit(None)
    together, _ = fit(SparkBackend(spark, ranks=2))

    assert np.abs(together - alone).max() / np.abs(alone).max() <= 1e-5

    # Hosts without this package: a Python that sees the wheels but not our checkout.
    use(spark, bare_python(tmp_path), monkeypatch)
    together, events = fit(SparkBackend(spark, ranks=2))

    assert np.abs(together - alone).max() / np.abs(alone).max() <= 1e-5
    assert any("hosts lack this package" in e.get("text", "") for e in events)

    # More ranks than the cluster has slots.
    with pytest.raises(SparkSetupError, match=r"ranks=5.*has 2 after 1 s.*workers running"):
        fit(SparkBackend(spark, ranks=5, start_timeout_s=1))


def test_rows_are_counted_on_hosts_that_lack_the_package(session, tmp_path, monkeypatch):
    conf = {"spark.executor.memory": "1g", "spark.executor.cores": 1, "spark.cores.max": 2}
    spark = session(**conf)
    use(spark, bare_python(tmp_path), monkeypatch)
    rows = spark.createDataFrame([([1.0, 2.0], k % 2) for k in range(8)], ["features", "label"])
    assert sum(SparkDataset(rows.repartition(2)).partition_sizes) == 8


def test_a_cluster_without_workers_is_an_error_that_asks_for_them(session):
    conf = {"spark.executor.memory": "64g", "spark.cores.max": 2}  # no worker is that large
    spark = session(**conf)
    begin = time.monotonic()
    with pytest.raises(SparkSetupError, match=r"ranks=2.*has 0 after 2 s.*reachable"):
        fit(SparkBackend(spark, ranks=2, start_timeout_s=2))
    assert time.monotonic() - begin < 20


@pytest.mark.campaign
def test_executors_that_come_when_they_are_asked_for_train_too(session):
    spark = session(
        **{
            "spark.executor.memory": "1g",
            "spark.executor.cores": 1,
            "spark.cores.max": 2,
            "spark.dynamicAllocation.enabled": True,
            "spark.dynamicAllocation.shuffleTracking.enabled": True,
            "spark.dynamicAllocation.minExecutors": 0,
        }
    )
    with pytest.raises(SparkSetupError, match=r"how many ranks train must be said.*ranks=4"):
        fit(SparkBackend(spark))
    alone, _ = fit(None)
    together, _ = fit(SparkBackend(spark, ranks=2))
    assert np.abs(together - alone).max() / np.abs(alone).max() <= 1e-5
    with pytest.raises(SparkSetupError, match=r"ranks=3: Spark has 2 slots left.*Use ranks=2"):
        fit(SparkBackend(spark, ranks=3, start_timeout_s=5))
