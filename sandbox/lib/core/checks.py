"""What programs refuse: wrong inputs, moved parameters, a loss that is not a number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..engine.oplist import OpList, Spec
from .errors import DataError, SandboxError, ShapeError, TrainingError
from .flat import FlatParameters
from .ops.sequence import check_ids, check_lengths
from .value import Array


class Inputs:
    """Checks of what goes into a program, made once per shape.

    `oplist` tells which inputs are ids and lengths, whose range is checked as well.
    """

    def __init__(
        self, specs: tuple[Spec, ...], names: Sequence[str], oplist: OpList | None = None
    ) -> None:
        self.specs = specs
        self.names = names
        self._ranges = ranges_of(oplist) if oplist is not None else []
        self._plain = [(spec.shape, np.dtype(spec.dtype)) for spec in specs]

    def check(self, arrays: Any) -> list[Array]:
        """Return contiguous arrays of the right shape and dtype."""
        given = arrays if isinstance(arrays, tuple | list) else (arrays,)
        if len(given) != len(self.specs):
            raise ShapeError(f"the program must get {len(self.specs)} inputs; got {len(given)}.")
        checked = [self.one(k, array) for k, array in enumerate(given)]
        for place, check, limit in self._ranges:
            check(checked[place], limit)
        return checked

    def one(self, k: int, array: Any) -> Array:
        """Check one array."""
        shape, dtype = self._plain[k]
        if type(array) is not np.ndarray:
            array = np.asarray(array)
        if array.shape != shape:
            raise ShapeError(
                f"{self.names[k]} must have shape {shape} in this program; got {array.shape}."
            )
        if array.dtype != dtype:
            if array.dtype.kind not in ("f" if dtype.kind == "f" else "iu"):
                raise ShapeError(
                    f"{self.names[k]} dtype must be {dtype}; got {array.dtype} in shape {shape}."
                )
            array = array.astype(dtype)
        return array if array.flags.c_contiguous else np.ascontiguousarray(array)


def ranges_of(oplist: OpList) -> list[tuple[int, Callable[[Array, int], None], int]]:
    """Return (number of the input, check, limit) for inputs that are ids or lengths."""
    places = {value: place for place, (_, value) in enumerate(oplist.inputs)}
    found: dict[tuple[int, Callable[[Array, int], None], int], None] = {}
    for op in oplist.ops:
        if op.name == "reshape" and op.inputs[0] in places:
            places[op.outputs[0]] = places[op.inputs[0]]
        ids = op.name == "embedding"
        behind = op.inputs[4:] if op.name in ("lstm", "gru", "rnn") else ()
        behind = op.inputs[1:] if op.name == "mask_sequence" else behind
        for value in op.inputs[:1] if ids else behind:
            if value in places:
                limit = oplist.values[op.inputs[1]].shape[0]
                if not ids:
                    limit = oplist.values[op.inputs[0]].shape[1]
                found[places[value], check_ids if ids else check_lengths, limit] = None
    return list(found)


def classes_of(oplist: OpList) -> int | None:
    """Return the number of classes if the target holds labels, else None."""
    labels = {oplist.inputs[-1][1]}
    for op in oplist.ops:
        if op.name == "reshape" and op.inputs[0] in labels:
            labels.update(op.outputs)
        if op.name in ("softmax_cross_entropy", "nll") and op.inputs[1] in labels:
            return oplist.values[op.inputs[0]].shape[1]
    return None


def float32(array: Any) -> Array:
    """Return an array; floats in the dtype that programs compute in."""
    given = np.asarray(array)
    return given.astype(np.float32, copy=False) if given.dtype.kind == "f" else given


def moved() -> TrainingError:
    """Return the error of a program whose parameters live elsewhere now."""
    return TrainingError(
        "the module's parameters have moved into another FlatParameters (a second Trainer?). "
        "Make the program again with that one."
    )


def bad_loss(
    loss: float,
    inputs: Sequence[Array],
    target: Array,
    flat: FlatParameters,
    look: Callable[[], None],
) -> SandboxError:
    """Find out why a loss is not finite; `look` raises if the criterion cannot take the output."""
    for name, array in (*((f"input {k}", x) for k, x in enumerate(inputs)), ("target", target)):
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            rows = ~np.isfinite(array.reshape(len(array), -1)).all(axis=1)
            row = int(np.flatnonzero(rows)[0])
            return DataError(
                f"{name} must hold finite numbers; got {_first_bad(array[row])} in row {row} "
                f"({int(rows.sum())} of {len(rows)} rows). Clean the data."
            )
    for name in flat.views:
        values = flat.value(name)
        if not np.isfinite(values).all():
            return TrainingError(
                f"the loss must be a finite number; got {loss}: parameter {name!r} holds "
                f"{_first_bad(values)}. Lower the learning rate or clip the gradients."
            )
    try:
        look()
    except SandboxError as error:
        return error
    return TrainingError(
        f"the loss must be a finite number; got {loss}, while inputs and parameters are "
        "finite. Lower the learning rate, or look for log(0) and division by 0 in the model."
    )


def _first_bad(array: Array) -> float:
    flat = np.asarray(array).reshape(-1)
    return float(flat[np.flatnonzero(~np.isfinite(flat))[0]])
