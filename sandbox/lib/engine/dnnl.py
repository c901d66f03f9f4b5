"""oneDNN through cffi: every C function the engine calls, each status checked.

The functions are those of oneDNN 3.x's C API. Fifteen describe operations, the rest is what it
takes to make memories and primitives and to run them. Nothing outside this file sees a C type.
"""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import cffi

from . import _load, threads
from .errors import EngineError

_CDEF = """
typedef struct dnnl_engine *engine_t;           typedef struct dnnl_stream *stream_t;
typedef struct dnnl_memory_desc *md_t;          typedef struct dnnl_memory *memory_t;
typedef struct dnnl_primitive_desc *pd_t;       typedef struct dnnl_primitive *primitive_t;
typedef struct dnnl_primitive_attr *attr_t;     typedef struct dnnl_post_ops *post_ops_t;
typedef int64_t dims_t[12];
typedef struct { int arg; memory_t memory; } dnnl_exec_arg_t;
typedef struct { int major; int minor; int patch; } dnnl_version_t;

const dnnl_version_t *dnnl_version(void);
int dnnl_get_effective_cpu_isa(void);
int dnnl_engine_create(engine_t *, int kind, size_t index);
int dnnl_stream_create(stream_t *, engine_t, unsigned flags);
int dnnl_memory_desc_create_with_strides(md_t *, int ndims, const dims_t, int type, const dims_t);
int dnnl_memory_desc_create_with_tag(md_t *, int ndims, const dims_t, int type, int tag);
int dnnl_memory_desc_query(md_t, int what, void *result);
size_t dnnl_memory_desc_get_size(md_t);
int dnnl_memory_desc_destroy(md_t);
int dnnl_memory_create(memory_t *, md_t, engine_t, void *handle);
int dnnl_memory_set_data_handle(memory_t, void *handle);
int dnnl_memory_destroy(memory_t);
int dnnl_primitive_attr_create(attr_t *);
int dnnl_primitive_attr_destroy(attr_t);
int dnnl_primitive_attr_set_scratchpad_mode(attr_t, int);
int dnnl_primitive_attr_set_post_ops(attr_t, post_ops_t);
int dnnl_post_ops_create(post_ops_t *);
int dnnl_post_ops_append_eltwise(post_ops_t, int alg, float alpha, float beta);
int dnnl_post_ops_destroy(post_ops_t);
int dnnl_primitive_desc_query(pd_t, int what, int index, void *result);
md_t dnnl_primitive_desc_query_md(pd_t, int what, int index);
int dnnl_primitive_desc_destroy(pd_t);
int dnnl_primitive_create(primitive_t *, pd_t);
int dnnl_primitive_execute(primitive_t, stream_t, int nargs, const dnnl_exec_arg_t *args);
int dnnl_primitive_destroy(primitive_t);
int dnnl_sgemm(char transa, char transb, int64_t M, int64_t N, int64_t K, float alpha,
    const float *A, int64_t lda, const float *B, int64_t ldb, float beta, float *C, int64_t ldc);

int dnnl_convolution_forward_primitive_desc_create(pd_t *, engine_t, int prop, int alg, md_t src,
    md_t weights, md_t bias, md_t dst, const dims_t strides, const dims_t dilates,
    const dims_t padding_l, const dims_t padding_r, attr_t);
int dnnl_convolution_backward_data_primitive_desc_create(pd_t *, engine_t, int alg, md_t diff_src,
    md_t weights, md_t diff_dst, const dims_t strides, const dims_t dilates,
    const dims_t padding_l, const dims_t padding_r, pd_t hint, attr_t);
int dnnl_convolution_backward_weights_primitive_desc_create(pd_t *, engine_t, int alg, md_t src,
    md_t diff_weights, md_t diff_bias, md_t diff_dst, const dims_t strides, const dims_t dilates,
    const dims_t padding_l, const dims_t padding_r, pd_t hint, attr_t);
int dnnl_inner_product_forward_primitive_desc_create(pd_t *, engine_t, int prop, md_t src,
    md_t weights, md_t bias, md_t dst, attr_t);
int dnnl_inner_product_backward_data_primitive_desc_create(pd_t *, engine_t, md_t diff_src,
    md_t weights, md_t diff_dst, pd_t hint, attr_t);
int dnnl_inner_product_backward_weights_primitive_desc_create(pd_t *, engine_t, md_t src,
    md_t diff_weights, md_t diff_bias, md_t diff_dst, pd_t hint, attr_t);
int dnnl_matmul_primitive_desc_create(pd_t *, engine_t, md_t src, md_t weights, md_t bias,
    md_t dst, attr_t);
int dnnl_pooling_forward_primitive_desc_create(pd_t *, engine_t, int prop, int alg, md_t src,
    md_t dst, const dims_t strides, const dims_t kernel, const dims_t dilation,
    const dims_t padding_l, const dims_t padding_r, attr_t);
int dnnl_pooling_backward_primitive_desc_create(pd_t *, engine_t, int alg, md_t diff_src,
    md_t diff_dst, const dims_t strides, const dims_t kernel, const dims_t dilation,
    const dims_t padding_l, const dims_t padding_r, pd_t hint, attr_t);
int dnnl_batch_normalization_forward_primitive_desc_create(pd_t *, engine_t, int prop, md_t src,
    md_t dst, float epsilon, unsigned flags, attr_t);
int dnnl_batch_normalization_backward_primitive_desc_create(pd_t *, engine_t, int prop,
    md_t diff_src, md_t diff_dst, md_t src, float epsilon, unsigned flags, pd_t hint, attr_t);
int dnnl_eltwise_forward_primitive_desc_create(pd_t *, engine_t, int prop, int alg, md_t src,
    md_t dst, float alpha, float beta, attr_t);
int dnnl_eltwise_backward_primitive_desc_create(pd_t *, engine_t, int alg, md_t diff_src,
    md_t diff_dst, md_t data, float alpha, float beta, pd_t hint, attr_t);
int dnnl_softmax_forward_primitive_desc_create(pd_t *, engine_t, int prop, int alg, md_t src,
    md_t dst, int axis, attr_t);
int dnnl_binary_primitive_desc_create(pd_t *, engine_t, int alg, md_t src0, md_t src1, md_t dst,
    attr_t);
int dnnl_reorder_primitive_desc_create(pd_t *, md_t src, engine_t, md_t dst, engine_t, attr_t);
"""

# Values of the C enumerations.
STATUS = {
    1: "out of memory",
    2: "invalid arguments",
    3: "unimplemented",
    4: "last implementation reached",
    5: "runtime error",
    6: "not required",
}
_TYPES = {"float16": 1, "bfloat16": 2, "float32": 3, "int32": 4, "int8": 5, "uint8": 6}
_TYPE_NAMES = {number: name for name, number in _TYPES.items()}
_TAG_ANY, _TAGS = 1, {"blocked16": {3: 56, 4: 78}, "blocked8": {3: 69, 4: 102}}
_TRAINING, _INFERENCE, _BACKWARD = 64, 96, 128
_DIRECT = 1
_POOLING = {"max": 511, "average": 767, "average_valid": 1023}
ELTWISE = {"relu": 32, "tanh": 33, "sigmoid": 41, "abs": 36, "exp": 42, "square": 35, "sqrt": 37}
# From the input; the names of the attributes that become alpha and beta.
ELTWISE_FROM_INPUT: dict[str, tuple[int, tuple[str, ...]]] = {
    "leaky_relu": (32, ("slope",)),
    "elu": (34, ("alpha",)),
    "softplus": (39, ()),
    "hard_sigmoid": (40, ("slope", "offset")),
    "silu": (44, ()),
    "clip": (47, ("low", "high")),
    "gelu": (49, ()),
    "gelu_tanh": (43, ()),
    "mish": (51, ()),
}
ELTWISE_FROM_OUTPUT = {"relu": 256, "tanh": 257, "sigmoid": 260}
BINARY = {
    "add": 131056,
    "multiply": 131057,
    "maximum": 131058,
    "minimum": 131059,
    "divide": 131060,
    "subtract": 131061,
}
_USE_GLOBAL_STATS, _USE_SCALE, _USE_SHIFT, _FUSE_RELU = 1, 2, 4, 8
_Q_IMPLEMENTATION, _Q_STRIDES, _Q_EXEC_ARG = 8, 14, 255
_Q_NDIMS, _Q_DIMS, _Q_TYPE, _Q_PADDED, _Q_KIND = 256, 257, 258, 260, 262
_Q_BLOCK_COUNT, _Q_BLOCKS, _Q_BLOCK_AXES = 263, 264, 265
_KIND_BLOCKED = 2
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

# Arguments of primitives.
SRC, SRC_1, DST, WEIGHTS, BIAS = 1, 2, 17, 33, 41
MEAN, VARIANCE, SCALE, SHIFT, WORKSPACE, SCRATCHPAD = 49, 50, 51, 52, 64, 80
DIFF_SRC, DIFF_DST, DIFF_WEIGHTS, DIFF_BIAS = 129, 145, 161, 169
DIFF_SCALE, DIFF_SHIFT = 255, 256
ARGUMENT_NAMES = {
    SRC: "src",
    SRC_1: "src1",
    DST: "dst",
    WEIGHTS: "weights",
    BIAS: "bias",
    MEAN: "mean",
    VARIANCE: "variance",
    SCALE: "scale",
    SHIFT: "shift",
    WORKSPACE: "workspace",
    DIFF_SRC: "diff_src",
    DIFF_DST: "diff_dst",
    DIFF_WEIGHTS: "diff_weights",
    DIFF_BIAS: "diff_bias",
    DIFF_SCALE: "diff_scale",
    DIFF_SHIFT: "diff_shift",
}
_REFERENCE_NAME = re.compile(r"(^|[^a-z])ref([^a-z]|$)")
_PRIMITIVES_KEPT = 2048


class RefusedError(EngineError):
    """The library has no optimised kernel for the request; another layout may have one."""


class _Native:
    """The opened library: loaded once, on first use."""

    def __init__(self) -> None:
        self.path = _load.find_dnnl()
        self.ffi = cffi.FFI()
        self.ffi.cdef(_CDEF)
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


_lock = threading.RLock()
_native: _Native | None = None


def native() -> _Native:
    """Return the library, opening it on the first call."""
    global _native
    if _native is None:
        with _lock:
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


def isa() -> str:
    """Return the instruction sets the library uses here."""
    mask = native().isa
    known = [name for value, name in sorted(ISA.items()) if value and value & mask == value]
    return ISA.get(mask) or (known[-1] if known else "default")


def new_stream() -> Any:
    """Return a new stream; streams live as long as the process, so reuse them."""
    box = native().ffi.new("stream_t *")
    check(native().lib.dnnl_stream_create(box, native().engine, 1), "stream", "cpu")
    return box[0]


def _dims(values: Sequence[int]) -> Any:
    return native().ffi.new("dims_t", [int(value) for value in values])


class Layout:
    """How an array lies in memory: shape, type, strides, blocks.

    Two layouts are equal when their bytes mean the same; `name` follows oneDNN's tags ("abcd" is
    plain NCHW, "acdb" NHWC, "aBcd16b" blocked by 16 channels).
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
        box, len(dims), _dims(dims), _TYPES[dtype], _dims(strides)
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
    status = n.lib.dnnl_memory_desc_create_with_tag(box, len(dims), _dims(dims), _TYPES[dtype], tag)
    check(status, "memory descriptor", f"shape {dims}, tag {tag}")
    return _own_md(box)


class AnyLayout:
    """Let the library choose the layout."""

    __slots__ = ("dims", "key", "md")

    def __init__(self, dims: tuple[int, ...], dtype: str = "float32") -> None:
        self.dims = dims
        self.md = _with_tag(dims, _TAG_ANY, dtype)
        self.key = (dims, dtype, "any")

    def __repr__(self) -> str:
        return f"{'x'.join(str(n) for n in self.dims)}:any"


@lru_cache(maxsize=4096)
def whatever(dims: tuple[int, ...], dtype: str = "float32") -> AnyLayout:
    """Return the layout that leaves the choice to the library."""
    return AnyLayout(dims, dtype)


Wanted = Layout | AnyLayout


class Primitive:
    """A kernel made for exact shapes, layouts and thread count; shared by all threads."""

    __slots__ = (
        "__weakref__",
        "_layouts",
        "_pd",
        "handle",
        "implementation",
        "key",
        "kind",
        "scratch",
    )

    def __init__(self, kind: str, key: tuple[Any, ...], pd: Any, allow_reference: bool) -> None:
        n = native()
        self.kind = kind
        self.key = key
        self._pd = pd
        self._layouts: dict[int, Layout | None] = {}
        text = n.ffi.new("const char **")
        check(n.lib.dnnl_primitive_desc_query(pd, _Q_IMPLEMENTATION, 0, text), kind, "its name")
        self.implementation = str(n.ffi.string(text[0]).decode())
        if not allow_reference and _REFERENCE_NAME.search(self.implementation):
            raise RefusedError(f"oneDNN {kind}: only '{self.implementation}' fits; it is too slow.")
        box = n.ffi.new("primitive_t *")
        check(n.lib.dnnl_primitive_create(box, pd), kind, self.implementation)
        self.handle = n.ffi.gc(box[0], n.lib.dnnl_primitive_destroy)
        scratch = self.layout(SCRATCHPAD)
        self.scratch = scratch.nbytes if scratch else 0

    def layout(self, argument: int) -> Layout | None:
        """Return the layout the kernel wants for an argument; None when it takes none."""
        if argument not in self._layouts:
            n = native()
            md = n.lib.dnnl_primitive_desc_query_md(self._pd, _Q_EXEC_ARG, argument)
            empty = md == n.ffi.NULL or n.lib.dnnl_memory_desc_get_size(md) == 0
            self._layouts[argument] = None if empty else Layout(md, self._pd)
        return self._layouts[argument]

    def needs(self, argument: int) -> Layout:
        """Return the layout of an argument the kernel must have."""
        layout = self.layout(argument)
        if layout is None:
            name = ARGUMENT_NAMES.get(argument, str(argument))
            raise EngineError(f"oneDNN {self.kind}: must take '{name}'; {self} has none.")
        return layout

    @property
    def generic(self) -> bool:
        """Whether the kernel is plain C++ without instructions of its own."""
        return self.implementation.startswith("simple") or self.implementation.endswith(":any")

    def __repr__(self) -> str:
        return f"{self.kind}<{self.implementation}>"


_cache: OrderedDict[tuple[Any, ...], Primitive | RefusedError] = OrderedDict()


def _make(
    kind: str,
    layouts: Sequence[Wanted | None],
    extra: tuple[Any, ...],
    create: Callable[[Any, Any], int],
    *,
    relu: bool = False,
    allow_reference: bool = False,
) -> Primitive:
    """Return the primitive, from the cache or new; refusals are remembered as well."""
    count = threads.get_threads()
    key = (kind, tuple(item.key if item else None for item in layouts), extra, relu, count)
    with _lock:
        known = _cache.get(key)
        if known is None:
            try:
                known = _create(kind, layouts, extra, create, relu, allow_reference, key)
            except RefusedError as error:
                known = error
            if not any(isinstance(item, Layout) and item.name == "opaque" for item in layouts):
                _cache[key] = known
                while len(_cache) > _PRIMITIVES_KEPT:
                    _cache.popitem(last=False)
        else:
            _cache.move_to_end(key)
    if isinstance(known, RefusedError):
        raise known.with_traceback(None)
    return known


def _create(
    kind: str,
    layouts: Sequence[Wanted | None],
    extra: tuple[Any, ...],
    create: Callable[[Any, Any], int],
    relu: bool,
    allow_reference: bool,
    key: tuple[Any, ...],
) -> Primitive:
    n = native()
    threads.apply(threads.get_threads())
    box = n.ffi.new("attr_t *")
    check(n.lib.dnnl_primitive_attr_create(box), "attributes", kind)
    attributes = n.ffi.gc(box[0], n.lib.dnnl_primitive_attr_destroy)
    check(n.lib.dnnl_primitive_attr_set_scratchpad_mode(attributes, 1), "scratchpad mode", kind)
    if relu:
        chain = n.ffi.new("post_ops_t *")
        check(n.lib.dnnl_post_ops_create(chain), "post-ops", kind)
        owned = n.ffi.gc(chain[0], n.lib.dnnl_post_ops_destroy)
        check(n.lib.dnnl_post_ops_append_eltwise(owned, ELTWISE["relu"], 0.0, 0.0), "post-op", kind)
        check(n.lib.dnnl_primitive_attr_set_post_ops(attributes, owned), "post-ops", kind)
    pd_box = n.ffi.new("pd_t *")
    detail = ", ".join(repr(item) for item in layouts if item is not None)
    check(create(pd_box, attributes), kind, f"{detail} {extra}".strip())
    pd = n.ffi.gc(pd_box[0], n.lib.dnnl_primitive_desc_destroy)
    return Primitive(kind, key, pd, allow_reference)


def _md(layout: Wanted | None) -> Any:
    return native().ffi.NULL if layout is None else layout.md


Pair = tuple[int, ...]
Window = tuple[Pair, Pair, Pair, Pair]  # strides, dilations (0 = dense), padding before, after


def convolution(
    src: Wanted,
    weights: Wanted,
    bias: Wanted | None,
    dst: Wanted,
    window: Window,
    *,
    training: bool,
    relu: bool = False,
) -> Primitive:
    """Convolution forward, with bias and ReLU in one."""
    n = native()

    def create(pd: Any, attributes: Any) -> int:
        return int(
            n.lib.dnnl_convolution_forward_primitive_desc_create(
                pd,
                n.engine,
                _TRAINING if training else _INFERENCE,
                _DIRECT,
                src.md,
                weights.md,
                _md(bias),
                dst.md,
                *map(_dims, window),
                attributes,
            )
        )

    return _make("convolution", (src, weights, bias, dst), (window, training), create, relu=relu)


def _forward_hint(src: Wanted, weights: Wanted, dst: Wanted, window: Window) -> Any:
    """Return a forward descriptor as the hint backward kernels want; it is never run."""
    dims = (whatever(src.dims), whatever(weights.dims), whatever(dst.dims))
    n = native()
    box = n.ffi.new("pd_t *")
    status = n.lib.dnnl_convolution_forward_primitive_desc_create(
        box,
        n.engine,
        _TRAINING,
        _DIRECT,
        dims[0].md,
        dims[1].md,
        n.ffi.NULL,
        dims[2].md,
        *map(_dims, window),
        n.ffi.NULL,
    )
    check(status, "convolution", f"{dims} {window}")
    return n.ffi.gc(box[0], n.lib.dnnl_primitive_desc_destroy)


def convolution_data(
    diff_src: Wanted, weights: Wanted, diff_dst: Wanted, window: Window
) -> Primitive:
    """Gradient of a convolution by its input."""
    n = native()

    def create(pd: Any, attributes: Any) -> int:
        return int(
            n.lib.dnnl_convolution_backward_data_primitive_desc_create(
                pd,
                n.engine,
                _DIRECT,
                diff_src.md,
                weights.md,
                diff_dst.md,
                *map(_dims, window),
                _forward_hint(diff_src, weights, diff_dst, window),
                attributes,
            )
        )

    return _make("convolution_data", (diff_src, weights, diff_dst), (window,), create)


def convolution_weights(
    src: Wanted,
    diff_weights: Wanted,
    diff_bias: Wanted | None,
    diff_dst: Wanted,
    window: Window,
) -> Primitive:
    """Gradient of a convolution by its weights and bias."""
    n = native()

    def create(pd: Any, attributes: Any) -> int:
        return int(
            n.lib.dnnl_convolution_backward_weights_primitive_desc_create(
                pd,
                n.engine,
                _DIRECT,
                src.md,
                diff_weights.md,
                _md(diff_bias),
                diff_dst.md,
                *map(_dims, window),
                _forward_hint(src, diff_weights, diff_dst, window),
                attributes,
            )
        )

    layouts = (src, diff_weights, diff_bias, diff_dst)
    return _make("convolution_weights", layouts, (window,), create)


def inner_product(
    src: Wanted,
    weights: Wanted,
    bias: Wanted | None,
    dst: Wanted,
    *,
    training: bool,
    relu: bool = False,
) -> Primitive:
    """Fully connected layer, with bias and ReLU in one; src may have four axes."""
    n = native()

    def create(pd: Any, attributes: Any) -> int:
        return int(
            n.lib.dnnl_inner_product_forward_primitive_desc_create(
                pd,
                n.engine,
                _TRAINING if training else _INFERENCE,
                src.md,
                weights.md,
                _md(bias),
                dst.md,
                attributes,
            )
        )

    return _make("inner_product", (src, weights, bias, dst), (training,), create, relu=relu)


def _inner_hint(src: Wanted, weights: Wanted, dst: Wanted) -> Any:
    n = native()
    box = n.ffi.new("pd_t *")
    status = n.lib.dnnl_inner_product_forward_primitive_desc_create(
        box,
        n.engine,
        _TRAINING,
        whatever(src.dims).md,
        whatever(weights.dims).md,
        n.ffi.NULL,
        whatever(dst.dims).md,
        n.ffi.NULL,
    )
    check(status, "inner_product", f"{src}, {weights}")
    return n.ffi.gc(box[0], n.lib.dnnl_primitive_desc_destroy)


def inner_product_data(diff_src: Wanted, weights: Wanted, diff_dst: Wanted) -> Primitive:
    """Gradient of a fully connected layer by its input."""
    n = native()

    def create(pd: Any, attributes: Any) -> int:
        return int(
            n.lib.dnnl_inner_product_backward_data_primitive_desc_create(
                pd,
                n.engine,
                diff_src.md,
                weights.md,
                diff_dst.md,
                _inner_hint(diff_src, weights, diff_dst),
                attributes,
            )
        )

    return _make("inner_product_data", (diff_src, weights, diff_dst), (), create)


def inner_product_weights(
    src: Wanted, diff_weights: Wanted, diff_bias: Wanted | None, diff_dst: Wanted
) -> Primitive:
    """Gradient of a fully connected layer by its weights and bias."""
    n = native()

    def create(pd: Any, attributes: Any) -> int:
        return int(
            n.lib.dnnl_inner_product_backward_weights_primitive_desc_create(
                pd,
                n.engine,
                src.md,
                diff_weights.md,
                _md(diff_bias),
                diff_dst.md,
                _inner_hint(src, diff_weights, diff_dst),
                attributes,
            )
        )

    layouts = (src, diff_weights, diff_bias, diff_dst)
    return _make("inner_product_weights", layouts, (), create)


def matmul(
    src: Wanted, weights: Wanted, bias: Wanted | None, dst: Wanted, *, relu: bool = False
) -> Primitive:
    """Matrix product, batched over leading axes."""
    n = native()

    def create(pd: Any, attributes: Any) -> int:
        return int(
            n.lib.dnnl_matmul_primitive_desc_create(
                pd, n.engine, src.md, weights.md, _md(bias), dst.md, attributes
            )
        )

    return _make("matmul", (src, weights, bias, dst), (), create, relu=relu)


def pooling(
    algorithm: str, src: Wanted, dst: Wanted, kernel: Pair, window: Window, *, training: bool
) -> Primitive:
    """Max or average pooling; training keeps a workspace for the gradient."""
    n = native()
    strides, dilations, before, after = window

    def create(pd: Any, attributes: Any) -> int:
        return int(
            n.lib.dnnl_pooling_forward_primitive_desc_create(
                pd,
                n.engine,
                _TRAINING if training else _INFERENCE,
                _POOLING[algorithm],
                src.md,
                dst.md,
                _dims(strides),
                _dims(kernel),
                _dims(dilations),
                _dims(before),
                _dims(after),
                attributes,
            )
        )

    return _make("pooling", (src, dst), (algorithm, kernel, window, training), create)


def pooling_grad(
    algorithm: str,
    diff_src: Wanted,
    diff_dst: Wanted,
    kernel: Pair,
    window: Window,
    forward: Primitive,
) -> Primitive:
    """Gradient of a pooling; `forward` is the training primitive of the same layouts."""
    n = native()
    strides, dilations, before, after = window

    def create(pd: Any, attributes: Any) -> int:
        return int(
            n.lib.dnnl_pooling_backward_primitive_desc_create(
                pd,
                n.engine,
                _POOLING[algorithm],
                diff_src.md,
                diff_dst.md,
                _dims(strides),
                _dims(kernel),
                _dims(dilations),
                _dims(before),
                _dims(after),
                forward._pd,
                attributes,
            )
        )

    extra = (algorithm, kernel, window, forward.key)
    return _make("pooling_grad", (diff_src, diff_dst), extra, create)


def batch_norm(
    src: Layout, dst: Layout, epsilon: float, *, training: bool, relu: bool = False
) -> Primitive:
    """Batch normalisation with scale and shift; training computes the statistics."""
    n = native()
    flags = _USE_SCALE | _USE_SHIFT
    flags |= 0 if training else _USE_GLOBAL_STATS
    flags |= _FUSE_RELU if relu else 0

    def create(pd: Any, attributes: Any) -> int:
        return int(
            n.lib.dnnl_batch_normalization_forward_primitive_desc_create(
                pd,
                n.engine,
                _TRAINING if training else _INFERENCE,
                src.md,
                dst.md,
                epsilon,
                flags,
                attributes,
            )
        )

    return _make("batch_norm", (src, dst), (epsilon, training, relu), create)


def batch_norm_grad(
    diff_src: Layout, diff_dst: Layout, src: Layout, epsilon: float, forward: Primitive, relu: bool
) -> Primitive:
    """Gradients of a batch normalisation by its input, scale and shift."""
    n = native()
    flags = _USE_SCALE | _USE_SHIFT | (_FUSE_RELU if relu else 0)

    def create(pd: Any, attributes: Any) -> int:
        return int(
            n.lib.dnnl_batch_normalization_backward_primitive_desc_create(
                pd,
                n.engine,
                _BACKWARD,
                diff_src.md,
                diff_dst.md,
                src.md,
                epsilon,
                flags,
                forward._pd,
                attributes,
            )
        )

    extra = (epsilon, relu, forward.key)
    return _make("batch_norm_grad", (diff_src, diff_dst, src), extra, create)


def eltwise(
    algorithm: int, src: Layout, dst: Layout, alpha: float = 0.0, beta: float = 0.0
) -> Primitive:
    """Element by element function."""
    n = native()

    def create(pd: Any, attributes: Any) -> int:
        return int(
            n.lib.dnnl_eltwise_forward_primitive_desc_create(
                pd, n.engine, _TRAINING, algorithm, src.md, dst.md, alpha, beta, attributes
            )
        )

    return _make("eltwise", (src, dst), (algorithm, alpha, beta), create)


def eltwise_grad(
    algorithm: int,
    diff_src: Layout,
    diff_dst: Layout,
    data: Layout,
    forward: Primitive,
    alpha: float = 0.0,
    beta: float = 0.0,
) -> Primitive:
    """Gradient of an element by element function; `data` is its output or its input."""
    n = native()

    def create(pd: Any, attributes: Any) -> int:
        return int(
            n.lib.dnnl_eltwise_backward_primitive_desc_create(
                pd,
                n.engine,
                algorithm,
                diff_src.md,
                diff_dst.md,
                data.md,
                alpha,
                beta,
                forward._pd,
                attributes,
            )
        )

    extra = (algorithm, alpha, beta)
    return _make("eltwise_grad", (diff_src, diff_dst, data), extra, create)


def softmax(src: Layout, dst: Layout, axis: int) -> Primitive:
    """Softmax along one axis."""
    n = native()

    def create(pd: Any, attributes: Any) -> int:
        return int(
            n.lib.dnnl_softmax_forward_primitive_desc_create(
                pd, n.engine, _INFERENCE, 196608, src.md, dst.md, axis, attributes
            )
        )

    return _make("softmax", (src, dst), (axis,), create)


def binary(
    algorithm: int, first: Layout, second: Layout, dst: Layout, *, relu: bool = False
) -> Primitive:
    """Combine two arrays element by element."""
    n = native()

    def create(pd: Any, attributes: Any) -> int:
        return int(
            n.lib.dnnl_binary_primitive_desc_create(
                pd, n.engine, algorithm, first.md, second.md, dst.md, attributes
            )
        )

    return _make("binary", (first, second, dst), (algorithm,), create, relu=relu)


def reorder(src: Layout, dst: Layout) -> Primitive:
    """Copy from one layout into another."""
    n = native()

    def create(pd: Any, attributes: Any) -> int:
        return int(
            n.lib.dnnl_reorder_primitive_desc_create(
                pd, src.md, n.engine, dst.md, n.engine, attributes
            )
        )

    return _make("reorder", (src, dst), (), create, allow_reference=True)


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
