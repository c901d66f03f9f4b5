"""A model traced for calibration: its list of operations, and runs that show its values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import engine, nn
from ..core import tree
from ..core.errors import ArgumentError, DataError, SandboxError, ShapeError, TraceError
from ..core.tracing import inference
from ..engine.oplist import OpList, Spec
from ..engine.passes.folding import fold_batch_norm

Array = NDArray[Any]


class Calibration:
    """Data for calibration, cut into batches.

    Parameters
    ----------
    data : array or tree of arrays
        One row each, as the model is called; a tuple for several inputs.
    rows : int
        At most so many at once.

    Raises
    ------
    DataError : there is no row, the arrays have different numbers of rows, or one holds NaN.
    """

    def __init__(self, data: Any, rows: int) -> None:
        leaves, self.structure = tree.flatten(data)
        self.arrays = [
            _numbers(x, path) for x, path in zip(leaves, self.structure.paths, strict=True)
        ]
        if not leaves:
            raise DataError(f"quantize: `data` must hold at least one array; got {data!r}.")
        counts = {len(x) for x in self.arrays}
        if len(counts) > 1:
            raise DataError(
                f"quantize: arrays of `data` must have as many rows; got {sorted(counts)}."
            )
        self.rows = counts.pop()
        if not self.rows:
            raise DataError(
                "quantize: `data` must hold at least one row; got none. A few hundred rows like "
                "those the model will see are enough."
            )
        self.size = min(rows, self.rows)

    def specs(self, rows: int) -> tree.Tree:
        """Return the specs of a batch."""
        made = [Spec((rows, *x.shape[1:]), x.dtype.name) for x in self.arrays]
        return self.structure.unflatten(made)

    def batches(self) -> Iterator[list[Array]]:
        """Yield all rows in batches; the last one may overlap with the one before.

        Extremes do not change with that, and shares by little.
        """
        for start in range(0, self.rows, self.size):
            begin = min(start, self.rows - self.size)
            yield [x[begin : begin + self.size] for x in self.arrays]


def _numbers(x: Any, path: str) -> Array:
    where = f"`data` at {path!r}" if path else "`data`"
    array = np.asarray(x)
    if array.dtype.kind not in "fiub" or array.ndim < 1:
        raise DataError(
            f"quantize: {where} must be an array of rows of numbers; got {array.dtype} in shape "
            f"{array.shape}."
        )
    if array.dtype.kind != "f":
        return array
    bad = np.flatnonzero(~np.isfinite(array).all(axis=tuple(range(1, array.ndim))))
    if len(bad):
        raise DataError(
            f"quantize: {where} must hold finite numbers; got NaN or infinity in row {bad[0]}"
            f" and {len(bad) - 1} more. Leave these rows out."
        )
    return array.astype(np.float32, copy=False)


def trace(model: nn.Module, data: Calibration) -> tuple[OpList, OpList, tree.Structure]:
    """Return a model traced for a batch, its list for any number of rows, and its output.

    Batch norms are folded into the layers in front of them.

    Raises
    ------
    ShapeError : the model does not take such rows.
    ArgumentError : the model cannot be traced, or computes with the number of rows otherwise.
    """
    try:
        first = inference(model, data.specs(data.size))
        second = inference(model, data.specs(data.size + 1))
    except TraceError as error:
        raise ArgumentError(
            f"quantize: `model` must be one that can be traced; this one cannot: {error}"
        ) from None
    except SandboxError as error:
        shapes = ", ".join(f"{x.dtype} {x.shape}" for x in data.arrays)
        raise ShapeError(
            f"quantize: `data` must hold rows as the model takes them; got {shapes}: {error}"
        ) from error
    a, b = first.oplist, second.oplist
    alike = [(p.name, p.inputs, p.outputs) for p in a.ops] == [
        (q.name, q.inputs, q.outputs) for q in b.ops
    ]
    if not alike:
        raise ArgumentError(
            "quantize: `model` must do the same for any number of rows; this one does not."
        )
    ops = [
        replace(p, attrs=_both(p.attrs, q.attrs, data.size, p.path or p.name))
        for p, q in zip(a.ops, b.ops, strict=True)
    ]
    return _folded(a), _folded(replace(a, ops=ops)), first.output


def _folded(oplist: OpList) -> OpList:
    """Return a list with batch norms folded into the layers in front of them."""
    result = replace(oplist, values=list(oplist.values))
    fold_batch_norm(result)
    return result


def _both(a: Any, b: Any, rows: int, path: str) -> Any:
    """Return attributes with `{"batch": (factor, rest)}` where they depend on the rows."""
    if isinstance(a, OpList):
        raise ArgumentError(
            f"quantize: {path} must be no loop or branch (scan, cond, while_loop); such models are "
            "not supported."
        )
    if isinstance(a, dict):
        return {key: _both(a[key], b[key], rows, path) for key in a}
    if isinstance(a, (tuple, list)) and len(a) == len(b):
        return tuple([_both(p, q, rows, path) for p, q in zip(a, b, strict=True)])
    if a == b:
        return a
    if type(a) is int and type(b) is int:
        return {"batch": (b - a, a - (b - a) * rows)}
    raise ArgumentError(
        f"quantize: {path} must not depend on the number of rows; got {a!r}, {b!r}."
    )


def storage(model: nn.Module) -> dict[str, Array]:
    """Return a model's numbers as the engine names them."""
    found = {f"parameter:{name}": p.data for name, p in model.named_parameters()}
    return found | {f"buffer:{name}": b.data for name, b in model.named_buffers()}


class Viewer:
    """Runs a traced model and gives the values asked for.

    Parameters
    ----------
    oplist : OpList
    values : sequence of int
    numbers : dict
        The model's, see `storage`.
    threads : int
    """

    def __init__(
        self, oplist: OpList, values: Sequence[int], numbers: dict[str, Array], threads: int
    ) -> None:
        self._inputs = {value: place for place, (_, value) in enumerate(oplist.inputs)}
        self._made = [value for value in values if value not in self._inputs]
        self._all = list(values)
        # Outputs that are views of others are copied by the engine: each is an array of its own.
        shown = replace(oplist, outputs=[(str(value), value) for value in self._made])
        plan = engine.KernelPlan(frozen=True)
        self._run = engine.compile(shown, numbers, threads=threads, plan=plan)

    def see(self, batch: Sequence[Array]) -> dict[int, Array]:
        """Return the values for a batch, valid until the next one."""
        found = dict(zip(self._made, self._run.run(list(batch)), strict=True))
        found |= {v: batch[self._inputs[v]] for v in self._all if v in self._inputs}
        return found
