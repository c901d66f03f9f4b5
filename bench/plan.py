"""Seconds from a model that is there to its first step: eight networks, nothing planned before.

Each network trains and predicts in processes of its own, whose cache of kernel plans is empty and
which start from an empty plan, so that no plan that came with the package helps. The first step is
tracing, planning, making the kernels and taking the step; the bar is 3 usual steps and 2 seconds.
The usual step is the fastest of some that follow.

`--quality` asks instead whether so quick a plan is a good one: all networks of the speed tables
take turns with themselves as `engine.tune` plans them, which searches without a budget.
"""

from __future__ import annotations

import tempfile
import time
from contextlib import ExitStack

from sandbox.lib import engine

from . import harness, our_side, subjects, tune

NETWORKS = (
    "lenet",
    "resnet20",
    "resnet50",
    "mobilenet_v2",
    "googlenet",
    "vgg16",
    "transformer",
    "lstm",
)
# A quick plan's step may take 3 % longer than the tuned one's.
NEAR = 1 / 1.03


class FirstStep:
    """One network's first step and those after it, in a process of its own.

    Parameters
    ----------
    name : str
        Of the network in `subjects`.
    batch, threads : int
        Rows of the batch; threads of the program.
    trains : bool
        Whether a step is one of training, or a prediction.
    tuned : bool
        Whether the plan is searched for without a budget before.
    """

    def __init__(
        self, name: str, batch: int, threads: int, trains: bool, tuned: bool = False
    ) -> None:
        model, plan = subjects.SUBJECTS[name].make(), engine.KernelPlan()
        if tuned:
            work = tune.of_subject(name)
            tune.tune(work, batch, threads, plan, training=trains)
        if trains:
            inputs, labels = subjects.batches(name, batch, 1)
            rate = subjects.SUBJECTS[name].rate
            arguments = (model, rate, inputs, labels, threads, "f32", plan)
        engine.is_native()  # opens the libraries, as making any layer of this process would have
        started = time.perf_counter()
        if trains:
            self.side = our_side.Training(*arguments)
        else:
            self.side = our_side.Inference(model, subjects.rows(name, batch), threads, plan)
        self.step = self.side.step
        self.step()
        self.first = time.perf_counter() - started


def measure(report, name, batch, threads, trains, steps):
    """Print the first step of one network beside its usual one."""
    what = f"{name} {'train' if trains else 'predict'}, batch {batch}, {threads} thread(s)"
    with (
        tempfile.TemporaryDirectory() as folder,
        harness.environment("SANDBOX_CACHE", folder),
        harness.Apart(FirstStep, name, batch, threads, trains) as side,
    ):
        first = side.get("first")
        usual = min(side.turn(1) for _ in range(steps))
    report(f"{what}: usual step {1e3 * usual:.2f} ms")
    report.value(f"{what}: first step", first, "s", at_most=3 * usual + 2)


def judge(report, name, batch, trains, asked):
    """Print how many times longer a step of the tuned plan takes than one of the quick plan."""
    mode = "train" if trains else "predict"
    what = f"{name} {mode}, batch {batch}, {asked.threads} thread(s), tuned"
    with ExitStack() as sides, tempfile.TemporaryDirectory() as folder:
        sides.enter_context(harness.environment("SANDBOX_CACHE", folder))
        quick, tuned = (
            sides.enter_context(
                harness.Apart(FirstStep, name, batch, asked.threads, trains, searched)
            )
            for searched in (False, True)
        )
        times = harness.alternate(quick, tuned, rounds=asked.rounds, clock=asked.clock)
        report.versus(what, *times, bar=NEAR)


def main(arguments, report):
    """Measure."""
    parser = harness.options("plan", __doc__, rounds=9)
    parser.add_argument("--networks", default="all", help="names, separated by commas")
    parser.add_argument("--threads", type=int, default=1, help="of the programs")
    parser.add_argument("--steps", type=int, default=5, help="of which the fastest is the usual")
    parser.add_argument("--modes", default="train,predict", help="what is measured")
    parser.add_argument("--quality", action="store_true", help="against `engine.tune`'s plans")
    harness.add_clock(parser)
    asked = parser.parse_args(arguments)
    known = subjects.SUBJECTS if asked.quality else NETWORKS
    for name in subjects.chosen(asked.networks, known):
        subject = subjects.SUBJECTS[name]
        for batch, trains in ((subject.training, True), (subject.batches[-1], False)):
            if ("train" if trains else "predict") not in asked.modes.split(","):
                continue
            if asked.quality:
                judge(report, name, batch, trains, asked)
                continue
            measure(report, name, batch, asked.threads, trains, asked.steps)
    return report.close()
