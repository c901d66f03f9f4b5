"""The convolution in which a table tells which channel sees which."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np

from ...core import ops
from ...core.errors import ArgumentError
from ...core.validate import integers, positive_int, several
from .. import init
from ..case import Case
from ..checks import check_window
from ..registry import register
from .base import Convolution, Padding, Rng, Sizes

Table = tuple[tuple[int, int], ...]


@register("nn.ConvolutionMap")
class ConvolutionMap(Convolution):
    """Slide filters over a batch of images; a table tells which channels each output sees.

    y[n, o, i, j] = b[o] + sum over k with connections[k] = (c, o) of sum_{u,v} w[k, u, v] · window

    Parameters
    ----------
    in_channels : int > 0
        Channels of the input.
    out_channels : int > 0
        Filters, which are the channels of the output.
    connections : list of (input channel, output channel)
        Which is connected with which, counted from 0; each pair once.
    kernel_size : int or (height, width)
        Size of the window, in pixels.
    stride : int or (height, width)
        Pixels from one window to the next.
    padding : int, (height, width), ((top, bottom), (left, right)), "same" or "valid"
        Zeros around the image, as for `Conv2d`.
    dilation : int or (height, width)
        Distance between the pixels of one window.
    bias : bool
        Whether to add b.
    weight_init : str
        Rule of the first weights, for each output with as many inputs as it has; see `nn.init`.
    rng : Generator, int or None
        Where the first weights are drawn from; None takes fresh entropy.

    Shapes
    ------
    input : (batch, in_channels, height, width) float32
    output : (batch, out_channels, (height + pt + pb - dh·(kh - 1) - 1)//sh + 1, same for width)
    weight : (connections, kh, kw)
    bias : (out_channels,)

    Raises
    ------
    ArgumentError : a size is not positive, or a connection is none or there twice.
    ShapeError : in `call`, the input has not four axes, its axis 1 is not `in_channels`, or the
        image is smaller than the window.

    Notes
    -----
    Same as BigDL `SpatialConvolutionMap` (0.13, width first, counted from 1) and Torch7
    `SpatialConvolutionMap`. Source: LeCun et al. 1998 (layer C3 of LeNet-5). Computed as a
    `Conv2d` whose other weights are 0. Native kernel: oneDNN convolution.

    Examples
    --------
    >>> layer = ConvolutionMap(3, 2, [(0, 0), (1, 0), (2, 1)], 5, rng=0)
    >>> layer
    ConvolutionMap(3 -> 2, 5x5, 3 connections)
    >>> layer(np.ones((1, 3, 8, 8), "f4")).shape
    (1, 2, 4, 4)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: ConvolutionMap(
                3, 4, ((0, 0), (1, 0), (2, 1), (0, 3), (2, 3)), (2, 3), padding=(0, 1), rng=rng
            ),
            inputs=((2, 3, 4, 3),),
            output=(2, 4, 3, 3),
            wrong=((2, 1, 4, 3), (3, 4, 3)),
            wrong_axis=1,
            sizes=("3 -> 4", "2x3", "5 connections"),
        ),
    )

    axes = 2

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        connections: Iterable[tuple[int, int]],
        kernel_size: int | Sizes,
        *,
        stride: int | Sizes = 1,
        padding: Padding = 0,
        dilation: int | Sizes = 1,
        bias: bool = True,
        weight_init: str = init.DEFAULT,
        rng: Rng = None,
        name: str | None = None,
    ) -> None:
        sizes = (
            positive_int("in_channels", in_channels),
            positive_int("out_channels", out_channels),
        )
        self.connections = _checked(connections, *sizes)
        # Where the filter of (output, input) is; behind the last one there are zeros.
        self._places = np.full(sizes[::-1], len(self.connections))
        for k, (source, target) in enumerate(self.connections):
            self._places[target, source] = k
        super().__init__(
            *sizes,
            kernel_size,
            stride=stride,
            padding=padding,
            dilation=dilation,
            bias=bias,
            weight_init=weight_init,
            rng=rng,
            name=name,
        )

    def first_weight(self, rule: str, rng: Rng) -> init.Array:
        """Draw the filters of one output after the other: each has its own number of inputs."""
        draws = init.generator(rng)
        weight = init.zeros(self.weight_shape())
        targets = np.array([target for _, target in self.connections])
        for target in np.unique(targets):
            mine = np.flatnonzero(targets == target)
            weight[mine] = init.draw(rule, (1, len(mine), *self.kernel_size), draws)[0]
        return weight

    def weight_shape(self) -> tuple[int, ...]:
        """Give the shape of the weight: a filter for each connection."""
        return (len(self.connections), *self.kernel_size)

    def call(self, x: Any) -> Any:
        """Compute the convolution with the filters in their places."""
        x = self.checked(x)
        padding = self.sides(*x.shape[2:])
        check_window(x, self.kernel_size, padding, self.dilation)
        count, height, width = self.weight.shape
        filters = ops.reshape(self.weight, (count, height * width))
        nothing = np.zeros((1, height * width), self.weight.dtype)
        placed = ops.embedding(self._places, ops.concat([filters, nothing], axis=0))
        return ops.conv2d(
            x,
            ops.reshape(placed, (self.out_channels, self.in_channels, height, width)),
            self.bias,
            stride=self.stride,
            padding=padding,
            dilation=self.dilation,
        )

    def extra(self) -> str:
        """Give channels, window and connections, then what differs from the defaults."""
        channels, window, *rest = super().extra().split(", ", 2)
        return ", ".join([channels, window, f"{len(self.connections)} connections", *rest])


def _checked(connections: Any, inputs: int, outputs: int) -> Table:
    cure = "Each must be (input channel, output channel), counted from 0, and be there once."
    found: list[tuple[int, int]] = []
    for item in several("connections", connections, "a list of pairs of channels", cure):
        link = integers("connections", item, "a list of pairs of channels", 0)
        if len(link) != 2 or link[0] >= inputs or link[1] >= outputs or link in found:
            raise ArgumentError(
                f"`connections` must hold pairs (input channel < {inputs}, output channel < "
                f"{outputs}); got {link}. {cure}"
            )
        found.append((link[0], link[1]))
    if not found:
        raise ArgumentError("`connections` must hold at least one pair; got none.")
    return tuple(found)
