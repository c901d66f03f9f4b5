"""Other sizes: fixed, by the shorter edge, drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...core import validate
from ..transforms import Array
from .base import ImageTransform
from .draws import Draws
from .opencv import INTERPOLATIONS, cv
from .picture import Picture

__all__ = ["RandomResize", "Resize", "ResizeShorter"]

_NAMES = tuple(INTERPOLATIONS)


def resized(picture: Picture, height: int, width: int, interpolation: str) -> Picture:
    """Return a picture of this size; boxes are scaled, masks take the nearest pixel."""
    if (height, width) == (picture.height, picture.width):
        return picture
    size = (width, height)
    image = cv.resize(picture.image, size, interpolation=INTERPOLATIONS[interpolation])
    boxes, masks = picture.boxes, picture.masks
    if boxes is not None:
        before = np.array([picture.width, picture.height] * 2, np.float32)
        after = np.array([width, height] * 2, np.float32)
        scaled = boxes * (after / before)
        # what lay inside stays there, whatever the rounding
        boxes = np.where(boxes > before, scaled, np.minimum(scaled, after))
    if masks is not None:
        masks = each_mask(
            masks, (height, width), lambda mask: cv.resize(mask, size, interpolation=0)
        )
    return picture.moved(whole(image), boxes=boxes, masks=masks)


def whole(image: Array) -> Array:
    """Return the channel axis that OpenCV leaves away where there is one channel."""
    return image[:, :, None] if image.ndim == 2 else image


def each_mask(masks: Array, size: tuple[int, int], change: Any) -> Array:
    """Return the changed masks, of this size even if there are none."""
    if not len(masks):
        return np.zeros((0, *size), np.uint8)
    return np.stack([change(np.ascontiguousarray(mask)) for mask in masks])


class Resize(ImageTransform):
    """Make a picture of a fixed size, whatever its aspect.

    Pixel centres map to pixel centres: y[i] = x at (i + 0.5) · height / new height - 0.5

    Parameters
    ----------
    size : int or (height, width)
        Of the result.
    interpolation : "linear", "nearest", "cubic", "area", "lanczos" or "random"
        How pixels between pixels are made; "area" averages, the best where a picture becomes much
        smaller, since the others look at the nearest pixels alone. "random" draws one of them.

    Shapes
    ------
    input : (height, width, channels) uint8 or float32
    output : (*size, channels)

    Notes
    -----
    Same as BigDL `Resize` and `RoiResize`; PyTorch `Resize((height, width))` without antialiasing.
    Source: OpenCV `resize`.

    Examples
    --------
    >>> Resize((1, 2))(np.array([[[0], [100], [200], [100]]], "u1")).ravel().tolist()
    [50, 150]
    """

    def __init__(self, size: int | tuple[int, int], *, interpolation: str = "linear") -> None:
        self.height, self.width = validate.pair("size", size)
        self.interpolation = validate.one_of("interpolation", interpolation, (*_NAMES, "random"))
        self.words = 1 if interpolation == "random" else 0

    def apply(self, picture: Picture, draws: Draws) -> Picture:
        """Return the picture in this size."""
        picture.pixels("Resize")
        chosen = self.interpolation
        if chosen == "random":
            chosen = _NAMES[draws.integer(0, len(_NAMES) - 1)] if draws else "linear"
        return resized(picture, self.height, self.width, chosen)

    def __repr__(self) -> str:
        return f"Resize(({self.height}, {self.width}), interpolation={self.interpolation!r})"


class ResizeShorter(ImageTransform):
    """Scale a picture so that its shorter edge gets a length; its aspect stays.

    scale = size / min(height, width), at most longest / max(height, width); sides are rounded to
    the nearest pixel, then down to multiples of `multiple_of`, but never below one of these.

    Parameters
    ----------
    size : int > 0, or a list of them
        Length of the shorter edge; of a list, one is drawn (without random numbers: its middle).
    longest : int > 0, optional
        What the longer edge must not exceed.
    multiple_of : int > 0
        What both sides are to be multiples of.
    interpolation : "linear", "nearest", "cubic", "area" or "lanczos"
        See `Resize`.

    Notes
    -----
    Same as BigDL `AspectScale` and `RandomAspectScale` (with a list); PyTorch `Resize(size)`. There
    the longer edge is at most 1000 unless told.

    Examples
    --------
    >>> ResizeShorter(100, longest=150)(np.zeros((50, 100, 3), "u1")).shape
    (75, 150, 3)
    """

    def __init__(
        self,
        size: int | Sequence[int],
        *,
        longest: int | None = None,
        multiple_of: int = 1,
        interpolation: str = "linear",
    ) -> None:
        several = isinstance(size, list | tuple | np.ndarray)
        given: Any = size if several else [size]
        self.sizes = validate.integers("size", given, "an int > 0 or a list of them", 1)
        if not self.sizes:
            raise validate.refuse("size", "an int > 0 or a list of them", size)
        self.longest = None if longest is None else validate.positive_int("longest", longest)
        self.multiple_of = validate.positive_int("multiple_of", multiple_of)
        self.interpolation = validate.one_of("interpolation", interpolation, _NAMES)
        self.words = 1 if len(self.sizes) > 1 else 0

    def apply(self, picture: Picture, draws: Draws) -> Picture:
        """Return the scaled picture."""
        picture.pixels("ResizeShorter")
        last = len(self.sizes) - 1
        size = self.sizes[draws.integer(0, last) if last else 0]
        sides = (picture.height, picture.width)
        scale = size / min(sides)
        if self.longest is not None:
            scale = min(scale, self.longest / max(sides))
        unit = self.multiple_of
        height, width = (max(round(side * scale) // unit, 1) * unit for side in sides)
        return resized(picture, height, width, self.interpolation)

    def __repr__(self) -> str:
        size = self.sizes[0] if len(self.sizes) == 1 else list(self.sizes)
        more = "" if self.longest is None else f", longest={self.longest}"
        more += "" if self.multiple_of == 1 else f", multiple_of={self.multiple_of}"
        return f"ResizeShorter({size}{more}, interpolation={self.interpolation!r})"


class RandomResize(ImageTransform):
    """Scale a picture so that its shorter edge gets a length from a range, each equally likely.

    Parameters
    ----------
    low, high : int > 0
        Shortest and longest length of the shorter edge.
    interpolation : "cubic", "linear", "nearest", "area" or "lanczos"
        See `Resize`.

    Notes
    -----
    Same as BigDL `RandomResize`. Source: the scale jittering of Simonyan, Zisserman 2015.

    Examples
    --------
    >>> RandomResize(4, 8)(np.zeros((10, 20, 3), "u1")).shape
    (6, 12, 3)
    """

    words = 1

    def __init__(self, low: int, high: int, *, interpolation: str = "cubic") -> None:
        self.low, self.high = validate.positive_int("low", low), validate.positive_int("high", high)
        if self.high < self.low:
            raise validate.refuse("high", f"an int >= `low` = {low}", high)
        self.interpolation = validate.one_of("interpolation", interpolation, _NAMES)

    def apply(self, picture: Picture, draws: Draws) -> Picture:
        """Return the scaled picture."""
        picture.pixels("RandomResize")
        size = draws.integer(self.low, self.high)
        scale = size / min(picture.height, picture.width)
        height, width = (
            max(int(side * scale + 1e-9), 1) for side in (picture.height, picture.width)
        )
        return resized(picture, height, width, self.interpolation)

    def __repr__(self) -> str:
        return f"RandomResize({self.low}, {self.high}, interpolation={self.interpolation!r})"
