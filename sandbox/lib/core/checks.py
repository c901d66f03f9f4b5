"""What programs refuse: wrong inputs, moved parameters, a loss that is not a number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..engine.oplist import OpList, Spec
from ..engine.ops import find
from . import tree
from .errors import DataError, DivergedError, SandboxError, ShapeError, TrainingError
from .flat import FlatParameters
from .value import Array


class Inputs:
    """Checks of what goes into a program, made once per shape.

    Parameters
    ----------
    specs : tree of Spec
        What the program takes.
    what : "input" or "target"
        How messages call it.
    """

    def __init__(self, specs: tree.Tree, what: str) -> None:
        self.specs = specs
        self.what = what
        found, self.structure = tree.flatten(specs)
        self._plain = [(spec.shape, np.dtype(spec.dtype)) for spec in found]
        self._names = names_of(self.structure, what)
        self._alone = self.structure.is_leaf
        self._is_input = what == "input"

    def check(self, arrays: tree.Tree) -> list[Array]:
        """Return the leaves as contiguous arrays of the right shape and dtype."""
        if self._alone:  # the most usual first: one array, or one argument
            item = arrays
            if type(item) is tuple and self._is_input and len(item) == 1:
                item = item[0]
            if type(item) is np.ndarray:
                shape, dtype = self._plain[0]
                if item.shape == shape and item.dtype == dtype and item.flags.c_contiguous:
                    return [item]
                return [self.one(0, item)]
        given = tree.lone(arrays) if self._is_input else arrays
        if self._alone and self._is_input and isinstance(given, tuple | dict):
            raise ShapeError(
                f"the program must get 1 input; got {len(given)} in a {type(given).__name__}."
            )
        leaves = self.structure.match(given, self.what)
        return [self.one(k, array) for k, array in enumerate(leaves)]

    def tree_of(self, leaves: list[Array]) -> tree.Tree:
        """Return checked leaves as the tree they came in."""
        return leaves[0] if self._alone else self.structure.unflatten(leaves)

    def named(self, leaves: list[Array]) -> list[tuple[str, Array]]:
        """Return checked leaves, each with what messages call it."""
        return list(zip(self._names, leaves, strict=True))

    def one(self, k: int, array: Any) -> Array:
        """Check one array."""
        shape, dtype = self._plain[k]
        if type(array) is not np.ndarray:
            array = _asarray(self._names[k], array)
        if array.shape != shape:
            raise ShapeError(
                f"{self._names[k]} must have shape {shape} in this program; got {array.shape}."
            )
        if array.dtype != dtype:
            if array.dtype.kind not in ("f" if dtype.kind == "f" else "iu"):
                raise ShapeError(
                    f"{self._names[k]} dtype must be {dtype}; got {array.dtype} in shape {shape}."
                )
            array = array.astype(dtype)
        return array if array.flags.c_contiguous else np.ascontiguousarray(array)


def _asarray(name: str, item: Any) -> Array:
    """Return an array of a list of numbers; anything else that is no array is refused."""
    try:
        return np.asarray(item)
    except (TypeError, ValueError):
        raise ShapeError(f"{name} must be an array; got a {type(item).__name__}.") from None


def names_of(structure: tree.Structure, what: str) -> list[str]:
    """Return what messages call the leaves."""
    alone = "x" if what == "input" else ""
    return [tree.place(what, path or alone) for path in structure.paths]


def specs_of(items: tree.Tree, dtype: Any = np.float32) -> tree.Tree:
    """Return the specs of inputs or a target as programs take them: floats in one dtype.

    Examples
    --------
    >>> specs_of({"image": np.zeros((2, 3)), "ids": [[1], [2]]})["image"]
    Spec(shape=(2, 3), dtype='float32')
    """

    def spec(item: Any) -> Spec:
        if isinstance(item, Spec):
            return item
        array = np.asarray(item)
        return Spec(array.shape, (dtype if array.dtype.kind == "f" else array.dtype).name)

    dtype = np.dtype(dtype)
    if type(items) is np.ndarray:
        return spec(items)
    if isinstance(items, tuple):  # positional arguments, numbers too
        return tree.lone(tuple([tree.map(spec, tree.with_arrays(item)) for item in items]))
    return tree.map(spec, tree.with_arrays(items))


def borrowed(oplist: OpList) -> list[int]:
    """Return which outputs may share memory with a constant, parameter, buffer or input.

    These are what an operation that only moves elements makes of one, and what no input goes into;
    what is made of several is in memory of its own.
    """
    fixed = {value for _, value in (*oplist.parameters, *oplist.buffers, *oplist.constants)}
    known = fixed | {value for _, value in oplist.inputs}
    for op in oplist.ops:
        if fixed.issuperset(op.inputs):
            fixed.update(op.outputs)
            known.update(op.outputs)
        elif find(op.name).moves and len(op.inputs) == 1 and op.inputs[0] in known:
            known.update(op.outputs)
    return [place for place, (_, value) in enumerate(oplist.outputs) if value in known]


def floats(array: Any, dtype: Any) -> Array:
    """Return an array; floats in the dtype that a model computes in."""
    given = np.asarray(array)
    return given.astype(dtype, copy=False) if given.dtype.kind == "f" else given


def model_dtype(module: Any) -> np.dtype[Any]:
    """Return the floating dtype of a module's parameters, float32 if it has none."""
    found = (p.dtype for _, p in module.named_parameters() if p.dtype.kind == "f")
    return next(found, np.dtype(np.float32))


def moved() -> TrainingError:
    """Return the error of a program whose parameters live elsewhere now."""
    return TrainingError(
        "the module's parameters have moved into another FlatParameters (a second Trainer?). "
        "Make the program again with that one."
    )


def bad_loss(
    loss: float,
    named: Sequence[tuple[str, Array]],
    flat: FlatParameters,
    look: Callable[[], None],
) -> SandboxError:
    """Find out why a loss is not finite.

    `named` holds inputs and targets; `look` raises if the criterion cannot take the output.
    """
    for name, array in named:
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            if not array.ndim:
                return DataError(f"{name} must be a finite number; got {float(array)}.")
            rows = ~np.isfinite(array.reshape(len(array), -1)).all(axis=1)
            row = int(np.flatnonzero(rows)[0])
            return DataError(
                f"{name} must hold finite numbers; got {_first_bad(array[row])} in row {row} "
                f"({int(rows.sum())} of {len(array)} rows). Clean the data."
            )
    for name in flat.views:
        values = flat.value(name)
        if not np.isfinite(values).all():
            return DivergedError(
                f"the loss must be a finite number; got {loss}: parameter {name!r} holds "
                f"{_first_bad(values)}. Lower the learning rate or clip the gradients."
            )
    try:
        look()
    except SandboxError as error:
        return error
    return DivergedError(
        f"the loss must be a finite number; got {loss}, while inputs and parameters are "
        "finite. Lower the learning rate, or look for log(0) and division by 0 in the model."
    )


def _first_bad(array: Array) -> float:
    flat = np.asarray(array).reshape(-1)
    return float(flat[np.flatnonzero(~np.isfinite(flat))[0]])
