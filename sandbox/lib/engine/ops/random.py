"""Dropout; its numbers follow the random contract of `engine.random`, never a kernel's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import EngineError
from ..operation import register
from ..oplist import Op, Spec
from ..random import RandomKey, dropout_mask
from ..steps import Array
from .rules import floating

if TYPE_CHECKING:
    from ..builder import Builder


def _infer_dropout(x: Spec, **attrs: Any) -> tuple[Spec, ...]:
    """Return the rule of the output and the mask."""
    floating(x)
    return x, x


def dropout(x: Array, *, p: float, path: str, random: RandomKey | None) -> tuple[Array, Array]:
    """Return x times the mask, and the mask (already scaled by 1/(1-p))."""
    mask = dropout_mask(x.shape, p, path, _key(path, random), x.dtype)
    return x * mask, mask


def lower_dropout(builder: Builder, op: Op) -> None:
    """Lower `dropout`: into planned memory."""
    p, path = op.attrs["p"], op.attrs["path"]

    def run(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
        y, mask = writes
        mask[...] = dropout_mask(mask.shape, p, path, _key(path, context.random))
        np.multiply(reads[0], mask, out=y)

    reads = [builder.plain(op.inputs[0])]
    builder.python(op, run, reads, [builder.define(value) for value in op.outputs], "philox")


def _key(path: str, random: RandomKey | None) -> RandomKey:
    if random is None:
        raise EngineError(
            f"{path} (dropout): random must be a RandomKey; got None. "
            "Pass random=RandomKey(seed, step, sample_index) while training."
        )
    return random


register(
    "dropout",
    cheap=True,
    infer=_infer_dropout,
    reference=dropout,
    lower=lower_dropout,
    random=True,
)
