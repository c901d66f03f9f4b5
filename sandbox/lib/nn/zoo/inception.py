"""Ready networks of inception modules: branches with windows of several sizes, side by side."""

from __future__ import annotations

from typing import Any

from ...core.validate import positive
from .. import init
from ..activation.elementwise import ReLU
from ..container.graph import Graph
from ..convolution.plain import Conv2d
from ..linear.dense import Linear
from ..node import Input
from ..noise.dropout import Dropout
from ..normalization.statistics import BatchNorm
from ..pooling import AvgPool2d, GlobalAvgPool2d, MaxPool2d
from ..table.merge import Concat

# Szegedy et al., table 1: 1x1; 3x3 reduce, 3x3; 5x5 reduce, 5x5; behind the pool. A number alone is
# the window of a pool between the modules.
_MODULES: dict[str, tuple[int, ...] | int] = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "pool3": 3,
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "pool4": 2,
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}


def googlenet(
    rng: init.Rng = None,
    *,
    channels: int = 3,
    classes: int = 1000,
    width: float = 1.0,
    p: float = 0.2,
) -> Graph:
    """Build Inception-v1, known as GoogLeNet, in its form with batch norm.

    Parameters
    ----------
    rng : Generator, int or None
        Where the first weights are drawn from.
    channels, classes : int > 0
        Channels of the images, and classes to tell apart.
    width : float > 0
        All channels are multiplied by it, and are at least 1.
    p : float in [0, 1)
        Dropout before the classifier.

    Shapes
    ------
    input : (batch, channels, 224, 224) float32; other sizes work as well
    output : (batch, classes) logits

    Raises
    ------
    ArgumentError : `width` is not positive.

    Notes
    -----
    6,624,904 parameters. It is torchvision's network, without the auxiliary classifiers: batch norm
    (epsilon 0.001) behind each convolution instead of biases and of local response normalisation,
    3x3 windows where the paper has 5x5, pools that keep the last odd pixel. Source: Szegedy et al.
    2015; batch norm as in Ioffe, Szegedy 2015.

    Examples
    --------
    >>> import numpy as np
    >>> googlenet(0, width=0.1, classes=7)(np.zeros((2, 3, 32, 32), "f4")).shape
    (2, 7)
    """
    factor, rng = positive("width", width), init.generator(rng)

    def scaled(*sizes: int) -> tuple[int, ...]:
        return tuple(max(1, round(factor * size)) for size in sizes)

    image = Input("image")
    first, second = scaled(64, 192)
    x = _pool(_convolution(image, channels, first, 7, "1", rng, stride=2), 3, "pool1")
    x = _convolution(x, first, first, 1, "2a", rng)
    x = _pool(_convolution(x, first, second, 3, "2b", rng), 3, "pool2")
    before = second
    for name, sizes in _MODULES.items():
        if isinstance(sizes, int):
            x = _pool(x, sizes, name)
        else:
            widths = scaled(*sizes)
            x = _inception(x, before, widths, name, rng)
            before = widths[0] + widths[2] + widths[4] + widths[5]
    x = Dropout(p, name="dropout")(GlobalAvgPool2d(name="pool")(x))
    return Graph(image, Linear(before, classes, rng=rng, name="fc")(x))


def _convolution(
    x: Any, before: int, after: int, size: int, label: str, rng: Any, *, stride: int = 1
) -> Any:
    """Add convolution, batch norm and ReLU to a graph."""
    x = Conv2d(
        *(before, after, size),
        stride=stride,
        padding=size // 2,
        bias=False,
        rng=rng,
        name=f"conv{label}",
    )(x)
    return ReLU(name=f"relu{label}")(BatchNorm(after, epsilon=1e-3, name=f"bn{label}")(x))


def _pool(x: Any, size: int, name: str) -> Any:
    """Add a pool that halves the image; the row and column behind it keep the last odd pixel."""
    return MaxPool2d(size, stride=2, padding=((0, 1), (0, 1)), name=name)(x)


def _inception(x: Any, before: int, sizes: tuple[int, ...], label: str, rng: Any) -> Any:
    """Add an inception module to a graph: four branches, joined."""
    one, reduce3, three, reduce5, five, behind = sizes
    pooled = MaxPool2d(3, stride=1, padding=1, name=f"pool{label}")(x)
    branches = [_convolution(x, before, one, 1, f"{label}_1", rng)]
    for name, reduced, after in (("2", reduce3, three), ("3", reduce5, five)):
        y = _convolution(x, before, reduced, 1, f"{label}_{name}a", rng)
        branches.append(_convolution(y, reduced, after, 3, f"{label}_{name}b", rng))
    branches.append(_convolution(pooled, before, behind, 1, f"{label}_4", rng))
    return Concat(name=f"join{label}")(*branches)


# Ioffe, Szegedy, figure 5: 1x1; 3x3 reduce, 3x3; double 3x3 reduce, and twice 3x3; behind the pool.
# Without channels of 1x1 and behind the pool, the module halves the map.
_MODULES_V2 = {
    "3a": (64, 64, 64, 64, 96, 32),
    "3b": (64, 64, 96, 64, 96, 64),
    "3c": (0, 128, 160, 64, 96, 0),
    "4a": (224, 64, 96, 96, 128, 128),
    "4b": (192, 96, 128, 96, 128, 128),
    "4c": (160, 128, 160, 128, 160, 128),
    "4d": (96, 128, 192, 160, 192, 128),
    "4e": (0, 128, 192, 192, 256, 0),
    "5a": (352, 192, 320, 160, 224, 128),
    "5b": (352, 192, 320, 192, 224, 128),
}


def inception_v2(
    rng: init.Rng = None,
    *,
    channels: int = 3,
    classes: int = 1000,
    width: float = 1.0,
    p: float = 0.2,
) -> Graph:
    """Build Inception-v2, the network of the paper on batch normalisation.

    Parameters
    ----------
    rng : Generator, int or None
        Where the first weights are drawn from.
    channels, classes : int > 0
        Channels of the images, and classes to tell apart.
    width : float > 0
        All channels are multiplied by it, and are at least 1.
    p : float in [0, 1)
        Dropout before the classifier.

    Shapes
    ------
    input : (batch, channels, 224, 224) float32; other sizes work as well
    output : (batch, classes) logits

    Raises
    ------
    ArgumentError : `width` is not positive.

    Notes
    -----
    11,285,224 parameters, and 11,295,240 with the biases that convolutions had before batch norm in
    the published Caffe model. Two 3x3 windows take the place of a 5x5 one; pools are means, but for
    the last module's. Source: Ioffe, Szegedy 2015, figure 5.

    Examples
    --------
    >>> import numpy as np
    >>> inception_v2(0, width=0.1, classes=7)(np.zeros((2, 3, 32, 32), "f4")).shape
    (2, 7)
    """
    factor, rng = positive("width", width), init.generator(rng)

    def scaled(*sizes: int) -> tuple[int, ...]:
        return tuple(max(1, round(factor * size)) if size else 0 for size in sizes)

    image = Input("image")
    first, second = scaled(64, 192)
    x = _pool(_convolution(image, channels, first, 7, "1", rng, stride=2), 3, "pool1")
    x = _convolution(x, first, first, 1, "2a", rng)
    x = _pool(_convolution(x, first, second, 3, "2b", rng), 3, "pool2")
    before = second
    for name, sizes in _MODULES_V2.items():
        x, before = _inception_v2(x, before, scaled(*sizes), name, rng)
    x = Dropout(p, name="dropout")(GlobalAvgPool2d(name="pool")(x))
    return Graph(image, Linear(before, classes, rng=rng, name="fc")(x))


def _inception_v2(
    x: Any, before: int, sizes: tuple[int, ...], label: str, rng: Any
) -> tuple[Any, int]:
    """Add a module of Inception-v2 to a graph; return it and its channels."""
    one, reduce3, three, reduced, double, behind = sizes
    stride = 1 if one else 2
    branches, total = [], three + double
    if one:
        branches.append(_convolution(x, before, one, 1, f"{label}_1", rng))
    y = _convolution(x, before, reduce3, 1, f"{label}_2a", rng)
    branches.append(_convolution(y, reduce3, three, 3, f"{label}_2b", rng, stride=stride))
    y = _convolution(x, before, reduced, 1, f"{label}_3a", rng)
    y = _convolution(y, reduced, double, 3, f"{label}_3b", rng)
    branches.append(_convolution(y, double, double, 3, f"{label}_3c", rng, stride=stride))
    if stride == 2:
        branches.append(MaxPool2d(3, stride=2, padding=1, name=f"pool{label}")(x))
        return Concat(name=f"join{label}")(*branches), total + before
    kind = MaxPool2d if label == "5b" else AvgPool2d
    pooled = kind(3, stride=1, padding=1, name=f"pool{label}")(x)
    branches.append(_convolution(pooled, before, behind, 1, f"{label}_4", rng))
    return Concat(name=f"join{label}")(*branches), total + one + behind
