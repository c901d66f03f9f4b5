"""Our side of a comparison: training steps of the sandbox on arrays in memory."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np

from sandbox.lib import core, criterion, engine, optim

from . import harness, subjects

MOMENTUM = 0.9


class Training:
    """Steps of forward, cross entropy, backward and momentum SGD, one batch after the other.

    Parameters
    ----------
    model : Module
        Gives logits.
    rate : float
        Learning rate.
    inputs : list of tuples of arrays
        One tuple per batch. For each shape that comes up one program is made, here.
    labels : list of int64 arrays
        One per batch.
    threads : int
        Of each program.
    precision : "f32" or "bf16"
        Of each program.
    plan : KernelPlan, optional
        Of the programs; the machine's own by default.
    loss : Criterion, optional
        Cross entropy by default.
    """

    def __init__(
        self,
        model: Any,
        rate: float,
        inputs: Sequence[tuple[Any, ...]],
        labels: Sequence[Any],
        threads: int = 1,
        precision: str = "f32",
        plan: engine.KernelPlan | None = None,
        loss: Any = None,
    ) -> None:
        self.inputs, self.labels, self.rate = inputs, labels, rate
        self.flat = core.FlatParameters(model)
        self.optimizer = optim.SGD(rate, momentum=MOMENTUM)
        self.state = self.optimizer.init_slice(self.flat.values.size)
        cache, loss = core.ProgramCache(), loss or criterion.CrossEntropy()
        self.programs = [
            cache.train(
                *(model, loss, self.flat, rows, target),
                threads=threads,
                plan=plan,
                precision=precision,
            )
            for rows, target in zip(inputs, labels, strict=True)
        ]
        self.number = 0
        self.loss = float("nan")

    def step(self) -> None:
        """Train on the next batch."""
        at = self.number % len(self.inputs)
        key = engine.random.RandomKey(0, self.number, 0)
        loss, weight, _ = self.programs[at].run(self.inputs[at], self.labels[at], key)
        self.flat.gradients *= np.float32(1 / weight)
        self.optimizer.apply_slice(
            self.flat.values,
            self.flat.gradients,
            self.state,
            step=self.number,
            learning_rate=self.rate,
        )
        self.flat.touch()
        self.number += 1
        self.loss = loss / weight

    def epoch(self) -> None:
        """Train on each batch once."""
        for _ in self.inputs:
            self.step()


def subject(name: str, batch: int, threads: int, count: int) -> Training:
    """Give the training of a network of `subjects`, for a process of its own.

    The peak of the process's memory is counted from where the model is there.
    """
    inputs, labels = subjects.batches(name, batch, count)
    model = subjects.SUBJECTS[name].make()
    settings = ExitStack()
    settings.enter_context(engine.threads.limit(threads))
    harness.forget_peak()
    made = Training(model, subjects.SUBJECTS[name].rate, inputs, labels, threads)
    made.settings = settings  # they hold as long as the side
    return made


def inference(name: str, batch: int, threads: int) -> Inference:
    """Give the predictions of a network of `subjects`, for a process of its own."""
    model = subjects.settled(subjects.SUBJECTS[name].make())
    return Inference(model, subjects.rows(name, batch), threads)


class Inference:
    """Predictions of one batch.

    Parameters
    ----------
    model : Module
    rows : tuple of arrays
        Its inputs.
    threads : int
        Of the program.
    plan : KernelPlan, optional
        Of the program; the machine's own by default.
    """

    def __init__(
        self, model: Any, rows: tuple[Any, ...], threads: int, plan: engine.KernelPlan | None = None
    ) -> None:
        self.rows = rows
        self.settings = ExitStack()  # they hold as long as the side
        self.settings.enter_context(engine.threads.limit(threads))
        specs = tuple(engine.Spec.of(x) for x in rows)
        self.program = core.predict_program(model, model, specs, threads=threads, plan=plan)

    def step(self) -> None:
        """Predict."""
        self.result = self.program.run(self.rows)

    @property
    def output(self) -> Any:
        """Give a copy of the logits."""
        return np.array(self.program.run(self.rows))

    @property
    def profile(self) -> list[tuple[str, float]]:
        """Give the best seconds of each step; a label begins with the kind of step."""
        steps = self.program.executable.profile(self.program.check(self.rows), harness.PROFILED)
        return [
            (f"{step.name} {step.path} {step.implementation}", step.seconds or 0.0)
            for step in steps
        ]
