"""Train LeNet on the Spark cluster named by SPARK_MASTER: what `sandbox docker cluster` runs.

cluster_lenet.py [--ranks N] [--epochs N] [--rows N]

Every line it prints is `key: value`. A worker that dies on the way is replaced or done without: the
ranks start again from their last state.
"""

from __future__ import annotations

import argparse
import os
import socket
from typing import Any

from sandbox.lib import data, nn, optim
from sandbox.lib.criterion import CrossEntropy
from sandbox.lib.spark import SparkBackend, spark_session
from sandbox.lib.train import Callback, Trainer


class Tell(Callback):
    """Print a line every ten steps, and all that the run has to say."""

    def on_iteration(self, trainer: Any, event: Any) -> None:
        """After a step."""
        if event["step"] % 10 == 0:
            print(f"step: {event['step']} loss {event['loss']:.4f}", flush=True)

    def on_log(self, trainer: Any, event: Any) -> None:
        """When something happened, such as a worker that was lost."""
        print(f"{event['level']}: {event['text']}", flush=True)


def session(master: str) -> Any:
    """Start a session whose driver the workers can call back."""
    return spark_session(
        master,
        app_name="lenet",
        conf={
            "spark.driver.host": socket.gethostname(),
            "spark.driver.bindAddress": "0.0.0.0",
            "spark.executor.memory": "640m",
            "spark.executor.cores": "1",
            "spark.driver.memory": "640m",
        },
    )


def main() -> None:
    """Train and report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--rows", type=int, default=12_000)
    asked = parser.parse_args()
    images, labels, source = data.mnist.load("train")
    images, labels = images[: asked.rows], labels[: asked.rows]
    print(f"data: {source.describe()}", flush=True)
    rows = data.ArrayDataset(images, labels, transform=data.mnist.transform())
    spark = session(os.environ["SPARK_MASTER"])
    model = nn.zoo.lenet5(rng=0)
    trainer = Trainer(
        model,
        CrossEntropy(),
        optim.SGD(0.05, momentum=0.9),
        batch_size=128,
        seed=0,
        backend=SparkBackend(spark, ranks=asked.ranks, state_every=10),
        callbacks=[Tell()],
        progress=None,
    )
    print("training: begins", flush=True)
    history = trainer.fit(rows, epochs=asked.epochs)
    answers = trainer.predict(data.mnist.transform()(images[:2000])).argmax(axis=1)
    print(f"seconds: {float(history['seconds'].sum()):.1f}")
    print(f"accuracy: {float((answers == labels[:2000]).mean()):.4f}", flush=True)
    spark.stop()


if __name__ == "__main__":
    main()
