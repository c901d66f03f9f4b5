"""Sums and means: NumPy, into the planned memory, by the quicker of its two ways."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import dnnl
from ..builder import Builder
from ..oplist import Op
from ..steps import Array

FEW = 1024  # terms; einsum adds them up one after the other, so rounding would grow with more


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


def total(builder: Builder, op: Op) -> None:
    """Lower `sum`."""
    _reduce(builder, op, op.attrs["axes"], None)


def mean(builder: Builder, op: Op) -> None:
    """Lower `mean`."""
    shape, axes = builder.shape(op.inputs[0]), op.attrs["axes"]
    _reduce(builder, op, axes, 1.0 / math.prod(shape[axis] for axis in axes))


def sum_to(builder: Builder, op: Op) -> None:
    """Lower `sum_to`: sums over the axes along which the result would be repeated."""
    wide, narrow = builder.shape(op.inputs[0]), op.attrs["shape"]
    extra = len(wide) - len(narrow)
    axes = [k + extra for k, n in enumerate(narrow) if n == 1 and wide[k + extra] != 1]
    _reduce(builder, op, (*range(extra), *axes), None)


LOWERINGS = {"sum": total, "mean": mean, "sum_to": sum_to}
