"""A driver as a process of its own: `fit_process.py MASTER MODE`; prints JSON lines.

Modes: run (ends by itself), long (until interrupted), stuck (a rank hangs in the user's code).
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time

import numpy as np

from sandbox.lib import criterion, nn, optim
from sandbox.lib.data import ArrayDataset
from sandbox.lib.spark import SparkBackend, spark_session
from sandbox.lib.train import Trainer


class Stuck:
    """A transform that does not come back once the driver has made a file."""

    def __init__(self, flag: str) -> None:
        self.flag = flag

    def __call__(self, x):
        if os.path.exists(self.flag):
            time.sleep(600)
        return x


def say(**words) -> None:
    print(json.dumps({**words, "at": time.time()}), flush=True)


def main(master: str, mode: str) -> None:
    random = np.random.default_rng(0)
    x = random.standard_normal((256, 6)).astype(np.float32)
    y = (x[:, 0] > 0).astype(np.int64)
    spark = spark_session(master)
    trainer = Trainer(
        nn.zoo.mlp([6, 8, 2], rng=0),
        criterion.CrossEntropy(),
        optim.SGD(0.1),
        batch_size=32,
        progress=None,
        backend=SparkBackend(spark, ranks=2),
    )

    def watch(event):
        if "pids" in event:
            say(pids=event["pids"])
        if event["type"] == "iteration" and event["step"] == 20:
            say(running=True)
            open(flag, "w").close()

    flag = os.path.join(tempfile.mkdtemp(), "flag")
    trainer.subscribe(watch)
    data = ArrayDataset(x, y, transform=Stuck(flag) if mode == "stuck" else None)
    try:
        trainer.fit(data, steps=30 if mode == "run" else 100_000_000)
    except KeyboardInterrupt:
        say(interrupted=True, state=trainer.state, steps=len(trainer.history))
    java = os.environ["JAVA_HOME"]
    # The session is as good as before.
    rows = spark.range(10).count()
    say(rows=rows, java=java, steps=len(trainer.history))
    spark.stop()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
