"""Precisions: policies that assign each value of a program the dtype it is stored in.

bfloat16 is the upper half of a float32: its range, with 8 significant bits. Products of matrices
and convolutions take it and add up in float32. Weights, statistics, losses, sums and the gradients
of weights stay float32.

Recurrent layers stay float32 too: with AMX, oneDNN 3.2's kernels for them end the process with a
division by zero (GRU always, LSTM and RNN at some sizes), and their gradients are no faster.
"""

from __future__ import annotations

import os

import numpy as np

from .errors import EngineError
from .oplist import Op, OpList
from .ops import find
from .steps import Array


class Precision:
    """A policy: which dtype each value is stored in, and what products multiply.

    This one, "f32", keeps every value in the dtype of its spec. Whoever compiles or interprets a
    list asks `storage` and `products`, and nothing else; a new precision is one more class here.
    """

    name = "f32"
    products: tuple[str, ...] = ("float32",)
    """What products multiply, the preferred dtype first; the last is what all kernels can."""

    def check(self, *, native: bool) -> None:
        """Refuse what this processor has no instructions for.

        The reference kernels (not native) round by themselves, on any processor.
        """

    def storage(self, oplist: OpList) -> dict[int, str]:
        """Return the dtype each value of a list is stored in."""
        return {value: spec.dtype for value, spec in enumerate(oplist.values)}

    def rounded(self, x: Array, dtype: str) -> Array:
        """Return numbers as they are once they have been stored in a dtype."""
        return x

    @property
    def mark(self) -> str:
        """What it adds to the signatures of kernel plans."""
        return "" if self.name == F32.name else f" {self.name}"


class BFloat16(Precision):
    """bfloat16 between products, and in them."""

    name = "bf16"
    products = ("bfloat16", "float32")

    def check(self, *, native: bool) -> None:
        """Refuse processors without the instructions."""
        if not native:
            return
        from . import dnnl
        from .plan import processor

        if not dnnl.has_bf16():
            limit = os.environ.get("ONEDNN_MAX_CPU_ISA")
            causes = ["the processor is older than Cooper Lake, Sapphire Rapids or Zen 4"]
            if limit:
                causes.insert(0, f"ONEDNN_MAX_CPU_ISA={limit} forbids them: unset it")
            raise EngineError(
                "precision 'bf16' must have AVX512-BF16 or AMX instructions; "
                f"found {dnnl.isa()} on {processor()}. Cure: precision='f32'.",
                causes,
            )

    def storage(self, oplist: OpList) -> dict[int, str]:
        """Return bfloat16 for what `narrow_values` finds."""
        return super().storage(oplist) | dict.fromkeys(narrow_values(oplist), "bfloat16")

    def rounded(self, x: Array, dtype: str) -> Array:
        """Return float32 numbers that have been bfloat16."""
        return to_bf16(x) if dtype == "bfloat16" and x.dtype == np.float32 else x


F32 = Precision()
_KNOWN: dict[str, Precision] = {"f32": F32, "bf16": BFloat16()}
PRECISIONS = tuple(_KNOWN)


def precision_of(name: str) -> Precision:
    """Return the policy of this name."""
    found = _KNOWN.get(name) if isinstance(name, str) else None
    if found is None:
        raise EngineError(f"precision must be one of {list(PRECISIONS)}; got {name!r}.")
    return found


def to_bf16(x: Array) -> Array:
    """Return float32 numbers rounded to the nearest bfloat16, ties to even.

    Examples
    --------
    >>> to_bf16(np.array([1.0, 1.003, 3.14159], np.float32)).tolist()
    [1.0, 1.0, 3.140625]
    """
    bits = np.ascontiguousarray(x, np.float32).view(np.uint32)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) & np.uint32(0xFFFF0000)
    result = rounded.view(np.float32)
    return np.where(np.isnan(x), x, result)


def narrow_values(oplist: OpList) -> set[int]:
    """Return the values kept in bf16: made by a product and read by others in bf16, and onwards.

    A product whose result only goes into float32 operations (the scores in front of the loss)
    writes it in float32.
    """
    uses: dict[int, list[Op]] = {}
    for op in oplist.ops:
        for value in op.inputs:
            uses.setdefault(value, []).append(op)
    made = {
        op.outputs[0]
        for op in oplist.ops
        if find(op.name).products and find(op.name).batch_outputs != 0
    }
    while True:
        found = _spread(oplist, made)

        def is_read(value: int, found: set[int] = found) -> bool:
            return any(
                value in op.inputs[: find(op.name).products]
                or (find(op.name).view and is_read(op.outputs[0]))
                or (not find(op.name).view and op.outputs[0] in found and find(op.name).follows)
                for op in uses.get(value, ())
            )

        kept = {value for value in made if is_read(value)}
        if kept == made:
            return found
        made = kept


def _spread(oplist: OpList, made: set[int]) -> set[int]:
    """Return these values and what follows from them."""
    found = set(made)
    for op in oplist.ops:
        keys = find(op.name).follows
        if not keys or not all(op.inputs[key] in found for key in keys):
            continue
        shapes = {oplist.values[op.inputs[key]].shape for key in keys}
        if len(keys) > 1 and shapes != {oplist.values[op.outputs[0]].shape}:
            continue  # repeated along axes: float32
        found.add(op.outputs[0])
        found.update(op.outputs[place] for place in find(op.name).follows_with)
    return found
