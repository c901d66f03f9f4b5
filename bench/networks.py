"""ResNet-20, VGG, fraud MLP, wide & deep against PyTorch: training steps and inference.

A training step is forward, loss, backward and momentum SGD on arrays in memory; running statistics
of batch norm are kept by both sides. PyTorch computes images channels_last, which is its faster
layout, and gets them so. Both sides start from the same weights and see the same batches; their
losses after 20 steps must agree. The data are drawn at random: speed does not depend on them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from sandbox.lib import core, criterion, engine, optim
from sandbox.lib.nn import zoo

from . import harness, torch_side

NEEDS_TORCH = True
BATCHES = 8
MOMENTUM = 0.9
FIELDS, NUMBERS, HIDDEN = (1000,) * 8, 11, (100, 50)


@dataclass(frozen=True)
class Network:
    """One network on both sides.

    Parameters
    ----------
    ours, theirs : functions
        Make the models.
    draw : function of (batch, Generator) -> tuple of arrays
        Draws the inputs of one batch.
    classes : int
        Labels are drawn from 0..classes-1.
    rate : float
        Learning rate, small enough that rounding does not grow in 20 steps.
    """

    ours: Callable[[], Any]
    theirs: Callable[[], Any]
    draw: Callable[[int, np.random.Generator], tuple[Any, ...]]
    classes: int
    rate: float


def _images(batch, rng):
    return (rng.standard_normal((batch, 3, 32, 32), np.float32),)


def _rows(batch, rng):
    return (rng.standard_normal((batch, 29), np.float32),)


def _ids(batch, rng):
    ids = rng.integers(0, FIELDS[0], (batch, len(FIELDS))) + zoo.offsets(FIELDS)
    return ids, rng.standard_normal((batch, NUMBERS), np.float32)


NETWORKS = {
    "resnet20": Network(lambda: zoo.resnet20(0), torch_side.resnet20, _images, 10, 0.002),
    "vgg": Network(lambda: zoo.vgg(0, p=0.0), torch_side.vgg, _images, 10, 0.005),
    "fraud": Network(lambda: zoo.fraud_mlp(0), torch_side.fraud_mlp, _rows, 2, 0.05),
    "wide_deep": Network(
        lambda: zoo.wide_and_deep(FIELDS, NUMBERS, 2, 0, hidden=HIDDEN),
        lambda: torch_side.WideAndDeep(sum(FIELDS), len(FIELDS), NUMBERS, 2, HIDDEN),
        _ids,
        2,
        0.05,
    ),
}


class OurTraining:
    """Training steps of the sandbox."""

    def __init__(self, network, model, inputs, labels, threads):
        self.inputs, self.labels, self.rate = inputs, labels, network.rate
        self.flat = core.FlatParameters(model)
        self.method = optim.SGD(self.rate, momentum=MOMENTUM)
        self.state = self.method.init_slice(self.flat.values.size)
        specs = [engine.Spec(x.shape, x.dtype.name) for x in inputs[0]]
        target = engine.Spec(labels[0].shape, "int64")
        self.program = core.train_program(
            model, criterion.CrossEntropy(), self.flat, specs, target, threads=threads
        )
        self.step_number = 0
        self.loss = float("nan")

    def step(self):
        at = self.step_number % BATCHES
        key = engine.random.RandomKey(0, self.step_number, 0)
        loss, weight, _ = self.program.run(self.inputs[at], self.labels[at], key)
        self.flat.gradients *= np.float32(1 / weight)
        self.method.apply_slice(
            self.flat.values,
            self.flat.gradients,
            self.state,
            step=self.step_number,
            learning_rate=self.rate,
        )
        self.flat.touch()
        self.step_number += 1
        self.loss = loss / weight


class TheirTraining:
    """Training steps of PyTorch, eager."""

    def __init__(self, network, model, inputs, labels):
        self.model = model.train().to(memory_format=torch.channels_last)
        self.inputs = [tuple(_tensor(x) for x in batch) for batch in inputs]
        self.labels = [torch.from_numpy(batch) for batch in labels]
        self.method = torch.optim.SGD(model.parameters(), lr=network.rate, momentum=MOMENTUM)
        self.step_number = 0
        self.loss = float("nan")

    def step(self):
        at = self.step_number % BATCHES
        self.method.zero_grad()
        loss = torch.nn.functional.cross_entropy(self.model(*self.inputs[at]), self.labels[at])
        loss.backward()
        self.method.step()
        self.step_number += 1
        self.loss = loss.item()


def _tensor(array):
    tensor = torch.from_numpy(array)
    return tensor.contiguous(memory_format=torch.channels_last) if array.ndim == 4 else tensor


def _batches(network, batch):
    rng = np.random.default_rng(0)
    inputs = [network.draw(batch, rng) for _ in range(BATCHES)]
    labels = [rng.integers(0, network.classes, batch) for _ in range(BATCHES)]
    return inputs, labels


def _models(network):
    model = network.ours()
    return model, torch_side.take_weights(network.theirs(), model)


def train(report, name, batch, rounds, bar, threads=1):
    """Compare training steps."""
    network = NETWORKS[name]
    torch.set_num_threads(threads)
    inputs, labels = _batches(network, batch)
    model, twin = _models(network)
    with engine.threads.limit(threads):
        ours = OurTraining(network, model, inputs, labels, threads)
        theirs = TheirTraining(network, twin, inputs, labels)
        for _ in range(20):
            ours.step()
            theirs.step()
        what = f"{name} train, batch {batch}, {threads} thread(s)"
        harness.agree(f"{what}: loss after 20 steps", ours.loss, theirs.loss)
        report(f"{what}: loss after 20 steps: ours {ours.loss:.6f}, theirs {theirs.loss:.6f}")
        times = harness.alternate(ours.step, theirs.step, rounds=rounds)
    report.versus(what, *times, bar=bar)


def infer(report, name, batch, rounds, bar):
    """Compare inference on one thread."""
    network = NETWORKS[name]
    torch.set_num_threads(1)
    inputs, _ = _batches(network, batch)
    model, twin = _models(network)
    twin = twin.eval().to(memory_format=torch.channels_last)
    rows = inputs[0]
    specs = [engine.Spec(x.shape, x.dtype.name) for x in rows]
    with engine.threads.limit(1), torch.inference_mode():
        program = core.predict_program(model, model, specs, threads=1)
        tensors = tuple(_tensor(x) for x in rows)
        mine, other = np.array(program.run(rows)), twin(*tensors).numpy()
        gap = float(np.abs(mine - other).max() / np.abs(other).max())
        if gap > 1e-4:
            raise harness.RefusedError(f"{name}: logits differ by {gap} of the largest")
        times = harness.alternate(lambda: program.run(rows), lambda: twin(*tensors), rounds=rounds)
    report(f"{name} inference, batch {batch}: largest difference of a logit {gap:.1e}")
    report.versus(f"{name} inference, batch {batch}, 1 thread", *times, bar=bar)


def main(arguments, report):
    """Run the comparisons."""
    parser = harness.options("networks", __doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--only", choices=[*NETWORKS, "all"], default="all")
    chosen = parser.parse_args(arguments)
    rounds = chosen.rounds
    plan = [
        ("resnet20", lambda: train(report, "resnet20", 64, rounds, 1.15)),
        ("resnet20", lambda: infer(report, "resnet20", 1, rounds, 2.0)),
        ("vgg", lambda: train(report, "vgg", 64, rounds, 1.1)),
        ("fraud", lambda: train(report, "fraud", 4096, rounds, 1.5)),
        ("fraud", lambda: train(report, "fraud", 256, rounds, 2.0)),
        ("wide_deep", lambda: train(report, "wide_deep", 1024, rounds, 1.5)),
        # Two threads: nowhere slower than 1.2 times PyTorch's time.
        ("resnet20", lambda: train(report, "resnet20", 64, rounds, 1 / 1.2, threads=2)),
        ("vgg", lambda: train(report, "vgg", 64, rounds, 1 / 1.2, threads=2)),
        ("fraud", lambda: train(report, "fraud", 4096, rounds, 1 / 1.2, threads=2)),
        ("wide_deep", lambda: train(report, "wide_deep", 1024, rounds, 1 / 1.2, threads=2)),
    ]
    for name, run in plan:
        if chosen.only in (name, "all"):
            run()
    return report.close()
