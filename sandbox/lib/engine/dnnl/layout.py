"""Layouts: how an array lies in memory, as a description the kernels take."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from .library import RefusedError, check, native

_TYPES = {"float16": 1, "bfloat16": 2, "float32": 3, "int32": 4, "int8": 5, "uint8": 6}
_TYPE_NAMES = {number: name for name, number in _TYPES.items()}
_SHORT = {"bfloat16": "bf16", "float16": "f16"}
_TAG_ANY = 1
_TAGS = {"blocked16": {3: 56, 4: 78, 5: 121}, "blocked8": {3: 69, 4: 102, 5: 142}}
_Q_NDIMS, _Q_DIMS, _Q_TYPE, _Q_PADDED, _Q_KIND = 256, 257, 258, 260, 262
_Q_STRIDES, _Q_BLOCK_COUNT, _Q_BLOCKS, _Q_BLOCK_AXES = 14, 263, 264, 265
_KIND_BLOCKED = 2


def c_dims(values: Sequence[int]) -> Any:
    """Return sizes as the C functions take them."""
    return native().ffi.new("dims_t", [int(value) for value in values])


class Layout:
    """How an array lies in memory: shape, type, strides, blocks.

    Two layouts are equal when their bytes mean the same; `name` follows oneDNN's tags ("abcd" is
    plain NCHW, "acdb" NHWC, "aBcd16b" blocked by 16 channels); another type than float32 is named
    behind it ("abcd:bf16", "acdb:int8").
    """

    __slots__ = ("_meaning", "_owner", "dims", "dtype", "key", "md", "name", "nbytes", "plain")

    def __init__(self, md: Any, owner: Any) -> None:
        n = native()
        self.md = md
        self._owner = owner
        ints = n.ffi.new("int *")
        table = n.ffi.new("int64_t **")

        def number(what: int) -> int:
            n.lib.dnnl_memory_desc_query(md, what, ints)
            return int(ints[0])

        def numbers(what: int, count: int) -> tuple[int, ...]:
            if n.lib.dnnl_memory_desc_query(md, what, table):
                return ()
            return tuple(int(table[0][i]) for i in range(count))

        count = number(_Q_NDIMS)
        self.dims = numbers(_Q_DIMS, count)
        self.dtype = _TYPE_NAMES.get(number(_Q_TYPE), "?")
        self.nbytes = int(n.lib.dnnl_memory_desc_get_size(md))
        if number(_Q_KIND) == _KIND_BLOCKED:
            strides = numbers(_Q_STRIDES, count)
            padded = numbers(_Q_PADDED, count)
            blocks = number(_Q_BLOCK_COUNT)
            pairs = tuple(
                zip(numbers(_Q_BLOCKS, blocks), numbers(_Q_BLOCK_AXES, blocks), strict=True)
            )
            self.key: tuple[Any, ...] = (self.dims, self.dtype, strides, padded, pairs)
            # the stride of an axis of size 1 means nothing
            canonical = tuple(
                0 if size == 1 else step for size, step in zip(padded, strides, strict=True)
            )
            self._meaning: tuple[Any, ...] = (self.dims, self.dtype, canonical, padded, pairs)
            ordinary = row_major(self.dims)
            self.plain = not pairs and all(
                size == 1 or step == expected
                for size, step, expected in zip(self.dims, strides, ordinary, strict=True)
            )
            self.name = _tag(ordinary if self.plain else strides, pairs)
            if self.dtype != "float32":  # names are part of kernel plans
                self.name += f":{_SHORT.get(self.dtype, self.dtype)}"
        else:
            self.plain = False
            self.key = self._meaning = (self.dims, self.dtype, id(self))
            self.name = "opaque"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Layout) and self._meaning == other._meaning

    def __hash__(self) -> int:
        return hash(self._meaning)

    def __repr__(self) -> str:
        return f"{'x'.join(str(n) for n in self.dims)}:{self.name}"


def row_major(dims: Sequence[int]) -> tuple[int, ...]:
    """Return the strides, in elements, of the plain layout."""
    strides, step = [], 1
    for size in reversed(dims):
        strides.append(step)
        step *= size
    return tuple(reversed(strides))


def _tag(strides: tuple[int, ...], blocks: tuple[tuple[int, int], ...]) -> str:
    blocked = {axis for _, axis in blocks}
    order = sorted(range(len(strides)), key=lambda axis: (-strides[axis], axis))
    outer = "".join(chr((ord("A") if axis in blocked else ord("a")) + axis) for axis in order)
    return outer + "".join(f"{size}{chr(ord('a') + axis)}" for size, axis in blocks)


def _own_md(box: Any) -> Any:
    return native().ffi.gc(box[0], native().lib.dnnl_memory_desc_destroy)


@lru_cache(maxsize=4096)
def strided(dims: tuple[int, ...], strides: tuple[int, ...], dtype: str = "float32") -> Layout:
    """Return the layout with these strides, in elements."""
    n = native()
    box = n.ffi.new("md_t *")
    status = n.lib.dnnl_memory_desc_create_with_strides(
        box, len(dims), c_dims(dims), _TYPES[dtype], c_dims(strides)
    )
    check(status, "memory descriptor", f"shape {dims}, strides {strides}")
    return Layout(_own_md(box), None)


def plain(dims: tuple[int, ...], dtype: str = "float32") -> Layout:
    """Return the row-major layout; a scalar becomes one element."""
    dims = dims or (1,)
    return strided(dims, row_major(dims), dtype)


def channels_last(dims: tuple[int, ...], dtype: str = "float32") -> Layout:
    """Return the layout with axis 1 innermost (NHWC)."""
    n, c, *spatial = dims
    inner = row_major((n, *spatial, c))
    return strided(dims, (inner[0], inner[-1], *inner[1:-1]), dtype)


@lru_cache(maxsize=4096)
def tagged(dims: tuple[int, ...], tag: str, dtype: str = "float32") -> Layout:
    """Return a layout blocked over axis 1: "blocked16" or "blocked8"."""
    numbers = _TAGS[tag]
    if len(dims) not in numbers:
        raise RefusedError(f"layout {tag}: must have {sorted(numbers)} axes; got shape {dims}.")
    return Layout(_with_tag(dims, numbers[len(dims)], dtype), None)


def _with_tag(dims: tuple[int, ...], tag: int, dtype: str) -> Any:
    n = native()
    box = n.ffi.new("md_t *")
    status = n.lib.dnnl_memory_desc_create_with_tag(
        box, len(dims), c_dims(dims), _TYPES[dtype], tag
    )
    check(status, "memory descriptor", f"shape {dims}, tag {tag}")
    return _own_md(box)


def retyped(layout: Layout, dtype: str) -> Layout:
    """Return the same order of elements for another type."""
    if layout.dtype == dtype:
        return layout
    if len(layout.key) == 5 and not layout.key[4] and layout.key[3] == layout.dims:
        return strided(layout.dims, layout.key[2], dtype)
    for tag, ranks in _TAGS.items():
        if len(layout.dims) in ranks and layout == tagged(layout.dims, tag, layout.dtype):
            return tagged(layout.dims, tag, dtype)
    raise RefusedError(f"layout {layout}: must be plain, channels last or blocked.")


class AnyLayout:
    """Let the library choose the layout."""

    __slots__ = ("dims", "dtype", "key", "md")

    def __init__(self, dims: tuple[int, ...], dtype: str = "float32") -> None:
        self.dims = dims
        self.dtype = dtype
        self.md = _with_tag(dims, _TAG_ANY, dtype)
        self.key = (dims, dtype, "any")

    def __repr__(self) -> str:
        return f"{'x'.join(str(n) for n in self.dims)}:any"


@lru_cache(maxsize=4096)
def any_layout(dims: tuple[int, ...], dtype: str = "float32") -> AnyLayout:
    """Return the layout that leaves the choice to the library."""
    return AnyLayout(dims, dtype)


Wanted = Layout | AnyLayout
