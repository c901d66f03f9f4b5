"""Eager reverse mode: record operations as they run, then walk back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Any, Self

import numpy as np

from . import tree
from .errors import ArgumentError, GradientError, ShapeError, add_path
from .function import TapeEntry
from .state import STATE
from .value import Operand, Value, wrap


class Tape:
    """Record the operations of this thread inside a `with` block.

    Parameters
    ----------
    keep : bool
        Keep the record after `gradients`, so that it can be asked again. By default the record is
        freed while it is walked, which gives memory back as early as possible.

    Notes
    -----
    Tapes nest: what runs inside is recorded by the outer one too, and so are the gradients that
    the inner one computes. They are values then, and can be differentiated.

    Examples
    --------
    >>> x = Value(np.float32([1.0, 2.0]))
    >>> with Tape() as tape:
    ...     y = (x * x).sum()
    >>> tape.gradients(y, [x])
    [array([2., 4.], dtype=float32)]
    >>> with Tape() as outer:
    ...     with Tape() as inner:
    ...         y = (x * x * x).sum()
    ...     slope = inner.gradients(y, [x])[0].sum()
    >>> outer.gradients(slope, [x])  # the second derivative, 6 x
    [array([ 6., 12.], dtype=float32)]
    """

    __slots__ = ("_before", "_used", "entries", "keep")

    def __init__(self, *, keep: bool = False) -> None:
        self.entries: list[TapeEntry] = []
        self.keep = keep
        self._used = False
        self._before: list[Tape | None] = []

    def __enter__(self) -> Self:
        outer = STATE.tape
        self._before.append(outer)
        if outer is not None and outer is not self:
            self.entries = _Passed(self.entries, outer.entries)
        elif type(self.entries) is not list and outer is None:
            self.entries = list(self.entries)
        STATE.tape = self
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        STATE.tape = self._before.pop()

    def gradients(self, y: tree.Tree, wrt: Sequence[Operand], seed: tree.Tree = None) -> list[Any]:
        """Return the gradients of `y` (weighted by `seed`) with respect to `wrt`.

        Parameters
        ----------
        y : Value or tree of values
            Results recorded on this tape.
        wrt : sequence of Value or Parameter
            What to differentiate by; what `y` does not depend on gets zeros.
        seed : array of y's shape, or a tree like y, optional
            The gradient that arrives at y; ones by default (then y is usually a scalar).

        Returns
        -------
        list of arrays, one for each of `wrt`; of values while an outer tape or a trace records

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
        starts = _starts(y, seed)
        self._used = True
        entries = list(self.entries)
        if not self.keep:
            self.entries.clear()
        before = STATE.tape
        if before is self:
            STATE.tape = next((tape for tape in reversed(self._before) if tape is not self), None)
        values = STATE.tape is not None or STATE.trace is not None
        try:
            found = walk_back(entries, starts, wrt)
        finally:
            STATE.tape = before
            if not self.keep:
                self.entries.clear()
        filled = [
            wrap(np.zeros(x.shape, x.dtype)) if value is None else value
            for x, value in zip(wrt, found, strict=True)
        ]
        return list(filled) if values else [value._data for value in filled]


class _Passed(list[TapeEntry]):
    """The record of a tape inside another: what is appended goes to the outer one as well."""

    def __init__(self, entries: Iterable[TapeEntry], outer: list[TapeEntry]) -> None:
        super().__init__(entries)
        self.outer = outer

    def append(self, entry: TapeEntry) -> None:
        super().append(entry)
        self.outer.append(entry)


def _starts(y: tree.Tree, seed: tree.Tree) -> list[tuple[Operand, Value]]:
    """Return the values that the walk starts from, each with the gradient that arrives there."""
    ys, structure = tree.flatten(y)
    for value in ys:
        if not isinstance(value, Operand):
            raise ArgumentError(
                f"`y` must be a Value computed while the tape recorded; got "
                f"{type(value).__name__}. Call the module on core.Value(x), not on an array."
            )
    seeds = [None] * len(ys) if seed is None else structure.match(seed, "`seed`")
    starts = []
    for value, given in zip(ys, seeds, strict=True):
        if given is None:
            start = wrap(np.ones(value.shape, value.dtype))
        else:
            start = given if isinstance(given, Value) else Value(np.asarray(given, value.dtype))
        if start.shape != value.shape:
            raise ShapeError(f"`seed` must have y's shape {value.shape}; got {start.shape}.")
        starts.append((value, start))
    return starts


def origin(x: Operand) -> Operand:
    """Return the parameter or buffer whose numbers an input has; the input itself for others."""
    source = x.source
    return x if source is None else source


def walk_back(
    entries: list[TapeEntry],
    starts: Sequence[tuple[Operand, Value]],
    wrt: Sequence[Operand],
    visit: Callable[[TapeEntry], None] | None = None,
) -> list[Value | None]:
    """Walk a record backwards and return a gradient (or None) for each of `wrt`.

    `starts` holds what is differentiated and the gradient that arrives there.
    The record is emptied on the way: arrays are freed as soon as they are not needed. `visit` is
    called before each gradient rule (the trace sets the path of the operations to come).
    """
    from . import ops

    for x in wrt:
        if not isinstance(x, Operand):
            raise ArgumentError(f"`wrt` must hold values or parameters; got {type(x).__name__}.")
    wanted = set(wrt)
    reached: set[Operand] = set(wanted)
    for entry in entries:
        entry.needs = [origin(x) in reached for x in entry.inputs]
        if True in entry.needs:
            reached.update(entry.outputs)
    del reached  # or it would keep every value alive
    gradients: dict[Operand, Value] = {}
    for y, seed in starts:
        gradients[y] = ops.add(gradients[y], seed) if y in gradients else seed
    while entries:
        entry = entries.pop()
        needs = entry.needs
        if True not in needs:
            continue
        arriving = [
            gradients.get(out) if out in wanted else gradients.pop(out, None)
            for out in entry.outputs
        ]
        if all(dy is None for dy in arriving):
            continue
        if visit is not None:
            visit(entry)
        try:
            results = entry.function.backward(entry, arriving)
        except Exception as error:
            for name in reversed(entry.path):
                add_path(error, name)
            raise
        for x, needed, dx in zip(entry.inputs, needs, results, strict=True):
            if needed and dx is not None:
                x = origin(x)
                known = gradients.get(x)
                gradients[x] = dx if known is None else ops.add(known, dx)
    return [gradients.get(x) for x in wrt]
