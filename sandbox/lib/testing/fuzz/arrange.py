"""How operations that find, order, repeat and frame elements are drawn."""

from __future__ import annotations

from typing import Any

import numpy as np

from .graph import Ref
from .maker import Call, Maker, move


def _axis(maker: Maker, x: int) -> int:
    count = len(maker.shape(x))
    return int(maker.rng.integers(-count, count))


def _placed(maker: Maker, x: int) -> int | None:
    """Return an axis of a value of real numbers; None if it has none."""
    return _axis(maker, x) if maker.shape(x) and maker.is_float(x) else None


def _indices(maker: Maker, length: int, shape: tuple[int, ...]) -> Any:
    return maker.rng.integers(-length, length, size=shape)


@move("flip", "stop_gradient", "triu", "tril")
def plain(maker: Maker, x: int, name: str) -> Call | None:
    """Draw what needs an axis or a diagonal at most."""
    axis = _placed(maker, x)
    if axis is None or (name.startswith("tri") and len(maker.shape(x)) < 2):
        return None
    if name == "flip":
        return (Ref(x), axis), {}
    return ((Ref(x),), {}) if name == "stop_gradient" else ((Ref(x), int(axis)), {})


@move("pad")
def pad(maker: Maker, x: int) -> Call | None:
    """Draw widths and the mode."""
    if not maker.shape(x) or not maker.is_float(x):
        return None
    mode = maker.one_of(("constant", "reflect", "edge", "circular"))
    widths = []
    for size in maker.shape(x):
        most = {"constant": 2, "edge": 2, "reflect": min(size - 1, 2), "circular": min(size, 2)}
        low = -1 if size > 3 else 0
        pair = [int(maker.rng.integers(low, most[mode] + 1)) for _ in range(2)]
        least = size + min(pair[0], 0) + min(pair[1], 0)
        if max(pair) > least - (mode == "reflect") and mode in ("reflect", "circular"):
            pair = [0, 0]
        widths.append((pair[0], pair[1]))
    value = {"value": maker.number(-1, 1)} if mode == "constant" else {}
    return (Ref(x), widths, mode), value


@move("take", "gather")
def taken(maker: Maker, x: int, name: str) -> Call | None:
    """Draw indices, for all lines or for each."""
    axis = _placed(maker, x)
    if axis is None:
        return None
    shape = list(maker.shape(x))
    length = shape[axis]
    if name == "take":
        rank = int(maker.rng.integers(3))
        wanted = tuple(maker.size() for _ in range(rank))
    else:
        shape[axis] = maker.size()
        wanted = tuple(shape)
    return (Ref(x), _indices(maker, length, wanted), axis), {}


@move("scatter")
def scatter(maker: Maker, x: int) -> Call | None:
    """Draw indices that are apart, and what is put there."""
    axis = _placed(maker, x)
    if axis is None:
        return None
    shape = list(maker.shape(x))
    index = np.argsort(maker.rng.random(shape), axis=axis)
    count = int(maker.rng.integers(1, shape[axis] + 1))
    shape[axis] = count
    index = np.take(index, range(count), axis)
    reduce = {"reduce": "add"} if maker.chance(0.5) else {}
    return (Ref(x), index, maker.other(shape), axis), reduce


@move("gather_nd", "scatter_nd")
def places(maker: Maker, x: int, name: str) -> Call | None:
    """Draw one or two places of several axes."""
    shape = maker.shape(x)
    if len(shape) < 2 or not maker.is_float(x):
        return None
    depth = int(maker.rng.integers(1, len(shape)))
    index = np.stack([_indices(maker, n, (1,)) for n in shape[:depth]], -1)
    if name == "gather_nd":
        return (Ref(x), index), {}
    return (Ref(x), index, maker.other((1, *shape[depth:]))), {}


@move("masked_fill")
def masked_fill(maker: Maker, x: int) -> Call | None:
    """Draw the mask as a constant."""
    if not maker.is_float(x):
        return None
    return (Ref(x), maker.rng.random(maker.shape(x)) < 0.4, maker.number(-1, 1)), {}


@move("roll", "repeat", "cum_sum", "cum_prod", "sort", "stack", "move_axis", "expand_dims")
def along(maker: Maker, x: int, name: str) -> Call | None:
    """Draw an axis, and what goes with it."""
    axis = _placed(maker, x)
    if axis is None:
        return None
    if name == "roll":
        return (Ref(x), int(maker.rng.integers(-3, 4)), axis), {}
    if name == "repeat":
        return (Ref(x), int(maker.rng.integers(1, 3)), axis), {}
    if name == "stack":
        return ([Ref(x), maker.other(maker.shape(x))], axis), {}
    if name == "move_axis":
        return (Ref(x), axis, _axis(maker, x)), {}
    if name == "sort":
        return (Ref(x), axis), {"descending": maker.chance(0.5)}
    if name == "expand_dims":
        return ((Ref(x), axis), {}) if len(maker.shape(x)) < 6 else None
    flags = {"exclusive": maker.chance(0.5), "reverse": maker.chance(0.5)}
    return (Ref(x), axis), flags


@move("top_k", "split", "unstack")
def several(maker: Maker, x: int, name: str) -> Call | None:
    """Draw what gives several results, of which one goes on."""
    axis = _placed(maker, x)
    if axis is None:
        return None
    size = maker.shape(x)[axis]
    if name == "unstack":
        return (Ref(x), axis), {}
    count = int(maker.rng.integers(1, size + 1))
    if name == "top_k":
        return (Ref(x), count, axis), {"largest": maker.chance(0.5)}
    return (Ref(x), (count, size - count) if count < size else 1, axis), {}


@move("tile", "squeeze")
def shapes(maker: Maker, x: int, name: str) -> Call | None:
    """Draw repeats, or take away axes of size 1."""
    shape = maker.shape(x)
    if not shape or not maker.is_float(x) or (name == "squeeze" and 1 not in shape):
        return None
    if name == "squeeze":
        return (Ref(x), shape.index(1)), {}
    return (Ref(x), tuple(int(maker.rng.integers(1, 3)) for _ in shape)), {}


@move("min", "prod", "norm", "logsumexp", "variance", "std")
def reduced(maker: Maker, x: int, name: str) -> Call | None:
    """Draw an axis; powers beside 2 have kinks at 0."""
    axis = _placed(maker, x)
    if axis is None or (name == "std" and maker.shape(x)[axis] == 1):
        return None
    attrs: dict[str, Any] = {"keepdims": True} if maker.chance(0.4) else {}
    return (Ref(x), *((2.0,) if name == "norm" else ()), axis), attrs


@move("einsum")
def einsum(maker: Maker, x: int) -> Call | None:
    """Draw the other side of a product, of sums over none to all axes."""
    shape = maker.shape(x)
    if not shape or len(shape) > 3 or not maker.is_float(x):
        return None
    letters = "abc"[: len(shape)]
    other = "".join(c for c in letters if maker.chance(0.6)) + "d"
    sizes = dict(zip(letters, shape, strict=True)) | {"d": maker.size()}
    kept = "".join(c for c in sizes if maker.chance(0.6))
    weight = maker.other([sizes[c] for c in other], 0.3)
    return (f"{letters},{other}->{kept}", Ref(x), weight), {}
