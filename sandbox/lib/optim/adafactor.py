"""Adafactor: Adam's scaling from the sums of rows and columns alone."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from .config import checked_number
from .optimizer import Optimizer, UpdateArguments, Vector
from .schedules import Schedule


class Adafactor(Optimizer):
    """Divide the gradient by the root of a running square that is a product of rows and columns.

    v = keep · v + (1 - keep) · g², keep = 1 - t^-decay, t = step + 1
    w = row means of v · column means of v / mean of v for a matrix, else v
    u = g / sqrt(w), u = u / max(1, rms(u) / threshold)
    p = p · (1 - learning_rate · weight_decay)
    p = p - min(learning_rate, 1 / sqrt(t)) · max(smallest, rms(p)) · u
    with rms(x) = sqrt(mean x²) over a whole parameter, that of p before the step

    Parameters of more than two axes count as matrices (out, all others).

    Parameters
    ----------
    learning_rate : float >= 0
        Largest share of a parameter's size that a step changes.
    decay : float in (0, 1]
        How fast the running square forgets less and less.
    threshold : float > 0
        Larger steps, as a multiple of their usual size, are cut.
    smallest : float > 0
        Size that parameters have at least, so that zeros move.
    epsilon : float > 0
        Keeps the division tame: the squares are at least its square.
    weight_decay : float >= 0
        Decoupled decay.
    schedule : Schedule, optional
        Factor on the learning rate.

    Raises
    ------
    ArgumentError : a value is out of its range.

    Notes
    -----
    Like PyTorch `Adafactor` (of more than two axes it takes the last two) and Keras `Adafactor`.
    Source: Shazeer and Stern 2018, algorithm 4.
    The paper keeps rows' and columns' means instead of v. Since means of running means are running
    means of means, the steps are the same; but v is a slot as long as the parameters (Adam has
    two), cut over the ranks, and each step has two more all-gathers, of gradients and of v: twice
    what Adam exchanges.

    Examples
    --------
    >>> from sandbox.lib.optim import ParameterSpans
    >>> p, g, optimizer = np.ones(4, "f4"), np.array([1, 2, 2, 4], "f4"), Adafactor()
    >>> state, spans = optimizer.init_slice(4), ParameterSpans.of({"fc": (0, 4, (2, 2))}, 0, 4)
    >>> optimizer.aim_slice(p, g, state, step=0, spans=spans)
    >>> square = {"square": state["square"].reshape(2, 2)}
    >>> optimizer.shape_whole("fc", p.reshape(2, 2), g.reshape(2, 2), square)
    >>> g  # a matrix of rank one: all elements have the same share
    array([1., 1., 1., 1.], dtype=float32)
    >>> optimizer.apply_slice(p, g, state, step=0, learning_rate=0.1, spans=spans)
    >>> p
    array([0.9, 0.9, 0.9, 0.9], dtype=float32)
    """

    slots = ("square",)
    scratch = 2
    needs_wholes = True
    whole_slots = ("square",)

    def __init__(
        self,
        learning_rate: float = 1e-2,
        *,
        decay: float = 0.8,
        threshold: float = 1.0,
        smallest: float = 1e-3,
        epsilon: float = 1e-15,
        weight_decay: float = 0.0,
        schedule: Schedule | None = None,
    ) -> None:
        super().__init__(learning_rate, weight_decay=weight_decay, schedule=schedule)
        self.decay = checked_number(self, "decay", decay, 0, 1, "right")
        self.threshold = checked_number(self, "threshold", threshold, 0, closed="none")
        self.smallest = checked_number(self, "smallest", smallest, 0, closed="none")
        self.epsilon = checked_number(self, "epsilon", epsilon, 0, closed="none")

    def _aim(self, p: Vector, g: Vector, state: Mapping[str, Vector], now: UpdateArguments) -> None:
        new = (now.step + 1) ** -self.decay
        work = np.empty(min(self.chunk, p.size), p.dtype)
        for start in range(0, p.size, self.chunk):
            here = slice(start, min(start + self.chunk, p.size))
            part, v = work[: here.stop - start], state["square"][here]
            np.multiply(g[here], g[here], out=part)
            np.subtract(part, v, out=part)
            np.multiply(part, new, out=part)
            np.add(v, part, out=v)

    def shape_whole(
        self, name: str, parameter: Vector, gradient: Vector, slots: Mapping[str, Vector]
    ) -> None:
        """Turn a gradient into the step for a learning rate of 1."""
        if not gradient.size:
            return
        v = slots["square"]
        if v.ndim > 1:
            v = v.reshape(len(v), -1)
            rows, columns = v.mean(1, dtype=np.float64), v.mean(0, dtype=np.float64)
            v = np.outer(rows / max(rows.mean(), self.epsilon), columns).reshape(gradient.shape)
        u = gradient / np.sqrt(np.maximum(v, self.epsilon**2))
        size = max(self.smallest, _rms(parameter)) / max(1.0, _rms(u) / self.threshold)
        np.multiply(u, size, out=gradient, casting="same_kind")

    def update(
        self,
        p: Vector,
        g: Vector,
        state: dict[str, Vector],
        work: Vector,
        *,
        step: int,
        learning_rate: float,
        decay: Vector | None,
    ) -> None:
        """Update one chunk by what `shape_whole` has made of the gradient."""
        one, two = work
        if self.weight_decay:
            np.multiply(p, learning_rate * self.weight_decay, out=one)
            if decay is not None:
                np.multiply(one, decay, out=one, casting="same_kind")
            np.subtract(p, one, out=p)
        np.multiply(g, min(learning_rate, 1 / math.sqrt(step + 1)), out=two)
        np.subtract(p, two, out=p)


def _rms(x: Vector) -> float:
    return math.sqrt(float(np.square(x, dtype=np.float64).mean()))
