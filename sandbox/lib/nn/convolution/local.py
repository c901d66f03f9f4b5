"""Locally connected layers: filters of their own at each place."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from ...core import Parameter, ops
from ...core.errors import ArgumentError
from ...core.validate import boolean, positive_int, window
from .. import init
from ..case import Case
from ..checks import check_axis, floating, window_text
from ..module import Module
from ..registry import register
from .base import Padding, Sizes, check_images, check_padding, given_sides, window_parts

_NAMES = {1: ("length",), 2: ("height", "width")}


class _Local(Module):
    """What locally connected layers share; subclasses tell their `axes`.

    All places at once are one batched matrix product: (places, filters, window) times (places,
    window, batch).
    """

    axes: ClassVar[int]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        input_size: int | Sizes,
        kernel_size: int | Sizes,
        *,
        stride: int | Sizes = 1,
        padding: Padding = 0,
        bias: bool = True,
        weight_init: str = init.DEFAULT,
        rng: np.random.Generator | int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self.in_channels = positive_int("in_channels", in_channels)
        self.out_channels = positive_int("out_channels", out_channels)
        self.input_size = window("input_size", input_size, self.axes)
        self.kernel_size = window("kernel_size", kernel_size, self.axes)
        self.stride = window("stride", stride, self.axes)
        self.padding = given_sides(
            check_padding(padding, self.axes, ("same", "valid")),
            self.input_size,
            self.kernel_size,
            self.stride,
            (1,) * self.axes,
        )
        self.places = tuple(
            (size + sum(ends) - kernel) // step + 1
            for size, ends, kernel, step in zip(
                self.input_size, self.padding, self.kernel_size, self.stride, strict=True
            )
        )
        if min(self.places) < 1:
            raise ArgumentError(
                f"`kernel_size` must fit into `input_size` = {self.input_size} with padding "
                f"{self.padding}; got {self.kernel_size}."
            )
        filters = (self.out_channels, self.in_channels, *self.kernel_size)
        draws = init.generator(rng)
        weight = init.zeros((*self.places, *filters))
        for place in weight.reshape(-1, *filters):
            place[...] = init.draw(weight_init, filters, draws)
        self.weight = Parameter(weight, "weight", copy=False)
        self.bias = (
            Parameter(init.zeros((self.out_channels, *self.places)), "bias")
            if boolean("bias", bias)
            else None
        )

    def call(self, x: Any) -> Any:
        """Compute each place with its own filters."""
        x = check_images(floating(x, self.weight), self.axes, self.in_channels)
        for axis, (size, name) in enumerate(
            zip(self.input_size, _NAMES[self.axes], strict=True), start=2
        ):
            check_axis(x, axis, size, f"input_size, {name}")
        columns = ops.unfold(x, self.kernel_size, stride=self.stride, padding=self.padding)
        places = math.prod(self.places)
        filters = ops.reshape(self.weight, (places, self.out_channels, columns.shape[1]))
        y = ops.matmul(filters, columns)  # (places, filters, batch)
        y = ops.reshape(ops.transpose(y, (2, 1, 0)), (x.shape[0], self.out_channels, *self.places))
        return y if self.bias is None else ops.add(y, self.bias)

    def extra(self) -> str:
        """Give channels, sizes and window, then what differs from the defaults."""
        parts = [f"{self.in_channels} -> {self.out_channels}", f"of {window_text(self.input_size)}"]
        parts += window_parts(self.kernel_size, self.stride, self.padding)
        return ", ".join(parts) + ("" if self.bias is not None else ", bias=False")


@register("nn.LocallyConnected1d")
class LocallyConnected1d(_Local):
    """Apply filters of its own at each place of a batch of series.

    y[n, o, i] = b[o, i] + sum_{c,u} w[i, o, c, u] · x[n, c, i·s + u - p]

    Parameters
    ----------
    in_channels : int > 0
        Channels of the input: features of each step.
    out_channels : int > 0
        Filters at each place, which are the channels of the output.
    input_size : int > 0
        Length of the series, which must all be as long.
    kernel_size : int > 0
        Steps a filter sees.
    stride : int > 0
        Steps from one window to the next.
    padding : int >= 0, (before, after), "same" or "valid"
        Zeros around the series, as for `Conv1d`.
    bias : bool
        Whether to add b, one number for each filter at each place.
    weight_init : str
        Rule of the first weights of each place, see `nn.init`; biases start at 0.
    rng : Generator, int or None
        Where the first weights are drawn from; None takes fresh entropy.

    Shapes
    ------
    input : (batch, in_channels, input_size) float32
    output : (batch, out_channels, places), places = (input_size + before + after - k)//s + 1
    weight : (places, out_channels, in_channels, k)
    bias : (out_channels, places)

    Raises
    ------
    ArgumentError : a size is not positive, or the window does not fit into the series.
    ShapeError : in `call`, the input has not three axes, or not these sizes.

    Notes
    -----
    Same as BigDL `LocallyConnected1D` (0.13, steps first) and Keras `LocallyConnected1D`.
    A `Conv1d` without shared weights. Source: LeCun 1989. Native kernel: oneDNN matmul, over all
    places at once.

    Examples
    --------
    >>> layer = LocallyConnected1d(4, 8, 10, 3, rng=0)
    >>> layer
    LocallyConnected1d(4 -> 8, of 10, 3)
    >>> layer(np.ones((2, 4, 10), "f4")).shape
    (2, 8, 8)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: LocallyConnected1d(2, 3, 5, 3, stride=2, padding=(1, 2), rng=rng),
            inputs=((2, 2, 5),),
            output=(2, 3, 3),
            wrong=((2, 3, 5), (2, 5), (2, 2, 6)),
            wrong_axis=1,
            sizes=("2 -> 3", "of 5", "stride=2", "padding=(1, 2)"),
        ),
    )

    axes = 1


@register("nn.LocallyConnected2d")
class LocallyConnected2d(_Local):
    """Apply filters of its own at each place of a batch of images.

    y[n, o, i] = b[o, i] + sum_{c,u} w[i, o, c, u] · x[n, c, i·s + u - p], i and u over two axes

    Parameters
    ----------
    in_channels : int > 0
        Channels of the input.
    out_channels : int > 0
        Filters at each place, which are the channels of the output.
    input_size : int or (height, width)
        Size of the images, which must all be as large.
    kernel_size : int or (height, width)
        Size of the window, in pixels.
    stride : int or (height, width)
        Pixels from one window to the next.
    padding : int, (height, width), ((top, bottom), (left, right)), "same" or "valid"
        Zeros around the image, as for `Conv2d`.
    bias : bool
        Whether to add b, one number for each filter at each place.
    weight_init : str
        Rule of the first weights of each place, see `nn.init`; biases start at 0.
    rng : Generator, int or None
        Where the first weights are drawn from; None takes fresh entropy.

    Shapes
    ------
    input : (batch, in_channels, height, width) float32
    output : (batch, out_channels, rows, columns), rows = (height + pt + pb - kh)//sh + 1
    weight : (rows, columns, out_channels, in_channels, kh, kw)
    bias : (out_channels, rows, columns)

    Raises
    ------
    ArgumentError : a size is not positive, or the window does not fit into the image.
    ShapeError : in `call`, the input has not four axes, or not these sizes.

    Notes
    -----
    Same as BigDL `LocallyConnected2D` (0.13, width first) and Keras `LocallyConnected2D`.
    A `Conv2d` without shared weights. Source: LeCun 1989; Taigman et al. 2014. Native kernel:
    oneDNN matmul, over all places at once.

    Examples
    --------
    >>> layer = LocallyConnected2d(3, 8, (9, 7), 3, stride=2, rng=0)
    >>> layer
    LocallyConnected2d(3 -> 8, of 9x7, 3x3, stride=2x2)
    >>> layer(np.ones((2, 3, 9, 7), "f4")).shape
    (2, 8, 4, 3)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: LocallyConnected2d(
                2, 3, (4, 3), (2, 3), stride=(2, 1), padding=(0, 1), bias=False, rng=rng
            ),
            inputs=((2, 2, 4, 3),),
            output=(2, 3, 2, 3),
            wrong=((2, 3, 4, 3), (2, 4, 3), (2, 2, 4, 4)),
            wrong_axis=1,
            sizes=("2 -> 3", "of 4x3", "2x3", "bias=False"),
        ),
        Case(
            lambda rng: LocallyConnected2d(1, 2, 3, 2, padding="same", rng=rng),
            inputs=((1, 1, 3, 3),),
            output=(1, 2, 3, 3),
        ),
    )

    axes = 2
