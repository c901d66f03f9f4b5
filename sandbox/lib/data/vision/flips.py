"""Mirrored and turned pictures, with their boxes."""

from __future__ import annotations

import math

import numpy as np

from ...core import validate
from ..transforms import Array
from .base import ImageTransform
from .draws import Draws
from .margins import Fill, as_fill, fill_of
from .opencv import cv
from .picture import Picture
from .resize import each_mask, whole

__all__ = ["HorizontalFlip", "RandomRotation", "VerticalFlip"]


class _Flip(ImageTransform):
    """Mirror a picture with some probability."""

    words = 1
    _axis: int

    def __init__(self, p: float = 0.5) -> None:
        self.p = validate.in_range("p", p, 0, 1)

    def shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the same shape."""
        return shape

    def apply(self, picture: Picture, draws: Draws) -> Picture:
        """Return the picture, mirrored or not."""
        image = picture.pixels(type(self).__name__)
        if not draws.chance(self.p):
            return picture
        boxes, masks = picture.boxes, picture.masks
        if boxes is not None:
            boxes = boxes.copy()
            side = picture.width if self._axis else picture.height
            low, high = (0, 2) if self._axis else (1, 3)
            boxes[:, [low, high]] = side - boxes[:, [high, low]]
        if masks is not None:
            masks = np.ascontiguousarray(np.flip(masks, 2 if self._axis else 1))
        return picture.moved(whole(cv.flip(image, self._axis)), boxes=boxes, masks=masks)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.p:g})"


class HorizontalFlip(_Flip):
    """Mirror a picture left to right, with some probability.

    y[i, j] = x[i, width - 1 - j]; boxes: x1' = width - x2, x2' = width - x1

    Parameters
    ----------
    p : float in [0, 1]
        How probable that is; 1 mirrors each.

    Notes
    -----
    Same as BigDL `HFlip` and `RoiHFlip` with p=1, in `RandomTransformer` else; PyTorch
    `RandomHorizontalFlip`.

    Examples
    --------
    >>> HorizontalFlip(1)(np.array([[[1], [2], [3]]], "u1")).ravel().tolist()
    [3, 2, 1]
    """

    _axis = 1


class VerticalFlip(_Flip):
    """Mirror a picture top to bottom, with some probability.

    y[i, j] = x[height - 1 - i, j]; boxes: y1' = height - y2, y2' = height - y1

    Parameters
    ----------
    p : float in [0, 1]
        How probable that is; 1 mirrors each.

    Notes
    -----
    Same as PyTorch `RandomVerticalFlip`.

    Examples
    --------
    >>> VerticalFlip(1)(np.array([[[1]], [[2]]], "u1")).ravel().tolist()
    [2, 1]
    """

    _axis = 0


class RandomRotation(ImageTransform):
    """Turn a picture about its centre by an angle from a range; its size stays.

    (u, v) = R(-angle) · (x - c, y - c') + (c, c'), linear between pixels; a box becomes the upright
    one around its turned corners, cut at the edges

    Parameters
    ----------
    degrees : float, or (low, high)
        Angle, counterclockwise; a number means from -degrees to degrees. `(90, 90)` is always so.
    fill : int or one for each channel
        What comes in from outside, 0 to 255.

    Notes
    -----
    Same as PyTorch `RandomRotation` with bilinear interpolation. Source: OpenCV `warpAffine`.

    Examples
    --------
    >>> RandomRotation((180, 180))(np.array([[[1], [2], [3]]], "u1")).ravel().tolist()
    [3, 2, 1]
    """

    words = 1

    def __init__(self, degrees: float | tuple[float, float], *, fill: Fill = 0) -> None:
        if isinstance(degrees, tuple | list):
            if len(degrees) != 2:
                raise validate.refuse("degrees", "a number or a pair (low, high)", degrees)
            low, high = (validate.finite("degrees", one) for one in degrees)
        else:
            high = validate.non_negative("degrees", degrees)
            low = -high
        if high < low:
            raise validate.refuse("degrees", "a pair (low, high) with low <= high", degrees)
        self.low, self.high, self.fill = low, high, as_fill(fill)

    def shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the same shape."""
        return shape

    def apply(self, picture: Picture, draws: Draws) -> Picture:
        """Return the turned picture."""
        image = picture.pixels("RandomRotation")
        angle = draws.uniform(self.low, self.high)
        if angle == 0:
            return picture
        height, width = picture.height, picture.width
        matrix = _rotation(angle, width, height)
        # OpenCV counts pixel centres as whole numbers, boxes are counted from pixel edges.
        centres = matrix.copy()
        centres[:, 2] += matrix[:, :2] @ [0.5, 0.5] - 0.5
        turn = {"M": centres, "dsize": (width, height)}
        made = cv.warpAffine(
            image, **turn, flags=cv.INTER_LINEAR, borderValue=fill_of(self.fill, picture, self)
        )
        boxes, masks = picture.boxes, picture.masks
        if boxes is not None:
            boxes = _turned(boxes, matrix)
        if masks is not None:
            masks = each_mask(
                masks,
                (height, width),
                lambda mask: cv.warpAffine(mask, **turn, flags=cv.INTER_NEAREST),
            )
        return picture.moved(whole(made), boxes=boxes, masks=masks, inside=True)

    def __repr__(self) -> str:
        return f"RandomRotation(({self.low:g}, {self.high:g}), fill={self.fill!r})"


def _rotation(angle: float, width: int, height: int) -> Array:
    """Return the matrix (2, 3) that turns points about a picture's middle, y downwards."""
    turn = math.radians(angle)
    cos, sin = math.cos(turn), math.sin(turn)
    x, y = width / 2, height / 2
    return np.array([[cos, sin, x - cos * x - sin * y], [-sin, cos, y + sin * x - cos * y]])


def _turned(boxes: Array, matrix: Array) -> Array:
    x1, y1, x2, y2 = boxes.T.astype(np.float64)
    corners = np.stack([[x1, x2, x1, x2], [y1, y1, y2, y2]])  # (2, 4, n)
    moved = np.einsum("ij,jkn->ikn", matrix[:, :2], corners) + matrix[:, 2, None, None]
    return np.concatenate([moved.min(1), moved.max(1)]).T.astype(np.float32)
