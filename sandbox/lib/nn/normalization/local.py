"""Normalisation by what is near: neighbouring channels, the surroundings of a position."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...core import ops
from ...core.validate import boolean, finite, numbers, positive_int, refuse
from ..case import Case
from ..checks import check_axis, check_rank, floating
from ..module import Module
from ..registry import Config, register


@register("nn.LocalResponseNorm")
class LocalResponseNorm(Module):
    """Damp what has strong neighbours, among the channels or around it.

    y = x / (k + alpha · mean of x² over the window)^beta, the window being `size` channels, or with
    `within_channel` size · size positions; what lies outside counts as 0

    Parameters
    ----------
    size : int > 0
        Of the window; an even one has one more before than behind.
    alpha, beta, k : float
        Strength, exponent, and what is added.
    within_channel : bool
        Whether the window lies in the map of each channel.

    Shapes
    ------
    input : (batch, channels, ...) float32; within channels (batch, channels, height, width)
    output : same

    Raises
    ------
    ArgumentError : `size` is not positive, or another argument no finite number.
    ShapeError : in `call`, the input has too few axes.

    Notes
    -----
    Same as BigDL `SpatialCrossMapLRN`, `SpatialWithinChannelLRN` (0.13; alpha is 1 there by
    default), PyTorch `LocalResponseNorm` and ONNX `LRN`-13. Source: Krizhevsky, Sutskever,
    Hinton 2012. NumPy in pieces that stay in the cache: `engine.ops.group`.

    Examples
    --------
    >>> LocalResponseNorm(3, alpha=3.0, beta=1.0)(np.array([[1.0, 1.0, 2.0]], "f4")).round(3)
    array([[0.333, 0.143, 0.333]], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: LocalResponseNorm(3, alpha=0.5),
            inputs=((2, 5, 2, 3),),
            output=(2, 5, 2, 3),
            wrong=((3,),),
            sizes=("3", "alpha=0.5"),
        ),
        Case(
            lambda rng: LocalResponseNorm(4, alpha=0.7, beta=0.6, k=2.0),
            inputs=((3, 6),),
            output=(3, 6),
            sizes=("beta=0.6", "k=2"),
        ),
        Case(
            lambda rng: LocalResponseNorm(3, alpha=1.0, within_channel=True),
            inputs=((2, 2, 4, 5),),
            output=(2, 2, 4, 5),
            wrong=((2, 4, 5),),
            sizes=("within_channel",),
        ),
    )

    def __init__(
        self,
        size: int = 5,
        *,
        alpha: float = 1e-4,
        beta: float = 0.75,
        k: float = 1.0,
        within_channel: bool = False,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self.size = positive_int("size", size)
        self.alpha, self.beta = finite("alpha", alpha), finite("beta", beta)
        self.k = finite("k", k)
        self.within_channel = boolean("within_channel", within_channel)

    def call(self, x: Any) -> Any:
        """Damp what has strong neighbours."""
        x = floating(x)
        if self.within_channel:
            check_rank(x, "(batch, channels, height, width)", 4)
        elif len(x.shape) < 2:
            check_rank(x, "(batch, channels, ...)", 2)
        return ops.local_response_norm(
            x,
            self.size,
            alpha=self.alpha,
            beta=self.beta,
            k=self.k,
            axes=(2, 3) if self.within_channel else (1,),
        )

    def extra(self) -> str:
        """Give size and constants."""
        text = f"{self.size}, alpha={self.alpha:g}, beta={self.beta:g}, k={self.k:g}"
        return text + (", within_channel" if self.within_channel else "")


class Surrounded(Module):
    """What those that look at the surroundings of a position share: the weights of these.

    Parameters
    ----------
    channels : int > 0
        Channels, the size of axis 1.
    kernel : int, or array of (height, width) or (size,)
        Weights of the surroundings, of odd sizes: all alike, any, or the product of a row with
        itself (a Gaussian one). They are divided by their sum.
    """

    def __init__(self, channels: int, kernel: Any = 9, *, name: str | None = None) -> None:
        super().__init__(name=name)
        self.channels = positive_int("channels", channels)
        self.kernel = _kernel(kernel)

    def config(self) -> Config:
        """Give the arguments, the kernel as a list."""
        return {**super().config(), "kernel": self.kernel.tolist()}

    def mean(self, x: Any) -> Any:
        """Compute the weighted mean around each position, over all channels; 0 outside."""
        height, width = self.kernel.shape
        weights = self.kernel[None, None].astype(x.dtype)
        return ops.conv2d(ops.mean(x, 1, keepdims=True), weights, padding=(height // 2, width // 2))

    def share(self, x: Any) -> NDArray[Any]:
        """Compute the weight of the surroundings that lies inside the map, 1 but at its border."""
        rows, columns = map(_inside, x.shape[2:], self.kernel.shape)
        found: NDArray[Any] = (rows @ self.kernel @ columns.T)[None, None].astype(x.dtype)
        return found

    def checked(self, x: Any) -> Any:
        """Refuse an input that is no batch of maps with these channels."""
        x = floating(x)
        check_rank(x, "(batch, channels, height, width)", 4)
        check_axis(x, 1, self.channels, "channels")
        return x

    def extra(self) -> str:
        """Give channels and the kernel's size."""
        height, width = self.kernel.shape
        return f"{self.channels}, {height}x{width}"


@register("nn.SubtractiveNorm")
class SubtractiveNorm(Surrounded):
    """Subtract the weighted mean of a position's surroundings, over all channels.

    y[n, c, i, j] = x[n, c, i, j] - sum_{d,u,v} k[u, v] · x[n, d, i+u, j+v] / s[i, j], with the sum
    s of the weights k of what lies inside

    Parameters
    ----------
    channels : int > 0
        Channels, the size of axis 1.
    kernel : int, or array of (height, width) or (size,)
        Weights of the surroundings, of odd sizes: all alike, any, or the product of a row with
        itself (a Gaussian one).

    Shapes
    ------
    input : (batch, channels, height, width) float32
    output : same

    Raises
    ------
    ArgumentError : `channels` is not positive, or the kernel has even sizes or no positive sum.
    ShapeError : in `call`, the input has not four axes, or its axis 1 is not `channels`.

    Notes
    -----
    Same as BigDL `SpatialSubtractiveNormalization` (0.13) and Torch7's of this name.
    Source: Jarrett, Kavukcuoglu, Ranzato, LeCun 2009. Native kernel: oneDNN convolution.

    Examples
    --------
    >>> SubtractiveNorm(1, 3)(np.ones((1, 1, 2, 2), "f4")).round(6)
    array([[[[0., 0.],
             [0., 0.]]]], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: SubtractiveNorm(2, 3),
            inputs=((2, 2, 4, 5),),
            output=(2, 2, 4, 5),
            wrong=((2, 3, 4, 5), (2, 2, 4)),
            wrong_axis=1,
            sizes=("2", "3x3"),
        ),
        Case(
            lambda rng: SubtractiveNorm(1, [1.0, 2.0, 4.0, 2.0, 1.0]),
            inputs=((2, 1, 3, 4),),
            output=(2, 1, 3, 4),
            sizes=("5x5",),
        ),
    )

    def call(self, x: Any) -> Any:
        """Subtract the mean of the surroundings."""
        x = self.checked(x)
        return ops.subtract(x, ops.divide(self.mean(x), self.share(x)))


@register("nn.DivisiveNorm")
class DivisiveNorm(Surrounded):
    """Divide by the weighted root mean square of a position's surroundings, over all channels.

    y = x / d, d = sqrt(sum_{d,u,v} k[u, v] · x[n, d, i+u, j+v]²) / s[i, j] where that is more than
    `threshold`, else `value`; s is the sum of the weights k of what lies inside

    Parameters
    ----------
    channels : int > 0
        Channels, the size of axis 1.
    kernel : int, or array of (height, width) or (size,)
        Weights of the surroundings, of odd sizes: all alike, any, or the product of a row with
        itself (a Gaussian one).
    threshold : float
        Smaller divisors are replaced.
    value : float, optional
        What replaces them; by default the threshold.

    Shapes
    ------
    input : (batch, channels, height, width) float32
    output : same

    Raises
    ------
    ArgumentError : `channels` is not positive, or the kernel has even sizes or no positive sum.
    ShapeError : in `call`, the input has not four axes, or its axis 1 is not `channels`.

    Notes
    -----
    Same as BigDL `SpatialDivisiveNormalization` (0.13) and Torch7's of this name.
    Source: Jarrett, Kavukcuoglu, Ranzato, LeCun 2009. Native kernel: oneDNN convolution.

    Examples
    --------
    >>> DivisiveNorm(1, 1)(np.array([[[[3.0, -0.5]]]], "f4"))
    array([[[[ 1., -1.]]]], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: DivisiveNorm(2, 3),
            inputs=((2, 2, 4, 5),),
            output=(2, 2, 4, 5),
            wrong=((2, 3, 4, 5), (2, 2, 4)),
            wrong_axis=1,
            sizes=("2", "3x3"),
        ),
    )

    def __init__(
        self,
        channels: int,
        kernel: Any = 9,
        *,
        threshold: float = 1e-4,
        value: float | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(channels, kernel, name=name)
        self.threshold = finite("threshold", threshold)
        self.value = self.threshold if value is None else finite("value", value)

    def call(self, x: Any) -> Any:
        """Divide by the root mean square of the surroundings."""
        x = self.checked(x)
        return ops.divide(x, ops.threshold(self.deviation(x), self.threshold, self.value))

    def deviation(self, x: Any) -> Any:
        """Compute the root mean square around each position."""
        squares = self.mean(ops.square(x))
        least = float(np.finfo(str(x.dtype)).tiny)  # the root of 0 has no slope
        return ops.divide(ops.sqrt(ops.maximum(squares, least)), self.share(x))


@register("nn.ContrastiveNorm")
class ContrastiveNorm(DivisiveNorm):
    """Subtract the mean of a position's surroundings, then divide by their deviation.

    y = DivisiveNorm(SubtractiveNorm(x)), both with the same kernel

    Parameters
    ----------
    channels : int > 0
        Channels, the size of axis 1.
    kernel : int, or array of (height, width) or (size,)
        Weights of the surroundings, of odd sizes: all alike, any, or the product of a row with
        itself (a Gaussian one).
    threshold : float
        Smaller divisors are replaced.
    value : float, optional
        What replaces them; by default the threshold.

    Shapes
    ------
    input : (batch, channels, height, width) float32
    output : same

    Raises
    ------
    ArgumentError : `channels` is not positive, or the kernel has even sizes or no positive sum.
    ShapeError : in `call`, the input has not four axes, or its axis 1 is not `channels`.

    Notes
    -----
    Same as BigDL `SpatialContrastiveNormalization` (0.13) and Torch7's of this name.
    Source: Jarrett, Kavukcuoglu, Ranzato, LeCun 2009. Native kernel: oneDNN convolution.

    Examples
    --------
    >>> row = np.exp(-np.square(np.arange(-2, 3) / 1.25) / 2)  # a Gaussian kernel
    >>> ContrastiveNorm(3, row)(np.ones((1, 3, 8, 8), "f4")).shape
    (1, 3, 8, 8)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: ContrastiveNorm(2, [[0.0, 1.0, 0.0], [1.0, 2.0, 1.0], [0.0, 1.0, 0.0]]),
            inputs=((2, 2, 4, 5),),
            output=(2, 2, 4, 5),
            wrong=((2, 3, 4, 5), (2, 2, 4)),
            wrong_axis=1,
            sizes=("2", "3x3"),
            # 1e-4: quotients of differences.
            tolerance=1e-4,
        ),
    )

    def call(self, x: Any) -> Any:
        """Subtract the mean, divide by the deviation."""
        x = self.checked(x)
        return super().call(ops.subtract(x, ops.divide(self.mean(x), self.share(x))))


def _kernel(value: Any) -> NDArray[np.float64]:
    """Return weights (height, width) of sum 1."""
    what = "an odd int > 0, or an array (size,) or (height, width) of numbers with odd sizes"
    if np.ndim(np.asarray(value, dtype=object)) == 0:
        size = positive_int("kernel", value)
        found = np.ones((size, size))
    else:
        found = numbers("kernel", value, what).astype(np.float64)
        found = np.outer(found, found) if found.ndim == 1 else found
    if found.ndim != 2 or not all(size % 2 for size in found.shape):
        raise refuse("kernel", what, value)
    total = found.sum()
    if not 0 < total < np.inf:
        raise refuse("kernel", "weights with a sum > 0", value)
    weights: NDArray[np.float64] = found / total
    return weights


def _inside(length: int, size: int) -> NDArray[np.float64]:
    """Return for each position which elements of a window around it are inside, as 0 and 1."""
    places = np.arange(length)[:, None] + np.arange(size) - size // 2
    return ((places >= 0) & (places < length)).astype(np.float64)
