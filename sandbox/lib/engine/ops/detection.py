"""Boxes that overlap: the best one of each group is kept."""

from __future__ import annotations

import numpy as np

from ..errors import ShapeError
from ..operation import register
from ..oplist import Spec
from ..steps import Array
from .rules import floating, ndim


def _infer_nms(
    boxes: Spec, scores: Spec, *, iou_threshold: float, score_threshold: float, max_outputs: int
) -> tuple[Spec, ...]:
    floating(boxes, "boxes")
    floating(scores, "scores")
    ndim(boxes, 2, "(boxes, 4)", "boxes")
    if boxes.shape[1] != 4:
        raise ShapeError(f"boxes axis 1 must be 4 (x1, y1, x2, y2); got shape {boxes.shape}.")
    if scores.shape != boxes.shape[:1]:
        raise ShapeError(f"scores must have shape {boxes.shape[:1]}; got {scores.shape}.")
    return Spec((max_outputs,), "int64"), Spec((), "int64")


def overlap(box: Array, others: Array) -> Array:
    """Return the intersection over union of one box with others; 0 where both have no area."""
    low = np.maximum(box[:2], others[:, :2])
    high = np.minimum(box[2:], others[:, 2:])
    common = np.clip(high - low, 0, None).prod(axis=1)
    areas = (others[:, 2:] - others[:, :2]).prod(axis=1)
    union = (box[2:] - box[:2]).prod() + areas - common
    return np.asarray(np.where(union > 0, common / np.where(union > 0, union, 1), 0))


def nms(
    boxes: Array, scores: Array, *, iou_threshold: float, score_threshold: float, max_outputs: int
) -> tuple[Array, Array]:
    """Return the places of the kept boxes, best first, -1 behind the last; and how many there are.

    A box is dropped if it overlaps a better one that was kept by more than `iou_threshold`.
    """
    order = np.argsort(-scores, kind="stable")
    order = order[scores[order] > score_threshold]
    kept = np.full(max_outputs, -1, np.int64)
    count = 0
    while order.size and count < max_outputs:
        best, order = order[0], order[1:]
        kept[count] = best
        count += 1
        order = order[overlap(boxes[best], boxes[order]) <= iou_threshold]
    return kept, np.asarray(count, np.int64)


_WHY = "each box that stays decides which others go, one after the other"
register("nms", infer=_infer_nms, reference=nms, batch_outputs=0, why=_WHY)


# -- of several classes --------------------------------------------------------------------------


def _infer_detections(
    boxes: Spec,
    scores: Spec,
    *,
    iou_threshold: float,
    score_threshold: float,
    candidates: int,
    max_outputs: int,
) -> tuple[Spec, ...]:
    floating(boxes, "boxes")
    floating(scores, "scores")
    ndim(boxes, 4, "(batch, boxes, 1 or classes, 4)", "boxes")
    ndim(scores, 3, "(batch, boxes, classes)", "scores")
    batch, count, classes = scores.shape
    if boxes.shape not in ((batch, count, 1, 4), (batch, count, classes, 4)):
        raise ShapeError(
            f"boxes must have shape ({batch}, {count}, 1 or {classes}, 4) (batch, boxes, classes, "
            f"x1 y1 x2 y2) where scores have {scores.shape}; got {boxes.shape}."
        )
    return (Spec((batch, max_outputs, 6), boxes.dtype),)


def detections(
    boxes: Array,
    scores: Array,
    *,
    iou_threshold: float,
    score_threshold: float,
    candidates: int,
    max_outputs: int,
) -> Array:
    """Return class, score and box of what is kept of each image, best first; class -1 behind it.

    Boxes suppress those of their own class alone.
    """
    batch, _, classes = scores.shape
    found = np.zeros((batch, max_outputs, 6), boxes.dtype)
    found[:, :, 0] = -1
    for image in range(batch):
        rows: list[Array] = []
        for k in range(classes):
            own = boxes[image, :, min(k, boxes.shape[2] - 1)]
            own, marks = _best(own, scores[image, :, k], score_threshold, candidates)
            places, count = nms(
                *(own, marks),
                iou_threshold=iou_threshold,
                score_threshold=score_threshold,
                max_outputs=max_outputs,
            )
            kept = places[: int(count)]
            label = np.full((len(kept), 1), k, boxes.dtype)
            rows.append(np.concatenate([label, marks[kept, None], own[kept]], axis=1))
        joined = np.concatenate(rows)
        joined = joined[np.argsort(-joined[:, 1], kind="stable")][:max_outputs]
        found[image, : len(joined)] = joined
    return found


def _best(
    boxes: Array, scores: Array, score_threshold: float, candidates: int
) -> tuple[Array, Array]:
    """Return the boxes and scores above a threshold, at most so many, the best ones."""
    order = np.flatnonzero(scores > score_threshold)
    order = order[np.argsort(-scores[order], kind="stable")][:candidates]
    return boxes[order], scores[order]


register("detections", infer=_infer_detections, reference=detections, why=_WHY)
