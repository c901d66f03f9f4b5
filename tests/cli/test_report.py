"""The plugins of a test run: its last lines, what it must not skip, the end of a hang."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TESTS = """
import pytest

@pytest.mark.{mark}
def test_part():
    pytest.skip("no such thing here")

def test_sum():
    assert 1 + 1 == 2
"""


HANGS = """
import time
import pytest
from sandbox.cli import limit

limit.LIMIT_S = 1

@pytest.fixture
def thing():
    yield
    print("put away")

def test_hangs(thing):
    time.sleep(50)

def test_sum():
    assert 1 + 1 == 2
"""


def run(folder: Path, tests: str, ci: str = "") -> subprocess.CompletedProcess[str]:
    (folder / "test_it.py").write_text(tests)
    (folder / "pytest.ini").write_text("[pytest]\nmarkers =\n    spark: s\n    slow: s\n")
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-s", "-p", "sandbox.cli.report",
         "-p", "sandbox.cli.limit", str(folder)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd=folder,
        env={**os.environ, "CI": ci, "PYTHONPATH": str(ROOT), "SANDBOX_OFFLINE": "1",
             "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("mark", "ci", "status"),
    [("spark", "", 0), ("spark", "true", 1), ("slow", "true", 0)],
)
def test_only_continuous_integration_fails_on_a_required_skip(tmp_path, mark, ci, status):
    answer = run(tmp_path, TESTS.format(mark=mark), ci)
    assert answer.returncode == status, answer.stdout
    assert "skipped: 1 test: no such thing here" in answer.stdout
    assert ("REQUIRED" in answer.stdout) == (status == 1)
    assert "data: SANDBOX_DATA" in answer.stdout
    assert answer.stdout.strip().splitlines()[-1].startswith("1 passed, 1 skipped")


@pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="this system has no alarm")
def test_a_test_that_hangs_fails_and_the_next_one_runs(tmp_path):
    answer = run(tmp_path, HANGS)
    assert answer.returncode == 1, answer.stdout
    assert "the test of test_it.py::test_hangs has not ended within 1 s" in answer.stdout
    assert "put away" in answer.stdout
    assert answer.stdout.strip().splitlines()[-1].startswith("1 failed, 1 passed")
