"""What convolutions over one, two and three axes share: sizes, weights, padding, checks, repr."""

from __future__ import annotations

from typing import Any, ClassVar, TypeAlias

import numpy as np

from ...core import Parameter
from ...core.errors import ArgumentError
from ...core.validate import boolean, divides, positive_int, sides, window
from .. import init
from ..checks import check_axis, check_rank, floating, window_text
from ..module import Module

Sizes: TypeAlias = tuple[int, ...]
Sides: TypeAlias = tuple[tuple[int, int], ...]
Padding: TypeAlias = int | str | tuple[int, ...] | Sides
Rng: TypeAlias = np.random.Generator | int | None

LAYOUTS = {
    1: "(batch, channels, length)",
    2: "(batch, channels, height, width)",
    3: "(batch, channels, depth, height, width)",
}
_TURNED = {
    1: "Steps first? turn it with nn.Transpose((0, 2, 1)).",
    2: "Channels last? turn it with x.transpose(0, 3, 1, 2).",
    3: "Channels last? turn it with x.transpose(0, 4, 1, 2, 3).",
}


def same_padding(size: Sizes, kernel: Sizes, stride: Sizes, dilation: Sizes) -> Sides:
    """Give the padding that makes ceil(size / stride) outputs; an odd element goes to the end.

    Examples
    --------
    >>> same_padding((28, 28), (5, 4), (1, 1), (1, 1))
    ((2, 2), (1, 2))
    >>> same_padding((28,), (3,), (2,), (1,))
    ((0, 1),)
    """
    found = []
    for n, k, s, d in zip(size, kernel, stride, dilation, strict=True):
        total = max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0)
        found.append((total // 2, total - total // 2))
    return tuple(found)


class Convolution(Module):
    """What convolutions share: sizes, weights, checks and repr.

    Subclasses tell their `axes`, which words they take as `padding`, and write `call`.
    """

    axes: ClassVar[int]
    words: ClassVar[tuple[str, ...]] = ("same", "valid")

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Sizes,
        *,
        stride: int | Sizes = 1,
        padding: Padding = 0,
        dilation: int | Sizes = 1,
        groups: int = 1,
        bias: bool = True,
        weight_init: str = init.DEFAULT,
        rng: Rng = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self.in_channels = positive_int("in_channels", in_channels)
        self.out_channels = positive_int("out_channels", out_channels)
        self.kernel_size = window("kernel_size", kernel_size, self.axes)
        self.stride = window("stride", stride, self.axes)
        self.dilation = window("dilation", dilation, self.axes)
        self.padding = check_padding(padding, self.axes, self.words)
        self.groups = divides("groups", groups, "in_channels", self.in_channels)
        divides("groups", groups, "out_channels", self.out_channels)
        self.weight = Parameter(self.first_weight(weight_init, rng), "weight", copy=False)
        self.bias = (
            Parameter(init.zeros((self.out_channels,)), "bias") if boolean("bias", bias) else None
        )

    def weight_shape(self) -> tuple[int, ...]:
        """Give the shape of the weight."""
        return (self.out_channels, self.in_channels // self.groups, *self.kernel_size)

    def first_weight(self, rule: str, rng: Rng) -> init.Array:
        """Draw the first weight."""
        return init.draw(rule, self.weight_shape(), rng)

    def sides(self, *size: int) -> Sides:
        """Give (before, after) for each axis of an image of this size."""
        return given_sides(self.padding, size, self.kernel_size, self.stride, self.dilation)

    def checked(self, x: Any) -> Any:
        """Give a batch of images with `in_channels` as floats; refuse what is none."""
        return check_images(floating(x, self.weight), self.axes, self.in_channels)

    def extra(self) -> str:
        """Give channels and window, then what differs from the defaults."""
        channels = f"{self.in_channels} -> {self.out_channels}"
        parts = [channels, *window_parts(self.kernel_size, self.stride, self.padding)]
        if max(self.dilation) > 1:
            parts.append(f"dilation={window_text(self.dilation)}")
        if self.groups != 1:
            parts.append(f"groups={self.groups}")
        if self.bias is None:
            parts.append("bias=False")
        return ", ".join(parts)


def check_padding(value: Padding, axes: int, words: tuple[str, ...]) -> str | Sides:
    """Return one of these words or (before, after) for each axis; refuse all else."""
    if not isinstance(value, str):
        return sides("padding", value, axes)
    if value not in words:
        ints = {1: "(before, after)", 2: "a pair (height, width)", 3: "(depth, height, width)"}
        raise ArgumentError(
            f"`padding` must be {', '.join(map(repr, words))}, an int, {ints[axes]}, or (before, "
            f"after) for each axis; got {value!r}."
        )
    return value if value != "valid" else ((0, 0),) * axes


def given_sides(
    padding: str | Sides, size: Sizes, kernel: Sizes, stride: Sizes, dilation: Sizes
) -> Sides:
    """Return (before, after) for each axis of an image of this size."""
    if padding == "same":
        return same_padding(size, kernel, stride, dilation)
    if padding == "causal":
        return tuple((d * (k - 1), 0) for k, d in zip(kernel, dilation, strict=True))
    return padding  # type: ignore[return-value]


def check_images(x: Any, axes: int, channels: int) -> Any:
    """Return images, volumes or series with so many channels; refuse all else."""
    gray = axes == 2 and len(x.shape) == 3
    cure = "Gray images? add the channel axis: x[:, None]." if gray else ""
    check_rank(x, LAYOUTS[axes], 2 + axes, cure=cure)
    got = x.shape[1]
    if got == 1 and axes == 2:
        cure = "Gray images? use in_channels=1."
    elif x.shape[-1] == channels:
        cure = _TURNED[axes]
    else:
        cure = f"Use in_channels={got}."
    check_axis(x, 1, channels, "in_channels", cure)
    return x


def window_parts(kernel: Sizes, stride: Sizes, padding: str | Sides) -> list[str]:
    """Return a window for the repr: its size, then what differs from the defaults."""
    parts = [window_text(kernel)]
    if max(stride) > 1:
        parts.append(f"stride={window_text(stride)}")
    if isinstance(padding, str):
        parts.append(f"padding={padding}")
    elif any(map(any, padding)):
        even = all(before == after for before, after in padding)
        uneven = padding[0] if len(padding) == 1 else padding
        before = tuple(side for side, _ in padding)
        parts.append(f"padding={window_text(before) if even else uneven}")
    return parts
