"""Dropout: switch elements, or whole channels, off at random while training."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from ...core import ops
from ...core.validate import boolean, in_range
from ..case import Case
from ..checks import check_inner_axis, check_rank, floating, inner_axis
from ..module import Module
from ..registry import register


class Random(Module):
    """What dropout and noise share: a probability, nothing in inference.

    Parameters
    ----------
    p : float in [0, 1)
        Probability of an element to be switched off.
    """

    def __init__(self, p: float = 0.5, *, name: str | None = None) -> None:
        super().__init__(name=name)
        self.p = in_range("p", p, 0.0, 1.0, closed="left", cure="All off? leave the layer out.")

    def call(self, x: Any) -> Any:
        """Change the input while training."""
        x = floating(x)
        return self.changed(x) if self.training and self.p > 0.0 else x

    def changed(self, x: Any) -> Any:
        """Compute the output in training with `core.ops`."""
        raise NotImplementedError(f"{type(self).__name__} must define changed(self, x).")

    def extra(self) -> str:
        """Give the probability."""
        return f"{self.p:g}"


@register("nn.Dropout")
class Dropout(Random):
    """Switch each element off with probability p while training; do nothing in inference.

    y = x · m / (1 - p), m = 0 with probability p, else 1

    Parameters
    ----------
    p : float in [0, 1)
        Probability of an element to be switched off.

    Shapes
    ------
    input : (batch, ...) float32
    output : same

    Raises
    ------
    ArgumentError : p is not in [0, 1).
    ArgumentError : in `call`, the input is no array of numbers.

    Notes
    -----
    Same as BigDL `Dropout` (0.13), Keras `Dropout`, PyTorch `Dropout` and ONNX `Dropout`-13.
    Source: Srivastava et al. 2014. Kernel: `engine.random.dropout_mask` (Philox).
    The mask depends on (seed, path of the module, step, position of the row in the global batch)
    and on nothing else: not on threads, not on how many ranks share the batch.

    Examples
    --------
    >>> import numpy as np
    >>> layer = Dropout(0.5)
    >>> layer(np.ones((1, 3), "f4"))
    array([[1., 1., 1.]], dtype=float32)
    >>> sorted(set(layer.train()(np.ones((1, 99), "f4")).ravel().tolist()))
    [0.0, 2.0]
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: Dropout(0.4),
            inputs=((4, 3, 2, 5),),
            output=(4, 3, 2, 5),
            stochastic=True,
            sizes=("0.4",),
        ),
        Case(
            lambda rng: Dropout(0.5),
            inputs=((4, 7),),
            output=(4, 7),
            stochastic=True,
            sizes=("0.5",),
        ),
    )

    def changed(self, x: Any) -> Any:
        """Switch elements off."""
        return ops.dropout(x, p=self.p)


@register("nn.SpatialDropout")
class SpatialDropout(Random):
    """Switch whole channels off with probability p while training; do nothing in inference.

    y[n, c] = x[n, c] · m[n, c] / (1 - p), m = 0 with probability p, else 1

    Parameters
    ----------
    p : float in [0, 1)
        Probability of a channel to be switched off, in each row anew.
    axis : int
        Which axis holds the channels: -1 for sequences (batch, time, features).

    Shapes
    ------
    input : (batch, ...) float32, with `axis`
    output : same

    Raises
    ------
    ArgumentError : p is not in [0, 1), or `axis` is 0.
    ShapeError : in `call`, the input has no such axis.

    Notes
    -----
    Same as BigDL `SpatialDropout1D` (axis -1), `SpatialDropout2D`, `SpatialDropout3D` (0.13),
    Keras `SpatialDropout1D`, `SpatialDropout2D`, `SpatialDropout3D` (axis -1) and PyTorch
    `Dropout1d`, `Dropout2d`, `Dropout3d`. Source: Tompson et al. 2015.
    The numbers are those of `Dropout`'s contract: `engine.random.dropout_mask` (Philox).

    Examples
    --------
    >>> import numpy as np
    >>> y = SpatialDropout(0.5).train()(np.ones((4, 8, 5), "f4"))
    >>> set(y.mean(axis=2).ravel().tolist()) == {0.0, 2.0}
    True
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: SpatialDropout(0.4),
            inputs=((3, 6, 2, 3),),
            output=(3, 6, 2, 3),
            wrong=((3,),),
            stochastic=True,
            sizes=("0.4",),
        ),
        Case(
            lambda rng: SpatialDropout(0.5, axis=-1),
            inputs=((3, 2, 6),),
            output=(3, 2, 6),
            stochastic=True,
            sizes=("axis=-1",),
        ),
    )

    def __init__(self, p: float = 0.5, *, axis: int = 1, name: str | None = None) -> None:
        super().__init__(p, name=name)
        self.axis = inner_axis(axis)

    def call(self, x: Any) -> Any:
        """Switch channels off while training."""
        check_inner_axis(floating(x), self.axis)
        return super().call(x)

    def changed(self, x: Any) -> Any:
        """Switch channels off."""
        return ops.dropout(x, p=self.p, axes=(self.axis,))

    def extra(self) -> str:
        """Give the probability, and the axis if it is not 1."""
        return f"{self.p:g}" + ("" if self.axis == 1 else f", axis={self.axis}")


_FLOOR = -1.7580993408473766  # of SELU: -scale · alpha


@register("nn.AlphaDropout")
class AlphaDropout(Random):
    """Switch elements off so that mean 0 and variance 1 stay, behind SELU.

    y = a · (x · m + f · (1 - m)) + b, m = 0 with probability p, else 1; f = -1.7581, SELU's floor,
    a = ((1 - p) · (1 + p · f²))^-1/2, b = -a · p · f

    Parameters
    ----------
    p : float in [0, 1)
        Probability of an element to be switched off.
    whole_channels : bool
        Switch whole channels (axis 1) off.

    Shapes
    ------
    input : (batch, ...) float32
    output : same

    Raises
    ------
    ArgumentError : p is not in [0, 1).
    ShapeError : in `call`, with `whole_channels`, the input has one axis.

    Notes
    -----
    Same as Keras `AlphaDropout` and PyTorch `AlphaDropout`, `FeatureAlphaDropout`.
    Source: Klambauer et al. 2017.
    The numbers are those of `Dropout`'s contract: `engine.random.uniform` (Philox).

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(1000, 100)).astype("f4")
    >>> y = AlphaDropout(0.3).train()(x)
    >>> bool(abs(y.mean()) < 0.02 and abs(y.std() - 1) < 0.02)
    True
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: AlphaDropout(0.4),
            inputs=((4, 7),),
            output=(4, 7),
            stochastic=True,
            sizes=("0.4",),
        ),
        Case(
            lambda rng: AlphaDropout(0.5, whole_channels=True),
            inputs=((4, 6, 3),),
            output=(4, 6, 3),
            wrong=((4,),),
            stochastic=True,
            sizes=("whole_channels",),
        ),
    )

    def __init__(
        self, p: float = 0.5, *, whole_channels: bool = False, name: str | None = None
    ) -> None:
        super().__init__(p, name=name)
        self.whole_channels = boolean("whole_channels", whole_channels)

    def call(self, x: Any) -> Any:
        """Switch elements off while training."""
        x = floating(x)
        if self.whole_channels and len(x.shape) < 2:
            check_rank(x, "(batch, channels, ...)", 2)
        return super().call(x)

    def changed(self, x: Any) -> Any:
        """Switch elements off and bring mean and variance back."""
        factor = 1.0 / math.sqrt((1.0 - self.p) * (1.0 + self.p * _FLOOR * _FLOOR))
        shift = -factor * self.p * _FLOOR
        drawn = ops.random_uniform(x, axes=(1,) if self.whole_channels else None)
        kept = ops.greater_equal(drawn, self.p)
        line = ops.where(kept, factor, 0.0), ops.where(kept, shift, factor * _FLOOR + shift)
        return ops.add(ops.multiply(x, ops.cast(line[0], x.dtype)), ops.cast(line[1], x.dtype))

    def extra(self) -> str:
        """Give the probability."""
        return f"{self.p:g}" + (", whole_channels" if self.whole_channels else "")
