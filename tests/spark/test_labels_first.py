"""Wrong labels are told before Spark starts, where the driver has them at hand."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import numpy as np
from pyspark import SparkContext
from sandbox.lib import nn, optim
from sandbox.lib.core.errors import DataError
from sandbox.lib.criterion import CrossEntropy
from sandbox.lib.spark import SparkBackend
from sandbox.lib.train import Trainer

backend = SparkBackend("local[3]")
trainer = Trainer(nn.Linear(3, 10, rng=0), CrossEntropy(), optim.SGD(0.1), backend=backend)
rows = np.ones((40, 3), "f4"), np.arange(40) % 10 + 1
for background in (False, True):
    try:
        trainer.fit(rows, epochs=1, background=background)
    except DataError as error:
        print(error)
print(backend.spark, SparkContext._active_spark_context, SparkContext._gateway)
"""


def test_labels_out_of_range_start_no_spark_session() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE], capture_output=True, text=True, timeout=120, check=True
    )
    first, again, spark = done.stdout.splitlines()
    assert first == again
    assert first.startswith("fit: `data` does not fit: labels must be integers in [0, 10)")
    assert "got 10 in row 9" in first
    assert "use labels - 1" in first
    assert spark == "local[3] None None"
    assert done.stderr == ""
