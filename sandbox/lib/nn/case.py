"""A case of the contract: how to make a module, what to feed it, what must come out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Case:
    """One way to make and call a module, for `sandbox.lib.testing.check_module`.

    Parameters
    ----------
    make : function of a Generator
        Makes the module; weights are drawn from the generator.
    inputs : tuple of shapes
        One shape per input, batch axis first.
    output : shape
        What the shape rule of the docstring gives for these inputs.
    integers : tuple of (low, high) or None, optional
        For each input that holds integers: they are drawn from [low, high). None: real numbers.
    wrong : tuple of shapes, optional
        Inputs that must be refused with a `ShapeError`. None: every shape is legal.
    wrong_axis : int, optional
        The axis which the error must name.
    stochastic : bool
        Training calls draw random numbers.
    batch_statistics : bool
        Training calls use the batch's statistics: rows depend on each other.
    kinks : bool
        The function is not differentiable everywhere: finite differences keep away from ties.
    sizes : tuple of str
        What the repr must contain.
    tolerance : float
        Native against reference kernels, relative to the largest element. 1e-5: sums of a few
        hundred float32 products in another order.
    """

    make: Callable[[np.random.Generator], Any]
    inputs: tuple[tuple[int, ...], ...]
    output: tuple[int, ...]
    integers: tuple[tuple[int, int] | None, ...] = ()
    wrong: tuple[tuple[int, ...], ...] | None = None
    wrong_axis: int | None = None
    stochastic: bool = False
    batch_statistics: bool = False
    kinks: bool = False
    sizes: tuple[str, ...] = ()
    tolerance: float = 1e-5
