"""What several lowerings share."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from .. import dnnl
from ..blueprint import Tensor
from ..choices import Candidate, Option
from ..operation import apply_post_ops, find, operands
from ..oplist import Op
from ..steps import Array

if TYPE_CHECKING:
    from ..builder import Builder

Dims = tuple[int, ...]

SMALL = 8192  # elements; below, a NumPy call on plain arrays costs no more than a kernel


def window_of(attrs: dict[str, Any], axes: int = 2) -> dnnl.Window:
    """Return strides, dilations and paddings as oneDNN counts them (dilation 0 is dense)."""
    padding = attrs.get("padding") or ((0, 0),) * axes
    dilation = attrs.get("dilation") or (1,) * axes
    return (
        tuple(attrs.get("stride") or (1,) * axes),
        tuple(step - 1 for step in dilation),
        tuple(before for before, _ in padding),
        tuple(after for _, after in padding),
    )


# What kernels of products can apply to what they write.
ACTIVATIONS = (
    *("relu", "tanh", "sigmoid", "leaky_relu", "elu", "gelu", "silu", "mish", "softplus"),
    *("hard_sigmoid", "hard_swish", "clip"),
)


# Attributes that lists of operations written by earlier versions do not have.
DEFAULTS = {"beta": 1.0}


def eltwise(name: str, attrs: Mapping[str, Any], simple: Mapping[str, int]) -> dnnl.Eltwise:
    """Return a function of each element as oneDNN takes it.

    `simple` holds the numbers of those without constants.
    """
    if name in simple:
        return dnnl.Eltwise(simple[name])
    if name == "gelu" and attrs["approximate"]:
        name = "gelu_tanh"
    algorithm, names = dnnl.ELTWISE_FROM_INPUT[name]
    constants = [float({**DEFAULTS, **attrs}[key]) for key in names]
    alpha, beta = (*constants, 0.0, 0.0)[:2]
    return dnnl.Eltwise(algorithm, alpha, beta)


def post_ops(
    op: Op, combine: Callable[[int, str], dnnl.PostOp] | None = None
) -> tuple[dnnl.PostOp, ...]:
    """Return what the kernel applies to what it writes, as oneDNN takes it.

    `combine` gives, for the place and name of one with another value, how the kernel reads that.
    """
    found: list[dnnl.PostOp] = []
    for place, (name, *constants) in enumerate(op.attrs.get("post_ops", ())):
        names = find(name).constants
        if names is None and combine is not None:
            found.append(combine(place, name))
        else:
            attrs = dict(zip(names or (), constants, strict=False))
            found.append(eltwise(name, attrs, dnnl.ELTWISE))
    return tuple(found)


def finish_in_numpy(op: Op, y: Array, reads: Sequence[Array]) -> None:
    """Apply the post-ops to an array that a NumPy kernel has written; `reads` are all inputs."""
    count = len(operands(op))
    y[...] = apply_post_ops(y, op.attrs.get("post_ops", ()), reads[len(reads) - count :])


def like(layout: dnnl.Layout, dims: Dims) -> dnnl.Layout:
    """Return the layout of the same family (plain, channels last, blocked) for other sizes."""
    if layout.plain:
        return dnnl.plain(dims, layout.dtype)
    if len(dims) > 2 and layout == dnnl.channels_last(layout.dims, layout.dtype):
        return dnnl.channels_last(dims, layout.dtype)
    for tag in ("blocked16", "blocked8"):
        if len(dims) in (3, 4, 5) and layout == dnnl.tagged(layout.dims, tag, layout.dtype):
            return dnnl.tagged(dims, tag, layout.dtype)
    raise dnnl.RefusedError(f"layout {layout}: must be plain, channels last or blocked.")


def families(dims: Dims, dtype: str) -> Iterator[dnnl.Layout]:
    """Yield the layouts worth trying for an image-like array."""
    if len(dims) > 2:
        yield dnnl.channels_last(dims, dtype)
    if len(dims) in (3, 4, 5):
        yield dnnl.tagged(dims, "blocked16", dtype)
        yield dnnl.tagged(dims, "blocked8", dtype)
    yield dnnl.plain(dims, dtype)


def choose_layout(
    builder: Builder,
    op: Op,
    make: Callable[[dnnl.Layout], Candidate],
    at_hand: Sequence[dnnl.Layout],
    dims: Dims,
    batch: int,
    wanted: dict[int, dnnl.Layout],
) -> Candidate:
    """Choose among the layouts at hand; where these have generic kernels only, among all."""
    layouts = distinct(at_hand)
    if not any(_has_kernel(make, layout) for layout in layouts):
        layouts = distinct([*layouts, *families(dims, builder.dtype_of(op.outputs[0]))])
    return builder.choose(op, by_layout(make, layouts), batch, wanted)


def _has_kernel(make: Callable[[dnnl.Layout], Candidate], layout: dnnl.Layout) -> bool:
    with contextlib.suppress(dnnl.RefusedError):
        return not make(layout).primitive.generic
    return False


def by_layout(
    make: Callable[[dnnl.Layout], Candidate], layouts: Iterable[dnnl.Layout]
) -> list[Option]:
    """Return the options that are named by their layouts."""
    return [(layout.name, partial(make, layout)) for layout in layouts]


def distinct(layouts: Iterable[dnnl.Layout]) -> list[dnnl.Layout]:
    """Return the layouts without doubles, in order."""
    return list(dict.fromkeys(layouts))


def seen(tensor: Tensor, layout: dnnl.Layout) -> Tensor:
    """Return the same bytes under the library's names of the axes."""
    return Tensor(tensor.allocation, layout.dims, layout.dtype, layout)
