"""Eager reverse mode: record primitives as they run, then walk back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

import numpy as np

from .errors import ArgumentError, GradientError, ShapeError, add_path
from .primitive import Node
from .state import STATE
from .value import Array, Operand, Value, wrap


class Tape:
    """Record the operations of this thread inside a `with` block.

    Parameters
    ----------
    keep : bool
        Keep the record after `gradients`, so that it can be asked again. By default the record is
        freed while it is walked, which gives memory back as early as possible.

    Examples
    --------
    >>> x = Value(np.float32([1.0, 2.0]))
    >>> with Tape() as tape:
    ...     y = (x * x).sum()
    >>> tape.gradients(y, [x])
    [array([2., 4.], dtype=float32)]
    """

    __slots__ = ("_before", "_used", "keep", "nodes")

    def __init__(self, *, keep: bool = False) -> None:
        self.nodes: list[Node] = []
        self.keep = keep
        self._used = False
        self._before: list[Tape | None] = []

    def __enter__(self) -> Self:
        self._before.append(STATE.tape)
        STATE.tape = self
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        STATE.tape = self._before.pop()

    def gradients(
        self, y: Value, wrt: Sequence[Operand], seed: Array | Value | None = None
    ) -> list[Array]:
        """Return the gradients of `y` (weighted by `seed`) with respect to `wrt`.

        Parameters
        ----------
        y : Value
            A result recorded on this tape.
        wrt : sequence of Value or Parameter
            What to differentiate by; what `y` does not depend on gets zeros.
        seed : array of y's shape, optional
            The gradient that arrives at y; ones by default (then y is usually a scalar).

        Raises
        ------
        GradientError : the tape was walked before, or an operation on the way has no gradient.
        ShapeError : `seed` has another shape than `y`.
        """
        if self._used and not self.keep:
            raise GradientError(
                "the tape was used up by an earlier gradients(). Record again, or use "
                "Tape(keep=True)."
            )
        if not isinstance(y, Value):
            raise ArgumentError(
                f"`y` must be a Value computed while the tape recorded; got {type(y).__name__}. "
                "Call the module on core.Value(x), not on an array."
            )
        self._used = True
        if seed is None:
            start = wrap(np.ones(y.shape, y.dtype))
        else:
            start = seed if isinstance(seed, Value) else wrap(np.asarray(seed, dtype=y.dtype))
        if start.shape != y.shape:
            raise ShapeError(f"`seed` must have y's shape {y.shape}; got {start.shape}.")
        nodes = list(self.nodes) if self.keep else self.nodes
        before, STATE.tape = STATE.tape, None
        try:
            found = walk_back(nodes, y, wrt, start)
        finally:
            STATE.tape = before
            if not self.keep:
                self.nodes = []
        return [
            np.zeros(x.shape, x.dtype) if value is None else value._data
            for x, value in zip(wrt, found, strict=True)
        ]


def walk_back(
    nodes: list[Node],
    y: Value,
    wrt: Sequence[Operand],
    seed: Value,
    visit: Callable[[Node], None] | None = None,
) -> list[Value | None]:
    """Walk a record backwards and return a gradient (or None) for each of `wrt`.

    The record is emptied on the way: arrays are freed as soon as they are not needed. `visit` is
    called before each gradient rule (the trace sets the path of the operations to come).
    """
    from . import ops

    for x in wrt:
        if not isinstance(x, Operand):
            raise ArgumentError(f"`wrt` must hold values or parameters; got {type(x).__name__}.")
    wanted = set(wrt)
    reached: set[Operand] = set(wanted)
    for node in nodes:
        node.needs = [x in reached for x in node.inputs]
        if True in node.needs:
            reached.update(node.outputs)
    del reached  # or it would keep every value alive
    gradients: dict[Operand, Value] = {y: seed}
    while nodes:
        node = nodes.pop()
        needs = node.needs
        if True not in needs:
            continue
        arriving = [
            gradients.get(out) if out in wanted else gradients.pop(out, None)
            for out in node.outputs
        ]
        if all(dy is None for dy in arriving):
            continue
        if visit is not None:
            visit(node)
        try:
            results = node.primitive.backward(node, arriving)
        except Exception as error:
            for name in reversed(node.path):
                add_path(error, name)
            raise
        for x, needed, dx in zip(node.inputs, needs, results, strict=True):
            if needed and dx is not None:
                known = gradients.get(x)
                gradients[x] = dx if known is None else ops.add(known, dx)
    return [gradients.get(x) for x in wrt]
