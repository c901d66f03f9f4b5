"""Sums, means and maxima over axes: NumPy, into the planned memory, by the quicker of two ways."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import dnnl
from ..errors import ShapeError
from ..operation import Lowering, register
from ..oplist import Op, Spec
from ..steps import Array
from .rules import floating
from .shape import must_broadcast

if TYPE_CHECKING:
    from ..builder import Builder

FEW = 1024  # terms; einsum adds them up one after the other, so rounding would grow with more


def sum_dtype(dtype: str) -> str:
    """Return the dtype of a sum: NumPy's, wide enough for whole numbers; booleans are counted."""
    kind = np.dtype(dtype).kind
    return {"b": "int64", "i": "int64", "u": "uint64"}.get(kind, dtype)


def _infer_sum(x: Spec, *, axes: tuple[int, ...], keepdims: bool) -> tuple[Spec, ...]:
    (kept,) = _infer_kept(x, axes=axes, keepdims=keepdims)
    return (Spec(kept.shape, sum_dtype(x.dtype)),)


def _infer_products(a: Spec, b: Spec, *, axes: tuple[int, ...], keepdims: bool) -> tuple[Spec, ...]:
    if a != b:
        raise ShapeError(f"factors must have one shape and dtype; got {a} and {b}.")
    return _infer_sum(a, axes=axes, keepdims=keepdims)


def _infer_kept(x: Spec, *, axes: tuple[int, ...], keepdims: bool) -> tuple[Spec, ...]:
    if keepdims:
        return (Spec(tuple(1 if k in axes else n for k, n in enumerate(x.shape)), x.dtype),)
    return (Spec(tuple(n for k, n in enumerate(x.shape) if k not in axes), x.dtype),)


def _infer_mean(x: Spec, *, axes: tuple[int, ...], keepdims: bool) -> tuple[Spec, ...]:
    floating(x)
    _not_empty(x, axes)
    return _infer_kept(x, axes=axes, keepdims=keepdims)


def _infer_truth(x: Spec, *, axes: tuple[int, ...], keepdims: bool) -> tuple[Spec, ...]:
    if x.dtype != "bool":
        raise ShapeError(
            f"input dtype must be bool; got {x.dtype} in shape {x.shape}. Compare: x != 0."
        )
    return _infer_kept(x, axes=axes, keepdims=keepdims)


def _infer_max(x: Spec, *, axes: tuple[int, ...], keepdims: bool) -> tuple[Spec, ...]:
    _not_empty(x, axes)
    return _infer_kept(x, axes=axes, keepdims=keepdims)


def _not_empty(x: Spec, axes: tuple[int, ...]) -> None:
    for k in axes:
        if x.shape[k] == 0:
            raise ShapeError(f"input axis {k} must not be empty; got shape {x.shape}.")


def _infer_sum_to(x: Spec, *, shape: tuple[int, ...]) -> tuple[Spec, ...]:
    must_broadcast(shape, x.shape)
    return (Spec(shape, x.dtype),)


def total(x: Array, *, axes: tuple[int, ...], keepdims: bool) -> Array:
    """Return the sum."""
    return np.asarray(x.sum(axis=axes, keepdims=keepdims, dtype=sum_dtype(x.dtype.name)))


def sum_of_products(a: Array, b: Array, *, axes: tuple[int, ...], keepdims: bool) -> Array:
    """Return the sum of a · b."""
    return total(a * b, axes=axes, keepdims=keepdims)


def mean(x: Array, *, axes: tuple[int, ...], keepdims: bool) -> Array:
    """Return the mean."""
    return np.asarray(x.mean(axis=axes, keepdims=keepdims))


def maximum(x: Array, *, axes: tuple[int, ...], keepdims: bool) -> Array:
    """Return the maximum."""
    return np.asarray(x.max(axis=axes, keepdims=keepdims))


def minimum(x: Array, *, axes: tuple[int, ...], keepdims: bool) -> Array:
    """Return the minimum over axes."""
    return np.asarray(x.min(axis=axes, keepdims=keepdims))


def product(x: Array, *, axes: tuple[int, ...], keepdims: bool) -> Array:
    """Return the product over axes, wide enough for whole numbers."""
    return np.asarray(x.prod(axis=axes, keepdims=keepdims, dtype=sum_dtype(x.dtype.name)))


def some(x: Array, *, axes: tuple[int, ...], keepdims: bool) -> Array:
    """Return whether one is true."""
    return np.asarray(x.any(axis=axes, keepdims=keepdims))


def every(x: Array, *, axes: tuple[int, ...], keepdims: bool) -> Array:
    """Return whether all are true."""
    return np.asarray(x.all(axis=axes, keepdims=keepdims))


def sum_to(x: Array, *, shape: tuple[int, ...]) -> Array:
    """Return x summed over the axes along which `shape` would be repeated."""
    extra = x.ndim - len(shape)
    axes = [k + extra for k, n in enumerate(shape) if n == 1 and x.shape[k + extra] != 1]
    summed = x.sum(axis=(*range(extra), *axes), keepdims=True, dtype=x.dtype)
    return np.asarray(summed).reshape(shape)


def _reduce(builder: Builder, op: Op, axes: Sequence[int], factor: float | None) -> None:
    x, y = op.inputs[0], op.outputs[0]
    shape = builder.shape(x)
    if builder.spec(x).dtype != "float32" or builder.spec(y).dtype != "float32":
        raise dnnl.RefusedError(f"{op.name}: must be of float32 values.")
    gone = tuple(sorted(axis % len(shape) for axis in axes)) if shape else ()
    kept = [axis for axis in range(len(shape)) if axis not in gone]
    inner = tuple(shape[axis] for axis in kept)
    few = math.prod(shape[axis] for axis in gone) <= FEW
    labels = list(range(len(shape)))

    def run(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
        out = writes[0].reshape(inner)
        if few:
            np.einsum(reads[0], labels, kept, out=out)
        else:
            np.add.reduce(reads[0], axis=gone, out=out)
        if factor is not None:
            np.multiply(out, np.float32(factor), out=out)

    builder.python(op, run, [builder.plain(x)], [builder.define(y)])


def lower_sum(builder: Builder, op: Op) -> None:
    """Lower `sum`."""
    _reduce(builder, op, op.attrs["axes"], None)


def lower_sum_of_products(builder: Builder, op: Op) -> None:
    """Lower `sum_of_products`: multiplied and added up in registers."""
    shape = builder.shape(op.inputs[0])
    if builder.spec(op.inputs[0]).dtype != "float32" or len(shape) == 0:
        raise dnnl.RefusedError(f"{op.name}: must be of float32 values with axes.")
    labels = list(range(len(shape)))
    left = [axis for axis in labels if axis not in op.attrs["axes"]]
    inner = tuple(shape[axis] for axis in left)

    def run(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
        np.einsum(reads[0], labels, reads[1], labels, left, out=writes[0].reshape(inner))

    reads = [builder.plain(value) for value in op.inputs]
    builder.python(op, run, reads, [builder.define(op.outputs[0])])


def lower_mean(builder: Builder, op: Op) -> None:
    """Lower `mean`."""
    shape, axes = builder.shape(op.inputs[0]), op.attrs["axes"]
    _reduce(builder, op, axes, 1.0 / math.prod(shape[axis] for axis in axes))


def lower_sum_to(builder: Builder, op: Op) -> None:
    """Lower `sum_to`: sums over the axes along which the result would be repeated."""
    wide, narrow = builder.shape(op.inputs[0]), op.attrs["shape"]
    extra = len(wide) - len(narrow)
    axes = [k + extra for k, n in enumerate(narrow) if n == 1 and wide[k + extra] != 1]
    _reduce(builder, op, (*range(extra), *axes), None)


def _by(function: np.ufunc) -> Lowering:
    """Return a lowering to a reduction of NumPy's, into the planned memory."""

    def lower(builder: Builder, op: Op) -> None:
        axes, keepdims = op.attrs["axes"], op.attrs["keepdims"]

        def run(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
            y = writes[0]
            function.reduce(reads[0], axis=axes, keepdims=keepdims, dtype=y.dtype, out=y)

        builder.python(op, run, [builder.plain(op.inputs[0])], [builder.define(op.outputs[0])])

    return lower


register("sum", infer=_infer_sum, reference=total, lower=lower_sum)
register(
    "sum_of_products",
    infer=_infer_products,
    reference=sum_of_products,
    lower=lower_sum_of_products,
)
register("mean", infer=_infer_mean, reference=mean, lower=lower_mean)
register("max", infer=_infer_max, reference=maximum)
register("sum_to", infer=_infer_sum_to, reference=sum_to, lower=lower_sum_to)
register("min", infer=_infer_max, reference=minimum, lower=_by(np.minimum))
register("prod", infer=_infer_sum, reference=product, lower=_by(np.multiply))
register("any", infer=_infer_truth, reference=some, lower=_by(np.logical_or))
register("all", infer=_infer_truth, reference=every, lower=_by(np.logical_and))
