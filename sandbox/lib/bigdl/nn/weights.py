"""How a weight of BigDL lies in the parameters of a module: its name, its shape, its gradient."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core import Parameter
from ...core.errors import ArgumentError, ShapeError

Array = NDArray[Any]


class Weight:
    """One weight of a layer as BigDL shows it.

    Parameters
    ----------
    name : str
        "weight" or "bias"; its gradient is "gradWeight" or "gradBias".
    parameters : sequence of Parameter
        Where its numbers are.
    shape : tuple of int, optional
        BigDL's shape, where it only differs from the parameter's in its axes.
    join, part : functions, optional
        From the parameters' arrays to BigDL's one, and back to a list of arrays.
    fan : (fan_in, fan_out)
        For rules of first weights.
    method : InitializationMethod, optional
        The rule; None leaves what the module has drawn.
    """

    def __init__(
        self,
        name: str,
        parameters: Sequence[Parameter],
        *,
        shape: tuple[int, ...] | None = None,
        join: Callable[..., Array] | None = None,
        part: Callable[[Array], Sequence[Array]] | None = None,
        fan: tuple[int, int] | None = None,
        method: Any = None,
    ) -> None:
        self.name = name
        self.parameters = list(parameters)
        plain = self.parameters[0].shape if shape is None else tuple(shape)
        inner = self.parameters[0].shape
        self._join = join or (lambda a: a.reshape(plain))
        self._part = part or (lambda a: [a.reshape(inner)])
        self.shape = tuple(np.shape(self._join(*[np.zeros(p.shape, "f4") for p in parameters])))
        count = int(np.prod(self.shape))
        self.fan = (count, 1) if fan is None else fan
        self.method = method
        self.regularizer: Any = None
        self.init_gradient: Array | None = None
        self._gradients: list[Array] | None = None

    @property
    def gradient_name(self) -> str:
        """BigDL's name of the gradient."""
        return "grad" + self.name[:1].upper() + self.name[1:]

    def get(self) -> Array:
        """Give a copy of the numbers in BigDL's shape."""
        return np.array(self._join(*[np.array(p.data) for p in self.parameters]))

    def set(self, array: Any) -> None:
        """Take numbers in BigDL's shape."""
        given = np.asarray(array, dtype=self.parameters[0].dtype)
        if given.size != int(np.prod(self.shape)):
            raise ShapeError(f"{self.name} must have shape {self.shape}; got {given.shape}.")
        parts = self._part(given.reshape(self.shape))
        for parameter, part in zip(self.parameters, parts, strict=True):
            parameter.set(np.ascontiguousarray(part).reshape(parameter.shape))

    def draw(self) -> None:
        """Draw the numbers anew by the rule."""
        if self.method is not None:
            self.set(self.method.draw(self.shape, *self.fan))

    # ---- gradients, which add up until they are cleared -----------------------------------

    @property
    def gradient(self) -> Array:
        """The gradient so far, in BigDL's shape."""
        if self._gradients is None:
            if self.init_gradient is not None:
                return np.array(self.init_gradient)
            return np.zeros(self.shape, self.parameters[0].dtype)
        return np.array(self._join(*self._gradients))

    def accumulate(self, found: Sequence[Array]) -> None:
        """Add the gradients of one pass, and of the regularizer."""
        if self._gradients is None:
            begun = self._part(self.gradient.reshape(self.shape))
            shapes = [p.shape for p in self.parameters]
            self._gradients = [np.array(g).reshape(s) for g, s in zip(begun, shapes, strict=True)]
        for sum_, one, parameter in zip(self._gradients, found, self.parameters, strict=True):
            if parameter.trainable:
                sum_ += one
                sum_ += penalty_gradient(self.regularizer, parameter.data)

    def clear(self) -> None:
        """Set the gradient to 0."""
        self.init_gradient = None
        self._gradients = None

    def step(self, rate: float) -> None:
        """Take one step of plain descent."""
        if self._gradients is None:
            return
        for parameter, gradient in zip(self.parameters, self._gradients, strict=True):
            if parameter.trainable:
                parameter.set(parameter.data - np.asarray(rate, parameter.dtype) * gradient)


def penalty_gradient(regularizer: Any, weight: Array) -> Any:
    """Give what a regularizer adds to a gradient: l1 · sign(w) + l2 · w."""
    if regularizer is None:
        return 0
    l1, l2 = regularizer.core.strengths()
    return np.asarray(l1 * np.sign(weight) + l2 * weight, weight.dtype)


def check_count(label: str, given: Sequence[Any], weights: Sequence[Weight]) -> None:
    """Refuse another number of arrays than there are weights."""
    if not weights:
        raise ArgumentError(f"{label}: this layer does not have weight/bias; got {len(given)}.")
    if len(given) != len(weights):
        names = ", ".join(f"{w.name} {w.shape}" for w in weights)
        raise ArgumentError(
            f"{label}: `weights` must hold {len(weights)} arrays ({names}); got {len(given)}."
        )
