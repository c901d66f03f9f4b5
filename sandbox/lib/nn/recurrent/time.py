"""Layers over the time axis that hold no weights of their own."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from ...core import ops
from ...core.errors import ArgumentError, ShapeError
from ...core.validate import in_range
from .. import calls
from ..case import Case
from ..checks import check_inner_axis, floating, inner_axis
from ..linear.dense import Linear
from ..module import Module
from ..registry import register


@register("nn.TimeDistributed")
class TimeDistributed(Module):
    """Apply a module to every step of a sequence by itself, with the same weights.

    y[n, t] = module(x[n, t])

    Parameters
    ----------
    module : Module
        What takes one step, (batch, ...), and gives (batch, ...).

    Shapes
    ------
    input : (batch, time, ...)
    output : (batch, time, and what the module gives)

    Raises
    ------
    ArgumentError : it is not a module.
    ShapeError : in `call`, there is no time axis, or the module refuses a step.

    Notes
    -----
    The module sees batch · time rows at once: batch norm takes its statistics over all of them.
    Put dropout outside, where its mask does not depend on how ranks share the batch.
    Same as BigDL `TimeDistributed` (0.13) and Keras `TimeDistributed`.

    Examples
    --------
    >>> TimeDistributed(Linear(4, 2, rng=0))(np.ones((3, 5, 4), "f4")).shape
    (3, 5, 2)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: TimeDistributed(Linear(4, 2, rng=rng)),
            inputs=((3, 5, 4),),
            output=(3, 5, 2),
            wrong=((3,),),
            sizes=("4 -> 2",),
        ),
    )

    def __init__(self, module: Module, *, name: str | None = None) -> None:
        super().__init__(name=name)
        if not isinstance(module, Module):
            raise ArgumentError(f"`module` must be a module; got {module!r}.")
        self.module = module

    def call(self, x: Any) -> Any:
        """Apply the module to all steps at once."""
        if len(x.shape) < 2:
            raise ShapeError(
                f"input must have at least 2 axes (batch, time, ...); got shape {x.shape}."
            )
        batch, time = x.shape[:2]
        steps = ops.reshape(x, (batch * time, *x.shape[2:]))
        y = calls.run(self.module, (steps,), "module")
        return ops.reshape(y, (batch, time, *y.shape[1:]))


class OverTime(Module):
    """What reductions of the time axis share."""

    def __init__(self, *, axis: int = 1, name: str | None = None) -> None:
        super().__init__(name=name)
        self.axis = inner_axis(axis)

    def checked(self, x: Any, lengths: Any | None) -> tuple[Any, int]:
        """Give the input as floats, and the axis, counted from the front."""
        x = floating(x)
        axis = check_inner_axis(x, self.axis)
        if x.shape[axis] == 0:
            raise ShapeError(f"input axis {axis} must be >= 1 (time); got 0 in shape {x.shape}.")
        if lengths is not None and axis != 1:
            raise ShapeError(
                f"input axis 1 must be the time where lengths are given; got axis={self.axis} with "
                f"shape {x.shape}."
            )
        return x, axis

    def extra(self) -> str:
        """Give the axis if it is not 1."""
        return "" if self.axis == 1 else f"axis={self.axis}"


@register("nn.GlobalMaxOverTime")
class GlobalMaxOverTime(OverTime):
    """Take the largest value of each feature over time.

    y[n, c] = max_t x[n, t, c]

    Parameters
    ----------
    axis : int
        The time axis; 1 is that of recurrent layers, -1 that of convolutions.

    Shapes
    ------
    input : (batch, time, features) float32, or others with time at `axis`
    lengths : (batch,) integers in [1, time], optional: steps behind them do not count
    output : the input's without the time axis

    Raises
    ------
    ArgumentError : `axis` is no int or 0.
    ShapeError : in `call`, there is no such axis or it is empty; lengths with another axis than 1.
    DataError : in `call`, a length is out of range.

    Notes
    -----
    The first of equal maxima gets the whole gradient. Behind a convolution (and ReLU) a training
    program makes use of the zeros: it computes the gradients of the winning windows only.
    Same as BigDL `TemporalMaxPooling(-1)` (0.13) and Keras `GlobalMaxPooling1D`.
    Source: Collobert, Weston 2008; Kim 2014.

    Examples
    --------
    >>> x = np.arange(6, dtype="f4").reshape(1, 3, 2)
    >>> GlobalMaxOverTime()(x), GlobalMaxOverTime()(x, np.array([2]))
    (array([[4., 5.]], dtype=float32), array([[2., 3.]], dtype=float32))
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: GlobalMaxOverTime(),
            inputs=((3, 4, 2), (3,)),
            integers=(None, (1, 5)),
            output=(3, 2),
            wrong=((3, 4, 2), (2,)),
            kinks=True,
        ),
        Case(
            lambda rng: GlobalMaxOverTime(axis=-1),
            inputs=((2, 3, 5),),
            output=(2, 3),
            wrong=((2,), (2, 3, 0)),
            kinks=True,
            sizes=("axis=-1",),
        ),
    )

    def call(self, x: Any, lengths: Any | None = None) -> Any:
        """Take the maxima."""
        x, axis = self.checked(x, lengths)
        if lengths is not None:
            x = ops.mask_sequence(x, lengths, value=-math.inf)
        return ops.max_with_index(x, axis)[0]


@register("nn.GlobalMeanOverTime")
class GlobalMeanOverTime(OverTime):
    """Take the mean of each feature over time.

    y[n, c] = 1/T · sum_t x[n, t, c]

    Parameters
    ----------
    axis : int
        The time axis; 1 is that of recurrent layers, -1 that of convolutions.

    Shapes
    ------
    input : (batch, time, features) float32, or others with time at `axis`
    lengths : (batch,) integers in [1, time], optional: the mean is over the steps before them
    output : the input's without the time axis

    Raises
    ------
    ArgumentError : `axis` is no int or 0.
    ShapeError : in `call`, there is no such axis or it is empty; lengths with another axis than 1.
    DataError : in `call`, a length is out of range.

    Notes
    -----
    Same as BigDL `Mean(dimension)` (0.13), Keras `GlobalAveragePooling1D` and ONNX `ReduceMean`-18.

    Examples
    --------
    >>> x = np.arange(6, dtype="f4").reshape(1, 3, 2)
    >>> GlobalMeanOverTime()(x), GlobalMeanOverTime()(x, np.array([2]))
    (array([[2., 3.]], dtype=float32), array([[1., 2.]], dtype=float32))
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: GlobalMeanOverTime(),
            inputs=((3, 4, 2), (3,)),
            integers=(None, (1, 5)),
            output=(3, 2),
            wrong=((3, 4, 2), (2,)),
        ),
        Case(
            lambda rng: GlobalMeanOverTime(axis=2),
            inputs=((2, 3, 5),),
            output=(2, 3),
            wrong=((2, 3), (2, 3, 0)),
            sizes=("axis=2",),
        ),
    )

    def call(self, x: Any, lengths: Any | None = None) -> Any:
        """Take the means."""
        x, axis = self.checked(x, lengths)
        return ops.masked_mean(x, axis, lengths)


@register("nn.Masking")
class Masking(Module):
    """Set steps to 0 that hold nothing but one value: the mark of padding in numeric sequences.

    y[n, t] = 0 if x[n, t, c] = mask_value for all c, else x[n, t]

    Parameters
    ----------
    mask_value : float
        The mark.

    Shapes
    ------
    input : (batch, time, features) float32
    output : same

    Raises
    ------
    ArgumentError : `mask_value` is no finite number.
    ShapeError : in `call`, the input has fewer than three axes.

    Notes
    -----
    Like BigDL `Masking` (0.13) and Keras `Masking`, whose next layers skip such steps: here
    layers that must not read padding at all take `lengths`.

    Examples
    --------
    >>> Masking(9.0)(np.array([[[9, 9], [9, 5]]], "f4")).tolist()
    [[[0.0, 0.0], [9.0, 5.0]]]
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: Masking(0.5),
            inputs=((2, 4, 3),),
            output=(2, 4, 3),
            wrong=((2, 4),),
            sizes=("0.5",),
        ),
    )

    def __init__(self, mask_value: float = 0.0, *, name: str | None = None) -> None:
        super().__init__(name=name)
        limit = float(np.finfo(np.float32).max)
        self.mask_value = in_range("mask_value", mask_value, -limit, limit)

    def call(self, x: Any) -> Any:
        """Set marked steps to 0."""
        x = floating(x)
        if len(x.shape) < 3:
            raise ShapeError(
                f"input must have at least 3 axes (batch, time, features); got shape {x.shape}."
            )
        axes = tuple(range(2, len(x.shape)))
        other = ops.abs(ops.sign(ops.subtract(x, self.mask_value)))
        return ops.multiply(x, ops.sign(ops.sum(other, axes, keepdims=True)))

    def extra(self) -> str:
        """Give the mark."""
        return f"{self.mask_value:g}"
