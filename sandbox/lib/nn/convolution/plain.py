"""Convolutions: filters that slide over images and series."""

from __future__ import annotations

from typing import Any, ClassVar, TypeAlias

import numpy as np

from ...core import Parameter, ops
from ...core.errors import ArgumentError
from ...core.validate import boolean, divides, one_of, padding_pairs, pair, positive_int
from .. import init
from ..case import Case
from ..checks import check_axis, check_rank, check_window, floating, window_text
from ..module import Module
from ..registry import register

Sides: TypeAlias = tuple[tuple[int, int], tuple[int, int]]
Padding: TypeAlias = int | str | tuple[int, int] | Sides


def same_padding(
    size: tuple[int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    dilation: tuple[int, int],
) -> Sides:
    """Give the padding that makes ceil(size / stride) outputs; an odd pixel goes to the end.

    Examples
    --------
    >>> same_padding((28, 28), (5, 4), (1, 1), (1, 1))
    ((2, 2), (1, 2))
    """
    sides = []
    for n, k, s, d in zip(size, kernel, stride, dilation, strict=True):
        total = max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0)
        sides.append((total // 2, total - total // 2))
    return sides[0], sides[1]


class Convolution(Module):
    """What convolutions over images share: sizes, weights, checks and repr.

    Subclasses tell `weight_shape()` and write `call`.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        *,
        stride: int | tuple[int, int] = 1,
        padding: Padding = 0,
        dilation: int | tuple[int, int] = 1,
        groups: int = 1,
        bias: bool = True,
        weight_init: str = init.DEFAULT,
        rng: np.random.Generator | int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self.in_channels = positive_int("in_channels", in_channels)
        self.out_channels = positive_int("out_channels", out_channels)
        self.kernel_size = pair("kernel_size", kernel_size)
        self.stride = pair("stride", stride)
        self.dilation = pair("dilation", dilation)
        if isinstance(padding, str) and padding != "same":
            raise ArgumentError(
                "`padding` must be 'same', an int, a pair (height, width), or "
                f"((top, bottom), (left, right)); got {padding!r}."
            )
        same = isinstance(padding, str)
        self.padding = "same" if same else padding_pairs("padding", padding)
        self.groups = divides("groups", groups, "in_channels", self.in_channels)
        divides("groups", groups, "out_channels", self.out_channels)
        self.weight = Parameter(
            init.draw(weight_init, self.weight_shape(), rng), "weight", copy=False
        )
        self.bias = (
            Parameter(init.zeros((self.out_channels,)), "bias") if boolean("bias", bias) else None
        )

    def weight_shape(self) -> tuple[int, ...]:
        """Give the shape of the weight."""
        return (self.out_channels, self.in_channels // self.groups, *self.kernel_size)

    def sides(self, height: int, width: int) -> Sides:
        """Give ((top, bottom), (left, right)) for an image of this size."""
        if isinstance(self.padding, str):
            size = (height, width)
            return same_padding(size, self.kernel_size, self.stride, self.dilation)
        return self.padding

    def checked(self, x: Any) -> Any:
        """Give a batch of images with `in_channels` as floats; refuse what is none."""
        x = floating(x, self.weight)
        layout = "(batch, channels, height, width)"
        gray = "Gray images? add the channel axis: x[:, None]."
        check_rank(x, layout, 4, cure=gray if len(x.shape) == 3 else "")
        got = x.shape[1]
        if got == 1:
            cure = "Gray images? use in_channels=1."
        elif x.shape[3] == self.in_channels:
            cure = "Channels last? turn it with x.transpose(0, 3, 1, 2)."
        else:
            cure = f"Use in_channels={got}."
        check_axis(x, 1, self.in_channels, "in_channels", cure)
        return x

    def extra(self) -> str:
        """Give channels and window, then what differs from the defaults."""
        parts = [f"{self.in_channels} -> {self.out_channels}", window_text(self.kernel_size)]
        if self.stride != (1, 1):
            parts.append(f"stride={window_text(self.stride)}")
        if self.padding == "same":
            parts.append("padding=same")
        elif self.padding != ((0, 0), (0, 0)):
            (top, bottom), (left, right) = self.sides(0, 0)
            even = top == bottom and left == right
            parts.append(f"padding={window_text((top, left)) if even else self.padding}")
        if self.dilation != (1, 1):
            parts.append(f"dilation={window_text(self.dilation)}")
        if self.groups != 1:
            parts.append(f"groups={self.groups}")
        if self.bias is None:
            parts.append("bias=False")
        return ", ".join(parts)


@register("nn.Conv2d")
class Conv2d(Convolution):
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
    padding : int, (height, width), ((top, bottom), (left, right)) or "same"
        Zeros around the image. "same" gives ceil(size / stride) outputs.
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
    Same as BigDL `SpatialConvolution`, `SpatialDilatedConvolution` (0.13) and ONNX `Conv`-11.
    Source: LeCun et al. 1998. Native kernel: oneDNN convolution.

    Examples
    --------
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

    def call(self, x: Any) -> Any:
        """Compute the convolution."""
        x = self.checked(x)
        padding = self.sides(x.shape[2], x.shape[3])
        check_window(x, self.kernel_size, padding, self.dilation)
        return ops.conv2d(
            x,
            self.weight,
            self.bias,
            stride=self.stride,
            padding=padding,
            dilation=self.dilation,
            groups=self.groups,
        )


@register("nn.Conv1d")
class Conv1d(Module):
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
    padding : int >= 0, (before, after), "same" or "causal"
        Zeros around the series. "same" gives ceil(length / stride) outputs; so does "causal",
        where no output sees a later step.
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
    Runs as a convolution over images of height 1. Steps first, as (batch, length, features)? turn
    it with `nn.Transpose((0, 2, 1))`.
    Same as BigDL `TemporalConvolution` (0.13, which takes steps first) and ONNX `Conv`-11.
    Native kernel: oneDNN convolution.

    Examples
    --------
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

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        stride: int = 1,
        padding: int | str | tuple[int, int] = 0,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = True,
        weight_init: str = init.DEFAULT,
        rng: np.random.Generator | int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self.in_channels = positive_int("in_channels", in_channels)
        self.out_channels = positive_int("out_channels", out_channels)
        self.kernel_size = positive_int("kernel_size", kernel_size)
        self.stride = positive_int("stride", stride)
        self.dilation = positive_int("dilation", dilation)
        if isinstance(padding, str):
            self.padding: str | tuple[int, int] = one_of("padding", padding, ("same", "causal"))
        else:
            self.padding = pair("padding", padding, minimum=0)
        self.groups = divides("groups", groups, "in_channels", self.in_channels)
        divides("groups", groups, "out_channels", self.out_channels)
        shape = (self.out_channels, self.in_channels // self.groups, self.kernel_size)
        self.weight = Parameter(init.draw(weight_init, shape, rng), "weight", copy=False)
        self.bias = (
            Parameter(init.zeros((self.out_channels,)), "bias") if boolean("bias", bias) else None
        )

    def ends(self, length: int) -> tuple[int, int]:
        """Give (before, after) for a series of this length."""
        if not isinstance(self.padding, str):
            return self.padding
        if self.padding == "causal":
            return self.dilation * (self.kernel_size - 1), 0
        kernel, stride, dilation = (1, self.kernel_size), (1, self.stride), (1, self.dilation)
        return same_padding((1, length), kernel, stride, dilation)[1]

    def call(self, x: Any) -> Any:
        """Compute the convolution."""
        x = floating(x, self.weight)
        check_rank(x, "(batch, channels, length)", 3)
        cure = "Steps first? turn it with nn.Transpose((0, 2, 1))."
        check_axis(x, 1, self.in_channels, "in_channels", cure)
        rows, channels, length = x.shape
        ends = self.ends(length)
        check_window(x, (self.kernel_size,), (ends,), (self.dilation,))
        y = ops.conv2d(
            ops.reshape(x, (rows, channels, 1, length)),
            ops.reshape(self.weight, (*self.weight.shape[:2], 1, self.kernel_size)),
            self.bias,
            stride=(1, self.stride),
            padding=((0, 0), ends),
            dilation=(1, self.dilation),
            groups=self.groups,
        )
        return ops.reshape(y, (rows, self.out_channels, y.shape[3]))

    def extra(self) -> str:
        """Give channels and window, then what differs from the defaults."""
        parts = [f"{self.in_channels} -> {self.out_channels}", f"{self.kernel_size}"]
        for key, default in (("stride", 1), ("padding", (0, 0)), ("dilation", 1), ("groups", 1)):
            if getattr(self, key) != default:
                parts.append(f"{key}={getattr(self, key)}")
        return ", ".join(parts) + ("" if self.bias is not None else ", bias=False")
