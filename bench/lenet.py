"""LeNet-5 against PyTorch: training steps of batch 128, inference of batch 128 and 1.

A training step is forward, loss, backward and momentum SGD on images in memory. Both sides start
from the same weights and see the same batches; their losses after 20 steps must agree.
"""

from __future__ import annotations

import numpy as np
import torch

from sandbox.lib.nn import zoo

from . import harness, our_side, torch_networks, torch_side

NEEDS_TORCH = True
BATCH = 128
BATCHES = 20
RATE = 0.05


def train(report, images, labels, threads, rounds):
    """Compare training steps."""
    model = zoo.lenet5(0)
    twin = torch_side.take_weights(torch_networks.lenet5(), model)
    inputs = [(batch,) for batch in images]
    with torch_side.threads(threads):
        ours = our_side.Training(model, RATE, inputs, labels, threads)
        theirs = torch_side.Training(twin, RATE, inputs, labels, torch.contiguous_format)
        what = f"train, batch {BATCH}, {threads} thread(s)"
        harness.compare_training(report, what, ours, theirs, rounds=rounds, bar=1.5)


def infer(report, images, batch, rounds, bar):
    """Compare inference on one thread."""
    model = zoo.lenet5(0)
    twin = torch_side.take_weights(torch_networks.lenet5(), model)
    rows = (np.ascontiguousarray(images[0][:batch]),)
    torch_side.compare_inference(
        report,
        f"inference, batch {batch}, 1 thread",
        model,
        twin,
        rows,
        rounds=rounds,
        bar=bar,
        layout=torch.contiguous_format,
    )


def main(arguments, report):
    """Run the comparison."""
    parser = harness.options("lenet", __doc__, rounds=15)
    chosen = parser.parse_args(arguments)
    images, labels, source = harness.mnist_batches(BATCHES, BATCH)
    report(f"data: {source}")
    for threads in (1, 2):
        train(report, images, labels, threads, chosen.rounds)
    infer(report, images, 128, chosen.rounds, 3.0)
    infer(report, images, 1, chosen.rounds, 2.0)
    return report.close()
