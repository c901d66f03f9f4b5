"""Parts of pictures, of the centre, drawn, given; boxes are moved, cut and dropped alike."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...core import validate
from ...core.errors import DataError
from .base import ImageTransform
from .draws import Draws
from .margins import Fill, as_fill, as_range, drawn_size, fill_of, padded
from .opencv import INTERPOLATIONS
from .picture import Picture, box_overlaps
from .resize import resized

__all__ = [
    "CenterCrop",
    "CropToBox",
    "FixedCrop",
    "RandomCrop",
    "RandomIoUCrop",
    "RandomResizedCrop",
]


class _SizedCrop(ImageTransform):
    """A part of a fixed size."""

    def __init__(
        self, size: int | tuple[int, int], *, fill: Fill | None = None, centers: bool = False
    ) -> None:
        self.height, self.width = validate.pair("size", size)
        self.fill = None if fill is None else as_fill(fill)
        self.centers = validate.boolean("centers", centers)

    def shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return (height, width, channels) of the part."""
        return (self.height, self.width, *super().shape(shape)[2:])

    def _large(self, picture: Picture) -> Picture:
        """Return a picture that the part fits into."""
        picture.pixels(type(self).__name__)
        if picture.height >= self.height and picture.width >= self.width:
            return picture
        if self.fill is None:
            raise DataError(
                f"{self!r}: a picture must be at least {self.height} x {self.width}; got "
                f"{picture.height} x {picture.width}. Put ResizeShorter in front, or give fill=0 "
                "to put it on a ground."
            )
        return padded(picture, self.height, self.width, fill_of(self.fill, picture, self))

    def __repr__(self) -> str:
        more = "" if self.fill is None else f", fill={self.fill!r}"
        more += ", centers=True" if self.centers else ""
        return f"{type(self).__name__}(({self.height}, {self.width}){more})"


class CenterCrop(_SizedCrop):
    """Take the middle of a picture.

    y[i, j] = x[top + i, left + j], top = (height - h) // 2, left = (width - w) // 2

    Parameters
    ----------
    size : int or (height, width)
        Of the part.
    fill : number or one for each channel, optional
        Smaller pictures are put on a ground of this colour; else they are an error.
    centers : bool
        Drop boxes whose centre lies outside, too, and not only those that lie outside as a whole.

    Raises
    ------
    DataError : the picture is smaller, and there is no `fill`.

    Notes
    -----
    Same as BigDL `CenterCrop`, `RandomCropper` (by its central method) and `RoiProject`; PyTorch
    `CenterCrop`.

    Examples
    --------
    >>> CenterCrop((1, 2))(np.arange(12, dtype="u1").reshape(3, 4, 1)).ravel().tolist()
    [5, 6]
    """

    def apply(self, picture: Picture, draws: Draws) -> Picture:
        """Return the middle, as a view."""
        picture = self._large(picture)
        x, y = (picture.width - self.width) // 2, (picture.height - self.height) // 2
        return picture.cropped(x, y, self.width, self.height, centers=self.centers)


class RandomCrop(_SizedCrop):
    """Take a part of a fixed size, each place equally likely.

    Parameters
    ----------
    size : int or (height, width)
        Of the part.
    fill, centers
        As for `CenterCrop`.

    Raises
    ------
    DataError : the picture is smaller, and there is no `fill`.

    Notes
    -----
    Same as BigDL `RandomCrop`, `RandomCropper` (its mirror is `HorizontalFlip`) and `RoiProject`;
    PyTorch `RandomCrop`.

    Examples
    --------
    >>> RandomCrop(2)(np.zeros((3, 4, 3), "u1")).shape
    (2, 2, 3)
    """

    words = 2

    def apply(self, picture: Picture, draws: Draws) -> Picture:
        """Return the part, as a view."""
        picture = self._large(picture)
        y = draws.integer(0, picture.height - self.height)
        x = draws.integer(0, picture.width - self.width)
        return picture.cropped(x, y, self.width, self.height, centers=self.centers)


class FixedCrop(ImageTransform):
    """Take a given part of a picture.

    Parameters
    ----------
    x1, y1, x2, y2 : float
        Its edges, as parts of width and height, or in pixels; rounded to pixels.
    normalized : bool
        Whether they are parts, from 0 to 1.
    clip : bool
        Whether to cut the part at the picture's edges; else it must lie inside.
    centers : bool
        As for `CenterCrop`.

    Raises
    ------
    DataError : the part has no pixel, or is not inside.

    Notes
    -----
    Same as BigDL `FixedCrop`.

    Examples
    --------
    >>> FixedCrop(0.25, 0, 0.75, 1)(np.arange(4, dtype="u1").reshape(1, 4, 1)).ravel().tolist()
    [1, 2]
    """

    def __init__(
        self,
        x1: float,
        y1: float,
        x2: float,
        y2: float,
        *,
        normalized: bool = True,
        clip: bool = True,
        centers: bool = False,
    ) -> None:
        self.box = tuple(
            validate.finite(name, value)
            for name, value in (("x1", x1), ("y1", y1), ("x2", x2), ("y2", y2))
        )
        for name, low, high in (("x2", x1, x2), ("y2", y1, y2)):
            if not low < high:
                raise validate.refuse(name, f"a number > {low}", high)
        self.normalized = validate.boolean("normalized", normalized)
        self.clip = validate.boolean("clip", clip)
        self.centers = validate.boolean("centers", centers)

    def apply(self, picture: Picture, draws: Draws) -> Picture:
        """Return the part, as a view."""
        picture.pixels("FixedCrop")
        return _part(picture, self.box, self.normalized, self.clip, self.centers, self)

    def __repr__(self) -> str:
        return f"FixedCrop({', '.join(f'{edge:g}' for edge in self.box)})"


def _part(
    picture: Picture, box: Any, normalized: bool, clip: bool, centers: bool, owner: object
) -> Picture:
    width, height = picture.width, picture.height
    scale = (width, height, width, height) if normalized else (1, 1, 1, 1)
    x1, y1, x2, y2 = (round(float(edge) * side) for edge, side in zip(box, scale, strict=True))
    if clip:
        x1, y1, x2, y2 = max(x1, 0), max(y1, 0), min(x2, width), min(y2, height)
    if not (0 <= x1 < x2 <= width and 0 <= y1 < y2 <= height):
        raise DataError(
            f"{owner!r}: a part must have a pixel and lie in the picture, {height} x {width}; got "
            f"pixels {x1} to {x2} across, {y1} to {y2} down."
        )
    return picture.cropped(x1, y1, x2 - x1, y2 - y1, centers=centers)


class CropToBox(ImageTransform):
    """Take what one of the picture's boxes holds, with some margin.

    Parameters
    ----------
    index : int
        Which of the boxes; -1 is the last.
    margin : float >= 0
        What is added on each side, as a part of the box's sides.

    Raises
    ------
    DataError : there is no such box, or nothing of it is in the picture.

    Notes
    -----
    Same as BigDL `DetectionCrop`: the box is the picture's own, not one of a table of objects.

    Examples
    --------
    >>> picture = Picture(np.zeros((8, 8, 3), "u1"), boxes=[[1, 2, 4, 8]])
    >>> CropToBox()(picture).image.shape
    (6, 3, 3)
    """

    def __init__(self, index: int = 0, *, margin: float = 0.0) -> None:
        self.index = validate.integer("index", index)
        self.margin = validate.non_negative("margin", margin)

    def apply(self, picture: Picture, draws: Draws) -> Picture:
        """Return what the box holds, as a view."""
        picture.pixels("CropToBox")
        count = 0 if picture.boxes is None else len(picture.boxes)
        if not -count <= self.index < count:
            raise DataError(
                f"{self!r}: a picture must have box {self.index}; got {count} boxes. Give them: "
                "Picture(image, boxes=...)."
            )
        x1, y1, x2, y2 = picture.boxes[self.index].astype(float)
        dx, dy = self.margin * (x2 - x1), self.margin * (y2 - y1)
        # outwards, so that the box itself is in it
        box = (math.floor(x1 - dx), math.floor(y1 - dy), math.ceil(x2 + dx), math.ceil(y2 + dy))
        return _part(picture, box, False, True, False, self)

    def __repr__(self) -> str:
        return f"CropToBox({self.index}, margin={self.margin:g})"


class RandomResizedCrop(ImageTransform):
    """Take a part of random area and aspect, and make it a picture of a fixed size.

    area ~ U(scale) · height · width, aspect ~ exp(U(log ratios)); w = sqrt(area · aspect),
    h = sqrt(area / aspect); of ten tries the first that fits, else the middle with the nearest
    aspect. Without random numbers: the largest part of the middle that has the result's aspect.

    Parameters
    ----------
    size : int or (height, width)
        Of the result.
    scale : (low, high)
        Part of the picture's area.
    ratio : (low, high)
        Width over height.
    interpolation : "linear", "cubic", "area", "nearest" or "lanczos"
        See `Resize`.
    centers : bool
        As for `CenterCrop`.

    Notes
    -----
    Like BigDL `RandomAlterAspect`: drawn as PyTorch `RandomResizedCrop` does, aspects evenly on a
    log scale. Source: Szegedy et al. 2015 (Inception), section 6.

    Examples
    --------
    >>> RandomResizedCrop(4)(np.zeros((10, 20, 3), "u1")).shape
    (4, 4, 3)
    """

    words = 10 * 2 + 2

    def __init__(
        self,
        size: int | tuple[int, int],
        *,
        scale: tuple[float, float] = (0.08, 1.0),
        ratio: tuple[float, float] = (3 / 4, 4 / 3),
        interpolation: str = "linear",
        centers: bool = False,
    ) -> None:
        self.height, self.width = validate.pair("size", size)
        self.scale = as_range("scale", scale, 1e-6, 1.0)
        self.ratio = as_range("ratio", ratio, 1e-3, 1e3)
        self.interpolation = validate.one_of("interpolation", interpolation, tuple(INTERPOLATIONS))
        self.centers = validate.boolean("centers", centers)

    def apply(self, picture: Picture, draws: Draws) -> Picture:
        """Return the part in its new size."""
        picture.pixels("RandomResizedCrop")
        part = picture.cropped(*self._place(picture, draws), centers=self.centers)
        return resized(part, self.height, self.width, self.interpolation)

    def _place(self, picture: Picture, draws: Draws) -> tuple[int, int, int, int]:
        """Return left, top, width and height of the part."""
        aspect, (low, high) = self.width / self.height, self.ratio
        if draws:
            for _ in range(10):
                width, height = drawn_size(picture.image, self.scale, self.ratio, draws)
                if 0 < width <= picture.width and 0 < height <= picture.height:
                    y = draws.integer(0, picture.height - height)
                    x = draws.integer(0, picture.width - width)
                    return x, y, width, height
            aspect = min(max(picture.width / picture.height, low), high)
        width = max(1, min(picture.width, round(picture.height * aspect)))
        height = max(1, min(picture.height, round(picture.width / aspect)))
        return (picture.width - width) // 2, (picture.height - height) // 2, width, height

    def __repr__(self) -> str:
        ratio = f"({self.ratio[0]:.4g}, {self.ratio[1]:.4g})"
        return (
            f"RandomResizedCrop(({self.height}, {self.width}), scale={self.scale}, ratio={ratio}, "
            f"interpolation={self.interpolation!r})"
        )


class RandomIoUCrop(ImageTransform):
    """Take a random part that overlaps one of the picture's boxes by a drawn amount.

    One of the overlaps (or "whole", or "any") is drawn; then up to `trials` parts of sides from
    `scale` · (width, height) and aspect from `ratio`, until one has an intersection over union with
    some box of at least that; if none has, the picture stays. Boxes whose centre lies outside are
    dropped, others cut.

    Parameters
    ----------
    overlaps : list of float in [0, 1]
        Least overlaps, each as likely as the whole picture, and as any part.
    scale : (low, high)
        Square root of the part's area over the picture's.
    ratio : (low, high)
        Width over height, of the picture's own.
    trials : int > 0
        Parts that are tried.

    Notes
    -----
    Like BigDL `RandomSampler`: one overlap is drawn first, as in the paper and PyTorch
    `RandomIoUCrop`; BigDL tries all and draws among the parts found. Source: Liu et al. 2016 (SSD),
    section 2.2.

    Examples
    --------
    >>> picture = Picture(np.zeros((9, 9, 3), "u1"), boxes=[[1, 1, 5, 5]])
    >>> RandomIoUCrop()(picture).image.shape
    (9, 9, 3)
    """

    def __init__(
        self,
        overlaps: Any = (0.1, 0.3, 0.5, 0.7, 0.9),
        *,
        scale: tuple[float, float] = (0.3, 1.0),
        ratio: tuple[float, float] = (0.5, 2.0),
        trials: int = 50,
    ) -> None:
        self.overlaps = tuple(
            validate.in_range("overlaps", one, 0, 1)
            for one in validate.several("overlaps", overlaps, "a list of numbers in [0, 1]")
        )
        self.scale = as_range("scale", scale, 1e-3, 1.0)
        self.ratio = as_range("ratio", ratio, 1e-3, 1e3)
        self.trials = validate.positive_int("trials", trials)
        self.words = 1 + 4 * self.trials

    def apply(self, picture: Picture, draws: Draws) -> Picture:
        """Return the part, or the picture as it is."""
        picture.pixels("RandomIoUCrop")
        if not draws:
            return picture
        chosen = draws.integer(0, len(self.overlaps) + 1)
        if chosen == 0:
            return picture
        boxes = np.zeros((0, 4)) if picture.boxes is None else picture.boxes
        least = self.overlaps[chosen - 1] if chosen <= len(self.overlaps) else None
        for _ in range(self.trials):
            x, y, width, height = self._drawn(picture, draws)
            part = np.array([x, y, x + width, y + height], np.float64)
            if least is None or not len(boxes) or (box_overlaps(part, boxes) >= least).any():
                made = picture.cropped(x, y, width, height, centers=True)
                if not len(boxes) or len(made.boxes):
                    return made
        return picture

    def _drawn(self, picture: Picture, draws: Draws) -> tuple[int, int, int, int]:
        scale, ratio = draws.uniform(*self.scale), draws.uniform(*self.ratio)
        ratio = min(max(ratio, scale * scale), 1 / scale / scale)  # so that both sides fit
        root = math.sqrt(ratio)
        width = max(1, min(round(scale * root * picture.width), picture.width))
        height = max(1, min(round(scale / root * picture.height), picture.height))
        x = draws.integer(0, picture.width - width)
        y = draws.integer(0, picture.height - height)
        return x, y, width, height

    def __repr__(self) -> str:
        return (
            f"RandomIoUCrop({self.overlaps}, scale={self.scale}, ratio={self.ratio}, "
            f"trials={self.trials})"
        )
