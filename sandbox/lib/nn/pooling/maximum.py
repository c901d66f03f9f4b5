"""Max pooling: of each window the largest element."""

from __future__ import annotations

from typing import Any, ClassVar

from ...core import ops
from ...core.validate import boolean
from ..case import Case
from ..convolution.base import Padding
from ..registry import register
from .windows import Pooling, Sizes

POOLS = {1: ops.max_pool1d, 2: ops.max_pool2d, 3: ops.max_pool3d}


class MaxPooling(Pooling):
    """What max poolings over any number of axes share."""

    def __init__(
        self,
        kernel_size: Sizes,
        *,
        stride: Sizes | None = None,
        padding: Padding = 0,
        dilation: Sizes = 1,
        ceil_mode: bool = False,
        return_index: bool = False,
        name: str | None = None,
    ) -> None:
        super().__init__(
            kernel_size,
            stride=stride,
            padding=padding,
            dilation=dilation,
            ceil_mode=ceil_mode,
            name=name,
        )
        self.return_index = boolean("return_index", return_index)

    def pool(self, x: Any, padding: Any) -> Any:
        """Take the largest element of each window."""
        function = ops.max_pool_with_index if self.return_index else POOLS[self.axes]
        return function(
            x,
            self.kernel_size,
            stride=self.stride,
            padding=padding,
            dilation=self.dilation,
            ceil_mode=self.ceil_mode,
        )

    def extra(self) -> str:
        """Give the window, then what differs from the defaults."""
        return super().extra() + (", return_index=True" if self.return_index else "")


@register("nn.MaxPool1d")
class MaxPool1d(MaxPooling):
    """Take the largest element of each window of a series.

    y[n, c, i] = max_u x[n, c, i·s + u·d - before]

    Parameters
    ----------
    kernel_size : int
        Size of the window, in steps.
    stride : int, optional
        Steps from one window to the next; by default windows touch.
    padding : int, (before, after), "same" or "valid"
        Steps around the series which are never the largest; fewer than the window covers. "same"
        gives ceil(length / stride) windows.
    dilation : int
        Distance between the steps of one window.
    ceil_mode : bool
        Whether steps left over at the end get a window, too.
    return_index : bool
        Whether to give where the largest elements are, as well.

    Shapes
    ------
    input : (batch, channels, length) float32
    output : (batch, channels, (length + before + after - d·(k - 1) - 1)//s + 1)
    index : like the output, int64, with `return_index`

    Raises
    ------
    ArgumentError : a size is not positive, or the padding is as large as the window.
    ShapeError : in `call`, the input has not three axes or is shorter than the window.

    Notes
    -----
    Same as BigDL `TemporalMaxPooling` (0.13, which takes steps first), Keras `MaxPooling1D`,
    PyTorch `MaxPool1d` and ONNX `MaxPool`-12.
    Runs as pooling of images of height 1. Native kernel: oneDNN pooling.

    Examples
    --------
    >>> import numpy as np
    >>> MaxPool1d(2)(np.array([[[1, 4, 3, 2, 0]]], "f4"))
    array([[[4., 3.]]], dtype=float32)
    """

    axes = 1
    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: MaxPool1d(3, stride=2, padding=(1, 0), ceil_mode=True),
            inputs=((2, 3, 6),),
            output=(2, 3, 3),
            wrong=((2, 3), (2, 3, 0)),
            kinks=True,
            sizes=("3", "stride=2", "padding=(1, 0)", "ceil_mode=True"),
        ),
    )


@register("nn.MaxPool2d")
class MaxPool2d(MaxPooling):
    """Take the largest element of each window.

    y[n, c, i, j] = max_{u,v} x[n, c, i·sh + u·dh - top, j·sw + v·dw - left]

    Parameters
    ----------
    kernel_size : int or (height, width)
        Size of the window, in pixels.
    stride : int or (height, width), optional
        Pixels from one window to the next; by default windows touch.
    padding : int, (height, width), ((top, bottom), (left, right)), "same" or "valid"
        Pixels around the image which are never the largest; fewer than the window covers. "same"
        gives ceil(size / stride) windows.
    dilation : int or (height, width)
        Distance between the pixels of one window.
    ceil_mode : bool
        Whether pixels left over at the end get a window, too.
    return_index : bool
        Whether to give where the largest pixels are, as well: row · width + column.

    Shapes
    ------
    input : (batch, channels, height, width) float32
    output : (batch, channels, (height + top + bottom - dh·(kh - 1) - 1)//sh + 1, same for width)
    index : like the output, int64, with `return_index`

    Raises
    ------
    ArgumentError : a size is not positive, or the padding is as large as the window.
    ShapeError : in `call`, the input has not four axes or is smaller than the window.

    Notes
    -----
    Same as BigDL `SpatialMaxPooling` (0.13), Keras `MaxPooling2D`, PyTorch `MaxPool2d` and ONNX
    `MaxPool`-12. Where several elements are the largest, the first one gets the gradient.
    Native kernel: oneDNN pooling. Windows with gaps are NumPy's.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.arange(16, dtype="f4").reshape(1, 1, 4, 4)
    >>> MaxPool2d(2)(x)
    array([[[[ 5.,  7.],
             [13., 15.]]]], dtype=float32)
    >>> MaxPool2d(2, return_index=True)(x)[1].tolist()
    [[[[5, 7], [13, 15]]]]
    """

    axes = 2
    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: MaxPool2d(2),
            inputs=((2, 3, 5, 4),),
            output=(2, 3, 2, 2),
            wrong=((2, 3, 1, 4), (3, 5, 4)),
            wrong_axis=2,
            kinks=True,
            sizes=("2x2",),
        ),
        Case(
            lambda rng: MaxPool2d((3, 2), stride=(2, 1), padding=((1, 1), (0, 1))),
            inputs=((2, 2, 5, 4),),
            output=(2, 2, 3, 4),
            wrong=((2, 2, 0, 4),),
            wrong_axis=2,
            kinks=True,
            sizes=("3x2", "stride=2x1"),
        ),
        Case(
            lambda rng: MaxPool2d(3, stride=1, padding="same", dilation=(2, 1)),
            inputs=((2, 2, 5, 4),),
            output=(2, 2, 5, 4),
            wrong=((2, 5, 4),),
            kinks=True,
            sizes=("3x3", "stride=1x1", "padding=same", "dilation=2x1"),
        ),
    )


@register("nn.MaxPool3d")
class MaxPool3d(MaxPooling):
    """Take the largest element of each window of a volume.

    y[n, c, i] = max_u x[n, c, i·s + u·d - before], i and u of three axes

    Parameters
    ----------
    kernel_size : int or (depth, height, width)
        Size of the window.
    stride : int or (depth, height, width), optional
        Elements from one window to the next; by default windows touch.
    padding : int, (depth, height, width), three pairs (before, after), "same" or "valid"
        Elements around the volume which are never the largest; fewer than the window covers.
        "same" gives ceil(size / stride) windows.
    dilation : int or (depth, height, width)
        Distance between the elements of one window.
    ceil_mode : bool
        Whether elements left over at the end get a window, too.
    return_index : bool
        Whether to give where the largest elements are, as well, counted row by row.

    Shapes
    ------
    input : (batch, channels, depth, height, width) float32
    output : (batch, channels, (depth + front + back - dd·(kd - 1) - 1)//sd + 1, same for others)
    index : like the output, int64, with `return_index`

    Raises
    ------
    ArgumentError : a size is not positive, or the padding is as large as the window.
    ShapeError : in `call`, the input has not five axes or is smaller than the window.

    Notes
    -----
    Same as BigDL `VolumetricMaxPooling` (0.13), Keras `MaxPooling3D`, PyTorch `MaxPool3d` and ONNX
    `MaxPool`-12. Native kernel: oneDNN pooling. Windows with gaps are NumPy's.

    Examples
    --------
    >>> import numpy as np
    >>> MaxPool3d(2)(np.arange(16, dtype="f4").reshape(1, 1, 2, 2, 4))
    array([[[[[13., 15.]]]]], dtype=float32)
    """

    axes = 3
    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: MaxPool3d((2, 3, 2), stride=2, padding=((0, 1), (1, 1), (0, 0))),
            inputs=((2, 2, 3, 4, 4),),
            output=(2, 2, 2, 2, 2),
            wrong=((2, 2, 0, 4, 4), (2, 3, 4, 4)),
            wrong_axis=2,
            kinks=True,
            sizes=("2x3x2", "stride=2x2x2"),
        ),
    )
