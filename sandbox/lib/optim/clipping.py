"""Keep gradients from becoming too large before an optimiser sees them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DivergedError
from ..engine import names as _names
from .config import Configured, checked_number


class Clip(Configured):
    """Base: `local` on each slice, sums over all slices and ranks, then `scale` and `apply`.

    The training loop does, for the gradients of the mean loss:
    total = sum over slices of local(slice); slice *= scale(total); apply(slice).
    """

    needs_norm = False
    """Whether `local` and `scale` must be called (they cost an exchange of one number)."""

    def local(self, gradients: NDArray[Any]) -> float:
        """Return this slice's part of the number that `scale` wants."""
        return 0.0

    def scale(self, total: float) -> float:
        """Return the factor for all gradients, from the sum of all `local` numbers."""
        return 1.0

    def apply(self, gradients: NDArray[Any]) -> None:
        """Change a slice of the scaled gradients in place."""


class ClipNorm(Clip):
    """Scale all gradients so that their joint Euclidean norm is at most `max_norm`.

    scale = min(1, max_norm / sqrt(sum g²))

    Parameters
    ----------
    max_norm : float > 0
        Largest norm.

    Raises
    ------
    ArgumentError : `max_norm` is not positive.
    DivergedError : in `scale`, the norm is NaN or infinite.

    Notes
    -----
    Same as BigDL `Optimizer.set_gradclip_l2norm` (0.13), Keras `global_clipnorm` and PyTorch
    `clip_grad_norm_`.

    Examples
    --------
    >>> clip, g = ClipNorm(1.0), np.array([3, 4], "f4")
    >>> clip.scale(clip.local(g))
    0.2
    """

    needs_norm = True
    chunk = 1 << 14

    def __init__(self, max_norm: float) -> None:
        self.max_norm = checked_number(self, "max_norm", max_norm, 0, closed="none")

    def local(self, gradients: NDArray[Any]) -> float:
        """Return the sum of squares of the slice, summed in double precision."""
        work = np.empty(min(self.chunk, gradients.size), np.float64)
        total = 0.0
        for start in range(0, gradients.size, self.chunk):
            part = gradients[start : start + self.chunk]
            wide = work[: part.size]
            np.copyto(wide, part)
            total += float(np.dot(wide, wide))
        return total

    def scale(self, total: float) -> float:
        """Return the factor for all gradients, from the sum of squares over all slices."""
        if not math.isfinite(total):
            raise DivergedError(
                f"ClipNorm: the gradients' sum of squares must be finite; got {total}. "
                "Lower the learning rate, and check the data for NaN (dataset.check())."
            )
        return min(1.0, self.max_norm / math.sqrt(total)) if total > 0 else 1.0


class ClipValue(Clip):
    """Clip every gradient into [-value, value].

    Notes
    -----
    Same as Keras `clipvalue` and PyTorch `clip_grad_value_`; like BigDL
    `Optimizer.set_gradclip_const` (0.13): two bounds there.

    Examples
    --------
    >>> g = np.array([-3, 0.5, 4], "f4")
    >>> ClipValue(1.0).apply(g)
    >>> g
    array([-1. ,  0.5,  1. ], dtype=float32)
    """

    def __init__(self, value: float) -> None:
        self.value = checked_number(self, "value", value, 0, closed="none")

    def apply(self, gradients: NDArray[Any]) -> None:
        """Clip a slice in place."""
        np.clip(gradients, -self.value, self.value, out=gradients)


_names.suggest(__name__)
