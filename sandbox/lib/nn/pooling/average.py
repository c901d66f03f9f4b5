"""Average pooling: of each window the mean, or another norm."""

from __future__ import annotations

from typing import Any, ClassVar

from ...core import ops
from ...core.validate import boolean
from ..case import Case
from ..convolution.base import Padding
from ..registry import register
from .windows import Pooling, Sizes

POOLS = {1: ops.avg_pool1d, 2: ops.avg_pool2d, 3: ops.avg_pool3d}


class AvgPooling(Pooling):
    """What average poolings over any number of axes share."""

    def __init__(
        self,
        kernel_size: Sizes,
        *,
        stride: Sizes | None = None,
        padding: Padding = 0,
        ceil_mode: bool = False,
        include_padding: bool = True,
        name: str | None = None,
    ) -> None:
        super().__init__(
            kernel_size, stride=stride, padding=padding, ceil_mode=ceil_mode, name=name
        )
        self.include_padding = boolean("include_padding", include_padding)

    def pool(self, x: Any, padding: Any) -> Any:
        """Take the mean of each window."""
        return POOLS[self.axes](
            x,
            self.kernel_size,
            stride=self.stride,
            padding=padding,
            ceil_mode=self.ceil_mode,
            include_padding=self.include_padding,
        )

    def extra(self) -> str:
        """Give the window, then what differs from the defaults."""
        return super().extra() + ("" if self.include_padding else ", include_padding=False")


@register("nn.AvgPool1d")
class AvgPool1d(AvgPooling):
    """Take the mean of each window of a series.

    y[n, c, i] = 1/k · sum_u x[n, c, i·s + u - before]

    Parameters
    ----------
    kernel_size : int
        Size of the window, in steps.
    stride : int, optional
        Steps from one window to the next; by default windows touch.
    padding : int, (before, after), "same" or "valid"
        Zeros around the series; fewer than the window covers. "same" gives ceil(length / stride)
        windows.
    ceil_mode : bool
        Whether steps left over at the end get a window, too: the mean of what it holds.
    include_padding : bool
        Whether the zeros count in k; if not, k is the number of real steps of the window.

    Shapes
    ------
    input : (batch, channels, length) float32
    output : (batch, channels, (length + before + after - k)//s + 1)

    Raises
    ------
    ArgumentError : a size is not positive, or the padding is as large as the window.
    ShapeError : in `call`, the input has not three axes or is shorter than the window.

    Notes
    -----
    Same as PyTorch `AvgPool1d` and ONNX `AveragePool`-11 (count_include_pad=1). Like Keras
    `AveragePooling1D`, whose padding never counts: include_padding=False.
    Runs as pooling of images of height 1. Native kernel: oneDNN pooling.

    Examples
    --------
    >>> import numpy as np
    >>> AvgPool1d(2)(np.array([[[1, 4, 3, 2, 0]]], "f4"))
    array([[[2.5, 2.5]]], dtype=float32)
    """

    axes = 1
    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: AvgPool1d(3, stride=2, padding=1, ceil_mode=True),
            inputs=((2, 3, 6),),
            output=(2, 3, 4),
            wrong=((2, 3), (2, 3, 0)),
            sizes=("3", "stride=2", "padding=(1, 1)", "ceil_mode=True"),
        ),
    )


@register("nn.AvgPool2d")
class AvgPool2d(AvgPooling):
    """Take the mean of each window.

    y[n, c, i, j] = 1/k · sum_{u,v} x[n, c, i·sh + u - top, j·sw + v - left], k = kh·kw

    Parameters
    ----------
    kernel_size : int or (height, width)
        Size of the window, in pixels.
    stride : int or (height, width), optional
        Pixels from one window to the next; by default windows touch.
    padding : int, (height, width), ((top, bottom), (left, right)), "same" or "valid"
        Zeros around the image; fewer than the window covers. "same" gives ceil(size / stride)
        windows.
    ceil_mode : bool
        Whether pixels left over at the end get a window, too: the mean of what it holds.
    include_padding : bool
        Whether the zeros count in k; if not, k is the number of real pixels of the window.

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
    Same as BigDL `SpatialAveragePooling` (0.13), PyTorch `AvgPool2d` and ONNX `AveragePool`-11
    (count_include_pad=1). Like Keras `AveragePooling2D`, whose padding never counts:
    include_padding=False.
    Native kernel: oneDNN pooling.

    Examples
    --------
    >>> import numpy as np
    >>> AvgPool2d(2)(np.arange(16, dtype="f4").reshape(1, 1, 4, 4))
    array([[[[ 2.5,  4.5],
             [10.5, 12.5]]]], dtype=float32)
    """

    axes = 2
    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: AvgPool2d((2, 3)),
            inputs=((2, 3, 5, 6),),
            output=(2, 3, 2, 2),
            wrong=((2, 3, 5, 2), (3, 5, 6)),
            wrong_axis=3,
            sizes=("2x3",),
        ),
        Case(
            lambda rng: AvgPool2d(3, stride=2, padding=1, include_padding=False),
            inputs=((2, 2, 5, 4),),
            output=(2, 2, 3, 2),
            wrong=((5, 4),),
            sizes=("3x3", "stride=2x2", "include_padding=False"),
        ),
    )


@register("nn.AvgPool3d")
class AvgPool3d(AvgPooling):
    """Take the mean of each window of a volume.

    y[n, c, i, j, k] = 1/m · sum_{u,v,w} x[n, c, i·sd + u - front, j·sh + v - top, k·sw + w - left]

    Parameters
    ----------
    kernel_size : int or (depth, height, width)
        Size of the window; m is the number of its elements.
    stride : int or (depth, height, width), optional
        Elements from one window to the next; by default windows touch.
    padding : int, (depth, height, width), three pairs (before, after), "same" or "valid"
        Zeros around the volume; fewer than the window covers. "same" gives ceil(size / stride)
        windows.
    ceil_mode : bool
        Whether elements left over at the end get a window, too: the mean of what it holds.
    include_padding : bool
        Whether the zeros count in m; if not, m is the number of real elements of the window.

    Shapes
    ------
    input : (batch, channels, depth, height, width) float32
    output : (batch, channels, (depth + front + back - kd)//sd + 1, same for height and width)

    Raises
    ------
    ArgumentError : a size is not positive, or the padding is as large as the window.
    ShapeError : in `call`, the input has not five axes or is smaller than the window.

    Notes
    -----
    Same as BigDL `VolumetricAveragePooling` (0.13), PyTorch `AvgPool3d` and ONNX `AveragePool`-11
    (count_include_pad=1). Like Keras `AveragePooling3D`, whose padding never counts:
    include_padding=False.
    Native kernel: oneDNN pooling.

    Examples
    --------
    >>> import numpy as np
    >>> AvgPool3d(2)(np.arange(16, dtype="f4").reshape(1, 1, 2, 2, 4))
    array([[[[[6.5, 8.5]]]]], dtype=float32)
    """

    axes = 3
    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: AvgPool3d((2, 3, 2), stride=2, padding="same", include_padding=False),
            inputs=((2, 2, 3, 4, 4),),
            output=(2, 2, 2, 2, 2),
            wrong=((2, 2, 0, 4, 4), (2, 3, 4, 4)),
            wrong_axis=2,
            sizes=("2x3x2", "stride=2x2x2", "padding=same", "include_padding=False"),
        ),
    )
