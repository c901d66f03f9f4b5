"""Boxes of detectors: how far they overlap, as offsets from others, matched, and the best ones."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from .. import validate
from ..errors import ShapeError
from ..function import TapeEntry, as_operand, function
from ..value import Input, Operand, Value
from .arithmetic import divide, exp, log, maximum, minimum
from .arrange import split
from .cast import cast
from .comparison import greater, greater_equal, where
from .index import scatter
from .reduce import max as largest
from .shape import concat, expand_dims, reshape, slice
from .sort import arg_max

__all__ = ["box_decode", "box_encode", "box_iou", "detections", "match_boxes"]

LIMIT = math.log(1000 / 16)
"""A box becomes at most so many times (its logarithm) as long as its anchor, as in Detectron."""
VARIANCES = (0.1, 0.1, 0.2, 0.2)
TINY = 1e-9

Gradients = Sequence[Input | None]

_detections = function("detections")


def box_iou(a: Input, b: Input) -> Value:
    """Return the intersection over union of each box of a with each box of b.

    iou(a, b) = area(a and b) / (area(a) + area(b) - area(a and b)), 0 where both have no area

    Shapes
    ------
    a : (..., n, 4), as x1, y1, x2, y2
    b : (..., m, 4)
    output : (..., n, m)

    Notes
    -----
    Same as TorchVision `box_iou`. A box whose corners are in the wrong order has no area.

    Examples
    --------
    >>> box_iou(np.float32([[0, 0, 2, 2]]), np.float32([[0, 0, 2, 1], [1, 1, 3, 3]])).data.round(3)
    array([[0.5  , 0.143]], dtype=float32)
    """
    first, second = _boxes("a", a), _boxes("b", b)
    x1, y1, x2, y2 = split(first, 4, -1)  # (..., n, 1)
    sides = split(second, 4, -1)
    u1, v1, u2, v2 = (reshape(x, (*second.shape[:-2], 1, second.shape[-2])) for x in sides)
    wide = maximum(minimum(x2, u2) - maximum(x1, u1), 0.0)
    high = maximum(minimum(y2, v2) - maximum(y1, v1), 0.0)
    both = wide * high
    whole = _area(x1, y1, x2, y2) + _area(u1, v1, u2, v2) - both
    covered = greater(whole, 0.0)
    return where(covered, divide(both, where(covered, whole, 1.0)), 0.0)


def _area(x1: Value, y1: Value, x2: Value, y2: Value) -> Value:
    return maximum(x2 - x1, 0.0) * maximum(y2 - y1, 0.0)


def box_encode(boxes: Input, anchors: Input, variances: Sequence[float] = VARIANCES) -> Value:
    """Return boxes as offsets from anchors.

    ((x - xa) / wa / v0, (y - ya) / ha / v1, log(w / wa) / v2, log(h / ha) / v3),
    x and y the centre, w and h the sides of a box, xa ... those of its anchor

    Parameters
    ----------
    boxes, anchors : (..., 4), as x1, y1, x2, y2
    variances : four floats > 0
        Units of the offsets. SSD has the default, Faster R-CNN's proposals 1 each.

    Notes
    -----
    Sources: Girshick et al. 2014 (R-CNN), appendix C; the variances: Liu et al. 2016 (SSD).
    Sides of less than 1e-9 count as 1e-9.

    Examples
    --------
    >>> box_encode(np.float32([[1, 0, 3, 2]]), np.float32([[0, 0, 2, 2]])).data
    array([[5., 0., 0., 0.]], dtype=float32)
    """
    units = _units(variances)
    x, y, w, h = centred(_boxes("boxes", boxes))
    ax, ay, aw, ah = centred(_boxes("anchors", anchors))
    parts = (
        (x - ax) / (aw * units[0]),
        (y - ay) / (ah * units[1]),
        log(w / aw) / units[2],
        log(h / ah) / units[3],
    )
    return concat(parts, parts[0].ndim - 1)


def box_decode(
    offsets: Input,
    anchors: Input,
    variances: Sequence[float] = VARIANCES,
    *,
    limit: float = LIMIT,
) -> Value:
    """Return the boxes x1, y1, x2, y2 that are meant by offsets from anchors; undoes `box_encode`.

    Parameters
    ----------
    offsets, anchors : (..., 4)
    variances : four floats > 0
        Units of the offsets, see `box_encode`.
    limit : float > 0
        The largest logarithm of side by side of the anchor.

    Examples
    --------
    >>> box_decode(np.float32([[5, 0, 0, 0]]), np.float32([[0, 0, 2, 2]])).data
    array([[1., 0., 3., 2.]], dtype=float32)
    """
    units, most = _units(variances), validate.positive("limit", limit)
    dx, dy, dw, dh = split(_boxes("offsets", offsets), 4, -1)
    ax, ay, aw, ah = centred(_boxes("anchors", anchors))
    x, y = ax + dx * units[0] * aw, ay + dy * units[1] * ah
    w, h = (
        side * exp(minimum(d * unit, most)) / 2
        for side, d, unit in ((aw, dw, units[2]), (ah, dh, units[3]))
    )
    return concat((x - w, y - h, x + w, y + h), x.ndim - 1)


def centred(boxes: Operand) -> tuple[Value, Value, Value, Value]:
    """Return centres and sides (..., 1) of boxes."""
    x1, y1, x2, y2 = split(boxes, 4, -1)
    return (x1 + x2) / 2, (y1 + y2) / 2, maximum(x2 - x1, TINY), maximum(y2 - y1, TINY)


def match_boxes(
    anchors: Input, objects: Input, threshold: float = 0.5, *, force: bool = True
) -> tuple[Value, Value]:
    """Return which object each anchor stands for, -1 for none; and its largest overlap.

    Parameters
    ----------
    anchors : (batch, n, 4), as x1, y1, x2, y2
    objects : (batch, m, 5 or more)
        Class, x1, y1, x2, y2; no object where the class is < 0.
    threshold : float in [0, 1]
        An anchor stands for the object it overlaps most (intersection over union), if by so much.
    force : bool
        Whether each object also gets the anchor that overlaps it most, however little: of several
        objects that want one anchor, the last one.

    Shapes
    ------
    place : (batch, n) int64, in -1..m-1
    overlap : (batch, n)

    Notes
    -----
    Source: Liu et al. 2016, section 2.2; as in TorchVision, not one pair after the other.

    Examples
    --------
    >>> anchors = np.float32([[[0, 0, 2, 2], [0, 0, 3, 2], [4, 4, 9, 9]]])
    >>> place, overlap = match_boxes(anchors, np.float32([[[7, 0, 0, 2, 2], [3, 4, 4, 5, 5]]]))
    >>> place.data, overlap.data.round(2)
    (array([[0, 0, 1]]), array([[1.  , 0.67, 0.04]], dtype=float32))
    """
    least = validate.in_range("threshold", threshold, 0.0, 1.0)
    grid, there = _boxes("anchors", anchors), as_operand(objects)
    if grid.ndim != 3 or there.ndim != 3 or there.shape[2] < 5 or len(grid) != len(there):
        raise ShapeError(
            "anchors must be (batch, n, 4) and objects (batch, m, 5: class, x1, y1, x2, y2); got "
            f"{grid.shape} and {there.shape}."
        )
    batch, count, many = *grid.shape[:2], there.shape[1]
    if not many:
        nothing = np.zeros((batch, count))
        return cast(nothing - 1, "int64"), cast(nothing, grid.dtype)
    there = cast(there, grid.dtype)
    real = greater_equal(slice(there, (0, 0, 0), (batch, many, 1)), 0.0)
    overlaps = box_iou(grid, slice(there, (0, 0, 1), (batch, many, 5)))
    overlaps = where(reshape(real, (batch, 1, many)), overlaps, -1.0)
    overlap, place = largest(overlaps, 2), arg_max(overlaps, 2)
    place = where(greater_equal(overlap, max(least, TINY)), place, -1)
    if validate.boolean("force", force):
        # An object that overlaps no anchor at all writes behind the last anchor.
        wanted = where(greater(largest(overlaps, 1), 0.0), arg_max(overlaps, 1), count)
        names = np.broadcast_to(np.arange(many), (batch, many))
        forced = scatter(np.full((batch, count + 1), -1), wanted, names, 1)
        forced = slice(forced, (0, 0), (batch, count))
        place = where(greater_equal(forced, 0), forced, place)
    return place, maximum(overlap, 0.0)


def detections(
    boxes: Input,
    scores: Input,
    *,
    iou_threshold: float = 0.45,
    score_threshold: float = 0.01,
    candidates: int = 400,
    max_outputs: int = 200,
) -> Value:
    """Return what is found in each image: `nms` of each class, then the best of all classes.

    Parameters
    ----------
    boxes : (batch, n, 4), as x1, y1, x2, y2; or (batch, n, classes, 4) with a box for each class
    scores : (batch, n, classes), without a background
    iou_threshold : float in [0, 1]
        A box is dropped if it overlaps a better one of its class by more.
    score_threshold : float
        Only boxes of a larger score count.
    candidates : int > 0
        How many boxes of a class are looked at, the best ones.
    max_outputs : int > 0
        How many are kept in an image, of all classes.

    Shapes
    ------
    output : (batch, max_outputs, 6): class, score, x1, y1, x2, y2, the best first; class -1 and
        zeros behind the last

    Notes
    -----
    Like TensorFlow `combined_non_max_suppression`: one array. No gradient flows through it.
    A fixed size, so it runs within programs (decision 33). Source: Felzenszwalb et al. 2010.

    Examples
    --------
    >>> boxes = np.float32([[[0, 0, 2, 2], [0, 0, 2, 1.9], [5, 5, 6, 6]]])
    >>> scores = np.float32([[[0.8, 0.1], [0.9, 0.2], [0.0, 0.3]]])
    >>> detections(boxes, scores, max_outputs=3).data[0, :, :2]
    array([[0. , 0.9],
           [1. , 0.3],
           [1. , 0.2]], dtype=float32)
    """
    first, second = _boxes("boxes", boxes), as_operand(scores)
    if first.ndim == 3:
        first = expand_dims(first, 2)
    attrs = {
        "iou_threshold": validate.in_range("iou_threshold", iou_threshold, 0.0, 1.0),
        "score_threshold": validate.number("score_threshold", score_threshold),
        "candidates": validate.positive_int("candidates", candidates),
        "max_outputs": validate.positive_int("max_outputs", max_outputs),
    }
    return _detections.apply((first, second), attrs)[0]


@_detections.gradient
def _detections_gradient(entry: TapeEntry, dy: Value) -> Gradients:
    return None, None


def _boxes(name: str, x: Input) -> Operand:
    operand = as_operand(x)
    if operand.ndim < 2 or operand.shape[-1] != 4:
        raise ShapeError(f"{name} must have shape (..., boxes, 4); got {operand.shape}.")
    return operand if operand.dtype.kind == "f" else cast(operand, "float32")


def _units(variances: Sequence[float]) -> list[float]:
    what = "four numbers > 0"
    given = validate.several("variances", variances, what)
    if len(given) != 4:
        raise validate.refuse("variances", what, variances)
    return [validate.positive("variances", item) for item in given]
