from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def sessions():
    """Start sessions by master, one at a time; stop the last one in the end."""
    from sandbox.lib.spark import chaos
    from sandbox.lib.spark.session import context

    before = set(os.listdir("/dev/shm"))
    running = {}

    def start(master, **conf):
        key = (master, *conf.items())
        # A test may have stopped it, as those with clusters of their own do.
        if key not in running or running[key].sparkContext._jsc is None:
            for spark in running.values():
                spark.stop()
            running.clear()
            settings = {name.replace("_", "."): value for name, value in conf.items()}
            if options := os.environ.get("SPARK_SUBMIT_OPTS"):  # of drivers; the same for executors
                settings["spark.executor.extraJavaOptions"] = options
            running[key] = context.spark_session(master, conf=settings)
        return running[key]

    yield start
    for spark in running.values():
        spark.stop()
    assert chaos.leftovers(before) == []


@pytest.fixture
def local(sessions):
    return sessions("local[3]")


@pytest.fixture
def cluster(sessions):
    return sessions("local-cluster[2,1,1024]")
