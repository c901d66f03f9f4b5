"""Symbols, and a trace: what is done with them is written down as an `OpList`.

Forward and backward go into one list. The gradient rules are the same code that the tape runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np

from ..engine.links import kept, remove_dead
from ..engine.oplist import Op, OpList, Spec
from .errors import ArgumentError, TraceError
from .function import FUNCTIONS, TapeEntry, as_value
from .parameter import Buffer, Parameter, Variable
from .state import STATE
from .tape import walk_back
from .value import Array, Input, Operand, Value

if TYPE_CHECKING:
    from .function import Function


class ModuleLike(Protocol):
    """What core needs of a module."""

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        """Compute the output; inputs and output are trees."""

    def named_parameters(self) -> Iterable[tuple[str, Parameter]]:
        """Give all parameters with their paths."""

    def named_buffers(self) -> Iterable[tuple[str, Buffer]]:
        """Give all buffers with their paths."""


def check_module(module: Any, name: str = "module") -> None:
    """Refuse what is no module, such as the class of one."""
    if isinstance(module, type) or not hasattr(module, "named_parameters"):
        raise ArgumentError(f"`{name}` must be a module such as Linear(3, 2); got {module!r}.")


class Symbol(Value):
    """A value of a trace: shape and dtype, no numbers."""

    __slots__ = ("_dtype", "_shape", "id", "source", "trace")

    def __init__(
        self, trace: Trace, value_id: int, spec: Spec, source: Operand | None = None
    ) -> None:
        self.trace = trace
        self.id = value_id
        self.source = source
        self._shape = spec.shape
        self._dtype = np.dtype(spec.dtype)

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of all axes."""
        return self._shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """NumPy dtype of the elements."""
        return self._dtype

    @property
    def data(self) -> Array:
        """Raise: there are no numbers yet."""
        raise TraceError(
            "the numbers of a value are looked at (.data, float(), `if`, NumPy), which a traced "
            "program does not have. Use core.ops only, or let it run eagerly."
        )

    @property
    def _data(self) -> Array:  # type: ignore[override]
        if STATE.trace is None:
            raise TraceError(
                f"a value of shape {self._shape} was kept from a trace that is over. Do not store "
                "values on modules; return them from call()."
            )
        return self.data

    def __repr__(self) -> str:
        return f"Symbol(shape={self._shape}, dtype={self._dtype})"


class Trace:
    """Collect operations of this thread inside a `with` block.

    Parameters
    ----------
    module : ModuleLike
        Its parameters and buffers may be used, no others.
    """

    def __init__(self, module: ModuleLike) -> None:
        self.oplist = OpList()
        self.entries: list[TapeEntry] | None = []
        self._names: dict[Variable, str] = {}
        for name, variable in (*module.named_parameters(), *module.named_buffers()):
            self._names[variable] = name
        self._ids: dict[Variable, int] = {}
        self._updated: dict[Variable, Value] = {}
        self._constants: dict[Any, tuple[int, Array]] = {}
        self._kept: list[Array] = []
        self._path: str | None = None
        self._before: Any = None

    def __enter__(self) -> Self:
        if STATE.trace is not None:
            raise TraceError("a trace is running in this thread already; traces do not nest.")
        self._before = (STATE.tape, STATE.path)
        STATE.trace, STATE.tape, STATE.path = self, None, []
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        STATE.trace = None
        STATE.tape, STATE.path = self._before

    def input(self, name: str, spec: Spec) -> Symbol:
        """Add an input and return its symbol."""
        value_id = self.oplist.new_value(spec)
        self.oplist.inputs.append((name, value_id))
        return Symbol(self, value_id, spec)

    def record(
        self, function: Function, inputs: tuple[Operand, ...], attrs: dict[str, Any]
    ) -> tuple[Value, ...]:
        """Write one operation down; `Function.apply` calls this."""
        ids = tuple([self.id_of(x) for x in inputs])
        values = self.oplist.values
        specs = function.infer(*[values[i] for i in ids], **attrs)
        outputs = tuple([Symbol(self, self.oplist.new_value(spec), spec) for spec in specs])
        path = ".".join(STATE.path) if self._path is None else self._path
        self.oplist.ops.append(
            Op(function.name, ids, tuple([out.id for out in outputs]), dict(attrs), path)
        )
        if self.entries is not None or STATE.tape is not None:
            seen = tuple([self._seen(x, i) for x, i in zip(inputs, ids, strict=True)])
            entry = TapeEntry(function, seen, outputs, attrs, tuple(STATE.path))
            if self.entries is not None:
                self.entries.append(entry)
            if STATE.tape is not None:  # a tape inside of the module, for a gradient of its own
                STATE.tape.entries.append(entry)
        return outputs

    def _seen(self, x: Operand, value_id: int) -> Operand:
        """Return what gradient rules get for an input: a buffer as it is before later updates."""
        if not isinstance(x, Variable):
            return x
        if x in self._updated:
            return self._updated[x]
        return Symbol(self, value_id, self.oplist.values[value_id], x)

    def id_of(self, x: Operand) -> int:
        """Return the id of a symbol, parameter, buffer or constant."""
        if isinstance(x, Symbol):
            if x.trace is not self:
                raise TraceError(
                    f"a value of shape {x.shape} was kept from another trace. Do not store values "
                    "on modules; return them from call()."
                )
            return x.id
        if isinstance(x, Variable):
            return self._variable_id(x)
        return self._constant_id(x._data)

    def _variable_id(self, variable: Variable) -> int:
        updated = self._updated.get(variable)
        if updated is not None:
            return self.id_of(updated)
        known = self._ids.get(variable)
        if known is not None:
            return known
        name = self._names.get(variable)
        if name is None:
            raise ArgumentError(stranger(variable))
        value_id = self.oplist.new_value(Spec(variable.shape, variable.dtype.name))
        pairs = self.oplist.parameters if isinstance(variable, Parameter) else self.oplist.buffers
        pairs.append((name, value_id))
        self._ids[variable] = value_id
        return value_id

    def _constant_id(self, array: Array) -> int:
        kind = (array.dtype.str, array.shape)
        small = array.nbytes <= 64
        place = array.tobytes() if small else (array.ctypes.data, array.strides)
        known = self._constants.get((*kind, place))
        if known is not None and (small or np.array_equal(array, known[1], equal_nan=True)):
            return known[0]
        value_id = self.oplist.new_value(Spec.of(array))
        # A copy: the caller may write into his array later.
        copied = np.array(array, order="C")
        self.oplist.constants.append((copied, value_id))
        self._constants[*kind, place] = value_id, copied
        self._kept.append(array)  # or another one could be put in its place
        return value_id

    def update(self, buffer: Buffer, value: Operand) -> None:
        """Write down that a buffer gets new numbers; later reads see them."""
        self._variable_id(buffer)
        new = as_value(value)
        self.id_of(new)
        self._updated[buffer] = new

    def backward(self, loss: Value, wrt: Sequence[Operand]) -> list[Value | None]:
        """Write the backward pass down and return the gradients' symbols."""
        entries = self.entries or []
        self.entries = None

        def visit(entry: TapeEntry) -> None:
            self._path = ".".join(entry.path)

        seed = as_value(np.ones(loss.shape, loss.dtype))
        try:
            return walk_back(entries, [(loss, seed)], wrt, visit)
        finally:
            self._path = None

    def finish(
        self, outputs: Sequence[tuple[str, Input]], gradients: Sequence[tuple[str, Input]] = ()
    ) -> OpList:
        """Name the results and return the list without anything that does not serve them."""
        oplist = self.oplist
        made = {value for op in oplist.ops for value in op.outputs}

        def result(x: Input) -> int:
            """Return the id of what an operation gives: nobody writes other values down."""
            value = as_value(x)
            if self.id_of(value) not in made:
                value = FUNCTIONS["reshape"].apply((value,), {"shape": value.shape})[0]
            return self.id_of(value)

        updated = [(self._names[b], symbol) for b, symbol in self._updated.items()]
        oplist.outputs = [(name, result(x)) for name, x in outputs]
        oplist.gradients = [(name, result(x)) for name, x in gradients]
        oplist.updates = [(name, result(symbol)) for name, symbol in updated]
        return prune(oplist)


def prune(oplist: OpList) -> OpList:
    """Return a list without the operations and values that no result depends on."""
    remove_dead(oplist)
    needed = kept(oplist).union(i for _, i in oplist.inputs)
    for op in oplist.ops:
        needed.update(op.inputs, op.outputs)
    number = {old: new for new, old in enumerate(sorted(needed))}

    def renamed(pairs: list[tuple[str, int]]) -> list[tuple[str, int]]:
        return [(name, number[i]) for name, i in pairs if i in number]

    return OpList(
        values=[oplist.values[old] for old in number],
        ops=[
            Op(
                op.name,
                tuple([number[i] for i in op.inputs]),
                tuple([number[i] for i in op.outputs]),
                op.attrs,
                op.path,
            )
            for op in oplist.ops
        ],
        inputs=renamed(oplist.inputs),
        parameters=renamed(oplist.parameters),
        buffers=renamed(oplist.buffers),
        constants=[(array, number[i]) for array, i in oplist.constants if i in number],
        outputs=renamed(oplist.outputs),
        gradients=renamed(oplist.gradients),
        updates=renamed(oplist.updates),
    )


def stranger(variable: Variable) -> str:
    """Return what to say about a parameter or buffer that is not the module's."""
    return (
        f"{variable!r} is used but is not among the module's parameters and buffers. "
        "Assign it to an attribute of the module in __init__."
    )
