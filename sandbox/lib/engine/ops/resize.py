"""Resizing: maps of another size, each element a weighted sum of a few of the old ones.

Along each axis that is a matrix of fixed numbers: `core.ops.resize` multiplies with it, forwards
and, transposed, back. An operation of its own is what is faster than that: the nearest element, and
the linear grid of half pixels, which oneDNN's resampling serves.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .. import dnnl
from ..choices import Candidate
from ..errors import ShapeError
from ..operation import Sample, register
from ..oplist import Op, Spec
from .common import choose_layout, like
from .pooling import edges
from .rules import floating

if TYPE_CHECKING:
    from ..builder import Builder

Array = NDArray[Any]
Sizes = tuple[int, ...]
Taps = tuple[Array, Array]  # which elements (size, taps), and how much of each

MODES = ("nearest", "linear", "cubic", "area")
COORDINATES: dict[str, Callable[[Array, Callable[[Any], Any], int, int], Array]] = {
    "half_pixel": lambda i, old, length, size: old(i + 0.5) - 0.5,
    "half_pixel_symmetric": lambda i, old, length, size: (
        old(i + 0.5) - 0.5 + (length - old(size)) / 2
    ),
    "pytorch_half_pixel": lambda i, old, length, size: (old(i + 0.5) - 0.5) * (size > 1),
    "asymmetric": lambda i, old, length, size: old(i),
    "align_corners": lambda i, old, length, size: i * (length - 1) / max(size - 1, 1),
    "tf_half_pixel_for_nn": lambda i, old, length, size: old(i + 0.5),
}
"""Where in the input element i of the result lies; `old` takes lengths back to the input's."""
ROUNDING: dict[str, Callable[[Array], Array]] = {
    "floor": np.floor,
    "ceil": np.ceil,
    "round_prefer_floor": lambda x: np.ceil(x - 0.5),
    "round_prefer_ceil": lambda x: np.floor(x + 0.5),
}
"""How the nearest element is found; what the names say is done with halves."""


def _cubic(t: Array, a: float) -> list[Array]:
    """Return the weights of the elements at -1, 0, 1 and 2 for places t in [0, 1) (Keys 1981)."""

    def near(d: Array) -> Array:
        return ((a + 2) * d - (a + 3)) * d * d + 1

    def far(d: Array) -> Array:
        return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a

    return [far(1 + t), near(t), near(1 - t), far(2 - t)]


@lru_cache(maxsize=256)
def taps(
    length: int,
    size: int,
    scale: float | None,
    mode: str,
    coordinates: str,
    rounding: str,
    cubic: float,
    exclude_outside: bool,
) -> Taps:
    """Return, for each element along an axis, which old ones it is made of, and their weights."""
    if mode == "area":
        first, last = edges(length, size)
        count = (last - first)[:, None]
        steps = np.arange(count.max())
        return np.minimum(first[:, None] + steps, last[:, None] - 1), (steps < count) / count

    def old(place: Any) -> Any:
        return place * length / size if scale is None else place / scale

    x = COORDINATES[coordinates](np.arange(size), old, length, size)
    halves = np.rint(2 * x) / 2
    x = np.where(np.abs(x - halves) < 1e-9, halves, x)  # rounding errors must not decide
    low = np.floor(x)
    if mode == "nearest":
        index, weight = ROUNDING[rounding](x)[:, None], np.ones((size, 1))
    elif mode == "linear":
        index, weight = np.stack([low, np.ceil(x)], 1), np.stack([1 - (x - low), x - low], 1)
    else:
        index = low[:, None] + np.arange(-1, 3)
        weight = np.stack(_cubic(x - low, cubic), axis=1)
        if exclude_outside:
            weight = np.where((index < 0) | (index >= length), 0.0, weight)
            weight = weight / weight.sum(axis=1, keepdims=True)
    return np.clip(index, 0, length - 1).astype(np.int64), weight


@lru_cache(maxsize=256)
def matrix(length: int, size: int, *grid: Any, dtype: str = "float32") -> Array:
    """Return the matrix (size, length) of one axis."""
    index, weight = taps(length, size, *grid)
    found = np.zeros((size, length))
    np.add.at(found, (np.arange(size)[:, None], index), weight)
    return found.astype(dtype)


def changes(old: Sizes, new: Sizes, scales: tuple[float, ...] | None) -> list[tuple[int, Any]]:
    """Return the axes that change, each with its length, its new size and its scale."""
    pairs = zip(old, new, scales or (None,) * len(new), strict=True)
    return [
        (axis, (length, size, scale))
        for axis, (length, size, scale) in enumerate(pairs, start=2)
        if length != size or scale not in (None, 1.0)
    ]


def _infer(x: Spec, *, size: Sizes, **attrs: Any) -> tuple[Spec, ...]:
    floating(x)
    if len(x.shape) != len(size) + 2:
        raise ShapeError(
            f"input must have {len(size) + 2} axes (batch, channels and one for each size {size}); "
            f"got {len(x.shape)} in shape {x.shape}."
        )
    return (Spec((*x.shape[:2], *size), x.dtype),)


def _infer_sum(dy: Spec, *, factors: Sizes) -> tuple[Spec, ...]:
    sizes = (size // factor for size, factor in zip(dy.shape[2:], factors, strict=True))
    return (Spec((*dy.shape[:2], *sizes), dy.dtype),)


def resize(
    x: Array,
    *,
    size: Sizes,
    scales: tuple[float, ...] | None,
    mode: str,
    coordinates: str,
    rounding: str,
) -> Array:
    """Return the weighted sums, axis by axis."""
    for axis, change in changes(x.shape[2:], size, scales):
        index, weight = taps(*change, mode, coordinates, rounding, 0.0, False)
        if mode == "nearest":
            x = np.take(x, index[:, 0], axis)
            continue
        places = (-1, *(1,) * (x.ndim - 1 - axis))
        low, high = (weight[:, tap].reshape(places).astype(x.dtype) for tap in (0, 1))
        x = np.take(x, index[:, 0], axis) * low + np.take(x, index[:, 1], axis) * high
    return x


def sum_copies(dy: Array, *, factors: Sizes) -> Array:
    """Return the sum over the copies of each element that was repeated along each axis."""
    sizes = [size // factor for size, factor in zip(dy.shape[2:], factors, strict=True)]
    parts = [n for pair in zip(sizes, factors, strict=True) for n in pair]
    copies = tuple(range(3, 3 + 2 * len(factors), 2))
    dx: Array = dy.reshape(*dy.shape[:2], *parts).sum(axis=copies, dtype=dy.dtype)
    return dx


# -- oneDNN ----------------------------------------------------------------------------------------


def _algorithm(op: Op, old: Sizes) -> str:
    """Return by which algorithm oneDNN gives the same, or refuse."""
    attrs = op.attrs
    if attrs["mode"] == "linear":
        if attrs["scales"] is None and attrs["coordinates"] == "half_pixel":
            return "linear"
        raise dnnl.RefusedError("resize: the grid must be of half pixels.")
    for _, change in changes(old, attrs["size"], attrs["scales"]):
        ours = taps(*change, "nearest", attrs["coordinates"], attrs["rounding"], 0.0, False)
        half = taps(*change[:2], None, "nearest", "half_pixel", "round_prefer_ceil", 0.0, False)
        if not np.array_equal(ours[0], half[0]):
            raise dnnl.RefusedError("resize: the nearest elements must be those of half pixels.")
    return "nearest"


def lower_resize(builder: Builder, op: Op) -> None:
    """Lower `resize`."""
    x, y = op.inputs[0], op.outputs[0]
    dims, shape = builder.shape(x), builder.shape(y)
    algorithm = _algorithm(op, dims[2:])
    wanted = builder.wanted(dnnl.DST, y)

    def candidate(src: dnnl.Layout) -> Candidate:
        primitive = dnnl.resampling(algorithm, src, like(src, shape))
        return Candidate(src.name, primitive, {dnnl.SRC: x}, {dnnl.DST: y}, wanted)

    at_hand = builder.layouts(x, dtype=builder.dtype_of(y))
    builder.emit(op, choose_layout(builder, op, candidate, at_hand, dims, dims[0], wanted))


def lower_sum_copies(builder: Builder, op: Op) -> None:
    """Lower `sum_copies`: average pooling, times the number of copies."""
    dy, dx = op.inputs[0], op.outputs[0]
    dims, shape = builder.shape(dy), builder.shape(dx)
    factors = tuple(op.attrs["factors"])
    none = (0,) * len(factors)
    window = factors, none, none, none
    total = (dnnl.Eltwise(dnnl.LINEAR, float(math.prod(factors))),)
    wanted = builder.wanted(dnnl.DST, dx)

    def candidate(src: dnnl.Layout) -> Candidate:
        dst = like(src, shape)
        primitive = dnnl.pooling(
            "average", src, dst, factors, window, training=False, post_ops=total
        )
        return Candidate(src.name, primitive, {dnnl.SRC: dy}, {dnnl.DST: dx}, wanted)

    at_hand = builder.layouts(dy, dtype=builder.dtype_of(dx))
    builder.emit(op, choose_layout(builder, op, candidate, at_hand, dims, dims[0], wanted))


_HALF = {"mode": "linear", "coordinates": "half_pixel", "rounding": "floor", "scales": None}

register(
    "resize",
    infer=_infer,
    reference=resize,
    lower=lower_resize,
    alone="f",
    sample=Sample(((8, 16, 16, 16),), {"size": (32, 32), **_HALF}),
)
register(
    "sum_copies",
    infer=_infer_sum,
    reference=sum_copies,
    lower=lower_sum_copies,
    alone="f",
    gradient=True,
    sample=Sample(((8, 16, 32, 32),), {"factors": (2, 2)}),
)
