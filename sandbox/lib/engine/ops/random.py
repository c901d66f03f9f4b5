"""Dropout and noise; the numbers follow the contract of `engine.random`, never a kernel's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import EngineError
from ..operation import register
from ..oplist import Op, Spec
from ..random import RandomKey, dropout_mask, normal, uniform
from ..steps import Array
from .rules import floating

if TYPE_CHECKING:
    from ..builder import Builder


def _infer_dropout(x: Spec, *, axes: tuple[int, ...] | None = None, **attrs: Any) -> Any:
    """Return the rule of the output and the mask."""
    floating(x)
    return x, Spec(drawn_shape(x.shape, axes), x.dtype)


def _infer_noise(x: Spec, *, axes: tuple[int, ...] | None, path: str) -> tuple[Spec, ...]:
    floating(x)
    return (Spec(drawn_shape(x.shape, axes), x.dtype),)


def drawn_shape(shape: tuple[int, ...], axes: tuple[int, ...] | None) -> tuple[int, ...]:
    """Return for what numbers are drawn: along `axes` and the rows; along others they repeat."""
    if axes is None:
        return shape
    return tuple(n if k == 0 or k in axes else 1 for k, n in enumerate(shape))


def dropout(
    x: Array,
    *,
    p: float,
    path: str,
    random: RandomKey | None,
    axes: tuple[int, ...] | None = None,
) -> tuple[Array, Array]:
    """Return x times the mask, and the mask (already scaled by 1/(1-p))."""
    mask = dropout_mask(drawn_shape(x.shape, axes), p, path, _key(path, random), x.dtype)
    return x * mask, mask


def random_uniform(
    x: Array, *, axes: tuple[int, ...] | None, path: str, random: RandomKey | None
) -> Array:
    """Return numbers from [0, 1) for the elements of x."""
    return uniform(drawn_shape(x.shape, axes), path, _key(path, random), x.dtype)


def random_normal(
    x: Array, *, axes: tuple[int, ...] | None, path: str, random: RandomKey | None
) -> Array:
    """Return numbers of mean 0 and variance 1 for the elements of x."""
    return normal(drawn_shape(x.shape, axes), path, _key(path, random), x.dtype)


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
            f"{path}: random must be a RandomKey; got None. "
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
for _kernel in (random_uniform, random_normal):
    register(_kernel.__name__, infer=_infer_noise, reference=_kernel, random=True)
