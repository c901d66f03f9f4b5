"""How pooling over any axes, resizing and the normalisations beside batch's are drawn."""

from __future__ import annotations

from typing import Any

import numpy as np

from .graph import Ref
from .maker import Call, Maker, move


def _maps(maker: Maker, x: int, axes: int) -> int | None:
    """Return a value of batch, channels and so many axes."""
    return maker.rank(x, 2 + axes) if maker.is_float(x) else None


@move("max_pool1d", "avg_pool1d", "max_pool3d", "avg_pool3d", "max_pool_with_index")
def pooling(maker: Maker, x: int, name: str) -> Call | None:
    """Draw window, stride and whether the last one may reach beyond the end."""
    axes = int(name[-2]) if name[-1] == "d" else int(maker.one_of((1, 2, 3)))
    maps = _maps(maker, x, axes)
    if maps is None:
        return None
    sizes = maker.shape(maps)[2:]
    kernel = tuple(int(maker.rng.integers(1, min(3, n) + 1)) for n in sizes)
    attrs: dict[str, Any] = {"ceil_mode": maker.chance(0.3)}
    if maker.chance(0.5):
        attrs["stride"] = int(maker.one_of((1, 2)))
    return (Ref(maps), kernel), attrs


@move("adaptive_avg_pool", "adaptive_max_pool")
def adaptive(maker: Maker, x: int, name: str) -> Call | None:
    """Draw the size of the result."""
    maps = _maps(maker, x, int(maker.one_of((1, 2, 3))))
    if maps is None:
        return None
    return (Ref(maps), tuple(maker.size() for _ in maker.shape(maps)[2:])), {}


@move("resize")
def resize(maker: Maker, x: int) -> Call | None:
    """Draw the size of the result and how it is found."""
    maps = _maps(maker, x, int(maker.one_of((1, 2))))
    if maps is None:
        return None
    size = tuple(maker.size() for _ in maker.shape(maps)[2:])
    return (Ref(maps), size), {"mode": maker.one_of(("linear", "nearest"))}


def _rows(maker: Maker, x: int, shape: tuple[int, ...]) -> bool:
    """Tell whether rows of at least 3 numbers differ: what divides by their spread stays calm."""
    if not maker.is_float(x):
        return False
    rows = maker.numbers[x].reshape(shape)
    return rows.shape[1] >= 3 and bool(rows.std(axis=1).min() >= 0.1)


@move("rms_norm")
def rms_norm(maker: Maker, x: int) -> Call | None:
    """Draw how many axes are normalised."""
    shape = maker.shape(x)
    if len(shape) < 2:
        return None
    first = int(maker.rng.integers(1, len(shape)))
    if not _rows(maker, x, (int(np.prod(shape[:first])), -1)):
        return None
    return (Ref(x), maker.positive(shape[first:])), {}


@move("group_norm")
def group_norm(maker: Maker, x: int) -> Call | None:
    """Draw a number of groups that divides the channels."""
    shape = maker.shape(x)
    if len(shape) < 2:
        return None
    groups = int(maker.one_of([k for k in (1, 2, 3) if shape[1] % k == 0]))
    if not _rows(maker, x, (shape[0] * groups, -1)):
        return None
    channels = shape[1:2]
    return (Ref(x), maker.positive(channels), maker.other(channels)), {"groups": groups}


@move("normalize", "glu")
def along(maker: Maker, x: int, name: str) -> Call | None:
    """Draw an axis: of some length, or that can be halved."""
    shape = maker.shape(x)
    if not shape or not maker.is_float(x):
        return None
    axis = int(maker.rng.integers(len(shape)))
    if name == "glu":
        return ((Ref(x), axis), {}) if shape[axis] % 2 == 0 else None
    lengths = np.linalg.norm(maker.numbers[x], axis=axis)
    return ((Ref(x), axis), {}) if lengths.min() > 0.2 else None


@move("local_response_norm")
def local_response_norm(maker: Maker, x: int) -> Call | None:
    """Draw the neighbours and the factor."""
    if len(maker.shape(x)) < 2 or not maker.is_float(x):
        return None
    return (Ref(x), int(maker.one_of((1, 3, 5)))), {"alpha": maker.number(0.01, 0.5)}


@move("scale_gradient")
def scale_gradient(maker: Maker, x: int) -> Call | None:
    """Draw the factor, of either sign."""
    return ((Ref(x), maker.number(-2, 2)), {}) if maker.is_float(x) else None
