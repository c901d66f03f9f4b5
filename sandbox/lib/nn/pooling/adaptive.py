"""Pooling to maps of a given size."""

from __future__ import annotations

from typing import Any, ClassVar, TypeAlias

from ...core import ops
from ...core.validate import boolean, refuse, window
from ..case import Case
from ..checks import check_rank, check_window, floating
from ..convolution.base import LAYOUTS
from ..module import Module
from ..registry import register

Wanted: TypeAlias = int | tuple[int | None, ...] | None


class AdaptivePooling(Module):
    """What pooling to a given size shares; subclasses tell their `axes` and write `pool(x)`."""

    axes: ClassVar[int]

    def __init__(self, output_size: Wanted, *, name: str | None = None) -> None:
        super().__init__(name=name)
        several = isinstance(output_size, list | tuple)
        items = tuple(output_size) if several else (output_size,) * self.axes  # type: ignore[arg-type]
        if len(items) != self.axes:
            raise refuse("output_size", f"an int, or {self.axes} of them or None", output_size)
        given = window("output_size", tuple(1 if n is None else n for n in items), self.axes)
        self.output_size = tuple(
            None if item is None else n for item, n in zip(items, given, strict=True)
        )

    def call(self, x: Any) -> Any:
        """Check the input and pool it."""
        x = floating(x)
        check_rank(x, LAYOUTS[self.axes], 2 + self.axes)
        check_window(x, (1,) * self.axes, ((0, 0),) * self.axes, (1,) * self.axes)
        return self.pool(x)

    def pool(self, x: Any) -> Any:
        """Pool a batch of maps."""
        raise NotImplementedError(f"{type(self).__name__} must define pool(self, x).")

    def extra(self) -> str:
        """Give the size; a star is an axis that stays as it is."""
        return "x".join("*" if n is None else str(n) for n in self.output_size)


class AdaptiveMean(AdaptivePooling):
    """What adaptive average poolings share."""

    def pool(self, x: Any) -> Any:
        """Take the mean of each window."""
        return ops.adaptive_avg_pool(x, self.output_size)


class AdaptiveMaximum(AdaptivePooling):
    """What adaptive max poolings share."""

    def __init__(
        self, output_size: Wanted, *, return_index: bool = False, name: str | None = None
    ) -> None:
        super().__init__(output_size, name=name)
        self.return_index = boolean("return_index", return_index)

    def pool(self, x: Any) -> Any:
        """Take the largest element of each window."""
        if self.return_index:
            return ops.adaptive_max_pool_with_index(x, self.output_size)
        return ops.adaptive_max_pool(x, self.output_size)

    def extra(self) -> str:
        """Give the size, then what differs from the defaults."""
        return super().extra() + (", return_index=True" if self.return_index else "")


@register("nn.AdaptiveAvgPool1d")
class AdaptiveAvgPool1d(AdaptiveMean):
    """Take the mean of each of a given number of windows of a series.

    y_i = mean of x_k, floor(i·n/m) <= k < ceil((i + 1)·n/m), for m windows over n elements

    Parameters
    ----------
    output_size : int or None
        How many windows; None keeps the axis as it is.

    Shapes
    ------
    input : (batch, channels, length) float32
    output : (batch, channels, output_size)

    Raises
    ------
    ArgumentError : a size is not positive.
    ShapeError : in `call`, the input has not three axes or no elements.

    Notes
    -----
    Same as PyTorch `AdaptiveAvgPool1d`.
    Equal windows (whose size divides the input's) are oneDNN's, others NumPy's.

    Examples
    --------
    >>> import numpy as np
    >>> AdaptiveAvgPool1d(2)(np.arange(5, dtype="f4").reshape(1, 1, 5))
    array([[[1., 3.]]], dtype=float32)
    """

    axes = 1
    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: AdaptiveAvgPool1d(3),
            inputs=((2, 3, 7),),
            output=(2, 3, 3),
            wrong=((2, 3), (2, 3, 0)),
            sizes=("3",),
        ),
    )


@register("nn.AdaptiveAvgPool2d")
class AdaptiveAvgPool2d(AdaptiveMean):
    """Take the mean of each of a given number of windows.

    y_i = mean of x_k, floor(i·n/m) <= k < ceil((i + 1)·n/m), for m windows over n elements

    Parameters
    ----------
    output_size : int or (height, width)
        How many windows; None keeps an axis as it is.

    Shapes
    ------
    input : (batch, channels, height, width) float32
    output : (batch, channels, *output_size)

    Raises
    ------
    ArgumentError : a size is not positive.
    ShapeError : in `call`, the input has not four axes or no elements.

    Notes
    -----
    Same as PyTorch `AdaptiveAvgPool2d`.
    Equal windows (whose size divides the input's) are oneDNN's, others NumPy's.

    Examples
    --------
    >>> import numpy as np
    >>> AdaptiveAvgPool2d((1, 2))(np.arange(5, dtype="f4").reshape(1, 1, 1, 5))
    array([[[[1., 3.]]]], dtype=float32)
    """

    axes = 2
    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: AdaptiveAvgPool2d((2, 3)),
            inputs=((2, 3, 5, 7),),
            output=(2, 3, 2, 3),
            wrong=((2, 3, 5), (2, 3, 0, 7)),
            sizes=("2x3",),
        ),
        Case(
            lambda rng: AdaptiveAvgPool2d((2, None)),
            inputs=((2, 3, 4, 3),),
            output=(2, 3, 2, 3),
            sizes=("2x*",),
        ),
    )


@register("nn.AdaptiveAvgPool3d")
class AdaptiveAvgPool3d(AdaptiveMean):
    """Take the mean of each of a given number of windows of a volume.

    y_i = mean of x_k, floor(i·n/m) <= k < ceil((i + 1)·n/m), for m windows over n elements

    Parameters
    ----------
    output_size : int or (depth, height, width)
        How many windows; None keeps an axis as it is.

    Shapes
    ------
    input : (batch, channels, depth, height, width) float32
    output : (batch, channels, *output_size)

    Raises
    ------
    ArgumentError : a size is not positive.
    ShapeError : in `call`, the input has not five axes or no elements.

    Notes
    -----
    Same as PyTorch `AdaptiveAvgPool3d`.
    Equal windows (whose size divides the input's) are oneDNN's, others NumPy's.

    Examples
    --------
    >>> import numpy as np
    >>> AdaptiveAvgPool3d((1, 1, 2))(np.arange(5, dtype="f4").reshape(1, 1, 1, 1, 5))
    array([[[[[1., 3.]]]]], dtype=float32)
    """

    axes = 3
    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: AdaptiveAvgPool3d((2, 2, 3)),
            inputs=((2, 2, 3, 4, 5),),
            output=(2, 2, 2, 2, 3),
            wrong=((2, 2, 3, 4), (2, 2, 0, 4, 5)),
            sizes=("2x2x3",),
        ),
    )


@register("nn.AdaptiveMaxPool1d")
class AdaptiveMaxPool1d(AdaptiveMaximum):
    """Take the largest element of each of a given number of windows of a series.

    y_i = max of x_k, floor(i·n/m) <= k < ceil((i + 1)·n/m), for m windows over n elements

    Parameters
    ----------
    output_size : int or None
        How many windows; None keeps the axis as it is.
    return_index : bool
        Whether to give where the largest elements are, as well, counted row by row.

    Shapes
    ------
    input : (batch, channels, length) float32
    output : (batch, channels, output_size)
    index : like the output, int64, with `return_index`

    Raises
    ------
    ArgumentError : a size is not positive.
    ShapeError : in `call`, the input has not three axes or no elements.

    Notes
    -----
    Same as PyTorch `AdaptiveMaxPool1d`.
    Equal windows (whose size divides the input's) are oneDNN's, others NumPy's.

    Examples
    --------
    >>> import numpy as np
    >>> AdaptiveMaxPool1d(2)(np.arange(5, dtype="f4").reshape(1, 1, 5))
    array([[[2., 4.]]], dtype=float32)
    """

    axes = 1
    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: AdaptiveMaxPool1d(3),
            inputs=((2, 3, 7),),
            output=(2, 3, 3),
            wrong=((2, 3), (2, 3, 0)),
            kinks=True,
            sizes=("3",),
        ),
    )


@register("nn.AdaptiveMaxPool2d")
class AdaptiveMaxPool2d(AdaptiveMaximum):
    """Take the largest element of each of a given number of windows.

    y_i = max of x_k, floor(i·n/m) <= k < ceil((i + 1)·n/m), for m windows over n elements

    Parameters
    ----------
    output_size : int or (height, width)
        How many windows; None keeps an axis as it is.
    return_index : bool
        Whether to give where the largest elements are, as well, counted row by row.

    Shapes
    ------
    input : (batch, channels, height, width) float32
    output : (batch, channels, *output_size)
    index : like the output, int64, with `return_index`

    Raises
    ------
    ArgumentError : a size is not positive.
    ShapeError : in `call`, the input has not four axes or no elements.

    Notes
    -----
    Same as PyTorch `AdaptiveMaxPool2d`.
    Equal windows (whose size divides the input's) are oneDNN's, others NumPy's.

    Examples
    --------
    >>> import numpy as np
    >>> AdaptiveMaxPool2d((1, 2))(np.arange(5, dtype="f4").reshape(1, 1, 1, 5))
    array([[[[2., 4.]]]], dtype=float32)
    """

    axes = 2
    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: AdaptiveMaxPool2d((2, 3)),
            inputs=((2, 3, 5, 7),),
            output=(2, 3, 2, 3),
            wrong=((2, 3, 5), (2, 3, 0, 7)),
            kinks=True,
            sizes=("2x3",),
        ),
        Case(
            lambda rng: AdaptiveMaxPool2d((2, None)),
            inputs=((2, 3, 4, 3),),
            output=(2, 3, 2, 3),
            kinks=True,
            sizes=("2x*",),
        ),
    )


@register("nn.AdaptiveMaxPool3d")
class AdaptiveMaxPool3d(AdaptiveMaximum):
    """Take the largest element of each of a given number of windows of a volume.

    y_i = max of x_k, floor(i·n/m) <= k < ceil((i + 1)·n/m), for m windows over n elements

    Parameters
    ----------
    output_size : int or (depth, height, width)
        How many windows; None keeps an axis as it is.
    return_index : bool
        Whether to give where the largest elements are, as well, counted row by row.

    Shapes
    ------
    input : (batch, channels, depth, height, width) float32
    output : (batch, channels, *output_size)
    index : like the output, int64, with `return_index`

    Raises
    ------
    ArgumentError : a size is not positive.
    ShapeError : in `call`, the input has not five axes or no elements.

    Notes
    -----
    Same as PyTorch `AdaptiveMaxPool3d`.
    Equal windows (whose size divides the input's) are oneDNN's, others NumPy's.

    Examples
    --------
    >>> import numpy as np
    >>> AdaptiveMaxPool3d((1, 1, 2))(np.arange(5, dtype="f4").reshape(1, 1, 1, 1, 5))
    array([[[[[2., 4.]]]]], dtype=float32)
    """

    axes = 3
    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: AdaptiveMaxPool3d((2, 2, 3)),
            inputs=((2, 2, 3, 4, 5),),
            output=(2, 2, 2, 2, 3),
            wrong=((2, 2, 3, 4), (2, 2, 0, 4, 5)),
            kinks=True,
            sizes=("2x2x3",),
        ),
    )
