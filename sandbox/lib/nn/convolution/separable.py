"""Convolutions in which channels do not see each other, or only at one place."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ...core.validate import positive_int
from .. import init
from ..case import Case
from ..module import Module
from ..registry import register
from .base import Padding, Sizes
from .plain import Conv1d, Conv2d


@register("nn.DepthwiseConv2d")
class DepthwiseConv2d(Conv2d):
    """Slide filters of its own over each channel of a batch of images.

    y[n, c·m + j, i] = b[c·m + j] + sum_u w[c·m + j, 0, u] · x[n, c, i·s + u·d - p], j < m

    Parameters
    ----------
    in_channels : int > 0
        Channels of the input.
    kernel_size : int or (height, width)
        Size of the window, in pixels.
    multiplier : int > 0
        Filters for each channel: m.
    stride : int or (height, width)
        Pixels from one window to the next.
    padding : int, (height, width), ((top, bottom), (left, right)), "same" or "valid"
        Zeros around the image, as for `Conv2d`.
    dilation : int or (height, width)
        Distance between the pixels of one window.
    bias : bool
        Whether to add b.
    weight_init : str
        Rule of the first weights, see `nn.init`; biases start at 0.
    rng : Generator, int or None
        Where the first weights are drawn from; None takes fresh entropy.

    Shapes
    ------
    input : (batch, in_channels, height, width) float32
    output : (batch, in_channels · multiplier, (height + pt + pb - dh·(kh - 1) - 1)//sh + 1, ...)
    weight : (in_channels · multiplier, 1, kh, kw)
    bias : (in_channels · multiplier,)

    Raises
    ------
    ArgumentError : a size is not positive.
    ShapeError : in `call`, the input has not four axes, its axis 1 is not `in_channels`, or the
        image is smaller than the window.

    Notes
    -----
    Same as Keras `DepthwiseConv2D`, PyTorch `Conv2d` (with groups) and ONNX `Conv`-11 (with group).
    A `Conv2d` with as many groups as channels. Source: Sifre 2014; Howard et al. 2017.
    Native kernel: oneDNN convolution.

    Examples
    --------
    >>> layer = DepthwiseConv2d(8, 3, multiplier=2, padding="same", rng=0)
    >>> layer
    DepthwiseConv2d(8 -> 16, 3x3, padding=same, groups=8)
    >>> layer(np.ones((1, 8, 6, 6), "f4")).shape
    (1, 16, 6, 6)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: DepthwiseConv2d(3, (3, 2), multiplier=2, stride=(1, 2), padding=1, rng=rng),
            inputs=((2, 3, 4, 5),),
            output=(2, 6, 4, 3),
            wrong=((2, 4, 4, 5), (3, 4, 5)),
            wrong_axis=1,
            sizes=("3 -> 6", "3x2"),
        ),
    )

    def __init__(
        self,
        in_channels: int,
        kernel_size: int | Sizes,
        *,
        multiplier: int = 1,
        stride: int | Sizes = 1,
        padding: Padding = 0,
        dilation: int | Sizes = 1,
        bias: bool = True,
        weight_init: str = init.DEFAULT,
        rng: np.random.Generator | int | None = None,
        name: str | None = None,
    ) -> None:
        channels = positive_int("in_channels", in_channels)
        self.multiplier = positive_int("multiplier", multiplier)
        super().__init__(
            channels,
            channels * self.multiplier,
            kernel_size,
            stride=stride,
            padding=padding,
            dilation=dilation,
            groups=channels,
            bias=bias,
            weight_init=weight_init,
            rng=rng,
            name=name,
        )


class _Separable(Module):
    """A filter for each channel, then a mix of channels at each place."""

    convolution: ClassVar[type[Conv1d | Conv2d]]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Sizes,
        *,
        multiplier: int = 1,
        stride: int | Sizes = 1,
        padding: Padding = 0,
        dilation: int | Sizes = 1,
        bias: bool = True,
        weight_init: str = init.DEFAULT,
        rng: np.random.Generator | int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        channels = positive_int("in_channels", in_channels)
        inner = channels * positive_int("multiplier", multiplier)
        draws = init.generator(rng)
        self.depthwise = self.convolution(
            channels,
            inner,
            kernel_size,
            stride=stride,
            padding=padding,
            dilation=dilation,
            groups=channels,
            bias=False,
            weight_init=weight_init,
            rng=draws,
        )
        self.pointwise = self.convolution(
            inner, out_channels, 1, bias=bias, weight_init=weight_init, rng=draws
        )

    def call(self, x: Any) -> Any:
        """Compute both convolutions."""
        return self.pointwise(self.depthwise(x))


@register("nn.SeparableConv1d")
class SeparableConv1d(_Separable):
    """Slide filters over each channel of a batch of series alone, then mix the channels.

    y = pointwise(depthwise(x)): a `Conv1d` with groups = in_channels, then one with kernel_size = 1

    Parameters
    ----------
    in_channels : int > 0
        Channels of the input.
    out_channels : int > 0
        Channels of the output.
    kernel_size : int > 0
        Steps a filter sees.
    multiplier : int > 0
        Filters for each channel.
    stride : int > 0
        Steps from one window to the next.
    padding : int >= 0, (before, after), "same", "causal" or "valid"
        Zeros around the series, as for `Conv1d`.
    dilation : int > 0
        Distance between the steps of one window.
    bias : bool
        Whether to add a bias behind the mix.
    weight_init : str
        Rule of the first weights, see `nn.init`; biases start at 0.
    rng : Generator, int or None
        Where the first weights are drawn from; None takes fresh entropy.

    Shapes
    ------
    input : (batch, in_channels, length) float32
    output : (batch, out_channels, (length + before + after - d·(k - 1) - 1)//s + 1)
    depthwise.weight : (in_channels · multiplier, 1, k)
    pointwise.weight : (out_channels, in_channels · multiplier, 1)
    pointwise.bias : (out_channels,)

    Raises
    ------
    ArgumentError : a size is not positive.
    ShapeError : in `call`, the input has not three axes, its axis 1 is not `in_channels`, or the
        series is shorter than the window.

    Notes
    -----
    Same as Keras `SeparableConv1D`. Source: Sifre 2014; Chollet 2017.
    Native kernel: oneDNN convolution.

    Examples
    --------
    >>> layer = SeparableConv1d(4, 8, 3, padding="causal", rng=0)
    >>> layer
    SeparableConv1d(
      depthwise: Conv1d(4 -> 4, 3, padding=causal, groups=4, bias=False)
      pointwise: Conv1d(4 -> 8, 1)
    )
    >>> layer(np.ones((2, 4, 10), "f4")).shape
    (2, 8, 10)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: SeparableConv1d(3, 4, 3, multiplier=2, stride=2, padding="same", rng=rng),
            inputs=((2, 3, 5),),
            output=(2, 4, 3),
            wrong=((2, 4, 5), (3, 5)),
            wrong_axis=1,
            sizes=("3 -> 6", "6 -> 4", "padding=same"),
        ),
    )

    convolution = Conv1d


@register("nn.SeparableConv2d")
class SeparableConv2d(_Separable):
    """Slide filters over each channel of a batch of images alone, then mix the channels.

    y = pointwise(depthwise(x)): a `DepthwiseConv2d`, then a `Conv2d` with kernel_size = 1

    Parameters
    ----------
    in_channels : int > 0
        Channels of the input.
    out_channels : int > 0
        Channels of the output.
    kernel_size : int or (height, width)
        Size of the window, in pixels.
    multiplier : int > 0
        Filters for each channel.
    stride : int or (height, width)
        Pixels from one window to the next.
    padding : int, (height, width), ((top, bottom), (left, right)), "same" or "valid"
        Zeros around the image, as for `Conv2d`.
    dilation : int or (height, width)
        Distance between the pixels of one window.
    bias : bool
        Whether to add a bias behind the mix.
    weight_init : str
        Rule of the first weights, see `nn.init`; biases start at 0.
    rng : Generator, int or None
        Where the first weights are drawn from; None takes fresh entropy.

    Shapes
    ------
    input : (batch, in_channels, height, width) float32
    output : (batch, out_channels, (height + pt + pb - dh·(kh - 1) - 1)//sh + 1, same for width)
    depthwise.weight : (in_channels · multiplier, 1, kh, kw)
    pointwise.weight : (out_channels, in_channels · multiplier, 1, 1)
    pointwise.bias : (out_channels,)

    Raises
    ------
    ArgumentError : a size is not positive.
    ShapeError : in `call`, the input has not four axes, its axis 1 is not `in_channels`, or the
        image is smaller than the window.

    Notes
    -----
    Same as BigDL `SpatialSeparableConvolution` (0.13, width first), Keras `SeparableConv2D`,
    `SeparableConvolution2D`. Source: Sifre 2014; Chollet 2017.
    Native kernel: oneDNN convolution.

    Examples
    --------
    >>> layer = SeparableConv2d(3, 8, 5, padding=2, rng=0)
    >>> layer
    SeparableConv2d(
      depthwise: Conv2d(3 -> 3, 5x5, padding=2x2, groups=3, bias=False)
      pointwise: Conv2d(3 -> 8, 1x1)
    )
    >>> layer(np.ones((1, 3, 9, 9), "f4")).shape
    (1, 8, 9, 9)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: SeparableConv2d(3, 4, (2, 3), multiplier=2, bias=False, rng=rng),
            inputs=((2, 3, 4, 5),),
            output=(2, 4, 3, 3),
            wrong=((2, 4, 4, 5), (3, 4, 5)),
            wrong_axis=1,
            sizes=("3 -> 6", "6 -> 4", "2x3", "bias=False"),
        ),
    )

    convolution = Conv2d
