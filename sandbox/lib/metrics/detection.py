"""Metrics of detectors: boxes that are found against boxes that are there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..core import validate
from ..core.errors import ArgumentError, DataError, ShapeError
from .gathered import Gathered, Rows
from .ranking import INTERPOLATIONS, average_precision

_COCO = tuple(round(0.5 + 0.05 * k, 2) for k in range(10))


class DetectionMAP(Gathered):
    """Mean average precision of a detector: over the classes, and over thresholds of overlap.

    A detection is right if it overlaps an object of its class in its image enough (intersection by
    union), and no detection with a higher score has it.

    Parameters
    ----------
    classes : int > 0
        Number of classes, without a background.
    iou : float or sequence of float in (0, 1]
        How much is enough; the figure is the mean over several.
    interpolation : "area", "11 points", "101 points" or "steps"
        See `average_precision`: VOC since 2010, VOC 2007, COCO, scikit-learn.
    among : "all" or "free"
        The object that is compared: the one overlapped most, which may be taken already (VOC), or
        the one overlapped most of those that are free (COCO).
    max_detections : int > 0, optional
        How many detections of a class in an image count, the highest scores first.
    average : "macro" or "none"
        The mean over the classes that have objects, or an array with a figure for each class.

    Shapes
    ------
    output : (images, detections, 6): class, score, x1, y1, x2, y2; nothing where the class is < 0
    target : (images, objects, 5): class, x1, y1, x2, y2; nothing where the class is < 0. A sixth
        number of 1 marks what counts neither as missed nor, if found, as wrong: what VOC calls
        difficult, COCO a crowd.

    Raises
    ------
    ArgumentError : an argument is out of range.
    ShapeError : outputs or targets have other shapes.
    DataError : a class is out of range, or a score NaN.

    Notes
    -----
    Same as BigDL `MeanAveragePrecisionObjectDetection` (0.13), whose COCO form is `coco`. Widths
    are x2 - x1, without VOC's one pixel more. Source: Everingham et al. 2010, Lin et al. 2014.

    Examples
    --------
    >>> found = np.array([[[0, 0.9, 0, 0, 2, 2], [0, 0.6, 5, 5, 6, 6]]])
    >>> there = np.array([[[0, 0, 0, 2, 1.5], [0, 8, 8, 9, 9]]])
    >>> DetectionMAP(1)(found, there), DetectionMAP(1, iou=0.8)(found, there)
    (0.5, 0.0)
    """

    takes_trees = False

    def __init__(
        self,
        classes: int,
        *,
        iou: float | Sequence[float] = 0.5,
        interpolation: str = "area",
        among: str = "all",
        max_detections: int | None = None,
        average: str = "macro",
        name: str | None = None,
    ) -> None:
        self.classes = validate.positive_int("classes", classes)
        given = validate.several("iou", iou, "numbers") if np.iterable(iou) else [iou]
        self.iou = tuple(validate.in_range("iou", t, 0.0, 1.0, closed="right") for t in given)
        if not self.iou:
            raise ArgumentError("`iou` must hold at least one number; got none.")
        self.interpolation = validate.one_of("interpolation", interpolation, INTERPOLATIONS)
        self.among = validate.one_of("among", among, ("all", "free"))
        if max_detections is not None:
            max_detections = validate.positive_int("max_detections", max_detections)
        self.max_detections = max_detections
        self.average = validate.one_of("average", average, ("macro", "none"))
        self.columns = 2 + len(self.iou)
        super().__init__(name="detection_map" if name is None else name)

    @classmethod
    def coco(cls, classes: int, **more: Any) -> Self:
        """Return COCO's figure: overlaps 0.5, 0.55 ... 0.95, 101 points, 100 detections.

        Examples
        --------
        >>> len(DetectionMAP.coco(80).iou)
        10
        """
        given = {"iou": _COCO, "interpolation": "101 points", "among": "free"}
        return cls(classes, **{**given, "max_detections": 100, "name": "coco_map", **more})

    def rows(self, output: NDArray[Any], target: NDArray[Any]) -> Rows:
        """Return a row for each detection and for each object.

        (class, score, and for each threshold 1 if right, 0 if wrong, -1 if it does not count), or
        (class, NaN, ...).
        """
        self._check(output, target)
        found: list[Rows] = [np.zeros((0, self.columns))]
        for detections, objects in zip(
            output.astype(np.float64), target.astype(np.float64), strict=True
        ):
            there = objects[objects[:, 0] >= 0]
            for k in np.unique(detections[detections[:, 0] >= 0, 0]):
                mine = detections[detections[:, 0] == k]
                mine = mine[np.argsort(-mine[:, 1], kind="stable")][: self.max_detections]
                right = self._match(mine[:, 2:], there[there[:, 0] == k, 1:])
                found.append(np.column_stack((mine[:, :2], right)))
            if there.shape[1] == 6:
                there = there[there[:, 5] == 0]
            rows = np.full((len(there), self.columns), np.nan)
            rows[:, 0] = there[:, 0]
            found.append(rows)
        return np.concatenate(found)

    def figure(self, rows: Rows) -> Any:
        """Return the mean over classes and thresholds."""
        objects = np.isnan(rows[:, 1])
        areas = np.full(self.classes, np.nan)
        for k in range(self.classes):
            mine = rows[:, 0] == k
            total, seen = int((mine & objects).sum()), rows[mine & ~objects]
            each = []
            for right in seen[:, 2:].T:
                kept = right >= 0
                score = seen[kept, 1]
                each.append(average_precision(score, right[kept], total, self.interpolation))
            areas[k] = np.mean(each)
        if self.average == "none":
            return areas
        known = areas[~np.isnan(areas)]
        return float(known.mean()) if known.size else float("nan")

    def _match(self, boxes: Rows, objects: Rows) -> Rows:
        """Return for each detection, the highest score first, what it is at each threshold."""
        least = np.array(self.iou)
        right = np.zeros((len(boxes), len(least)))
        if not len(objects):
            return right
        aside = objects[:, 4] != 0 if objects.shape[1] == 5 else np.zeros(len(objects), bool)
        overlaps = _overlaps(boxes, objects[:, :4], aside if self.among == "free" else None)
        taken = np.zeros((len(least), len(objects)), bool)
        every = np.arange(len(least))
        for row, overlap in zip(right, overlaps, strict=True):
            if self.among == "all":
                best = np.full(len(least), overlap.argmax())
            else:
                usable = ~taken & (overlap >= least[:, None])
                # Objects that count go before those set aside.
                best = np.where(usable, overlap + 2.0 * ~aside, -1.0).argmax(axis=1)
            enough = overlap[best] >= least
            free = ~taken[every, best]
            row[enough & free] = 1
            row[enough & aside[best]] = -1
            taken[every, best] |= enough & ~aside[best]
        return right

    def _check(self, output: NDArray[Any], target: NDArray[Any]) -> None:
        for what, given, sizes in (("output", output, (6,)), ("target", target, (5, 6))):
            if given.ndim != 3 or given.shape[2] not in sizes:
                wanted = " or ".join(map(str, sizes))
                raise ShapeError(
                    f"{self.name}: {what} must have shape (images, number, {wanted}); got "
                    f"{given.shape}."
                )
            classes = given[..., 0]
            wrong = ~(classes < self.classes) | (classes != np.floor(classes))
            if wrong.any():
                image = int(wrong.any(axis=1).argmax())
                raise DataError(
                    f"{self.name}: classes of the {what} must be whole numbers below "
                    f"{self.classes}; got {classes[image][wrong[image]][0]:g} in image {image}."
                )
        if len(output) != len(target):
            raise ShapeError(
                f"{self.name}: output and target must have as many images; got {len(output)} and "
                f"{len(target)}."
            )
        if np.isnan(output[..., 1]).any():
            image = int(np.isnan(output[..., 1]).any(axis=1).argmax())
            raise DataError(f"{self.name}: scores must be numbers; got NaN in image {image}.")

    def __repr__(self) -> str:
        return f"DetectionMAP({self.classes}, iou={self.iou}, {self.interpolation!r})"


def _overlaps(a: Rows, b: Rows, crowds: NDArray[np.bool_] | None) -> Rows:
    """Return intersection by union of all pairs; of a crowd by the area of the box of a."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    both = np.prod(np.maximum(high - low, 0), axis=2)
    area_a, area_b = (np.prod(np.maximum(x[:, 2:] - x[:, :2], 0), axis=1) for x in (a, b))
    whole = area_a[:, None] + area_b - both
    if crowds is not None:
        whole = np.where(crowds, area_a[:, None], whole)
    shares: Rows = np.divide(both, whole, out=np.zeros_like(both), where=whole > 0)
    return shares
