"""All parameters of a model as views into one vector, cut into buckets in backward order.

Exchange between ranks, optimisers, clipping and checkpoints work on these vectors. The gradients of
the last layers are ready first, so they stand first.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from . import validate
from .errors import ArgumentError
from .parameter import Buffer, Parameter, Variable, Version
from .trace import ModuleLike, check_module
from .value import Array

_ALIGN = 16  # elements: 64 bytes of float32, a cache line and the widest vector register

Allocate = Callable[[int], Array]


class Bucket(NamedTuple):
    """A piece of the vector that is exchanged as one."""

    start: int
    stop: int


class View(NamedTuple):
    """Where a parameter lives in the vector."""

    start: int
    stop: int
    shape: tuple[int, ...]


class FlatParameters:
    """Move a module's parameters into one vector.

    Parameters
    ----------
    module : ModuleLike
        Its parameters and buffers become views into `values`, `buffers` and `others`; it is used as
        before.
    slices : int > 0
        Every bucket's length is a multiple of it (one slice per rank).
    bucket_bytes : int > 0
        Wished size of a bucket; buckets hold whole cache lines, the last may be smaller.
    allocate : function of (number of floats) -> 1-D float32 array, optional
        Where the three vectors live (shared memory); called for values, gradients, buffers. A
        float64 model asks for twice as many.

    Attributes
    ----------
    values, gradients : 1-D arrays of equal size, parameters 64-byte aligned in them; float32, or
        float64 for a model of float64 parameters
    buffers : 1-D array of the running statistics, of the same dtype
    others : "parameter:DTYPE" or "buffer:DTYPE" -> 1-D array of what is of another dtype, which is
        neither trained nor exchanged: counters, tables of indices
    buckets : list of Bucket(start, stop), in backward order, together the whole vector
    views, buffer_views : name -> View(start, stop, shape) of what is in `values` and `buffers`

    Raises
    ------
    ArgumentError : the parameters are of two floating dtypes.

    Notes
    -----
    Who writes into `values` calls `touch()` afterwards, so that programs take the numbers over.
    The padding between parameters is zero and stays zero.

    Examples
    --------
    >>> from sandbox.lib import core, nn
    >>> flat = core.FlatParameters(nn.Sequential(fc=nn.Linear(2, 3)), slices=2)
    >>> flat.views["fc.weight"].shape, len(flat.values), flat.slice(1)
    ((3, 2), 32, [(16, 32)])
    """

    def __init__(
        self,
        module: ModuleLike,
        *,
        slices: int = 1,
        bucket_bytes: int = 2 << 20,
        allocate: Allocate | None = None,
    ) -> None:
        self.slices = validate.positive_int("slices", slices)
        wished = validate.positive_int("bucket_bytes", bucket_bytes) // 4
        check_module(module)
        if allocate is not None:
            validate.function("allocate", allocate)
        self._parameters: dict[str, Parameter] = dict(module.named_parameters())
        self._buffers: dict[str, Buffer] = dict(module.named_buffers())
        dtype = _common_dtype(self._parameters)
        floats = {name: p for name, p in self._parameters.items() if p.dtype == dtype}
        statistics = {name: b for name, b in self._buffers.items() if b.dtype == dtype}
        self.views, self.buckets, total = _layout(floats, self.slices, wished)
        self.buffer_views, buffer_total = _rows(list(statistics.items()), 0)
        self.values = _vector(allocate, total, dtype)
        self.gradients = _vector(allocate, total, dtype)
        self.buffers = _vector(allocate, buffer_total, dtype)
        self.others, self._other_views = _others(self._parameters, self._buffers, dtype)
        self._version = Version()
        for name, parameter in self._parameters.items():
            parameter._move(self.value(name), self._version)
        for name, buffer in self._buffers.items():
            buffer._move(self.buffer(name), self._version)
        self.is_replica = False

    @property
    def names(self) -> list[str]:
        """Names of the parameters, in the module's order."""
        return list(self._parameters)

    @property
    def version(self) -> int:
        """A number that changes whenever parameters or buffers may have changed."""
        return self._version.count

    @property
    def retired(self) -> bool:
        """Whether the module's parameters have moved on into another FlatParameters."""
        return self._version.retired

    def touch(self) -> None:
        """Say that `values` or `buffers` were written to."""
        self._version.move()
        self._version.writes += 1

    def value(self, name: str) -> Array:
        """Return a parameter's part of `values` (or `others`), in its shape."""
        view = self.views.get(name)
        return self._other(f"parameter:{name}") if view is None else _part(self.values, view)

    def gradient(self, name: str) -> Array:
        """Return a parameter's part of `gradients`, in its shape."""
        return _part(self.gradients, self.views[name])

    def buffer(self, name: str) -> Array:
        """Return a buffer's part of `buffers` (or `others`), in its shape."""
        view = self.buffer_views.get(name)
        return self._other(f"buffer:{name}") if view is None else _part(self.buffers, view)

    def _other(self, key: str) -> Array:
        vector, view = self._other_views[key]
        return _part(self.others[vector], view)

    def named(self, vector: Array) -> dict[str, Array]:
        """Return any vector of this layout (an optimiser's slot) as named, shaped views.

        Names do not depend on `slices` and buckets: checkpoints are kept by them.
        """
        return {name: _part(vector, view) for name, view in self.views.items()}

    def slice(self, rank: int) -> list[tuple[int, int]]:
        """Return (start, stop) of a rank's slice of each bucket."""
        if not 0 <= rank < self.slices:
            raise ArgumentError(f"`rank` must be an int in [0, {self.slices}); got {rank}.")
        ranges = []
        for start, stop in self.buckets:
            length = (stop - start) // self.slices
            ranges.append((start + rank * length, start + (rank + 1) * length))
        return ranges

    def mask(self, predicate: Callable[[str], bool]) -> Array:
        """Return a bool vector that is true where the parameter's name satisfies `predicate`."""
        result = np.zeros(len(self.values), dtype=bool)
        for name, view in self.views.items():
            if predicate(name):
                result[view.start : view.stop] = True
        return result

    def is_trainable(self, name: str) -> bool:
        """Return whether a parameter (by name) is trained; a predicate for `mask`."""
        return self._parameters[name].trainable

    def trainable(self) -> dict[str, Parameter]:
        """Return the parameters that are trained, by name."""
        return {name: p for name, p in self._parameters.items() if p.trainable}

    def named_buffers(self) -> dict[str, Buffer]:
        """Return the module's buffers, by name."""
        return self._buffers

    def replica(self) -> FlatParameters:
        """Return a twin for another thread: the same values, its own gradients and buffers."""
        twin: FlatParameters = object.__new__(FlatParameters)
        twin.__dict__.update(self.__dict__)
        twin.gradients = aligned_zeros(len(self.gradients), self.gradients.dtype)
        twin.buffers = aligned_zeros(len(self.buffers), self.buffers.dtype)
        np.copyto(twin.buffers, self.buffers)
        twin.others = {
            key: vector.copy() if key.startswith("buffer:") else vector
            for key, vector in self.others.items()
        }
        twin.is_replica = True
        return twin

    def storage(self) -> dict[str, Array]:
        """Return the arrays under the keys that `engine.compile` binds."""
        arrays: dict[str, Array] = {}
        for name in self.views:
            arrays[f"parameter:{name}"] = self.value(name)
            arrays[f"gradient:{name}"] = self.gradient(name)
        for name in self.buffer_views:
            arrays[f"buffer:{name}"] = self.buffer(name)
        for key in self._other_views:
            arrays[key] = self._other(key)
        return arrays

    def __repr__(self) -> str:
        return (
            f"FlatParameters({len(self.views)} parameters, {len(self.values)} floats, "
            f"{len(self.buckets)} buckets, slices={self.slices})"
        )


def aligned_zeros(count: int, dtype: Any = np.float32) -> Array:
    """Return `count` zeros that start on a 64-byte boundary."""
    kind = np.dtype(dtype)
    raw = np.zeros(count * kind.itemsize + 64, dtype=np.uint8)
    offset = -raw.ctypes.data % 64
    return raw[offset : offset + count * kind.itemsize].view(kind)


def _vector(allocate: Allocate | None, count: int, dtype: np.dtype[Any]) -> Array:
    """Return zeros, from where the caller says."""
    if allocate is None:
        return aligned_zeros(count, dtype)  # not touched: memory is taken where it is used
    floats = count * dtype.itemsize // 4
    vector: Any = allocate(floats)
    fits = (
        isinstance(vector, np.ndarray)
        and vector.dtype == np.float32
        and vector.shape == (floats,)
        and vector.flags.c_contiguous
        and vector.flags.writeable
    )
    if not fits:
        got = (
            f"{vector.dtype} in shape {vector.shape}" if isinstance(vector, np.ndarray) else vector
        )
        raise ArgumentError(
            f"`allocate` must give a writeable 1-D float32 array of {floats} elements; got {got}."
        )
    vector[...] = 0
    return np.asarray(vector).view(dtype)


def _common_dtype(parameters: dict[str, Parameter]) -> np.dtype[Any]:
    """Return the floating dtype of all parameters that are not whole numbers."""
    found: dict[np.dtype[Any], str] = {}
    for name, parameter in parameters.items():
        if parameter.dtype.kind == "f":
            found.setdefault(parameter.dtype, name)
    if len(found) > 1:
        got = " and ".join(f"{dtype} ({name})" for dtype, name in found.items())
        raise ArgumentError(
            f"the parameters must be of one floating dtype; got {got}. "
            'Turn them with module.astype("float32").'
        )
    dtype = next(iter(found), np.dtype(np.float32))
    if dtype not in (np.float32, np.float64):
        raise ArgumentError(
            f"the parameters must be float32 or float64; got {dtype} ({found[dtype]}). "
            'Turn them with module.astype("float32").'
        )
    return dtype


def _others(
    parameters: dict[str, Parameter], buffers: dict[str, Buffer], dtype: np.dtype[Any]
) -> tuple[dict[str, Array], dict[str, tuple[str, View]]]:
    """Return the vectors of what is not of the model's dtype, and by storage key its place."""
    named: dict[str, list[tuple[str, Variable]]] = {}
    for kind, variables in (("parameter", parameters), ("buffer", buffers)):
        for name, variable in variables.items():
            if variable.dtype != dtype:
                vector = f"{kind}:{variable.dtype.name}"
                named.setdefault(vector, []).append((f"{kind}:{name}", variable))
    vectors: dict[str, Array] = {}
    places: dict[str, tuple[str, View]] = {}
    for vector, pairs in named.items():
        views, total = _rows(pairs, 0)
        vectors[vector] = aligned_zeros(total, pairs[0][1].dtype)
        places |= {key: (vector, view) for key, view in views.items()}
    return vectors, places


def _part(vector: Array, view: View) -> Array:
    return vector[view.start : view.stop].reshape(view.shape)


def _round_up(count: int, unit: int) -> int:
    return -(-count // unit) * unit


def _rows(named: list[tuple[str, Any]], start: int) -> tuple[dict[str, View], int]:
    """Lay variables one after the other, each on a cache line."""
    views: dict[str, View] = {}
    for name, variable in named:
        views[name] = View(start, start + variable.size, variable.shape)
        start = _round_up(start + variable.size, _ALIGN)
    return views, start


def _layout(
    parameters: dict[str, Parameter], slices: int, wished: int
) -> tuple[dict[str, View], list[Bucket], int]:
    """Place the parameters, last ones first; return views (module's order), buckets, total."""
    unit = math.lcm(_ALIGN, slices)
    placed: dict[str, View] = {}
    buckets: list[Bucket] = []
    group: list[tuple[str, Variable]] = []
    start = 0
    backward = list(reversed(parameters.items()))
    for k, (name, parameter) in enumerate(backward):
        group.append((name, parameter))
        views, stop = _rows(group, start)
        if stop - start < wished and k + 1 < len(backward):
            continue
        placed.update(views)
        stop = start + _round_up(stop - start, unit)
        pieces = max(1, round((stop - start) / max(wished, unit)))
        step = _round_up(-(-(stop - start) // pieces), unit)
        if step:
            buckets += [Bucket(a, min(a + step, stop)) for a in range(start, stop, step)]
        start, group = stop, []
    return {name: placed[name] for name in parameters}, buckets, start
