"""Pooling: one number for each window of an image."""

from __future__ import annotations

from typing import Any, ClassVar

from ...core import ops
from ...core.errors import ArgumentError
from ...core.validate import boolean, padding_pairs, pair
from ..case import Case
from ..checks import check_rank, check_window, floating, window_text
from ..convolution.base import Sides
from ..module import Module
from ..registry import register

_LAYOUT = "(batch, channels, height, width)"


class Pooling(Module):
    """What pooling with a sliding window shares: sizes, checks and repr.

    Subclasses write `pool(x)`.
    """

    def __init__(
        self,
        kernel_size: int | tuple[int, int],
        *,
        stride: int | tuple[int, int] | None = None,
        padding: int | tuple[int, int] | Sides = 0,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self.kernel_size = pair("kernel_size", kernel_size)
        self.stride = self.kernel_size if stride is None else pair("stride", stride)
        self.padding = padding_pairs("padding", padding)
        for sides, kernel in zip(self.padding, self.kernel_size, strict=True):
            if max(sides) >= kernel:
                raise ArgumentError(
                    "`padding` must be smaller than the window, else some windows see nothing; got "
                    f"{padding!r} with kernel_size={kernel_size!r}."
                )

    def call(self, x: Any) -> Any:
        """Check the input and pool it."""
        x = floating(x)
        check_rank(x, _LAYOUT, 4)
        check_window(x, self.kernel_size, self.padding, (1, 1))
        return self.pool(x)

    def pool(self, x: Any) -> Any:
        """Pool a batch of images."""
        raise NotImplementedError(f"{type(self).__name__} must define pool(self, x).")

    def extra(self) -> str:
        """Give the window, then what differs from the defaults."""
        parts = [window_text(self.kernel_size)]
        if self.stride != self.kernel_size:
            parts.append(f"stride={window_text(self.stride)}")
        if self.padding != ((0, 0), (0, 0)):
            parts.append(f"padding={self.padding}")
        return ", ".join(parts)


@register("nn.MaxPool2d")
class MaxPool2d(Pooling):
    """Take the largest value of each window.

    y[n, c, i, j] = max_{u,v} x[n, c, i·sh + u - top, j·sw + v - left]

    Parameters
    ----------
    kernel_size : int or (height, width)
        Size of the window, in pixels.
    stride : int or (height, width), optional
        Pixels from one window to the next; by default windows touch.
    padding : int, (height, width) or ((top, bottom), (left, right))
        Pixels around the image which are never the largest; smaller than the window.

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
    Where several elements are the largest, the first one gets the gradient.
    Same as BigDL `SpatialMaxPooling` (0.13) and ONNX `MaxPool`-12.
    Native kernel: oneDNN pooling.

    Examples
    --------
    >>> import numpy as np
    >>> MaxPool2d(2)(np.arange(16, dtype="f4").reshape(1, 1, 4, 4))
    array([[[[ 5.,  7.],
             [13., 15.]]]], dtype=float32)
    """

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
    )

    def pool(self, x: Any) -> Any:
        """Take the largest value of each window."""
        return ops.max_pool2d(x, self.kernel_size, stride=self.stride, padding=self.padding)


@register("nn.AvgPool2d")
class AvgPool2d(Pooling):
    """Take the mean of each window.

    y[n, c, i, j] = 1/k · sum_{u,v} x[n, c, i·sh + u - top, j·sw + v - left], k = kh·kw

    Parameters
    ----------
    kernel_size : int or (height, width)
        Size of the window, in pixels.
    stride : int or (height, width), optional
        Pixels from one window to the next; by default windows touch.
    padding : int, (height, width) or ((top, bottom), (left, right))
        Zeros around the image; smaller than the window.
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
    Same as BigDL `SpatialAveragePooling` (0.13) and ONNX `AveragePool`-11 (count_include_pad=1).
    Native kernel: oneDNN pooling.

    Examples
    --------
    >>> import numpy as np
    >>> AvgPool2d(2)(np.arange(16, dtype="f4").reshape(1, 1, 4, 4))
    array([[[[ 2.5,  4.5],
             [10.5, 12.5]]]], dtype=float32)
    """

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

    def __init__(
        self,
        kernel_size: int | tuple[int, int],
        *,
        stride: int | tuple[int, int] | None = None,
        padding: int | tuple[int, int] | Sides = 0,
        include_padding: bool = True,
        name: str | None = None,
    ) -> None:
        super().__init__(kernel_size, stride=stride, padding=padding, name=name)
        self.include_padding = boolean("include_padding", include_padding)

    def pool(self, x: Any) -> Any:
        """Take the mean of each window."""
        return ops.avg_pool2d(
            x,
            self.kernel_size,
            stride=self.stride,
            padding=self.padding,
            include_padding=self.include_padding,
        )

    def extra(self) -> str:
        """Give the window, then what differs from the defaults."""
        return super().extra() + ("" if self.include_padding else ", include_padding=False")


class GlobalPooling(Module):
    """What pooling over the whole image shares; subclasses write `pool(x)`.

    Parameters
    ----------
    keep_axes : bool
        Whether height and width stay as axes of size 1.
    """

    def __init__(self, *, keep_axes: bool = False, name: str | None = None) -> None:
        super().__init__(name=name)
        self.keep_axes = boolean("keep_axes", keep_axes)

    def call(self, x: Any) -> Any:
        """Check the input and pool it."""
        x = floating(x)
        check_rank(x, _LAYOUT, 4)
        check_window(x, (1, 1), ((0, 0), (0, 0)), (1, 1))
        y = self.pool(x, (x.shape[2], x.shape[3]))
        return y if self.keep_axes else ops.reshape(y, (x.shape[0], x.shape[1]))

    def pool(self, x: Any, size: tuple[int, int]) -> Any:
        """Pool a batch of images of this size."""
        raise NotImplementedError(f"{type(self).__name__} must define pool(self, x, size).")

    def extra(self) -> str:
        """Give what differs from the defaults."""
        return "keep_axes=True" if self.keep_axes else ""


@register("nn.GlobalAvgPool2d")
class GlobalAvgPool2d(GlobalPooling):
    """Take the mean of each channel.

    y[n, c] = 1/(h·w) · sum_{i,j} x[n, c, i, j]

    Parameters
    ----------
    keep_axes : bool
        Whether height and width stay as axes of size 1.

    Shapes
    ------
    input : (batch, channels, height, width) float32
    output : (batch, channels), or (batch, channels, 1, 1) with `keep_axes`

    Raises
    ------
    ShapeError : in `call`, the input has not four axes or no pixels.

    Notes
    -----
    Same as BigDL `SpatialAveragePooling(globalPooling=True)` and ONNX `GlobalAveragePool`-1.
    Source: Lin, Chen, Yan 2014. Native kernel: oneDNN pooling.

    Examples
    --------
    >>> import numpy as np
    >>> GlobalAvgPool2d()(np.arange(8, dtype="f4").reshape(1, 2, 2, 2))
    array([[1.5, 5.5]], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: GlobalAvgPool2d(),
            inputs=((2, 3, 4, 5),),
            output=(2, 3),
            wrong=((2, 3), (2, 3, 0, 5)),
        ),
        Case(
            lambda rng: GlobalAvgPool2d(keep_axes=True),
            inputs=((2, 3, 4, 5),),
            output=(2, 3, 1, 1),
            wrong=((2, 3, 4),),
            sizes=("keep_axes=True",),
        ),
    )

    def pool(self, x: Any, size: tuple[int, int]) -> Any:
        """Take the mean of each channel."""
        return ops.avg_pool2d(x, size, stride=size, padding=((0, 0), (0, 0)), include_padding=True)


@register("nn.GlobalMaxPool2d")
class GlobalMaxPool2d(GlobalPooling):
    """Take the largest value of each channel.

    y[n, c] = max_{i,j} x[n, c, i, j]

    Parameters
    ----------
    keep_axes : bool
        Whether height and width stay as axes of size 1.

    Shapes
    ------
    input : (batch, channels, height, width) float32
    output : (batch, channels), or (batch, channels, 1, 1) with `keep_axes`

    Raises
    ------
    ShapeError : in `call`, the input has not four axes or no pixels.

    Notes
    -----
    Same as BigDL `SpatialMaxPooling` over the whole map and ONNX `GlobalMaxPool`-1.
    Native kernel: oneDNN pooling.

    Examples
    --------
    >>> import numpy as np
    >>> GlobalMaxPool2d()(np.arange(8, dtype="f4").reshape(1, 2, 2, 2))
    array([[3., 7.]], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: GlobalMaxPool2d(),
            inputs=((2, 3, 4, 5),),
            output=(2, 3),
            wrong=((2, 3), (2, 3, 4, 0)),
            kinks=True,
        ),
    )

    def pool(self, x: Any, size: tuple[int, int]) -> Any:
        """Take the largest value of each channel."""
        return ops.max_pool2d(x, size, stride=size, padding=((0, 0), (0, 0)))
