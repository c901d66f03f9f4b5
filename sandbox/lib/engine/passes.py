"""Rewrite a list of operations before it is lowered: fewer passes over memory, the same values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from .oplist import Op, OpList, Spec

_FUSING = ("conv2d", "linear", "add")
_NORMS = ("batch_norm", "batch_norm_inference")


def optimise(oplist: OpList) -> OpList:
    """Return a rewritten copy; the caller's list stays as it is."""
    result = replace(
        oplist,
        values=list(oplist.values),
        ops=[replace(op, attrs=dict(op.attrs)) for op in oplist.ops],
    )
    remove_dead(result)
    turn_transposed(result)
    relu_before_reshape(result)
    fuse_relu(result)
    fuse_batch_norm_relu(result)  # its gradient masks by itself, so before the next one
    move_relu_grad_behind_pooling(result)
    remove_dead(result)
    return result


def _uses(oplist: OpList) -> dict[int, list[Op]]:
    uses: dict[int, list[Op]] = {}
    for op in oplist.ops:
        for value in op.inputs:
            uses.setdefault(value, []).append(op)
    return uses


def _kept(oplist: OpList) -> set[int]:
    return {
        value for pairs in (oplist.outputs, oplist.gradients, oplist.updates) for _, value in pairs
    }


def remove_dead(oplist: OpList) -> None:
    """Drop the operations whose results nobody reads."""
    needed = _kept(oplist)
    alive: list[Op] = []
    for op in reversed(oplist.ops):
        if needed.intersection(op.outputs):
            needed.update(op.inputs)
            alive.append(op)
    oplist.ops = alive[::-1]


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


def relu_before_reshape(oplist: OpList) -> None:
    """Apply a ReLU before the reshape in front of it, next to the operation it can be part of."""
    uses, kept = _uses(oplist), _kept(oplist)
    places = {value: place for place, op in enumerate(oplist.ops) for value in op.outputs}
    for place, op in enumerate(oplist.ops):
        if op.name != "relu" or op.inputs[0] not in places:
            continue
        before = places[op.inputs[0]]
        turn = oplist.ops[before]
        source = turn.inputs[0] if turn.name == "reshape" else -1
        if source not in places or oplist.ops[places[source]].name not in _FUSING:
            continue
        if any(len(uses[value]) > 1 or value in kept for value in (source, op.inputs[0])):
            continue
        between = oplist.new_value(oplist.values[source])
        oplist.ops[before] = Op("relu", (source,), (between,), op.attrs, op.path)
        oplist.ops[place] = Op("reshape", (between,), op.outputs, turn.attrs, turn.path)
        places[between], places[op.outputs[0]] = before, place


def _fusable(oplist: OpList, names: tuple[str, ...]) -> Iterator[tuple[Op, Op]]:
    """Yield operations of these names, each with the ReLU that alone reads its first result."""
    uses, kept = _uses(oplist), _kept(oplist)
    producers = {op.outputs[0]: op for op in oplist.ops if op.name in names}
    for op in oplist.ops:
        value = op.inputs[0] if op.inputs else -1
        producer = producers.get(value)
        if (
            op.name == "relu"
            and producer is not None
            and not producer.attrs.get("activation")
            and len(uses[value]) == 1
            and value not in kept
            and oplist.values[value].dtype == "float32"
        ):
            yield producer, op


def fuse_relu(oplist: OpList) -> None:
    """Let a convolution, linear layer or addition apply the ReLU that alone reads it."""
    gone: set[int] = set()
    for producer, op in _fusable(oplist, _FUSING):
        producer.attrs["activation"] = "relu"
        producer.outputs = op.outputs
        gone.add(id(op))
    oplist.ops = [op for op in oplist.ops if id(op) not in gone]


def move_relu_grad_behind_pooling(oplist: OpList) -> None:
    """Mask a max pooling's gradient by the pooled output, before it is spread out.

    The maximum of a window is positive exactly if the element it came from is, so the values stay
    the same and the mask works on the smaller map.
    """
    uses, kept = _uses(oplist), _kept(oplist)
    producers = {value: op for op in oplist.ops for value in op.outputs}
    pools = {op.outputs[1]: op for op in oplist.ops if op.name == "max_pool2d"}
    changed: list[Op] = []
    skip: set[int] = set()
    for op in oplist.ops:
        spread = producers.get(op.inputs[0]) if op.name == "relu_grad" else None
        if spread is None or spread.name != "max_pool2d_grad":
            continue
        pool = pools.get(spread.inputs[1])
        single = len(uses[op.inputs[0]]) == 1 and op.inputs[0] not in kept
        if pool is None or pool.inputs[0] != op.inputs[1] or not single:
            continue
        dy, workspace = spread.inputs
        masked = oplist.new_value(oplist.values[dy])
        changed.append(Op("relu_grad", (dy, pool.outputs[0]), (masked,), {}, op.path))
        spread.inputs, spread.outputs = (masked, workspace), op.outputs
        skip.add(id(op))
        skip.add(id(spread))
        changed.append(spread)
    if not changed:
        return
    moved = {id(changed[i + 1]): changed[i] for i in range(0, len(changed), 2)}
    ops: list[Op] = []
    for op in oplist.ops:
        if id(op) in moved:
            ops += [moved[id(op)], op]
        elif id(op) not in skip:
            ops.append(op)
    oplist.ops = ops


def fuse_batch_norm_relu(oplist: OpList) -> None:
    """Let batch normalisation apply the ReLU behind it and keep the mask as its workspace."""
    uses, kept = _uses(oplist), _kept(oplist)
    gone: set[int] = set()
    for norm, op in _fusable(oplist, _NORMS):
        if norm.name == "batch_norm_inference":
            norm.attrs["activation"] = "relu"
            norm.outputs = op.outputs
            gone.add(id(op))
            continue
        grads = [use for use in uses.get(norm.outputs[1], []) if use.name == "batch_norm_grad"]
        masks = [use for use in uses.get(op.outputs[0], []) if use.name == "relu_grad"]
        if len(grads) != 1 or len(masks) != 1:
            continue
        grad, mask = grads[0], masks[0]
        if mask.outputs[0] != grad.inputs[0] or len(uses[mask.outputs[0]]) > 1:
            continue
        if mask.inputs[1] != op.outputs[0] or mask.outputs[0] in kept or len(grad.inputs) != 5:
            continue
        workspace = oplist.new_value(Spec(oplist.values[op.outputs[0]].shape, "int32"))
        norm.attrs["activation"] = "relu"
        norm.outputs = (op.outputs[0], *norm.outputs[1:], workspace)
        grad.inputs = (mask.inputs[0], *grad.inputs[1:], workspace)
        gone |= {id(op), id(mask)}
    oplist.ops = [op for op in oplist.ops if id(op) not in gone]


def batch_values(oplist: OpList) -> tuple[set[int], int]:
    """Return the values whose axis 0 counts samples, and the batch size.

    Sizes alone do not tell: a batch of 16 looks like 16 channels.
    """
    first = oplist.values[oplist.inputs[0][1]].shape if oplist.inputs else ()
    batch = first[0] if first else 1

    def has_batch(value: int) -> bool:
        shape = oplist.values[value].shape
        return bool(shape) and shape[0] == batch

    found = {value for _, value in oplist.inputs if has_batch(value)}
    for op in oplist.ops:
        if op.name.endswith("grad_weight") or not found.intersection(op.inputs):
            continue
        outputs = op.outputs[:1] if op.name in ("batch_norm", "batch_norm_grad") else op.outputs
        found.update(value for value in outputs if has_batch(value))
    return found, batch
