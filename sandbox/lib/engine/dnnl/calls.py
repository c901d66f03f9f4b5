"""What a run takes: streams, memory objects, arguments; and the bare matrix product."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .layout import Layout
from .library import check, native
from .primitive import SCRATCHPAD, Primitive


def new_stream() -> Any:
    """Return a new stream; streams live as long as the process, so reuse them."""
    box = native().ffi.new("stream_t *")
    check(native().lib.dnnl_stream_create(box, native().engine, 1), "stream", "cpu")
    return box[0]


def new_memory(layout: Layout, address: int) -> Any:
    """Return a memory object at an address; it is freed with the Python object."""
    n = native()
    box = n.ffi.new("memory_t *")
    handle = n.ffi.cast("void *", address)
    check(n.lib.dnnl_memory_create(box, layout.md, n.engine, handle), "memory", repr(layout))
    return n.ffi.gc(box[0], n.lib.dnnl_memory_destroy)


def new_scratchpad(primitive: Primitive, address: int) -> Any:
    """Return the memory object of a primitive's scratchpad."""
    return new_memory(primitive.needs(SCRATCHPAD), address)


def address_of(array: Any) -> Any:
    """Return a C pointer to a contiguous array's first byte."""
    return native().from_buffer("char[]", array)


def set_address(memory: Any, address: Any) -> None:
    """Let a memory object point elsewhere."""
    status = native().lib.dnnl_memory_set_data_handle(memory, address)
    if status:
        check(status, "memory", "a new address")


def new_arguments(pairs: Sequence[tuple[int, Any]]) -> Any:
    """Return the C array of a call's arguments; the caller keeps the memories alive."""
    array = native().ffi.new("dnnl_exec_arg_t[]", len(pairs))
    for slot, (argument, memory) in zip(array, pairs, strict=True):
        slot.arg = argument
        slot.memory = memory
    return array


def sgemm(
    a: Any, b: Any, out: Any, *, transpose_a: bool = False, transpose_b: bool = False
) -> None:
    """Write the product of two row-major float32 matrices into `out`."""
    n = native()
    rows, columns = out.shape
    inner = a.shape[0] if transpose_a else a.shape[1]
    pointers = [n.ffi.cast("float *", n.ffi.from_buffer(array)) for array in (a, b, out)]
    status = n.lib.dnnl_sgemm(
        b"T" if transpose_a else b"N",
        b"T" if transpose_b else b"N",
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
    check(status, "sgemm", f"{a.shape} {b.shape} -> {out.shape}")
