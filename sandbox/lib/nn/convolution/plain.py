"""Convolutions: filters that slide over series, images and volumes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from ...core import ops
from ..case import Case
from ..checks import check_window
from ..registry import register
from .base import Convolution


class _Plain(Convolution):
    """A convolution; subclasses name the operation."""

    operation: ClassVar[Callable[..., Any]]

    def call(self, x: Any) -> Any:
        """Compute the convolution."""
        x = self.checked(x)
        padding = self.sides(*x.shape[2:])
        check_window(x, self.kernel_size, padding, self.dilation)
        return self.operation(
            x,
            self.weight,
            self.bias,
            stride=self.stride,
            padding=padding,
            dilation=self.dilation,
            groups=self.groups,
        )


@register("nn.Conv1d")
class Conv1d(_Plain):
    """Slide `out_channels` filters over a batch of series.

    y[n, o, i] = b[o] + sum_{c,u} w[o, c, u] · x[n, c, i·s + u·d - p]

    Parameters
    ----------
    in_channels : int > 0
        Channels of the input: features of each step.
    out_channels : int > 0
        Filters, which are the channels of the output.
    kernel_size : int > 0
        Steps a filter sees.
    stride : int > 0
        Steps from one window to the next.
    padding : int >= 0, (before, after), "same", "causal" or "valid"
        Zeros around the series. "same" gives ceil(length / stride) outputs, an odd zero at the end;
        so many gives "causal" too, where no output sees a later step; "valid" is 0.
    dilation : int > 0
        Distance between the steps of one window.
    groups : int > 0
        Cut the channels in this many parts, each with its own filters.
    bias : bool
        Whether to add b.
    weight_init : str
        Rule of the first weights, see `nn.init`; biases start at 0.
    rng : Generator, int or None
        Where the first weights are drawn from; None takes fresh entropy.

    Shapes
    ------
    input : (batch, in_channels, length) float32
    output : (batch, out_channels, (length + before + after - d·(k - 1) - 1)//s + 1)
    weight : (out_channels, in_channels/groups, k)
    bias : (out_channels,)

    Raises
    ------
    ArgumentError : a size is not positive, or `groups` does not divide the channels.
    ShapeError : in `call`, the input has not three axes, its axis 1 is not `in_channels`, or the
        series is shorter than the window.

    Notes
    -----
    Same as BigDL `TemporalConvolution` (0.13, steps first), Keras `Conv1D`, `Convolution1D`,
    `AtrousConvolution1D`, `DepthwiseConv1D` (with groups), PyTorch `Conv1d` and ONNX `Conv`-11.
    Source: Waibel et al. 1989; van den Oord et al. 2016 (causal, dilated).
    Runs as a convolution over images of height 1. Steps first, as (batch, length, features)? turn
    it with `nn.Transpose((0, 2, 1))`. Native kernel: oneDNN convolution.

    Examples
    --------
    >>> import numpy as np
    >>> layer = Conv1d(4, 8, 3, padding="causal", rng=0)
    >>> layer
    Conv1d(4 -> 8, 3, padding=causal)
    >>> layer(np.ones((2, 4, 10), "f4")).shape
    (2, 8, 10)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: Conv1d(3, 4, 3, padding=(1, 0), rng=rng),
            inputs=((2, 3, 6),),
            output=(2, 4, 5),
            wrong=((2, 4, 6), (3, 6), (2, 3, 1)),
            wrong_axis=1,
            sizes=("3 -> 4", "3"),
        ),
        Case(
            lambda rng: Conv1d(4, 6, 2, stride=2, dilation=3, groups=2, bias=False, rng=rng),
            inputs=((2, 4, 9),),
            output=(2, 6, 3),
            wrong=((2, 4, 3),),
            wrong_axis=2,
            sizes=("stride=2", "dilation=3", "groups=2", "bias=False"),
        ),
        Case(
            lambda rng: Conv1d(2, 3, 4, stride=2, padding="same", rng=rng),
            inputs=((2, 2, 7),),
            output=(2, 3, 4),
            sizes=("padding=same",),
        ),
        Case(
            lambda rng: Conv1d(2, 3, 3, dilation=2, padding="causal", rng=rng),
            inputs=((2, 2, 4),),
            output=(2, 3, 4),
            sizes=("padding=causal",),
        ),
    )

    axes = 1
    words = ("same", "causal", "valid")
    operation = staticmethod(ops.conv1d)


@register("nn.Conv2d")
class Conv2d(_Plain):
    """Slide `out_channels` filters over a batch of images.

    y[n, o, i, j] = b[o] + sum_{c,u,v} w[o, c, u, v] · x[n, c, i·sh + u·dh - pt, j·sw + v·dw - pl]

    Parameters
    ----------
    in_channels : int > 0
        Channels of the input.
    out_channels : int > 0
        Filters, which are the channels of the output.
    kernel_size : int or (height, width)
        Size of the window, in pixels.
    stride : int or (height, width)
        Pixels from one window to the next.
    padding : int, (height, width), ((top, bottom), (left, right)), "same" or "valid"
        Zeros around the image. "same" gives ceil(size / stride) outputs, an odd row or column of
        zeros at the end; "valid" is 0.
    dilation : int or (height, width)
        Distance between the pixels of one window.
    groups : int > 0
        Cut the channels in this many parts, each with its own filters.
    bias : bool
        Whether to add b.
    weight_init : str
        Rule of the first weights, see `nn.init`; biases start at 0.
    rng : Generator, int or None
        Where the first weights are drawn from; None takes fresh entropy.

    Shapes
    ------
    input : (batch, in_channels, height, width) float32
    output : (batch, out_channels, (height + pt + pb - dh·(kh - 1) - 1)//sh + 1, same for width)
    weight : (out_channels, in_channels/groups, kh, kw)
    bias : (out_channels,)

    Raises
    ------
    ArgumentError : a size is not positive, or `groups` does not divide the channels.
    ShapeError : in `call`, the input has not four axes, its axis 1 is not `in_channels`, or the
        image is smaller than the window.

    Notes
    -----
    Same as BigDL `SpatialConvolution`, `SpatialShareConvolution`, `SpatialDilatedConvolution`
    (0.13, width first), Keras `Conv2D`, `Convolution2D`, `AtrousConvolution2D`, PyTorch `Conv2d`
    and ONNX `Conv`-11. Like Torch7 `SpatialConvolutionMM`: the same by a matrix product.
    Source: LeCun et al. 1998; Yu and Koltun 2016 (dilation). Native kernel: oneDNN convolution;
    memory is planned for the whole program, so no two layers hold buffers of their own.

    Examples
    --------
    >>> import numpy as np
    >>> layer = Conv2d(3, 8, 5, padding=2, rng=0)
    >>> layer
    Conv2d(3 -> 8, 5x5, padding=2x2)
    >>> layer(np.ones((1, 3, 28, 28), "f4")).shape
    (1, 8, 28, 28)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: Conv2d(3, 4, (3, 2), padding=((1, 0), (0, 1)), rng=rng),
            inputs=((2, 3, 5, 4),),
            output=(2, 4, 4, 4),
            wrong=((2, 1, 5, 4), (3, 5, 4)),
            wrong_axis=1,
            sizes=("3 -> 4", "3x2"),
        ),
        Case(
            lambda rng: Conv2d(4, 6, 3, stride=(2, 1), dilation=(1, 2), groups=2, rng=rng),
            inputs=((2, 4, 7, 6),),
            output=(2, 6, 3, 2),
            wrong=((2, 4, 2, 6),),
            wrong_axis=2,
            sizes=("4 -> 6", "3x3", "stride=2x1", "groups=2"),
        ),
        Case(
            lambda rng: Conv2d(2, 3, 3, stride=2, padding="same", bias=False, rng=rng),
            inputs=((2, 2, 6, 5),),
            output=(2, 3, 3, 3),
            wrong=((2, 3, 6, 5),),
            wrong_axis=1,
            sizes=("2 -> 3", "padding=same", "bias=False"),
        ),
    )

    axes = 2
    operation = staticmethod(ops.conv2d)


@register("nn.Conv3d")
class Conv3d(_Plain):
    """Slide `out_channels` filters over a batch of volumes: scans, or frames of a film.

    y[n, o, i] = b[o] + sum_{c,u} w[o, c, u] · x[n, c, i·s + u·d - p], with i and u over three axes

    Parameters
    ----------
    in_channels : int > 0
        Channels of the input.
    out_channels : int > 0
        Filters, which are the channels of the output.
    kernel_size : int or (depth, height, width)
        Size of the window.
    stride : int or (depth, height, width)
        Steps from one window to the next.
    padding : int, (depth, height, width), (before, after) for each axis, "same" or "valid"
        Zeros around the volume. "same" gives ceil(size / stride) outputs, an odd plane of zeros at
        the end; "valid" is 0.
    dilation : int or (depth, height, width)
        Distance between the elements of one window.
    groups : int > 0
        Cut the channels in this many parts, each with its own filters.
    bias : bool
        Whether to add b.
    weight_init : str
        Rule of the first weights, see `nn.init`; biases start at 0.
    rng : Generator, int or None
        Where the first weights are drawn from; None takes fresh entropy.

    Shapes
    ------
    input : (batch, in_channels, depth, height, width) float32
    output : (batch, out_channels, (depth + before + after - dd·(kd - 1) - 1)//sd + 1, ...)
    weight : (out_channels, in_channels/groups, kd, kh, kw)
    bias : (out_channels,)

    Raises
    ------
    ArgumentError : a size is not positive, or `groups` does not divide the channels.
    ShapeError : in `call`, the input has not five axes, its axis 1 is not `in_channels`, or the
        volume is smaller than the window.

    Notes
    -----
    Same as BigDL `VolumetricConvolution` (0.13, time, width, height), Keras `Conv3D`,
    `Convolution3D`, PyTorch `Conv3d` and ONNX `Conv`-11. Source: Ji et al. 2010; Tran et al. 2015.
    Native kernel: oneDNN convolution.

    Examples
    --------
    >>> import numpy as np
    >>> layer = Conv3d(1, 8, 3, stride=(1, 2, 2), padding="same", rng=0)
    >>> layer
    Conv3d(1 -> 8, 3x3x3, stride=1x2x2, padding=same)
    >>> layer(np.ones((2, 1, 4, 8, 8), "f4")).shape
    (2, 8, 4, 4, 4)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: Conv3d(2, 3, (2, 3, 2), padding=((1, 0), (0, 1), (1, 1)), rng=rng),
            inputs=((2, 2, 3, 4, 3),),
            output=(2, 3, 3, 3, 4),
            wrong=((2, 1, 3, 4, 3), (2, 3, 4, 3)),
            wrong_axis=1,
            sizes=("2 -> 3", "2x3x2"),
        ),
        Case(
            lambda rng: Conv3d(
                2, 4, 2, stride=(1, 2, 1), dilation=(1, 1, 2), groups=2, bias=False, rng=rng
            ),
            inputs=((2, 2, 3, 4, 4),),
            output=(2, 4, 2, 2, 2),
            wrong=((2, 2, 3, 1, 4),),
            wrong_axis=3,
            sizes=("stride=1x2x1", "dilation=1x1x2", "groups=2", "bias=False"),
        ),
    )

    axes = 3
    operation = staticmethod(ops.conv3d)
