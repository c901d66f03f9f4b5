"""Rewrite a list of operations before it is lowered: less work, the same values."""

from __future__ import annotations

from dataclasses import replace

from ..links import remove_dead
from ..oplist import OpList
from .checkpointing import CHECKPOINTING, recompute
from .folding import fold_batch_norm
from .fusion import (
    apply_before_reshape,
    fuse,
    fuse_batch_norm_relu,
    move_relu_grad_behind_pooling,
)
from .peaks import sparse_gradients
from .products import sum_products
from .sharing import share
from .transposed import turn_transposed

__all__ = ["CHECKPOINTING", "optimise", "recompute"]


def optimise(oplist: OpList, *, fused: bool = True) -> OpList:
    """Return a rewritten copy; the caller's list stays as it is.

    Without `fused` no operation becomes part of another's kernel.
    """
    result = replace(
        oplist,
        values=list(oplist.values),
        ops=[replace(op, attrs=dict(op.attrs)) for op in oplist.ops],
    )
    remove_dead(result)  # what nobody reads would hide that a value has one reader
    share(result)
    turn_transposed(result)
    fold_batch_norm(result)
    if fused:
        apply_before_reshape(result)
        fuse(result)
        fuse_batch_norm_relu(result)  # its gradient masks by itself, so before the next one
        sum_products(result)
    move_relu_grad_behind_pooling(result)
    sparse_gradients(result)
    remove_dead(result)
    return result
