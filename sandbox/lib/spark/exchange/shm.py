"""Shared memory between ranks of one host: segments without a name, and waiting on a counter.

A segment is a memfd: it has no entry in any directory, so nothing is left behind whatever kills
its owner. A peer opens it through `/proc/<pid>/fd/<fd>`; the random number at its head proves that
both processes look at the same memory, which is what "the same host" means here (host names and
process numbers prove nothing between containers).
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import platform
import stat
import struct
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

NONCE = 32
HEAD = 64
ANNOUNCEMENT = struct.Struct("<qqq32s")
_PREFIX = "sandbox-rank"
_FUTEX = {"x86_64": 202, "AMD64": 202}.get(platform.machine())


def supported() -> str | None:
    """Return why shared memory cannot be used on this platform, None if it can.

    Only x86-64 promises that another core sees our stores in the order in which we made them.
    """
    if not hasattr(os, "memfd_create"):
        return "this system has no memfd_create"
    if _FUTEX is None:
        return f"not verified on {platform.machine()}"
    return None


class Segment:
    """Memory that other processes of this host can map.

    Parameters
    ----------
    size : bytes after the 64-byte head.

    Raises
    ------
    OSError : the system refuses that much shared memory.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.nonce = os.urandom(NONCE)
        self._fd = os.memfd_create(f"{_PREFIX}-{os.getpid()}", os.MFD_CLOEXEC)
        try:
            os.posix_fallocate(self._fd, 0, HEAD + size)
            self._map = mmap.mmap(self._fd, HEAD + size)
        except OSError:
            os.close(self._fd)
            raise
        self._map[:NONCE] = self.nonce

    def announcement(self) -> bytes:
        """Return what a peer needs to open this segment."""
        return ANNOUNCEMENT.pack(os.getpid(), self._fd, self.size, self.nonce)

    def bytes(self) -> NDArray[np.uint8]:
        """Return the memory after the head; it lives as long as the array."""
        return np.frombuffer(self._map, np.uint8, self.size, HEAD)

    def seal(self) -> None:
        """Close the descriptor once every peer has mapped the segment."""
        os.close(self._fd)
        self._fd = -1


REFUSED = ANNOUNCEMENT.pack(-1, -1, 0, bytes(NONCE))


def open_segment(announcement: bytes, size: int) -> NDArray[np.uint8]:
    """Map a peer's segment.

    Raises
    ------
    OSError : it is not reachable from here, or is not what was announced.
    """
    pid, fd, announced, nonce = ANNOUNCEMENT.unpack(announcement)
    if pid <= 0 or announced != size:
        raise OSError(errno.ENOENT, "the peer has no such segment")
    path = f"/proc/{pid}/fd/{fd}"
    if not os.readlink(path).startswith(f"/memfd:{_PREFIX}"):
        raise OSError(errno.ENOENT, "another process has this number here")
    info = os.stat(path)
    if not stat.S_ISREG(info.st_mode) or info.st_size != HEAD + size:
        raise OSError(errno.ENOENT, "not the announced size")
    handle = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        memory = mmap.mmap(handle, HEAD + size)
    finally:
        os.close(handle)
    if memory[:NONCE] != nonce:
        raise OSError(errno.ENOENT, "another host's segment")
    return np.frombuffer(memory, np.uint8, size, HEAD)


# -- waiting --------------------------------------------------------------------------------------


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


_WAIT, _WAKE = 0, 1
_syscall = ctypes.CDLL(None, use_errno=True).syscall if _FUTEX else None


class Counter:
    """A 32-bit counter in shared memory that one process advances and others wait for."""

    def __init__(self, memory: NDArray[np.uint8]) -> None:
        self._word = memoryview(memory[:4].data).cast("I")
        self._keep = memory
        self._address = ctypes.c_void_p(memory.ctypes.data)

    @property
    def value(self) -> int:
        """Return the counter as it is now."""
        return self._word[0]

    def set(self, value: int) -> None:
        """Store a value and wake whoever sleeps on it."""
        self._word[0] = value & 0xFFFFFFFF
        if _syscall is not None:
            _syscall(_FUTEX, self._address, _WAKE, 0x7FFFFFFF, None, None, 0)

    def reached(self, value: int) -> bool:
        """Tell whether the counter is at `value` or past it, also across the 32-bit wrap."""
        return (self._word[0] - value) & 0xFFFFFFFF < 0x80000000

    def wait(self, value: int, *, spin_s: float, check: Callable[[], None]) -> None:
        """Return when the counter has reached `value`.

        `check` is called every 25 ms of waiting and may raise. Spins for `spin_s` seconds, then
        sleeps in the kernel, so that a rank that waits long leaves its core to the others.
        """
        word, mask = self._word, 0xFFFFFFFF
        if spin_s > 0:
            clock = time.perf_counter
            until = clock() + spin_s
            while clock() < until:
                if (word[0] - value) & mask < 0x80000000:
                    return
        nap = _Timespec(0, 25_000_000)
        while True:
            seen = word[0]
            if (seen - value) & mask < 0x80000000:
                return
            if _syscall is not None:
                _syscall(_FUTEX, self._address, _WAIT, seen, ctypes.byref(nap), None, 0)
            else:
                time.sleep(0.0001)
            if word[0] == seen:
                check()
