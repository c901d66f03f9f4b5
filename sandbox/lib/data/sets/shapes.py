"""Drawn shapes on noise: images for detectors, made up and without files."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core import validate
from ...core.random import ensure_rng

SHAPES = ("circle", "square", "triangle")
"""The classes, in order."""


def random_shapes(
    rows: int,
    rng: Any = None,
    *,
    size: int = 96,
    most: int = 3,
    noise: float = 0.1,
    channels: int = 1,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Draw images of circles, squares and triangles on noise, and where they are.

    Each image has one to `most` shapes, of a side between a sixth and two fifths of the image's, at
    even odds of each class; they are brighter or darker than the ground and their boxes hardly
    overlap (intersection over union at most 0.05). Triangles stand on their base.

    Parameters
    ----------
    rows : int >= 0
        How many images.
    rng : Generator, int or None
        Where they are drawn from; None: seed 0.
    size : int >= 16
        Height and width, in pixels.
    most : int > 0
        The largest number of shapes in an image; fewer where there is no room left.
    noise : float >= 0
        Standard deviation of each pixel.
    channels : int > 0
        Channels of the images; shapes have a colour if there are several.

    Shapes
    ------
    images : (rows, channels, size, size) float32, about 0..1
    objects : (rows, most, 5) float32: class (its place in `SHAPES`), x1, y1, x2, y2 as parts of the
        image; class -1 and zeros behind the last, as `criterion.MultiBox`, `criterion.Yolo` and
        `metrics.DetectionMAP` take them

    Raises
    ------
    ArgumentError : an argument is out of range.

    Examples
    --------
    >>> images, objects = random_shapes(2, 0, size=32)
    >>> images.shape, objects.shape
    ((2, 1, 32, 32), (2, 3, 5))
    """
    rows, most = validate.non_negative_int("rows", rows), validate.positive_int("most", most)
    channels, noise = (
        validate.positive_int("channels", channels),
        validate.non_negative("noise", noise),
    )
    if validate.positive_int("size", size) < 16:
        raise validate.refuse("size", "an int >= 16", size)
    rng = ensure_rng(rng)
    ground = rng.uniform(0.35, 0.65, (rows, channels, 1, 1))
    images = ground + rng.normal(0.0, noise, (rows, channels, size, size))
    objects = np.zeros((rows, most, 5), np.float32)
    objects[:, :, 0] = -1
    for row in range(rows):
        boxes: list[NDArray[np.float64]] = []
        for _ in range(rng.integers(1, most + 1)):
            box = _place(boxes, size, rng)
            if box is None:
                break
            kind = int(rng.integers(len(SHAPES)))
            colour = rng.uniform(0.25, 0.45, channels) * rng.choice([-1, 1])
            images[row][:, _mask(kind, box, size)] += colour[:, None]
            objects[row, len(boxes)] = [kind, *(box / size)]
            boxes.append(box)
    return images.astype(np.float32), objects


def _place(
    boxes: list[NDArray[np.float64]], size: int, rng: np.random.Generator
) -> NDArray[np.float64] | None:
    """Draw a square box that hardly overlaps the others; None if 30 draws find no room."""
    for _ in range(30):
        side = rng.uniform(size / 6, size * 2 / 5)
        low = rng.uniform(0, size - side, 2)
        box = np.concatenate([low, low + side])
        if all(_overlap(box, other) <= 0.05 for other in boxes):
            return box
    return None


def _overlap(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    both = float(np.prod(np.maximum(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0)))
    areas = float(np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]))
    return both / (areas - both)


def _mask(kind: int, box: NDArray[np.float64], size: int) -> NDArray[np.bool_]:
    """Return which pixels have their centre in the shape that fills a box."""
    y, x = np.mgrid[:size, :size] + 0.5
    x1, y1, x2, y2 = box
    u, v = (x - x1) / (x2 - x1), (y - y1) / (y2 - y1)
    inside = (u >= 0) & (u <= 1) & (v >= 0) & (v <= 1)
    if SHAPES[kind] == "circle":
        inside = (u - 0.5) ** 2 + (v - 0.5) ** 2 <= 0.25
    elif SHAPES[kind] == "triangle":
        inside &= np.abs(u - 0.5) <= v / 2
    found: NDArray[np.bool_] = inside
    return found
