"""NumPy kernels of several steps, run over pieces: what they make in between stays in the cache.

One definition serves as the reference kernel and, piece by piece, as the native one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import dnnl
from ..operation import Lowering, find
from ..oplist import Op
from ..steps import Array

if TYPE_CHECKING:
    from ..builder import Builder

PIECE = 65536  # elements; some arrays of 256 kB each stay in a second-level cache together
LONG = 96  # elements of a row; from here on one call of the inner loop each costs less than a copy


def lower_in_pieces(builder: Builder, op: Op) -> None:
    """Lower an operation whose output's elements depend on those at the same place alone."""
    specs = [builder.spec(value) for value in (*op.inputs, *op.outputs)]
    if any(spec.shape != specs[0].shape or spec.dtype != "float32" for spec in specs):
        raise dnnl.RefusedError(f"{op.name}: must be of equal shapes, in float32.")
    kernel, attrs = find(op.name).reference, op.attrs

    def run(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
        given = [x.reshape(-1) for x in reads]
        made = writes[0].reshape(-1)
        for start in range(0, made.size, PIECE):
            part = slice(start, start + PIECE)
            made[part] = kernel(*[x[part] for x in given], **attrs)

    reads = [builder.plain(value) for value in op.inputs]
    builder.python(op, run, reads, [builder.define(op.outputs[0], over=reads[0])])


def rows_of(shape: tuple[int, ...]) -> Iterator[slice]:
    """Yield slices of axis 0 which hold a piece each."""
    rows = shape[0]
    count = max(1, PIECE * rows // max(1, math.prod(shape)))
    for start in range(0, rows, count):
        yield slice(start, min(start + count, rows))


def by_rows(*cut: int, out: bool = False) -> Lowering:
    """Return the lowering of an operation whose rows (axis 0) do not see each other.

    `cut` are the inputs that have these rows; the others are given whole. So with the outputs: the
    first ones of the record's `batch_outputs` are written row by row, the others added up. With
    `out` the kernel writes its first output there.
    """

    def lower(builder: Builder, op: Op) -> None:
        shape, record, attrs = builder.shape(op.inputs[0]), find(op.name), op.attrs
        whole = [builder.shape(v) for k, v in enumerate(op.inputs) if k not in cut]
        spread = any(len(s) == len(shape) and s[0] > 1 for s in whole)
        if not shape or spread or attrs.get("axis") == 0:
            raise dnnl.RefusedError(f"{op.name}: rows must not see each other.")
        kernel = record.reference
        count = len(op.outputs) if record.batch_outputs is None else record.batch_outputs
        parts = list(rows_of(shape))
        behind = shape[attrs.get("axis", 1) + 1 :]
        inner = math.prod(behind or shape[-1:])

        def run(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
            with unbuffered(inner):
                for number, part in enumerate(parts):
                    given = [x[part] if k in cut else x for k, x in enumerate(reads)]
                    first = {"out": writes[0][part]} if out else {}
                    results = kernel(*given, **attrs, **first)
                    results = results if isinstance(results, tuple) else (results,)
                    for place, result in enumerate(results[out:], start=out):
                        if place < count:
                            writes[place][part] = result
                        elif number:
                            writes[place] += result
                        else:
                            writes[place][...] = result

        reads = [builder.plain(value) for value in op.inputs]
        builder.python(op, run, reads, [builder.define(value) for value in op.outputs])

    return lower


@contextmanager
def unbuffered(length: int) -> Iterator[None]:
    """Let NumPy combine rows of this length with one number each without copying them.

    Its iterator otherwise puts rows that are shorter than its buffer together in it, which takes
    two to three times as long (NumPy 2.4).
    """
    if length < LONG:
        yield
        return
    before = np.setbufsize(16)
    try:
        yield
    finally:
        np.setbufsize(before)


def kept(x: Array, mask: Array) -> Array:
    """Return x where the mask is true, else 0: np.where, without a branch for each element."""
    bits = np.dtype(f"i{x.itemsize}")
    wide = np.asarray(np.negative(mask.view(np.int8)), bits)  # NumPy makes numbers of no axes
    np.bitwise_and(x.view(bits), wide, out=wide)
    return wide.view(x.dtype)


def chosen(mask: Array, a: Array, b: Array) -> Array:
    """Return a where the mask is true, else b; of one dtype, of the mask's shape or numbers."""
    bits = np.dtype(f"i{a.itemsize}")
    wide = np.negative(mask.view(np.int8)).astype(bits)
    other = b.view(bits)
    wide &= a.view(bits) ^ other
    wide ^= other
    return wide.view(a.dtype)
