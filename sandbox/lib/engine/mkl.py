"""Intel MKL: loaded on first use, sequential, so that one OpenMP runtime serves the process."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import cffi

from . import _load
from .errors import EngineError
from .plan import vendor

_CDEF = """
void mkl_get_version_string(char *text, int size);
void cblas_sgemm(int order, int transa, int transb, int m, int n, int k, float alpha,
    const float *a, int lda, const float *b, int ldb, float beta, float *c, int ldc);
void vsErf(int n, const float *a, float *y);
"""
_ROW_MAJOR, _PLAIN, _TRANSPOSED = 101, 111, 112

# Which library multiplies plain matrices, by maker of the processor. On AMD's Zen 5 oneDNN reaches
# 2.2 times MKL's rate; on Intel's the two share their kernels' authors and MKL has more shapes.
GEMM_BY_VENDOR = {"AuthenticAMD": "onednn", "GenuineIntel": "mkl"}


class _Mkl:
    def __init__(self) -> None:
        self.path: Path = _load.find_mkl()
        os.environ.setdefault("MKL_THREADING_LAYER", "SEQUENTIAL")
        self.ffi = cffi.FFI()
        self.ffi.cdef(_CDEF)
        self.lib = _load.open_library(self.ffi, self.path)


_lock = threading.Lock()
_mkl: _Mkl | None = None


def native() -> _Mkl:
    """Return the library, opening it on the first call."""
    global _mkl
    if _mkl is None:
        with _lock:
            if _mkl is None:
                _mkl = _Mkl()
    return _mkl


def version() -> str:
    """Return the library's own version text."""
    text = native().ffi.new("char[]", 200)
    native().lib.mkl_get_version_string(text, 199)
    return str(native().ffi.string(text).decode()).strip()


def preferred_gemm() -> str:
    """Return "onednn" or "mkl": `SANDBOX_GEMM` if set, else by the table."""
    asked = os.environ.get("SANDBOX_GEMM")
    if asked:
        if asked not in ("onednn", "mkl"):
            raise EngineError(f"SANDBOX_GEMM: must be 'onednn' or 'mkl'; got {asked!r}.")
        return asked
    choice = GEMM_BY_VENDOR.get(vendor(), "onednn")
    if choice == "mkl":
        try:
            native()
        except EngineError:
            return "onednn"
    return choice


def sgemm(
    a: Any, b: Any, out: Any, *, transpose_a: bool = False, transpose_b: bool = False
) -> None:
    """Write the product of two row-major float32 matrices into `out`."""
    n = native()
    rows, columns = out.shape
    inner = a.shape[0] if transpose_a else a.shape[1]
    pointers = [n.ffi.cast("float *", n.ffi.from_buffer(array)) for array in (a, b, out)]
    n.lib.cblas_sgemm(
        _ROW_MAJOR,
        _TRANSPOSED if transpose_a else _PLAIN,
        _TRANSPOSED if transpose_b else _PLAIN,
        rows,
        columns,
        inner,
        1.0,
        pointers[0],
        a.shape[1],
        pointers[1],
        b.shape[1],
        0.0,
        pointers[2],
        columns,
    )


def available() -> bool:
    """Return whether MKL is here."""
    try:
        native()
    except EngineError:
        return False
    return True


def erf(x: Any, out: Any) -> None:
    """Write the error function of float32 numbers into `out`; both row-major."""
    n = native()
    pointers = [n.ffi.cast("float *", n.ffi.from_buffer(array)) for array in (x, out)]
    n.lib.vsErf(out.size, *pointers)
