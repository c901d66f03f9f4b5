"""A value: what operations take and give.

An eager `Value` holds an array. While a module is traced its values are `Symbol`s (see `trace.py`),
which know shape and dtype but no numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .errors import ShapeError

if TYPE_CHECKING:
    from collections.abc import Sequence

Array = NDArray[Any]


class Operand:
    """What may stand as an input of an operation: a value, a parameter or a buffer."""

    __slots__ = ("__weakref__", "_data")
    _data: Array

    # NumPy must hand `array + value` to us instead of looping over the elements.
    __array_ufunc__ = None

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

    def __pow__(self, exponent: float) -> Value:
        return ops.power(self, exponent)

    def __neg__(self) -> Value:
        return ops.negative(self)

    def __abs__(self) -> Value:
        return ops.abs(self)

    def __getitem__(self, index: Any) -> Value:
        return ops.take(self, index)

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
        Taken as it is, not copied; do not write into it while a tape may still need it.

    Examples
    --------
    >>> x = Value(np.ones((2, 3), "float32"))
    >>> (x * 2 + 1).data
    array([[3., 3., 3.],
           [3., 3., 3.]], dtype=float32)
    """

    __slots__ = ()

    def __init__(self, data: Any) -> None:
        self._data = np.asarray(data)

    @property
    def data(self) -> Array:
        """The numbers."""
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
    """Make a value of an array without any check; the quick way for results of kernels."""
    value = _new(Value)
    value._data = array
    return value


_new = object.__new__

from . import ops  # noqa: E402 - operators are operations; ops imports this file first
