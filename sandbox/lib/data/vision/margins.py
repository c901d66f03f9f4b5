"""Ground around a picture, and parts of it painted over."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...core import validate
from ...core.errors import DataError
from ..transforms import Array
from .base import ImageTransform
from .draws import Draws
from .opencv import cv
from .picture import Picture, with_fields
from .resize import whole

__all__ = ["Expand", "FillRegion", "Pad", "RandomErasing"]

Fill = float | Sequence[float]
IMAGENET_FILL = (123, 117, 104)
"""The mean of ImageNet's pixels, red, green, blue."""


def as_fill(fill: Any) -> tuple[float, ...]:
    """Return the numbers a pixel is filled with: one, or one for each channel."""
    several = isinstance(fill, tuple | list) or (isinstance(fill, np.ndarray) and fill.ndim)
    given = fill if several else [fill]
    found = tuple(validate.finite("fill", one) for one in given)
    if not 1 <= len(found) <= 4:
        raise validate.refuse("fill", "a number, or one for each channel", fill)
    return found


def fill_of(fill: tuple[float, ...], picture: Picture, owner: object) -> tuple[float, ...]:
    """Return what a picture is filled with, channel by channel in its order."""
    channels: int = picture.image.shape[2]
    if picture.image.dtype == np.uint8 and not all(0 <= one <= 255 for one in fill):
        raise DataError(
            f"{type(owner).__name__}: `fill` must be numbers from 0 to 255 for pictures of uint8; "
            f"got {fill}."
        )
    if len(fill) == 1:
        return fill * channels
    if len(fill) != channels:
        raise DataError(
            f"{type(owner).__name__}: `fill` must be a number, or one for each of {channels} "
            f"channels; got {fill}."
        )
    return tuple(reversed(fill)) if picture.order == "BGR" else fill


def canvas(
    picture: Picture, height: int, width: int, x: int, y: int, fill: tuple[float, ...]
) -> Picture:
    """Return a picture put on a ground of this size, its left upper corner at (x, y)."""
    image, (h, w) = picture.image, (picture.height, picture.width)
    made = cv.copyMakeBorder(
        image, y, height - h - y, x, width - w - x, cv.BORDER_CONSTANT, value=fill
    )
    boxes, masks = picture.boxes, picture.masks
    if boxes is not None:
        boxes = boxes + np.array([x, y, x, y], np.float32)
    if masks is not None:
        ground = np.zeros((len(masks), height, width), np.uint8)
        ground[:, y : y + h, x : x + w] = masks
        masks = ground
    made = picture.moved(whole(made), boxes=boxes, masks=masks)
    return with_fields(made, part=(-x, -y, width, height))


class Expand(ImageTransform):
    """Put a picture somewhere on a larger ground, with some probability: things become smaller.

    Sides are floor(r · side) with r from [low, high); the place is drawn.

    Parameters
    ----------
    low, high : float >= 1
        How many times larger the ground is.
    fill : number or one for each channel (red, green, blue)
        The ground; by default the mean of ImageNet's pixels.
    p : float in [0, 1]
        How probable that is.

    Notes
    -----
    Same as BigDL `Expand` with p=1. Source: the zoom out of Liu et al. 2016 (SSD).

    Examples
    --------
    >>> Expand(3, 3, p=1)(np.zeros((2, 4, 3), "u1")).shape
    (6, 12, 3)
    """

    words = 4

    def __init__(
        self, low: float = 1.0, high: float = 4.0, *, fill: Fill = IMAGENET_FILL, p: float = 0.5
    ) -> None:
        self.low = validate.in_range("low", low, 1, 100)
        self.high = validate.in_range("high", high, self.low, 100)
        self.fill, self.p = as_fill(fill), validate.in_range("p", p, 0, 1)

    def apply(self, picture: Picture, draws: Draws) -> Picture:
        """Return the picture on its ground."""
        picture.pixels("Expand")
        if not draws.chance(self.p):
            return picture
        ratio = draws.uniform(self.low, self.high)
        height, width = int(picture.height * ratio), int(picture.width * ratio)
        x = draws.integer(0, width - picture.width)
        y = draws.integer(0, height - picture.height)
        return canvas(picture, height, width, x, y, fill_of(self.fill, picture, self))

    def __repr__(self) -> str:
        return f"Expand({self.low:g}, {self.high:g}, fill={self.fill!r}, p={self.p:g})"


class Pad(ImageTransform):
    """Put a picture into the middle of a ground of a fixed size.

    Parameters
    ----------
    size : int or (height, width)
        Of the ground. A side of the picture that is longer stays as it is.
    fill : number or one for each channel (red, green, blue)
        The ground.

    Notes
    -----
    Same as BigDL `FixExpand`; albumentations' PadIfNeeded.

    Examples
    --------
    >>> Pad(3)(np.full((1, 1, 1), 9, "u1"))[:, :, 0].tolist()
    [[0, 0, 0], [0, 9, 0], [0, 0, 0]]
    """

    def __init__(self, size: int | tuple[int, int], *, fill: Fill = 0) -> None:
        self.height, self.width = validate.pair("size", size)
        self.fill = as_fill(fill)

    def apply(self, picture: Picture, draws: Draws) -> Picture:
        """Return the picture on its ground."""
        picture.pixels("Pad")
        return padded(picture, self.height, self.width, fill_of(self.fill, picture, self))

    def __repr__(self) -> str:
        return f"Pad(({self.height}, {self.width}), fill={self.fill!r})"


def padded(picture: Picture, height: int, width: int, fill: tuple[float, ...]) -> Picture:
    """Return a picture of at least this size: itself, or in the middle of a ground."""
    height, width = max(height, picture.height), max(width, picture.width)
    if (height, width) == (picture.height, picture.width):
        return picture
    x, y = (width - picture.width) // 2, (height - picture.height) // 2
    return canvas(picture, height, width, x, y, fill)


class FillRegion(ImageTransform):
    """Paint a region of a picture over.

    Parameters
    ----------
    x1, y1, x2, y2 : float in [0, 1]
        The region, as parts of width and height; its edges are rounded to pixels.
    fill : number or one for each channel (red, green, blue)
        What it is painted with.

    Notes
    -----
    Same as BigDL `Filler`.

    Examples
    --------
    >>> FillRegion(0.5, 0, 1, 1, fill=7)(np.zeros((1, 4, 1), "u1")).ravel().tolist()
    [0, 0, 7, 7]
    """

    def __init__(self, x1: float, y1: float, x2: float, y2: float, *, fill: Fill = 255) -> None:
        self.x1, self.y1 = validate.in_range("x1", x1, 0, 1), validate.in_range("y1", y1, 0, 1)
        self.x2 = validate.in_range("x2", x2, self.x1, 1)
        self.y2 = validate.in_range("y2", y2, self.y1, 1)
        self.fill = as_fill(fill)

    def shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the same shape."""
        return shape

    def apply(self, picture: Picture, draws: Draws) -> Picture:
        """Return the painted picture."""
        image = picture.pixels("FillRegion").copy()
        rows = slice(round(self.y1 * picture.height), round(self.y2 * picture.height))
        columns = slice(round(self.x1 * picture.width), round(self.x2 * picture.width))
        image[rows, columns] = np.asarray(fill_of(self.fill, picture, self), image.dtype)
        return picture.changed(image)

    def __repr__(self) -> str:
        edges = f"{self.x1:g}, {self.y1:g}, {self.x2:g}, {self.y2:g}"
        return f"FillRegion({edges}, fill={self.fill!r})"


class RandomErasing(ImageTransform):
    """Paint a random rectangle over, with some probability.

    area ~ U(scale) · height · width, ratio ~ exp(U(log ratios)); h = sqrt(area · ratio),
    w = sqrt(area / ratio); of ten tries the first that fits

    Parameters
    ----------
    p : float in [0, 1]
        How probable that is.
    scale : (low, high)
        Part of the picture's area.
    ratio : (low, high)
        Height over width.
    fill : number, one for each channel, or "noise"
        What it is painted with; noise draws each number anew.

    Notes
    -----
    Same as PyTorch `RandomErasing`, in front of normalisation. Source: Zhong et al. 2020. Boxes
    stay.

    Examples
    --------
    >>> RandomErasing(1)(np.zeros((4, 4, 3), "u1")).shape
    (4, 4, 3)
    """

    words = 1 + 10 * 2 + 2 + 4

    def __init__(
        self,
        p: float = 0.5,
        *,
        scale: tuple[float, float] = (0.02, 0.33),
        ratio: tuple[float, float] = (0.3, 3.3),
        fill: Fill | str = 0,
    ) -> None:
        self.p = validate.in_range("p", p, 0, 1)
        self.scale = as_range("scale", scale, 0.0, 1.0)
        self.ratio = as_range("ratio", ratio, 1e-3, 1e3)
        self.fill: Any = "noise" if isinstance(fill, str) and fill == "noise" else as_fill(fill)

    def shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the same shape."""
        return shape

    def apply(self, picture: Picture, draws: Draws) -> Picture:
        """Return the picture, painted or not."""
        image = picture.pixels("RandomErasing")
        if not draws.chance(self.p):
            return picture
        for _ in range(10):
            height, width = drawn_size(image, self.scale, self.ratio, draws)
            if 0 < height <= picture.height and 0 < width <= picture.width:
                break
        else:
            return picture
        y = draws.integer(0, picture.height - height)
        x = draws.integer(0, picture.width - width)
        made = image.copy()
        made[y : y + height, x : x + width] = self._paint(picture, (height, width), draws)
        return picture.changed(made)

    def _paint(self, picture: Picture, size: tuple[int, int], draws: Draws) -> Any:
        if self.fill != "noise":
            return np.asarray(fill_of(self.fill, picture, self), picture.image.dtype)
        generator = draws.generator()
        if generator is None:
            return picture.image.dtype.type(128)
        return generator.integers(0, 256, (*size, picture.image.shape[2]), dtype=np.uint8)

    def __repr__(self) -> str:
        return (
            f"RandomErasing({self.p:g}, scale={self.scale}, ratio={self.ratio}, fill={self.fill!r})"
        )


def as_range(name: str, given: Any, low: float, high: float) -> tuple[float, float]:
    """Return two numbers between low and high, the smaller first."""
    if not isinstance(given, tuple | list) or len(given) != 2:
        raise validate.refuse(name, "a pair (low, high)", given)
    first = validate.in_range(name, given[0], low, high)
    return first, validate.in_range(name, given[1], first, high)


def drawn_size(
    image: Array, scale: tuple[float, float], ratio: tuple[float, float], draws: Draws
) -> tuple[int, int]:
    """Return height and width of a drawn area and aspect, by two numbers."""
    area = draws.uniform(*scale) * image.shape[0] * image.shape[1]
    aspect = math.exp(draws.uniform(math.log(ratio[0]), math.log(ratio[1])))
    return round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
