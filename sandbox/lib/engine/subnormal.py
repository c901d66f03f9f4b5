"""Numbers below float32's full precision count as zero while kernels run.

A float32 under 1.2e-38 is subnormal: Intel's processors compute with it in microcode, some ten
times slower for a whole network. Gradients that come back through hundreds of recurrent steps get
there, and so does the momentum of a table's seldom rows, which then stays there for ever. The
processor can take such numbers for zero, thread by thread: `FlushToZero` asks for it within a block
and gives the thread its modes back, since to other libraries they are theirs. OpenMP's helpers are
started within such blocks and inherit it.
"""

from __future__ import annotations

import platform
import sys
from types import TracebackType
from typing import Any

import cffi

# The C library keeps the state of the processor's older unit in 28 bytes, then the control word of
# SSE and AVX: all exceptions masked, round to nearest; subnormal inputs and results are zero.
_WORDS, _CONTROL = 8, 7
_STANDARD, _FLUSH = 0x1F80, 0x8040

_ffi = cffi.FFI()
_ffi.cdef(
    "int fegetenv(void *); int fesetenv(const void *);"
    "int fegetmode(void *); int fesetmode(const void *);"
)
_Words = _ffi.typeof(f"unsigned int[{_WORDS}]")
_set: Any = None
_get_mode: Any = None  # without the sticky flags, which to read and write costs twice the time
_set_mode: Any = None
_flushing: Any = None


def _open() -> None:
    """Find the two functions where their state is laid out as above: Linux on x86-64."""
    global _set, _get_mode, _set_mode, _flushing
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return
    try:
        library = _ffi.dlopen("libm.so.6")
        get, set_ = library.fegetenv, library.fesetenv
        get_mode, set_mode = library.fegetmode, library.fesetmode
    except (OSError, AttributeError):
        return
    words = _ffi.new(_Words)
    get(words)
    words[_CONTROL] = _STANDARD | _FLUSH
    _set, _get_mode, _set_mode, _flushing = set_, get_mode, set_mode, words


_open()


def available() -> bool:
    """Return whether blocks of `FlushToZero` do anything here."""
    return _set is not None


class Flushed:
    """What `FlushToZero` does, for who calls it in each run: no object is made each time.

    `begin` and `end` come in pairs and in one thread, and no pair of the same object in another.
    """

    __slots__ = ("_before",)

    def __init__(self) -> None:
        self._before = _ffi.new(_Words)

    def begin(self) -> None:
        """Let subnormal numbers count as zero from now on; lowers the processor's sticky flags."""
        if _set is not None:
            _get_mode(self._before)
            _set(_flushing)

    def end(self) -> None:
        """Let them count as before."""
        if _set is not None:
            _set_mode(self._before)


class FlushToZero:
    """Within the block, in this thread, subnormal numbers count as zero; costs a microsecond.

    Examples
    --------
    >>> import numpy as np
    >>> small = np.full(3, 1e-30, "float32")
    >>> with FlushToZero():
    ...     flushed = small * np.float32(1e-10)
    >>> not available() or not flushed.any()
    True
    >>> bool((small * np.float32(1e-10)).all())
    True
    """

    __slots__ = ("_flushed",)

    def __enter__(self) -> None:
        self._flushed = Flushed()
        self._flushed.begin()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._flushed.end()
