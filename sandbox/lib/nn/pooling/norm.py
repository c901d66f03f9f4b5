"""Pooling by a norm: of each window the length of what it holds."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from ...core import ops
from ...core.validate import in_range
from ..case import Case
from ..convolution.base import Padding
from ..registry import register
from .average import POOLS
from .windows import Pooling, Sizes


class NormPooling(Pooling):
    """What poolings by a norm over any number of axes share."""

    def __init__(
        self,
        norm: float,
        kernel_size: Sizes,
        *,
        stride: Sizes | None = None,
        padding: Padding = 0,
        name: str | None = None,
    ) -> None:
        super().__init__(kernel_size, stride=stride, padding=padding, name=name)
        self.norm = in_range("norm", norm, 1.0, 1e3)

    def pool(self, x: Any, padding: Any) -> Any:
        """Take the norm of each window."""
        powers = ops.power(ops.abs(x), self.norm)
        means = POOLS[self.axes](powers, self.kernel_size, stride=self.stride, padding=padding)
        total = means * float(math.prod(self.kernel_size))
        # The root's slope at 0 is infinite, the norm's is taken for 0.
        some = ops.greater(total, 0.0)
        root = ops.power(ops.where(some, total, 1.0), 1 / self.norm)
        return ops.where(some, root, 0.0)

    def extra(self) -> str:
        """Give the norm and the window, then what differs from the defaults."""
        return f"norm={self.norm:g}, {super().extra()}"


@register("nn.LPPool1d")
class LPPool1d(NormPooling):
    """Take the norm of each window of a series.

    y = (sum over the window of |x|^p)^(1/p)

    Parameters
    ----------
    norm : float in [1, 1000]
        p; 1 is the sum of the absolute values, 2 the Euclidean length.
    kernel_size : int
        Size of the window.
    stride : int, optional
        Elements from one window to the next; by default windows touch.
    padding : int, (before, after), "same" or "valid"
        Zeros around; fewer than the window covers.

    Shapes
    ------
    input : (batch, channels, length) float32
    output : (batch, channels, (length + before + after - k)//s + 1)

    Raises
    ------
    ArgumentError : a size is not positive, or the padding is as large as the window.
    ShapeError : in `call`, the input has not three axes or is smaller than the window.

    Notes
    -----
    Same as PyTorch `LPPool1d` for an even norm (which keeps the sign of odd powers) and ONNX
    `LpPool`-11. Where all of a window is 0 its gradient is 0. Native kernel: oneDNN pooling.

    Examples
    --------
    >>> import numpy as np
    >>> LPPool1d(2, 2)(np.array([[[3, 4, 0, 0]]], "f4"))
    array([[[5., 0.]]], dtype=float32)
    """

    axes = 1
    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: LPPool1d(3, 2),
            inputs=((2, 3, 6),),
            output=(2, 3, 3),
            wrong=((2, 3),),
            kinks=True,
            sizes=(
                "norm=3",
                "2",
            ),
        ),
    )


@register("nn.LPPool2d")
class LPPool2d(NormPooling):
    """Take the norm of each window.

    y = (sum over the window of |x|^p)^(1/p)

    Parameters
    ----------
    norm : float in [1, 1000]
        p; 1 is the sum of the absolute values, 2 the Euclidean length.
    kernel_size : int or (height, width)
        Size of the window.
    stride : int or (height, width), optional
        Elements from one window to the next; by default windows touch.
    padding : int, (height, width), ((top, bottom), (left, right)), "same" or "valid"
        Zeros around; fewer than the window covers.

    Shapes
    ------
    input : (batch, channels, height, width) float32
    output : (batch, channels, (height + top + bottom - kh)//sh + 1, same for width)

    Raises
    ------
    ArgumentError : a size is not positive, or the padding is as large as the window.
    ShapeError : in `call`, the input has not four axes or is smaller than the window.

    Notes
    -----
    Same as PyTorch `LPPool2d` for an even norm (which keeps the sign of odd powers) and ONNX
    `LpPool`-11. Where all of a window is 0 its gradient is 0. Native kernel: oneDNN pooling.

    Examples
    --------
    >>> import numpy as np
    >>> LPPool2d(2, 2)(np.array([[[[3, 4], [0, 0]]]], "f4"))
    array([[[[5.]]]], dtype=float32)
    """

    axes = 2
    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: LPPool2d(2, (2, 3)),
            inputs=((2, 3, 5, 6),),
            output=(2, 3, 2, 2),
            wrong=((2, 3, 5),),
            kinks=True,
            sizes=(
                "norm=2",
                "2x3",
            ),
        ),
    )


@register("nn.LPPool3d")
class LPPool3d(NormPooling):
    """Take the norm of each window of a volume.

    y = (sum over the window of |x|^p)^(1/p)

    Parameters
    ----------
    norm : float in [1, 1000]
        p; 1 is the sum of the absolute values, 2 the Euclidean length.
    kernel_size : int or (depth, height, width)
        Size of the window.
    stride : int or (depth, height, width), optional
        Elements from one window to the next; by default windows touch.
    padding : int, (depth, height, width), three pairs (before, after), "same" or "valid"
        Zeros around; fewer than the window covers.

    Shapes
    ------
    input : (batch, channels, depth, height, width) float32
    output : (batch, channels, (depth + front + back - kd)//sd + 1, same for others)

    Raises
    ------
    ArgumentError : a size is not positive, or the padding is as large as the window.
    ShapeError : in `call`, the input has not five axes or is smaller than the window.

    Notes
    -----
    Same as PyTorch `LPPool3d` for an even norm (which keeps the sign of odd powers) and ONNX
    `LpPool`-11. Where all of a window is 0 its gradient is 0. Native kernel: oneDNN pooling.

    Examples
    --------
    >>> import numpy as np
    >>> LPPool3d(1, 2)(np.ones((1, 1, 2, 2, 2), "f4"))
    array([[[[[8.]]]]], dtype=float32)
    """

    axes = 3
    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: LPPool3d(1, 2, padding=(1, 0, 0)),
            inputs=((2, 2, 3, 4, 4),),
            output=(2, 2, 2, 2, 2),
            wrong=((2, 2, 3, 4),),
            kinks=True,
            sizes=(
                "norm=1",
                "2x2x2",
            ),
        ),
    )
