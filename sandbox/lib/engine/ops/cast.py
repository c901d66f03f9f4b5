"""Another dtype for the same numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..operation import register
from ..oplist import Op, Spec

if TYPE_CHECKING:
    from ..builder import Builder

Array = NDArray[Any]


def _infer(x: Spec, *, dtype: str) -> tuple[Spec, ...]:
    return (Spec(x.shape, dtype),)


def cast(x: Array, *, dtype: str) -> Array:
    """Return x in another dtype, as NumPy's `astype` does it: 2.7 becomes 2."""
    return x.astype(dtype)


def lower_cast(builder: Builder, op: Op) -> None:
    """Lower `cast`: NumPy, into the planned memory."""

    def run(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
        np.copyto(writes[0], reads[0], casting="unsafe")

    reads = [builder.plain(op.inputs[0])]
    builder.python(op, run, reads, [builder.define(op.outputs[0])])


register("cast", infer=_infer, reference=cast, lower=lower_cast, elementwise=True)
