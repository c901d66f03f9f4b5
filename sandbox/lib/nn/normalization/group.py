"""Normalisation within each row: groups of channels, each channel, the root mean square."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ...core import Parameter, ops
from ...core.errors import ArgumentError, ShapeError
from ...core.validate import boolean, divides, positive, positive_int
from .. import init
from ..case import Case
from ..checks import check_axis, check_rank, floating
from ..module import Module
from ..registry import register


@register("nn.GroupNorm")
class GroupNorm(Module):
    """Normalise each row's groups of channels, then scale and shift each channel.

    y[n, c] = gamma[c] · (x[n, c] - mean) / sqrt(variance + epsilon) + beta[c], with mean and
    (biased) variance over the channels and positions of the group of c in row n

    Parameters
    ----------
    num_groups : int > 0
        Groups of neighbouring channels; 1 normalises the whole row.
    num_channels : int > 0
        Channels, the size of axis 1; `num_groups` must divide them.
    epsilon : float > 0
        Keeps the division away from 0.
    affine : bool
        Whether to learn gamma and beta; else they are 1 and 0.

    Shapes
    ------
    input : (batch, num_channels, ...) float32
    output : same
    weight, bias : (num_channels,), gamma and beta

    Raises
    ------
    ArgumentError : a size is not positive, or `num_groups` does not divide the channels.
    ShapeError : in `call`, the input's axis 1 is not `num_channels`.

    Notes
    -----
    Same as PyTorch `GroupNorm` and ONNX `GroupNormalization`-21; Like Keras `GroupNormalization`:
    epsilon is 1e-3 there, and channels come last. Source: Wu, He 2018.
    No row sees another one, so training and inference are the same and batches may be small.
    Native kernel: oneDNN layer normalisation and binary; reference: `engine.ops.group`.

    Examples
    --------
    >>> GroupNorm(1, 2)(np.array([[1.0, 3.0], [10.0, 30.0]], "f4")).round(3)
    array([[-1.,  1.],
           [-1.,  1.]], dtype=float32)
    """

    # 1e-4: the variance is a difference of large sums where the mean is large; so in all of these.
    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: GroupNorm(2, 4),
            inputs=((3, 4, 2, 3),),
            output=(3, 4, 2, 3),
            wrong=((3, 6, 2, 3), (4,)),
            wrong_axis=1,
            sizes=("2", "4"),
            tolerance=1e-4,
        ),
        Case(
            lambda rng: GroupNorm(3, 6, epsilon=1e-3, affine=False),
            inputs=((2, 6),),
            output=(2, 6),
            sizes=("epsilon=0.001", "affine=False"),
            tolerance=1e-4,
        ),
    )

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        *,
        epsilon: float = 1e-5,
        affine: bool = True,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self.num_channels = positive_int("num_channels", num_channels)
        self.num_groups = divides("num_groups", num_groups, "num_channels", self.num_channels)
        self.epsilon = positive("epsilon", epsilon)
        self.weight, self.bias = scale_and_shift(self.num_channels, affine)

    def call(self, x: Any) -> Any:
        """Normalise each group."""
        return by_group(self, x, self.num_channels, self.num_groups)

    def extra(self) -> str:
        """Give the sizes, then what differs from the defaults."""
        return f"{self.num_groups} groups of {self.num_channels}" + _rest(self)


@register("nn.InstanceNorm")
class InstanceNorm(Module):
    """Normalise each channel of each row over its positions.

    y[n, c] = gamma[c] · (x[n, c] - mean) / sqrt(variance + epsilon) + beta[c], with mean and
    (biased) variance over the positions of channel c in row n

    Parameters
    ----------
    num_features : int > 0
        Channels, the size of axis 1.
    epsilon : float > 0
        Keeps the division away from 0.
    affine : bool
        Whether to learn gamma and beta; else they are 1 and 0.

    Shapes
    ------
    input : (batch, num_features, and 1 to 3 axes of positions) float32
    output : same
    weight, bias : (num_features,), gamma and beta

    Raises
    ------
    ArgumentError : a size is not positive.
    ShapeError : in `call`, the input's axis 1 is not `num_features`, or there are no positions.

    Notes
    -----
    Same as PyTorch `InstanceNorm1d`, `InstanceNorm2d`, `InstanceNorm3d` (without running
    statistics) and ONNX `InstanceNormalization`-6. Source: Ulyanov, Vedaldi, Lempitsky 2016.
    Native kernel: oneDNN layer normalisation and binary; reference: `engine.ops.group`.

    Examples
    --------
    >>> InstanceNorm(1)(np.array([[[1.0, 3.0]], [[10.0, 30.0]]], "f4")).round(3)
    array([[[-1.,  1.]],
    <BLANKLINE>
           [[-1.,  1.]]], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: InstanceNorm(3, affine=True),
            inputs=((2, 3, 3, 4),),
            output=(2, 3, 3, 4),
            wrong=((2, 4, 3, 4), (2, 4)),
            wrong_axis=1,
            sizes=("3", "affine=True"),
            tolerance=1e-4,
        ),
        Case(
            lambda rng: InstanceNorm(2, epsilon=1e-3),
            inputs=((3, 2, 5),),
            output=(3, 2, 5),
            wrong=((3, 2),),
            sizes=("epsilon=0.001",),
            tolerance=1e-4,
        ),
        Case(
            lambda rng: InstanceNorm(2),
            inputs=((2, 2, 2, 3, 2),),
            output=(2, 2, 2, 3, 2),
            tolerance=1e-4,
        ),
    )

    def __init__(
        self,
        num_features: int,
        *,
        epsilon: float = 1e-5,
        affine: bool = False,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self.num_features = positive_int("num_features", num_features)
        self.epsilon = positive("epsilon", epsilon)
        self.weight, self.bias = scale_and_shift(self.num_features, affine)

    def call(self, x: Any) -> Any:
        """Normalise each channel of each row."""
        check_rank(x, "(batch, channels, and 1 to 3 axes)", 3, 4, 5)
        return by_group(self, x, self.num_features, self.num_features)

    def extra(self) -> str:
        """Give the size, then what differs from the defaults."""
        return str(self.num_features) + _rest(self, affine=False)


@register("nn.RMSNorm")
class RMSNorm(Module):
    """Divide each row by its root mean square over the last axes, then scale it.

    y = gamma · x / sqrt(mean(x²) + epsilon), with the mean over the axes of `shape`

    Parameters
    ----------
    shape : int or tuple of int > 0
        Sizes of the last axes, which are taken together.
    epsilon : float > 0
        Keeps the division away from 0.

    Shapes
    ------
    input : (batch, ..., and then `shape`) float32
    output : same
    weight : `shape`, gamma

    Raises
    ------
    ArgumentError : a size is not positive, or there is none.
    ShapeError : in `call`, the input does not end in `shape`.

    Notes
    -----
    Same as Keras `RMSNormalization`, PyTorch `RMSNorm` (whose epsilon is that of the dtype by
    default) and ONNX `RMSNormalization`-23. Source: Zhang, Sennrich 2019.
    Native kernel: oneDNN layer normalisation; reference: `engine.ops.group`.

    Examples
    --------
    >>> RMSNorm(2)(np.array([[1.0, 7.0]], "f4")).round(3)
    array([[0.2, 1.4]], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: RMSNorm(5),
            inputs=((3, 4, 5),),
            output=(3, 4, 5),
            wrong=((3, 4, 6), (5,)),
            wrong_axis=2,
            sizes=("5",),
        ),
        Case(
            lambda rng: RMSNorm((2, 3), epsilon=1e-3),
            inputs=((4, 2, 3),),
            output=(4, 2, 3),
            wrong=((4, 3, 3), (2, 3)),
            wrong_axis=1,
            sizes=("(2, 3)", "epsilon=0.001"),
        ),
    )

    def __init__(
        self, shape: int | tuple[int, ...], *, epsilon: float = 1e-5, name: str | None = None
    ) -> None:
        super().__init__(name=name)
        self.shape = last_axes(shape)
        self.epsilon = positive("epsilon", epsilon)
        self.weight = Parameter(init.ones(self.shape), "weight")

    def call(self, x: Any) -> Any:
        """Divide each row by its root mean square."""
        x = floating(x, self.weight)
        check_last_axes(x, self.shape)
        return ops.rms_norm(x, self.weight, epsilon=self.epsilon)

    def extra(self) -> str:
        """Give the sizes, then what differs from the defaults."""
        sizes = str(self.shape[0]) if len(self.shape) == 1 else repr(self.shape)
        return sizes + ("" if self.epsilon == 1e-5 else f", epsilon={self.epsilon:g}")


def last_axes(shape: Any) -> tuple[int, ...]:
    """Return the sizes of the axes that are normalised together."""
    sizes = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    if not sizes:
        raise ArgumentError("`shape` must hold the size of one axis at least; got ().")
    return tuple(positive_int("shape", size) for size in sizes)


def check_last_axes(x: Any, shape: tuple[int, ...]) -> None:
    """Refuse an input that has no batch axis and then, at its end, these axes."""
    first = len(x.shape) - len(shape)
    if first < 1:
        raise ShapeError(
            f"input must have a batch axis and then axes of the sizes {shape}; got shape {x.shape}."
        )
    for axis, size in enumerate(shape, start=first):
        check_axis(x, axis, size, "shape")


def scale_and_shift(channels: int, affine: Any) -> tuple[Parameter | None, Parameter | None]:
    """Return gamma and beta of each channel, if they are learned."""
    if not boolean("affine", affine):
        return None, None
    return Parameter(init.ones((channels,)), "weight"), Parameter(init.zeros((channels,)), "bias")


def by_group(module: Any, x: Any, channels: int, groups: int) -> Any:
    """Normalise the groups of an input's channels."""
    x = floating(x, module.weight)
    if len(x.shape) < 2:
        check_rank(x, "(batch, channels, ...)", 2)
    check_axis(x, 1, channels, "channels")
    if 0 in x.shape[2:]:
        raise ShapeError(f"input must have positions; got shape {x.shape}.")
    gamma, beta = module.weight, module.bias
    if gamma is None:
        gamma, beta = np.ones(channels, x.dtype), np.zeros(channels, x.dtype)
    return ops.group_norm(x, gamma, beta, groups=groups, epsilon=module.epsilon)


def _rest(module: Any, affine: bool = True) -> str:
    learned = module.weight is not None
    return ("" if module.epsilon == 1e-5 else f", epsilon={module.epsilon:g}") + (
        "" if learned == affine else f", affine={learned}"
    )
