"""NaN that a kernel would lose is noticed, and the run is done again by kernels that keep it.

The processor's maximum, minimum and comparison give a number where NaN meets one: a ReLU makes 0 of
it, a maximum takes the window's others. The same instructions raise the sticky flag "invalid", and
so does every instruction that makes NaN of infinities. Runs begin with the flag down (see
`subnormal`); programs look at it behind the kernels in question, for the price of one C call.

Helpers of OpenMP have flags of their own, which nobody can read, and a kernel may compare without
raising any. With several threads, such kernels, or no flags (`by_numbers`) the numbers themselves
are looked at: inputs, parameters, buffers and constants in front of a run, and what operations give
that make NaN of ordinary numbers (`makes_nan`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import cffi
import numpy as np

from . import dnnl, subnormal
from .steps import Array

_INVALID = 1  # on x86-64
# oneDNN's maximum of a window compares without raising the flag on processors without AVX-512.
_SILENT = frozenset({"max_pool2d", "max_pool3d"})

_ffi = cffi.FFI()
_ffi.cdef("int fetestexcept(int); int feclearexcept(int);")


class NanNoticed(Exception):  # noqa: N818 - no error: the run is done in another way
    """A kernel may have lost NaN; what it wrote is not to be used."""


def _open() -> tuple[Any, Any]:
    if not subnormal.available():
        return None, None
    library = _ffi.dlopen("libm.so.6")
    return library.fetestexcept, library.feclearexcept


_test, _clear = _open()
# Calls for a program's list of them: the first gives 0 unless the flag is up, the other lowers it.
LOOK = (_test, (_INVALID,))
LOWER = (_clear, (_INVALID,))


def has_flags() -> bool:
    """Return whether the flag can be read here."""
    return _test is not None


def by_numbers(threads: int, names: Iterable[str]) -> bool:
    """Return whether a run of these operations is to be watched by its numbers, not by the flag."""
    return (
        threads > 1 or not has_flags() or (not _SILENT.isdisjoint(names) and not dnnl.has_avx512())
    )


def finite(arrays: Iterable[Array]) -> bool:
    """Return whether no array of floats holds NaN or infinity.

    Examples
    --------
    >>> finite([np.ones(3), np.arange(2)]), finite([np.array([1.0, np.nan])])
    (True, False)
    """
    return all(array.dtype.kind != "f" or np.isfinite(array).all() for array in arrays)


def joined(arrays: Sequence[Array]) -> list[Array]:
    """Return the arrays, but those that make up one vector as this vector: one look for all."""
    parts: dict[int, list[Array]] = {}
    for array in arrays:
        parts.setdefault(id(array.base), []).append(array)
    found: list[Array] = []
    for group in parts.values():
        base = group[0].base
        if isinstance(base, np.ndarray) and base.nbytes == sum(array.nbytes for array in group):
            found.append(base)
        else:
            found += group
    return found
