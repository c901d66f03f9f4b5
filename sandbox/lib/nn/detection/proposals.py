"""Region proposals: the boxes in which something may be, whatever it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from ...core import ops
from ...core.errors import ShapeError
from ...core.validate import in_range, non_negative, positive_int, refuse, several
from .. import init
from ..case import Case
from ..checks import check_axis, check_rank, floating
from ..convolution import Conv2d
from ..convolution.base import LAYOUTS
from ..module import Module
from ..registry import register
from .anchors import Anchor, some
from .outputs import clipped, size_of

# Below every score that is not marked as none.
NOTHING = -1e30
UNITS = (1.0, 1.0, 1.0, 1.0)


class Proposing(Module):
    """What the two share: which boxes are proposed."""

    def __init__(
        self,
        image_size: tuple[int, int] | None,
        candidates: int,
        max_outputs: int,
        iou_threshold: float,
        min_size: float,
        name: str | None,
    ) -> None:
        super().__init__(name=name)
        self.image_size = size_of(image_size)
        self.candidates = positive_int("candidates", candidates)
        self.max_outputs = positive_int("max_outputs", max_outputs)
        self.iou_threshold = in_range("iou_threshold", iou_threshold, 0.0, 1.0)
        self.min_size = non_negative("min_size", min_size)

    def propose(self, scores: Any, offsets: Any, anchors: Any) -> Any:
        """Return (batch, max_outputs, 6), see `ops.detections`, of scores (batch, n)."""
        count = min(self.candidates, scores.shape[1])
        best, place = ops.top_k(scores, count, 1)
        places = ops.broadcast_to(ops.expand_dims(place, 2), (*place.shape, 4))
        moved = ops.box_decode(
            ops.gather(offsets, places, 1), ops.gather(anchors, places, 1), UNITS
        )
        boxes = clipped(moved, self.image_size)
        x1, y1, x2, y2 = ops.split(boxes, 4, 2)
        large = ops.logical_and(
            ops.greater_equal(x2 - x1, self.min_size), ops.greater_equal(y2 - y1, self.min_size)
        )
        marks = ops.where(large, ops.expand_dims(best, 2), NOTHING)
        return ops.detections(
            boxes,
            marks,
            iou_threshold=self.iou_threshold,
            score_threshold=NOTHING / 10,
            candidates=count,
            max_outputs=self.max_outputs,
        )


@register("nn.Proposal")
class Proposal(Proposing):
    """Make scores and offsets of anchors into the boxes in which something may be.

    The `candidates` best anchors are moved by `ops.box_decode`, cut at the edges of the image, left
    out if too small; of those that overlap the best one stays; the `max_outputs` best are proposed

    Parameters
    ----------
    sizes, ratios, stride : see `Anchor`
    image_size : (height, width), optional
        Boxes end at the edges of the image, in pixels.
    candidates, max_outputs : int > 0
        How many of an image are looked at, and proposed.
    iou_threshold : float in [0, 1]
        A box is dropped if it overlaps a better one by more.
    min_size : float >= 0
        Least width and height, in pixels.

    Shapes
    ------
    scores : (batch, anchors, height, width) float32; larger where something is, of any scale
    offsets : (batch, 4 · anchors, height, width) float32, of an anchor side by side
    output : (batch, max_outputs, 4), as x1, y1, x2, y2, the best first; zeros behind the last

    Raises
    ------
    ArgumentError : an argument is out of range.
    ShapeError : in `call`, scores or offsets have other shapes.

    Notes
    -----
    Like BigDL `Proposal` (0.13), of Caffe's Faster R-CNN: any number of images, of one size; one
    score for each anchor, not two; the same numbers in training. No gradient flows through it.
    Source: Ren et al. 2015, section 3.3.

    Examples
    --------
    >>> scores = np.float32([[[[0, 5]]]])
    >>> Proposal([8], [1], 16, max_outputs=2)(scores, np.zeros((1, 4, 1, 2), "f4"))
    array([[[12., -4., 20.,  4.],
            [-4., -4.,  4.,  4.]]], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: Proposal([8, 16], [0.5, 2], 4, image_size=(8, 12), max_outputs=5),
            inputs=((2, 4, 2, 3), (2, 16, 2, 3)),
            output=(2, 5, 4),
            wrong=((2, 4, 2, 3), (2, 12, 2, 3)),
            own_gradient=True,
            sizes=("sizes=(8.0, 16.0)", "ratios=(0.5, 2.0)", "stride=4"),
        ),
    )

    def __init__(
        self,
        sizes: Sequence[float],
        ratios: Sequence[float],
        stride: float,
        *,
        image_size: tuple[int, int] | None = None,
        candidates: int = 6000,
        max_outputs: int = 300,
        iou_threshold: float = 0.7,
        min_size: float = 0.0,
        name: str | None = None,
    ) -> None:
        super().__init__(image_size, candidates, max_outputs, iou_threshold, min_size, name)
        self.anchor = Anchor(sizes, ratios, stride)

    def call(self, scores: Any, offsets: Any) -> Any:
        """Propose boxes."""
        scores, offsets = floating(scores), floating(offsets)
        check_rank(scores, LAYOUTS[2], 4)
        check_axis(scores, 1, self.anchor.boxes_per_place, "anchors of a place")
        wanted = (scores.shape[0], 4 * scores.shape[1], *scores.shape[2:])
        if offsets.shape != wanted:
            raise ShapeError(
                f"offsets must have shape {wanted} (batch, 4 · anchors, height, width) where "
                f"scores have {scores.shape}; got {offsets.shape}."
            )
        found = self.propose(*in_rows(scores, offsets), self.anchor(scores))
        return ops.slice(found, (0, 0, 2), (*found.shape[:2], 6))


@register("nn.RegionProposal")
class RegionProposal(Proposing):
    """Judge the anchors of each level of a feature pyramid, and propose the best ones.

    h = relu(conv3x3(x)), scores = conv1x1(h), offsets = conv1x1(h), the same for all levels; of
    each level what `Proposal` gives, then the best of all levels

    Parameters
    ----------
    in_channels : int > 0
        Channels of the maps.
    sizes : sequence of floats > 0
        For each level the square root of its anchors' area, in pixels of the image.
    ratios : sequence of floats > 0
        Height by width of the anchors.
    strides : sequence of floats > 0
        For each level the pixels from one place of its map to the next.
    image_size : (height, width), optional
        Boxes end at the edges of the image, in pixels.
    candidates, max_outputs : int > 0
        How many of a level are looked at; how many are proposed, of a level and of all.
    iou_threshold : float in [0, 1]
        A box is dropped if it overlaps a better one of its level by more.
    min_size : float >= 0
        Least width and height, in pixels.
    weight_init : str
        Rule of the first weights, see `nn.init`; biases start at 0.
    rng : Generator, int or None
        Where the first weights are drawn from; None takes fresh entropy.

    Shapes
    ------
    features : (batch, in_channels, height_k, width_k) float32, one for each level
    proposals : (batch, max_outputs, 4), as x1, y1, x2, y2, the best first; zeros behind the last
    scores, offsets, anchors : (batch, n), (batch, n, 4), (batch, n, 4) of all levels' anchors, from
        which a loss is made; the output is the tuple of the four

    Raises
    ------
    ArgumentError : an argument is out of range.
    ShapeError : in `call`, there are not as many maps as levels, or they have other channels.

    Notes
    -----
    Like BigDL `RegionProposal` (0.13, Scala): that is for inference, and gives proposals alone.
    Proposals get no gradient. Sources: Ren et al. 2015; levels: Lin et al. 2017.

    Examples
    --------
    >>> module = RegionProposal(4, [8, 16], [1], [4, 8], max_outputs=3, rng=0)
    >>> maps = np.ones((1, 4, 4, 4), "f4"), np.ones((1, 4, 2, 2), "f4")
    >>> [y.shape for y in module(*maps)]
    [(1, 3, 4), (1, 20), (1, 20, 4), (1, 20, 4)]
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: RegionProposal(
                3, [4, 8], [0.5, 1], [2, 4], image_size=(8, 6), max_outputs=4, rng=rng
            ),
            inputs=((2, 3, 4, 3), (2, 3, 2, 2)),
            output=((2, 4, 4), (2, 32), (2, 32, 4), (2, 32, 4)),
            wrong=((2, 3, 4, 3), (2, 4, 2, 2)),
            own_gradient=True,
            sizes=("sizes=(4.0,)", "stride=4", "Conv2d(3 -> 8"),
        ),
    )

    def __init__(
        self,
        in_channels: int,
        sizes: Sequence[float],
        ratios: Sequence[float],
        strides: Sequence[float],
        *,
        image_size: tuple[int, int] | None = None,
        candidates: int = 1000,
        max_outputs: int = 1000,
        iou_threshold: float = 0.7,
        min_size: float = 0.0,
        weight_init: str = init.DEFAULT,
        rng: np.random.Generator | int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(image_size, candidates, max_outputs, iou_threshold, min_size, name)
        channels = positive_int("in_channels", in_channels)
        levels = some("sizes", sizes)
        steps = several("strides", strides, "a list of numbers > 0")
        if len(steps) != len(levels):
            raise refuse("strides", f"{len(levels)} numbers, as many as sizes", strides)
        self.anchors = [Anchor([s], ratios, t) for s, t in zip(levels, steps, strict=True)]
        count, rng = self.anchors[0].boxes_per_place, init.generator(rng)
        more: dict[str, Any] = {"weight_init": weight_init, "rng": rng}
        self.hidden = Conv2d(channels, channels, 3, padding=1, **more)
        self.scores = Conv2d(channels, count, 1, **more)
        self.offsets = Conv2d(channels, 4 * count, 1, **more)

    def call(self, *features: Any) -> Any:
        """Judge the anchors and propose the best."""
        if len(features) != len(self.anchors):
            raise ShapeError(
                f"features must be {len(self.anchors)} levels (sizes); got {len(features)}, the "
                f"last in shape {features[-1].shape if features else ()}."
            )
        judged, found = [], []
        for anchor, x in zip(self.anchors, features, strict=True):
            hidden = ops.relu(self.hidden(x))
            level = (*in_rows(self.scores(hidden), self.offsets(hidden)), anchor(hidden))
            judged.append(level)
            found.append(self.propose(*level))
        rows = ops.concat(found, 1)
        marks = ops.slice(rows, (0, 0, 0), (*rows.shape[:2], 1))
        scores = ops.slice(rows, (0, 0, 1), (*rows.shape[:2], 2))
        scores = ops.where(ops.greater_equal(marks, 0.0), scores, NOTHING)
        _, place = ops.top_k(scores, self.max_outputs, 1)
        boxes = ops.slice(rows, (0, 0, 2), (*rows.shape[:2], 6))
        best = ops.gather(boxes, ops.broadcast_to(place, (*place.shape[:2], 4)), 1)
        return (best, *(ops.concat(parts, 1) for parts in zip(*judged, strict=True)))


def in_rows(scores: Any, offsets: Any) -> tuple[Any, Any]:
    """Return maps of anchors as (batch, n) and (batch, n, 4), in the order of `Anchor`."""
    batch, count, height, width = scores.shape
    scores = ops.reshape(ops.transpose(scores, (0, 2, 3, 1)), (batch, height * width * count))
    offsets = ops.reshape(offsets, (batch, count, 4, height, width))
    offsets = ops.transpose(offsets, (0, 3, 4, 1, 2))
    return scores, ops.reshape(offsets, (batch, height * width * count, 4))
