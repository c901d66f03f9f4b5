"""Optimisers that scale the step of each layer by norms: LARS and LAMB, for large batches."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .config import checked_number
from .means import blend, blend_square, corrected_step, two_betas
from .optimizer import Optimizer, UpdateArguments, Vector
from .schedules import Schedule
from .spans import ParameterSpans


class LayerwiseAdaptive(Optimizer):
    """Base of optimisers that need two norms for each parameter before the elementwise update.

    A step goes in two halves, as clipping does: `measure_slice` gives this slice's sums of squares,
    a row for each parameter of the model; the training loop adds these up over slices and ranks;
    `apply_slice` turns the sums into one factor for each parameter and updates elementwise.
    Sums depend on how slices are cut in the 16th digit, so norms are rounded to float32: runs of
    different ranks get the same factor but for one case in about ten million.

    A subclass writes `measure` (two vectors whose norms are wanted), `ratio` and `update`.
    """

    needs_spans = True
    needs_norms = True

    @abstractmethod
    def measure(
        self,
        p: Vector,
        g: Vector,
        state: dict[str, Vector],
        work: Vector,
        *,
        step: int,
        decay: Vector | None,
    ) -> tuple[Vector, Vector]:
        """Return the two vectors, for one chunk; may update `state`, once in a step."""

    @abstractmethod
    def ratio(self, first: float, second: float) -> float:
        """Return the factor on the learning rate of a layer from its two norms."""

    def _measure(
        self, p: Vector, g: Vector, state: Mapping[str, Vector], now: UpdateArguments
    ) -> NDArray[np.float64]:
        spans = ParameterSpans.one(p.size) if now.spans is None else now.spans
        size = min(self.chunk, p.size)
        work = np.empty((self.scratch, size), p.dtype)
        wide = np.empty(size, np.float64)
        sums = np.zeros((len(spans.names), 2))
        for layer, here in self._chunks(spans):
            n = here.stop - here.start
            vectors = self.measure(
                p[here],
                g[here],
                {slot: state[slot][here] for slot in self.slots},
                work[:, :n],
                step=now.step,
                decay=now.decay(here),
            )
            for k, vector in enumerate(vectors):
                np.copyto(wide[:n], vector)
                sums[layer, k] += float(np.dot(wide[:n], wide[:n]))
        return sums

    def _apply(
        self, p: Vector, g: Vector, state: Mapping[str, Vector], now: UpdateArguments
    ) -> None:
        """Without `spans` and `norms` the slice is taken as one whole layer."""
        spans = ParameterSpans.one(p.size) if now.spans is None else now.spans
        norms = self._measure(p, g, state, now) if now.norms is None else now.norms
        roots = np.sqrt(norms).astype(np.float32)
        work = np.empty((self.scratch, min(self.chunk, p.size)), p.dtype)
        for layer, here in self._chunks(spans):
            factor = self.ratio(float(roots[layer, 0]), float(roots[layer, 1]))
            self._update_part(p, g, state, work, here, now, now.learning_rate * factor)

    def _chunks(self, spans: ParameterSpans) -> list[tuple[int, slice]]:
        return [
            (layer, slice(at, min(at + self.chunk, stop)))
            for layer, start, stop in spans.parts
            for at in range(start, stop, self.chunk)
        ]


class LARS(LayerwiseAdaptive):
    """SGD whose learning rate is scaled, layer by layer, by the weights' norm over the gradient's.

    r = trust · |p| / (|g| + weight_decay · |p| + epsilon) of a parameter; 1 where |p| or |g| = 0
    v = momentum · v + learning_rate · r · (g + weight_decay · p)
    p = p - v

    Parameters
    ----------
    learning_rate : float >= 0
        Before the layers' factors; far larger than of SGD.
    momentum : float in [0, 1)
        Share of the velocity that is kept.
    trust : float > 0
        How far a step may go, as a share of the layer's norm.
    epsilon : float >= 0
        Keeps the division tame.
    weight_decay : float >= 0
        L2 penalty, added to the gradient.
    schedule : Schedule, optional
        Factor on the learning rate; a `Warmup` is usual.

    Raises
    ------
    ArgumentError : a value is out of its range.

    Notes
    -----
    Same as BigDL `LarsSGD` (0.13). Source: You, Gitman and Ginsburg 2017, algorithm 1. Biases and
    the numbers of batch norms are usually left to plain SGD, as in the last example.

    Examples
    --------
    >>> p, optimizer = np.array([3, 4], "f4"), LARS(1.0, trust=0.1, momentum=0)
    >>> state = optimizer.init_slice(2)
    >>> optimizer.apply_slice(p, np.array([0, 2], "f4"), state, step=0, learning_rate=1)
    >>> p
    array([3. , 3.5], dtype=float32)

    >>> from sandbox.lib import optim
    >>> biases = optim.ParameterGroup("*.bias", optimizer=optim.SGD(0.1))
    >>> optimizer = optim.ParameterGroups(LARS(2.0), [biases])
    """

    slots = ("velocity",)
    scratch = 2

    def __init__(
        self,
        learning_rate: float,
        *,
        momentum: float = 0.9,
        trust: float = 1e-3,
        epsilon: float = 1e-9,
        weight_decay: float = 0.0,
        schedule: Schedule | None = None,
    ) -> None:
        super().__init__(learning_rate, weight_decay=weight_decay, schedule=schedule)
        self.momentum = checked_number(self, "momentum", momentum, 0, 1)
        self.trust = checked_number(self, "trust", trust, 0, closed="none")
        self.epsilon = checked_number(self, "epsilon", epsilon, 0)

    def measure(
        self,
        p: Vector,
        g: Vector,
        state: dict[str, Vector],
        work: Vector,
        *,
        step: int,
        decay: Vector | None,
    ) -> tuple[Vector, Vector]:
        """Return parameters and gradients."""
        return p, g

    def ratio(self, first: float, second: float) -> float:
        """Return the layer's factor from the norms of parameters and gradients."""
        if not first or not second:
            return 1.0
        return self.trust * first / (second + self.weight_decay * first + self.epsilon)

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
        """Update one chunk; see the class for the formula."""
        one, two = work
        d = self.decayed(p, g, one, decay)
        v = state["velocity"]
        np.multiply(v, self.momentum, out=v)
        np.multiply(d, learning_rate, out=two)
        np.add(v, two, out=v)
        np.subtract(p, v, out=p)


class LAMB(LayerwiseAdaptive):
    """AdamW whose step is scaled, layer by layer, to the weights' norm.

    m = beta1 · m + (1 - beta1) · g, v = beta2 · v + (1 - beta2) · g²
    u = m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + epsilon) + weight_decay · p, t = step + 1
    r = |p| / |u| for each parameter; 1 where |p| or |u| = 0
    p = p - learning_rate · r · u

    Parameters
    ----------
    learning_rate : float >= 0
        Largest change of a layer in one step, as a share of its norm.
    betas : (float, float), each in [0, 1)
        Share of the running means that is kept.
    epsilon : float > 0
        Keeps the division tame where gradients vanish.
    weight_decay : float >= 0
        Decoupled decay, part of the step before it is scaled.
    schedule : Schedule, optional
        Factor on the learning rate.

    Raises
    ------
    ArgumentError : a value is out of its range.

    Notes
    -----
    Same as Keras `Lamb`. Source: You et al. 2020, algorithm 2, with the identity for the function
    phi.

    Examples
    --------
    >>> p, optimizer = np.array([3, 4], "f4"), LAMB(0.1)
    >>> state = optimizer.init_slice(2)
    >>> optimizer.apply_slice(p, np.ones(2, "f4"), state, step=0, learning_rate=0.1)
    >>> p.round(4)
    array([2.6464, 3.6464], dtype=float32)
    """

    slots = ("mean", "square")
    scratch = 2

    def __init__(
        self,
        learning_rate: float = 1e-3,
        *,
        betas: Sequence[float] = (0.9, 0.999),
        epsilon: float = 1e-6,
        weight_decay: float = 0.0,
        schedule: Schedule | None = None,
    ) -> None:
        super().__init__(learning_rate, weight_decay=weight_decay, schedule=schedule)
        self.betas = two_betas(self, betas)
        self.epsilon = checked_number(self, "epsilon", epsilon, 0, closed="none")

    def measure(
        self,
        p: Vector,
        g: Vector,
        state: dict[str, Vector],
        work: Vector,
        *,
        step: int,
        decay: Vector | None,
    ) -> tuple[Vector, Vector]:
        """Update the running means; return parameters and the step before it is scaled."""
        blend(state["mean"], g, self.betas[0], work[1])
        blend_square(state["square"], g, self.betas[1], work[1])
        return p, self._direction(p, state, work, step, decay)

    def ratio(self, first: float, second: float) -> float:
        """Return the layer's factor from the norms of parameters and step."""
        return first / second if first and second else 1.0

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
        """Update one chunk; the running means were brought up to date by `measure`."""
        u = self._direction(p, state, work, step, decay)
        np.multiply(u, learning_rate, out=u)
        np.subtract(p, u, out=p)

    def _direction(
        self, p: Vector, state: Mapping[str, Vector], work: Vector, step: int, decay: Any
    ) -> Vector:
        one, two = work
        corrected_step(state, self.betas, self.epsilon, step, 1.0, out=one)
        return self.decayed(p, one, two, decay)
