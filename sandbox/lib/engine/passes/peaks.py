"""Gradients that are mostly zeros: those through a maximum over time.

Of all positions of a convolution only those that won a maximum get a gradient. The gradients of
the convolution are then taken over these positions alone. The values stay the same.
"""

from __future__ import annotations

import os

from .. import mkl_sparse
from ..links import Links
from ..oplist import Op, OpList

LEAST = 16  # shorter maps go through the dense kernels, which are faster per element
VARIABLE = "SANDBOX_SPARSE"  # 0: dense gradients, to compare


def sparse_gradients(oplist: OpList) -> None:
    """Rewrite the gradients behind maxima over time."""
    if any(op.name == "max_with_index_grad" for op in oplist.ops):
        mask_before_spreading(oplist)
        if os.environ.get(VARIABLE, "1") != "0" and mkl_sparse.available():
            keep_to_the_winners(oplist)


def mask_before_spreading(oplist: OpList) -> None:
    """Apply a ReLU's gradient to the few maxima instead of to the whole map they are spread over.

    The maximum is positive exactly if the element it came from is.
    """
    links = Links(oplist)
    peaks = {op.outputs[1]: op for op in oplist.ops if op.name == "max_with_index"}
    before: dict[int, Op] = {}
    gone: set[int] = set()
    for op in oplist.ops:
        if op.name != "max_with_index_grad":
            continue
        end = links.last(op.outputs[0])
        peak = peaks.get(op.inputs[1])
        readers = links.readers(end) if end is not None else []
        if peak is None or len(readers) != 1 or readers[0].name != "relu_grad":
            continue
        mask = readers[0]
        if mask.inputs[0] != end or links.root(mask.inputs[1]) != links.root(peak.inputs[0]):
            continue
        masked = oplist.new_value(oplist.values[op.inputs[0]])
        before[id(op)] = Op("relu_grad", (op.inputs[0], peak.outputs[0]), (masked,), {}, mask.path)
        op.inputs = (masked, op.inputs[1])
        links.maker[end].outputs = mask.outputs
        gone.add(id(mask))
    ops: list[Op] = []
    for op in oplist.ops:
        if id(op) in before:
            ops.append(before[id(op)])
        if id(op) not in gone:
            ops.append(op)
    oplist.ops = ops


def keep_to_the_winners(oplist: OpList) -> None:
    """Take a convolution's gradients over the windows that won the maximum over its width."""
    links = Links(oplist)
    for op in oplist.ops:
        if op.name != "max_with_index_grad":
            continue
        end = links.last(op.outputs[0])
        shape = oplist.values[end].shape if end is not None else ()
        given = tuple(op.attrs["input_shape"])
        over_width = op.attrs["axis"] == len(given) - 1 and given[:2] == shape[:2]
        if end is None or len(shape) != 4 or not over_width or given[-1] != shape[3]:
            continue
        readers = links.readers(end)
        if shape[3] < LEAST or not all(_suits(oplist, reader, end) for reader in readers):
            continue
        for reader in readers:
            attrs = {**reader.attrs, "map_shape": shape}
            if reader.name == "conv2d_grad_weight":
                reader.inputs = (reader.inputs[0], *op.inputs)
            else:
                reader.inputs = (*op.inputs, reader.inputs[1])
            reader.name, reader.attrs = reader.name.replace("conv2d", "conv2d_peak"), attrs


def _suits(oplist: OpList, op: Op, value: int) -> bool:
    """Return whether the reader is a gradient of a convolution over one row of positions."""
    if op.name == "conv2d_grad_weight":
        place, x, w = 1, oplist.values[op.inputs[0]].shape, tuple(op.attrs["weight_shape"])
    elif op.name == "conv2d_grad_input":
        place, x, w = 0, tuple(op.attrs["input_shape"]), oplist.values[op.inputs[1]].shape
    else:
        return False
    flat = x[2] == w[2] == 1 and not any(op.attrs["padding"][0]) and op.attrs["groups"] == 1
    return flat and op.inputs[place] == value and op.inputs[1 - place] != value
