"""Our side of a comparison: training steps of the sandbox on arrays in memory."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from sandbox.lib import core, criterion, engine, optim

from . import subjects

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
    ) -> None:
        self.inputs, self.labels, self.rate = inputs, labels, rate
        self.flat = core.FlatParameters(model)
        self.optimizer = optim.SGD(rate, momentum=MOMENTUM)
        self.state = self.optimizer.init_slice(self.flat.values.size)
        cache, loss = core.ProgramCache(), criterion.CrossEntropy()
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


class Inference:
    """Predictions of one batch by a network of `subjects`, in a process of its own.

    Parameters
    ----------
    name : str
        Of the network.
    batch, threads : int
        Rows of the batch; threads of the program.
    """

    def __init__(self, name: str, batch: int, threads: int) -> None:
        self.model = subjects.settled(subjects.SUBJECTS[name].make())
        self.rows = subjects.rows(name, batch)
        specs = tuple(engine.Spec.of(x) for x in self.rows)
        started = time.perf_counter()
        with engine.threads.limit(threads):
            self.program = core.predict_program(self.model, self.model, specs, threads=threads)
        self.seconds = time.perf_counter() - started
        self.loss = float("nan")

    def step(self) -> None:
        """Predict."""
        self.result = self.program.run(self.rows)

    @property
    def output(self) -> Any:
        """Give a copy of the logits."""
        return np.array(self.program.run(self.rows))

    @property
    def profile(self) -> list[tuple[str, float]]:
        """Give seconds by module."""
        found = core.profile(self.program, self.rows)
        return [(f"{row.path} {', '.join(row.kernels)}", row.forward) for row in found]
