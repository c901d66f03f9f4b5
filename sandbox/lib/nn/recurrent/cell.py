"""Cells: one step of a recurrent layer, and how all steps of a sequence are read with it."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core import ops, tree
from ...core.errors import ShapeError
from .. import calls
from ..module import Module


class Cell(Module):
    """One step of a recurrent layer: (x, state) -> (y, state). The base of all cells, and of yours.

    To write one: `step(z, state)` with `core.ops` and other modules, and `first_state(z)`. The
    state is a value or a tree of values with the batch axis first. What of a step depends on its
    input alone may be computed in `prepare(x)`, which then sees the steps of all times at once;
    `step` and `first_state` are given what it gives.

    Shapes
    ------
    x : (batch, ...), one step
    state : what `first_state` gives, optional: that is what a cell begins with
    y : (batch, ...), of any form

    Notes
    -----
    Same as BigDL `Cell` (0.13). In a program `Recurrent` compiles the step once, however long the
    sequence is (`core.ops.scan`).

    Examples
    --------
    >>> from sandbox.lib import nn
    >>> @nn.register("doctest.Decay")
    ... class Decay(nn.Cell):
    ...     def first_state(self, z):
    ...         return self.zeros(z, z.shape[1])
    ...     def step(self, z, state):
    ...         state = state * 0.5 + z
    ...         return state, state
    >>> x = np.ones((1, 3, 1), "f4")
    >>> nn.Recurrent(Decay())(x).reshape(-1).tolist()
    [1.0, 1.5, 1.75]
    """

    def first_state(self, z: Any) -> Any:
        """Give the state to begin with, from a prepared step."""
        raise NotImplementedError(f"{type(self).__name__} must define first_state(self, z).")

    def step(self, z: Any, state: Any) -> tuple[Any, Any]:
        """Give y and the state behind a prepared step."""
        raise NotImplementedError(f"{type(self).__name__} must define step(self, z, state).")

    def prepare(self, x: Any) -> Any:
        """Compute what depends on the input alone."""
        return x

    def begin(self, x: Any) -> Any:
        """Give the state to begin with, from a step as it comes."""
        return self.first_state(self.prepare(x))

    def call(self, x: Any, state: Any = None) -> tuple[Any, Any]:
        """Take one step."""
        z = self.prepare(x)
        return self.step(z, self.first_state(z) if state is None else state)

    def read(
        self, x: Any, lengths: Any = None, state: Any = None, *, reverse: bool = False
    ) -> tuple[Any, Any]:
        """Take all steps of (batch, time, ...); gives all ys and the last state.

        Behind a row's length y is 0 and the state stays. With `reverse` a row is read from its own
        end to its beginning.
        """
        batch, time = x.shape[:2]
        z = self.prepare(ops.reshape(x, (batch * time, *x.shape[2:])))
        z = ops.reshape(z, (batch, time, *z.shape[1:]))
        if state is None:
            state = self.first_state(z[:, 0])
        alive = None
        if lengths is not None:
            alive = ops.mask_sequence(np.ones((batch, time), z.dtype), lengths)

        def body(old: Any, given: Any) -> tuple[Any, Any]:
            step, here = given
            y, new = self.step(step, old)
            if here is None:
                return new, y
            kept = tree.map(lambda a, b: _where(here, a, b), new, old)
            return kept, tree.map(lambda a: _where(here, a, 0.0), y)

        last, ys = ops.scan(body, state, (z, alive), axis=1, reverse=reverse)
        return ys, last

    @staticmethod
    def zeros(z: Any, *sizes: int) -> Any:
        """Give zeros (batch, *sizes) of z's dtype."""
        shape = (z.shape[0], *sizes)
        return ops.broadcast_to(np.zeros((1,) * len(shape), z.dtype), shape)


def _where(alive: Any, a: Any, b: Any) -> Any:
    """Give a in the rows that are alive, b in the others."""
    mask = ops.greater(ops.reshape(alive, (alive.shape[0], *(1,) * (len(a.shape) - 1))), 0.5)
    return ops.where(mask, a, b)


class StepwiseCell(Cell):
    """A cell that an operation of the engine reads whole sequences with: one step is a short one.

    Subclasses write `read` instead of `step`.
    """

    def step(self, z: Any, state: Any) -> tuple[Any, Any]:
        """Read a sequence of one step."""
        y, state = self.read(ops.reshape(z, (z.shape[0], 1, *z.shape[1:])), None, state)
        return ops.reshape(y, (y.shape[0], *y.shape[2:])), state


def read(
    cell: Cell, name: str, x: Any, lengths: Any, state: Any, *, reverse: bool = False
) -> tuple[Any, Any]:
    """Read with a cell that is part of a layer under this name."""
    found: tuple[Any, Any] = calls.run(
        cell, (x, lengths, state), name, {"reverse": reverse}, method="read"
    )
    return found


def last_read(ys: Any, lengths: Any, reverse: bool = False) -> Any:
    """Give y of the step that was read last; ys are 0 behind the lengths."""
    batch, time = ys.shape[:2]
    if reverse or lengths is None:
        return ys[:, 0 if reverse else time - 1]
    is_last = ops.equal(ops.reshape(lengths, (batch, 1)), np.arange(1, time + 1)[None])
    is_last = ops.reshape(is_last, (batch, time, *(1,) * (len(ys.shape) - 2)))
    return ops.sum(ops.where(is_last, ys, 0.0), 1)


def check_time(x: Any) -> None:
    """Refuse a sequence without a time axis, or without steps."""
    if len(x.shape) < 3:
        raise ShapeError(
            f"input must have at least 3 axes (batch, time, ...); got {len(x.shape)} in shape "
            f"{x.shape}."
        )
    if x.shape[1] == 0:
        raise ShapeError(f"input axis 1 must be >= 1 (time); got 0 in shape {x.shape}.")
