"""The last lines of a test run: data, skips, and what continuous integration must not skip."""

from __future__ import annotations

import os
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


def run(folder: Path, mark: str, ci: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_it.py").write_text(TESTS.format(mark=mark))
    (folder / "pytest.ini").write_text("[pytest]\nmarkers =\n    spark: s\n    docker: d\n")
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "sandbox.cli.report", str(folder)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=folder,
        env={**os.environ, "CI": ci, "PYTHONPATH": str(ROOT), "SANDBOX_OFFLINE": "1"},
    )


@pytest.mark.parametrize(
    ("mark", "ci", "status"),
    [("spark", "", 0), ("spark", "true", 1), ("docker", "true", 0)],
)
def test_only_continuous_integration_fails_on_a_required_skip(tmp_path, mark, ci, status):
    answer = run(tmp_path, mark, ci)
    assert answer.returncode == status, answer.stdout
    assert "skipped: 1 test: no such thing here" in answer.stdout
    assert ("REQUIRED" in answer.stdout) == (status == 1)
    assert "data: SANDBOX_DATA" in answer.stdout
    assert answer.stdout.strip().splitlines()[-1].startswith("1 passed, 1 skipped")
