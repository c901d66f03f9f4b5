"""A driver that is interrupted again and again: `interrupted_process.py MASTER RANKS ROUNDS`.

Prints a JSON line when a fit begins and one when it has ended, with what it left behind; then it
fits once more, undisturbed, and tells the digest of the weights.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import psutil

from sandbox.lib import criterion, nn, optim
from sandbox.lib.spark import SparkBackend, spark_session
from sandbox.lib.train import Trainer

PATIENCE_S = 10


def say(**words) -> None:
    print(json.dumps(words), flush=True)


def rows():
    random = np.random.default_rng(0)
    x = random.standard_normal((400, 6)).astype(np.float32)
    return x, (x[:, 0] > 0).astype(np.int64)


def trainer_of(spark, ranks):
    return Trainer(
        nn.zoo.mlp([6, 8, 2], rng=0),
        criterion.CrossEntropy(),
        optim.SGD(0.1),
        batch_size=32,
        threads=1,
        progress=None,
        backend=SparkBackend(spark, ranks=ranks),
    )


def files() -> set[str]:
    """Our files in the places where a run keeps some; Java and Spark have their own there."""
    places = [Path(tempfile.gettempdir()), Path("/dev/shm")]
    return {str(p) for place in places for p in place.glob("*sandbox*")}


def workers() -> list[str]:
    """Python processes that Spark's daemon has forked: ranks among them."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            parent = process.parent()
            if parent is not None and "-m" in process.cmdline() and "-m" in parent.cmdline():
                found.append(f"process {process.pid}")
    return found


def sockets() -> int:
    """Sockets of this process, but for those to Java."""
    return sum(c.status == "LISTEN" for c in psutil.Process().net_connections("tcp"))


def left(spark, before) -> list[str]:
    """What is left of a run, after it has had some time to go away."""
    until = time.monotonic() + PATIENCE_S
    while True:
        found = [f"job {job}" for job in spark.sparkContext.statusTracker().getActiveJobsIds()]
        found += workers()
        found += sorted(files() - before[0])
        found += [t.name for t in threading.enumerate() if t.name.startswith("sandbox-")]
        if sockets() > before[1]:
            found.append("a listening socket")
        if not found or time.monotonic() > until:
            return found
        time.sleep(0.1)


def main(master: str, ranks: int, rounds: int) -> None:
    spark = spark_session(master)
    x, y = rows()
    columns = {f"f{i}": x[:, i].tolist() for i in range(6)} | {"label": y.tolist()}
    values = list(zip(*columns.values(), strict=True))
    frame = spark.createDataFrame(values, list(columns)).repartition(3).sortWithinPartitions("f0")
    frame = frame.selectExpr("array(f0, f1, f2, f3, f4, f5) AS features", "label")
    trainer_of(spark, ranks).fit((x, y), steps=3)
    before = files(), sockets()
    say(ready=True, pid=os.getpid())
    for number in range(rounds):
        trainer = trainer_of(spark, ranks)
        data = frame if number % 3 == 2 else (x, y)
        ended = "done"
        say(begins=number)
        try:
            trainer.fit(data, steps=400)
            time.sleep(3)  # so that a late signal hits this line
        except KeyboardInterrupt:
            ended = trainer.state
        except BaseException as error:
            ended = f"{type(error).__name__}: {error}"
        steps, rest = len(trainer.history), left(spark, before)
        again = trainer_of(spark, ranks)
        again.fit((x, y), steps=4)
        weights = b"".join(p.data.tobytes() for _, p in again.model.named_parameters())
        digest = hashlib.sha256(weights).hexdigest()[:16]
        say(ended=ended, steps=steps, left=rest, next=digest, number=number)
    spark.stop()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
