"""Layers of any cells: over time, in both directions, above each other, fed with what they give."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from ...core import ops, tree
from ...core.errors import ArgumentError
from ...core.validate import boolean, instance, one_of
from .. import calls
from ..case import Case
from ..module import Module
from ..registry import register
from .cell import Cell, check_time, last_read, read
from .cells import GRUCell, LSTMCell, RNNCell
from .convolutional import ConvLSTMCell2d


@register("nn.Recurrent")
class Recurrent(Module):
    """Run a cell over the time axis.

    y[n, t], state = cell(x[n, t], state)

    Parameters
    ----------
    cell : Cell
        `RNNCell`, `LSTMCell`, `GRUCell`, `ConvLSTMCell2d`, `StackedCells`, or one of yours.
    reverse : bool
        Whether to begin with the last step; ys stand where their x does.
    return_sequences : bool
        Whether to give the ys of all steps, or of the one that was read last.
    return_state : bool
        Whether to give the last state too.

    Shapes
    ------
    input : (batch, time, ...), steps as the cell takes them
    lengths : (batch,) integers in [1, time], optional: steps behind them are padding. They give
        0, and the last state is the one at the length.
    state : the state to begin with, as the cell has it, optional
    output : (batch, time, ...), or (batch, ...) without `return_sequences`; with `return_state`
        that and the last state

    Raises
    ------
    ArgumentError : `cell` is no cell.
    ShapeError : in `call`, there is no time axis or it is empty, or the cell refuses a step.
    DataError : in `call`, a length is out of range.

    Notes
    -----
    Same as BigDL `Recurrent`, `Recurrent.get_hidden_state` (0.13), which is what `return_state`
    gives, and Keras `RNN`. In a program the cell is compiled once, however long the sequence is;
    RNN, LSTM and GRU cells read it with one kernel, as the layers of these names.

    Examples
    --------
    >>> import numpy as np
    >>> layer = Recurrent(LSTMCell(3, 4, rng=0), return_sequences=False, return_state=True)
    >>> y, (h, c) = layer(np.ones((2, 5, 3), "f4"))
    >>> y.shape, c.shape
    ((2, 4), (2, 4))
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: Recurrent(LSTMCell(3, 4, rng=rng)),
            inputs=((5, 6, 3), (5,)),
            integers=(None, (1, 7)),
            output=(5, 6, 4),
            wrong=((5, 6, 3), (4,)),
            sizes=("3 -> 4",),
        ),
        Case(
            lambda rng: Recurrent(
                ConvLSTMCell2d(2, 3, 3, peephole=True, rng=rng),
                return_sequences=False,
                return_state=True,
            ),
            inputs=((2, 3, 2, 3, 2), (2,), ((2, 3, 3, 2), (2, 3, 3, 2))),
            integers=(None, (1, 4)),
            output=((2, 3, 3, 2), ((2, 3, 3, 2), (2, 3, 3, 2))),
            wrong=((2, 3, 2, 3, 2), (2,), ((2, 3, 3, 2), (2, 2, 3, 2))),
            sizes=("2 -> 3",),
        ),
        Case(
            lambda rng: Recurrent(
                ConvLSTMCell2d(1, 2, 3, rng=rng), reverse=True, return_sequences=False
            ),
            inputs=((2, 2, 1, 3, 2),),
            output=(2, 2, 3, 2),
            wrong=((2, 2, 2, 3, 2), (2, 3)),
        ),
    )

    def __init__(
        self,
        cell: Cell,
        *,
        reverse: bool = False,
        return_sequences: bool = True,
        return_state: bool = False,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self.cell = instance("cell", cell, Cell)
        self.reverse = boolean("reverse", reverse)
        self.return_sequences = boolean("return_sequences", return_sequences)
        self.return_state = boolean("return_state", return_state)

    def call(self, x: Any, lengths: Any = None, state: Any = None) -> Any:
        """Read the sequence."""
        check_time(x)
        ys, last = read(self.cell, "cell", x, lengths, state, reverse=self.reverse)
        if not self.return_sequences:
            ys = tree.map(lambda y: last_read(y, lengths, self.reverse), ys)
        return (ys, last) if self.return_state else ys


_MERGES: dict[str, Callable[[Any, Any], Any]] = {
    "concat": lambda a, b: ops.concat([a, b], len(a.shape) - 1),
    "sum": ops.add,
    "mean": lambda a, b: ops.multiply(ops.add(a, b), 0.5),
    "multiply": ops.multiply,
}


@register("nn.BiRecurrent")
class BiRecurrent(Module):
    """Run two cells over the time axis, one forwards and one backwards, and merge their ys.

    y[n, t] = merge(forward[n, t], backward[n, t])

    Parameters
    ----------
    forward_cell, backward_cell : Cell
        Two cells whose ys have the same shape.
    merge : "concat", "sum", "mean" or "multiply"
        What to do with both ys; "concat" puts them side by side along the last axis.
    return_sequences : bool
        Whether to give all steps, or what each cell gave for the step it read last.
    return_state : bool
        Whether to give the last states of both too.

    Shapes
    ------
    input : (batch, time, ...), steps as the cells take them
    lengths : (batch,) integers in [1, time], optional: steps behind them are padding
    state : pair of the states to begin with, optional
    output : (batch, time, ...), or (batch, ...) without `return_sequences`; with `return_state`
        that and the pair of last states

    Raises
    ------
    ArgumentError : one is no cell, `merge` is unknown, or in `call` the state is no pair.
    ShapeError : in `call`, there is no time axis or it is empty, or a cell refuses a step.
    DataError : in `call`, a length is out of range.

    Notes
    -----
    Like BigDL `BiRecurrent` (0.13) and Keras `Bidirectional`: there the cells of both directions
    are made of one, and BigDL's merge is a sum by default. The layers `LSTM`, `GRU` and `RNN` have
    `bidirectional`. Source: Schuster, Paliwal 1997.

    Examples
    --------
    >>> import numpy as np
    >>> layer = BiRecurrent(GRUCell(3, 4, rng=0), GRUCell(3, 4, rng=1), merge="sum")
    >>> layer(np.ones((2, 5, 3), "f4")).shape
    (2, 5, 4)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: BiRecurrent(RNNCell(3, 4, rng=rng), GRUCell(3, 4, rng=rng)),
            inputs=((5, 6, 3), (5,)),
            integers=(None, (1, 7)),
            output=(5, 6, 8),
            wrong=((5, 6, 3), (4,)),
            sizes=("3 -> 4",),
        ),
        Case(
            lambda rng: BiRecurrent(
                RNNCell(3, 4, rng=rng),
                RNNCell(3, 4, rng=rng),
                merge="mean",
                return_sequences=False,
                return_state=True,
            ),
            inputs=((2, 5, 3), None, ((2, 4), (2, 4))),
            output=((2, 4), ((2, 4), (2, 4))),
            wrong=((2, 5, 3), None, ((2, 4), (2, 3))),
        ),
    )

    def __init__(
        self,
        forward_cell: Cell,
        backward_cell: Cell,
        *,
        merge: str = "concat",
        return_sequences: bool = True,
        return_state: bool = False,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self.forward_cell = instance("forward_cell", forward_cell, Cell)
        self.backward_cell = instance("backward_cell", backward_cell, Cell)
        self.merge = one_of("merge", merge, _MERGES)
        self.return_sequences = boolean("return_sequences", return_sequences)
        self.return_state = boolean("return_state", return_state)

    def call(self, x: Any, lengths: Any = None, state: Any = None) -> Any:
        """Read the sequence both ways."""
        check_time(x)
        states = (None, None) if state is None else state
        if not isinstance(states, (tuple, list)) or len(states) != 2:
            raise ArgumentError("`state` must be a pair, one state for each cell.")
        found, lasts = [], []
        for reverse, name in enumerate(("forward_cell", "backward_cell")):
            cell, first, backwards = getattr(self, name), states[reverse], bool(reverse)
            ys, last = read(cell, name, x, lengths, first, reverse=backwards)
            found.append(ys if self.return_sequences else last_read(ys, lengths, backwards))
            lasts.append(last)
        y = _MERGES[self.merge](*found)
        return (y, tuple(lasts)) if self.return_state else y


@register("nn.StackedCells")
class StackedCells(Cell):
    """Put cells above each other: each takes the y of the one below.

    y_1, state_1 = cell_1(x, state_1), y_2, state_2 = cell_2(y_1, state_2), ...

    Parameters
    ----------
    cells : sequence of Cell
        From the lowest to the highest.

    Shapes
    ------
    x : (batch, ...), as the lowest cell takes it
    state : tuple of the cells' states, optional
    output : the highest cell's y, and the tuple of new states

    Raises
    ------
    ArgumentError : there is no cell, or one is none.

    Notes
    -----
    Same as BigDL `MultiRNNCell` (0.13) and Keras `StackedRNNCells`. Read over time, as in
    `Recurrent`, the cells read one after the other, each by its own kernel.

    Examples
    --------
    >>> import numpy as np
    >>> cell = StackedCells([LSTMCell(3, 4, rng=0), GRUCell(4, 2, rng=1)])
    >>> y, ((h, c), last) = cell(np.ones((5, 3), "f4"))
    >>> y.shape, c.shape, last.shape
    ((5, 2), (5, 4), (5, 2))
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: StackedCells([LSTMCell(3, 4, rng=rng), GRUCell(4, 2, rng=rng)]),
            inputs=((5, 3), (((5, 4), (5, 4)), (5, 2))),
            output=((5, 2), (((5, 4), (5, 4)), (5, 2))),
            wrong=((5, 3), (((5, 4), (5, 4)), (5, 3))),
            sizes=("3 -> 4", "4 -> 2"),
        ),
        Case(
            lambda rng: StackedCells([RNNCell(3, 4, rng=rng), RNNCell(4, 2, rng=rng)]),
            inputs=((5, 3),),
            output=((5, 2), ((5, 4), (5, 2))),
        ),
    )

    def __init__(self, cells: Sequence[Cell], *, name: str | None = None) -> None:
        super().__init__(name=name)
        if not isinstance(cells, (list, tuple)) or not cells:
            raise ArgumentError(f"`cells` must be a list of at least one cell; got {cells!r}.")
        self.cells = tuple([instance("cells", cell, Cell) for cell in cells])

    def config(self) -> dict[str, Any]:
        """Give the cells of today."""
        return {"cells": list(self.cells)}

    def call(self, x: Any, state: Any = None) -> tuple[Any, Any]:
        """Take one step in each."""
        lasts = []
        for place, (cell, first) in enumerate(self._with_states(state)):
            x, last = calls.run(cell, (x, first), f"cells.{place}")
            lasts.append(last)
        return x, tuple(lasts)

    def step(self, z: Any, state: Any) -> tuple[Any, Any]:
        """Take one step in each."""
        return self.call(z, state)

    def first_state(self, z: Any) -> Any:
        """Let each cell take a step, for the forms of their states."""
        lasts = self.call(z)[1]
        return tree.map(lambda x: self.zeros(x, *x.shape[1:]), lasts)

    def read(
        self, x: Any, lengths: Any = None, state: Any = None, *, reverse: bool = False
    ) -> tuple[Any, Any]:
        """Read with one cell after the other."""
        lasts = []
        for place, (cell, first) in enumerate(self._with_states(state)):
            x, last = read(cell, f"cells.{place}", x, lengths, first, reverse=reverse)
            lasts.append(last)
        return x, tuple(lasts)

    def _with_states(self, state: Any) -> Any:
        states = [None] * len(self.cells) if state is None else state
        if not isinstance(states, (tuple, list)) or len(states) != len(self.cells):
            raise ArgumentError(
                f"`state` must be a tuple of {len(self.cells)}, one state for each cell."
            )
        return zip(self.cells, states, strict=True)
