"""A value: what operations take and give. Its numbers never change.

An eager `Value` holds an array that nobody can write into. While a module is traced its values are
`Symbol`s (see `trace.py`), which know shape and dtype but no numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from . import validate
from .errors import ShapeError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Array = NDArray[Any]


class Operand:
    """What may stand as an input of an operation: a value, a parameter or a buffer."""

    __slots__ = ("__weakref__", "_data")
    _data: Array

    # The parameter or buffer whose numbers these are, as a tape or a trace saw them.
    source: Operand | None = None
    # Whether the array behind `_data` is written into later: what shares it must be copied.
    changes = False

    # NumPy must hand `array + value` to us instead of looping over the elements.
    __array_ufunc__ = None

    def seen(self) -> Operand:
        """Return what a tape keeps of this input: numbers that stay as they are now."""
        return self

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of all axes."""
        return self._data.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """NumPy dtype of the elements."""
        return self._data.dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        count = 1
        for length in self.shape:
            count *= length
        return count

    def __len__(self) -> int:
        if not self.shape:
            raise ShapeError("len() needs a value with an axis; got a scalar.")
        return self.shape[0]

    def __iter__(self) -> Iterator[Value]:
        return iter([self[k] for k in range(len(self))])

    def __add__(self, other: Input) -> Value:
        return ops.add(self, other)

    def __radd__(self, other: Input) -> Value:
        return ops.add(other, self)

    def __sub__(self, other: Input) -> Value:
        return ops.subtract(self, other)

    def __rsub__(self, other: Input) -> Value:
        return ops.subtract(other, self)

    def __mul__(self, other: Input) -> Value:
        return ops.multiply(self, other)

    def __rmul__(self, other: Input) -> Value:
        return ops.multiply(other, self)

    def __truediv__(self, other: Input) -> Value:
        return ops.divide(self, other)

    def __rtruediv__(self, other: Input) -> Value:
        return ops.divide(other, self)

    def __matmul__(self, other: Input) -> Value:
        return ops.matmul(self, other)

    def __rmatmul__(self, other: Input) -> Value:
        return ops.matmul(other, self)

    def __pow__(self, exponent: Input) -> Value:
        if isinstance(exponent, float | int):
            return ops.power(self, exponent)
        return ops.pow(self, exponent)

    def __floordiv__(self, other: Input) -> Value:
        return ops.floor_divide(self, other)

    def __rfloordiv__(self, other: Input) -> Value:
        return ops.floor_divide(other, self)

    def __mod__(self, other: Input) -> Value:
        return ops.remainder(self, other)

    def __rmod__(self, other: Input) -> Value:
        return ops.remainder(other, self)

    def __and__(self, other: Input) -> Value:
        return ops.bitwise_and(self, other)

    def __or__(self, other: Input) -> Value:
        return ops.bitwise_or(self, other)

    def __xor__(self, other: Input) -> Value:
        return ops.bitwise_xor(self, other)

    def __invert__(self) -> Value:
        return ops.bitwise_not(self)

    # Elementwise, as in NumPy; `is` and keys of dicts go by identity.
    __hash__ = object.__hash__

    def __eq__(self, other: Input) -> Value:  # type: ignore[override]
        return ops.equal(self, other)

    def __ne__(self, other: Input) -> Value:  # type: ignore[override]
        return ops.not_equal(self, other)

    def __lt__(self, other: Input) -> Value:  # type: ignore[misc]
        return ops.less(self, other)

    def __le__(self, other: Input) -> Value:  # type: ignore[misc]
        return ops.less_equal(self, other)

    def __gt__(self, other: Input) -> Value:  # type: ignore[misc]
        return ops.greater(self, other)

    def __ge__(self, other: Input) -> Value:  # type: ignore[misc]
        return ops.greater_equal(self, other)

    def __neg__(self) -> Value:
        return ops.negative(self)

    def __abs__(self) -> Value:
        return ops.abs(self)

    def __getitem__(self, index: Any) -> Value:
        return ops.slicing(self, index)

    def reshape(self, *shape: Any) -> Value:
        """Return the same elements in another shape; one size may be -1."""
        sizes = shape[0] if len(shape) == 1 and not isinstance(shape[0], int) else shape
        return ops.reshape(self, tuple(sizes))

    def sum(self, axes: int | Sequence[int] | None = None, *, keepdims: bool = False) -> Value:
        """Return the sum over axes (all by default)."""
        return ops.sum(self, axes, keepdims=keepdims)

    def mean(self, axes: int | Sequence[int] | None = None, *, keepdims: bool = False) -> Value:
        """Return the mean over axes (all by default)."""
        return ops.mean(self, axes, keepdims=keepdims)


class Value(Operand):
    """An array inside a computation.

    Parameters
    ----------
    data : array
        Copied, unless nobody can write into it (a result of an operation, a read-only file).

    Examples
    --------
    >>> x = Value(np.ones((2, 3), "float32"))
    >>> (x * 2 + 1).data
    array([[3., 3., 3.],
           [3., 3., 3.]], dtype=float32)
    """

    __slots__ = ()

    def __init__(self, data: Any) -> None:
        array = validate.numbers("data", data)
        if not array.dtype.isnative:
            array = native(array)
        if not is_immutable(array):
            array = np.array(array)
            array.setflags(write=False)
        self._data = array

    @property
    def data(self) -> Array:
        """The numbers, read-only; `np.array(value)` gives an array of your own."""
        return self._data

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        data = self.data
        if dtype is None and not copy:
            return data
        return np.array(data, dtype=dtype, copy=copy)

    def __float__(self) -> float:
        if self.size != 1:
            raise ShapeError(f"float() needs one element; got shape {self.shape}.")
        return float(self.data.reshape(()))

    def __bool__(self) -> bool:
        if self.size != 1:
            raise ShapeError(f"the truth of a value needs one element; got shape {self.shape}.")
        return bool(self.data.reshape(()))

    def __repr__(self) -> str:
        return f"Value({self._data!r})"


# What the public functions of `ops` accept.
Input = Operand | Array | float | int


def wrap(array: Array) -> Value:
    """Make a value of an array that nobody else writes into, which becomes read-only.

    The quick way for results of kernels; `borrow` is for arrays of others.
    """
    array.setflags(False)  # type: ignore[call-arg] # by position: in a third of the time
    value = _new(Value)
    value._data = array
    return value


def native(array: Array) -> Array:
    """Return an array in this machine's byte order; IDX and HDF5 files may hold the other."""
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def borrow(array: Array) -> Value:
    """Make a value of a caller's array, for as long as the caller waits for it; a copy is rare."""
    view = array.view() if array.dtype.isnative else native(array)
    view.setflags(write=False)
    value = _new(Value)
    value._data = view
    return value


def results(inputs: Sequence[Operand], arrays: Sequence[Array]) -> tuple[Value, ...]:
    """Make values of what a kernel gave; a view of a parameter becomes a copy.

    Views of other values may stay views: nobody writes into any of them.
    """
    return tuple([wrap(_apart(a, inputs) if type(a.base) is np.ndarray else a) for a in arrays])


def _apart(array: Array, inputs: Sequence[Operand]) -> Array:
    """Return an array that shares nothing with a parameter or buffer."""
    shares = any(x.changes and np.may_share_memory(array, x._data) for x in inputs)
    return np.array(array) if shares else array


def is_immutable(array: Any) -> bool:
    """Return whether nobody can write into an array or what it is a view of."""
    while isinstance(array, np.ndarray):
        if array.flags.writeable:
            return False
        array = array.base
    return True


def as_array(output: Any, borrowed: Sequence[Value] = ()) -> Any:
    """Take the array out of a value; it shares nothing with what was borrowed or may change."""
    if not isinstance(output, Operand):
        return output
    array = output._data
    if output.changes or any(np.may_share_memory(array, x._data) for x in borrowed):
        array = np.array(array)
        array.setflags(write=False)
    return array


_new = object.__new__

from . import ops  # noqa: E402 - operators are operations; ops imports this file first
