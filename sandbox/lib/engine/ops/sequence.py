"""Sequences of ids and of vectors: embedding, masks by length."""

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
from .ranges import check_ids, check_lengths
from .rules import floating, integers, ndim

if TYPE_CHECKING:
    from ..builder import Builder


def infer_lengths(x: Spec, lengths: Spec) -> None:
    """Check lengths against the sequences they belong to."""
    integers(lengths, "lengths")
    if lengths.shape != x.shape[:1]:
        raise ShapeError(
            f"lengths must have shape {x.shape[:1]}, one entry per row of the input; got "
            f"{lengths.shape}."
        )


def _infer_embedding(ids: Spec, weight: Spec, *, padding_index: int | None) -> tuple[Spec, ...]:
    integers(ids, "ids")
    ndim(weight, 2, "(num_embeddings, features)", "weight")
    return (Spec((*ids.shape, weight.shape[1]), weight.dtype),)


def _infer_embedding_grad(
    dy: Spec, ids: Spec, *, num_embeddings: int, padding_index: int | None
) -> tuple[Spec, ...]:
    return (Spec((num_embeddings, dy.shape[-1]), dy.dtype),)


def _infer_mask(x: Spec, lengths: Spec, *, value: float) -> tuple[Spec, ...]:
    floating(x)
    if len(x.shape) < 2:
        raise ShapeError(f"input must have axes (batch, time, ...); got shape {x.shape}.")
    infer_lengths(x, lengths)
    return (x,)


def _infer_sequence_lengths(ids: Spec, *, padding_index: int) -> tuple[Spec, ...]:
    integers(ids, "ids")
    ndim(ids, 2, "(batch, time)", "ids")
    if ids.shape[1] == 0:
        raise ShapeError(f"ids axis 1 (time) must not be empty; got shape {ids.shape}.")
    return (Spec(ids.shape[:1], "int64"),)


def embedding(ids: Array, weight: Array, *, padding_index: int | None) -> Array:
    """Return the row of the weight for each id; zeros for the padding."""
    y = weight[ids]
    if padding_index is not None:
        y[ids == padding_index] = 0
    return y


def embedding_grad(
    dy: Array, ids: Array, *, num_embeddings: int, padding_index: int | None
) -> Array:
    """Sum the gradients of each id, in the order of their positions; none for the padding."""
    size = dy.shape[-1]
    dw = np.zeros((num_embeddings, size), dy.dtype)
    flat = ids.reshape(-1)
    if flat.size == 0:
        return dw
    order = stable_order(flat, num_embeddings)
    ordered = flat[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    dw[ordered[starts]] = np.add.reduceat(dy.reshape(-1, size)[order], starts, axis=0)
    if padding_index is not None:
        dw[padding_index] = 0
    return dw


def mask_sequence(x: Array, lengths: Array, *, value: float) -> Array:
    """Return x with `value` at the positions (axis 1) behind the length of each row."""
    y = x.copy()
    y[np.arange(x.shape[1]) >= lengths[:, None]] = value
    return y


def sequence_lengths(ids: Array, *, padding_index: int) -> Array:
    """Return the position behind the last id that is no padding; 1 where all are padding."""
    backwards = (ids != padding_index)[:, ::-1]
    padding = backwards.argmax(axis=1)  # also 0 where there is nothing else
    lengths: Array = ids.shape[1] - padding
    lengths[(padding == 0) & ~backwards[:, 0]] = 1
    return lengths


# -- native ----------------------------------------------------------------------------------------


def lower_embedding(builder: Builder, op: Op) -> None:
    """Lower `embedding`: rows gathered into the planned memory."""
    padding: int | None = op.attrs["padding_index"]
    features = builder.shape(op.inputs[1])[1]

    def run(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
        ids, weight = reads[0].reshape(-1), reads[1]
        y = writes[0].reshape(-1, features)
        np.take(weight, ids, axis=0, out=y, mode="clip")  # checked before; "raise" would buffer
        if padding is not None and weight[padding].any():
            y[ids == padding] = 0

    reads = [builder.plain(value) for value in op.inputs]
    builder.python(op, run, reads, [builder.define(op.outputs[0])], "gather")


def lower_sequence_lengths(builder: Builder, op: Op) -> None:
    """Lower `sequence_lengths`: the same few calls, without the checks of a reference kernel."""
    padding: int = op.attrs["padding_index"]

    def run(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
        writes[0][...] = sequence_lengths(reads[0], padding_index=padding)

    builder.python(op, run, [builder.plain(op.inputs[0])], [builder.define(op.outputs[0])])


def lower_embedding_grad(builder: Builder, op: Op) -> None:
    """Lower `embedding_grad`: radix sort of the ids, then a sparse product."""
    if not mkl_sparse.available():
        raise dnnl.RefusedError("embedding_grad: without MKL it is the reference kernel's.")
    dy, ids = op.inputs
    rows, features = builder.shape(op.outputs[0])
    padding: int | None = op.attrs["padding_index"]
    count = builder.spec(ids).size
    ones = np.ones(count, np.float32)

    def run(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
        flat = reads[1].reshape(-1)
        columns = stable_order(flat, rows).astype(np.int32)
        starts = row_starts(flat, rows)
        mkl_sparse.product(starts, columns, ones, reads[0].reshape(count, features), writes[0])
        if padding is not None:
            writes[0][padding] = 0

    reads = [builder.plain(dy), builder.plain(ids)]
    builder.python(op, run, reads, [builder.define(op.outputs[0])], "radix+mkl_sparse")


def row_starts(rows_of: Array, rows: int) -> Array:
    """Return where each row's entries begin in a list sorted by row."""
    starts = np.zeros(rows + 1, np.int32)
    np.cumsum(np.bincount(rows_of, minlength=rows), out=starts[1:])
    return starts


def lower_mask_sequence(builder: Builder, op: Op) -> None:
    """Lower `mask_sequence`: a copy, and the rows' ends filled."""
    value = np.float32(op.attrs["value"])

    def run(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
        np.copyto(writes[0], reads[0])
        for row, length in enumerate(reads[1].tolist()):
            writes[0][row, length:] = value

    reads = [builder.plain(item) for item in op.inputs]
    builder.python(op, run, reads, [builder.define(op.outputs[0])])


_IDS = Range(0, check_ids, lambda ids, weight, **attrs: int(weight.shape[0]))
_LENGTHS = Range(1, check_lengths, lambda x, *rest, **attrs: int(x.shape[1]))

register(
    "embedding",
    cheap=True,
    infer=_infer_embedding,
    reference=embedding,
    lower=lower_embedding,
    ranges=(_IDS,),
)
register(
    "embedding_grad",
    infer=_infer_embedding_grad,
    reference=embedding_grad,
    lower=lower_embedding_grad,
    gradient=True,
    batch_outputs=0,
)
register(
    "mask_sequence",
    infer=_infer_mask,
    reference=mask_sequence,
    lower=lower_mask_sequence,
    ranges=(_LENGTHS,),
)
register(
    "sequence_lengths",
    infer=_infer_sequence_lengths,
    reference=sequence_lengths,
    lower=lower_sequence_lengths,
)
