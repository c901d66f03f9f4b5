"""Running means of gradients and of their squares, in place: what adaptive optimisers share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..core.errors import ArgumentError
from .config import checked_number
from .optimizer import Vector


def blend(mean: Vector, x: Vector, keep: float, work: Vector) -> None:
    """Set mean = keep · mean + (1 - keep) · x, in place."""
    np.multiply(mean, keep, out=mean)
    np.multiply(x, 1 - keep, out=work)
    np.add(mean, work, out=mean)


def blend_square(mean: Vector, x: Vector, keep: float, work: Vector) -> None:
    """Set mean = keep · mean + (1 - keep) · x², in place."""
    np.multiply(mean, keep, out=mean)
    np.multiply(x, x, out=work)
    np.multiply(work, 1 - keep, out=work)
    np.add(mean, work, out=mean)


def corrected_step(
    state: Mapping[str, Vector],
    betas: tuple[float, float],
    epsilon: float,
    step: int,
    learning_rate: float,
    *,
    out: Vector,
) -> None:
    """Set out = learning_rate · m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + epsilon).

    m and v are the slots "mean" and "square", t = step + 1: means that start at 0 are too small at
    first, and the two divisions correct that.
    """
    beta1, beta2 = betas
    np.multiply(state["square"], 1 / (1 - beta2 ** (step + 1)), out=out)
    np.sqrt(out, out=out)
    np.add(out, epsilon, out=out)
    np.divide(state["mean"], out, out=out)
    np.multiply(out, learning_rate / (1 - beta1 ** (step + 1)), out=out)


def two_betas(owner: object, betas: Sequence[float]) -> tuple[float, float]:
    """Return two floats in [0, 1)."""
    if (
        not isinstance(betas, tuple | list | np.ndarray)
        or len(np.atleast_1d(np.array(betas, object))) != 2
    ):
        raise ArgumentError(
            f"{type(owner).__name__}: betas must be two numbers in [0, 1); got {betas!r}."
        )
    first, second = (
        checked_number(owner, f"betas[{i}]", beta, 0, 1) for i, beta in enumerate(betas)
    )
    return first, second
