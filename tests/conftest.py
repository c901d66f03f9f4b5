"""What tests of all rooms share."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from sandbox.cli.report import is_ci
from sandbox.lib import engine


@pytest.fixture
def native() -> None:
    """Skip without native kernels; in CI, where the lock installs their library, fail."""
    if not engine.is_native():
        reason = f"no native library: {engine.describe().reason}"
        if is_ci():
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.fixture(autouse=True, scope="session")
def _threads_as_asked() -> Iterator[None]:
    """Give small programs as many threads as they are asked for: tests have no others."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sandbox.lib.engine.compiler.MEETING", 0.0)
        yield


@pytest.fixture(autouse=True, scope="session")
def _own_notebooks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the copies of the lessons that commands make out of the home of whoever tests."""
    before = os.environ.get("SANDBOX_HOME")
    os.environ["SANDBOX_HOME"] = str(tmp_path_factory.mktemp("sandbox-home"))
    yield
    if before is None:
        del os.environ["SANDBOX_HOME"]
    else:
        os.environ["SANDBOX_HOME"] = before


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
    """Give a session of three slots in one process."""
    return sessions("local[3]")


@pytest.fixture
def cluster(sessions):
    """Give a session of two executors."""
    return sessions("local-cluster[2,1,1024]")
