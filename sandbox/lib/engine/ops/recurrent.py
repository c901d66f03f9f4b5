"""Recurrent layers over (batch, time, features): their rules and records.

The kernels are in `recurrent_numpy.py` and `recurrent_native.py`. The workspace of a forward kernel
is for its own gradient only. Of what is optional, the attribute `optional` names what there is, in
the order of the inputs behind the bias.
"""

from __future__ import annotations

from typing import Any

from ..errors import ShapeError
from ..operation import Range, register
from ..oplist import Spec
from . import recurrent_numpy as kernels
from .ranges import check_lengths
from .recurrent_native import lower_recurrent, lower_recurrent_grad
from .recurrent_numpy import LENGTHS_ALONE, Names
from .rules import axis_is, floating, ndim, promoted
from .sequence import infer_lengths


def _check(
    specs: tuple[Spec, ...], gates: int, biases: int, optional: Names
) -> tuple[Spec, Spec, Spec]:
    """Check the shapes and return the specs of y, of the last h and of the last c."""
    x, w_input, w_hidden, bias, *rest = specs
    given = dict(zip(optional, rest, strict=False))
    floating(x)
    ndim(x, 3, "(batch, time, in_features)")
    if x.shape[1] == 0:
        raise ShapeError(f"input axis 1 (time) must not be empty; got shape {x.shape}.")
    ndim(w_hidden, 2, "(gates · hidden, hidden)", "w_hidden")
    ndim(w_input, 2, "(gates · hidden, in_features)", "w_input")
    size = w_hidden.shape[1]
    cells = w_hidden.shape[0] // gates if "projection" in given else size
    axis_is(x, 2, w_input.shape[-1], "in_features")
    wanted = {
        "w_input": (w_input, (gates * cells, x.shape[2])),
        "w_hidden": (w_hidden, (gates * cells, size)),
        "bias": (bias, (biases * cells,)),
    }
    shapes = {
        "h": (x.shape[0], size),
        "c": (x.shape[0], cells),
        "peephole": (3 * cells,),
        "projection": (size, cells),
    }
    wanted |= {name: (given[name], shapes[name]) for name in shapes if name in given}
    for name, (spec, shape) in wanted.items():
        if spec.shape != shape:
            what = {"h": "the first h", "c": "the first c"}.get(name, name)
            raise ShapeError(f"{what} must have shape {shape}; got {spec.shape}.")
    if "lengths" in given:
        infer_lengths(x, given["lengths"])
    dtype = promoted(x, w_input)
    h, c = (Spec(shapes[name], dtype) for name in "hc")
    return Spec((*x.shape[:2], size), dtype), h, c


def _space(y: Spec, size: int) -> Spec:
    return Spec((*y.shape[:2], size), y.dtype)


def _infer_lstm(*specs: Spec, reverse: bool, optional: Names = LENGTHS_ALONE) -> tuple[Spec, ...]:
    y, h, c = _check(specs, 4, 4, optional)
    return y, h, c, _space(y, 5 * c.shape[1])


def _infer_gru(
    *specs: Spec, reverse: bool, reset_after: bool = True, optional: Names = LENGTHS_ALONE
) -> tuple[Spec, ...]:
    y, h, _ = _check(specs, 3, 4 if reset_after else 3, optional)
    return y, h, _space(y, 4 * h.shape[1])


def _infer_rnn(
    *specs: Spec, activation: str, reverse: bool, optional: Names = LENGTHS_ALONE
) -> tuple[Spec, ...]:
    y, h, _ = _check(specs, 1, 1, optional)
    return y, h, y


def _infer_grad(
    *specs: Spec, given: str, optional: Names = LENGTHS_ALONE, **attrs: Any
) -> tuple[Spec, ...]:
    x, _, w_input, w_hidden, bias, _, *rest = specs[len(given) :]
    behind = [s for name, s in zip(optional, rest, strict=False) if name != "lengths"]
    return x, w_input, w_hidden, bias, *behind


def _time(x: Spec, *rest: Any, optional: Names = LENGTHS_ALONE, **attrs: Any) -> int | None:
    return int(x.shape[1]) if "lengths" in optional else None


_LENGTHS = Range(4, check_lengths, _time)

for _forward, _backward, _infer in (
    (kernels.lstm, kernels.lstm_grad, _infer_lstm),
    (kernels.gru, kernels.gru_grad, _infer_gru),
    (kernels.rnn, kernels.rnn_grad, _infer_rnn),
):
    register(
        _forward.__name__,
        infer=_infer,
        reference=_forward,
        lower=lower_recurrent,
        loses_nan=True,
        ranges=(_LENGTHS,),
    )
    register(
        _backward.__name__,
        infer=_infer_grad,
        reference=_backward,
        lower=lower_recurrent_grad,
        loses_nan=True,
        gradient=True,
    )
