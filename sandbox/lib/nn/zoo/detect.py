"""Detectors of one stage: SSD-300 and tiny YOLO."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...core.errors import ArgumentError
from ...core.validate import boolean, positive_int
from .. import init
from ..activation.elementwise import ReLU
from ..activation.rectifier import LeakyReLU
from ..container.graph import Graph
from ..container.sequential import Sequential
from ..convolution.plain import Conv2d
from ..detection.anchors import PriorBox
from ..detection.outputs import yolo_anchors
from ..node import Input
from ..normalization.length import NormalizeScale
from ..normalization.statistics import BatchNorm
from ..pooling import MaxPool2d
from ..shape.views import Reshape, Transpose
from ..table.merge import Concat
from .large import _STAGES

# The anchors of the authors' tiny-yolo-voc.cfg, in places of a map of 13 x 13.
VOC_ANCHORS = ((1.08, 1.19), (3.42, 4.41), (6.63, 11.38), (9.42, 5.11), (16.62, 10.52))


def ssd300(
    rng: init.Rng = None,
    *,
    channels: int = 3,
    classes: int = 20,
    image: int = 300,
    width: int = 64,
    dilation: int = 6,
    batch_norm: bool = False,
) -> Graph:
    """Build SSD on VGG-16: maps of falling size, each of which judges boxes of its own size.

    Parameters
    ----------
    rng : Generator, int or None
        Where the first weights are drawn from.
    channels : int > 0
        Channels of the images.
    classes : int > 0
        Number of classes, without the background.
    image : int >= 64
        Height and width of the images, in pixels; smaller ones have fewer maps.
    width : int > 0
        Channels of the first stage; the others follow as in the paper.
    dilation : int > 0
        Of the layer in fc6's place.
    batch_norm : bool
        Whether batch norm stands behind each convolution but those of the outputs; these
        convolutions then have no bias.

    Shapes
    ------
    input : (batch, channels, image, image) float32
    output : (offsets, logits, priors): (batch, n, 4), (batch, n, classes + 1) with the background
        last, (batch, n, 4) as parts of the image; as `criterion.MultiBox` and
        `nn.DetectionOutputSSD` take them. n = 8732 for 300 pixels

    Raises
    ------
    ArgumentError : the image is too small for three maps.

    Notes
    -----
    26,285,486 parameters with 20 classes and the background: VGG-16 to conv5_3, fc6 and fc7 as
    convolutions, four pairs of layers more, six pairs of outputs. Centres are at
    ((j + 0.5) / size of the map), sizes 10 % of the image for the first map, then 20 % to 90 % in
    even steps. Source: Liu et al. 2016, figure 2 and section 2.2.

    Examples
    --------
    >>> import numpy as np
    >>> model = ssd300(0, image=64, width=4, classes=3)
    >>> [y.shape for y in model(np.zeros((2, 3, 64, 64), "f4"))]
    [(2, 336, 4), (2, 336, 4), (2, 336, 4)]
    """
    if positive_int("image", image) < 64:
        raise ArgumentError(f"`image` must be >= 64, so that there are three maps; got {image!r}.")
    width, classes = positive_int("width", width), positive_int("classes", classes)
    batch_norm, rng = boolean("batch_norm", batch_norm), init.generator(rng)

    def conv(x: Any, before: int, after: int, size: int, name: str, **more: Any) -> Any:
        made = Conv2d(before, after, size, bias=not batch_norm, rng=rng, name=name, **more)
        x = made(x)
        if batch_norm:
            x = BatchNorm(after, name=f"{name}_bn")(x)
        return ReLU(name=f"{name}_relu")(x)

    picture = Input("image")
    x, before, side, maps = picture, channels, image, []
    for stage, layers in enumerate(_STAGES[16], start=1):
        after = width * min(1 << (stage - 1), 8)
        for layer in range(1, layers + 1):
            x = conv(x, before, after, 3, f"conv{stage}_{layer}", padding=1)
            before = after
        if stage == 4:
            maps.append((NormalizeScale(after, scale=20.0, name="scale4")(x), after, side))
        if stage < 5:
            x, side = MaxPool2d(2, ceil_mode=True, name=f"pool{stage}")(x), -(-side // 2)
    x = MaxPool2d(3, stride=1, padding=1, name="pool5")(x)
    x = conv(x, before, 16 * width, 3, "fc6", padding=dilation, dilation=dilation)
    x = conv(x, 16 * width, 16 * width, 1, "fc7")
    before = 16 * width
    maps.append((x, before, side))
    number, after = 8, 8 * width
    while side > 2:
        x = conv(x, before, after // 2, 1, f"conv{number}_1")
        halved = side > 5
        more = {"stride": 2, "padding": 1} if halved else {}
        x = conv(x, after // 2, after, 3, f"conv{number}_2", **more)
        side = (side - 1) // 2 + 1 if halved else side - 2
        before, after, number = after, 4 * width, number + 1
        maps.append((x, before, side))

    offsets: list[Any] = []
    logits: list[Any] = []
    priors: list[Any] = []
    sizes = _prior_sizes(image, len(maps))
    for k, (x, before, _) in enumerate(maps):
        ratios = (2.0, 3.0) if 0 < k < len(maps) - 2 else (2.0,)
        boxes = PriorBox(
            image, [sizes[k]], larger=[sizes[k + 1]], ratios=ratios, name=f"priors{k + 1}"
        )
        count = boxes.boxes_per_place
        for found, length, what in ((offsets, 4, "offsets"), (logits, classes + 1, "logits")):
            name = f"{what}{k + 1}"
            y = Conv2d(before, count * length, 3, padding=1, rng=rng, name=name)(x)
            y = Transpose((0, 2, 3, 1), name=f"{name}_last")(y)
            found.append(Reshape((-1, length), name=f"{name}_rows")(y))
        priors.append(boxes(x))
    outputs = (offsets, logits, priors)
    names = ("offsets", "logits", "priors")
    joined = [Concat(name=name)(parts) for name, parts in zip(names, outputs, strict=True)]
    return Graph(picture, tuple(joined))


def _prior_sizes(image: int, maps: int) -> list[float]:
    """Return the sizes of the default boxes of each map, in pixels, and the one after the last."""
    step = (90 - 20) // max(maps - 2, 1)
    return [image * share / 100 for share in (10, *range(20, 20 + maps * step, step))]


def tiny_yolo(
    rng: init.Rng = None,
    *,
    channels: int = 3,
    classes: int = 20,
    width: int = 16,
    halvings: int = 5,
    anchors: Sequence[Sequence[float]] = VOC_ANCHORS,
) -> Sequential:
    """Build tiny YOLO v2: 3x3 convolutions and pools, then a map of boxes.

    Parameters
    ----------
    rng : Generator, int or None
        Where the first weights are drawn from.
    channels : int > 0
        Channels of the images.
    classes : int > 0
        Number of classes.
    width : int > 0
        Channels of the first convolution; each later one has twice as many, until they are
        2^(halvings + 1) times as many.
    halvings : int > 0
        How often the map is halved.
    anchors : sequence of (width, height)
        In places of the last map.

    Shapes
    ------
    input : (batch, channels, height, width) float32, both sizes multiples of 2^halvings
    output : (batch, anchors · (5 + classes), height / 2^halvings, width / 2^halvings), as
        `criterion.Yolo` and `nn.DetectionOutputYOLO` take it

    Raises
    ------
    ArgumentError : an argument is out of range.

    Notes
    -----
    15,861,773 parameters. Source: Redmon, Farhadi 2017 (YOLO9000); the layers are those of the
    authors' tiny-yolo-voc.cfg, for 416 pixels.

    Examples
    --------
    >>> import numpy as np
    >>> tiny_yolo(0, width=2, classes=3, halvings=3)(np.zeros((2, 3, 32, 40), "f4")).shape
    (2, 40, 4, 5)
    """
    width, halvings = positive_int("width", width), positive_int("halvings", halvings)
    classes, pairs = positive_int("classes", classes), yolo_anchors(anchors)
    rng, before = init.generator(rng), channels
    modules: dict[str, Any] = {}
    for k in range(1, halvings + 4):
        after = width << min(k - 1, halvings + 1)
        modules[f"conv{k}"] = Conv2d(before, after, 3, padding=1, bias=False, rng=rng)
        modules[f"bn{k}"] = BatchNorm(after)
        modules[f"relu{k}"] = LeakyReLU(0.1)
        if k <= halvings:
            modules[f"pool{k}"] = MaxPool2d(2)
        elif k == halvings + 1:
            modules[f"pool{k}"] = MaxPool2d(2, stride=1, padding=((0, 1), (0, 1)))
        before = after
    modules["boxes"] = Conv2d(before, len(pairs) * (5 + classes), 1, rng=rng)
    return Sequential(**modules)
