"""Recurrent layers: LSTM, GRU and RNN.

Recurrent kernels all call themselves `ref`: they are loops around the library's matrix products,
so here that name does not mean slow.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .layout import Wanted
from .operations import BACKWARD, ELTWISE, way
from .primitive import ENGINE, Primitive, make

_FORWARDS, _BACKWARDS = 1, 2  # directions: left to right, right to left
_OVERWRITE = 1  # gradients of weights are written, not added to

# Arguments of recurrent primitives; the others are those of `primitive`.
SRC_LAYER, DST_LAYER, WEIGHTS_LAYER, WEIGHTS_ITER, BIAS = 1, 17, 33, 34, 41
WEIGHTS_PEEPHOLE, WEIGHTS_PROJECTION = 35, 36
SRC_ITER, SRC_ITER_C, DST_ITER, DST_ITER_C = 2, 3, 18, 19
DIFF = 128  # from an argument to that of its gradient
DIFF_SRC_LAYER, DIFF_DST_LAYER = DIFF + SRC_LAYER, DIFF + DST_LAYER
DIFF_WEIGHTS_LAYER, DIFF_WEIGHTS_ITER = DIFF + WEIGHTS_LAYER, DIFF + WEIGHTS_ITER
DIFF_BIAS = DIFF + BIAS

Layouts = Mapping[int, Wanted]


@dataclass(frozen=True)
class Cell:
    """What a recurrent layer computes at each step: "lstm", "gru" or "rnn"; and its direction."""

    kind: str
    reverse: bool = False
    activation: str = "tanh"
    reset_after: bool = True

    @property
    def gates(self) -> int:
        """Number of gates."""
        return {"lstm": 4, "gru": 3, "rnn": 1}[self.kind]

    @property
    def biases(self) -> int:
        """Number of biases per hidden unit."""
        return self.gates + (self.kind == "gru" and self.reset_after)

    @property
    def function(self) -> str:
        """Name of the C function, without what all names have."""
        if self.kind == "gru":
            return "lbr_gru" if self.reset_after else "gru"
        return {"lstm": "lstm", "rnn": "vanilla_rnn"}[self.kind]

    def arguments(self, layouts: Layouts, order: tuple[int, ...], flags: int) -> list[Any]:
        """Return what the C function takes between the propagation and the hint."""
        simple = self.kind == "rnn"
        head = [ELTWISE[self.activation]] if simple else []
        head.append(_BACKWARDS if self.reverse else _FORWARDS)
        tail = [0.0, 0.0] if simple else []
        return [*head, *(layouts.get(argument) for argument in order), flags, *tail]


def _order(cell: Cell, backward: bool) -> tuple[int, ...]:
    """Return the arguments in the order of the C functions."""
    lstm = cell.kind == "lstm"
    read = (SRC_LAYER, SRC_ITER, *((SRC_ITER_C,) if lstm else ()), WEIGHTS_LAYER, WEIGHTS_ITER)
    read = (*read, *((WEIGHTS_PEEPHOLE, WEIGHTS_PROJECTION) if lstm else ()), BIAS)
    both = (*read, DST_LAYER, DST_ITER, *((DST_ITER_C,) if lstm else ()))
    return both + tuple(DIFF + argument for argument in both) if backward else both


def recurrent(cell: Cell, layouts: Layouts, *, training: bool) -> Primitive:
    """Recurrent layer forward; training keeps a workspace for the gradient."""
    return make(
        "recurrent",
        f"{cell.function}_forward",
        *(ENGINE, way(training), *cell.arguments(layouts, _order(cell, False), 0)),
        allow_reference=True,
    )


def recurrent_grad(cell: Cell, layouts: Layouts, forward: Primitive) -> Primitive:
    """Gradients of a recurrent layer; `forward` is the training primitive."""
    return make(
        "recurrent_grad",
        f"{cell.function}_backward",
        *(ENGINE, BACKWARD, *cell.arguments(layouts, _order(cell, True), _OVERWRITE), forward),
        allow_reference=True,
    )


# The C functions of these cells; what they share is in `declarations.py`.
CDEF = """
int dnnl_lstm_forward_primitive_desc_create(pd_t *, engine_t, int prop, int direction,
    md_t src_layer, md_t src_iter, md_t src_iter_c, md_t weights_layer, md_t weights_iter,
    md_t peephole, md_t projection, md_t bias, md_t dst_layer, md_t dst_iter, md_t dst_iter_c,
    unsigned flags, attr_t);
int dnnl_lstm_backward_primitive_desc_create(pd_t *, engine_t, int prop, int direction,
    md_t src_layer, md_t src_iter, md_t src_iter_c, md_t weights_layer, md_t weights_iter,
    md_t peephole, md_t projection, md_t bias, md_t dst_layer, md_t dst_iter, md_t dst_iter_c,
    md_t diff_src_layer, md_t diff_src_iter, md_t diff_src_iter_c, md_t diff_weights_layer,
    md_t diff_weights_iter, md_t diff_peephole, md_t diff_projection, md_t diff_bias,
    md_t diff_dst_layer, md_t diff_dst_iter, md_t diff_dst_iter_c, unsigned flags, pd_t hint,
    attr_t);
int dnnl_lbr_gru_forward_primitive_desc_create(pd_t *, engine_t, int prop, int direction,
    md_t src_layer, md_t src_iter, md_t weights_layer, md_t weights_iter, md_t bias,
    md_t dst_layer, md_t dst_iter, unsigned flags, attr_t);
int dnnl_lbr_gru_backward_primitive_desc_create(pd_t *, engine_t, int prop, int direction,
    md_t src_layer, md_t src_iter, md_t weights_layer, md_t weights_iter, md_t bias,
    md_t dst_layer, md_t dst_iter, md_t diff_src_layer, md_t diff_src_iter,
    md_t diff_weights_layer, md_t diff_weights_iter, md_t diff_bias, md_t diff_dst_layer,
    md_t diff_dst_iter, unsigned flags, pd_t hint, attr_t);
int dnnl_gru_forward_primitive_desc_create(pd_t *, engine_t, int prop, int direction,
    md_t src_layer, md_t src_iter, md_t weights_layer, md_t weights_iter, md_t bias,
    md_t dst_layer, md_t dst_iter, unsigned flags, attr_t);
int dnnl_gru_backward_primitive_desc_create(pd_t *, engine_t, int prop, int direction,
    md_t src_layer, md_t src_iter, md_t weights_layer, md_t weights_iter, md_t bias,
    md_t dst_layer, md_t dst_iter, md_t diff_src_layer, md_t diff_src_iter,
    md_t diff_weights_layer, md_t diff_weights_iter, md_t diff_bias, md_t diff_dst_layer,
    md_t diff_dst_iter, unsigned flags, pd_t hint, attr_t);
int dnnl_vanilla_rnn_forward_primitive_desc_create(pd_t *, engine_t, int prop, int activation,
    int direction, md_t src_layer, md_t src_iter, md_t weights_layer, md_t weights_iter,
    md_t bias, md_t dst_layer, md_t dst_iter, unsigned flags, float alpha, float beta, attr_t);
int dnnl_vanilla_rnn_backward_primitive_desc_create(pd_t *, engine_t, int prop, int activation,
    int direction, md_t src_layer, md_t src_iter, md_t weights_layer, md_t weights_iter,
    md_t bias, md_t dst_layer, md_t dst_iter, md_t diff_src_layer, md_t diff_src_iter,
    md_t diff_weights_layer, md_t diff_weights_iter, md_t diff_bias, md_t diff_dst_layer,
    md_t diff_dst_iter, unsigned flags, float alpha, float beta, pd_t hint, attr_t);
"""
