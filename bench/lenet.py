"""LeNet-5 against PyTorch: training steps of batch 128, inference of batch 128 and 1.

A training step is forward, loss, backward and momentum SGD on images in memory. Both sides start
from the same weights and see the same batches; their losses after 20 steps must agree.
"""

from __future__ import annotations

import numpy as np
import torch

from sandbox.lib import core, criterion, engine, optim
from sandbox.lib.nn import zoo

from . import harness, torch_side

NEEDS_TORCH = True
BATCH = 128
BATCHES = 20
RATE, MOMENTUM = 0.05, 0.9


class OurTraining:
    """Training steps of the sandbox."""

    def __init__(self, model, images, labels, threads):
        self.images, self.labels = images, labels
        self.flat = core.FlatParameters(model)
        self.method = optim.SGD(RATE, momentum=MOMENTUM)
        self.state = self.method.init_slice(self.flat.values.size)
        specs = [engine.Spec((BATCH, 1, 28, 28), "float32")]
        target = engine.Spec((BATCH,), "int64")
        self.program = core.train_program(
            model, criterion.CrossEntropy(), self.flat, specs, target, threads=threads
        )
        self.step_number = 0
        self.loss = float("nan")

    def step(self):
        at = self.step_number % BATCHES
        key = engine.random.RandomKey(0, self.step_number, 0)
        loss, weight, _ = self.program.run((self.images[at],), self.labels[at], key)
        self.flat.gradients *= np.float32(1 / weight)
        self.method.apply_slice(
            self.flat.values,
            self.flat.gradients,
            self.state,
            step=self.step_number,
            learning_rate=RATE,
        )
        self.flat.touch()
        self.step_number += 1
        self.loss = loss / weight


class TheirTraining:
    """Training steps of PyTorch, eager."""

    def __init__(self, model, images, labels):
        self.model = model.train()
        self.images = [torch.from_numpy(batch) for batch in images]
        self.labels = [torch.from_numpy(batch) for batch in labels]
        self.method = torch.optim.SGD(model.parameters(), lr=RATE, momentum=MOMENTUM)
        self.step_number = 0
        self.loss = float("nan")

    def step(self):
        at = self.step_number % BATCHES
        self.method.zero_grad()
        loss = torch.nn.functional.cross_entropy(self.model(self.images[at]), self.labels[at])
        loss.backward()
        self.method.step()
        self.step_number += 1
        self.loss = loss.item()


def train(report, images, labels, threads, rounds):
    """Compare training steps."""
    ours_model = zoo.lenet5(0)
    theirs_model = torch_side.take_weights(torch_side.lenet5(), ours_model)
    torch.set_num_threads(threads)
    ours = OurTraining(ours_model, images, labels, threads)
    theirs = TheirTraining(theirs_model, images, labels)
    for _ in range(20):
        ours.step()
        theirs.step()
    report(
        f"loss after 20 steps, {threads} thread(s): ours {ours.loss:.6f}, theirs {theirs.loss:.6f}"
    )
    harness.agree("loss after 20 steps", ours.loss, theirs.loss)
    times = harness.alternate(ours.step, theirs.step, rounds=rounds)
    report.versus(f"train, batch 128, {threads} thread(s)", *times, bar=1.5)


def infer(report, images, batch, rounds, bar):
    """Compare inference on one thread."""
    torch.set_num_threads(1)
    model = zoo.lenet5(0)
    theirs_model = torch_side.take_weights(torch_side.lenet5(), model).eval()
    rows = np.ascontiguousarray(images[0][:batch])
    program = core.predict_program(model, model, [engine.Spec(rows.shape, "float32")], threads=1)
    tensor = torch.from_numpy(rows)
    with torch.inference_mode():
        ours_first = np.array(program.run((rows,)))
        theirs_first = theirs_model(tensor).numpy()
        gap = float(np.abs(ours_first - theirs_first).max())
        report(f"inference, batch {batch}: largest difference of a logit {gap:.1e}")
        if gap > 1e-4:
            raise harness.RefusedError(f"logits differ by {gap}")
        times = harness.alternate(
            lambda: program.run((rows,)), lambda: theirs_model(tensor), rounds=rounds
        )
    report.versus(f"inference, batch {batch}, 1 thread", *times, bar=bar)


def main(arguments, report):
    """Run the comparison."""
    parser = harness.options("lenet", __doc__)
    parser.add_argument("--rounds", type=int, default=15)
    chosen = parser.parse_args(arguments)
    images, labels, source = harness.mnist_batches(BATCHES, BATCH)
    report(f"data: {source}")
    for threads in (1, 2):
        with engine.threads.limit(threads):
            train(report, images, labels, threads, chosen.rounds)
    with engine.threads.limit(1):
        infer(report, images, 128, chosen.rounds, 3.0)
        infer(report, images, 1, chosen.rounds, 2.0)
    return report.close()
