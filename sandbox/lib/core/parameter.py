"""Parameters and buffers: the arrays a module owns.

Their numbers are read through a read-only view and written with `set`, so that every program which
uses them learns that they changed, and every tape which saw the old ones keeps them.
`FlatParameters` may move them into one long vector.
"""

from __future__ import annotations

import itertools
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, ClassVar

import numpy as np

from . import validate
from .errors import ArgumentError, GradientError, ShapeError, TraceError
from .state import STATE
from .value import Array, Operand, Value


class Version:
    """A counter shared by all parameters of one storage; it moves when their numbers do.

    `writes` counts what was written into the storage itself, past `set`. `Version.latest` is
    another number after each move of any of them: who finds it as it was need not look at each.
    """

    __slots__ = ("count", "retired", "writes")
    latest: ClassVar[int] = 0
    _moves: ClassVar[Iterator[int]] = itertools.count(1)  # no number twice, whatever threads do

    def __init__(self) -> None:
        self.count = 0
        self.writes = 0
        self.retired = False

    def move(self) -> None:
        """Tell that numbers have changed; called behind the change."""
        self.count += 1
        Version.latest = next(Version._moves)


_readings = threading.Lock()


class Reading(Value):
    """The numbers of a parameter or buffer as a tape saw them.

    It shares the storage until somebody writes there: `set` leaves it a copy before. Who writes
    into the storage itself leaves no copy; then there is no gradient rather than a wrong one.
    """

    __slots__ = ("_array", "_version", "_writes", "source")

    def __init__(self, source: Variable) -> None:
        self.source = source
        self._array = source._data
        self._version: Version | None = source._version
        self._writes = source._version.writes

    @property
    def changes(self) -> bool:  # type: ignore[override]
        """Whether it shares the storage still."""
        return self._version is not None

    @property
    def is_stale(self) -> bool:
        """Whether the storage was written without a copy: what was seen is gone."""
        return self._version is not None and self._version.writes != self._writes

    @property
    def _data(self) -> Array:  # type: ignore[override]
        if self.is_stale:
            raise GradientError(
                f"{self.source!r} must keep its numbers between the forward pass and gradients(); "
                "they were changed in its FlatParameters. Record again, or write with .set()."
            )
        return self._array

    def keep(self) -> None:
        """Take a copy: the storage is about to change."""
        if self.is_stale:
            return  # too late; whoever asks for the numbers is told
        array = np.array(self._data)
        array.setflags(write=False)
        self._array, self._version = array, None


class Variable(Operand):
    """What `Parameter` and `Buffer` share: storage, a read-only view, a version."""

    __slots__ = ("_array", "_reading", "_version", "name")
    _what = "value"
    changes = True
    # Whether any was ever of another floating dtype than float32: if not, nobody need look.
    wide = False

    def __init__(self, data: Any, name: str = "", *, copy: bool = True) -> None:
        self.name = name
        validate.boolean("copy", copy)
        self._version = Version()
        self._reading: weakref.ref[Reading] | None = None
        self._place(_storage(data, copy))

    @property
    def data(self) -> Array:
        """The numbers, as a read-only view; `set` changes them."""
        if STATE.trace is not None:
            raise TraceError(
                f"the numbers of {self._what} {self.name or self.shape} are read with `.data`, "
                "which would freeze them into the program. Use the parameter itself with core.ops."
            )
        return self._data

    def set(self, data: Any) -> None:
        """Replace the numbers; the shape stays."""
        array = validate.numbers("data", data)
        if array.shape != self.shape:
            raise ShapeError(
                f"{self._what} {self.name!r} must get shape {self.shape}; got {array.shape}."
            )
        if array.dtype != self.dtype and not _fits(array, self.dtype):
            raise ArgumentError(
                f"{self._what} {self.name!r} must get numbers that {self.dtype} can hold; got "
                f"{array.dtype}. Make one of that dtype, or round them first."
            )
        self._keep_reading()
        np.copyto(self._array, array, casting="unsafe")
        self._version.move()

    def write(self, function: Callable[[Array], object]) -> None:
        """Let a function write the numbers into the storage, a contiguous array."""
        self._keep_reading()
        function(self._array)
        self._version.move()

    def astype(self, dtype: Any) -> None:
        """Hold the numbers in another dtype from now on; programs are to be made anew.

        Examples
        --------
        >>> weight = Parameter([1.0, 2.0])
        >>> weight.astype("float64")
        >>> weight.data
        array([1., 2.])
        """
        self._move(np.empty(self.shape, validate.number_dtype("dtype", dtype)), Version())

    def seen(self) -> Operand:
        """Return the present numbers, which stay as they are."""
        reading = None if self._reading is None else self._reading()
        if reading is None or reading.is_stale:  # of a tape before, which may live on
            with _readings:  # two threads may use one module
                reading = None if self._reading is None else self._reading()
                if reading is None or reading.is_stale:
                    reading = Reading(self)
                    self._reading = weakref.ref(reading)
        return reading

    def _keep_reading(self) -> None:
        """Leave tapes that saw the present numbers a copy of them."""
        reading = None if self._reading is None else self._reading()
        self._reading = None
        if reading is not None:
            reading.keep()

    def _place(self, array: Array) -> None:
        """Live in another array from now on (which already holds the numbers)."""
        self._keep_reading()
        if array.dtype.kind == "f" and array.dtype != np.float32:
            Variable.wide = True
        self._array = array
        view = array.view()
        view.setflags(write=False)
        self._data = view

    def _move(self, array: Array, version: Version) -> None:
        """Move into another storage; programs bound to the old one learn of it."""
        np.copyto(array, self._array, casting="unsafe")
        self._version.retired = True
        self._version.move()
        self._place(array)
        self._version = version

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        data = self.data
        if dtype is None and not copy:
            return data
        return np.array(data, dtype=dtype, copy=copy)

    def __reduce__(self) -> tuple[Any, ...]:
        if id(self) in _apart.get():
            form = (self.shape, self.dtype.str)
            return _rebuild_apart, (type(self), *form, self.name, self._extra())
        return _rebuild, (type(self), np.array(self._array), self.name, self._extra())

    def _extra(self) -> dict[str, Any]:
        return {}

    def __repr__(self) -> str:
        label = f"{self.name!r}, " if self.name else ""
        return f"{type(self).__name__}({label}shape={self.shape})"


def _storage(data: Any, copy: bool) -> Array:
    """Return a contiguous, writeable array of numbers: float32 unless `data` is an array."""
    typed = isinstance(data, np.ndarray | np.generic | Operand)
    try:
        array = np.asarray(data) if typed else np.asarray(data, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"`data` must be an array of numbers; got {data!r}.") from error
    if array.dtype.kind not in "fiub":
        raise ArgumentError(f"`data` must be an array of numbers; got dtype {array.dtype}.")
    if copy or not (array.flags.c_contiguous and array.flags.writeable):
        array = np.array(array, dtype=array.dtype.newbyteorder("="), order="C")
    return array


def _fits(array: Array, dtype: np.dtype[Any]) -> bool:
    """Return whether numbers may be set: floats into floats, whole numbers where none is lost."""
    if array.dtype.kind not in "fiub":
        return False
    if dtype.kind == "f":
        return True
    with np.errstate(invalid="ignore"):
        return bool(np.array_equal(array.astype(dtype), array))


def _rebuild(kind: Any, data: Array, name: str, extra: dict[str, Any]) -> Any:
    variable = kind(data, name, copy=False)
    for key, value in extra.items():
        setattr(variable, key, value)
    return variable


def _rebuild_apart(
    kind: Any, shape: tuple[int, ...], dtype: str, name: str, extra: dict[str, Any]
) -> Any:
    return _rebuild(kind, np.zeros(shape, dtype), name, extra)  # pages nobody touches cost nothing


_apart: ContextVar[frozenset[int]] = ContextVar("pickled apart", default=frozenset())


@contextmanager
def without_values(variables: Iterable[Variable]) -> Iterator[None]:
    """Let these be pickled by their shapes: their numbers travel another way.

    Examples
    --------
    >>> import pickle
    >>> large = Parameter(np.ones((1000, 1000), "f4"))
    >>> with without_values([large]):
    ...     data = pickle.dumps(large)
    >>> len(data) < 1000, pickle.loads(data).shape
    (True, (1000, 1000))
    """
    held = list(variables)  # while they are, no other object has the same id
    token = _apart.set(frozenset(map(id, held)))
    try:
        yield
    finally:
        _apart.reset(token)


class Parameter(Variable):
    """An array that training changes.

    Parameters
    ----------
    data : array of numbers
        An array keeps its dtype; Python numbers become float32. Copied.
    name : str
        Shown in messages; modules give the path themselves.
    copy : bool
        False takes a contiguous array over as it is: nobody else may write into it.

    Examples
    --------
    >>> weight = Parameter([[1.0, 2.0]])
    >>> weight.set([[3.0, 4.0]])
    >>> weight.data
    array([[3., 4.]], dtype=float32)
    """

    __slots__ = ("_trainable",)
    _what = "parameter"

    def __init__(self, data: Any, name: str = "", *, copy: bool = True) -> None:
        super().__init__(data, name, copy=copy)
        self._trainable = True

    @property
    def trainable(self) -> bool:
        """Whether training changes it; whole numbers are never trained."""
        return self._trainable and self.dtype.kind == "f"

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = bool(value)

    def _extra(self) -> dict[str, Any]:
        return {"trainable": self._trainable}


class Buffer(Variable):
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
