"""Un-pooling: from pooled maps back to large ones."""

from __future__ import annotations

from typing import Any, ClassVar

from ...core import ops
from ...core.validate import sides, window
from ..case import Case
from ..checks import check_rank, floating, window_text
from ..convolution.base import LAYOUTS
from ..module import Module
from ..registry import register
from .windows import Sizes


class Unpooling(Module):
    """What un-pooling over any number of axes shares; subclasses tell their `axes`."""

    axes: ClassVar[int]

    def __init__(
        self,
        kernel_size: Sizes,
        *,
        stride: Sizes | None = None,
        padding: Any = 0,
        output_size: Sizes | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self.kernel_size = window("kernel_size", kernel_size, self.axes)
        self.stride = self.kernel_size if stride is None else window("stride", stride, self.axes)
        self.padding = sides("padding", padding, self.axes)
        self.output_size = (
            None if output_size is None else window("output_size", output_size, self.axes)
        )

    def call(self, x: Any, index: Any) -> Any:
        """Put the elements where they were."""
        x = floating(x)
        check_rank(x, LAYOUTS[self.axes], 2 + self.axes)
        size = self.output_size
        if size is None:
            window = zip(x.shape[2:], self.kernel_size, self.stride, self.padding, strict=True)
            size = tuple((n - 1) * step + k - sum(ends) for n, k, step, ends in window)
        return ops.max_unpool(x, index, size)

    def extra(self) -> str:
        """Give the window, then what differs from the defaults."""
        parts = [window_text(self.kernel_size)]
        if self.stride != self.kernel_size:
            parts.append(f"stride={window_text(self.stride)}")
        if any(map(any, self.padding)):
            parts.append(f"padding={self.padding if self.axes > 1 else self.padding[0]}")
        if self.output_size is not None:
            parts.append(f"output_size={window_text(self.output_size)}")
        return ", ".join(parts)


@register("nn.MaxUnpool1d")
class MaxUnpool1d(Unpooling):
    """Put each element back where max pooling took it from, zeros elsewhere.

    y[n, c, index[n, c, i]] = x[n, c, i]

    Parameters
    ----------
    kernel_size : int
        Size of the pooling's window.
    stride : int, optional
        Of the pooling; by default its windows touch.
    padding : int, (before, after)
        Of the pooling.
    output_size : int, optional
        Size of the map, which its pooling does not always tell; by default the smallest.

    Shapes
    ------
    input : (batch, channels, length) float32
    index : like the input, whole numbers: the places which max pooling gives with `return_index`
    output : (batch, channels, (size - 1)·stride + kernel - padding of each axis)

    Raises
    ------
    ArgumentError : a size is not positive.
    ShapeError : in `call`, the input has not three axes, or the index another shape.
    DataError : in `call`, an index lies outside of the map.

    Notes
    -----
    Same as PyTorch `MaxUnpool1d` and ONNX `MaxUnpool`-11. Places of one map should differ, as those
    of windows that do not overlap: of several elements for one place the last is there.

    Examples
    --------
    >>> import numpy as np
    >>> MaxUnpool1d(2)(np.array([[[4.0, 3.0]]], "f4"), np.array([[[1, 2]]]))
    array([[[0., 4., 3., 0.]]], dtype=float32)
    """

    axes = 1
    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: MaxUnpool1d(2),
            inputs=((2, 3, 1), (2, 3, 1)),
            output=(2, 3, 2),
            integers=(None, (0, 2)),
            wrong=((2, 3, 2), (2, 3, 1)),
            sizes=("2",),
        ),
    )


@register("nn.MaxUnpool2d")
class MaxUnpool2d(Unpooling):
    """Put each element back where max pooling took it from, zeros elsewhere.

    y[n, c, index[n, c, i]] = x[n, c, i], places counted row by row

    Parameters
    ----------
    kernel_size : int or (height, width)
        Size of the pooling's window.
    stride : int or (height, width), optional
        Of the pooling; by default its windows touch.
    padding : int or one for each axis
        Of the pooling.
    output_size : int or (height, width), optional
        Size of the map, which its pooling does not always tell; by default the smallest.

    Shapes
    ------
    input : (batch, channels, height, width) float32
    index : like the input, whole numbers: the places which max pooling gives with `return_index`
    output : (batch, channels, (size - 1)·stride + kernel - padding of each axis)

    Raises
    ------
    ArgumentError : a size is not positive.
    ShapeError : in `call`, the input has not four axes, or the index another shape.
    DataError : in `call`, an index lies outside of the map.

    Notes
    -----
    Same as PyTorch `MaxUnpool2d` and ONNX `MaxUnpool`-11. Places of one map should differ, as those
    of windows that do not overlap: of several elements for one place the last is there.

    Examples
    --------
    >>> import numpy as np
    >>> MaxUnpool2d(2)(np.array([[[[4.0, 3.0]]]], "f4"), np.array([[[[1, 6]]]]))
    array([[[[0., 4., 0., 0.],
             [0., 0., 3., 0.]]]], dtype=float32)
    """

    axes = 2
    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: MaxUnpool2d(2),
            inputs=((2, 3, 1, 1), (2, 3, 1, 1)),
            output=(2, 3, 2, 2),
            integers=(None, (0, 4)),
            wrong=((2, 3, 1, 2), (2, 3, 1, 1)),
            sizes=("2x2",),
        ),
    )


@register("nn.MaxUnpool3d")
class MaxUnpool3d(Unpooling):
    """Put each element back where max pooling took it from, zeros elsewhere.

    y[n, c, index[n, c, i]] = x[n, c, i], places counted row by row

    Parameters
    ----------
    kernel_size : int or (depth, height, width)
        Size of the pooling's window.
    stride : int or (depth, height, width), optional
        Of the pooling; by default its windows touch.
    padding : int or one for each axis
        Of the pooling.
    output_size : int or (depth, height, width), optional
        Size of the map, which its pooling does not always tell; by default the smallest.

    Shapes
    ------
    input : (batch, channels, depth, height, width) float32
    index : like the input, whole numbers: the places which max pooling gives with `return_index`
    output : (batch, channels, (size - 1)·stride + kernel - padding of each axis)

    Raises
    ------
    ArgumentError : a size is not positive.
    ShapeError : in `call`, the input has not five axes, or the index another shape.
    DataError : in `call`, an index lies outside of the map.

    Notes
    -----
    Same as PyTorch `MaxUnpool3d` and ONNX `MaxUnpool`-11. Places of one map should differ, as those
    of windows that do not overlap: of several elements for one place the last is there.

    Examples
    --------
    >>> import numpy as np
    >>> MaxUnpool3d(2)(np.array([[[[[4.0]]]]], "f4"), np.array([[[[[5]]]]]))
    array([[[[[0., 0.],
              [0., 0.]],
    <BLANKLINE>
             [[0., 4.],
              [0., 0.]]]]], dtype=float32)
    """

    axes = 3
    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: MaxUnpool3d(2),
            inputs=((2, 2, 1, 1, 1), (2, 2, 1, 1, 1)),
            output=(2, 2, 2, 2, 2),
            integers=(None, (0, 8)),
            wrong=((2, 2, 1, 1, 2), (2, 2, 1, 1, 1)),
            sizes=("2x2x2",),
        ),
    )
