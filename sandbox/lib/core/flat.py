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
from .parameter import Buffer, Holder, Parameter, Version
from .trace import ModuleLike
from .value import Array

_ALIGN = 16  # floats: 64 bytes, a cache line and the widest vector register

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
        Its parameters and buffers become views into `values` and `buffers`; it is used as before.
    slices : int > 0
        Every bucket's length is a multiple of it (one slice per rank).
    bucket_bytes : int > 0
        Wished size of a bucket; buckets hold whole cache lines, the last may be smaller.
    allocate : function of (number of floats) -> 1-D float32 array, optional
        Where the three vectors live (shared memory); called for values, gradients, buffers.

    Attributes
    ----------
    values, gradients : 1-D float32 arrays of equal size, parameters 64-byte aligned in them
    buffers : 1-D float32 array of the running statistics
    buckets : list of Bucket(start, stop), in backward order, together the whole vector
    views, buffer_views : name -> View(start, stop, shape)

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
        self._parameters: dict[str, Parameter] = dict(module.named_parameters())
        self._buffers: dict[str, Buffer] = dict(module.named_buffers())
        self.views, self.buckets, total = _layout(self._parameters, self.slices, wished)
        self.buffer_views, buffer_total = _rows(list(self._buffers.items()), 0)
        make = allocate or aligned_zeros
        self.values = _checked(make(total), total)
        self.gradients = _checked(make(total), total)
        self.buffers = _checked(make(buffer_total), buffer_total)
        self._version = Version()
        for holders, views, vector in (
            (self._parameters, self.views, self.values),
            (self._buffers, self.buffer_views, self.buffers),
        ):
            for name, holder in holders.items():
                holder._move(_part(vector, views[name]), self._version)
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
        self._version.count += 1

    def value(self, name: str) -> Array:
        """Return a parameter's part of `values`, in its shape."""
        return _part(self.values, self.views[name])

    def gradient(self, name: str) -> Array:
        """Return a parameter's part of `gradients`, in its shape."""
        return _part(self.gradients, self.views[name])

    def buffer(self, name: str) -> Array:
        """Return a buffer's part of `buffers`, in its shape."""
        return _part(self.buffers, self.buffer_views[name])

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
        twin.gradients = aligned_zeros(len(self.gradients))
        twin.buffers = aligned_zeros(len(self.buffers))
        np.copyto(twin.buffers, self.buffers)
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
        return arrays

    def __repr__(self) -> str:
        return (
            f"FlatParameters({len(self.views)} parameters, {len(self.values)} floats, "
            f"{len(self.buckets)} buckets, slices={self.slices})"
        )


def aligned_zeros(count: int) -> Array:
    """Return `count` float32 zeros that start on a 64-byte boundary."""
    raw = np.zeros(count * 4 + 64, dtype=np.uint8)
    offset = -raw.ctypes.data % 64
    return raw[offset : offset + count * 4].view(np.float32)


def _checked(vector: Any, count: int) -> Array:
    fits = (
        isinstance(vector, np.ndarray)
        and vector.dtype == np.float32
        and vector.shape == (count,)
        and vector.flags.c_contiguous
        and vector.flags.writeable
    )
    if not fits:
        got = (
            f"{vector.dtype} in shape {vector.shape}" if isinstance(vector, np.ndarray) else vector
        )
        raise ArgumentError(
            f"`allocate` must give a writeable 1-D float32 array of {count} elements; got {got}."
        )
    vector[...] = 0
    return np.asarray(vector)


def _part(vector: Array, view: View) -> Array:
    return vector[view.start : view.stop].reshape(view.shape)


def _round_up(count: int, unit: int) -> int:
    return -(-count // unit) * unit


def _rows(named: list[tuple[str, Any]], start: int) -> tuple[dict[str, View], int]:
    """Lay holders one after the other, each on a cache line."""
    views: dict[str, View] = {}
    for name, holder in named:
        views[name] = View(start, start + holder.size, holder.shape)
        start = _round_up(start + holder.size, _ALIGN)
    return views, start


def _layout(
    parameters: dict[str, Parameter], slices: int, wished: int
) -> tuple[dict[str, View], list[Bucket], int]:
    """Place the parameters, last ones first; return views (module's order), buckets, total."""
    unit = math.lcm(_ALIGN, slices)
    placed: dict[str, View] = {}
    buckets: list[Bucket] = []
    group: list[tuple[str, Holder]] = []
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
