"""Transforms of whole batches: from rows as they are stored to what a model takes."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core import validate
from ..core.errors import ArgumentError, DataError, ShapeError
from ..engine import names as _names

Array = NDArray[Any]


class Transform(ABC):
    """Change a batch (first axis: rows). Works on any rows alone, so batches may be cut anywhere.

    `call` gets the rows as stored and, where the last transform of a chain can use it, an array
    `out` for its result. `random` is the position-keyed random key of the batch, for transforms
    that augment (`needs_random`).
    """

    needs_random = False
    arguments: tuple[tuple[Any, ...], dict[str, Any]]
    """What it was made with, by place and by name."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """Remember the arguments, by which files can tell what it is."""
        self = super().__new__(cls)
        self.arguments = (args, kwargs)
        return self

    @abstractmethod
    def call(self, x: Array, *, out: Array | None = None, random: Any = None) -> Array:
        """Return the changed batch; never writes into `x`."""

    def shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of one row after this transform."""
        return shape

    def dtype(self, dtype: np.dtype[Any]) -> np.dtype[Any]:
        """Return the dtype after this transform."""
        return dtype

    def __call__(self, x: Array, *, out: Array | None = None, random: Any = None) -> Array:
        """Return the changed batch."""
        if not isinstance(x, np.ndarray) or not x.ndim or x.dtype.kind not in "fiub":
            raise validate.refuse("x", "an array of numbers, one row each", x)
        if out is not None:
            validate.instance("out", out, np.ndarray)
        return self.call(x, out=out, random=random)


class Normalize(Transform):
    """Shift and scale to float32: y = (x · scale - mean) / std, per channel if given as lists.

    Parameters
    ----------
    scale : float
        Factor on the stored numbers, 1/255 for bytes to [0, 1].
    mean, std : float or one float for each channel (axis 1 of a batch with channels)
        In units of scaled numbers; std > 0.

    Examples
    --------
    >>> Normalize(1 / 255, mean=0.5, std=0.5)(np.array([[0, 255]], "u1"))
    array([[-1.,  1.]], dtype=float32)
    """

    def __init__(
        self,
        scale: float = 1.0,
        mean: float | Sequence[float] = 0.0,
        std: float | Sequence[float] = 1.0,
    ) -> None:
        self.scale = validate.in_range("scale", scale, -np.inf, np.inf, closed="none")
        self.mean = validate.numbers("mean", mean).astype(np.float64)
        self.std = validate.numbers("std", std).astype(np.float64)
        if self.mean.ndim > 1 or self.std.ndim > 1 or not np.all(np.isfinite(self.mean)):
            raise ArgumentError(f"Normalize: mean must be finite numbers; got {mean!r}.")
        if not (np.all(self.std > 0) and np.all(np.isfinite(self.std))):
            raise ArgumentError(f"Normalize: std must be numbers > 0; got {std!r}.")
        factor, shift = np.broadcast_arrays(self.scale / self.std, -self.mean / self.std)
        self._factor, self._shift = factor.astype(np.float32), shift.astype(np.float32)

    def dtype(self, dtype: np.dtype[Any]) -> np.dtype[Any]:
        """Return float32."""
        return np.dtype(np.float32)

    def call(self, x: Array, *, out: Array | None = None, random: Any = None) -> Array:
        """Return x · factor + shift as float32."""
        factor, shift = self._factor, self._shift
        if factor.ndim:
            if x.ndim < 2 or x.shape[1] != factor.size:
                raise DataError(
                    f"Normalize: axis 1 of the batch must be {factor.size} channels; "
                    f"got shape {x.shape}."
                )
            factor, shift = (v.reshape(-1, *[1] * (x.ndim - 2)) for v in (factor, shift))
        if out is None:
            out = np.empty(x.shape, np.float32)
        elif out.dtype.kind != "f":
            raise validate.refuse("out", "an array of floats", out)
        into(x, out)
        np.multiply(out, factor, out=out)
        if shift.any():
            np.add(out, shift, out=out)
        return out

    def __repr__(self) -> str:
        return f"Normalize({self.scale!r}, mean={self.mean.tolist()!r}, std={self.std.tolist()!r})"


class AddChannel(Transform):
    """Insert an axis for one channel: (N, H, W) becomes (N, 1, H, W).

    Examples
    --------
    >>> AddChannel()(np.zeros((2, 28, 28))).shape
    (2, 1, 28, 28)
    """

    def shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the row's shape with the channel axis first."""
        return (1, *shape)

    def call(self, x: Array, *, out: Array | None = None, random: Any = None) -> Array:
        """Return a view with the new axis."""
        return into(x[:, np.newaxis], out)

    def __repr__(self) -> str:
        return "AddChannel()"


class Flatten(Transform):
    """Make each row one-dimensional.

    Examples
    --------
    >>> Flatten()(np.zeros((2, 28, 28))).shape
    (2, 784)
    """

    def shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return (number of elements,)."""
        return (int(np.prod(shape)),)

    def call(self, x: Array, *, out: Array | None = None, random: Any = None) -> Array:
        """Return a view where the layout allows one."""
        return into(x.reshape(len(x), math.prod(x.shape[1:])), out)

    def __repr__(self) -> str:
        return "Flatten()"


class Apply(Transform):
    """Use any function of a batch that treats each row alone.

    Examples
    --------
    >>> Apply(np.log1p)(np.zeros((1, 2)))
    array([[0., 0.]])
    """

    def __init__(self, function: Callable[[Array], Array]) -> None:
        self.function = function

    def shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape the function makes of a row of zeros."""
        return np.shape(self.function(np.zeros((1, *shape), np.float32)))[1:]

    def call(self, x: Array, *, out: Array | None = None, random: Any = None) -> Array:
        """Return the function's result."""
        y = np.asarray(self.function(x))
        if len(y) != len(x):
            raise DataError(
                f"{self!r}: the function must keep the number of rows {len(x)}; got {len(y)}."
            )
        return into(y, out)

    def __repr__(self) -> str:
        return f"Apply({getattr(self.function, '__name__', self.function)!s})"


class Compose(Transform):
    """Run transforms one after another.

    Examples
    --------
    >>> chain = Compose(AddChannel(), Normalize(1 / 255))
    >>> chain(np.full((1, 2, 2), 255, "u1")).shape, chain.shape((2, 2))
    ((1, 1, 2, 2), (1, 2, 2))
    """

    def __init__(self, *transforms: Transform) -> None:
        for t in transforms:
            if not isinstance(t, Transform):
                raise ArgumentError(
                    f"Compose: each argument must be a Transform; got {t!r}. "
                    "Wrap a function in Apply(function)."
                )
        self.transforms = transforms
        self.needs_random = any(t.needs_random for t in transforms)

    def shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape after all transforms."""
        for t in self.transforms:
            shape = t.shape(shape)
        return shape

    def dtype(self, dtype: np.dtype[Any]) -> np.dtype[Any]:
        """Return the dtype after all transforms."""
        for t in self.transforms:
            dtype = t.dtype(dtype)
        return dtype

    def call(self, x: Array, *, out: Array | None = None, random: Any = None) -> Array:
        """Return the last transform's result."""
        if not self.transforms:
            return into(x, out)
        for t in self.transforms[:-1]:
            x = t(x, random=random)
        return self.transforms[-1](x, out=out, random=random)

    def __repr__(self) -> str:
        return f"Compose({', '.join(map(repr, self.transforms))})"


def into(y: Array, out: Array | None) -> Array:
    """Return y, copied into `out` if that is given."""
    if out is None:
        return y
    if not isinstance(out, np.ndarray) or out.shape != y.shape:
        shape = getattr(out, "shape", None)
        got = f"shape {shape}" if isinstance(shape, tuple) else repr(out)
        raise ShapeError(f"`out` must be an array of shape {y.shape}; got {got}.")
    np.copyto(out, y, casting="unsafe")
    return out


_names.suggest(__name__)
