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

from sandbox.lib.nn import zoo

from . import harness, our_side, torch_networks, torch_side

NEEDS_TORCH = True
BATCHES = 8
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
    "resnet20": Network(lambda: zoo.resnet20(0), torch_networks.resnet20, _images, 10, 0.002),
    "vgg": Network(lambda: zoo.vgg(0, p=0.0), torch_networks.vgg, _images, 10, 0.005),
    "fraud": Network(lambda: zoo.fraud_mlp(0), torch_networks.fraud_mlp, _rows, 2, 0.05),
    "wide_deep": Network(
        lambda: zoo.wide_and_deep(FIELDS, NUMBERS, 2, 0, hidden=HIDDEN),
        lambda: torch_networks.WideAndDeep(sum(FIELDS), len(FIELDS), NUMBERS, 2, HIDDEN),
        _ids,
        2,
        0.05,
    ),
}


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
    inputs, labels = _batches(network, batch)
    model, twin = _models(network)
    with torch_side.threads(threads):
        ours = our_side.Training(model, network.rate, inputs, labels, threads)
        theirs = torch_side.Training(twin, network.rate, inputs, labels)
        what = f"{name} train, batch {batch}, {threads} thread(s)"
        harness.compare_training(report, what, ours, theirs, rounds=rounds, bar=bar)


def infer(report, name, batch, rounds, bar):
    """Compare inference on one thread."""
    network = NETWORKS[name]
    inputs, _ = _batches(network, batch)
    what = f"{name} inference, batch {batch}, 1 thread"
    torch_side.compare_inference(report, what, *_models(network), inputs[0], rounds=rounds, bar=bar)


def main(arguments, report):
    """Run the comparisons."""
    parser = harness.options("networks", __doc__, rounds=15)
    parser.add_argument("--only", choices=[*NETWORKS, "all"], default="all", help="one network")
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
