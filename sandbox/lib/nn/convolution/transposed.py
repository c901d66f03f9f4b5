"""The transposed convolution, which makes images larger."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ...core import ops
from ...core.errors import ArgumentError, ShapeError
from ...core.validate import pair, refuse
from .. import init
from ..case import Case
from ..checks import window_text
from ..registry import register
from .plain import Convolution, Sides


@register("nn.ConvTranspose2d")
class ConvTranspose2d(Convolution):
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
    padding : int, (height, width) or ((top, bottom), (left, right))
        Pixels that are cut off the output.
    output_padding : int or (height, width)
        Rows and columns behind the last window, less than the stride.
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
    The transpose of `Conv2d` with the same arguments; also called deconvolution.
    Same as BigDL `SpatialFullConvolution` (0.13) and ONNX `ConvTranspose`-11.
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

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        *,
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] | Sides = 0,
        output_padding: int | tuple[int, int] = 0,
        dilation: int | tuple[int, int] = 1,
        groups: int = 1,
        bias: bool = True,
        weight_init: str = init.DEFAULT,
        rng: np.random.Generator | int | None = None,
        name: str | None = None,
    ) -> None:
        if isinstance(padding, str):
            raise ArgumentError(
                "`padding` must be an int, a pair (height, width), or ((top, bottom), (left, "
                f"right)); got {padding!r}."
            )
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
        self.output_padding = pair("output_padding", output_padding, minimum=0)
        if any(e >= s for e, s in zip(self.output_padding, self.stride, strict=True)):
            raise refuse("output_padding", f"less than `stride` = {self.stride}", output_padding)

    def weight_shape(self) -> tuple[int, ...]:
        """Give the shape of the weight: input channels first."""
        return (self.in_channels, self.out_channels // self.groups, *self.kernel_size)

    def call(self, x: Any) -> Any:
        """Compute the transposed convolution."""
        x = self.checked(x)
        padding = self.sides(x.shape[2], x.shape[3])
        for k in (0, 1):
            reach = self.dilation[k] * (self.kernel_size[k] - 1) + self.output_padding[k]
            if (x.shape[2 + k] - 1) * self.stride[k] + reach < sum(padding[k]):
                raise ShapeError(
                    f"input axis {2 + k} must be larger: the padding takes away all of the "
                    f"output; got {x.shape[2 + k]} in shape {x.shape}. Use less padding."
                )
        return ops.conv_transpose2d(
            x,
            self.weight,
            self.bias,
            stride=self.stride,
            padding=padding,
            output_padding=self.output_padding,
            dilation=self.dilation,
            groups=self.groups,
        )

    def extra(self) -> str:
        """Give channels and window, then what differs from the defaults."""
        more = f", output_padding={window_text(self.output_padding)}"
        return super().extra() + (more if any(self.output_padding) else "")
