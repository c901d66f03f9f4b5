"""Penalties on the size of parameters, as terms of the gradient."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import ArgumentError
from .config import Configured, checked_number

Vector = NDArray[Any]


class Regulariser(Configured, ABC):
    """Base: a penalty l1 · sum|p| + l2 / 2 · sum p², of which the gradient sees the derivative.

    The loss that is shown and recorded is that of the criterion, without the penalty; `penalty`
    gives the penalty of some parameters.

    Notes
    -----
    Like Keras `Regularizer`: its gradient is written down, not traced.
    """

    @abstractmethod
    def strengths(self) -> tuple[float, float]:
        """Return (l1, l2)."""

    def penalty(self, parameters: Vector) -> float:
        """Return the penalty, summed in double precision."""
        l1, l2 = self.strengths()
        wide = np.asarray(parameters, np.float64)
        return float(l1 * np.abs(wide).sum() + l2 / 2 * np.square(wide).sum())

    def add_to(self, p: Vector, g: Vector, out: Vector, mask: Vector | None = None) -> Vector:
        """Return g + mask · (l1 · sign(p) + l2 · p), written to `out`."""
        l1, l2 = self.strengths()
        if l1:
            np.sign(p, out=out)
            np.multiply(out, l1, out=out)
            if l2:
                np.add(out, p * l2, out=out)
        else:
            np.multiply(p, l2, out=out)
        if mask is not None:
            np.multiply(out, mask, out=out, casting="same_kind")
        np.add(out, g, out=out)
        return out


class L1(Regulariser):
    """Pull every parameter towards 0 by the same amount: g + strength · sign(p).

    Notes
    -----
    Same as BigDL `L1Regularizer` (0.13) and Keras `L1`.

    Examples
    --------
    >>> L1(0.5).penalty(np.array([1.0, -3.0]))
    2.0
    """

    def __init__(self, strength: float) -> None:
        self.strength = checked_number(self, "strength", strength, 0)

    def strengths(self) -> tuple[float, float]:
        """Return (strength, 0)."""
        return self.strength, 0.0


class L2(Regulariser):
    """Pull parameters towards 0 by their size: g + strength · p.

    The same as `weight_decay` of SGD; of AdamW and LAMB, whose decay is decoupled, it is not.

    Notes
    -----
    Same as BigDL `L2Regularizer` (0.13); like Keras `L2`: its strength is half of ours.

    Examples
    --------
    >>> L2(0.5).penalty(np.array([1.0, -3.0]))
    2.5
    """

    def __init__(self, strength: float) -> None:
        self.strength = checked_number(self, "strength", strength, 0)

    def strengths(self) -> tuple[float, float]:
        """Return (0, strength)."""
        return 0.0, self.strength


class L1L2(Regulariser):
    """Both: g + l1 · sign(p) + l2 · p ("elastic net").

    Notes
    -----
    Same as BigDL `L1L2Regularizer` (0.13); like Keras `L1L2`: its l2 is half of ours. Source: Zou
    and Hastie 2005.

    Examples
    --------
    >>> L1L2(0.5, 0.5).penalty(np.array([1.0, -3.0]))
    4.5
    """

    def __init__(self, l1: float, l2: float) -> None:
        self.l1 = checked_number(self, "l1", l1, 0)
        self.l2 = checked_number(self, "l2", l2, 0)

    def strengths(self) -> tuple[float, float]:
        """Return (l1, l2)."""
        return self.l1, self.l2


def checked(owner: str, regulariser: Any) -> Regulariser | None:
    """Return a regulariser or None, or raise `ArgumentError`."""
    if regulariser is None or isinstance(regulariser, Regulariser):
        return regulariser
    raise ArgumentError(
        f"{owner}: `regulariser` must be L1(...), L2(...) or L1L2(...); got {regulariser!r}."
    )
