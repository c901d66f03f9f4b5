"""Java is killed in the middle, as the system does when memory runs out: what a person reads."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.lib.spark.session import ended

pytestmark = [pytest.mark.spark, pytest.mark.faults]

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import os, signal
import numpy as np
from pyspark import SparkContext
from sandbox.lib import data, nn, optim
from sandbox.lib.core.errors import SparkSetupError
from sandbox.lib.criterion import CrossEntropy
from sandbox.lib.spark import SparkBackend, spark_session
from sandbox.lib.train import Callback, Trainer

class Kill(Callback):
    def on_iteration(self, trainer, event):
        os.kill(SparkContext._gateway.proc.pid, signal.SIGKILL)

spark = spark_session("local[1]")
rows = data.ArrayDataset(np.zeros((5000, 2), np.float32), np.zeros(5000, np.int64))
trainer = Trainer(
    nn.Sequential(fc=nn.Linear(2, 2, rng=0)), CrossEntropy(), optim.SGD(0.1), batch_size=5,
    progress=None, callbacks=[Kill()], backend=SparkBackend(spark, ranks=1),
)
try:
    trainer.fit(rows, epochs=100)
except SparkSetupError as error:
    print("told:", error, error.__cause__, error.__suppress_context__)
again = spark_session("local[1]")
print("again:", again.range(7).count())
again.stop()
"""


def test_a_killed_java_is_told_as_memory_and_the_next_session_starts() -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    answer = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True, text=True, check=False, env=environment, timeout=300,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr[-3000:]
    assert "told: Spark's Java process was killed, as the system does when memory" in answer.stdout
    assert "None True" in answer.stdout  # none of py4j's own words below it
    assert "A new session starts now." in answer.stderr
    assert "again: 7" in answer.stdout


def test_the_limit_of_a_container_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "memory.max"
    monkeypatch.setattr(ended, "_LIMITS", (str(tmp_path / "none"), str(file)))
    assert ended.memory_limit() is None
    for text, limit in (("max\n", None), ("629145600\n", 600 << 20), (f"{2**63 - 4096}\n", None)):
        file.write_text(text)
        assert ended.memory_limit() == limit
