"""Pooling of whole maps, whatever their size."""

from __future__ import annotations

from typing import Any, ClassVar

from ..case import Case
from ..registry import register
from .average import POOLS as MEANS
from .maximum import POOLS as MAXIMA
from .windows import GlobalPooling


@register("nn.GlobalAvgPool1d")
class GlobalAvgPool1d(GlobalPooling):
    """Take the mean of each channel.

    y[n, c] = 1/l · sum_{i} x[n, c, i]

    Parameters
    ----------
    keep_axes : bool
        Whether the pooled axes stay, of size 1.

    Shapes
    ------
    input : (batch, channels, length) float32
    output : (batch, channels), or (batch, channels, 1) with `keep_axes`

    Raises
    ------
    ShapeError : in `call`, the input has not three axes or no elements.

    Notes
    -----
    Same as Keras `GlobalAveragePooling1D`, PyTorch `AdaptiveAvgPool1d` (1) and ONNX
    `GlobalAveragePool`-1. Native kernel: oneDNN pooling.

    Examples
    --------
    >>> import numpy as np
    >>> GlobalAvgPool1d()(np.arange(8, dtype="f4").reshape(1, 2, 4))
    array([[1.5, 5.5]], dtype=float32)
    """

    axes = 1
    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: GlobalAvgPool1d(),
            inputs=((2, 3, 5),),
            output=(2, 3),
            wrong=((2, 3), (2, 3, 0)),
        ),
    )

    def pool(self, x: Any, size: tuple[int, ...]) -> Any:
        """Take the mean of each channel."""
        return MEANS[1](x, size)


@register("nn.GlobalAvgPool2d")
class GlobalAvgPool2d(GlobalPooling):
    """Take the mean of each channel.

    y[n, c] = 1/(h·w) · sum_{i,j} x[n, c, i, j]

    Parameters
    ----------
    keep_axes : bool
        Whether the pooled axes stay, of size 1.

    Shapes
    ------
    input : (batch, channels, height, width) float32
    output : (batch, channels), or (batch, channels, 1, 1) with `keep_axes`

    Raises
    ------
    ShapeError : in `call`, the input has not four axes or no elements.

    Notes
    -----
    Same as BigDL `SpatialAveragePooling` (globalPooling=True), Keras `GlobalAveragePooling2D`,
    PyTorch `AdaptiveAvgPool2d` (1) and ONNX `GlobalAveragePool`-1. Source: Lin, Chen, Yan 2014.
    Native kernel: oneDNN pooling.

    Examples
    --------
    >>> import numpy as np
    >>> GlobalAvgPool2d()(np.arange(8, dtype="f4").reshape(1, 2, 2, 2))
    array([[1.5, 5.5]], dtype=float32)
    """

    axes = 2
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

    def pool(self, x: Any, size: tuple[int, ...]) -> Any:
        """Take the mean of each channel."""
        return MEANS[2](x, size)


@register("nn.GlobalAvgPool3d")
class GlobalAvgPool3d(GlobalPooling):
    """Take the mean of each channel.

    y[n, c] = 1/(d·h·w) · sum_{i,j,k} x[n, c, i, j, k]

    Parameters
    ----------
    keep_axes : bool
        Whether the pooled axes stay, of size 1.

    Shapes
    ------
    input : (batch, channels, depth, height, width) float32
    output : (batch, channels), or (batch, channels, 1, 1, 1) with `keep_axes`

    Raises
    ------
    ShapeError : in `call`, the input has not five axes or no elements.

    Notes
    -----
    Same as Keras `GlobalAveragePooling3D`, PyTorch `AdaptiveAvgPool3d` (1) and ONNX
    `GlobalAveragePool`-1. Native kernel: oneDNN pooling.

    Examples
    --------
    >>> import numpy as np
    >>> GlobalAvgPool3d()(np.arange(8, dtype="f4").reshape(1, 2, 1, 2, 2))
    array([[1.5, 5.5]], dtype=float32)
    """

    axes = 3
    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: GlobalAvgPool3d(),
            inputs=((2, 3, 2, 4, 2),),
            output=(2, 3),
            wrong=((2, 3), (2, 3, 0, 4, 2)),
        ),
    )

    def pool(self, x: Any, size: tuple[int, ...]) -> Any:
        """Take the mean of each channel."""
        return MEANS[3](x, size)


@register("nn.GlobalMaxPool1d")
class GlobalMaxPool1d(GlobalPooling):
    """Take the largest element of each channel.

    y[n, c] = max_{i} x[n, c, i]

    Parameters
    ----------
    keep_axes : bool
        Whether the pooled axes stay, of size 1.

    Shapes
    ------
    input : (batch, channels, length) float32
    output : (batch, channels), or (batch, channels, 1) with `keep_axes`

    Raises
    ------
    ShapeError : in `call`, the input has not three axes or no elements.

    Notes
    -----
    Same as Keras `GlobalMaxPooling1D`, PyTorch `AdaptiveMaxPool1d` (1) and ONNX
    `GlobalMaxPool`-1. Like BigDL `TemporalMaxPooling` (-1): steps are last here.
    Native kernel: oneDNN pooling.

    Examples
    --------
    >>> import numpy as np
    >>> GlobalMaxPool1d()(np.arange(8, dtype="f4").reshape(1, 2, 4))
    array([[3., 7.]], dtype=float32)
    """

    axes = 1
    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: GlobalMaxPool1d(),
            inputs=((2, 3, 5),),
            output=(2, 3),
            wrong=((2, 3), (2, 3, 0)),
            kinks=True,
        ),
    )

    def pool(self, x: Any, size: tuple[int, ...]) -> Any:
        """Take the largest element of each channel."""
        return MAXIMA[1](x, size)


@register("nn.GlobalMaxPool2d")
class GlobalMaxPool2d(GlobalPooling):
    """Take the largest element of each channel.

    y[n, c] = max_{i,j} x[n, c, i, j]

    Parameters
    ----------
    keep_axes : bool
        Whether the pooled axes stay, of size 1.

    Shapes
    ------
    input : (batch, channels, height, width) float32
    output : (batch, channels), or (batch, channels, 1, 1) with `keep_axes`

    Raises
    ------
    ShapeError : in `call`, the input has not four axes or no elements.

    Notes
    -----
    Same as BigDL `SpatialMaxPooling` over the whole map, Keras `GlobalMaxPooling2D`, PyTorch
    `AdaptiveMaxPool2d` (1) and ONNX `GlobalMaxPool`-1. Native kernel: oneDNN pooling.

    Examples
    --------
    >>> import numpy as np
    >>> GlobalMaxPool2d()(np.arange(8, dtype="f4").reshape(1, 2, 2, 2))
    array([[3., 7.]], dtype=float32)
    """

    axes = 2
    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: GlobalMaxPool2d(),
            inputs=((2, 3, 4, 5),),
            output=(2, 3),
            wrong=((2, 3), (2, 3, 0, 5)),
            kinks=True,
        ),
        Case(
            lambda rng: GlobalMaxPool2d(keep_axes=True),
            inputs=((2, 3, 4, 5),),
            output=(2, 3, 1, 1),
            wrong=((2, 3, 4),),
            kinks=True,
            sizes=("keep_axes=True",),
        ),
    )

    def pool(self, x: Any, size: tuple[int, ...]) -> Any:
        """Take the largest element of each channel."""
        return MAXIMA[2](x, size)


@register("nn.GlobalMaxPool3d")
class GlobalMaxPool3d(GlobalPooling):
    """Take the largest element of each channel.

    y[n, c] = max_{i,j,k} x[n, c, i, j, k]

    Parameters
    ----------
    keep_axes : bool
        Whether the pooled axes stay, of size 1.

    Shapes
    ------
    input : (batch, channels, depth, height, width) float32
    output : (batch, channels), or (batch, channels, 1, 1, 1) with `keep_axes`

    Raises
    ------
    ShapeError : in `call`, the input has not five axes or no elements.

    Notes
    -----
    Same as Keras `GlobalMaxPooling3D`, PyTorch `AdaptiveMaxPool3d` (1) and ONNX
    `GlobalMaxPool`-1. Native kernel: oneDNN pooling.

    Examples
    --------
    >>> import numpy as np
    >>> GlobalMaxPool3d()(np.arange(8, dtype="f4").reshape(1, 2, 1, 2, 2))
    array([[3., 7.]], dtype=float32)
    """

    axes = 3
    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: GlobalMaxPool3d(),
            inputs=((2, 3, 2, 4, 2),),
            output=(2, 3),
            wrong=((2, 3), (2, 3, 0, 4, 2)),
            kinks=True,
        ),
    )

    def pool(self, x: Any, size: tuple[int, ...]) -> Any:
        """Take the largest element of each channel."""
        return MAXIMA[3](x, size)
