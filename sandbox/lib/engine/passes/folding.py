"""Batch normalisation becomes part of the weights in front of it, where statistics are given.

gamma · (w * x + b - mean) / sqrt(variance + epsilon) + beta is the same layer with other weights;
they depend on parameters and buffers alone, so they are made once per version of these.
"""

from __future__ import annotations

from ..links import Links
from ..oplist import Op, OpList, Spec

_LAYERS = ("conv2d", "conv3d", "linear")  # whose weights' axis 0 is the outputs' axis 1


def fold_batch_norm(oplist: OpList) -> None:
    """Fold the statistics into the weights of the layer that alone is normalised, in inference."""
    if oplist.gradients or oplist.updates:
        return
    links = Links(oplist)
    fixed = {value for _, value in (*oplist.parameters, *oplist.buffers, *oplist.constants)}
    ops: list[Op] = []
    places: dict[int, int] = {}  # of the layers, by the value they make
    for op in oplist.ops:
        if op.name in _LAYERS and fixed.issuperset(op.inputs[1:]):
            places[op.outputs[0]] = len(ops)
        place = places.get(op.inputs[0]) if op.name == "batch_norm_inference" else None
        if (
            place is None
            or links.only_reader(op.inputs[0]) is None
            or not fixed.issuperset(op.inputs[1:])
            or any(oplist.values[value].dtype != "float32" for value in op.inputs)
        ):
            ops.append(op)
            continue
        layer = ops[place]
        x, w, *bias = layer.inputs
        folded = oplist.new_value(oplist.values[w])
        shift = oplist.new_value(Spec(oplist.values[op.inputs[1]].shape))
        given = (w, *op.inputs[1:], *bias)
        ops[place] = Op(layer.name, (x, folded, shift), op.outputs, layer.attrs, layer.path)
        ops.insert(place, Op("fold_batch_norm", given, (folded, shift), dict(op.attrs), op.path))
        places = {value: at + (at >= place) for value, at in places.items()}
    oplist.ops = ops
