"""The last step of detectors: offsets and scores become boxes, the best of which are kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from ...core import ops
from ...core.errors import ShapeError
from ...core.validate import in_range, number, positive_int, refuse, several
from ..case import Case
from ..checks import check_axis, check_rank, floating
from ..convolution.base import LAYOUTS
from ..module import Module
from ..registry import register
from .anchors import some

SSD_VARIANCES = (0.1, 0.1, 0.2, 0.2)


class DetectionOutput(Module):
    """What the last steps share: which boxes are kept."""

    def __init__(
        self,
        iou_threshold: float,
        score_threshold: float,
        candidates: int,
        max_outputs: int,
        name: str | None,
    ) -> None:
        super().__init__(name=name)
        self.iou_threshold = in_range("iou_threshold", iou_threshold, 0.0, 1.0)
        self.score_threshold = number("score_threshold", score_threshold)
        self.candidates = positive_int("candidates", candidates)
        self.max_outputs = positive_int("max_outputs", max_outputs)

    def keep(self, boxes: Any, scores: Any) -> Any:
        """Return the best boxes of each image; see `ops.detections`."""
        return ops.detections(
            boxes,
            scores,
            iou_threshold=self.iou_threshold,
            score_threshold=self.score_threshold,
            candidates=self.candidates,
            max_outputs=self.max_outputs,
        )

    def extra(self) -> str:
        """Give how many are kept, and above which score."""
        return f"max_outputs={self.max_outputs}, score_threshold={self.score_threshold:g}"


@register("nn.DetectionOutputSSD")
class DetectionOutputSSD(DetectionOutput):
    """Make what SSD gives into classes, scores and boxes of the objects that are found.

    Softmax over the classes, of which the last one is the background; boxes by `ops.box_decode`;
    for each class non-maximum suppression; of all classes the best boxes

    Parameters
    ----------
    iou_threshold : float in [0, 1]
        A box is dropped if it overlaps a better one of its class by more.
    score_threshold : float
        Only boxes with a larger probability count.
    candidates : int > 0
        How many boxes of a class are looked at, the best ones.
    max_outputs : int > 0
        How many are kept in an image.
    variances : four floats > 0
        Units of the offsets, see `ops.box_encode`.

    Shapes
    ------
    offsets : (batch, n, 4) float32
    logits : (batch, n, classes + 1) float32
    priors : (batch, n, 4), as x1, y1, x2, y2
    output : (batch, max_outputs, 6): class, score, x1, y1, x2, y2, the best first; class -1 behind
        the last, as `metrics.DetectionMAP` takes them

    Raises
    ------
    ArgumentError : an argument is out of range.
    ShapeError : in `call`, the inputs do not go together.

    Notes
    -----
    Like BigDL `DetectionOutputSSD` (0.13), of Caffe's SSD: the background is the last class, not
    the first; places are shared by the classes; sizes are fixed. No gradient flows through it.
    Source: Liu et al. 2016, section 3: 0.45, 0.01, 400 and 200.

    Examples
    --------
    >>> output = DetectionOutputSSD(max_outputs=1)
    >>> offsets, priors = np.zeros((1, 1, 4), "f4"), np.float32([[[0, 0, 0.5, 1]]])
    >>> output(offsets, np.float32([[[9, 0, 0]]]), priors).round(1)
    array([[[0. , 1. , 0. , 0. , 0.5, 1. ]]], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: DetectionOutputSSD(max_outputs=4),
            inputs=((2, 6, 4), (2, 6, 3), (2, 6, 4)),
            output=(2, 4, 6),
            wrong=((2, 6, 4), (2, 5, 3), (2, 6, 4)),
            own_gradient=True,
            sizes=("max_outputs=4", "score_threshold=0.01"),
        ),
    )

    def __init__(
        self,
        *,
        iou_threshold: float = 0.45,
        score_threshold: float = 0.01,
        candidates: int = 400,
        max_outputs: int = 200,
        variances: Sequence[float] = SSD_VARIANCES,
        name: str | None = None,
    ) -> None:
        super().__init__(iou_threshold, score_threshold, candidates, max_outputs, name)
        self.variances = units(variances)

    def call(self, offsets: Any, logits: Any, priors: Any) -> Any:
        """Find the objects."""
        offsets, logits, priors = floating(offsets), floating(logits), floating(priors)
        batch, count = offsets.shape[:2] if len(offsets.shape) == 3 else (0, 0)
        same = offsets.shape == priors.shape == (batch, count, 4)
        if not same or len(logits.shape) != 3 or logits.shape[:2] != (batch, count):
            raise ShapeError(
                "offsets, logits and priors must be (batch, n, 4), (batch, n, classes + 1) and "
                f"(batch, n, 4); got {offsets.shape}, {logits.shape} and {priors.shape}."
            )
        boxes = ops.box_decode(offsets, priors, self.variances)
        return self.keep(boxes, foreground(logits))


@register("nn.DetectionOutputFrcnn")
class DetectionOutputFrcnn(DetectionOutput):
    """Make what Faster R-CNN's box head gives into classes, scores and boxes.

    Softmax over the classes, of which the last one is the background; a box for each class by
    `ops.box_decode` of the proposal; non-maximum suppression; of all classes the best boxes

    Parameters
    ----------
    image_size : (height, width), optional
        Boxes end at the edges of the image, in pixels.
    iou_threshold : float in [0, 1]
        A box is dropped if it overlaps a better one of its class by more.
    score_threshold : float
        Only boxes with a larger probability count.
    max_outputs : int > 0
        How many are kept in an image.
    variances : four floats > 0
        Units of the offsets, see `ops.box_encode`.

    Shapes
    ------
    proposals : (batch, n, 4), as x1, y1, x2, y2
    logits : (batch, n, classes + 1) float32
    offsets : (batch, n, 4 · classes) float32, of a class side by side
    output : (batch, max_outputs, 6): class, score, x1, y1, x2, y2, the best first; class -1 behind
        the last, as `metrics.DetectionMAP` takes them

    Raises
    ------
    ArgumentError : an argument is out of range.
    ShapeError : in `call`, the inputs do not go together.

    Notes
    -----
    Like BigDL `DetectionOutputFrcnn` (0.13): logits and a background that is the last class, any
    number of images, no votes of the boxes that are dropped. A proposal of no area, as `Proposal`
    fills up with, is no box. No gradient flows through it. Source: Girshick 2015, Ren et al. 2015.

    Examples
    --------
    >>> output = DetectionOutputFrcnn(max_outputs=1)
    >>> proposals, logits = np.float32([[[0, 0, 8, 6]]]), np.float32([[[0, 9, 0]]])
    >>> output(proposals, logits, np.zeros((1, 1, 8), "f4")).round(1)
    array([[[1., 1., 0., 0., 8., 6.]]], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: DetectionOutputFrcnn((9, 8), max_outputs=4),
            inputs=((2, 5, 4), (2, 5, 3), (2, 5, 8)),
            output=(2, 4, 6),
            wrong=((2, 5, 4), (2, 5, 3), (2, 5, 12)),
            own_gradient=True,
            sizes=("max_outputs=4", "score_threshold=0.05"),
        ),
    )

    def __init__(
        self,
        image_size: tuple[int, int] | None = None,
        *,
        iou_threshold: float = 0.3,
        score_threshold: float = 0.05,
        max_outputs: int = 100,
        variances: Sequence[float] = SSD_VARIANCES,
        name: str | None = None,
    ) -> None:
        super().__init__(iou_threshold, score_threshold, 1 << 30, max_outputs, name)
        self.image_size = size_of(image_size)
        self.variances = units(variances)

    def call(self, proposals: Any, logits: Any, offsets: Any) -> Any:
        """Find the objects."""
        proposals, logits, offsets = floating(proposals), floating(logits), floating(offsets)
        given = (proposals.shape, logits.shape, offsets.shape)
        batch, count, classes = logits.shape if len(logits.shape) == 3 else (0, 0, 1)
        if given[0] != (batch, count, 4) or given[2] != (batch, count, 4 * (classes - 1)):
            raise ShapeError(
                "proposals, logits and offsets must be (batch, n, 4), (batch, n, classes + 1) and "
                f"(batch, n, 4 · classes); got {given[0]}, {given[1]} and {given[2]}."
            )
        each = ops.reshape(proposals, (batch, count, 1, 4))
        each = ops.broadcast_to(each, (batch, count, classes - 1, 4))
        moved = ops.reshape(offsets, (batch, count, classes - 1, 4))
        boxes = clipped(ops.box_decode(moved, each, self.variances), self.image_size)
        return self.keep(boxes, ops.where(has_area(proposals), foreground(logits), 0.0))


@register("nn.DetectionOutputYOLO")
class DetectionOutputYOLO(DetectionOutput):
    """Make the map that YOLO v2 gives into classes, scores and boxes, as parts of the image.

    b_x = (j + sigmoid(t_x)) / width, b_w = anchor_w · exp(t_w) / width, so with y, i and height;
    score of class c = sigmoid(t_o) · softmax(t)[c]

    Parameters
    ----------
    anchors : sequence of (width, height)
        In places of the map.
    classes : int > 0
        Number of classes.
    iou_threshold : float in [0, 1]
        A box is dropped if it overlaps a better one of its class by more.
    score_threshold : float
        Only boxes of a larger score count.
    max_outputs : int > 0
        How many are kept in an image.

    Shapes
    ------
    input : (batch, anchors · (5 + classes), height, width) float32; of each anchor t_x, t_y, t_w,
        t_h, t_o, then the classes
    output : (batch, max_outputs, 6): class, score, x1, y1, x2, y2, the best first; class -1 behind
        the last, as `metrics.DetectionMAP` takes them

    Raises
    ------
    ArgumentError : an argument is out of range.
    ShapeError : in `call`, the input's axis 1 has another size.

    Notes
    -----
    No counterpart in BigDL, Keras and PyTorch. No gradient flows through it.
    Source: Redmon, Farhadi 2017 (YOLO9000), section 2.

    Examples
    --------
    >>> output = DetectionOutputYOLO([(1, 1)], 1, max_outputs=1)
    >>> output(np.zeros((1, 6, 1, 2), "f4"))
    array([[[0. , 0.5, 0. , 0. , 0.5, 1. ]]], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: DetectionOutputYOLO([(1, 1), (2, 1.5)], 3, max_outputs=5),
            inputs=((2, 16, 2, 3),),
            output=(2, 5, 6),
            wrong=((2, 15, 2, 3), (2, 16, 2)),
            wrong_axis=1,
            own_gradient=True,
            sizes=("max_outputs=5", "score_threshold=0.005"),
        ),
    )

    def __init__(
        self,
        anchors: Sequence[Sequence[float]],
        classes: int,
        *,
        iou_threshold: float = 0.45,
        score_threshold: float = 0.005,
        max_outputs: int = 100,
        name: str | None = None,
    ) -> None:
        super().__init__(iou_threshold, score_threshold, 1 << 30, max_outputs, name)
        self.anchors = yolo_anchors(anchors)
        self.classes = positive_int("classes", classes)

    def call(self, x: Any) -> Any:
        """Find the objects."""
        boxes, objectness, logits = yolo_boxes(floating(x), self.anchors, self.classes)
        scores = ops.sigmoid(objectness) * ops.softmax(logits, -1)
        return self.keep(boxes, scores)


def yolo_anchors(value: Any) -> tuple[tuple[float, float], ...]:
    """Refuse anchors that are no pairs of numbers > 0."""
    what = "a list of (width, height), numbers > 0"
    found = []
    for item in several("anchors", value, what):
        sides = some("anchors", item, least=2)
        if len(sides) != 2:
            raise refuse("anchors", what, value)
        found.append((sides[0], sides[1]))
    if not found:
        raise refuse("anchors", what, value)
    return tuple(found)


def yolo_parts(x: Any, anchors: int, classes: int) -> Any:
    """Return the map of YOLO as (batch, height · width · anchors, 5 + classes)."""
    check_rank(x, LAYOUTS[2], 4)
    check_axis(x, 1, anchors * (5 + classes), "anchors · (5 + classes)")
    batch, _, height, width = x.shape
    x = ops.reshape(x, (batch, anchors, 5 + classes, height * width))
    x = ops.transpose(x, (0, 3, 1, 2))
    return ops.reshape(x, (batch, height * width * anchors, 5 + classes))


def yolo_boxes(x: Any, anchors: tuple[tuple[float, float], ...], classes: int) -> Any:
    """Return what a map of YOLO means: boxes as parts of the image, objectness, logits."""
    parts = yolo_parts(x, len(anchors), classes)
    places, sizes, objectness, logits = ops.split(parts, (2, 2, 1, classes), 2)
    height, width = x.shape[2:]
    corner, sides = yolo_grid(height, width, anchors)
    scale = np.array([width, height])
    centres = ops.sigmoid(places) * (1 / scale).astype(x.dtype) + (corner / scale).astype(x.dtype)
    halves = ops.exp(ops.minimum(sizes, 10.0)) * (sides / scale / 2).astype(x.dtype)
    return ops.concat((centres - halves, centres + halves), 2), objectness, logits


def yolo_grid(height: int, width: int, anchors: Any) -> Any:
    """Return, for each place and anchor, the corner of the place and the anchor's sides."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    corner = np.repeat(np.stack([x.ravel(), y.ravel()], axis=1), len(anchors), axis=0)
    return corner.astype(float), np.tile(np.array(anchors, float), (height * width, 1))


def foreground(logits: Any) -> Any:
    """Return the probabilities of all classes but the last one, the background."""
    batch, count, classes = logits.shape
    return ops.slice(ops.softmax(logits, -1), (0, 0, 0), (batch, count, classes - 1))


def has_area(boxes: Any) -> Any:
    """Return (batch, n, 1): whether boxes have an area."""
    x1, y1, x2, y2 = ops.split(boxes, 4, 2)
    return ops.logical_and(ops.greater(x2, x1), ops.greater(y2, y1))


def clipped(boxes: Any, image_size: tuple[int, int] | None) -> Any:
    """Return boxes that end at the edges of the image."""
    if image_size is None:
        return boxes
    height, width = image_size
    most = np.array([width, height, width, height], str(boxes.dtype))
    return ops.minimum(ops.maximum(boxes, 0.0), most)


def size_of(value: Any) -> tuple[int, int] | None:
    """Refuse what is no (height, width), nor None."""
    if value is None:
        return None
    what = "(height, width), ints > 0, or None"
    sides = several("image_size", value, what)
    if len(sides) != 2:
        raise refuse("image_size", what, value)
    return positive_int("image_size", sides[0]), positive_int("image_size", sides[1])


def units(variances: Any) -> tuple[float, ...]:
    """Refuse what is no four numbers > 0."""
    found = some("variances", variances, least=4)
    if len(found) != 4:
        raise refuse("variances", "a list of four numbers > 0", variances)
    return found
