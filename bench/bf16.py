"""bf16 against our own f32: ResNet-20 and LeNet-5, training and inference; MNIST accuracy.

"ours" is bf16, "theirs" is f32, on one thread. A training step is forward, loss, backward and
momentum SGD. Both sides start from the same weights, see the same batches and choose their kernels
here and now: choices kept from a busier hour might favour one of them. `--accuracy` trains LeNet-5
on MNIST in both precisions with several seeds instead of timing anything.
"""

from __future__ import annotations

import statistics

import numpy as np

from sandbox.lib import core, criterion, engine, optim
from sandbox.lib.data import mnist
from sandbox.lib.engine import Spec
from sandbox.lib.nn import zoo
from sandbox.lib.train import Trainer

from . import harness, our_side

BATCHES = 8
# Rounding to 8 bits moves a loss by some thousandths; a wrong kernel moves it by far more.
NEAR = 0.05


def train(report, what, make, rate, inputs, labels, rounds, bar=None):
    """Compare training steps, once the losses after 20 of them are near each other."""
    with engine.threads.limit(1):
        ours, theirs = (
            our_side.Training(make(), rate, inputs, labels, 1, precision, engine.KernelPlan())
            for precision in ("bf16", "f32")
        )
        for _ in range(20):
            ours.step()
            theirs.step()
        losses = f"bf16 {ours.loss:.6f}, f32 {theirs.loss:.6f}"
        report(f"{what}: loss after 20 steps: {losses}")
        harness.agree(f"{what}: loss after 20 steps", ours.loss, theirs.loss, tolerance=NEAR)
        times = harness.alternate(ours.step, theirs.step, rounds=rounds)
    report.versus(what, *times, bar=bar)


def infer(report, what, model, rows, rounds):
    """Compare inference."""
    with engine.threads.limit(1):
        ours, theirs = (
            core.predict_program(
                model, model, Spec.of(rows), plan=engine.KernelPlan(), precision=precision
            )
            for precision in ("bf16", "f32")
        )
        mine, exact = np.array(ours.run(rows)), np.array(theirs.run(rows))
        gap = float(np.abs(mine - exact).max() / np.abs(exact).max())
        if gap > NEAR:
            raise harness.RefusedError(f"{what}: logits differ by {gap} of the largest")
        report(f"{what}: largest difference of a logit {gap:.1e} of the largest logit")
        times = harness.alternate(lambda: ours.run(rows), lambda: theirs.run(rows), rounds=rounds)
    report.versus(what, *times)


def speed(report, rounds):
    """Compare times."""
    rng = np.random.default_rng(0)
    images = [(rng.standard_normal((64, 3, 32, 32), np.float32),) for _ in range(BATCHES)]
    labels = [rng.integers(0, 10, 64) for _ in range(BATCHES)]
    make = lambda: zoo.resnet20(0)  # noqa: E731 - the same model for both sides
    train(report, "resnet20 train, batch 64", make, 0.002, images, labels, rounds, bar=1.5)
    infer(report, "resnet20 inference, batch 64", zoo.resnet20(0), images[0][0], rounds)
    infer(report, "resnet20 inference, batch 1", zoo.resnet20(0), images[0][0][:1], rounds)
    digits, targets, source = harness.mnist_batches(BATCHES, 128)
    report(f"data of lenet5: {source}")
    inputs = [(batch,) for batch in digits]
    train(report, "lenet5 train, batch 128", lambda: zoo.lenet5(0), 0.05, inputs, targets, rounds)


def accuracy(report, seeds, epochs):
    """Compare what LeNet-5 learns of MNIST: 3 epochs of SGD 0.1 with momentum and one cycle."""
    report(f"data: {mnist.load('test').provenance.describe()}")
    scores = {"bf16": [], "f32": []}
    for seed in range(seeds):
        for precision, found in scores.items():
            trainer = Trainer(
                zoo.lenet5(seed),
                criterion.CrossEntropy(),
                optim.SGD(0.1, momentum=0.9, nesterov=True, schedule=optim.OneCycle()),
                seed=seed,
                threads=1,
                precision=precision,
                progress=None,
            )
            trainer.fit(mnist.dataset("train"), epochs=epochs)
            found.append(100 * trainer.evaluate(mnist.dataset("test"))["top1"])
        last = ", ".join(f"{precision} {found[-1]:.2f} %" for precision, found in scores.items())
        report(f"seed {seed}: {last}")
    lost = statistics.mean(scores["f32"]) - statistics.mean(scores["bf16"])
    report.value("mean accuracy lost in bf16", lost, "points", at_most=0.2)


def main(arguments, report):
    """Run the comparison."""
    parser = harness.options("bf16", __doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--accuracy", action="store_true", help="MNIST in both precisions")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=3)
    chosen = parser.parse_args(arguments)
    report(f"kernels: {engine.fingerprint()}")
    report("ours: bf16; theirs: our own f32; 1 thread")
    if chosen.accuracy:
        accuracy(report, chosen.seeds, chosen.epochs)
    else:
        speed(report, chosen.rounds)
    return report.close()
