"""Transposed convolutions, which make series, images and volumes larger."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from ...core import ops
from ...core.errors import ShapeError
from ...core.validate import refuse, window
from .. import init
from ..case import Case
from ..checks import window_text
from ..registry import register
from .base import Convolution, Padding, Sides, Sizes


class _Transposed(Convolution):
    """A transposed convolution; subclasses name the operation."""

    operation: ClassVar[Callable[..., Any]]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Sizes,
        *,
        stride: int | Sizes = 1,
        padding: Padding = 0,
        output_padding: int | Sizes = 0,
        dilation: int | Sizes = 1,
        groups: int = 1,
        bias: bool = True,
        weight_init: str = init.DEFAULT,
        rng: np.random.Generator | int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride=stride,
            padding=padding,
            dilation=dilation,
            groups=groups,
            bias=bias,
            weight_init=weight_init,
            rng=rng,
            name=name,
        )
        self.output_padding = window("output_padding", output_padding, self.axes, minimum=0)
        if any(e >= s for e, s in zip(self.output_padding, self.stride, strict=True)):
            raise refuse("output_padding", f"less than `stride` = {self.stride}", output_padding)
        if self.padding == "same" and any(self.output_padding):
            raise refuse("output_padding", "0 with padding='same'", output_padding)

    def weight_shape(self) -> tuple[int, ...]:
        """Give the shape of the weight: input channels first."""
        return (self.in_channels, self.out_channels // self.groups, *self.kernel_size)

    def ends(self) -> tuple[Sides, Sizes]:
        """Give what is cut off (before, after) on each axis, and what is added behind it."""
        if not isinstance(self.padding, str):
            return self.padding, self.output_padding
        # size · stride outputs remain: the transpose of a convolution with this padding
        more = [
            d * (k - 1) + 1 - s
            for k, s, d in zip(self.kernel_size, self.stride, self.dilation, strict=True)
        ]
        cut = tuple((max(m, 0) // 2, max(m, 0) - max(m, 0) // 2) for m in more)
        return cut, tuple(max(-m, 0) for m in more)

    def call(self, x: Any) -> Any:
        """Compute the transposed convolution."""
        x = self.checked(x)
        padding, extra = self.ends()
        for k in range(self.axes):
            if not x.shape[2 + k]:
                raise ShapeError(f"input axis {2 + k} must be > 0; got shape {x.shape}.")
            reach = self.dilation[k] * (self.kernel_size[k] - 1) + extra[k]
            if (x.shape[2 + k] - 1) * self.stride[k] + reach < sum(padding[k]):
                raise ShapeError(
                    f"input axis {2 + k} must be larger: the padding takes away all of the "
                    f"output; got {x.shape[2 + k]} in shape {x.shape}. Use less padding."
                )
        return self.operation(
            x,
            self.weight,
            self.bias,
            stride=self.stride,
            padding=padding,
            output_padding=extra,
            dilation=self.dilation,
            groups=self.groups,
        )

    def extra(self) -> str:
        """Give channels and window, then what differs from the defaults."""
        more = f", output_padding={window_text(self.output_padding)}"
        return super().extra() + (more if any(self.output_padding) else "")


@register("nn.ConvTranspose1d")
class ConvTranspose1d(_Transposed):
    """Spread each step over a window, to make series longer.

    y[n, o, i·s + u·d - p] = b[o] + sum of w[c, o, u] · x[n, c, i]

    Parameters
    ----------
    in_channels : int > 0
        Channels of the input.
    out_channels : int > 0
        Channels of the output.
    kernel_size : int > 0
        Steps of a window.
    stride : int > 0
        Steps from one window to the next: how many times longer the series becomes.
    padding : int, (before, after), "same" or "valid"
        Steps that are cut off the output. "same" leaves length · stride of them; "valid" is 0.
    output_padding : int
        Steps behind the last window, less than the stride; 0 with "same".
    dilation : int > 0
        Distance between the steps of one window.
    groups : int > 0
        Cut the channels in this many parts, each with its own filters.
    bias : bool
        Whether to add b.
    weight_init : str
        Rule of the first weights, see `nn.init`.
    rng : Generator, int or None
        Where the first weights are drawn from; None takes fresh entropy.

    Shapes
    ------
    input : (batch, in_channels, length) float32
    output : (batch, out_channels, (length - 1)·s - before - after + d·(k - 1) + extra + 1)
    weight : (in_channels, out_channels/groups, k)
    bias : (out_channels,)

    Raises
    ------
    ArgumentError : a size is not positive, `groups` does not divide the channels, or
        `output_padding` is not less than the stride.
    ShapeError : in `call`, the input has not three axes, its axis 1 is not `in_channels`, or the
        padding takes away all of the output.

    Notes
    -----
    Same as Keras `Conv1DTranspose`, PyTorch `ConvTranspose1d` and ONNX `ConvTranspose`-11.
    The transpose of `Conv1d` with the same arguments. Source: Zeiler et al. 2010.
    Native kernel: oneDNN convolution, gradient by its data.

    Examples
    --------
    >>> layer = ConvTranspose1d(8, 3, 4, stride=2, padding=1, rng=0)
    >>> layer
    ConvTranspose1d(8 -> 3, 4, stride=2, padding=1)
    >>> layer(np.ones((1, 8, 7), "f4")).shape
    (1, 3, 14)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: ConvTranspose1d(
                4, 6, 3, stride=2, padding=(1, 0), output_padding=1, dilation=2, groups=2, rng=rng
            ),
            inputs=((2, 4, 3),),
            output=(2, 6, 9),
            wrong=((2, 3, 3), (4, 3)),
            wrong_axis=1,
            sizes=("4 -> 6", "stride=2", "output_padding=1", "groups=2"),
        ),
        Case(
            lambda rng: ConvTranspose1d(2, 3, 3, stride=4, padding="same", bias=False, rng=rng),
            inputs=((2, 2, 3),),
            output=(2, 3, 12),
            sizes=("padding=same", "bias=False"),
        ),
    )

    axes = 1
    operation = staticmethod(ops.conv_transpose1d)


@register("nn.ConvTranspose2d")
class ConvTranspose2d(_Transposed):
    """Spread each pixel over a window, to make images larger.

    y[n, o, i·sh + u·dh - pt, j·sw + v·dw - pl] = b[o] + sum of w[c, o, u, v] · x[n, c, i, j]

    Parameters
    ----------
    in_channels : int > 0
        Channels of the input.
    out_channels : int > 0
        Channels of the output.
    kernel_size : int or (height, width)
        Size of the window, in pixels.
    stride : int or (height, width)
        Pixels from one window to the next: how many times larger the image becomes.
    padding : int, (height, width), ((top, bottom), (left, right)), "same" or "valid"
        Pixels that are cut off the output. "same" leaves size · stride of them; "valid" is 0.
    output_padding : int or (height, width)
        Rows and columns behind the last window, less than the stride; 0 with "same".
    dilation : int or (height, width)
        Distance between the pixels of one window.
    groups : int > 0
        Cut the channels in this many parts, each with its own filters.
    bias : bool
        Whether to add b.
    weight_init : str
        Rule of the first weights, see `nn.init`; "bilinear" enlarges images smoothly.
    rng : Generator, int or None
        Where the first weights are drawn from; None takes fresh entropy.

    Shapes
    ------
    input : (batch, in_channels, height, width) float32
    output : (batch, out_channels, (height - 1)·sh - pt - pb + dh·(kh - 1) + extra + 1, ...)
    weight : (in_channels, out_channels/groups, kh, kw)
    bias : (out_channels,)

    Raises
    ------
    ArgumentError : a size is not positive, `groups` does not divide the channels, or
        `output_padding` is not less than the stride.
    ShapeError : in `call`, the input has not four axes, its axis 1 is not `in_channels`, or the
        padding takes away all of the output.

    Notes
    -----
    Same as BigDL `SpatialFullConvolution` (0.13, width first; its adj is `output_padding`), Keras
    `Conv2DTranspose`, `Deconvolution2D`, PyTorch `ConvTranspose2d` and ONNX `ConvTranspose`-11.
    The transpose of `Conv2d` with the same arguments; also called deconvolution.
    Source: Zeiler et al. 2010. Native kernel: oneDNN convolution, gradient by its data.

    Examples
    --------
    >>> layer = ConvTranspose2d(8, 3, 2, stride=2, rng=0)
    >>> layer
    ConvTranspose2d(8 -> 3, 2x2, stride=2x2)
    >>> layer(np.ones((1, 8, 7, 7), "f4")).shape
    (1, 3, 14, 14)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: ConvTranspose2d(3, 4, (3, 2), stride=(2, 1), padding=(1, 0), rng=rng),
            inputs=((2, 3, 3, 4),),
            output=(2, 4, 5, 5),
            wrong=((2, 4, 3, 4), (3, 3, 4)),
            wrong_axis=1,
            sizes=("3 -> 4", "3x2", "stride=2x1"),
        ),
        Case(
            lambda rng: ConvTranspose2d(
                4, 6, 3, stride=2, output_padding=1, dilation=(1, 2), groups=2, rng=rng
            ),
            inputs=((2, 4, 2, 3),),
            output=(2, 6, 6, 10),
            sizes=("output_padding=1x1", "groups=2"),
        ),
        Case(
            lambda rng: ConvTranspose2d(2, 1, 2, padding=1, bias=False, rng=rng),
            inputs=((2, 2, 3, 2),),
            output=(2, 1, 2, 1),
            wrong=((2, 2, 1, 2),),
            wrong_axis=2,
            sizes=("2 -> 1", "bias=False"),
        ),
    )

    axes = 2
    operation = staticmethod(ops.conv_transpose2d)


@register("nn.ConvTranspose3d")
class ConvTranspose3d(_Transposed):
    """Spread each element over a window, to make volumes larger.

    y[n, o, i·s + u·d - p] = b[o] + sum of w[c, o, u] · x[n, c, i], with i and u over three axes

    Parameters
    ----------
    in_channels : int > 0
        Channels of the input.
    out_channels : int > 0
        Channels of the output.
    kernel_size : int or (depth, height, width)
        Size of the window.
    stride : int or (depth, height, width)
        Steps from one window to the next: how many times larger the volume becomes.
    padding : int, (depth, height, width), (before, after) for each axis, "same" or "valid"
        What is cut off the output. "same" leaves size · stride; "valid" is 0.
    output_padding : int or (depth, height, width)
        What is added behind the last window, less than the stride; 0 with "same".
    dilation : int or (depth, height, width)
        Distance between the elements of one window.
    groups : int > 0
        Cut the channels in this many parts, each with its own filters.
    bias : bool
        Whether to add b.
    weight_init : str
        Rule of the first weights, see `nn.init`.
    rng : Generator, int or None
        Where the first weights are drawn from; None takes fresh entropy.

    Shapes
    ------
    input : (batch, in_channels, depth, height, width) float32
    output : (batch, out_channels, (depth - 1)·sd - before - after + dd·(kd - 1) + extra + 1, ...)
    weight : (in_channels, out_channels/groups, kd, kh, kw)
    bias : (out_channels,)

    Raises
    ------
    ArgumentError : a size is not positive, `groups` does not divide the channels, or
        `output_padding` is not less than the stride.
    ShapeError : in `call`, the input has not five axes, its axis 1 is not `in_channels`, or the
        padding takes away all of the output.

    Notes
    -----
    Same as BigDL `VolumetricFullConvolution` (0.13, time, width, height; its adj is
    `output_padding`), Keras `Conv3DTranspose`, PyTorch `ConvTranspose3d` and ONNX
    `ConvTranspose`-11. The transpose of `Conv3d` with the same arguments.
    Source: Zeiler et al. 2010. Native kernel: oneDNN convolution, gradient by its data.

    Examples
    --------
    >>> layer = ConvTranspose3d(8, 3, 2, stride=2, rng=0)
    >>> layer
    ConvTranspose3d(8 -> 3, 2x2x2, stride=2x2x2)
    >>> layer(np.ones((1, 8, 3, 4, 4), "f4")).shape
    (1, 3, 6, 8, 8)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: ConvTranspose3d(
                2, 4, (2, 3, 2), stride=(1, 2, 2), padding=(0, 1, 0), output_padding=(0, 1, 0),
                groups=2, rng=rng,
            ),
            inputs=((2, 2, 2, 2, 3),),
            output=(2, 4, 3, 4, 6),
            wrong=((2, 3, 2, 2, 3), (2, 2, 2, 3)),
            wrong_axis=1,
            sizes=("2 -> 4", "2x3x2", "stride=1x2x2", "groups=2"),
        ),
        Case(
            lambda rng: ConvTranspose3d(2, 3, 2, dilation=(1, 2, 1), padding=(0, 1, 0), rng=rng),
            inputs=((1, 2, 1, 2, 2),),
            output=(1, 3, 2, 2, 3),
            sizes=("dilation=1x2x1",),
        ),
    )  # fmt: skip

    axes = 3
    operation = staticmethod(ops.conv_transpose3d)
