"""LSTM, GRU and RNN by oneDNN's recurrent kernels, also with peepholes and projections.

The library runs all rows to the full length. Rows of other lengths are made to fit: read forwards,
what comes behind the length is thrown away and gets no gradient; to be read backwards, each row is
turned round within its own length, read forwards, and turned back. Where the last c of such rows is
asked for, steps behind the length are marked by one more feature, whose weights keep c as it is.
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
from .lengths import (
    as_array,
    clear,
    copy_and_cut,
    cut,
    flat,
    mark,
    mark_weights,
    pick,
    turn,
    unmark,
)

if TYPE_CHECKING:
    from ..builder import Builder


@dataclass
class _Forward:
    """What a forward kernel leaves for its gradient, by the value of its workspace."""

    cell: Cell
    primitive: dnnl.Primitive
    x: Tensor
    y: Tensor
    states: dict[int, Tensor]  # the first and last ones that the kernel knows, by argument
    marked: bool  # whether steps behind the lengths are


class _Shapes:
    """Sizes of a layer, and our arrays as the library names their axes."""

    def __init__(
        self, builder: Builder, x: int, w_hidden: int, cell: Cell, marked: bool = False
    ) -> None:
        self.rows, self.time, self.features = builder.shape(x)
        self.features += marked
        rows, self.size = builder.shape(w_hidden)
        self.cells, self.cell = rows // cell.gates, cell  # `size` is that of h, `cells` that of c

    def steps(self, features: int) -> dnnl.Layout:
        """Return how the library sees (rows, time, features): as (time, rows, features)."""
        dims = (self.time, self.rows, features)
        return dnnl.strided(dims, (features, self.time * features, 1))

    def wanted(self, features: int) -> dnnl.Layout:
        """Return the layout of steps the kernels are given; to take ours would run slower."""
        return dnnl.plain((self.time, self.rows, features))

    def weights(self, features: int) -> dnnl.Layout:
        """Return how it sees (gates · cells, features): as (1, 1, features, gates, cells)."""
        gates, size = self.cell.gates, self.cells
        whole = gates * size * features
        return dnnl.strided(
            (1, 1, features, gates, size), (whole, whole, 1, size * features, features)
        )

    def projection(self) -> dnnl.Layout:
        """Return how it sees (size, cells): as (1, 1, cells, size)."""
        whole = self.size * self.cells
        return dnnl.strided((1, 1, self.cells, self.size), (whole, whole, 1, self.cells))

    def bias(self) -> dnnl.Layout:
        """Return how it sees (biases · cells,): as (1, 1, biases, cells)."""
        return dnnl.plain((1, 1, self.cell.biases, self.cells))

    def peephole(self) -> dnnl.Layout:
        """Return how it sees (3 · cells,): as (1, 1, 3, cells)."""
        return dnnl.plain((1, 1, 3, self.cells))

    def state(self, argument: int) -> dnnl.Layout:
        """Return how it sees (rows, size) or (rows, cells): as (1, 1, rows, ...)."""
        of_cell = argument in (rnn.SRC_ITER_C, rnn.DST_ITER_C)
        return dnnl.plain((1, 1, self.rows, self.cells if of_cell else self.size))

    def products(self, given: dict[str, int]) -> dict[int, dnnl.Layout]:
        """Return our layouts of the weights that are multiplied, which the kernels have packed."""
        found = {
            rnn.WEIGHTS_LAYER: self.weights(self.features),
            rnn.WEIGHTS_ITER: self.weights(self.size),
        }
        return found | (
            {rnn.WEIGHTS_PROJECTION: self.projection()} if "projection" in given else {}
        )

    def vectors(self, given: dict[str, int]) -> dict[int, dnnl.Layout]:
        """Return the layouts of the weights that are added or multiplied element by element."""
        found = {rnn.BIAS: self.bias()}
        return found | ({rnn.WEIGHTS_PEEPHOLE: self.peephole()} if "peephole" in given else {})


_FIRST = {"h": rnn.SRC_ITER, "c": rnn.SRC_ITER_C}
_LAST = {"h": rnn.DST_ITER, "c": rnn.DST_ITER_C}
_WEIGHTS = {
    rnn.WEIGHTS_LAYER: "w_input",
    rnn.WEIGHTS_ITER: "w_hidden",
    rnn.WEIGHTS_PROJECTION: "projection",
    rnn.BIAS: "bias",
    rnn.WEIGHTS_PEEPHOLE: "peephole",
}


def _given(op: Op, inputs: Sequence[int]) -> dict[str, int]:
    """Return the inputs behind x by name: weights, and what is optional."""
    names = ("w_input", "w_hidden", "bias", *op.attrs.get("optional", ("lengths",)))
    return dict(zip(names, inputs, strict=False))


def _cell(op: Op, reverse: bool) -> Cell:
    attrs = op.attrs
    kind = op.name.removesuffix("_grad")
    return Cell(kind, reverse, attrs.get("activation", "tanh"), attrs.get("reset_after", True))


def _states(cell: Cell) -> str:
    return "hc" if cell.kind == "lstm" else "h"


def lower_recurrent(builder: Builder, op: Op) -> None:
    """Lower `lstm`, `gru`, `rnn`."""
    x, given = op.inputs[0], _given(op, op.inputs[1:])
    _, h, *c, workspace = op.outputs
    lengths = given.get("lengths")
    cell = _cell(op, op.attrs["reverse"] and lengths is None)
    training = builder.is_used(workspace)
    if training and builder.wanted(dnnl.WORKSPACE, workspace):
        raise dnnl.RefusedError(f"{op.name}: its workspace cannot be handed out.")
    # One that is done again, for its gradient, leaves the states that a gradient arrives at.
    arriving = "".join(use.attrs["given"] for use in builder.consumers(workspace))
    asked = [name for name, value in zip("hc", (h, *c), strict=False) if builder.is_used(value)]
    asked += [name for name in arriving if name in "hc"]
    marked = lengths is not None and "c" in asked
    last = marked or (lengths is None and bool(asked))
    shapes = _Shapes(builder, x, given["w_hidden"], cell, marked)
    # Without a first state the gradient of w_hidden reads what happens to lie there (3.2).
    first = "h" in given or (training and cell.function != "lbr_gru")
    states = [_FIRST[name] for name in _states(cell) if first]
    ends = [_LAST[name] for name in _states(cell) if last]
    layouts: dict[int, dnnl.Wanted] = {
        rnn.SRC_LAYER: shapes.wanted(shapes.features),
        **{key: dnnl.any_layout(ours.dims) for key, ours in shapes.products(given).items()},
        **shapes.vectors(given),
        rnn.DST_LAYER: shapes.wanted(shapes.size),
        **{argument: shapes.state(argument) for argument in (*states, *ends)},
    }
    primitive = rnn.recurrent(cell, layouts, training=training)
    turned = lengths is not None and bool(op.attrs["reverse"])
    source, wanted = builder.plain(x), shapes.wanted(shapes.features)
    if lengths is not None and marked:
        steps = mark(builder, op, source, lengths, private(wanted), turned)
    else:
        if lengths is not None and turned:
            source = turn(builder, op, source, lengths, builder.shape(x))
        steps = builder.moved(seen(source, shapes.steps(shapes.features)), wanted)
    reads = {rnn.SRC_LAYER: steps, **_weights(builder, op, primitive, shapes, given, marked)}
    for name, argument in _FIRST.items():
        if argument in layouts:
            reads[argument] = _state(builder, op, shapes.state(argument), given.get(name))
    result = private(shapes.wanted(shapes.size))
    writes = {rnn.DST_LAYER: result} | {end: private(shapes.state(end)) for end in ends}
    if training:
        space = builder.define(workspace, primitive.needs(dnnl.WORKSPACE))
        held = {key: reads[key] for key in states} | {key: writes[key] for key in ends}
        note = _Forward(cell, primitive, steps, result, held, marked)
        builder.notes["recurrent", workspace] = note
        builder.native(op, primitive, reads, {**writes, dnnl.WORKSPACE: space})
    else:
        builder.native(op, primitive, reads, writes)
    _deliver(builder, op, shapes, writes, lengths, turned)


def _state(builder: Builder, op: Op, layout: dnnl.Layout, value: int | None) -> Tensor:
    """Return a state or a gradient of one; zeros, written anew in each run, if none is given."""
    if value is not None:
        return seen(builder.plain(value), layout)
    made = private(layout)

    def run(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
        writes[0].fill(0)

    builder.python(op, run, [], [as_array(made)])
    return made


def _weights(
    builder: Builder,
    op: Op,
    primitive: dnnl.Primitive,
    shapes: _Shapes,
    given: dict[str, int],
    marked: bool,
) -> dict[int, Tensor]:
    found = {
        argument: seen(builder.plain(given[_WEIGHTS[argument]]), layout)
        for argument, layout in shapes.vectors(given).items()
    }
    for argument, ours in shapes.products(given).items():
        wanted, value = primitive.needs(argument), given[_WEIGHTS[argument]]
        key = "recurrent weights", value, wanted.key
        if key not in builder.notes:
            plain = builder.plain(value)
            if marked and argument == rnn.WEIGHTS_LAYER:
                plain = mark_weights(builder, op, plain, shapes.cells)
            builder.notes[key] = builder.moved(seen(plain, ours), wanted)
        found[argument] = builder.notes[key]
    return found


def _deliver(
    builder: Builder,
    op: Op,
    shapes: _Shapes,
    made: dict[int, Tensor],
    lengths: int | None,
    turned: bool,
) -> None:
    """Bring the kernel's results into the values: in our order of axes, cut to the lengths."""
    y, h, *c, _ = op.outputs
    result = made[rnn.DST_LAYER]
    readers = [use for use in builder.consumers(y) if use.name != f"{op.name}_grad"]
    handed_out = bool(builder.wanted(dnnl.DST, y))
    target = builder.define(y)  # its gradient reads the kernel's own result instead
    if readers or handed_out:
        if lengths is not None and turned:
            ours = private(shapes.steps(shapes.size))
            builder.reorder(result, ours)
            turn(builder, op, ours, lengths, builder.shape(y), target)
        elif lengths is not None and result.allocation.constant:
            copy_and_cut(builder, op, result, lengths, target)
        else:
            builder.reorder(result, seen(target, shapes.steps(shapes.size)))
            if lengths is not None:
                cut(builder, op, target, lengths)
    if lengths is not None and builder.is_used(h):
        pick(builder, op, result, lengths, builder.define(h))
    if rnn.DST_ITER in made:
        for value, argument in zip((h, *c), _LAST.values(), strict=False):
            if not builder.tensors(value):
                _copy(builder, op, made[argument], builder.define(value))
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
    names: str = op.attrs["given"]
    arriving = dict(zip(names, op.inputs, strict=False))
    x, _, w_input, w_hidden, bias, workspace, *rest = op.inputs[len(names) :]
    given = _given(op, (w_input, w_hidden, bias, *rest))
    lengths = given.get("lengths")
    forward: _Forward | None = builder.notes.get(("recurrent", workspace))
    if forward is None:
        raise dnnl.RefusedError(f"{op.name}: the workspace must be of a native kernel.")
    cell, marked = forward.cell, forward.marked
    shapes = _Shapes(builder, x, w_hidden, cell, marked)
    features, size = shapes.features, shapes.size
    layouts: dict[int, dnnl.Wanted] = {
        rnn.SRC_LAYER: shapes.wanted(features),
        **{key: dnnl.any_layout(ours.dims) for key, ours in shapes.products(given).items()},
        **shapes.vectors(given),
        rnn.DST_LAYER: shapes.wanted(size),
        **{argument: shapes.state(argument) for argument in forward.states},
    }
    layouts |= {argument + rnn.DIFF: layout for argument, layout in layouts.items()}
    primitive = rnn.recurrent_grad(cell, layouts, forward.primitive)
    reads = {
        rnn.SRC_LAYER: forward.x,
        rnn.DST_LAYER: forward.y,
        **forward.states,
        **_weights(builder, op, primitive, shapes, given, marked),
        rnn.DIFF_DST_LAYER: _arriving(builder, op, shapes, arriving, lengths),
        dnnl.WORKSPACE: builder.fetch_raw(workspace, primitive.needs(dnnl.WORKSPACE)),
    }
    for name, argument in _LAST.items():
        if argument in forward.states:
            layout = shapes.state(argument)
            there = None if lengths is not None and name == "h" else arriving.get(name)
            reads[argument + rnn.DIFF] = _state(builder, op, layout, there)
    dx, *others = op.outputs
    results = dict(zip([name for name in given if name != "lengths"], others, strict=True))
    writes = {rnn.DIFF_SRC_LAYER: private(shapes.wanted(features))}
    for argument in shapes.products(given):
        writes[argument + rnn.DIFF] = private(primitive.needs(argument + rnn.DIFF))
    for argument, layout in shapes.vectors(given).items():
        target = builder.define(results[_WEIGHTS[argument]])
        writes[argument + rnn.DIFF] = seen(target, layout)
    for name, argument in _FIRST.items():
        if argument in forward.states:
            layout = shapes.state(argument)
            writes[argument + rnn.DIFF] = (
                seen(builder.define(results[name]), layout) if name in results else private(layout)
            )
    builder.native(op, primitive, reads, writes)
    for argument, layout in shapes.products(given).items():
        made, target = writes[argument + rnn.DIFF], builder.define(results[_WEIGHTS[argument]])
        if marked and argument == rnn.WEIGHTS_LAYER:
            whole = private(dnnl.plain((cell.gates * shapes.cells, features)))
            builder.reorder(made, seen(whole, layout))
            unmark(builder, op, whole, target)
        else:
            builder.reorder(made, seen(target, layout))
    target = builder.define(dx)
    if not builder.is_used(dx):
        return
    found, turned = writes[rnn.DIFF_SRC_LAYER], bool(op.attrs["reverse"])
    if lengths is None or not (marked or turned):
        builder.reorder(found, seen(target, shapes.steps(features)))
        return
    ours = private(shapes.steps(features))
    builder.reorder(found, ours)
    if marked:
        whole = Tensor(ours.allocation, (shapes.rows, shapes.time, features), "float32", None)
        ours = unmark(builder, op, whole, builder.temporary(target) if turned else target)
    if turned:
        turn(builder, op, ours, lengths, builder.shape(x), target)


def _arriving(
    builder: Builder, op: Op, shapes: _Shapes, arriving: dict[str, int], lengths: int | None
) -> Tensor:
    """Return the gradient of all steps as the kernel takes it."""
    size, rows, time = shapes.size, shapes.rows, shapes.time
    if lengths is None and "y" in arriving:
        ours = seen(builder.plain(arriving["y"]), shapes.steps(size))
        return builder.moved(ours, shapes.wanted(size))
    made = private(shapes.wanted(size))
    turned = bool(op.attrs["reverse"])
    names = [name for name in "yh" if name in arriving and lengths is not None]

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
        if lengths is None:
            return
        if dy is not None:
            clear(total, given["lengths"])
        if "h" in given:
            total[np.arange(rows), given["lengths"] - 1] += given["h"]

    sources = [builder.plain(arriving[name]) for name in names]
    sources += [] if lengths is None else [builder.plain(lengths)]
    builder.python(op, run, sources, [as_array(made)])
    return made
