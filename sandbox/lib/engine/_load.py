"""Find and open the native libraries; nothing else in the package touches `dlopen`."""

from __future__ import annotations

import os
import re
import site
import struct
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import cffi

from . import threads
from .errors import EngineError

DNNL_PACKAGE = "onednn-cpu-gomp"
PATH_VARIABLE = "SANDBOX_DNNL_PATH"
# NODELETE: unloading OpenMP under its own spinning threads crashes the interpreter's exit.
FLAGS = os.RTLD_NOW | getattr(os, "RTLD_NODELETE", 0)


_DAMAGE = (
    "the file is damaged or cut short: pip install --force-reinstall the package",
    "the file was built for another processor or another system",
)


class LibraryMissingError(EngineError):
    """No native library is here, or none of what it needs; NumPy kernels take over."""


def find_dnnl() -> Path:
    """Return the path of libdnnl: the one asked for by `SANDBOX_DNNL_PATH`, else the wheel's."""
    asked = os.environ.get(PATH_VARIABLE)
    if asked:
        path = Path(asked)
        if not path.is_absolute() or not path.is_file():
            raise EngineError(
                f"{PATH_VARIABLE}: must be the absolute path of a libdnnl file; got {asked!r}.",
                ["the file was moved or never installed", "a folder was given instead of a file"],
            )
        return path
    found = _find(DNNL_PACKAGE, "libdnnl.so")
    if found is None:
        raise LibraryMissingError(
            f"libdnnl: package {DNNL_PACKAGE} must be installed; found no libdnnl.so. "
            f"Cure: pip install {DNNL_PACKAGE}==2023.2.0 (or set {PATH_VARIABLE})."
        )
    return found


def find_mkl() -> Path:
    """Return the path of MKL's single dynamic library."""
    found = _find("mkl", "libmkl_rt.so")
    if found is None:
        raise LibraryMissingError(
            "libmkl_rt: package mkl must be installed; found no libmkl_rt.so. "
            "Cure: pip install mkl."
        )
    return found


def _find(package: str, stem: str) -> Path | None:
    candidates: list[Path] = []
    try:
        files = metadata.files(package) or []
    except metadata.PackageNotFoundError:
        files = []
    candidates += [Path(str(item.locate())) for item in files if item.name.startswith(stem)]
    for prefix in (sys.prefix, site.USER_BASE):
        if prefix:
            candidates += sorted(Path(prefix, "lib").glob(f"{stem}*"))
    # libx.so.3 is what the linker would take; libx.so.3.2 and libx.so are copies of it
    ordered = sorted(candidates, key=lambda path: (path.name.count(".") != 2, path.name))
    return next((path.resolve() for path in ordered if path.is_file()), None)


def check_file(path: Path) -> None:
    """Refuse a file that is cut short: the loader would map it and die of a bus error."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(64)
    except OSError as error:
        raise EngineError(f"{path}: must be readable; got: {error}.") from None
    problem = ""
    if len(head) < 64 or head[:4] != b"\x7fELF":
        problem = f"a file of {size} bytes that is no shared library"
    elif head[4:6] == b"\x02\x01":  # 64 bits, little endian: as everywhere a wheel exists
        sections, entry, count = struct.unpack_from("<40xQ10xHH", head)
        if size < sections + entry * count:
            problem = f"{size} bytes of at least {sections + entry * count}"
    if problem:
        raise EngineError(f"{path}: must be a whole library file; got {problem}.", _DAMAGE)


def open_library(ffi: cffi.FFI, path: Path) -> Any:
    """Open a library by absolute path, for as long as the process lives."""
    check_file(path)
    return _dlopen(ffi, str(path))


def open_openmp() -> None:
    """Open the OpenMP runtime libdnnl uses and tell `threads` how to set its thread count."""
    ffi = cffi.FFI()
    ffi.cdef("void omp_set_num_threads(int);")
    threads.install(_dlopen(ffi, "libgomp.so.1").omp_set_num_threads)


def _dlopen(ffi: cffi.FFI, name: str) -> Any:
    """Open a library; one that it needs and that is nowhere counts as a missing library."""
    try:
        return ffi.dlopen(name, FLAGS)
    except OSError as error:
        absent = re.search(r"(\S+): cannot open shared object file", str(error))
        if absent is None:
            raise EngineError(
                f"{name}: must be a library this process can load; got: {error}.", _DAMAGE
            ) from None
        library = absent.group(1)
        package = "GNU OpenMP: apt-get install libgomp1" if "libgomp" in library else "it"
        raise LibraryMissingError(
            f"{library}: must be installed for {Path(name).name}; the system finds none. "
            f"Cure: install {package}."
        ) from None
