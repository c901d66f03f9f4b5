"""Parts of pictures that follow their boxes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...core import validate
from ...core.errors import DataError
from .base import ImageTransform
from .crops import part_of
from .draws import Draws
from .margins import as_range
from .picture import Picture, box_overlaps

__all__ = ["CropToBox", "RandomIoUCrop"]


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
        return part_of(picture, box, False, True, False, self)

    def __repr__(self) -> str:
        return f"CropToBox({self.index}, margin={self.margin:g})"


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
