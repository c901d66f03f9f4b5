"""Transposed convolutions as what they are: gradients of a convolution, run forward."""

from __future__ import annotations

from dataclasses import replace

from ..oplist import Op, OpList


def turn_transposed(oplist: OpList) -> None:
    """Write transposed convolutions as what they are: gradients of a convolution, run forward."""
    ops: list[Op] = []
    for op in oplist.ops:
        attrs = {key: value for key, value in op.attrs.items() if key != "output_padding"}
        if op.name == "conv_transpose2d_grad_input":
            ops.append(Op("conv2d", op.inputs, op.outputs, attrs, op.path))
        elif op.name == "conv_transpose2d_grad_weight":
            x, dy = op.inputs
            attrs["with_bias"] = False
            ops.append(Op("conv2d_grad_weight", (dy, x), op.outputs[:1], attrs, op.path))
            for bias in op.outputs[1:]:
                total = {"axes": (0, 2, 3), "keepdims": False}
                ops.append(Op("sum", (dy,), (bias,), total, op.path))
        elif op.name == "conv_transpose2d":
            x, w, *biases = op.inputs
            spec = oplist.values[op.outputs[0]]
            attrs["input_shape"] = spec.shape
            spread = oplist.new_value(spec) if biases else op.outputs[0]
            ops.append(Op("conv2d_grad_input", (x, w), (spread,), attrs, op.path))
            for bias in biases:
                wide = (1, spec.shape[1], 1, 1)
                row = oplist.new_value(replace(spec, shape=wide))
                ops.append(Op("reshape", (bias,), (row,), {"shape": wide}, op.path))
                ops.append(Op("add", (spread, row), op.outputs, {}, op.path))
        else:
            ops.append(op)
    oplist.ops = ops
