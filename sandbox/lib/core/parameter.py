"""Parameters and buffers: the arrays a module owns.

Their numbers are read through a read-only view and written with `set`, so that every program which
uses them learns that they changed. `FlatParameters` may move them into one long vector.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .errors import ArgumentError, ShapeError, TraceError
from .state import STATE
from .value import Array, Operand


class Version:
    """A counter shared by all parameters of one storage; it moves when their numbers do."""

    __slots__ = ("count", "retired")

    def __init__(self) -> None:
        self.count = 0
        self.retired = False


class Holder(Operand):
    """What `Parameter` and `Buffer` share: storage, a read-only view, a version."""

    __slots__ = ("_version", "_view", "name")
    _what = "value"

    def __init__(self, data: Any, name: str = "") -> None:
        try:
            array = np.array(data, dtype=np.float32, order="C")
        except (TypeError, ValueError) as error:
            raise ArgumentError(f"`data` must be an array of numbers; got {data!r}.") from error
        self.name = name
        self._version = Version()
        self._place(array)

    @property
    def data(self) -> Array:
        """The numbers, as a read-only view; `set` changes them."""
        if STATE.trace is not None:
            raise TraceError(
                f"the numbers of {self._what} {self.name or self.shape} are read with `.data`, "
                "which would freeze them into the program. Use the parameter itself with core.ops."
            )
        return self._view

    def set(self, data: Any) -> None:
        """Replace the numbers; the shape stays."""
        array = np.asarray(data)
        if array.shape != self._data.shape:
            raise ShapeError(
                f"{self._what} {self.name!r} must get shape {self._data.shape}; got {array.shape}."
            )
        np.copyto(self._data, array, casting="same_kind" if array.dtype.kind == "f" else "unsafe")
        self._version.count += 1

    def _place(self, array: Array) -> None:
        """Live in another array from now on (which already holds the numbers)."""
        self._data = array
        view = array.view()
        view.flags.writeable = False
        self._view = view

    def _move(self, array: Array, version: Version) -> None:
        """Move into another storage; programs bound to the old one learn of it."""
        np.copyto(array, self._data)
        self._version.retired = True
        self._version.count += 1
        self._version = version
        self._place(array)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        data = self.data
        if dtype is None and not copy:
            return data
        return np.array(data, dtype=dtype, copy=copy)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), np.array(self._data), self.name, self._extra())

    def _extra(self) -> dict[str, Any]:
        return {}

    def __repr__(self) -> str:
        label = f"{self.name!r}, " if self.name else ""
        return f"{type(self).__name__}({label}shape={self.shape})"


def _rebuild(kind: Any, data: Array, name: str, extra: dict[str, Any]) -> Any:
    holder = kind(data, name)
    for key, value in extra.items():
        setattr(holder, key, value)
    return holder


class Parameter(Holder):
    """An array that training changes.

    Parameters
    ----------
    data : array of numbers
        Copied as float32.
    name : str
        Shown in messages; modules give the path themselves.

    Examples
    --------
    >>> weight = Parameter([[1.0, 2.0]])
    >>> weight.set([[3.0, 4.0]])
    >>> weight.data
    array([[3., 4.]], dtype=float32)
    """

    __slots__ = ("trainable",)
    _what = "parameter"

    def __init__(self, data: Any, name: str = "") -> None:
        super().__init__(data, name)
        self.trainable = True

    def _extra(self) -> dict[str, Any]:
        return {"trainable": self.trainable}


class Buffer(Holder):
    """An array that a module keeps but the optimiser does not change: running statistics.

    Operations may read it; `update` gives it new numbers as part of a computation.
    """

    __slots__ = ()
    _what = "buffer"

    def update(self, value: Operand) -> None:
        """Give the buffer new numbers.

        Traced, it becomes part of the program; inside a step of training it is kept until the step
        is through; in a plain eager call it happens at once.
        """
        if value.shape != self.shape:
            raise ShapeError(
                f"buffer {self.name!r} must get shape {self.shape}; got {value.shape}."
            )
        trace = STATE.trace
        if trace is not None:
            trace.update(self, value)
            return
        updates = STATE.context.updates
        if updates is not None:
            updates[self] = value
        else:
            self.set(value._data)
