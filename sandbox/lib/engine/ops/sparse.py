"""Products of sparse rows with a matrix: ids and values, -1 where a row has no more of them.

All rows hold the same number of places, so that shapes are known before the numbers are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import dnnl, mkl_sparse
from ..errors import ShapeError
from ..operation import Range, register
from ..oplist import Op, Spec
from ..radix import stable_order
from ..steps import Array
from .ranges import check_padded_ids
from .rules import floating, integers, ndim, promoted
from .sequence import row_starts

if TYPE_CHECKING:
    from ..builder import Builder


def _infer_bag(ids: Spec, values: Spec, weight: Spec) -> tuple[Spec, ...]:
    integers(ids, "ids")
    floating(values, "values")
    ndim(ids, 2, "(batch, places)", "ids")
    ndim(weight, 2, "(num_embeddings, features)", "weight")
    if values.shape != ids.shape:
        raise ShapeError(f"values must have the shape of ids, {ids.shape}; got {values.shape}.")
    return (Spec((ids.shape[0], weight.shape[1]), promoted(values, weight)),)


def _infer_grad_weight(
    ids: Spec, values: Spec, dy: Spec, *, num_embeddings: int
) -> tuple[Spec, ...]:
    return (Spec((num_embeddings, dy.shape[1]), promoted(values, dy)),)


def _infer_grad_values(ids: Spec, weight: Spec, dy: Spec) -> tuple[Spec, ...]:
    return (Spec(ids.shape, promoted(weight, dy)),)


def _rows(ids: Array, weight: Array) -> Array:
    """Return the row of each place, zeros where there is no id."""
    rows = weight[np.where(ids < 0, 0, ids)]
    rows[ids < 0] = 0
    return rows


def embedding_bag(ids: Array, values: Array, weight: Array) -> Array:
    """Return the sum of each row's vectors, times their values."""
    present = np.where(ids < 0, 0, values)
    y: Array = np.einsum("nk,nkf->nf", present, _rows(ids, weight))
    return y


def embedding_bag_grad_weight(
    ids: Array, values: Array, dy: Array, *, num_embeddings: int
) -> Array:
    """Return the sum of each id's gradients, times its values."""
    flat, order, numbers, rows = _by_id(ids, values, num_embeddings)
    dw = np.zeros((num_embeddings, dy.shape[1]), np.result_type(values, dy))
    if flat.size:
        ordered = flat[order]
        starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
        dw[ordered[starts]] = np.add.reduceat(dy[rows] * numbers[:, None], starts, axis=0)
    return dw


def embedding_bag_grad_values(ids: Array, weight: Array, dy: Array) -> Array:
    """Return the product of each place's vector with the row's gradient."""
    dv: Array = np.einsum("nkf,nf->nk", _rows(ids, weight), dy)
    return dv


def _by_id(ids: Array, values: Array, limit: int) -> tuple[Array, Array, Array, Array]:
    """Return all ids there are, their order, and values and rows in it."""
    rows, places = np.nonzero(ids >= 0)
    flat = ids[rows, places]
    order = stable_order(flat, limit)
    return flat, order, values[rows, places][order], rows[order]


# -- native ----------------------------------------------------------------------------------------


def lower_bag(builder: Builder, op: Op) -> None:
    """Lower `embedding_bag`: MKL's sparse product, rows as they come."""
    _need_mkl(builder, op)
    rows, places = builder.shape(op.inputs[0])
    full = np.arange(rows + 1, dtype=np.int32) * places

    def run(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
        ids, values, weight = reads
        if ids.size and ids.min() >= 0:
            columns = ids.reshape(-1).astype(np.int32, copy=False)
            _product(full, columns, values.reshape(-1), weight, writes[0])
            return
        present = ids >= 0
        starts = np.zeros(len(ids) + 1, np.int32)
        np.cumsum(np.count_nonzero(present, axis=1), out=starts[1:])
        columns = ids[present].astype(np.int32, copy=False)
        _product(starts, columns, values[present], weight, writes[0])

    reads = [builder.plain(value) for value in op.inputs]
    builder.python(op, run, reads, [builder.define(op.outputs[0])], "mkl_sparse")


def lower_grad_weight(builder: Builder, op: Op) -> None:
    """Lower `embedding_bag_grad_weight`: radix sort of the ids, then MKL's sparse product."""
    _need_mkl(builder, op)
    count = builder.shape(op.outputs[0])[0]

    def run(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
        ids, values, dy = reads
        flat, _, numbers, rows = _by_id(ids, values, count)
        _product(row_starts(flat, count), rows.astype(np.int32), numbers, dy, writes[0])

    reads = [builder.plain(value) for value in op.inputs]
    builder.python(op, run, reads, [builder.define(op.outputs[0])], "radix+mkl_sparse")


def _product(starts: Array, columns: Array, values: Array, dense: Array, out: Array) -> None:
    """Write a sparse matrix times a dense one; MKL takes none without entries."""
    if columns.size:
        mkl_sparse.product(starts, columns, values, dense, out)
    else:
        out.fill(0)


def _need_mkl(builder: Builder, op: Op) -> None:
    floats = [v for v in (*op.inputs, *op.outputs) if builder.spec(v).dtype.startswith("float")]
    if not mkl_sparse.available() or any(builder.spec(v).dtype != "float32" for v in floats):
        raise dnnl.RefusedError(f"{op.name}: without MKL or float32 it is the reference kernel's.")
    if 0 in (*builder.shape(op.outputs[0]), *builder.shape(op.inputs[0])):
        raise dnnl.RefusedError(f"{op.name}: nothing to add up.")


register(
    "embedding_bag",
    infer=_infer_bag,
    reference=embedding_bag,
    lower=lower_bag,
    ranges=(Range(0, check_padded_ids, lambda ids, values, weight, **attrs: weight.shape[0]),),
)
register(
    "embedding_bag_grad_weight",
    infer=_infer_grad_weight,
    reference=embedding_bag_grad_weight,
    lower=lower_grad_weight,
    gradient=True,
    batch_outputs=0,
)
register(
    "embedding_bag_grad_values",
    infer=_infer_grad_values,
    reference=embedding_bag_grad_values,
    gradient=True,
)
