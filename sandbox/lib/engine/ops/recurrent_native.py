"""LSTM, GRU and RNN by oneDNN's recurrent kernels.

The library runs all rows to the full length. Rows of other lengths are made to fit: read forwards,
what comes behind the length is thrown away and gets no gradient; to be read backwards, each row is
turned round within its own length, read forwards, and turned back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import dnnl
from ..blueprint import Tensor, private
from ..dnnl import recurrent as rnn
from ..dnnl.recurrent import Cell
from ..oplist import Op
from ..steps import Array
from .common import seen
from .lengths import as_array, clear, copy_and_cut, cut, flat, pick, turn

if TYPE_CHECKING:
    from ..builder import Builder


@dataclass
class _Forward:
    """What a forward kernel leaves for its gradient, by the value of its workspace."""

    cell: Cell
    primitive: dnnl.Primitive
    x: Tensor
    y: Tensor
    states: dict[int, Tensor]


class _Shapes:
    """Sizes of a layer, and our arrays as the library names their axes."""

    def __init__(self, x: tuple[int, ...], size: int, cell: Cell) -> None:
        self.rows, self.time, self.features = x
        self.size, self.cell = size, cell

    def steps(self, features: int) -> dnnl.Layout:
        """Return how the library sees (rows, time, features): as (time, rows, features)."""
        dims = (self.time, self.rows, features)
        return dnnl.strided(dims, (features, self.time * features, 1))

    def wanted(self, features: int) -> dnnl.Layout:
        """Return the layout of steps the kernels are given; to take ours would run slower."""
        return dnnl.plain((self.time, self.rows, features))

    def weights(self, features: int) -> dnnl.Layout:
        """Return how it sees (gates · size, features): as (1, 1, features, gates, size)."""
        gates, size = self.cell.gates, self.size
        whole = gates * size * features
        return dnnl.strided(
            (1, 1, features, gates, size), (whole, whole, 1, size * features, features)
        )

    def bias(self) -> dnnl.Layout:
        """Return how it sees (biases · size,): as (1, 1, biases, size)."""
        return dnnl.plain((1, 1, self.cell.biases, self.size))

    def state(self) -> dnnl.Layout:
        """Return how it sees (rows, size): as (1, 1, rows, size)."""
        return dnnl.plain((1, 1, self.rows, self.size))


def _cell(op: Op, reverse: bool) -> Cell:
    return Cell(op.name.removesuffix("_grad"), reverse, op.attrs.get("activation", "tanh"))


def lower_recurrent(builder: Builder, op: Op) -> None:
    """Lower `lstm`, `gru`, `rnn`."""
    x, w_input, w_hidden, bias, *lengths = op.inputs
    _, h, *c, workspace = op.outputs
    if lengths and any(builder.is_used(value) for value in c):
        raise dnnl.RefusedError("lstm: the last cell of rows of other lengths is the reference's.")
    cell = _cell(op, op.attrs["reverse"] and not lengths)
    shapes = _Shapes(builder.shape(x), builder.shape(w_hidden)[1], cell)
    training = builder.is_used(workspace)
    if training and builder.wanted(dnnl.WORKSPACE, workspace):
        raise dnnl.RefusedError(f"{op.name}: its workspace cannot be handed out.")
    # One that is done again, for its gradient, leaves the states that a gradient arrives at.
    given = "".join(use.attrs["given"] for use in builder.consumers(workspace))
    states = not lengths and (
        any(builder.is_used(value) for value in (h, *c)) or bool({"h", "c"}.intersection(given))
    )
    layouts: dict[int, dnnl.Wanted] = {
        rnn.SRC_LAYER: shapes.wanted(shapes.features),
        rnn.WEIGHTS_LAYER: dnnl.any_layout(shapes.weights(shapes.features).dims),
        rnn.WEIGHTS_ITER: dnnl.any_layout(shapes.weights(shapes.size).dims),
        rnn.BIAS: shapes.bias(),
        rnn.DST_LAYER: shapes.wanted(shapes.size),
    }
    if states:
        layouts[rnn.DST_ITER] = shapes.state()
        if c:
            layouts[rnn.DST_ITER_C] = shapes.state()
    if training and cell.kind != "gru":
        # Without a first state the gradient of w_hidden reads what happens to lie there (3.2).
        for argument in _first_states(cell):
            layouts[argument] = shapes.state()
    primitive = rnn.recurrent(cell, layouts, training=training)
    turned = bool(lengths) and bool(op.attrs["reverse"])
    source = builder.plain(x)
    if turned:
        source = turn(builder, op, source, lengths[0], builder.shape(x))
    reads = {
        rnn.SRC_LAYER: builder.moved(
            seen(source, shapes.steps(shapes.features)), shapes.wanted(shapes.features)
        ),
        **_weights(builder, primitive, shapes, w_input, w_hidden, bias),
    }
    for argument in _first_states(cell):
        if argument in layouts:
            reads[argument] = _zeros(builder, op, shapes)
    result = private(shapes.wanted(shapes.size))
    writes = {rnn.DST_LAYER: result}
    for argument in (rnn.DST_ITER, rnn.DST_ITER_C):
        if argument in layouts:
            writes[argument] = private(shapes.state())
    if training:
        space = builder.define(workspace, primitive.needs(dnnl.WORKSPACE))
        held = {key: reads[key] for key in _first_states(cell) if key in reads}
        source = reads[rnn.SRC_LAYER]
        note = _Forward(cell, primitive, source, result, {**held, **writes})
        builder.notes["recurrent", workspace] = note
        builder.native(op, primitive, reads, {**writes, dnnl.WORKSPACE: space})
    else:
        builder.native(op, primitive, reads, writes)
    _deliver(builder, op, shapes, writes, turned)


def _first_states(cell: Cell) -> tuple[int, ...]:
    return (rnn.SRC_ITER, *((rnn.SRC_ITER_C,) if cell.kind == "lstm" else ()))


def _zeros(builder: Builder, op: Op, shapes: _Shapes) -> Tensor:
    """Return a state of zeros, written anew in each run."""
    made = private(shapes.state())

    def run(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
        writes[0].fill(0)

    builder.python(
        op, run, [], [Tensor(made.allocation, (shapes.rows, shapes.size), "float32", None)]
    )
    return made


def _weights(
    builder: Builder,
    primitive: dnnl.Primitive,
    shapes: _Shapes,
    w_input: int,
    w_hidden: int,
    bias: int,
) -> dict[int, Tensor]:
    found = {rnn.BIAS: seen(builder.plain(bias), shapes.bias())}
    for argument, value, features in (
        (rnn.WEIGHTS_LAYER, w_input, shapes.features),
        (rnn.WEIGHTS_ITER, w_hidden, shapes.size),
    ):
        wanted = primitive.needs(argument)
        key = "recurrent weights", value, wanted.key
        if key not in builder.notes:
            source = seen(builder.plain(value), shapes.weights(features))
            builder.notes[key] = builder.moved(source, wanted)
        found[argument] = builder.notes[key]
    return found


def _deliver(
    builder: Builder, op: Op, shapes: _Shapes, made: dict[int, Tensor], turned: bool
) -> None:
    """Bring the kernel's results into the values: in our order of axes, cut to the lengths."""
    y, h, *c, _ = op.outputs
    lengths = op.inputs[4:]
    result = made[rnn.DST_LAYER]
    readers = [use for use in builder.consumers(y) if use.name != f"{op.name}_grad"]
    handed_out = bool(builder.wanted(dnnl.DST, y))
    target = builder.define(y)  # its gradient reads the kernel's own result instead
    if readers or handed_out:
        if turned:
            ours = private(shapes.steps(shapes.size))
            builder.reorder(result, ours)
            turn(builder, op, ours, lengths[0], builder.shape(y), target)
        elif lengths and result.allocation.constant:
            copy_and_cut(builder, op, result, lengths[0], target)
        else:
            builder.reorder(result, seen(target, shapes.steps(shapes.size)))
            if lengths:
                cut(builder, op, target, lengths[0])
    if lengths and builder.is_used(h):
        pick(builder, op, result, lengths[0], builder.define(h))
    elif rnn.DST_ITER in made:
        for value, argument in ((h, rnn.DST_ITER), *((v, rnn.DST_ITER_C) for v in c)):
            _copy(builder, op, made[argument], builder.define(value))
        return
    for value in (h, *c):
        if not builder.tensors(value):
            builder.define(value)


def _copy(builder: Builder, op: Op, source: Tensor, target: Tensor) -> None:
    plain = Tensor(source.allocation, target.shape, "float32", None)

    def run(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
        np.copyto(writes[0], reads[0])

    builder.python(op, run, [plain], [target])


def lower_recurrent_grad(builder: Builder, op: Op) -> None:
    """Lower the gradients of `lstm`, `gru`, `rnn`."""
    given: str = op.attrs["given"]
    arriving = dict(zip(given, op.inputs, strict=False))
    x, _, w_input, w_hidden, bias, workspace, *lengths = op.inputs[len(given) :]
    forward: _Forward | None = builder.notes.get(("recurrent", workspace))
    if forward is None:
        raise dnnl.RefusedError(f"{op.name}: the workspace must be of a native kernel.")
    cell = forward.cell
    shapes = _Shapes(builder.shape(x), builder.shape(w_hidden)[1], cell)
    features, size = shapes.features, shapes.size
    inputs, hidden = shapes.weights(features), shapes.weights(size)
    states = sorted(set(forward.states) - {rnn.DST_LAYER})
    layouts: dict[int, dnnl.Wanted] = {
        rnn.SRC_LAYER: shapes.wanted(features),
        rnn.WEIGHTS_LAYER: dnnl.any_layout(inputs.dims),
        rnn.WEIGHTS_ITER: dnnl.any_layout(hidden.dims),
        rnn.BIAS: shapes.bias(),
        rnn.DST_LAYER: shapes.wanted(size),
        rnn.DIFF_SRC_LAYER: shapes.wanted(features),
        rnn.DIFF_WEIGHTS_LAYER: dnnl.any_layout(inputs.dims),
        rnn.DIFF_WEIGHTS_ITER: dnnl.any_layout(hidden.dims),
        rnn.DIFF_BIAS: shapes.bias(),
        rnn.DIFF_DST_LAYER: shapes.wanted(size),
    }
    for argument in states:
        layouts[argument] = layouts[argument + rnn.DIFF] = shapes.state()
    primitive = rnn.recurrent_grad(cell, layouts, forward.primitive)
    reads = {
        rnn.SRC_LAYER: forward.x,
        rnn.DST_LAYER: forward.y,
        **{argument: forward.states[argument] for argument in states},
        **_weights(builder, primitive, shapes, w_input, w_hidden, bias),
        rnn.DIFF_DST_LAYER: _arriving(builder, op, shapes, arriving, lengths),
        dnnl.WORKSPACE: builder.fetch_raw(workspace, primitive.needs(dnnl.WORKSPACE)),
    }
    for argument, name in ((rnn.DST_ITER, "h"), (rnn.DST_ITER_C, "c")):
        if argument in states:
            value = arriving.get(name)
            reads[argument + rnn.DIFF] = (
                _zeros(builder, op, shapes)
                if value is None
                else seen(builder.plain(value), shapes.state())
            )
    turned = bool(lengths) and bool(op.attrs["reverse"])
    dx, dw_input, dw_hidden, dbias = op.outputs
    writes = {
        rnn.DIFF_SRC_LAYER: private(shapes.wanted(features)),
        rnn.DIFF_WEIGHTS_LAYER: private(primitive.needs(rnn.DIFF_WEIGHTS_LAYER)),
        rnn.DIFF_WEIGHTS_ITER: private(primitive.needs(rnn.DIFF_WEIGHTS_ITER)),
        rnn.DIFF_BIAS: seen(builder.define(dbias), shapes.bias()),
    }
    for argument in _first_states(cell):
        if argument in states:
            writes[argument + rnn.DIFF] = private(shapes.state())
    builder.native(op, primitive, reads, writes)
    for argument, value, layout in (
        (rnn.DIFF_WEIGHTS_LAYER, dw_input, inputs),
        (rnn.DIFF_WEIGHTS_ITER, dw_hidden, hidden),
    ):
        builder.reorder(writes[argument], seen(builder.define(value), layout))
    target = builder.define(dx)
    if not builder.is_used(dx):
        return
    if turned:
        ours = private(shapes.steps(features))
        builder.reorder(writes[rnn.DIFF_SRC_LAYER], ours)
        turn(builder, op, ours, lengths[0], builder.shape(x), target)
    else:
        builder.reorder(writes[rnn.DIFF_SRC_LAYER], seen(target, shapes.steps(features)))


def _arriving(
    builder: Builder, op: Op, shapes: _Shapes, arriving: dict[str, int], lengths: list[int]
) -> Tensor:
    """Return the gradient of all steps as the kernel takes it."""
    size, rows, time = shapes.size, shapes.rows, shapes.time
    if not lengths and "y" in arriving:
        ours = seen(builder.plain(arriving["y"]), shapes.steps(size))
        return builder.moved(ours, shapes.wanted(size))
    made = private(shapes.wanted(size))
    turned = bool(op.attrs["reverse"])
    names = [name for name in "yh" if name in arriving] if lengths else []

    def run(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
        given = dict(zip([*names, "lengths"], reads, strict=False))
        total = writes[0].transpose(1, 0, 2)  # (rows, time, features)
        dy = given.get("y")
        if dy is None:
            total[...] = 0
        elif turned:
            places = flat(rows, time, given["lengths"])
            total[...] = dy.reshape(-1, size)[places].reshape(rows, time, size)
        else:
            total[...] = dy
        if not lengths:
            return
        if dy is not None:
            clear(total, given["lengths"])
        if "h" in given:
            total[np.arange(rows), given["lengths"] - 1] += given["h"]

    sources = [builder.plain(arriving[name]) for name in names]
    sources += [builder.plain(value) for value in lengths]
    builder.python(op, run, sources, [as_array(made)])
    return made
