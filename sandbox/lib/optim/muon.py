"""Muon: matrices step along orthogonal directions, everything else by another optimiser."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from .. import engine
from ..core.errors import ArgumentError
from ..engine import dnnl, threads
from .adam import AdamW
from .config import checked_boolean, checked_integer, checked_number
from .means import blend
from .optimizer import Optimizer, UpdateArguments, Vector
from .schedules import Schedule

# Of Jordan et al. 2024: the steepest rise at 0 whose end lies within about 0.7 .. 1.2.
_A, _B, _C = 3.4445, -4.7750, 2.0315


class Muon(Optimizer):
    """Step each matrix along the nearest orthogonal matrix to its velocity.

    m = momentum · m + (1 - momentum) · g
    u = m, or with nesterov (1 - momentum) · g + momentum · m
    p = p - learning_rate · (weight_decay · p + sqrt(max(1, rows / columns)) · orthogonal(u))

    for parameters of two or more axes, which count as (out, all others); others go by `rest`.
    orthogonal(u) is x after `iterations` of x = a · x + (b · x xᵀ + c · (x xᵀ)²) x from
    x = u / |u|: all singular values become about 1.

    Parameters
    ----------
    learning_rate : float > 0
        About the change of a matrix's singular values in one step.
    momentum : float in [0, 1)
        Share of the velocity that is kept.
    nesterov : bool
        Look ahead along the velocity.
    weight_decay : float >= 0
        Decoupled decay of the matrices.
    iterations : int > 0
        How well singular values are brought near 1.
    rest : Optimizer, optional
        For vectors: biases, scales; AdamW(3e-4) by default. Its learning rate follows the schedule
        in proportion. Embeddings and the last layer do better with it, too: see the example.
    schedule : Schedule, optional
        Factor on both learning rates.

    Raises
    ------
    ArgumentError : a value is out of its range; `rest` has a schedule, or needs more than slices.

    Notes
    -----
    Like Keras `Muon` and PyTorch `Muon`: PyTorch multiplies in bfloat16, and leaves vectors to a
    second optimiser. Source: Jordan et al. 2024.
    A slice of a matrix cannot be made orthogonal, so each step has one more all-gather, of the
    directions u: ranks exchange half as much again as with Adam. Then each rank multiplies those
    matrices of which it owns a part, 20 to 30 · rows · columns · min(rows, columns) operations
    for 5 iterations, which more ranks do not make less for a matrix that all share.

    Examples
    --------
    >>> from sandbox.lib import nn, optim
    >>> model = nn.Sequential(embedding=nn.Embedding(9, 4), fc=nn.Linear(4, 4), out=nn.Linear(4, 2))
    >>> adamw = optim.ParameterGroup(["embedding", "out"], optimizer=optim.AdamW(3e-4))
    >>> optimizer = optim.ParameterGroups(optim.Muon(0.02), [adamw])
    >>> optimizer.check_names([name for name, _ in model.named_parameters()])
    """

    needs_spans = True
    needs_wholes = True
    scratch = 2

    def __init__(
        self,
        learning_rate: float = 0.02,
        *,
        momentum: float = 0.95,
        nesterov: bool = True,
        weight_decay: float = 0.0,
        iterations: int = 5,
        rest: Optimizer | None = None,
        schedule: Schedule | None = None,
    ) -> None:
        super().__init__(learning_rate, weight_decay=weight_decay, schedule=schedule)
        checked_number(self, "learning_rate", learning_rate, 0, closed="none")
        self.momentum = checked_number(self, "momentum", momentum, 0, 1)
        self.nesterov = checked_boolean(self, "nesterov", nesterov)
        self.iterations = checked_integer(self, "iterations", iterations)
        others: Any = AdamW(3e-4) if rest is None else rest
        if (
            not isinstance(others, Optimizer)
            or others.needs_spans
            or others.needs_whole_vector
            or others.average_slot
            or others.schedule
        ):
            raise ArgumentError(
                "Muon: `rest` must be an Optimizer that works on slices alone, without a schedule "
                f"of its own; got {rest!r}. For example: rest=AdamW(3e-4)."
            )
        self.rest, self._others = rest, others
        self.slots = tuple(dict.fromkeys(("mean", *others.slots)))  # type: ignore[misc]

    def init_slice(self, n: int, dtype: Any = np.float32) -> dict[str, Vector]:
        """Return the velocity, and what the optimiser of the others needs."""
        return super().init_slice(n, dtype) | self._others.init_slice(n, dtype)

    def shape_whole(
        self, name: str, parameter: Vector, gradient: Vector, slots: Mapping[str, Vector]
    ) -> None:
        """Make the direction of a matrix orthogonal."""
        if gradient.ndim > 1 and gradient.size:
            matrix = gradient.reshape(len(gradient), -1)
            factor = math.sqrt(max(1.0, matrix.shape[0] / matrix.shape[1]))
            np.multiply(orthogonalised(matrix, self.iterations), factor, out=matrix)

    def _aim(self, p: Vector, g: Vector, state: Mapping[str, Vector], now: UpdateArguments) -> None:
        work = np.empty(min(self.chunk, p.size), p.dtype)
        for here, is_matrix in self._parts(now):
            if is_matrix:
                u, m, part = g[here], state["mean"][here], work[: here.stop - here.start]
                blend(m, u, self.momentum, part)
                if self.nesterov:
                    blend(u, m, 1 - self.momentum, part)
                else:
                    np.copyto(u, m)

    def _apply(
        self, p: Vector, g: Vector, state: Mapping[str, Vector], now: UpdateArguments
    ) -> None:
        work = np.empty((self.scratch, min(self.chunk, p.size)), p.dtype)
        for here, is_matrix in self._parts(now):
            if is_matrix:
                self._update_part(p, g, state, work, here, now, now.learning_rate)
                continue
            rate = now.learning_rate * self._others.learning_rate / self.learning_rate
            own = {slot: state[slot][here] for slot in self._others.slots}
            given = UpdateArguments(now.step, rate, now.decay(here), None, None)
            self._others._apply(p[here], g[here], own, given)

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
        """Update one chunk of a matrix; `g` is its part of the orthogonal direction."""
        u = self.decayed(p, g, work[0], decay)
        np.multiply(u, learning_rate, out=work[1])
        np.subtract(p, work[1], out=p)

    def _parts(self, now: UpdateArguments) -> Iterator[tuple[slice, bool]]:
        """Cut the slice into parts of one parameter, no longer than a chunk."""
        if now.spans is None:
            raise ArgumentError(
                "Muon: `spans` must tell the shapes of what the slice holds; got None. Make it "
                "with optim.ParameterSpans.of(flat.views, start, stop)."
            )
        for parameter, start, stop in now.spans.parts:
            is_matrix = len(now.spans.shapes[parameter]) > 1
            for at in range(start, stop, self.chunk):
                yield slice(at, min(at + self.chunk, stop)), is_matrix


def orthogonalised(matrix: Vector, iterations: int) -> Vector:
    """Return a matrix of the same singular vectors, all of whose singular values are about 1.

    By Newton-Schulz iterations: products of matrices only, no decomposition.
    """
    turned = matrix.shape[0] > matrix.shape[1]
    x = np.ascontiguousarray(matrix.T if turned else matrix)
    x = x / max(float(np.linalg.norm(x)), 1e-7)
    for _ in range(iterations):
        square = _product(x, x, turned=True)
        x = _A * x + _product(_B * square + _C * _product(square, square), x)
    return x.T if turned else x


def _product(a: Vector, b: Vector, *, turned: bool = False) -> Vector:
    """Return a · b, or a · bᵀ: by oneDNN, which keeps to the run's threads as OpenBLAS does not."""
    if a.dtype != np.float32 or not engine.is_native():
        return np.asarray(a @ (b.T if turned else b))
    out = np.empty((len(a), len(b) if turned else b.shape[1]), a.dtype)
    threads.apply(threads.get_threads())
    dnnl.sgemm(a, b, out, transpose_b=turned)
    return out
