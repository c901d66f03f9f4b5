"""What a kernel does beside its own work, as data: post-ops on what it writes, scales per argument.

Post-ops are applied in order, before the result is rounded to the type it is stored in. Scales
multiply what is read (or divide what is written) where integers stand for real numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .layout import Wanted
from .library import check, native

CDEF = """
int dnnl_primitive_attr_create(attr_t *);
int dnnl_primitive_attr_destroy(attr_t);
int dnnl_primitive_attr_set_scratchpad_mode(attr_t, int mode);
int dnnl_primitive_attr_set_post_ops(attr_t, post_ops_t);
int dnnl_primitive_attr_set_scales_mask(attr_t, int argument, int mask);
int dnnl_post_ops_create(post_ops_t *);
int dnnl_post_ops_append_eltwise(post_ops_t, int alg, float alpha, float beta);
int dnnl_post_ops_append_sum(post_ops_t, float scale, int zero_point, int type);
int dnnl_post_ops_append_binary(post_ops_t, int alg, md_t second);
int dnnl_post_ops_destroy(post_ops_t);
"""
_POST_OP, _SCALES, _SECOND = 32768, 4096, 2
_SAME_TYPE = 0
MOST_POST_OPS = 4  # of one kernel of ours


@dataclass(frozen=True)
class Eltwise:
    """An element by element function, by its number, with its two constants."""

    algorithm: int
    alpha: float = 0.0
    beta: float = 0.0


@dataclass(frozen=True)
class Sum:
    """Add `scale` times what lies at the destination before: a residual connection."""

    scale: float = 1.0


@dataclass(frozen=True)
class Binary:
    """Combine with another array, of the result's shape or with axes of size 1.

    The kernel reads it as argument `post_op(position)`.
    """

    algorithm: int
    second: Wanted


PostOp = Eltwise | Sum | Binary
PostOps = tuple[PostOp, ...]


@dataclass(frozen=True)
class Scale:
    """Factors of an argument: one (mask 0), or one per index of the axes whose bits are set.

    The kernel reads them, float32, as argument `scales(argument)`.
    """

    argument: int
    mask: int = 0


def post_op(position: int) -> int:
    """Return the argument by which a kernel reads what a `Binary` post-op combines with."""
    return _POST_OP * (position + 1) | _SECOND


def scales(argument: int) -> int:
    """Return the argument by which a kernel reads the factors of another."""
    return _SCALES | argument


def attributes(kind: str, post_ops: PostOps, factors: tuple[Scale, ...]) -> Any:
    """Return the C object, freed with the Python one."""
    n = native()
    box = n.ffi.new("attr_t *")
    check(n.lib.dnnl_primitive_attr_create(box), "attributes", kind)
    made = n.ffi.gc(box[0], n.lib.dnnl_primitive_attr_destroy)
    check(n.lib.dnnl_primitive_attr_set_scratchpad_mode(made, 1), "scratchpad mode", kind)
    if post_ops:
        chain = n.ffi.new("post_ops_t *")
        check(n.lib.dnnl_post_ops_create(chain), "post-ops", kind)
        owned = n.ffi.gc(chain[0], n.lib.dnnl_post_ops_destroy)
        for item in post_ops:
            check(_append(n.lib, owned, item), "post-op", f"{item} of {kind}")
        check(n.lib.dnnl_primitive_attr_set_post_ops(made, owned), "post-ops", kind)
    for factor in factors:
        status = n.lib.dnnl_primitive_attr_set_scales_mask(made, factor.argument, factor.mask)
        check(status, "scales", f"{factor} of {kind}")
    return made


def _append(lib: Any, chain: Any, item: PostOp) -> int:
    if isinstance(item, Eltwise):
        arguments = chain, item.algorithm, item.alpha, item.beta
        return int(lib.dnnl_post_ops_append_eltwise(*arguments))
    if isinstance(item, Sum):
        return int(lib.dnnl_post_ops_append_sum(chain, item.scale, 0, _SAME_TYPE))
    return int(lib.dnnl_post_ops_append_binary(chain, item.algorithm, item.second.md))
