"""Inception-v3: large windows made of small ones, and of one row or column."""

from __future__ import annotations

from typing import Any

from ...core.validate import positive
from .. import init
from ..activation.elementwise import ReLU
from ..container.graph import Graph
from ..convolution.plain import Conv2d
from ..linear.dense import Linear
from ..node import Input
from ..noise.dropout import Dropout
from ..normalization.statistics import BatchNorm
from ..pooling import AvgPool2d, GlobalAvgPool2d, MaxPool2d
from ..table.merge import Concat

Part = tuple[Any, ...]


class _Maker:
    """Adds parts to a graph; channels are multiplied by a factor."""

    def __init__(self, factor: float, rng: Any) -> None:
        self.factor, self.rng = factor, rng

    def scaled(self, channels: int) -> int:
        """Return channels times the factor, at least 1."""
        return max(1, round(self.factor * channels))

    def conv(self, x: Any, before: int, part: Part, label: str) -> tuple[Any, int]:
        """Add convolution, batch norm and ReLU; return them and their channels.

        A part is (channels, window), which keeps the size of the map, or (channels, window,
        stride), which has no padding.
        """
        channels, window, *stride = part
        high, wide = window if isinstance(window, tuple) else (window, window)
        after = self.scaled(channels)
        x = Conv2d(
            before,
            after,
            (high, wide),
            stride=stride[0] if stride else 1,
            padding=(0, 0) if stride else (high // 2, wide // 2),
            bias=False,
            rng=self.rng,
            name=f"conv{label}",
        )(x)
        x = BatchNorm(after, epsilon=1e-3, name=f"bn{label}")(x)
        return ReLU(name=f"relu{label}")(x), after

    def chain(self, x: Any, before: int, parts: Any, label: str) -> tuple[Any, int]:
        """Add convolutions one after the other."""
        for letter, part in zip("abcde", parts, strict=False):
            x, before = self.conv(x, before, part, label + letter)
        return x, before

    def module(self, x: Any, before: int, label: str, branches: Any) -> tuple[Any, int]:
        """Add branches that are joined; a branch begins with a pool if its first part is text."""
        made, total = [], 0
        for number, parts in enumerate(branches, start=1):
            name, start, parts = f"{label}_{number}", x, list(parts)
            if parts and isinstance(parts[0], str):
                pooled, stride = parts.pop(0), 1 if parts else 2
                start = _pool(pooled, stride, f"pool{label}")(x)
            forked = parts.pop() if parts and isinstance(parts[-1], list) else None
            y, size = self.chain(start, before, parts, name)
            ends = [(y, size)]
            if forked:
                ends = [self.conv(y, size, part, f"{name}{part[1][0]}") for part in forked]
            made += [end for end, _ in ends]
            total += sum(size for _, size in ends)
        return Concat(name=f"join{label}")(*made), total


def _pool(kind: str, stride: int, name: str) -> Any:
    if kind == "max":
        return MaxPool2d(3, stride=stride, padding=1 if stride == 1 else 0, name=name)
    return AvgPool2d(3, stride=1, padding=1, name=name)


def _first(behind: int) -> Any:
    """Windows of 5x5, and two of 3x3 (figure 5 of the paper)."""
    return (
        [(64, 1)],
        [(48, 1), (64, 5)],
        [(64, 1), (96, 3), (96, 3)],
        ["average", (behind, 1)],
    )


def _second(inside: int) -> Any:
    """Windows of 7x7 made of rows and columns (figure 6)."""
    row, column = (1, 7), (7, 1)
    return (
        [(192, 1)],
        [(inside, 1), (inside, row), (192, column)],
        [(inside, 1), (inside, column), (inside, row), (inside, column), (192, row)],
        ["average", (192, 1)],
    )


_THIRD = (  # windows that end in a row and in a column, side by side (figure 7)
    [(320, 1)],
    [(384, 1), [(384, (1, 3)), (384, (3, 1))]],
    [(448, 1), (384, 3), [(384, (1, 3)), (384, (3, 1))]],
    ["average", (192, 1)],
)
_MODULES: dict[str, Any] = {
    "5b": _first(32),
    "5c": _first(64),
    "5d": _first(64),
    "6a": ([(384, 3, 2)], [(64, 1), (96, 3), (96, 3, 2)], ["max"]),
    "6b": _second(128),
    "6c": _second(160),
    "6d": _second(160),
    "6e": _second(192),
    "7a": ([(192, 1), (320, 3, 2)], [(192, 1), (192, (1, 7)), (192, (7, 1)), (192, 3, 2)], ["max"]),
    "7b": _THIRD,
    "7c": _THIRD,
}


def inception_v3(
    rng: init.Rng = None,
    *,
    channels: int = 3,
    classes: int = 1000,
    width: float = 1.0,
    p: float = 0.5,
) -> Graph:
    """Build Inception-v3.

    Parameters
    ----------
    rng : Generator, int or None
        Where the first weights are drawn from.
    channels, classes : int > 0
        Channels of the images, and classes to tell apart.
    width : float > 0
        All channels are multiplied by it, and are at least 1.
    p : float in [0, 1)
        Dropout before the classifier.

    Shapes
    ------
    input : (batch, channels, 299, 299) float32; other sizes from 75 work as well
    output : (batch, classes) logits

    Raises
    ------
    ArgumentError : `width` is not positive.

    Notes
    -----
    23,834,568 parameters, without the auxiliary classifier. Source: Szegedy et al. 2016,
    "Rethinking the Inception Architecture"; the widths that the paper leaves open are those of its
    authors' published network, as in torchvision.

    Examples
    --------
    >>> import numpy as np
    >>> inception_v3(0, width=0.05, classes=7)(np.zeros((2, 3, 75, 75), "f4")).shape
    (2, 7)
    """
    maker = _Maker(positive("width", width), init.generator(rng))
    image = Input("image")
    x, before = maker.chain(image, channels, [(32, 3, 2), (32, 3, 1), (64, 3)], "1")
    x = MaxPool2d(3, stride=2, name="pool1")(x)
    x, before = maker.chain(x, before, [(80, 1), (192, 3, 1)], "2")
    x = MaxPool2d(3, stride=2, name="pool2")(x)
    for label, branches in _MODULES.items():
        x, before = maker.module(x, before, label, branches)
    x = Dropout(p, name="dropout")(GlobalAvgPool2d(name="pool")(x))
    return Graph(image, Linear(before, classes, rng=maker.rng, name="fc")(x))
