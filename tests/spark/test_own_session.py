"""A session that the user has made, from a program whose package lies beside it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.spark

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import os, sys, time
sys.path.insert(0, {root!r})  # as a program beside the package has it: no child inherits this
sys.executable = {python!r}
import psutil
from pyspark.sql import SparkSession
from sandbox.lib import nn, optim
from sandbox.lib.criterion import CrossEntropy
from sandbox.lib.spark import SparkBackend, SparkDataset, java_home
from sandbox.lib.train import Trainer

os.environ["JAVA_HOME"] = str(java_home())
spark = SparkSession.builder.master("local[3]").config("spark.ui.enabled", False).getOrCreate()
frame = spark.range(64).selectExpr("id / 64 AS a", "1.0D AS b", "id % 2 AS label")
rows = SparkDataset(frame, features=["a", "b"])
model = nn.Sequential(fc=nn.Linear(2, 2, rng=0))
trainer = Trainer(model, CrossEntropy(), optim.SGD(0.1), progress=None, backend=SparkBackend(spark))
ranks = []
trainer.subscribe(lambda event: ranks.extend(event.get("pids", ())))
trainer.fit(rows, epochs=1)
until = time.monotonic() + 20
while any(map(psutil.pid_exists, ranks)) and time.monotonic() < until:
    time.sleep(0.1)
print("ranks", len(ranks), "left", sum(map(psutil.pid_exists, ranks)))
print("trained", trainer.history["rows"].sum(), trainer.predict(rows).shape)
spark.stop()
"""


def test_training_finds_this_python_and_this_package(tmp_path: Path) -> None:
    # `python3` of the PATH is of no use, and this Python does not know the package by itself.
    wrong, bare = tmp_path / "python3", tmp_path / "bare"
    wrong.write_text("#!/bin/sh\nexit 7\n")
    site = Path(np.__file__).parents[1]
    path = f'"{site}${{PYTHONPATH:+:$PYTHONPATH}}"'
    bare.write_text(f'#!/bin/sh\nPYTHONPATH={path} exec "{sys.executable}" -S "$@"\n')
    for script in (wrong, bare):
        script.chmod(0o755)
    environment = {k: v for k, v in os.environ.items() if "PYTHON" not in k}
    environment["PATH"] = f"{tmp_path}:{os.environ['PATH']}"
    answer = subprocess.run(
        [bare, "-c", PROGRAM.format(root=str(ROOT), python=str(bare))],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=environment,
    )
    assert answer.returncode == 0, answer.stderr[-3000:]
    assert "trained 64 (64, 2)" in answer.stdout
    assert "ranks 2 left 0" in answer.stdout  # Spark's own daemon, which uses workers again
