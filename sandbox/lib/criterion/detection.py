"""Criterions of detectors: boxes and classes against the objects that are there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from ..core import Value, ops, tree
from ..core.errors import DataError, ShapeError
from ..core.ops.detection import TINY, VARIANCES
from ..core.validate import boolean, in_range, non_negative, positive_int
from ..nn.detection.outputs import units, yolo_anchors, yolo_boxes, yolo_grid, yolo_parts
from ..nn.registry import register
from .base import Array, Criterion, CriterionCase, row_sums


def _drawn(rows: int, rng: np.random.Generator) -> Array:
    """Draw objects for the contract: two in a row, of three classes, some of them missing."""
    low = rng.uniform(0.0, 0.5, (rows, 2, 2))
    boxes = np.concatenate([low, low + rng.uniform(0.2, 0.5, (rows, 2, 2))], axis=2)
    classes = np.arange(2 * rows).reshape(rows, 2, 1) % 4 - 1
    return np.concatenate([classes, boxes], axis=2).astype(np.float32)


_WRONG = (
    ([0, 1, 2], ShapeError),
    (np.zeros((3, 1, 4)), ShapeError),
    (np.full((3, 1, 5), [3.0, 0.1, 0.1, 0.2, 0.2]), DataError),
    (np.full((3, 1, 5), [0.5, 0.1, 0.1, 0.2, 0.2]), DataError),
    (np.full((3, 1, 5), [0.0, 0.2, 0.1, 0.1, 0.2]), DataError),
)


class ObjectCriterion(Criterion):
    """What criterions of detectors share: targets are objects.

    target : (batch, objects, 5): class, x1, y1, x2, y2; nothing where the class is < 0. A sixth
    number of 1 marks an object that does not count.
    """

    def objects(self, target: Any, dtype: Any) -> Any:
        """Give the objects as values (batch, at least 1, 5); class -1 where nothing counts."""
        given = target if isinstance(target, Value) else Value(np.asarray(target))
        if len(given.shape) != 3 or given.shape[2] not in (5, 6):
            raise ShapeError(_form(given.shape))
        given = ops.cast(given, dtype)
        if not given.shape[1]:
            return Value(np.full((given.shape[0], 1, 5), -1, dtype))
        classes, boxes, *marks = ops.split(given, (1, 4, 1)[: given.shape[2] - 3], 2)
        for mark in marks:
            classes = ops.where(ops.greater(mark, 0.0), -1.0, classes)
        return ops.concat((classes, boxes), 2)


def check_objects(target: Array, classes: int) -> None:
    """Refuse a target that is no list of objects for each image.

    Raises
    ------
    ShapeError : not (batch, objects, 5 or 6).
    DataError : a class is no whole number below `classes`, or a box has no area.

    Examples
    --------
    >>> check_objects(np.zeros((2, 1, 5)), 3)
    Traceback (most recent call last):
    sandbox.lib.core.errors.DataError: target must hold boxes x1 < x2, y1 < y2; got \
[0. 0. 0. 0.] in row 0. Mark places without an object by class -1.
    """
    if not isinstance(target, np.ndarray):
        raise ShapeError(f"target must be one array; got {tree.kind(target)}.")
    if target.ndim != 3 or target.shape[2] not in (5, 6) or target.dtype.kind not in "fiu":
        raise ShapeError(_form(target.shape))
    labels, boxes = target[..., 0], target[..., 1:5]
    wrong = ~(labels < classes) | (labels != np.floor(labels))
    if wrong.any():
        row, place = np.argwhere(wrong)[0]
        raise DataError(
            f"target must hold classes that are whole numbers below {classes}, or -1 for nothing; "
            f"got {labels[row, place]:g} in row {row}."
        )
    flat = ~(boxes[..., 2:] > boxes[..., :2]).all(axis=2) & (labels >= 0)
    if flat.any():
        row, place = np.argwhere(flat)[0]
        raise DataError(
            f"target must hold boxes x1 < x2, y1 < y2; got {boxes[row, place]} in row {row}. "
            "Mark places without an object by class -1."
        )


def _form(shape: tuple[int, ...]) -> str:
    return (
        "target must have shape (batch, objects, 5 or 6: class, x1, y1, x2, y2 and a mark of what "
        f"does not count); got {shape}."
    )


@register("criterion.MultiBox")
class MultiBox(ObjectCriterion):
    """Compare what SSD gives with the objects: classes of the boxes, and where they are.

    call = sum_n (sum_(i in pos, neg) -log softmax(x_ni)[c_ni] + alpha · sum_(i in pos)
    smooth_l1(o_ni - encoded_ni)) / N_n; pos: the N_n boxes that stand for an object
    (`ops.match_boxes`), neg: of the others the ratio · N_n that the model errs most about

    Parameters
    ----------
    threshold : float in [0, 1]
        A box stands for an object if it overlaps it by so much.
    negatives : float >= 0
        How many boxes of the background count, for each that stands for an object.
    alpha : float >= 0
        How much the places count beside the classes.
    variances : four floats > 0
        Units of the offsets, see `ops.box_encode`.

    Shapes
    ------
    output : (offsets, logits, priors): (batch, n, 4), (batch, n, classes + 1) with the background
        last, (batch, n, 4); float32
    target : (batch, objects, 5): class, x1, y1, x2, y2, in the units of the priors; nothing where
        the class is < 0. A sixth number of 1 marks an object that does not count.

    Raises
    ------
    ArgumentError : an argument is out of range.
    ShapeError : the output is not of these three, or the target has another form.
    DataError : a class is out of range, or a box has no area.

    Notes
    -----
    No counterpart in BigDL's 0.13 Python layers, Keras and PyTorch. An image without objects gives
    0, as in the paper. Source: Liu et al. 2016 (SSD), section 2.2.

    Examples
    --------
    >>> priors = np.float32([[[0, 0, 1, 1], [2, 2, 3, 3], [4, 4, 5, 5]]])
    >>> output = np.zeros((1, 3, 4), "f4"), np.zeros((1, 3, 2), "f4"), priors
    >>> round(MultiBox(negatives=1)(output, np.float32([[[0, 0, 0, 1, 1]]])), 4)  # 2 · log(2)
    1.3863
    """

    cases: ClassVar[tuple[CriterionCase, ...]] = (
        CriterionCase(
            lambda: MultiBox(0.1, negatives=2, alpha=0.5),
            output=((3, 16, 4), (3, 16, 4), (3, 16, 4)),
            target=_drawn,
            wrong=_WRONG,
            kinks=True,
        ),
    )

    def __init__(
        self,
        threshold: float = 0.5,
        *,
        negatives: float = 3.0,
        alpha: float = 1.0,
        variances: Sequence[float] = VARIANCES,
    ) -> None:
        self.threshold = in_range("threshold", threshold, 0.0, 1.0)
        self.negatives = non_negative("negatives", negatives)
        self.alpha = non_negative("alpha", alpha)
        self.variances = units(variances)

    def check(self, output_shape: Any, target: Any) -> None:
        """Refuse outputs that are not these three, and targets that are no objects."""
        check_objects(target, _three(output_shape)[1][2] - 1)

    def rows(self, output: Any, target: Any) -> Any:
        """Compute the loss of each row."""
        _three(tree.map(lambda x: x.shape, output))
        offsets, logits, priors = output
        batch, count, background = logits.shape[0], logits.shape[1], logits.shape[2] - 1
        objects = self.objects(target, logits.dtype)
        place, _ = ops.match_boxes(priors, objects, self.threshold)
        found = ops.greater_equal(place, 0)
        own = ops.expand_dims(ops.maximum(place, 0), 2)
        own = ops.gather(objects, ops.broadcast_to(own, (batch, count, 5)), 1)
        classes, boxes = ops.split(own, (1, 4), 2)
        wide = ops.expand_dims(found, 2)
        labels = ops.where(wide, ops.cast(ops.maximum(classes, 0.0), "int64"), background)
        losses = ops.negative(ops.gather(ops.log_softmax(logits, -1), labels, 2))
        losses = ops.reshape(losses, (batch, count))
        moved = smooth_l1(ops.subtract(offsets, ops.box_encode(boxes, priors, self.variances)))
        # Boxes that stand for nothing may have no area: their offsets are not looked at.
        moved = ops.sum(ops.where(wide, moved, 0.0), axes=2)
        matches = ops.sum(ops.cast(found, logits.dtype), axes=1, keepdims=True)
        kept = ops.logical_or(found, self._hardest(losses, found, matches))
        each = ops.add(ops.where(kept, losses, 0.0), ops.multiply(moved, self.alpha))
        return row_sums(ops.divide(each, ops.maximum(matches, 1.0)))

    def _hardest(self, losses: Any, found: Any, matches: Any) -> Any:
        """Choose the boxes of the background with the largest losses."""
        hard = ops.where(found, -1.0, ops.stop_gradient(losses))
        rank = ops.arg_sort(ops.arg_sort(hard, 1, descending=True), 1)
        most = ops.multiply(matches, self.negatives)
        return ops.logical_and(ops.less(ops.cast(rank, losses.dtype), most), ops.logical_not(found))


def smooth_l1(x: Any) -> Any:
    """Return 0.5 · x² where |x| < 1, else |x| - 0.5."""
    size = ops.abs(x)
    return ops.where(ops.less(size, 1.0), ops.multiply(ops.square(x), 0.5), size - 0.5)


def _three(shapes: Any) -> Any:
    """Refuse an output that is not (offsets, logits, priors)."""
    fits = isinstance(shapes, tuple | list) and len(shapes) == 3
    fits = fits and all(isinstance(s, tuple) and len(s) == 3 for s in shapes)
    if not fits or not (shapes[0] == shapes[2] == (*shapes[1][:2], 4) and shapes[1][2] > 1):
        raise ShapeError(
            "output must be (offsets, logits, priors) of shapes (batch, n, 4), (batch, n, classes "
            f"+ 1) and (batch, n, 4); got {shapes}."
        )
    return shapes


@register("criterion.Yolo")
class Yolo(ObjectCriterion):
    """Compare the map that YOLO v2 gives with the objects: each is the matter of one anchor.

    call = sum_n (coordinates/2 · sum_k (2 - w_k·h_k) · ||p_k - q_k||²
    + objects/2 · sum_k (o_k - iou_k)² + classes · sum_k -log softmax(t_k)[c_k]
    + empty/2 · sum_i o_i²); k: the anchor most like object k in shape, at the place of its centre,
    p = (sigmoid(t_x), sigmoid(t_y), t_w, t_h), q the same of the object, o = sigmoid(t_o);
    i: the other anchors whose boxes overlap no object by more than `threshold`

    Parameters
    ----------
    anchors : sequence of (width, height)
        In places of the map.
    classes : int > 0
        Number of classes.
    threshold : float in [0, 1]
        Anchors that overlap an object by more may say so.
    object_scale, empty_scale, place_scale, class_scale : float >= 0
        What the four terms count.
    rescore : bool
        Whether an object's anchor is to tell how far its box overlaps the object; else 1.

    Shapes
    ------
    output : (batch, anchors · (5 + classes), height, width) float32, see
        `nn.DetectionOutputYOLO`
    target : (batch, objects, 5): class, x1, y1, x2, y2, as parts of the image; nothing where the
        class is < 0. A sixth number of 1 marks an object that does not count.

    Raises
    ------
    ArgumentError : an argument is out of range.
    ShapeError : the output's axis 1 has another size, or the target another form.
    DataError : a class is out of range, or a box has no area.

    Notes
    -----
    No counterpart in BigDL, Keras and PyTorch. Objects that share place and anchor all count.
    Source: Redmon, Farhadi 2017 (YOLO9000), section 2; the scales and 2 - w·h are those of the
    authors' program (darknet's region layer), whose slopes these are.

    Examples
    --------
    >>> output = np.float32([0, 0, 0, 0, 0, 9, 0]).reshape(1, 7, 1, 1)
    >>> loss = Yolo([(1, 1)], 2, rescore=False)
    >>> round(loss(output, np.float32([[[0, 0, 0, 1, 1]]])), 3)  # 5 / 2 · (0.5 - 1)²
    0.625
    """

    cases: ClassVar[tuple[CriterionCase, ...]] = (
        CriterionCase(
            lambda: Yolo([(1, 1), (2, 1.5)], 3, threshold=0.2, rescore=False),
            output=(3, 16, 2, 3),
            target=_drawn,
            wrong=_WRONG,
            kinks=True,
        ),
    )

    takes_trees = False

    def __init__(
        self,
        anchors: Sequence[Sequence[float]],
        classes: int,
        *,
        threshold: float = 0.6,
        object_scale: float = 5.0,
        empty_scale: float = 1.0,
        place_scale: float = 1.0,
        class_scale: float = 1.0,
        rescore: bool = True,
    ) -> None:
        self.anchors = yolo_anchors(anchors)
        self.classes = positive_int("classes", classes)
        self.threshold = in_range("threshold", threshold, 0.0, 1.0)
        self.object_scale = non_negative("object_scale", object_scale)
        self.empty_scale = non_negative("empty_scale", empty_scale)
        self.place_scale = non_negative("place_scale", place_scale)
        self.class_scale = non_negative("class_scale", class_scale)
        self.rescore = boolean("rescore", rescore)

    def check(self, output_shape: Any, target: Any) -> None:
        """Refuse targets that are no objects."""
        check_objects(target, self.classes)

    def rows(self, output: Any, target: Any) -> Any:
        """Compute the loss of each row."""
        objects = self.objects(target, output.dtype)
        parts = yolo_parts(output, len(self.anchors), self.classes)
        found = ops.sigmoid(ops.slice(parts, (0, 0, 4), (*parts.shape[:2], 5)))
        boxes = ops.stop_gradient(yolo_boxes(output, self.anchors, self.classes)[0])
        batch, count, length = parts.shape
        many = objects.shape[1]
        classes, there = ops.split(objects, (1, 4), 2)
        real = ops.greater_equal(classes, 0.0)
        place = ops.where(real, self._places(there, output.shape[2:]), count)  # (batch, many, 1)
        index = ops.minimum(place, count - 1)
        own = ops.gather(parts, ops.broadcast_to(index, (batch, many, length)), 1)

        overlaps = ops.box_iou(boxes, there)
        overlaps = ops.where(ops.reshape(real, (batch, 1, many)), overlaps, 0.0)
        taken = ops.scatter(
            np.zeros((batch, count + 1, 1), bool), place, np.ones((batch, many, 1), bool), 1
        )
        free = ops.logical_not(ops.slice(taken, (0, 0, 0), (batch, count, 1)))
        far = ops.less_equal(ops.max(overlaps, axes=2, keepdims=True), self.threshold)
        total = ops.multiply(
            row_sums(ops.where(ops.logical_and(free, far), ops.square(found), 0.0)),
            self.empty_scale / 2,
        )

        t_place, t_size, t_object, logits = ops.split(own, (2, 2, 1, self.classes), 2)
        goal_place, goal_size, area = self._goals(there, index, output)
        error = ops.sum(
            ops.add(
                ops.square(ops.subtract(ops.sigmoid(t_place), goal_place)),
                ops.square(ops.subtract(t_size, goal_size)),
            ),
            axes=2,
            keepdims=True,
        )
        each = ops.multiply(ops.multiply(error, 2.0 - area), self.place_scale / 2)
        sure: Any = 1.0
        if self.rescore:
            rows = ops.transpose(overlaps, (0, 2, 1))  # (batch, many, count)
            sure = ops.gather(rows, index, 2)
        missing = ops.square(ops.subtract(ops.sigmoid(t_object), sure))
        each = ops.add(each, ops.multiply(missing, self.object_scale / 2))
        labels = ops.cast(ops.maximum(classes, 0.0), "int64")
        logs = ops.gather(ops.log_softmax(logits, -1), labels, 2)
        each = ops.subtract(each, ops.multiply(logs, self.class_scale))
        return ops.add(total, row_sums(ops.where(real, each, 0.0)))

    def _places(self, boxes: Any, shape: tuple[int, ...]) -> Any:
        """Return the place and anchor (batch, objects, 1) whose matter each object is."""
        height, width = shape
        x1, y1, x2, y2 = ops.split(boxes, 4, 2)
        w, h = (x2 - x1) * width, (y2 - y1) * height
        sides = np.array(self.anchors, str(boxes.dtype))
        both = ops.minimum(w, sides[:, 0]) * ops.minimum(h, sides[:, 1])
        alike = both / ops.maximum(w * h + sides.prod(axis=1) - both, TINY)
        anchor = ops.arg_max(alike, 2, keepdims=True)
        column, row = (
            ops.minimum(ops.maximum(ops.floor(centre * (size / 2)), 0.0), size - 1.0)
            for centre, size in ((x1 + x2, width), (y1 + y2, height))
        )
        place = ops.cast(row * width + column, "int64")
        return place * len(self.anchors) + anchor

    def _goals(self, boxes: Any, index: Any, output: Any) -> Any:
        """Return what the anchors of objects are to give, and the objects' areas."""
        height, width = output.shape[2:]
        corner, sides = (
            ops.take(part.astype(output.dtype), ops.reshape(index, index.shape[:2]), 0)
            for part in yolo_grid(height, width, self.anchors)
        )
        scale = np.array([width, height], str(output.dtype))
        low, high = ops.split(boxes, 2, 2)
        lengths = ops.maximum(high - low, TINY)
        w, h = ops.split(lengths, 2, 2)
        places = (low + high) * (scale / 2) - corner
        return places, ops.log(lengths * scale / sides), w * h
