"""Resizing: maps of another size, each element a weighted sum of a few of the old ones.

Along each axis that is a matrix of fixed numbers, so the gradient is the transposed matrix. Native
kernels: oneDNN's resampling where its grid is ours, else products with these matrices.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .. import dnnl
from ..choices import Candidate
from ..errors import ShapeError
from ..nan import finite
from ..operation import Sample, register
from ..oplist import Op, Spec
from .common import choose_layout, like
from .pooling import bins
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
        index = bins(length, size)
        new = np.diff(index, axis=1, prepend=-1) > 0  # the last one may come again
        return index, new / new.sum(axis=1, keepdims=True)

    def old(place: Any) -> Any:
        return place * length / size if scale is None else place / scale

    x = COORDINATES[coordinates](np.arange(size), old, length, size)
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
def matrix(length: int, size: int, *grid: Any) -> Array:
    """Return the matrix (size, length) of one axis in float32."""
    index, weight = taps(length, size, *grid)
    found = np.zeros((size, length))
    np.add.at(found, (np.arange(size)[:, None], index), weight)
    return found.astype(np.float32)


def _grids(old: Sizes, new: Sizes, attrs: dict[str, Any]) -> list[tuple[int, tuple[Any, ...]]]:
    """Return the axes that change, each with the arguments of its taps."""
    scales = attrs["scales"] or (None,) * len(new)
    grid = tuple(attrs[key] for key in ("mode", "coordinates", "rounding", "cubic", "exclude"))
    return [
        (axis, (length, size, scale, *grid))
        for axis, (length, size, scale) in enumerate(zip(old, new, scales, strict=True), start=2)
        if length != size or scale not in (None, 1.0)
    ]


def _infer(x: Spec, *, size: Sizes, **attrs: Any) -> tuple[Spec, ...]:
    floating(x)
    if len(x.shape) != len(size) + 2:
        raise ShapeError(
            f"input must have {len(size) + 2} axes (batch, channels and one for each size {size}); "
            f"got {len(x.shape)} in shape {x.shape}."
        )
    if 0 in x.shape[2:]:
        raise ShapeError(f"input must have elements to resize; got shape {x.shape}.")
    return (Spec((*x.shape[:2], *size), x.dtype),)


def _infer_grad(dy: Spec, *, input_shape: Sizes, **attrs: Any) -> tuple[Spec, ...]:
    return (Spec(input_shape, dy.dtype),)


def resize(x: Array, *, size: Sizes, **attrs: Any) -> Array:
    """Return the weighted sums, axis by axis."""
    for axis, grid in _grids(x.shape[2:], size, attrs):
        index, weight = taps(*grid)
        places = (-1, *(1,) * (x.ndim - 1 - axis))
        parts = (
            np.take(x, index[:, tap], axis) * weight[:, tap].reshape(places).astype(x.dtype)
            for tap in range(index.shape[1])
        )
        x = sum(parts, start=np.zeros((), x.dtype))
    return x


def resize_grad(dy: Array, *, input_shape: Sizes, size: Sizes, **attrs: Any) -> Array:
    """Give each dy to the elements it was made of, by their weights."""
    for axis, grid in _grids(input_shape[2:], size, attrs):
        index, weight = taps(*grid)
        given = np.moveaxis(dy, axis, 0)
        dx = np.zeros((input_shape[axis], *given.shape[1:]), dy.dtype)
        places = (-1, *(1,) * (dy.ndim - 1))
        for tap in range(index.shape[1]):
            share = weight[:, tap].reshape(places).astype(dy.dtype)
            np.add.at(dx, index[:, tap], given * share)
        dy = np.moveaxis(dx, 0, axis)
    return dy


# -- native ----------------------------------------------------------------------------------------


def _by_matrices(x: Array, matrices: dict[int, Array], out: Array) -> None:
    """Multiply along each axis; what makes the map smaller comes first."""
    order = sorted(matrices, key=lambda axis: matrices[axis].shape[0] / matrices[axis].shape[1])
    for place, axis in enumerate(order):
        m = matrices[axis]
        shape = (*x.shape[:axis], len(m), *x.shape[axis + 1 :])
        target = out if place == len(order) - 1 else np.empty(shape, x.dtype)
        if axis == x.ndim - 1:
            np.matmul(x.reshape(-1, x.shape[-1]), m.T, out=target.reshape(-1, len(m)))
        else:
            rest = math.prod(x.shape[axis + 1 :])
            np.matmul(m, x.reshape(-1, m.shape[1], rest), out=target.reshape(-1, len(m), rest))
        x = target


def _lower_by_matrices(builder: Builder, op: Op, old: Sizes, *, back: bool) -> None:
    """Add the products with the matrices of the axes; NaN stays where the reference has it."""
    reference = resize_grad if back else resize
    attrs = {key: value for key, value in op.attrs.items() if key != "post_ops"}
    grids = _grids(old, attrs["size"], attrs)
    matrices = {axis: matrix(*grid).T if back else matrix(*grid) for axis, grid in grids}
    if not matrices:
        raise dnnl.RefusedError(f"{op.name}: must change a size.")

    def run(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
        if finite(reads):
            _by_matrices(reads[0], matrices, writes[0])
        else:
            writes[0][...] = reference(reads[0], **attrs)

    reads = [builder.plain(op.inputs[0])]
    builder.python(op, run, reads, [builder.define(op.outputs[0])], "matrices")


def _resampling(op: Op, old: Sizes) -> str:
    """Return the algorithm by which oneDNN resizes on the same grid, or refuse."""
    attrs = op.attrs
    same = attrs["scales"] is None
    if same and attrs["mode"] == "linear" and attrs["coordinates"] == "half_pixel":
        return "linear"
    if attrs["mode"] == "nearest":
        theirs = ("half_pixel", "round_prefer_ceil", 0.0, False)
        grids = _grids(old, attrs["size"], attrs)
        if all(
            np.array_equal(taps(*grid)[0], taps(*grid[:2], None, "nearest", *theirs)[0])
            for _, grid in grids
        ):
            return "nearest"
    raise dnnl.RefusedError(f"{op.name}: must be on the grid of half pixels.")


def lower_resize(builder: Builder, op: Op) -> None:
    """Lower `resize`."""
    x, y = op.inputs[0], op.outputs[0]
    dims, shape = builder.shape(x), builder.shape(y)
    try:
        algorithm = _resampling(op, dims[2:])
    except dnnl.RefusedError:
        _lower_by_matrices(builder, op, dims[2:], back=False)
        return
    wanted = builder.wanted(dnnl.DST, y)

    def candidate(src: dnnl.Layout) -> Candidate:
        primitive = dnnl.resampling(algorithm, src, like(src, shape))
        return Candidate(src.name, primitive, {dnnl.SRC: x}, {dnnl.DST: y}, wanted)

    at_hand = builder.layouts(x, dtype=builder.dtype_of(y))
    builder.emit(op, choose_layout(builder, op, candidate, at_hand, dims, dims[0], wanted))


def lower_resize_grad(builder: Builder, op: Op) -> None:
    """Lower `resize_grad`: the sum over the copies of what was repeated, else by matrices."""
    dy, dx = op.inputs[0], op.outputs[0]
    dims, shape = builder.shape(dy), builder.shape(dx)
    factors = _repeats(shape[2:], op)
    if factors is None:
        _lower_by_matrices(builder, op, shape[2:], back=True)
        return
    wanted = builder.wanted(dnnl.DST, dx)
    none = (0,) * len(factors)
    window = factors, none, none, none
    total = (dnnl.Eltwise(dnnl.LINEAR, float(math.prod(factors))),)  # a sum is so many means

    def candidate(src: dnnl.Layout) -> Candidate:
        dst = like(src, shape)
        primitive = dnnl.pooling(
            "average", src, dst, factors, window, training=False, post_ops=total
        )
        return Candidate(src.name, primitive, {dnnl.SRC: dy}, {dnnl.DST: dx}, wanted)

    at_hand = builder.layouts(dy, dtype=builder.dtype_of(dx))
    builder.emit(op, choose_layout(builder, op, candidate, at_hand, dims, dims[0], wanted))


def _repeats(old: Sizes, op: Op) -> Sizes | None:
    """Return how often elements were repeated along each axis, if that is all that was done."""
    pairs = list(zip(op.attrs["size"], old, strict=True))
    if op.attrs["mode"] != "nearest" or any(new % size for new, size in pairs):
        return None
    for _, grid in _grids(old, op.attrs["size"], op.attrs):
        length, size = grid[:2]
        if (taps(*grid)[0][:, 0] != np.arange(size) * length // size).any():
            return None
    return tuple(new // size for new, size in pairs)


_GRID = {
    "mode": "linear",
    "coordinates": "half_pixel",
    "rounding": "floor",
    "cubic": -0.75,
    "exclude": False,
    "scales": None,
}

register(
    "resize",
    infer=_infer,
    reference=resize,
    lower=lower_resize,
    alone="f",
    sample=Sample(((8, 16, 16, 16),), {"size": (32, 32), **_GRID}),
)
register(
    "resize_grad",
    infer=_infer_grad,
    reference=resize_grad,
    lower=lower_resize_grad,
    gradient=True,
    sample=Sample(((8, 16, 32, 32),), {"size": (32, 32), "input_shape": (8, 16, 16, 16), **_GRID}),
)
