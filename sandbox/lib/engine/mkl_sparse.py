"""MKL's product of a sparse matrix with a dense one."""

from __future__ import annotations

import threading
from typing import Any

from . import mkl
from .errors import EngineError
from .steps import Array

_CDEF = """
struct matrix_descr { int type; int mode; int diag; };
int mkl_sparse_s_create_csr(void **matrix, int indexing, int rows, int columns, int *rows_start,
    int *rows_end, int *column, float *values);
int mkl_sparse_s_mm(int operation, float alpha, void *matrix, struct matrix_descr description,
    int layout, const float *dense, int columns, int ldb, float beta, float *result, int ldc);
int mkl_sparse_destroy(void *matrix);
"""
_PLAIN, _GENERAL, _ROW_MAJOR = 10, 20, 101
_lock = threading.Lock()
_declared = False


def _native() -> Any:
    global _declared
    n = mkl.native()
    with _lock:
        if not _declared:
            n.ffi.cdef(_CDEF)
            _declared = True
    return n


def available() -> bool:
    """Return whether MKL is here."""
    try:
        _native()
    except EngineError:
        return False
    return True


def product(starts: Array, columns: Array, values: Array, dense: Array, out: Array) -> None:
    """Write the product of a sparse matrix and a dense one into `out`.

    In which order a row's terms are added depends on the processor, not on the run.

    Parameters
    ----------
    starts : (rows + 1,) int32
        Where each row's entries begin; the last number is the count of all.
    columns : (entries,) int32
    values : (entries,) float32
    dense : (columns, features) float32, row-major
    out : (rows, features) float32, row-major
        Every row is written, also those without entries.
    """
    n = _native()
    ffi, lib = n.ffi, n.lib
    rows, features = out.shape
    first = ffi.cast("int *", ffi.from_buffer(starts))
    box = ffi.new("void **")
    status = lib.mkl_sparse_s_create_csr(
        box,
        0,
        rows,
        dense.shape[0],
        first,
        first + 1,
        ffi.cast("int *", ffi.from_buffer(columns)),
        ffi.cast("float *", ffi.from_buffer(values)),
    )
    _check(status, "create_csr", out, dense)
    try:
        status = lib.mkl_sparse_s_mm(
            _PLAIN,
            1.0,
            box[0],
            (_GENERAL, 0, 0),
            _ROW_MAJOR,
            ffi.cast("float *", ffi.from_buffer(dense)),
            features,
            features,
            0.0,
            ffi.cast("float *", ffi.from_buffer(out)),
            features,
        )
    finally:
        lib.mkl_sparse_destroy(box[0])
    _check(status, "mm", out, dense)


def _check(status: int, function: str, out: Array, dense: Array) -> None:
    if status:
        raise EngineError(
            f"MKL mkl_sparse_s_{function}: must succeed for {dense.shape} -> {out.shape}; got "
            f"status {status}."
        )
