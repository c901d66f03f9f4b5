"""Windows of images as columns, and images from such columns."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from ...core import ops
from ...core.errors import ShapeError
from ...core.validate import refuse, sides, window
from ..case import Case
from ..checks import check_axis, check_rank, check_window, floating
from ..module import Module
from ..registry import register
from .base import LAYOUTS, Padding, Sizes, window_parts


class _Windows(Module):
    """What both share: the window."""

    def __init__(
        self,
        kernel_size: int | Sizes,
        *,
        stride: int | Sizes = 1,
        padding: Padding = 0,
        dilation: int | Sizes = 1,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self.kernel_size = window("kernel_size", kernel_size, 2)
        self.stride = window("stride", stride, 2)
        self.padding = sides("padding", padding, 2)
        self.dilation = window("dilation", dilation, 2)

    def geometry(self) -> dict[str, Any]:
        """Give the arguments of the operations."""
        names = ("kernel_size", "stride", "padding", "dilation")
        return {name: getattr(self, name) for name in names}

    def extra(self) -> str:
        """Give the window, then what differs from the defaults."""
        parts = window_parts(self.kernel_size, self.stride, self.padding)
        if max(self.dilation) > 1:
            parts.append(f"dilation={self.dilation[0]}x{self.dilation[1]}")
        return ", ".join(parts)


@register("nn.Unfold")
class Unfold(_Windows):
    """Write each window of a batch of images as a column.

    y[n, (c, u, v), p] = x[n, c, i·sh + u·dh - pt, j·sw + v·dw - pl], with p = i · columns + j

    Parameters
    ----------
    kernel_size : int or (height, width)
        Size of the window, in pixels.
    stride : int or (height, width)
        Pixels from one window to the next.
    padding : int, (height, width) or ((top, bottom), (left, right))
        Zeros around the image.
    dilation : int or (height, width)
        Distance between the pixels of one window.

    Shapes
    ------
    input : (batch, channels, height, width) float32
    output : (batch, channels · kh · kw, places), places = rows · columns of a `Conv2d`'s output

    Raises
    ------
    ArgumentError : a size is not positive.
    ShapeError : in `call`, the input has not four axes, or the image is smaller than the window.

    Notes
    -----
    Same as PyTorch `Unfold`. Also called im2col: a convolution is a product with these columns.
    Source: Chellapilla et al. 2006. NumPy's kernel: all of it is copying.

    Examples
    --------
    >>> import numpy as np
    >>> Unfold((2, 3))(np.ones((1, 2, 4, 4), "f4")).shape
    (1, 12, 6)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: Unfold((2, 3), stride=(2, 1), padding=((1, 0), (0, 1)), dilation=(1, 2)),
            inputs=((2, 3, 4, 5),),
            output=(2, 18, 4),
            wrong=((2, 3, 4), (2, 3, 0, 5)),
            sizes=("2x3", "stride=2x1", "dilation=1x2"),
        ),
    )

    def call(self, x: Any) -> Any:
        """Copy the windows."""
        x = floating(x)
        check_rank(x, LAYOUTS[2], 4)
        check_window(x, self.kernel_size, self.padding, self.dilation)
        return ops.transpose(ops.unfold(x, **self.geometry()), (2, 1, 0))


@register("nn.Fold")
class Fold(_Windows):
    """Add each column where its window lies: the transpose of `Unfold`.

    y[n, c, i·sh + u·dh - pt, j·sw + v·dw - pl] += x[n, (c, u, v), p], with p = i · columns + j

    Parameters
    ----------
    output_size : int or (height, width)
        Size of the images that come out.
    kernel_size : int or (height, width)
        Size of the window, in pixels.
    stride : int or (height, width)
        Pixels from one window to the next.
    padding : int, (height, width) or ((top, bottom), (left, right))
        What is cut off around the images.
    dilation : int or (height, width)
        Distance between the pixels of one window.

    Shapes
    ------
    input : (batch, channels · kh · kw, places) float32
    output : (batch, channels, height, width)

    Raises
    ------
    ArgumentError : a size is not positive, or the window does not fit into the image.
    ShapeError : in `call`, the input has not three axes, or not so many rows and places.

    Notes
    -----
    Same as PyTorch `Fold`. Where windows overlap, what they hold is added up.
    NumPy's kernel: a sum of copies.

    Examples
    --------
    >>> import numpy as np
    >>> Fold((4, 4), (2, 3))(np.ones((1, 12, 6), "f4")).shape
    (1, 2, 4, 4)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: Fold((4, 5), (2, 3), stride=(2, 1), padding=(0, 1)),
            inputs=((2, 12, 10),),
            output=(2, 2, 4, 5),
            wrong=((2, 12, 9), (2, 13, 10), (12, 10)),
            sizes=("4x5", "2x3", "stride=2x1"),
        ),
    )

    def __init__(
        self,
        output_size: int | Sizes,
        kernel_size: int | Sizes,
        *,
        stride: int | Sizes = 1,
        padding: Padding = 0,
        dilation: int | Sizes = 1,
        name: str | None = None,
    ) -> None:
        super().__init__(kernel_size, stride=stride, padding=padding, dilation=dilation, name=name)
        self.output_size = window("output_size", output_size, 2)
        counts = [
            (size + sum(ends) - d * (k - 1) - 1) // step + 1
            for size, ends, k, step, d in zip(
                self.output_size,
                self.padding,
                self.kernel_size,
                self.stride,
                self.dilation,
                strict=True,
            )
        ]
        if min(counts) < 1:
            raise refuse("kernel_size", f"at most `output_size` = {self.output_size}", kernel_size)
        self.places = math.prod(counts)

    def call(self, x: Any) -> Any:
        """Add up the columns."""
        x = floating(x)
        check_rank(x, "(batch, channels · kh · kw, places)", 3)
        batch, rows, _ = x.shape
        area = math.prod(self.kernel_size)
        if rows % area:
            raise ShapeError(
                f"input axis 1 must be a multiple of {area} (elements of kernel_size); got {rows} "
                f"in shape {x.shape}."
            )
        check_axis(x, 2, self.places, "places of the window in output_size")
        shape = (batch, rows // area, *self.output_size)
        return ops.fold(ops.transpose(x, (2, 1, 0)), shape, **self.geometry())

    def extra(self) -> str:
        """Give the sizes, then what differs from the defaults."""
        return f"{self.output_size[0]}x{self.output_size[1]}, {super().extra()}"
