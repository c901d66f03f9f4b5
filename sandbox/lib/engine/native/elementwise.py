"""Activations and arithmetic: oneDNN in the layout at hand, NumPy where arrays are small."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from .. import dnnl
from ..builder import Builder
from ..choices import Candidate, legal
from ..infer import SMOOTH
from ..oplist import Op
from ..steps import Array
from .common import distinct, is_relu

SMALL = 8192  # elements; below, a NumPy call on plain arrays costs no more than a kernel

UNARY: dict[str, Callable[..., Any]] = {
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "square": np.square,
    "abs": np.absolute,
    "negative": np.negative,
    "sign": np.sign,
}
BINARY: dict[str, Callable[..., Any]] = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "divide": np.divide,
    "maximum": np.maximum,
    "minimum": np.minimum,
}


def activation(builder: Builder, op: Op) -> None:
    """Lower `relu`, `tanh`, `sigmoid`."""
    x, y = op.inputs[0], op.outputs[0]
    algorithm = dnnl.ELTWISE[op.name]

    def candidate(layout: dnnl.Layout) -> Candidate:
        primitive = dnnl.eltwise(algorithm, layout, layout)
        wanted = builder.wanted(dnnl.DST, y)
        return Candidate(layout.name, primitive, {dnnl.SRC: x}, {dnnl.DST: y}, wanted)

    _in_place(builder, op, candidate, (x,), dnnl.SRC, dnnl.DST)


def activation_grad(builder: Builder, op: Op) -> None:
    """Lower the gradients of these, computed from the output."""
    dy, y = op.inputs
    dx = op.outputs[0]
    algorithm = dnnl.ELTWISE_FROM_OUTPUT[op.name.removesuffix("_grad")]

    def candidate(layout: dnnl.Layout) -> Candidate:
        forward = dnnl.eltwise(algorithm, layout, layout)
        primitive = dnnl.eltwise_grad(algorithm, layout, layout, layout, forward)
        reads = {dnnl.DIFF_DST: dy, dnnl.DST: y}
        wanted = builder.wanted(dnnl.DIFF_SRC, dx)
        return Candidate(layout.name, primitive, reads, {dnnl.DIFF_SRC: dx}, wanted)

    _in_place(builder, op, candidate, (dy, y), dnnl.DIFF_DST, dnnl.DIFF_SRC)


def _from_input(name: str, attrs: dict[str, Any]) -> tuple[int, float, float]:
    """Return oneDNN's number of a function and its two constants."""
    if name == "gelu" and attrs["approximate"]:
        name = "gelu_tanh"
    algorithm, names = dnnl.ELTWISE_FROM_INPUT[name]
    first = 1.0 if name in ("softplus", "silu") else 0.0
    constants = [float(attrs[key]) for key in names] or [first]
    alpha, beta = (*constants, 0.0)[:2]
    return algorithm, alpha, beta


def smooth(builder: Builder, op: Op) -> None:
    """Lower `gelu` and the other activations whose gradient needs the input."""
    x, y = op.inputs[0], op.outputs[0]
    algorithm, alpha, beta = _from_input(op.name, op.attrs)

    def candidate(layout: dnnl.Layout) -> Candidate:
        primitive = dnnl.eltwise(algorithm, layout, layout, alpha, beta)
        wanted = builder.wanted(dnnl.DST, y)
        return Candidate(layout.name, primitive, {dnnl.SRC: x}, {dnnl.DST: y}, wanted)

    _in_place(builder, op, candidate, (x,), dnnl.SRC, dnnl.DST)


def smooth_grad(builder: Builder, op: Op) -> None:
    """Lower the gradients of these, computed from the input."""
    dy, x = op.inputs
    dx = op.outputs[0]
    algorithm, alpha, beta = _from_input(op.name.removesuffix("_grad"), op.attrs)

    def candidate(layout: dnnl.Layout) -> Candidate:
        forward = dnnl.eltwise(algorithm, layout, layout, alpha, beta)
        primitive = dnnl.eltwise_grad(algorithm, layout, layout, layout, forward, alpha, beta)
        reads = {dnnl.DIFF_DST: dy, dnnl.SRC: x}
        wanted = builder.wanted(dnnl.DIFF_SRC, dx)
        return Candidate(layout.name, primitive, reads, {dnnl.DIFF_SRC: dx}, wanted)

    _in_place(builder, op, candidate, (dy, x), dnnl.DIFF_DST, dnnl.DIFF_SRC)


def arithmetic(builder: Builder, op: Op) -> None:
    """Lower `add` and its like; broadcasting and small arrays go to NumPy."""
    a, b = op.inputs
    y = op.outputs[0]
    if any(builder.spec(value).dtype != "float32" for value in (a, b, y)):
        raise dnnl.RefusedError(f"{op.name}: must be of float32 values.")
    relu = is_relu(op)
    shape = builder.shape(y)
    plain_only = all(layout.plain for value in (a, b) for layout in builder.layouts(value))
    same = builder.shape(a) == builder.shape(b) == shape
    if not same and not plain_only and _spread(builder, op, relu):
        return
    if not same or (plain_only and builder.spec(y).size < SMALL):
        _numpy_arithmetic(builder, op, relu)
        return
    algorithm = dnnl.BINARY[op.name]

    def candidate(layout: dnnl.Layout) -> Candidate:
        primitive = dnnl.binary(algorithm, layout, layout, layout, relu=relu)
        reads, wanted = {dnnl.SRC: a, dnnl.SRC_1: b}, builder.wanted(dnnl.DST, y)
        return Candidate(layout.name, primitive, reads, {dnnl.DST: y}, wanted)

    _in_place(builder, op, candidate, (a, b), dnnl.SRC, dnnl.DST)


def _spread(builder: Builder, op: Op, relu: bool) -> bool:
    """Lower arithmetic with numbers per channel (1, C, 1, 1) in the layout of the map."""
    a, b = op.inputs
    y = op.outputs[0]
    shape = builder.shape(y)
    wide = (1, *shape[1:2], *[1] * (len(shape) - 2))
    if len(shape) != 4 or builder.shape(a) != shape or builder.shape(b) != wide:
        return False
    algorithm = dnnl.BINARY[op.name]

    def candidate(layout: dnnl.Layout) -> Candidate:
        primitive = dnnl.binary(algorithm, layout, dnnl.plain(wide), layout, relu=relu)
        reads, wanted = {dnnl.SRC: a, dnnl.SRC_1: b}, builder.wanted(dnnl.DST, y)
        return Candidate(layout.name, primitive, reads, {dnnl.DST: y}, wanted)

    try:
        _in_place(builder, op, candidate, (a,), dnnl.SRC, dnnl.DST)
    except dnnl.RefusedError:
        return False
    return True


def _in_place(
    builder: Builder,
    op: Op,
    make: Callable[[dnnl.Layout], Candidate],
    values: Sequence[int],
    source: int,
    target: int,
) -> None:
    """Choose among the layouts at hand and write over the source if nothing reads it later."""
    if any(builder.spec(value).dtype != "float32" for value in values):
        raise dnnl.RefusedError(f"{op.name}: must be of float32 values.")
    number = builder.number(op.outputs[0])
    layouts = distinct(
        layout for value in values for layout in builder.layouts(value, number=number)
    )
    shape = builder.shape(op.outputs[0])
    # A value behind a reshape may be at hand in layouts of other axes only.
    layouts = layouts or [dnnl.plain(shape, number)]
    candidates = legal([partial(make, layout) for layout in layouts])
    choice = builder.choose(op, candidates, shape[0] if shape else 1)
    primitive = choice.primitive
    reads = {arg: builder.fetch(value, primitive.needs(arg)) for arg, value in choice.reads.items()}
    over = reads[source]
    writes = {target: builder.define(choice.writes[target], primitive.needs(target), over=over)}
    builder.native(op, primitive, reads, writes)


def _numpy_arithmetic(builder: Builder, op: Op, relu: bool) -> None:
    function = BINARY[op.name]

    def run(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
        function(reads[0], reads[1], out=writes[0])
        if relu:
            np.maximum(writes[0], 0, out=writes[0])

    reads = [builder.plain(value) for value in op.inputs]
    builder.python(op, run, reads, [builder.define(op.outputs[0])])


def scale_add(builder: Builder, op: Op) -> None:
    """Lower `scale_add`, alpha · a + beta · b (running statistics)."""
    alpha, beta = np.float32(op.attrs["alpha"]), np.float32(op.attrs["beta"])

    def run(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
        np.multiply(reads[1], beta, out=writes[1])
        np.multiply(reads[0], alpha, out=writes[0])
        np.add(writes[0], writes[1], out=writes[0])

    shapes = {builder.shape(value) for value in (*op.inputs, *op.outputs)}
    if len(shapes) > 1:
        raise dnnl.RefusedError("scale_add: must be of equal shapes.")
    reads = [builder.plain(value) for value in op.inputs]
    target = builder.define(op.outputs[0])
    builder.python(op, run, reads, [target, builder.temporary(target)])


def unary(builder: Builder, op: Op) -> None:
    """Lower `exp`, `log` and their like: NumPy, into the planned memory."""
    function = UNARY[op.name]

    def run(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
        function(reads[0], out=writes[0])

    reads = [builder.plain(op.inputs[0])]
    builder.python(op, run, reads, [builder.define(op.outputs[0])])


def softmax(builder: Builder, op: Op) -> None:
    """Lower `softmax` of large arrays."""
    x, y = op.inputs[0], op.outputs[0]
    shape = builder.shape(x)
    if builder.spec(x).size < SMALL or len(shape) > 6:
        raise dnnl.RefusedError("softmax: small arrays go to the reference kernel.")
    layout = dnnl.plain(shape)
    primitive = dnnl.softmax(layout, layout, op.attrs["axis"] % len(shape))
    builder.emit(op, Candidate("plain", primitive, {dnnl.SRC: x}, {dnnl.DST: y}))


LOWERINGS = (
    {name: activation for name in ("relu", "tanh", "sigmoid")}
    | {name: activation_grad for name in ("relu_grad", "tanh_grad", "sigmoid_grad")}
    | dict.fromkeys(SMOOTH, smooth)
    | {f"{name}_grad": smooth_grad for name in SMOOTH}
    | dict.fromkeys(BINARY, arithmetic)
    | dict.fromkeys(UNARY, unary)
    | {"softmax": softmax, "scale_add": scale_add}
)
