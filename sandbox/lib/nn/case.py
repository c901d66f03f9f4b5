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
    inputs : tuple or dict of shapes, or of trees of shapes
        One shape per input, batch axis first; a dict for inputs that are given by name.
    output : shape, or tree of shapes
        What the shape rule of the docstring gives for these inputs.
    integers : tuple of (low, high) or None, optional
        For each array that holds integers, in the order of the tree's leaves: they are drawn from
        [low, high). None: real numbers.
    wrong : like `inputs`, or shapes that one input is given in turn, optional
        Inputs that must be refused with a `ShapeError`. None: every shape is legal.
    wrong_axis : int, optional
        The axis which the error must name.
    stochastic : bool
        Training calls draw random numbers.
    batch_statistics : bool
        Training calls use the batch's statistics: rows depend on each other.
    kinks : bool
        The function is not differentiable everywhere: finite differences keep away from ties.
    within : (low, high), optional
        Real numbers are drawn evenly from this interval, where the function exists.
    own_gradient : bool
        What flows back is not the slope, by design: finite differences are not compared.
    sizes : tuple of str
        What the repr must contain.
    data_sized : bool
        How much comes out depends on numbers: Python runs it between programs. Its integers must
        be such that the output has the declared shape.
    tolerance : float
        Native against reference kernels, relative to the largest element. 1e-5: sums of a few
        hundred float32 products in another order.
    """

    make: Callable[[np.random.Generator], Any]
    inputs: Any
    output: Any
    integers: tuple[tuple[int, int] | None, ...] = ()
    wrong: Any = None
    wrong_axis: int | None = None
    stochastic: bool = False
    batch_statistics: bool = False
    kinks: bool = False
    within: tuple[float, float] | None = None
    own_gradient: bool = False
    sizes: tuple[str, ...] = ()
    data_sized: bool = False
    tolerance: float = 1e-5


def map_shapes(function: Callable[[Any], Any], shapes: Any) -> Any:
    """Return the tree of `function(shape)`: a tuple of whole numbers is a shape.

    Examples
    --------
    >>> map_shapes(len, {"image": (2, 3), "pair": ((1,), (2, 3, 4))})
    {'image': 2, 'pair': (1, 3)}
    """
    if isinstance(shapes, dict):
        return {key: map_shapes(function, item) for key, item in shapes.items()}
    if isinstance(shapes, (list, tuple)) and not _is_shape(shapes):
        items = [map_shapes(function, item) for item in shapes]
        return items if isinstance(shapes, list) else tuple(items)
    return None if shapes is None else function(shapes)


def _is_shape(item: Any) -> bool:
    return all(isinstance(size, (int, np.integer)) for size in item)
