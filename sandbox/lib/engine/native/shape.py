"""Reshape without a copy, dropout into planned memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..builder import Builder
from ..errors import EngineError
from ..oplist import Op
from ..random import dropout_mask
from ..steps import Array


def reshape(builder: Builder, op: Op) -> None:
    """Lower `reshape`: the same memory under another shape."""
    builder.alias(op.outputs[0], op.inputs[0])


def dropout(builder: Builder, op: Op) -> None:
    """Lower `dropout`: the mask comes from the random-number contract, never from a kernel."""
    p, path = op.attrs["p"], op.attrs["path"]

    def run(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
        if context.random is None:
            raise EngineError(
                f"{path} (dropout): random must be a RandomKey; got None. "
                "Pass random=RandomKey(seed, step, sample_index) while training."
            )
        y, mask = writes
        mask[...] = dropout_mask(mask.shape, p, path, context.random)
        np.multiply(reads[0], mask, out=y)

    reads = [builder.plain(op.inputs[0])]
    builder.python(op, run, reads, [builder.define(value) for value in op.outputs], "philox")


def transpose(builder: Builder, op: Op) -> None:
    """Lower `transpose`: NumPy, into the planned memory."""
    axes = op.attrs["axes"]

    def run(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
        np.copyto(writes[0], reads[0].transpose(axes))

    reads = [builder.plain(op.inputs[0])]
    builder.python(op, run, reads, [builder.define(op.outputs[0])])


def concat(builder: Builder, op: Op) -> None:
    """Lower `concat`: NumPy, into the planned memory."""
    axis = op.attrs["axis"]

    def run(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
        np.concatenate(reads, axis=axis, out=writes[0])

    reads = [builder.plain(value) for value in op.inputs]
    builder.python(op, run, reads, [builder.define(op.outputs[0])])


def broadcast_to(builder: Builder, op: Op) -> None:
    """Lower `broadcast_to`: NumPy, into the planned memory."""

    def run(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
        np.copyto(writes[0], reads[0])

    reads = [builder.plain(op.inputs[0])]
    builder.python(op, run, reads, [builder.define(op.outputs[0])])


LOWERINGS = {
    "reshape": reshape,
    "dropout": dropout,
    "transpose": transpose,
    "concat": concat,
    "broadcast_to": broadcast_to,
}
