"""A segment: a part of a module that was traced and compiled, as one entry of the tape."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..engine.oplist import OpList, Spec
from . import tree
from .function import TapeEntry
from .parameter import Buffer, Parameter
from .program import PredictProgram
from .state import STATE
from .sublists import replay
from .tape import Tape, walk_back
from .trace import Trace
from .tracing import Traced
from .value import Operand, Value, wrap

if TYPE_CHECKING:
    from .segments import Segments


class Segment:
    """A compiled part of a module: one entry of the tape, with a program for each direction.

    Going back, the forward pass is computed anew, so that nothing but inputs is kept.
    """

    def __init__(
        self, segments: Segments, traced: Traced, occurrences: dict[str, int], trains: bool
    ) -> None:
        oplist = traced.oplist
        self._segments = segments
        self._structure = traced.output
        several = tree.flatten((0,) * traced.output.size)[1]
        self._is_plain = traced.output == several
        self._occurrences = occurrences
        self._results = len(oplist.outputs)
        buffers: dict[str, Buffer] = dict(segments.module.named_buffers())
        parameters: dict[str, Parameter] = dict(segments.module.named_parameters())
        if trains:  # a step of training keeps what buffers get until it is through
            self._read = [buffers[name] for name, _ in oplist.buffers]
            self._updated = [buffers[name] for name, _ in oplist.updates]
            oplist = replace(
                oplist,
                inputs=[*oplist.inputs, *oplist.buffers],
                outputs=[*oplist.outputs, *oplist.updates],
                buffers=[],
                updates=[],
            )
        else:
            self._read, self._updated = [], []
        self._used = [parameters[name] for name, _ in oplist.parameters]
        self._list = oplist
        self._program = segments.compile(oplist, traced.output)
        self._backward: dict[Any, tuple[PredictProgram, list[int]]] = {}
        self._lock = threading.Lock()

    def pieces(self) -> Iterator[tuple[object, int]]:
        """Yield what the programs hold in memory, with its bytes."""
        yield from self._program.pieces()
        for program, _ in list(self._backward.values()):
            yield from program.pieces()

    def run(self, leaves: Sequence[Value], tape: Tape | None) -> tree.Tree:
        """Return what the part gives."""
        context = STATE.context
        read: list[Operand] = list(self._read)
        if context.updates:
            read = [context.updates.get(buffer, buffer) for buffer in self._read]
        arrays = [x._data for x in (*leaves, *read)]
        results = self._program.compute(arrays, context.random)
        values = [wrap(np.array(array)) for array in results]
        outputs = values[: self._results]
        context._seen.update(self._occurrences)
        for buffer, value in zip(self._updated, values[self._results :], strict=True):
            buffer.update(value)
        if tape is not None:
            inputs = tuple([x.seen() for x in (*leaves, *read, *self._used)])
            attrs = {"random": context.random}
            function: Any = self
            tape.entries.append(
                TapeEntry(function, inputs, tuple(outputs), attrs, tuple(STATE.path))
            )
        return tuple(outputs) if self._is_plain else self._structure.unflatten(outputs)

    # -- as the function of an entry of the tape -------------------------------------------------

    @property
    def name(self) -> str:
        """What messages call it."""
        return "segment"

    def backward(self, entry: TapeEntry, gradients: list[Value | None]) -> list[Value | None]:
        """Return the gradients of the entry's inputs from those of its outputs."""
        given = tuple([k for k, dy in enumerate(gradients) if dy is not None])
        fixed = range(len(self._list.inputs) - len(self._read), len(self._list.inputs))
        wanted = tuple(
            [
                k
                for k, needed in enumerate(entry.needs)
                if needed and k not in fixed and entry.inputs[k].dtype.kind == "f"
            ]
        )
        program, reached = self._going_back(given, wanted)
        arriving = [dy._data for dy in gradients if dy is not None]
        arrays = [x._data for x in entry.inputs[: len(self._list.inputs)]]
        results = program.compute([*arrays, *arriving], entry.attrs["random"])
        found: list[Value | None] = [None] * len(entry.inputs)
        for place, result in zip(reached, results, strict=True):
            found[place] = wrap(np.array(result))
        return found

    def _going_back(
        self, given: tuple[int, ...], wanted: tuple[int, ...]
    ) -> tuple[PredictProgram, list[int]]:
        with self._lock:
            found = self._backward.get((given, wanted))
            if found is None:
                oplist, reached = self._trace_back(given, wanted)
                program = self._segments.compile(oplist, tree.flatten([])[1])
                found = self._backward[given, wanted] = program, reached
        return found

    def _trace_back(
        self, given: tuple[int, ...], wanted: tuple[int, ...]
    ) -> tuple[OpList, list[int]]:
        """Write down the forward pass again, and the way back through it."""
        oplist = self._list
        values = oplist.values
        with Trace(self._segments.module) as trace:
            entries: list[TapeEntry] = []
            trace.entries = entries
            symbols = [trace.input(name, values[i]) for name, i in oplist.inputs]
            named = dict(self._segments.module.named_parameters())
            known: dict[int, Operand] = {i: named[name] for name, i in oplist.parameters}
            known |= {i: wrap(np.array(array)) for array, i in oplist.constants}
            outputs = replay(oplist, symbols, known)
            arriving = [
                trace.input("", Spec(outputs[k].shape, outputs[k].dtype.name)) for k in given
            ]
            trace.entries = None

            def visit(entry: TapeEntry) -> None:
                trace._path = ".".join(entry.path)

            inputs = [*symbols, *self._used]
            starts = [(outputs[k], dy) for k, dy in zip(given, arriving, strict=True)]
            found = walk_back(entries, starts, [inputs[k] for k in wanted], visit)
            trace._path = None
            pairs = [(k, dx) for k, dx in zip(wanted, found, strict=True) if dx is not None]
            return trace.finish([("", dx) for _, dx in pairs]), [k for k, _ in pairs]
