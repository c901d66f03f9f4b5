"""What is done to boxes alone."""

from __future__ import annotations

import numpy as np

from ...core import validate
from .base import ImageTransform
from .draws import Draws
from .picture import Picture, with_fields

__all__ = ["ClipBoxes", "DenormalizeBoxes", "NormalizeBoxes"]


class _Boxes(ImageTransform):
    """Leaves the pixels alone."""

    def shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the same shape."""
        return shape

    def apply(self, picture: Picture, draws: Draws) -> Picture:
        """Return the picture with other boxes."""
        return picture if picture.boxes is None else self.boxed(picture)

    def boxed(self, picture: Picture) -> Picture:
        """Return the picture with other boxes; it has some."""
        raise NotImplementedError


class ClipBoxes(_Boxes):
    """Cut boxes at the picture's edges, and drop those of which nothing, or too little, is left.

    Parameters
    ----------
    least : float >= 0
        Shortest side that a box must have, in pixels.
    centers : bool
        Drop boxes whose centre lies outside, too.

    Notes
    -----
    Same as BigDL `RoiProject` for boxes that were given so; transforms here cut theirs themselves.

    Examples
    --------
    >>> picture = Picture(np.zeros((4, 4, 3), "u1"), boxes=[[-1, 0, 2, 9], [5, 5, 6, 6]])
    >>> ClipBoxes()(picture).boxes.tolist()
    [[0.0, 0.0, 2.0, 4.0]]
    """

    def __init__(self, least: float = 0.0, *, centers: bool = False) -> None:
        self.least = validate.non_negative("least", least)
        self.centers = validate.boolean("centers", centers)

    def boxed(self, picture: Picture) -> Picture:
        """Return the picture with boxes inside of it."""
        cut = picture.moved(
            picture.image,
            boxes=picture.boxes,
            masks=picture.masks,
            inside=True,
            centers=self.centers,
        )
        stay = (cut.boxes[:, 2:] - cut.boxes[:, :2] >= self.least).all(1)
        fields = {"boxes": cut.boxes[stay]}
        for name in ("labels", "masks"):
            given = getattr(cut, name)
            fields[name] = None if given is None else given[stay]
        return with_fields(cut, **fields)

    def __repr__(self) -> str:
        return f"ClipBoxes({self.least:g}, centers={self.centers})"


class NormalizeBoxes(_Boxes):
    """Give boxes as parts of width and height, from 0 to 1. The last transform of a chain.

    (x1, y1, x2, y2) / (width, height, width, height)

    Notes
    -----
    Same as BigDL `RoiNormalize`. `Picture.objects` does it for criterions and metrics.

    Examples
    --------
    >>> picture = Picture(np.zeros((4, 8, 3), "u1"), boxes=[[2, 1, 8, 4]])
    >>> NormalizeBoxes()(picture).boxes.tolist()
    [[0.25, 0.25, 1.0, 1.0]]
    """

    def boxed(self, picture: Picture) -> Picture:
        """Return the picture with boxes from 0 to 1."""
        sides = np.array([picture.width, picture.height] * 2, np.float32)
        return with_fields(picture, boxes=picture.boxes / sides)

    def __repr__(self) -> str:
        return "NormalizeBoxes()"


class DenormalizeBoxes(_Boxes):
    """Take boxes as parts of width and height, and give them in pixels. First, behind `Decode`.

    (x1, y1, x2, y2) · (width, height, width, height)

    Notes
    -----
    Same as BigDL `RoiResize` with `normalized`, for boxes that come as parts.

    Examples
    --------
    >>> picture = Picture(np.zeros((4, 8, 3), "u1"), boxes=[[0.25, 0.25, 1, 1]])
    >>> DenormalizeBoxes()(picture).boxes.tolist()
    [[2.0, 1.0, 8.0, 4.0]]
    """

    def boxed(self, picture: Picture) -> Picture:
        """Return the picture with boxes in pixels."""
        sides = np.array([picture.width, picture.height] * 2, np.float32)
        return with_fields(picture, boxes=picture.boxes * sides)

    def __repr__(self) -> str:
        return "DenormalizeBoxes()"
