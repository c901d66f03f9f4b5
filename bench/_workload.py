"""One workload, run by `bench revisions` with the library of either revision on the path.

It reads numbers of steps from its input and answers each with the seconds they took and the last
loss. Only what both revisions understand is used here: `Training` repeats parts of `our_side.py` on
purpose, as that belongs to one revision and this must run with either.
"""

from __future__ import annotations

import sys
import time

import numpy as np

from sandbox.lib import core, criterion, engine, nn, optim
from sandbox.lib.nn import zoo

RATE = 1e-4  # small: rounding must not grow in some thousand steps


class Training:
    """Forward, loss, backward, momentum SGD on one batch."""

    def __init__(self, model, *inputs, classes=10):
        rng = np.random.default_rng(1)
        self.inputs, self.labels = inputs, rng.integers(0, classes, len(inputs[0]))
        self.flat, self.loss = core.FlatParameters(model), float("nan")
        self.optimizer = optim.SGD(RATE, momentum=0.9)
        self.state = self.optimizer.init_slice(self.flat.values.size)
        cache = core.ProgramCache()
        self.program = cache.train(
            model, criterion.CrossEntropy(), self.flat, inputs, self.labels, threads=1
        )
        self.number = 0

    def step(self):
        key = engine.random.RandomKey(0, self.number, 0)
        total, weight, _ = self.program.run(self.inputs, self.labels, key)
        self.flat.gradients *= np.float32(1 / weight)
        self.optimizer.apply_slice(
            self.flat.values,
            self.flat.gradients,
            self.state,
            step=self.number,
            learning_rate=RATE,
        )
        self.flat.touch()
        self.number += 1
        self.loss = total / weight


class Tape(Training):
    """The same, eagerly."""

    def __init__(self, model, *inputs, classes=10):
        super().__init__(model, *inputs, classes=classes)
        self.model, self.criterion = model, criterion.CrossEntropy()
        self.wanted = [parameter for _, parameter in model.named_parameters()]

    def step(self):
        with core.using(training=True), core.Tape() as tape:
            loss = self.criterion.call(self.model(core.Value(self.inputs[0])), self.labels)
        tape.gradients(loss, self.wanted)
        self.loss = float(loss.data)


class Inference:
    """A prediction of one batch."""

    def __init__(self, model, *inputs):
        self.inputs, self.loss = inputs, float("nan")
        self.program = core.ProgramCache().predict(model, inputs, threads=1)

    def step(self):
        self.loss = float(self.program.run(self.inputs).sum())


def normal(*shape):
    """Draw numbers."""
    return np.random.default_rng(0).standard_normal(shape, np.float32)


def ids(rows, time_, words=20_000):
    """Draw ids."""
    return np.random.default_rng(0).integers(1, words, (rows, time_))


def reader(layer, size=128):
    """Make a recurrent layer with a classifier behind."""
    return nn.Sequential(
        layer=layer(size, size, return_sequences=False, rng=0), fc=nn.Linear(size, 2, rng=1)
    )


WORKLOADS = {
    "lenet5 train 128": lambda: Training(zoo.lenet5(0), normal(128, 1, 28, 28)),
    "lenet5 infer 128": lambda: Inference(zoo.lenet5(0), normal(128, 1, 28, 28)),
    "lenet5 infer 1": lambda: Inference(zoo.lenet5(0), normal(1, 1, 28, 28)),
    "lenet5 tape 128": lambda: Tape(zoo.lenet5(0), normal(128, 1, 28, 28)),
    "resnet20 train 32": lambda: Training(zoo.resnet20(0), normal(32, 3, 32, 32)),
    "resnet20 infer 1": lambda: Inference(zoo.resnet20(0), normal(1, 3, 32, 32)),
    "vgg train 16": lambda: Training(zoo.vgg(0, p=0.0), normal(16, 3, 32, 32)),
    "fraud train 256": lambda: Training(zoo.fraud_mlp(0), normal(256, 29), classes=2),
    "fraud train 4096": lambda: Training(zoo.fraud_mlp(0), normal(4096, 29), classes=2),
    "wide & deep train 1024": lambda: Training(
        zoo.wide_and_deep((1000,) * 8, 11, 2, 0, hidden=(100, 50)),
        ids(1024, 8, 1000) + zoo.offsets((1000,) * 8),
        normal(1024, 11),
        classes=2,
    ),
    "text cnn train 64": lambda: Training(
        zoo.text_cnn(20_000, 2, 0, p=0.0), ids(64, 200), classes=2
    ),
    "lstm train 64": lambda: Training(reader(nn.LSTM), normal(64, 100, 128), classes=2),
    "gru train 64": lambda: Training(
        zoo.gru_sentiment(20_000, 2, 0, features=100, hidden=128, p=0.0), ids(64, 200), classes=2
    ),
}


def main(name):
    """Serve one workload."""
    with engine.threads.limit(1):
        workload = WORKLOADS[name]()
        print("ready", flush=True)
        for line in sys.stdin:
            started = time.perf_counter()
            for _ in range(int(line)):
                workload.step()
            print(time.perf_counter() - started, workload.loss, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
