"""The rest of oneDNN's C API the engine calls: recurrent layers and layer normalisation.

Recurrent kernels all call themselves `ref`: they are loops around the library's matrix products,
so here that name does not mean slow.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from . import dnnl

_CDEF = """
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
int dnnl_vanilla_rnn_forward_primitive_desc_create(pd_t *, engine_t, int prop, int activation,
    int direction, md_t src_layer, md_t src_iter, md_t weights_layer, md_t weights_iter,
    md_t bias, md_t dst_layer, md_t dst_iter, unsigned flags, float alpha, float beta, attr_t);
int dnnl_vanilla_rnn_backward_primitive_desc_create(pd_t *, engine_t, int prop, int activation,
    int direction, md_t src_layer, md_t src_iter, md_t weights_layer, md_t weights_iter,
    md_t bias, md_t dst_layer, md_t dst_iter, md_t diff_src_layer, md_t diff_src_iter,
    md_t diff_weights_layer, md_t diff_weights_iter, md_t diff_bias, md_t diff_dst_layer,
    md_t diff_dst_iter, unsigned flags, float alpha, float beta, pd_t hint, attr_t);
int dnnl_layer_normalization_forward_primitive_desc_create(pd_t *, engine_t, int prop, md_t src,
    md_t dst, md_t statistics, float epsilon, unsigned flags, attr_t);
int dnnl_layer_normalization_backward_primitive_desc_create(pd_t *, engine_t, int prop,
    md_t diff_src, md_t diff_dst, md_t src, md_t statistics, float epsilon, unsigned flags,
    pd_t hint, attr_t);
"""
_TRAINING, _INFERENCE, _BACKWARD = 64, 96, 128
_FORWARDS, _BACKWARDS = 1, 2  # directions: left to right, right to left
_OVERWRITE = 1  # gradients of weights are written, not added to
_SCALE_AND_SHIFT = 2 | 4

# Arguments of recurrent primitives; the others are those of `dnnl`.
SRC_LAYER, DST_LAYER, WEIGHTS_LAYER, WEIGHTS_ITER, BIAS = 1, 17, 33, 34, 41
SRC_ITER, SRC_ITER_C, DST_ITER, DST_ITER_C = 2, 3, 18, 19
DIFF_SRC_LAYER, DIFF_DST_LAYER, DIFF_DST_ITER, DIFF_DST_ITER_C = 129, 145, 146, 147
DIFF_WEIGHTS_LAYER, DIFF_WEIGHTS_ITER, DIFF_BIAS = 161, 162, 169
DIFF = 128  # from an argument to that of its gradient

Layouts = Mapping[int, dnnl.Wanted]
_declared = False


def _native() -> Any:
    global _declared
    n = dnnl.native()
    if not _declared:
        with dnnl._lock:
            if not _declared:
                n.ffi.cdef(_CDEF)
                _declared = True
    return n


@dataclass(frozen=True)
class Cell:
    """What a recurrent layer computes at each step: "lstm", "gru" or "rnn"; and its direction."""

    kind: str
    reverse: bool = False
    activation: str = "tanh"

    @property
    def gates(self) -> int:
        """Number of gates."""
        return {"lstm": 4, "gru": 3, "rnn": 1}[self.kind]

    @property
    def biases(self) -> int:
        """Number of biases per hidden unit."""
        return 1 if self.kind == "rnn" else 4

    def _head(self) -> list[int]:
        activation = [dnnl.ELTWISE[self.activation]] if self.kind == "rnn" else []
        return [*activation, _BACKWARDS if self.reverse else _FORWARDS]

    def _tail(self) -> list[float]:
        return [0.0, 0.0] if self.kind == "rnn" else []

    def function(self, way: str) -> Any:
        """Return the C function: way is "forward" or "backward"."""
        name = {"lstm": "lstm", "gru": "lbr_gru", "rnn": "vanilla_rnn"}[self.kind]
        return getattr(_native().lib, f"dnnl_{name}_{way}_primitive_desc_create")

    def descriptors(self, layouts: Layouts, arguments: tuple[int | None, ...]) -> list[Any]:
        """Return the C descriptors; NULL for an argument there is no layout for."""
        null = _native().ffi.NULL
        found = [layouts.get(argument) for argument in arguments if argument is not None]
        return [null if item is None else item.md for item in found]


def _order(cell: Cell, backward: bool) -> tuple[int, ...]:
    """Return the arguments in the order of the C functions; 0 stands for one never given."""
    lstm = cell.kind == "lstm"
    first = (SRC_LAYER, SRC_ITER, *((SRC_ITER_C,) if lstm else ()), WEIGHTS_LAYER, WEIGHTS_ITER)
    first = (*first, *((0, 0) if lstm else ()), BIAS, DST_LAYER, DST_ITER)
    first = (*first, *((DST_ITER_C,) if lstm else ()))
    if not backward:
        return first
    second = (DIFF_SRC_LAYER, DIFF + SRC_ITER, *((DIFF + SRC_ITER_C,) if lstm else ()))
    second = (*second, DIFF_WEIGHTS_LAYER, DIFF_WEIGHTS_ITER)
    second = (*second, *((0, 0) if lstm else ()), DIFF_BIAS, DIFF_DST_LAYER, DIFF_DST_ITER)
    return (*first, *second, *((DIFF_DST_ITER_C,) if lstm else ()))


def recurrent(cell: Cell, layouts: Layouts, *, training: bool) -> dnnl.Primitive:
    """Recurrent layer forward; training keeps a workspace for the gradient."""
    n = _native()
    order = _order(cell, False)

    def create(pd: Any, attributes: Any) -> int:
        prop = _TRAINING if training else _INFERENCE
        middle = cell.descriptors(layouts, order)
        return int(
            cell.function("forward")(
                pd, n.engine, prop, *cell._head(), *middle, 0, *cell._tail(), attributes
            )
        )

    items = [layouts.get(argument) for argument in order]
    return dnnl._make("recurrent", items, (cell, training), create, allow_reference=True)


def recurrent_grad(cell: Cell, layouts: Layouts, forward: dnnl.Primitive) -> dnnl.Primitive:
    """Gradients of a recurrent layer; `forward` is the training primitive."""
    n = _native()
    order = _order(cell, True)

    def create(pd: Any, attributes: Any) -> int:
        middle = cell.descriptors(layouts, order)
        return int(
            cell.function("backward")(
                pd,
                n.engine,
                _BACKWARD,
                *cell._head(),
                *middle,
                _OVERWRITE,
                *cell._tail(),
                forward._pd,
                attributes,
            )
        )

    items = [layouts.get(argument) for argument in order]
    extra = (cell, forward.key)
    return dnnl._make("recurrent_grad", items, extra, create, allow_reference=True)


def layer_norm(src: dnnl.Layout, epsilon: float, *, training: bool) -> dnnl.Primitive:
    """Normalise over the last axis, with scale and shift; training gives the statistics."""
    n = _native()
    statistics = dnnl.plain(src.dims[:-1])

    def create(pd: Any, attributes: Any) -> int:
        prop = _TRAINING if training else _INFERENCE
        return int(
            n.lib.dnnl_layer_normalization_forward_primitive_desc_create(
                pd,
                n.engine,
                prop,
                src.md,
                src.md,
                statistics.md,
                epsilon,
                _SCALE_AND_SHIFT,
                attributes,
            )
        )

    return dnnl._make("layer_norm", (src,), (epsilon, training), create)


def layer_norm_grad(src: dnnl.Layout, epsilon: float, forward: dnnl.Primitive) -> dnnl.Primitive:
    """Gradients of a layer normalisation by its input, scale and shift."""
    n = _native()
    statistics = dnnl.plain(src.dims[:-1])

    def create(pd: Any, attributes: Any) -> int:
        return int(
            n.lib.dnnl_layer_normalization_backward_primitive_desc_create(
                pd,
                n.engine,
                _BACKWARD,
                src.md,
                src.md,
                src.md,
                statistics.md,
                epsilon,
                _SCALE_AND_SHIFT,
                forward._pd,
                attributes,
            )
        )

    return dnnl._make("layer_norm_grad", (src,), (epsilon, forward.key), create)
