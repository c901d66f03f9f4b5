"""Functions of one number and of two: trigonometry, logarithms, rounding, remainders, bits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .. import dnnl, mkl
from ..errors import ShapeError
from ..operation import Lowering, register
from ..oplist import Op, Spec
from .error_function import erf as precise_erf
from .rules import broadcast, common, floating, is_integer, same_float, same_number

if TYPE_CHECKING:
    from ..builder import Builder

Array = NDArray[Any]
Kernel = Callable[..., Any]

SMOOTH: dict[str, Kernel] = {
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
    "exp2": np.exp2,
    "expm1": np.expm1,
    "log2": np.log2,
    "log10": np.log10,
    "log1p": np.log1p,
}
ROUNDING: dict[str, Kernel] = {
    "floor": np.floor,
    "ceil": np.ceil,
    "round": np.rint,
    "trunc": np.trunc,
}
TESTS: dict[str, Kernel] = {"is_nan": np.isnan, "is_inf": np.isinf, "is_finite": np.isfinite}
WITHOUT_REST: dict[str, Kernel] = {
    "floor_divide": np.floor_divide,
    "remainder": np.remainder,
    "fmod": np.fmod,
}
REAL: dict[str, Kernel] = {"atan2": np.arctan2, "pow": np.power}
BITS: dict[str, Kernel] = {
    "bitwise_and": np.bitwise_and,
    "bitwise_or": np.bitwise_or,
    "bitwise_xor": np.bitwise_xor,
}


def erf(x: Array) -> Array:
    """Return the error function, computed in float64."""
    return precise_erf(x).astype(x.dtype)


def lower_erf(builder: Builder, op: Op) -> None:
    """Lower `erf` to MKL, whose function is fifty times as fast as ours of NumPy."""
    if not mkl.available():
        raise dnnl.RefusedError("erf: without MKL it is the reference kernel's.")

    def run(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
        mkl.erf(reads[0], writes[0])

    reads = [builder.plain(op.inputs[0])]
    builder.python(op, run, reads, [builder.define(op.outputs[0])], "mkl")


def _rounded(function: Kernel) -> Kernel:
    """Return a kernel that leaves whole numbers as they are."""

    def kernel(x: Array) -> Array:
        return x.copy() if x.dtype.kind != "f" else np.asarray(function(x))

    return kernel


def _of_two(function: Kernel) -> Kernel:
    """Return a kernel in the dtype that arithmetic has here."""

    def kernel(a: Array, b: Array) -> Array:
        return np.asarray(function(a, b, dtype=common(a.dtype, b.dtype)))

    return kernel


def _infer_test(x: Spec) -> tuple[Spec, ...]:
    floating(x)
    return (Spec(x.shape, "bool"),)


def _infer_numbers(a: Spec, b: Spec) -> tuple[Spec, ...]:
    same_number(a)
    same_number(b)
    return broadcast(a, b)


def _infer_real(a: Spec, b: Spec) -> tuple[Spec, ...]:
    floating(a, "first input")
    floating(b, "second input")
    return broadcast(a, b)


def _infer_bits(*xs: Spec) -> tuple[Spec, ...]:
    for x in xs:
        if x.dtype != "bool" and not is_integer(x):
            raise ShapeError(
                f"input must be integers or booleans; got {x.dtype} in shape {x.shape}. "
                "Convert with core.ops.cast."
            )
    if len(xs) == 1:
        return xs
    (result,) = broadcast(*xs)
    if result.dtype.startswith("float"):
        raise ShapeError(
            f"inputs must be integers of one sign; got {xs[0].dtype} and {xs[1].dtype}. "
            "Convert with core.ops.cast."
        )
    return (result,)


def lowered(function: Kernel) -> Lowering:
    """Return a lowering to one call of NumPy, into the planned memory."""

    def lower(builder: Builder, op: Op) -> None:
        def run(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
            function(*reads, out=writes[0])

        reads = [builder.plain(value) for value in op.inputs]
        builder.python(op, run, reads, [builder.define(op.outputs[0])])

    return lower


def lower_rounding(builder: Builder, op: Op) -> None:
    """Lower rounding of real numbers: NumPy, into the planned memory."""
    if builder.spec(op.inputs[0]).dtype != "float32":
        raise dnnl.RefusedError(f"{op.name}: must be of float32 values.")
    lowered(ROUNDING[op.name])(builder, op)


for _name, _function in SMOOTH.items():
    register(
        _name,
        infer=same_float,
        reference=_function,
        lower=lowered(_function),
        elementwise=True,
        makes_nan=_name not in ("sin", "cos", "atan", "asinh"),
    )
register("erf", infer=same_float, reference=erf, lower=lower_erf, elementwise=True)
for _name, _function in ROUNDING.items():
    register(
        _name,
        infer=same_number,
        reference=_rounded(_function),
        lower=lower_rounding,
        elementwise=True,
    )
for _name, _function in TESTS.items():
    register(
        _name,
        infer=_infer_test,
        reference=_function,
        lower=lowered(_function),
        elementwise=True,
    )
for _name, _function in WITHOUT_REST.items():
    register(
        _name,
        infer=_infer_numbers,
        reference=_of_two(_function),
        elementwise=True,
        makes_nan=True,
    )
for _name, _function in REAL.items():
    register(
        _name,
        infer=_infer_real,
        reference=_of_two(_function),
        elementwise=True,
        makes_nan=_name == "pow",
    )
for _name, _function in BITS.items():
    register(_name, infer=_infer_bits, reference=_of_two(_function), elementwise=True)
register("bitwise_not", infer=_infer_bits, reference=np.invert, elementwise=True)
