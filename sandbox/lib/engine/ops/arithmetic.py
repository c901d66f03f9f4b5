"""Elementwise arithmetic with NumPy's broadcasting, and functions of one number."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .. import dnnl
from ..choices import Candidate
from ..errors import ShapeError
from ..operation import Sample, register
from ..oplist import Op, Spec
from .common import SMALL, finish_in_numpy, like, post_ops
from .in_place import choose_in_place, layout_of_partner
from .pieces import unbuffered
from .rules import broadcast, common, floating, same_float, same_number

if TYPE_CHECKING:
    from ..builder import Builder

Array = NDArray[Any]


def add(a: Array, b: Array) -> Array:
    """Return a + b."""
    y: Array = np.add(a, b, dtype=common(a.dtype, b.dtype))
    return y


def subtract(a: Array, b: Array) -> Array:
    """Return a - b."""
    y: Array = np.subtract(a, b, dtype=common(a.dtype, b.dtype))
    return y


def multiply(a: Array, b: Array) -> Array:
    """Return a · b."""
    y: Array = np.multiply(a, b, dtype=common(a.dtype, b.dtype))
    return y


def divide(a: Array, b: Array) -> Array:
    """Return a / b; division by zero gives inf or nan."""
    y: Array = np.divide(a, b, dtype=common(a.dtype, b.dtype))
    return y


def maximum(a: Array, b: Array) -> Array:
    """Return the larger one."""
    y: Array = np.maximum(a, b, dtype=common(a.dtype, b.dtype))
    return y


def minimum(a: Array, b: Array) -> Array:
    """Return the smaller one."""
    y: Array = np.minimum(a, b, dtype=common(a.dtype, b.dtype))
    return y


def scale_add(a: Array, b: Array, *, alpha: float, beta: float) -> Array:
    """Return alpha · a + beta · b."""
    dtype = common(a.dtype, b.dtype)
    y: Array = np.asarray(alpha, dtype) * a + np.asarray(beta, dtype) * b
    return y


def power(x: Array, *, exponent: float) -> Array:
    """Return x to a constant power; results that do not exist are nan or inf."""
    y: Array = np.power(x, np.asarray(exponent, x.dtype))
    return y


# -- oneDNN in the layout at hand, NumPy where arrays are small ---------------------------------


BINARY: dict[str, Callable[..., Any]] = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "divide": np.divide,
    "maximum": np.maximum,
    "minimum": np.minimum,
}
UNARY: dict[str, Callable[..., Any]] = {
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "square": np.square,
    "abs": np.absolute,
    "negative": np.negative,
    "sign": np.sign,
}


def lower_arithmetic(builder: Builder, op: Op) -> None:
    """Lower `add` and its like; broadcasting and small arrays go to NumPy."""
    a, b = op.inputs
    y = op.outputs[0]
    if any(builder.spec(value).dtype != "float32" for value in (a, b, y)):
        raise dnnl.RefusedError(f"{op.name}: must be of float32 values.")
    post = post_ops(op)
    shape = builder.shape(y)
    plain_only = all(layout.plain for value in (a, b) for layout in builder.layouts(value))
    same = builder.shape(a) == builder.shape(b) == shape
    if not same and not plain_only and _spread(builder, op):
        return
    if not same or (plain_only and builder.spec(y).size < SMALL):
        _numpy_arithmetic(builder, op)
        return
    algorithm = dnnl.BINARY[op.name]

    def candidate(layout: dnnl.Layout) -> Candidate:
        primitive = dnnl.binary(algorithm, layout, layout, layout, post_ops=post)
        reads, wanted = {dnnl.SRC: a, dnnl.SRC_1: b}, builder.wanted(dnnl.DST, y)
        return Candidate(layout.name, primitive, reads, {dnnl.DST: y}, wanted)

    choose_in_place(builder, op, candidate, (a, b), dnnl.SRC, dnnl.DST)


def _spread(builder: Builder, op: Op) -> bool:
    """Lower arithmetic with numbers per channel (1, C, 1, 1) in the layout of the map."""
    a, b = op.inputs
    y = op.outputs[0]
    shape = builder.shape(y)
    wide = (1, *shape[1:2], *[1] * (len(shape) - 2))
    if len(shape) != 4 or builder.shape(a) != shape or builder.shape(b) != wide:
        return False
    algorithm, post = dnnl.BINARY[op.name], post_ops(op)

    def candidate(at_hand: dnnl.Layout) -> Candidate:
        # Of other strides, if only of axes of size 1 as behind a transpose, 3.2 repeats b wrongly.
        layout = like(at_hand, shape)
        primitive = dnnl.binary(algorithm, layout, dnnl.plain(wide), layout, post_ops=post)
        reads, wanted = {dnnl.SRC: a, dnnl.SRC_1: b}, builder.wanted(dnnl.DST, y)
        return Candidate(layout.name, primitive, reads, {dnnl.DST: y}, wanted)

    try:
        choose_in_place(builder, op, candidate, (a,), dnnl.SRC, dnnl.DST)
    except dnnl.RefusedError:
        return False
    return True


def _numpy_arithmetic(builder: Builder, op: Op) -> None:
    function = BINARY[op.name]

    shape = builder.shape(op.outputs[0])
    inner = math.prod(shape[2:]) if len(shape) > 2 else math.prod(shape[-1:])

    def run(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
        with unbuffered(inner):
            function(reads[0], reads[1], out=writes[0])
        if op.attrs.get("post_ops"):
            finish_in_numpy(op, writes[0], reads)

    reads = [builder.plain(value) for value in op.inputs]
    builder.python(op, run, reads, [builder.define(op.outputs[0])])


def lower_scale_add(builder: Builder, op: Op) -> None:
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


def lower_unary(builder: Builder, op: Op) -> None:
    """Lower `exp`, `log` and their like: NumPy, into the planned memory."""
    function = UNARY[op.name]

    def run(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
        function(reads[0], out=writes[0])

    reads = [builder.plain(op.inputs[0])]
    builder.python(op, run, reads, [builder.define(op.outputs[0])])


def _infer_subtract(a: Spec, b: Spec) -> tuple[Spec, ...]:
    if a.dtype == b.dtype == "bool":
        same_number(a)
    return broadcast(a, b)


def _infer_divide(a: Spec, b: Spec) -> tuple[Spec, ...]:
    (y,) = broadcast(a, b)
    if not y.dtype.startswith("float"):
        raise ShapeError(
            f"divide needs real numbers on one side; got {a.dtype} and {b.dtype}. Convert with "
            "core.ops.cast, or use core.ops.floor_divide."
        )
    return (y,)


def _infer_scale_add(a: Spec, b: Spec, *, alpha: float, beta: float) -> tuple[Spec, ...]:
    floating(a, "first input")
    floating(b, "second input")
    return broadcast(a, b)


_MAP = (8, 16, 16, 16)

for _kernel in (add, subtract, multiply, divide, maximum, minimum):
    _name = _kernel.__name__
    register(
        _name,
        infer={"subtract": _infer_subtract, "divide": _infer_divide}.get(_name, broadcast),
        reference=_kernel,
        lower=lower_arithmetic,
        elementwise=True,
        loses_nan=_name in ("maximum", "minimum"),
        makes_nan=_name == "divide",
        follows=() if _name == "divide" else (0, 1),
        expects=layout_of_partner if _name in ("add", "multiply") else None,
        post_ops=("relu",) if _name == "add" else (),
        sample=Sample((_MAP, _MAP), {}) if _name == "add" else None,
    )
register(
    "scale_add",
    infer=_infer_scale_add,
    reference=scale_add,
    lower=lower_scale_add,
    elementwise=True,
)
for _name, _function in UNARY.items():
    register(
        _name,
        infer=same_float if _name in ("exp", "log", "sqrt") else same_number,
        reference=_function,
        lower=lower_unary,
        elementwise=True,
        makes_nan=_name in ("exp", "log", "sqrt"),
    )
register("power", infer=same_float, reference=power, elementwise=True, makes_nan=True)
