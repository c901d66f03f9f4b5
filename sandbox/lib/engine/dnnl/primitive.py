"""Primitives: kernels made for exact layouts and thread counts, kept in one cache."""

from __future__ import annotations

import math
import re
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

from .. import threads
from ..errors import EngineError
from .attributes import MOST_POST_OPS, PostOps, Scale, attributes, post_op
from .attributes import scales as factor_of
from .layout import AnyLayout, Layout, c_dims, plain
from .library import RefusedError, check, lock, native

# Arguments of primitives.
SRC, SRC_1, DST, WEIGHTS, BIAS = 1, 2, 17, 33, 41
MEAN, VARIANCE, SCALE, SHIFT, WORKSPACE, SCRATCHPAD = 49, 50, 51, 52, 64, 80
DIFF_SRC, DIFF_DST, DIFF_WEIGHTS, DIFF_BIAS = 129, 145, 161, 169
DIFF_SCALE, DIFF_SHIFT = 255, 256
MANY_SRC = 1024  # the first of any number of sources
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
ARGUMENTS = (*ARGUMENT_NAMES, SCRATCHPAD, *(post_op(place) for place in range(MOST_POST_OPS)))
_REFERENCE_NAME = re.compile(r"(^|[^a-z])ref([^a-z]|$)")
_FUNCTIONS_KEPT = 2048


_Q_IMPLEMENTATION, _Q_EXEC_ARG = 8, 255
ENGINE = "engine"  # where a C function takes the engine


class Primitive:
    """A kernel made for exact shapes, layouts and thread count; shared by all threads."""

    __slots__ = (
        "__weakref__",
        "_handle",
        "_layouts",
        "_meaning",
        "_pd",
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
        self._handle: Any = None
        self._meaning: tuple[Any, ...] | None = None
        scratch = self.layout(SCRATCHPAD)
        self.scratch = scratch.nbytes if scratch else 0

    @property
    def handle(self) -> Any:
        """The kernel's code, made when it is first asked for: most candidates never run."""
        if self._handle is None:
            with lock:
                if self._handle is None:
                    n = native()
                    box = n.ffi.new("primitive_t *")
                    status = n.lib.dnnl_primitive_create(box, self._pd)
                    check(status, self.kind, self.implementation)
                    self._handle = n.ffi.gc(box[0], n.lib.dnnl_primitive_destroy)
        return self._handle

    @property
    def meaning(self) -> tuple[Any, ...]:
        """What it does, however it was asked for: equal ones take equally long."""
        if self._meaning is None:
            _, function, arguments, *rest = self.key
            sizes = [item for item in arguments if not _is_layout(item)]
            layouts = [(argument, self.layout(argument)) for argument in ARGUMENT_NAMES]
            taken = [(argument, layout.key) for argument, layout in layouts if layout is not None]
            self._meaning = (function, self.implementation, tuple(sizes), tuple(taken), *rest)
        return self._meaning

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

    def factors(self) -> Iterator[tuple[int, Layout]]:
        """Yield the arguments that hold factors of others, with their layouts."""
        scales: tuple[Scale, ...] = self.key[4]
        for factor in scales:
            axes = enumerate(self.needs(factor.argument).dims)
            count = math.prod(size for axis, size in axes if factor.mask >> axis & 1)
            yield factor_of(factor.argument), plain((count,))

    @property
    def generic(self) -> bool:
        """Whether the kernel is plain C++ without instructions of its own."""
        return self.implementation.startswith("simple") or self.implementation.endswith(":any")

    def __repr__(self) -> str:
        return f"{self.kind}<{self.implementation}>"


# What a C function is given: sizes and layouts become C types, a primitive stands for its
# description (the forward pass of a gradient), a function makes what it returns when it is needed.
Argument = (
    Layout
    | AnyLayout
    | Primitive
    | Callable[[], Any]
    | tuple[int, ...]
    | tuple[Layout, ...]
    | float
    | str
    | None
)
_cache: OrderedDict[tuple[Any, ...], Primitive | RefusedError] = OrderedDict()


def make(
    kind: str,
    function: str,
    *arguments: Argument,
    post_ops: PostOps = (),
    scales: tuple[Scale, ...] = (),
    allow_reference: bool = False,
) -> Primitive:
    """Return the primitive, from the cache or new; refusals are remembered as well.

    Parameters
    ----------
    kind : str
        Its name in messages.
    function : str
        The C function that describes it, without `dnnl_` and `_primitive_desc_create`.
    *arguments
        What that function takes behind the description and before the attributes.
    post_ops : tuple of Eltwise, Sum, Binary
        Applied to what it writes, in order; see `attributes.py`.
    scales : tuple of Scale
        Arguments that come with factors.
    allow_reference : bool
        Take an implementation called `ref` as well.
    """
    key = (kind, function, tuple(map(_key, arguments)), post_ops, scales, threads.get_threads())
    with lock:
        known = _cache.get(key)
        if known is None:
            try:
                pd = describe(kind, function, arguments, attributes(kind, post_ops, scales))
                known = Primitive(kind, key, pd, allow_reference)
            except RefusedError as error:
                known = RefusedError(*error.args)
            if not any(isinstance(item, Layout) and item.name == "opaque" for item in arguments):
                _cache[key] = known
                while len(_cache) > _FUNCTIONS_KEPT:
                    _cache.popitem(last=False)
        else:
            _cache.move_to_end(key)
    if isinstance(known, RefusedError):
        # Anew: one that is raised keeps the frames of its callers, and all programs in them, alive.
        raise RefusedError(*known.args)
    return known


def describe(
    kind: str, function: str, arguments: tuple[Argument, ...], attributes: Any = None
) -> Any:
    """Return a primitive's description; made for itself it is a hint that is never run."""
    n = native()
    threads.apply(threads.get_threads())
    create = getattr(n.lib, f"dnnl_{function}_primitive_desc_create")
    box = n.ffi.new("pd_t *")
    status = create(box, *map(_to_c, arguments), n.ffi.NULL if attributes is None else attributes)
    shown = (item for item in arguments if isinstance(item, Layout | AnyLayout | tuple))
    check(status, kind, ", ".join(map(repr, shown)))
    return n.ffi.gc(box[0], n.lib.dnnl_primitive_desc_destroy)


def _is_layout(key: Any) -> bool:
    return isinstance(key, tuple) and len(key) > 2 and isinstance(key[1], str)


def _key(argument: Argument) -> Any:
    if isinstance(argument, Layout | AnyLayout | Primitive):
        return argument.key
    if isinstance(argument, tuple) and argument and isinstance(argument[0], Layout):
        return tuple([_key(item) for item in argument])
    return None if callable(argument) else argument  # what it makes follows from the others


def _to_c(argument: Argument) -> Any:
    if isinstance(argument, Layout | AnyLayout):
        return argument.md
    if isinstance(argument, Primitive):
        return argument._pd
    if isinstance(argument, tuple):
        layouts = [item.md for item in argument if isinstance(item, Layout)]
        if layouts:
            return native().ffi.new("md_t[]", layouts)
        return c_dims([item for item in argument if isinstance(item, int)])
    if argument is None:
        return native().ffi.NULL
    if argument == ENGINE:
        return native().engine
    return argument() if callable(argument) else argument
