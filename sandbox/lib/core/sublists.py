"""Lists of operations inside an operation: traced within a trace, replayed, differentiated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from ..engine.oplist import OpList, Spec
from .errors import TraceError
from .function import FUNCTIONS, Function, TapeEntry
from .parameter import Buffer, Variable
from .state import STATE
from .tape import walk_back
from .trace import Symbol, Trace
from .value import Input, Operand, Value


class _Nothing:
    """A module without parameters and buffers: a list inside takes all it reads as inputs."""

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        raise NotImplementedError

    def named_parameters(self) -> tuple[()]:
        return ()

    def named_buffers(self) -> tuple[()]:
        return ()


class SubTrace(Trace):
    """Collect the operations of a part of what another trace of this thread collects.

    What is used but not an input becomes one: `captured` holds these operands of the trace around
    it (values, parameters, buffers, constants) in the order of the list's further inputs.

    Parameters
    ----------
    what : str
        The operation the list belongs to, for messages.
    """

    def __init__(self, what: str) -> None:
        if STATE.trace is None:
            raise TraceError(f"{what}: a list inside is traced within a trace only.")
        super().__init__(_Nothing())
        self.entries = None
        self.captured: dict[Operand, int] = {}
        self._fixed: dict[int, Symbol] = {}  # constants, by their id in the trace around it
        self._what = what
        self._outer: Trace = STATE.trace

    def __enter__(self) -> Self:
        self._before = (STATE.trace, STATE.tape)
        STATE.trace, STATE.tape = self, None
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        STATE.trace, STATE.tape = self._before

    def symbol(self, operand: Operand) -> Symbol:
        """Add an input like an operand and return its symbol."""
        return self.input("", Spec(operand.shape, operand.dtype.name))

    def record(
        self, function: Function, inputs: tuple[Operand, ...], attrs: dict[str, Any]
    ) -> tuple[Value, ...]:
        """Write one operation down."""
        if function.random:
            raise TraceError(
                f"{function.name} draws random numbers inside of {self._what}, where each step "
                "would draw the same ones. It runs eagerly."
            )
        return super().record(function, inputs, attrs)

    def update(self, buffer: Buffer, value: Operand) -> None:
        """Raise: an update inside a list that may run often or never has no place to go."""
        raise TraceError(
            f"buffer {buffer.name or buffer.shape} is updated inside of {self._what}, which a "
            "program cannot do. It runs eagerly; or carry its numbers along."
        )

    def id_of(self, x: Operand) -> int:
        """Return the id of a symbol, or of the input that stands for what is outside."""
        if isinstance(x, Symbol) and x.trace is self:
            return x.id
        if not isinstance(x, Symbol | Variable):
            place = self._outer.id_of(x)  # a constant: the trace around it takes a copy now
            spec = Spec(x.shape, x.dtype.name)
            x = self._fixed.setdefault(place, Symbol(self._outer, place, spec))
        elif isinstance(x, Symbol) and x.trace is not self._outer:
            self._outer.id_of(x)  # outside of that one, or kept from elsewhere: raises
        known = self.captured.get(x)
        if known is None:
            known = self.captured[x] = self.symbol(x).id
        return known

    def close(self, outputs: Sequence[Input]) -> OpList:
        """Return the list."""
        return self.finish([("", x) for x in outputs])

    def gradients(
        self, starts: Sequence[tuple[Operand, Value]], wrt: Sequence[Operand]
    ) -> list[Value | None]:
        """Walk back over what was written down since `entries` was set to a list."""
        entries, self.entries = self.entries or [], None

        def visit(entry: TapeEntry) -> None:
            self._path = ".".join(entry.path)

        try:
            return walk_back(entries, starts, wrt, visit)
        finally:
            self._path = None


def replay(
    oplist: OpList, inputs: Sequence[Operand], fixed: dict[int, Operand] | None = None
) -> list[Operand]:
    """Run a list by the functions: on a tape, or in a trace; `fixed` holds what is no input."""
    known = dict(fixed or {})
    known.update({value: x for (_, value), x in zip(oplist.inputs, inputs, strict=True)})
    before = STATE.path
    try:
        for op in oplist.ops:
            STATE.path = op.path.split(".") if op.path else []
            given = tuple([known[value] for value in op.inputs])
            known.update(zip(op.outputs, FUNCTIONS[op.name].apply(given, op.attrs), strict=True))
    finally:
        STATE.path = before
    return [known[value] for _, value in oplist.outputs]


def with_same_inputs(
    parts: Sequence[tuple[OpList, list[Operand]]], count: int
) -> tuple[list[OpList], list[Operand]]:
    """Let lists take the same inputs: `count` common ones, then all that any of them captured."""
    union = list(dict.fromkeys(operand for _, captured in parts for operand in captured))
    made = []
    for oplist, captured in parts:
        values = list(oplist.values)
        places = dict(zip(captured, oplist.inputs[count:], strict=True))
        inputs = oplist.inputs[:count]
        for operand in union:
            if operand not in places:
                values.append(Spec(operand.shape, operand.dtype.name))
            inputs.append(places.get(operand, ("", len(values) - 1)))
        made.append(replace(oplist, values=values, inputs=inputs))
    return made, union
