"""The one list of operations: plain data that every way to run a model starts from.

A traced model, a functional graph and a compiled program are all an `OpList`: a list
of values (`Spec`) and a list of operations on them (`Op`), in an order in which they may run.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True)
class Spec:
    """Shape and dtype of one value.

    Parameters
    ----------
    shape : tuple of int
        Logical sizes, row-major (N, C, H, W for images).
    dtype : str
        NumPy's name of the dtype.

    Examples
    --------
    >>> Spec((2, 3), "float32").size
    6
    """

    shape: tuple[int, ...]
    dtype: str = "float32"

    @property
    def size(self) -> int:
        """Number of elements."""
        count = 1
        for axis in self.shape:
            count *= axis
        return count

    @property
    def nbytes(self) -> int:
        """Bytes in the plain layout."""
        return self.size * np.dtype(self.dtype).itemsize

    @classmethod
    def of(cls, array: Array) -> Spec:
        """Return the spec of an array."""
        return cls(tuple(array.shape), str(array.dtype))


@dataclass
class Op:
    """One operation: `outputs = name(inputs, **attrs)`; inputs and outputs are value ids.

    Parameters
    ----------
    name : str
        The same in the reference kernels, the native lowerings and the primitives.
    inputs, outputs : tuple of int
        Value ids.
    attrs : dict
        Ints, floats, strings, bools, None, tuples of these, and lists of operations (`OpList`),
        which have inputs and outputs only.
    path : str
        Path of the module that asked for it, for error messages.
    """

    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    attrs: dict[str, Any] = field(default_factory=dict)
    path: str = ""


@dataclass
class OpList:
    """A whole computation.

    `gradients` and `updates` name the arrays of the caller into which a value is to be written;
    `outputs` are handed back by every run.
    """

    values: list[Spec] = field(default_factory=list)
    ops: list[Op] = field(default_factory=list)
    inputs: list[tuple[str, int]] = field(default_factory=list)
    parameters: list[tuple[str, int]] = field(default_factory=list)
    buffers: list[tuple[str, int]] = field(default_factory=list)
    constants: list[tuple[Array, int]] = field(default_factory=list)
    outputs: list[tuple[str, int]] = field(default_factory=list)
    gradients: list[tuple[str, int]] = field(default_factory=list)
    updates: list[tuple[str, int]] = field(default_factory=list)

    def new_value(self, spec: Spec) -> int:
        """Add a value and return its id."""
        self.values.append(spec)
        return len(self.values) - 1

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the constants' contents as JSON-able data."""
        return {
            "values": [[list(spec.shape), spec.dtype] for spec in self.values],
            "ops": [
                {
                    "name": op.name,
                    "inputs": list(op.inputs),
                    "outputs": list(op.outputs),
                    "attrs": {key: _plain(value) for key, value in op.attrs.items()},
                    "path": op.path,
                }
                for op in self.ops
            ],
            "inputs": [list(pair) for pair in self.inputs],
            "parameters": [list(pair) for pair in self.parameters],
            "buffers": [list(pair) for pair in self.buffers],
            "constants": [value for _, value in self.constants],
            "outputs": [list(pair) for pair in self.outputs],
            "gradients": [list(pair) for pair in self.gradients],
            "updates": [list(pair) for pair in self.updates],
        }

    def __str__(self) -> str:
        """Return a readable listing, one operation a line."""
        lines = []
        for op in self.ops:
            left = ", ".join(f"%{value}:{_shape(self.values[value])}" for value in op.outputs)
            right = ", ".join(f"%{value}" for value in op.inputs)
            inside = {k: v for k, v in op.attrs.items() if isinstance(v, OpList)}
            attrs = "".join(f" {k}={v}" for k, v in op.attrs.items() if k not in inside)
            where = f"  # {op.path}" if op.path else ""
            lines.append(f"{left} = {op.name}({right}){attrs}{where}")
            for key, part in inside.items():
                takes = ", ".join(
                    f"%{value}:{_shape(part.values[value])}" for _, value in part.inputs
                )
                gives = ", ".join(f"%{value}" for _, value in part.outputs)
                listing = [f"{key}({takes}) -> {gives}:", *str(part).splitlines()]
                lines += [f"    {line}" for line in listing]
        return "\n".join(lines)


def _plain(value: Any) -> Any:
    if isinstance(value, OpList):
        return value.to_dict()
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _shape(spec: Spec) -> str:
    return "x".join(str(n) for n in spec.shape) or "scalar"
