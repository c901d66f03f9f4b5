"""The price of eager mode: LeNet-5 training steps on the tape against the traced Program.

Both sides run the same kernels on the same batches; eager records every operation on a tape and
so lets any Python be a model. The bar: at most 2.5 times the Program's time.
"""

from __future__ import annotations

import numpy as np

from sandbox.lib import core, criterion, engine, optim
from sandbox.lib.nn import zoo

from . import harness, our_side

BATCH = 128
RATE = 0.05


class Eager:
    """Training steps on the tape, written out."""

    def __init__(self, images, labels):
        self.images, self.labels = images, labels
        self.model, self.criterion = zoo.lenet5(0), criterion.CrossEntropy()
        self.flat = core.FlatParameters(self.model)
        self.optimizer = optim.SGD(RATE, momentum=our_side.MOMENTUM)
        self.state = self.optimizer.init_slice(self.flat.values.size)
        self.parameters = list(self.model.named_parameters())
        self.number, self.loss = 0, float("nan")

    def step(self):
        at = self.number % len(self.images)
        key = engine.random.RandomKey(0, self.number, 0)
        with core.using(training=True, random=key), core.Tape() as tape:
            output = self.model(core.Value(self.images[at]))
            loss = self.criterion.call(output, self.labels[at])
        wanted = [parameter for _, parameter in self.parameters]
        for (name, _), gradient in zip(self.parameters, tape.gradients(loss, wanted), strict=True):
            np.multiply(gradient, np.float32(1 / BATCH), out=self.flat.gradient(name))
        self.optimizer.apply_slice(
            self.flat.values,
            self.flat.gradients,
            self.state,
            step=self.number,
            learning_rate=RATE,
        )
        self.flat.touch()
        self.number += 1
        self.loss = float(loss.data) / BATCH


def main(arguments, report):
    """Run the comparison."""
    parser = harness.options("eager", __doc__, rounds=15)
    chosen = parser.parse_args(arguments)
    images, labels, source = harness.mnist_batches(20, BATCH)
    report(f"data: {source}")
    with engine.threads.limit(1):
        program = our_side.Training(zoo.lenet5(0), RATE, [(x,) for x in images], labels)
        tape = Eager(images, labels)
        what = "LeNet-5 step: Program, eager"
        times = harness.compare_training(report, what, program, tape, rounds=chosen.rounds)
    report.value("eager / Program", harness.ratio(*times), at_most=2.5)
    return report.close()
