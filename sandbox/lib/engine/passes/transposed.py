"""Transposed convolutions as what they are: gradients of a convolution, run forward."""

from __future__ import annotations

from dataclasses import replace

from ..oplist import Op, OpList


def turn_transposed(oplist: OpList) -> None:
    """Write transposed convolutions as what they are: gradients of a convolution, run forward."""
    ops: list[Op] = []
    for op in oplist.ops:
        if not op.name.startswith("conv_transpose"):
            ops.append(op)
            continue
        attrs = {key: value for key, value in op.attrs.items() if key != "output_padding"}
        name = op.name.replace(
            "_transpose", ""
        )  # of the convolution: conv2d, conv2d_grad_input ...
        if name.endswith("_grad_input"):
            forward = name.removesuffix("_grad_input")
            ops.append(Op(forward, op.inputs, op.outputs, attrs, op.path))
        elif name.endswith("_grad_weight"):
            x, dy = op.inputs
            attrs["with_bias"] = False
            ops.append(Op(name, (dy, x), op.outputs[:1], attrs, op.path))
            for bias in op.outputs[1:]:
                axes = (0, *range(2, len(oplist.values[dy].shape)))
                ops.append(Op("sum", (dy,), (bias,), {"axes": axes, "keepdims": False}, op.path))
        else:
            x, w, *biases = op.inputs
            spec = oplist.values[op.outputs[0]]
            attrs["input_shape"] = spec.shape
            spread = oplist.new_value(spec) if biases else op.outputs[0]
            ops.append(Op(f"{name}_grad_input", (x, w), (spread,), attrs, op.path))
            for bias in biases:
                wide = (1, spec.shape[1], *(1,) * (len(spec.shape) - 2))
                row = oplist.new_value(replace(spec, shape=wide))
                ops.append(Op("reshape", (bias,), (row,), {"shape": wide}, op.path))
                ops.append(Op("add", (spread, row), op.outputs, {}, op.path))
    oplist.ops = ops
