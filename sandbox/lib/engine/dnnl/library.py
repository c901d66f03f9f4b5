"""The opened library: one per process, loaded on first use; every status checked."""

from __future__ import annotations

import threading

import cffi

from .. import _load
from ..errors import EngineError
from .declarations import CDEF

STATUS = {
    1: "out of memory",
    2: "invalid arguments",
    3: "unimplemented",
    4: "last implementation reached",
    5: "runtime error",
    6: "not required",
}
# Isa masks, weakest first.
ISA = {
    0x0: "default",
    0x1: "sse41",
    0x3: "avx",
    0x7: "avx2",
    0xF: "avx2_vnni",
    0x1F: "avx2_vnni_2",
    0x27: "avx512_core",
    0x67: "avx512_core_vnni",
    0xE7: "avx512_core_bf16",
    0x1EF: "avx512_core_fp16",
    0xFEF: "avx512_core_amx",
    0x1FEF: "avx512_core_amx_fp16",
}

_AVX512, _BF16 = 0x27, 0xE7
_VNNI = (0xF, 0x67)  # of AVX2, of AVX-512
lock = threading.RLock()  # over everything made once: the library, its primitives


class RefusedError(EngineError):
    """The library has no optimised kernel for the request; another layout may have one."""


class _Native:
    """The opened library: loaded once, on first use."""

    def __init__(self) -> None:
        self.path = _load.find_dnnl()
        self.ffi = cffi.FFI()
        from . import attributes, operations, recurrent  # late: they are written with this file

        for part in (CDEF, attributes.CDEF, operations.CDEF, recurrent.CDEF):
            self.ffi.cdef(part)
        self.from_buffer = self.ffi.from_buffer
        self.lib = _load.open_library(self.ffi, self.path)
        try:
            version = self.lib.dnnl_version()
            self.version = (version.major, version.minor, version.patch)
        except AttributeError:
            raise EngineError(
                f"{self.path}: must be oneDNN 3.x; it has no function dnnl_version.",
                [f"{_load.PATH_VARIABLE} names another library"],
            ) from None
        if self.version[0] != 3:
            found = ".".join(str(part) for part in self.version)
            raise EngineError(
                f"{self.path}: must be oneDNN 3.x; got version {found}.",
                [f"{_load.PATH_VARIABLE} names an older release", "a system library was taken"],
            )
        _load.open_openmp()
        engine = self.ffi.new("engine_t *")
        check(self.lib.dnnl_engine_create(engine, 1, 0), "engine", "cpu")
        self.engine = engine[0]
        self.isa = int(self.lib.dnnl_get_effective_cpu_isa())


_native: _Native | None = None


def native() -> _Native:
    """Return the library, opening it on the first call."""
    global _native
    if _native is None:
        with lock:
            if _native is None:
                _native = _Native()
    return _native


def check(status: int, primitive: str, detail: str) -> None:
    """Raise an EngineError naming primitive and shapes unless the status says success."""
    if status == 0:
        return
    name = STATUS.get(status, f"status {status}")
    causes = {
        1: ["the machine is out of memory: use a smaller batch"],
        3: ["this oneDNN build has no kernel for these shapes or types"],
        2: ["the shapes, strides and paddings do not fit each other"],
    }.get(status, ["a library of another version than the one tested"])
    kind = RefusedError if status in (2, 3) else EngineError
    raise kind(f"oneDNN {primitive}: must succeed for {detail}; got '{name}'.", causes)


def version() -> str:
    """Return the library's version, e.g. "3.2.0"."""
    return ".".join(str(part) for part in native().version)


def has_avx512() -> bool:
    """Return whether the library's kernels use AVX-512 here."""
    return native().isa & _AVX512 == _AVX512


def has_bf16() -> bool:
    """Return whether the library multiplies bfloat16 by instructions of its own here."""
    return native().isa & _BF16 == _BF16


def has_vnni() -> bool:
    """Return whether products of bytes are added up in 32 bits here, not in 16."""
    return any(native().isa & mask == mask for mask in _VNNI)


def isa() -> str:
    """Return the instruction sets the library uses here."""
    mask = native().isa
    known = [name for value, name in sorted(ISA.items()) if value and value & mask == value]
    return ISA.get(mask) or (known[-1] if known else "default")
