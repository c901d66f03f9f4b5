"""Segments: the parts of a module that can be traced, compiled; Python runs what lies between them.

A module that cannot be traced as a whole (it looks at numbers, its sizes depend on data) runs
eagerly, but every part inside that can be traced is a program. Such a part is a module, or the
longest row of steps of a container. What is a part is found out when it is first met, by trying.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ..engine.oplist import OpList, Spec
from ..engine.ops import find
from ..engine.random import RandomKey
from . import tree
from .context import using
from .flat import FlatParameters
from .function import as_value
from .program import PredictProgram
from .segment import Segment
from .state import STATE
from .tape import Tape
from .trace import ModuleLike, Trace
from .tracing import Traced, twice
from .value import Value

Apply = Callable[[int, list[Any]], Any]
Ends = tuple[list[int], list[int]]

MISSED: Any = object()  # what `SegmentedRun.call` gives for what is to run plainly
_KEY = RandomKey(0, 0, 0)
_KEPT = 1024  # decisions, with or without a program


class Segments:
    """The segments of one module, found and compiled as they are met.

    Parameters
    ----------
    module : ModuleLike
        The whole: its parameters and buffers, and their names.
    flat : FlatParameters, optional
        Where the numbers are, for training.
    threads, plan
        As for `train_program`.

    Attributes
    ----------
    count : int
        How many segments the last run had; 0 before the first.
    """

    def __init__(
        self, module: ModuleLike, flat: FlatParameters | None, threads: int, plan: Any
    ) -> None:
        from .cache import ProgramCache

        self.module = module
        self.flat = flat
        self.count = 0
        self._threads = threads
        self._plan = plan
        self._store = ProgramCache()
        self._ends: dict[Any, tuple[Any, Ends]] = {}

    def twin(self, flat: FlatParameters) -> Segments:
        """Return the same for another thread, bound to `flat`."""
        return Segments(self.module, flat, self._threads, self._plan)

    @contextmanager
    def running(self, tape: Tape | None) -> Iterator[None]:
        """Let the module's parts run as segments within the block; `tape` records them."""
        before = STATE.segments
        STATE.segments = run = SegmentedRun(self, tape)
        try:
            yield
        finally:
            STATE.segments = before
            self.count = run.count

    def pieces(self) -> Iterator[tuple[object, int]]:
        """Yield what the segments hold in memory, with its bytes."""
        for program in self._store.programs():
            if isinstance(program[1], Segment):
                yield from program[1].pieces()

    def find(self, key: Any, owner: Any, make: Callable[[], tuple[int, Segment | None]]) -> Any:
        """Return what was decided under a key, or decide now: (where the segment ends, segment)."""
        if len(self._store) > _KEPT:
            self._store.clear()
        return self._store.get(key, (owner,), lambda: _Decision(make()))

    def ends(
        self,
        owner: Any,
        steps: Sequence[tuple[int, ...]],
        outputs: Sequence[int],
        *places: int,
    ) -> Ends:
        """Return what `_ends` does, looked up."""
        key = (id(owner), len(steps), *places)
        found = self._ends.get(key)
        if found is None or found[0] is not owner:
            if len(self._ends) > _KEPT:
                self._ends.clear()
            found = self._ends[key] = owner, _ends(steps, outputs, *places)
        return found[1]

    def compile(self, oplist: OpList, output: tree.Structure) -> PredictProgram:
        """Return a program that reads this module's parameters."""
        traced = Traced(oplist, output)
        return PredictProgram(
            traced, self.module, self.flat, None, self._threads, self._plan, "f32"
        )


class _Decision(tuple[int, "Segment | None"]):
    """(where the segment ends, the segment or None), with the memory it holds."""

    __slots__ = ()

    def pieces(self) -> Iterator[tuple[object, int]]:
        """Yield what the segment holds, with its bytes."""
        if self[1] is not None:
            yield from self[1].pieces()


class SegmentedRun:
    """One run of a module in segments, in one thread."""

    __slots__ = ("_segments", "_tape", "count")

    def __init__(self, segments: Segments, tape: Tape | None) -> None:
        self._segments = segments
        self._tape = tape
        self.count = 0

    @property
    def is_on(self) -> bool:
        """Whether parts may run as segments now: not in a trace, nor on a tape of their own."""
        return STATE.trace is None and STATE.tape is self._tape

    def call(self, module: Any, inputs: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """Return what a module gives, or MISSED if it is no segment."""
        given = (inputs, named) if named else inputs
        leaves, form = _flat(given)
        if not self.is_on or not _are_values(leaves):
            return MISSED

        def function(given: Any) -> Any:
            return module.call(*given[0], **given[1]) if named else module.call(*given)

        def make() -> tuple[int, Segment | None]:
            return 0, self._try(function, leaves, tree.flatten(given)[1])

        key = ("call", id(module), *_situation(leaves, form))
        _, segment = self._segments.find(key, module, make)
        return MISSED if segment is None else self._run(segment, leaves)

    def steps(
        self,
        owner: Any,
        values: list[Any],
        steps: Sequence[tuple[int, ...]],
        outputs: Sequence[int],
        apply: Apply,
    ) -> None:
        """Run a container's steps, rows of them as one segment each.

        Parameters
        ----------
        owner : module
        values : list
            The container's inputs; what each step gives is appended (None if nobody needs it).
        steps : sequence of tuple of int
            The places in `values` that each step reads.
        outputs : sequence of int
            The places that the container gives.
        apply : function of (number, values)
            Runs one step.
        """
        first = len(values)
        k = 0
        while k < len(steps):
            stop, segment = self._row(owner, values, steps, outputs, apply, first, k)
            if segment is None:
                values.append(apply(k, values))
                k += 1
                continue
            reads, writes = self._segments.ends(owner, steps, outputs, first, k, stop)
            leaves, _ = _flat(tuple([values[place] for place in reads]))
            values.extend([None] * (stop - k))
            for place, result in zip(writes, self._run(segment, leaves), strict=True):
                values[place] = result
            k = stop

    def _row(
        self,
        owner: Any,
        values: list[Any],
        steps: Sequence[tuple[int, ...]],
        outputs: Sequence[int],
        apply: Apply,
        first: int,
        k: int,
    ) -> tuple[int, Segment | None]:
        """Return where the row of steps that begins with `k` ends, and its segment."""
        reads, _ = self._segments.ends(owner, steps, outputs, first, k, len(steps))
        every, form = _flat(tuple([values[place] for place in reads]))
        if not self.is_on or not _are_values(every):
            return k + 1, None

        def make() -> tuple[int, Segment | None]:
            stop = len(steps)
            while stop > k:
                segment, reached = attempt(stop)
                if segment is not None:
                    return stop, segment
                # The step that fails ends the row; where two traces differ nobody knows which.
                stop = reached if reached < stop else k + (stop - k) // 2
            return k + 1, None

        def attempt(stop: int) -> tuple[Segment | None, int]:
            reads, writes = _ends(steps, outputs, first, k, stop)
            reached = k

            def function(given: Any) -> Any:
                nonlocal reached
                known: list[Any] = [None] * (first + len(steps))
                for place, value in zip(reads, given, strict=True):
                    known[place] = value
                for reached in range(k, stop):
                    known[first + reached] = apply(reached, known)
                reached = stop
                return tuple([known[place] for place in writes])

            leaves, structure = tree.flatten(tuple([values[place] for place in reads]))
            return self._try(function, leaves, structure), reached

        key = ("steps", id(owner), k, *_situation(every, form))
        found: tuple[int, Segment | None] = self._segments.find(key, owner, make)
        return found

    def _try(
        self, function: Callable[[Any], Any], leaves: Sequence[Any], structure: tree.Structure
    ) -> Segment | None:
        """Return the segment; None if it cannot be traced, or goes wrong: a plain run says so."""
        specs = [Spec(x.shape, x.dtype.name) for x in leaves]
        try:
            traced, occurrences = _forward(self._segments.module, function, specs, structure)
        except Exception:
            return None
        if STATE.context.random is None and any(find(op.name).random for op in traced.oplist.ops):
            return None
        return Segment(self._segments, traced, occurrences, self._tape is not None)

    def _run(self, segment: Segment, leaves: Sequence[Any]) -> Any:
        self.count += 1
        return segment.run(leaves, self._tape)


def _ends(
    steps: Sequence[tuple[int, ...]], outputs: Sequence[int], first: int, k: int, stop: int
) -> Ends:
    """Return the places that steps k to stop read from before, and those read from them behind."""
    inside = range(first + k, first + stop)
    reads = dict.fromkeys(p for step in steps[k:stop] for p in step if p not in inside)
    later = {p for step in steps[stop:] for p in step}.union(outputs)
    return list(reads), [place for place in inside if place in later]


def _flat(items: tuple[Any, ...]) -> tuple[Sequence[Any], Any]:
    """Return a tree's leaves, and what stands for its structure: quickly for a tuple of values."""
    if all(isinstance(item, Value) for item in items):
        return items, len(items)
    return tree.flatten(items)


def _are_values(leaves: Sequence[Any]) -> bool:
    return bool(leaves) and all(isinstance(x, Value) for x in leaves)


def _situation(leaves: Sequence[Any], form: Any) -> tuple[Any, ...]:
    """Return all that what is traced depends on, beside the module."""
    context = STATE.context
    mode = (context.training, context.explicit, context.random is None)
    place = (tuple(STATE.path), tuple(context._seen.items()))
    return (form, mode, place, *[(x.shape, x.dtype.char) for x in leaves])


def _forward(
    module: ModuleLike,
    function: Callable[[Any], Any],
    specs: Sequence[Spec],
    structure: tree.Structure,
) -> tuple[Traced, dict[str, int]]:
    """Trace a part where the thread is now; returns also how often each path was used then."""
    now, path = STATE.context, list(STATE.path)
    after: dict[str, int] = {}

    def once() -> Traced:
        with using(training=now.training, random=_KEY) as context, Trace(module) as trace:
            context.explicit = now.explicit
            context._seen = dict(now._seen)
            STATE.path.extend(path)
            trace.entries = None
            symbols = [trace.input(f"x{k}", spec) for k, spec in enumerate(specs)]
            found, result = tree.flatten(function(structure.unflatten(symbols)))
            oplist = trace.finish([("", as_value(x)) for x in found])
            if now.random is not None:
                after.update(context._seen)
            return Traced(oplist, result)

    return twice(once), after
