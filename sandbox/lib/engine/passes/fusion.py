"""Fewer passes over memory: an operation becomes part of the kernel in front of it.

Which kernel takes on what is said by the records: `post_ops` of the one in front names it. To add a
fusion, add the name there. One whose gradient reads its input is taken on in inference alone, since
then nobody else reads what is in front.
"""

from __future__ import annotations

from collections.abc import Iterator

from .. import dnnl
from ..links import Links, remove_dead
from ..oplist import Op, OpList, Spec
from ..ops import find
from ..ops.common import DEFAULTS

_MAXIMA = ("max_pool2d", "max_pool3d")
_SPREADS = tuple(f"{name}_grad" for name in _MAXIMA)


def apply_before_reshape(oplist: OpList) -> None:
    """Apply what can be taken on before the reshape in front of it, next to who takes it on.

    A sum's other operand is reshaped the other way.
    """
    links = Links(oplist)
    is_inference = not (oplist.gradients or oplist.updates)
    makers: dict[int, Op] = {}
    ops: list[Op] = []
    for op in oplist.ops:
        sums = op.inputs if is_inference else ()
        candidates = sums if _combines(op) else op.inputs[:1]
        found = (v for v in candidates if _is_behind_view(oplist, links, makers, op, v))
        value = next(found, None)
        if value is None:
            made = [op]
        else:
            turn = makers[value]
            spec = oplist.values[turn.inputs[0]]
            made, inputs = [], []
            for item in op.inputs:
                given = turn.inputs[0] if item == value else item
                if item != value:
                    given = oplist.new_value(spec)
                    back = {"shape": spec.shape}
                    made.append(Op("reshape", (item,), (given,), back, op.path))
                inputs.append(given)
            between = oplist.new_value(spec)
            made.append(Op(op.name, tuple(inputs), (between,), op.attrs, op.path))
            made.append(Op(turn.name, (between,), op.outputs, turn.attrs, turn.path))
        ops += made
        makers |= {output: item for item in made for output in item.outputs}
    oplist.ops = ops
    remove_dead(oplist)  # views that nobody reads any more


def _is_behind_view(
    oplist: OpList, links: Links, makers: dict[int, Op], op: Op, value: int
) -> bool:
    """Return whether a value alone read here is a view of what may apply the operation."""
    turn = makers.get(value)
    if turn is None or not find(turn.name).view or links.only_reader(value) is not op:
        return False
    source = turn.inputs[0]
    producer = makers.get(source)
    alone = source not in links.kept and len(links.readers(source)) <= 1  # none: made here
    equal = all(oplist.values[item] == oplist.values[value] for item in op.inputs)
    return producer is not None and alone and equal and _takes_on(producer, op)


def _takes_on(producer: Op, op: Op) -> bool:
    """Return whether one may apply the other, and nothing else must be changed with it."""
    record = find(producer.name)
    return op.name in record.post_ops and not record.keeps


def _post_op(op: Op) -> tuple[str, float, float]:
    """Return an operation as its name and two constants."""
    attrs = {**DEFAULTS, **op.attrs}
    constants = [float(attrs[key]) for key in find(op.name).constants or ()]
    alpha, beta = (*constants, 0.0, 0.0)[:2]
    return op.name, alpha, beta


def _combines(op: Op) -> bool:
    """Return whether an operation combines two values, so that one stays an operand."""
    return find(op.name).constants is None


def _fusable(oplist: OpList, links: Links) -> Iterator[tuple[Op, Op]]:
    """Yield operations that may apply another, each with it: it alone reads the result."""
    for op in oplist.ops:
        value = op.inputs[0] if op.inputs else -1
        producer = links.maker.get(value)
        if (
            producer is not None
            and producer.outputs[0] == value
            and op.name in find(producer.name).post_ops
            and links.only_reader(value) is op
            and oplist.values[value].dtype == "float32"
        ):
            yield producer, op


def fuse(oplist: OpList) -> None:
    """Let a convolution, linear layer or addition apply what alone reads it, one behind another.

    The sum of two branches is taken on by the one that comes last, in the place of the sum: there
    the other is at hand. While training, sums stay: gradients come in between.
    """
    links = Links(oplist)
    is_inference = not (oplist.gradients or oplist.updates)
    maker: dict[int, tuple[int, Op]] = {}
    ops: list[Op | None] = []
    for op in oplist.ops:
        found = [
            maker[value]
            for value in (op.inputs if _combines(op) else op.inputs[:1])
            if value in maker and _may_take(oplist, links, maker[value][1], op, value)
        ]
        if found and (is_inference or not (_combines(op) or found[0][1].attrs.get("post_ops"))):
            place, producer = max(found, key=lambda item: item[0])
            others = tuple(value for value in op.inputs if value not in producer.outputs)
            done = producer.attrs.get("post_ops", ())
            attrs = producer.attrs | {"post_ops": (*done, _post_op(op))}
            inputs = (*producer.inputs, *others)
            made = Op(producer.name, inputs, op.outputs, attrs, producer.path)
            ops[place] = None
            if _combines(op):
                place = len(ops)
                ops.append(made)
            else:
                ops[place] = made
        else:
            place, made = len(ops), op
            ops.append(op)
        maker |= dict.fromkeys(made.outputs, (place, made))
    oplist.ops = [op for op in ops if op is not None]


def _may_take(oplist: OpList, links: Links, producer: Op, op: Op, value: int) -> bool:
    """Return whether the maker of a value may apply an operation that alone reads it."""
    specs = [oplist.values[item] for item in (*op.inputs, *op.outputs)]
    if find(producer.name).spreads and len({len(spec.shape) for spec in specs}) == 1:
        specs = [oplist.values[value], *(oplist.values[item] for item in op.outputs)]
    return (
        _takes_on(producer, op)
        and producer.outputs[0] == value
        and len(producer.attrs.get("post_ops", ())) < dnnl.MOST_POST_OPS
        and links.only_reader(value) is op
        and all(spec == specs[0] for spec in specs)
        and specs[0].dtype == "float32"
    )


def move_relu_grad_behind_pooling(oplist: OpList) -> None:
    """Mask a max pooling's gradient by the pooled output, before it is spread out.

    The maximum of a window is positive exactly if the element it came from is, so the values stay
    the same and the mask works on the smaller map.
    """
    links = Links(oplist)
    pools = {op.outputs[1]: op for op in oplist.ops if op.name in _MAXIMA}
    changed: list[Op] = []
    skip: set[int] = set()
    for op in oplist.ops:
        spread = links.maker.get(op.inputs[0]) if op.name == "relu_grad" else None
        if spread is None or spread.name not in _SPREADS:
            continue
        pool = pools.get(spread.inputs[1])
        single = links.only_reader(op.inputs[0]) is not None
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
    links = Links(oplist)
    gone: set[int] = set()
    for norm, op in _fusable(oplist, links):
        if op.name != "relu" or not find(norm.name).keeps:
            continue
        grads = [use for use in links.readers(norm.outputs[1]) if use.name == "batch_norm_grad"]
        masks = [use for use in links.readers(op.outputs[0]) if use.name == "relu_grad"]
        if len(grads) != 1 or len(masks) != 1:
            continue
        grad, mask = grads[0], masks[0]
        if mask.outputs[0] != grad.inputs[0] or len(links.readers(mask.outputs[0])) > 1:
            continue
        if (
            mask.inputs[1] != op.outputs[0]
            or mask.outputs[0] in links.kept
            or len(grad.inputs) != 5
        ):
            continue
        workspace = oplist.new_value(Spec(oplist.values[op.outputs[0]].shape, "int32"))
        norm.attrs["post_ops"] = (_post_op(op),)
        norm.outputs = (op.outputs[0], *norm.outputs[1:], workspace)
        grad.inputs = (mask.inputs[0], *grad.inputs[1:], workspace)
        gone |= {id(op), id(mask)}
    oplist.ops = [op for op in oplist.ops if id(op) not in gone]
