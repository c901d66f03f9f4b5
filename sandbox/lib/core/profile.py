"""Where a program's time goes, by module."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..engine.operation import OPERATIONS
from .errors import ArgumentError
from .program import PredictProgram, TrainProgram
from .value import Array


@dataclass(frozen=True)
class Row:
    """Time of one module in one run.

    Parameters
    ----------
    path : str
        Module path; "" for what belongs to no module (the loss, updates of the root).
    forward, backward : float
        Seconds.
    kernels : tuple of str
        What ran: the operations' kernels, each once.
    """

    path: str
    forward: float
    backward: float
    kernels: tuple[str, ...]


class Profile(list[Row]):
    """Rows in the order in which the modules run; `str` gives a table."""

    @property
    def seconds(self) -> float:
        """Time of all modules together."""
        return sum(row.forward + row.backward for row in self)

    def __str__(self) -> str:
        width = max([6, *(len(row.path) for row in self)])
        lines = [f"{'module':{width}}  forward ms  backward ms  share  kernels"]
        for row in self:
            share = (row.forward + row.backward) / (self.seconds or 1.0)
            lines.append(
                f"{row.path or '-':{width}}  {1e3 * row.forward:10.3f}  "
                f"{1e3 * row.backward:11.3f}  {share:5.0%}  {', '.join(row.kernels)}"
            )
        return "\n".join(lines)


def profile(
    program: TrainProgram | PredictProgram | Any, inputs: Any, target: Any = None
) -> Profile:
    """Run a program a few times and return the best time of each module.

    Reorders of layouts count for the module they prepare, and what was fused into a kernel (a ReLU
    behind a convolution) for the module whose kernel it is. A training
    program's gradients and running statistics are overwritten; parameters are not.

    Parameters
    ----------
    program : TrainProgram or PredictProgram
    inputs, target
        As for the program's `run`.

    Raises
    ------
    ArgumentError : the program runs eagerly.
    """
    if not isinstance(program, TrainProgram | PredictProgram):
        reason = getattr(program, "reason", None)
        got = repr(program) if reason is None else f"one that runs eagerly: {reason}"
        raise ArgumentError(f"`program` must be compiled; got {got}")
    arrays: list[Array] = program.check(inputs, target)
    vectors: list[Array] = []
    if isinstance(program, TrainProgram):  # the runs must not move statistics and counters
        vectors = [program.flat.buffers, *program.flat.others.values()]
    kept = [vector.copy() for vector in vectors]
    steps = program.executable.profile(arrays)
    for vector, before in zip(vectors, kept, strict=True):
        np.copyto(vector, before)
    times: dict[str, list[float]] = {}
    kernels: dict[str, dict[str, None]] = {}
    waiting = 0.0
    for step in steps:
        seconds = step.seconds or 0.0
        if step.name == "reorder" and not step.path:
            waiting += seconds
            continue
        forward_backward = times.setdefault(step.path, [0.0, 0.0])
        record = OPERATIONS.get(step.name)
        backward = record is not None and record.gradient
        forward_backward[int(backward)] += seconds + waiting
        waiting = 0.0
        kernels.setdefault(step.path, {})[step.implementation] = None
    if waiting:
        times.setdefault("", [0.0, 0.0])[1] += waiting
    return Profile(
        Row(path, forward, backward, tuple(kernels.get(path, ())))
        for path, (forward, backward) in times.items()
    )
