"""Functions: an operation of the engine with the rule for its gradient, on values.

The engine's record of an operation (`engine.operation`) holds its rule for shape and dtype and its
kernels. A `Function` adds the gradient, written with `core.ops`, so that the same code runs eagerly
and traced.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import engine
from ..engine.interpreter import check_results
from ..engine.operation import Infer, Operation, find, register
from ..engine.oplist import Spec
from . import validate
from .errors import ArgumentError, GradientError
from .random import next_key
from .state import STATE
from .value import Array, Input, Operand, Value, borrow, wrap
from .value import results as made

Gradient = Callable[..., Sequence["Input | None"]]

FUNCTIONS: dict[str, Function] = {}

_CACHE_LIMIT = 4096


class TapeEntry:
    """One recorded use of a function.

    `needs[i]` tells a gradient rule whether the gradient of input i is wanted at all.
    """

    __slots__ = ("attrs", "function", "inputs", "needs", "outputs", "path")

    def __init__(
        self,
        function: Function,
        inputs: tuple[Operand, ...],
        outputs: tuple[Value, ...],
        attrs: dict[str, Any],
        path: tuple[str, ...],
    ) -> None:
        self.function = function
        self.inputs = inputs
        self.outputs = outputs
        self.attrs = attrs
        self.path = path
        self.needs: list[bool] = []


class Function:
    """An operation on values, with its gradient; made by `function` and `operation`.

    Parameters
    ----------
    record : Operation
        What the engine knows of it.
    """

    __slots__ = ("_seen", "gradient_rule", "infer", "name", "random", "record")

    def __init__(self, record: Operation) -> None:
        self.record = record
        self.name = record.name
        self.infer = record.infer
        self.random = record.random
        self.gradient_rule: Gradient | None = None
        self._seen: set[Any] = set()
        FUNCTIONS[record.name] = self

    def gradient(self, rule: Gradient) -> Gradient:
        """Register `rule(entry, *output_gradients) -> one gradient (or None) per input`."""
        self.gradient_rule = rule
        return rule

    def apply(self, inputs: tuple[Operand, ...], attrs: dict[str, Any]) -> tuple[Value, ...]:
        """Run (or, in a trace, write down) the operation; returns all outputs."""
        state = STATE
        if state.trace is not None:
            return state.trace.record(self, inputs, attrs)
        updates = state.context.updates
        if updates:  # buffers that this step has changed already
            inputs = tuple([updates.get(x, x) for x in inputs])  # type: ignore[call-overload]
        arrays = [x._data for x in inputs]
        signature = (*[(a.shape, a.dtype) for a in arrays], *attrs.values())
        new = signature not in self._seen
        if new:
            specs = self.infer(*[Spec(a.shape, a.dtype.name) for a in arrays], **attrs)
        key = (state.context.random or next_key()) if self.random else None
        results = engine.execute(self.name, arrays, attrs, random=key)
        if new:
            check_results(self.name, results, specs)
            if len(self._seen) >= _CACHE_LIMIT:
                self._seen.clear()
            self._seen.add(signature)
        outputs = made(inputs, results)
        if state.tape is not None:
            seen = tuple([x.seen() for x in inputs])
            state.tape.entries.append(TapeEntry(self, seen, outputs, attrs, tuple(state.path)))
        return outputs

    def __call__(self, *inputs: Input, **attrs: Any) -> Value:
        """Run an operation with one output."""
        return self.apply(tuple([as_operand(x) for x in inputs]), attrs)[0]

    def many(self, *inputs: Input, **attrs: Any) -> tuple[Value, ...]:
        """Run an operation with several outputs."""
        return self.apply(tuple([as_operand(x) for x in inputs]), attrs)

    def backward(self, entry: TapeEntry, gradients: list[Value | None]) -> list[Value | None]:
        """Return the gradients of the entry's inputs from those of its outputs."""
        rule = self.gradient_rule
        if rule is None:
            raise GradientError(
                f"gradient of {self.name} is not defined. Give it one with "
                f"FUNCTIONS[{self.name!r}].gradient, or keep it out of the loss."
            )
        results = rule(entry, *gradients)
        return [None if result is None else as_value(result) for result in results]

    def __repr__(self) -> str:
        return f"Function({self.name})"


def function(name: str) -> Function:
    """Return the function of one of the engine's own operations; its gradient is given next."""
    return FUNCTIONS.get(name) or Function(find(name))


def as_operand(x: Input) -> Operand:
    """Return x itself, or its array wrapped; a Python number becomes a float32 scalar."""
    if isinstance(x, Operand):
        return x
    if isinstance(x, float | int):
        return wrap(np.asarray(x, dtype=np.float32))
    if isinstance(x, list | tuple) and any(isinstance(item, Operand) for item in x):
        raise ArgumentError(
            f"an input of an operation must be one value; got a {type(x).__name__} of {len(x)}. "
            "Join them with core.ops.concat, or give them to a module that takes several."
        )
    try:
        array = np.asarray(x)
    except ValueError:
        raise ArgumentError(
            f"an input of an operation must be an array of numbers; got a {type(x).__name__} with "
            "rows of unlike length."
        ) from None
    if array.dtype.kind not in "fiub":
        raise ArgumentError(
            f"an input of an operation must be an array of numbers; got {type(x).__name__} "
            f"of dtype {array.dtype}."
        )
    # A trace takes a copy itself, one for all uses of an array.
    return Value(array) if STATE.trace is None else borrow(array)


def as_value(x: Input) -> Value:
    """Return x as a value; a parameter or buffer becomes one that stays connected with it."""
    operand = as_operand(x)
    if isinstance(operand, Value):
        return operand
    return FUNCTIONS["reshape"].apply((operand,), {"shape": operand.shape})[0]


def operation(
    name: str,
    *,
    infer: Infer,
    reference: Callable[..., Any],
    gradient: Gradient | None = None,
    **traits: Any,
) -> Function:
    """Register an operation of your own.

    Parameters
    ----------
    name : str
        New, best with a dot: "mine.swish".
    infer : function of (*specs, **attrs) -> tuple of Spec
        Shape and dtype of the outputs; what the kernel gives is checked against it.
    reference : function of (*arrays, **attrs) -> array or tuple
        The NumPy kernel; writes into no input.
    gradient : function of (entry, *output gradients) -> sequence of input gradients, optional
        Written with `core.ops`; `entry` has `inputs`, `outputs`, `attrs`, `needs`.
    traits
        Further fields of the record, see `engine.operation.Operation`: `random=True` gives the
        kernel a RandomKey as `random`, `lower` adds native steps.

    Raises
    ------
    ArgumentError : the name is taken, or a trait is unknown.

    Examples
    --------
    >>> from sandbox.lib import core
    >>> cube = operation(
    ...     "doc.cube",
    ...     infer=lambda x: (x,),
    ...     reference=lambda x: x * x * x,
    ...     gradient=lambda entry, dy: (dy * 3.0 * core.ops.square(entry.inputs[0]),),
    ... )
    >>> with core.Tape() as tape:
    ...     x = core.Value(np.float32([2.0]))
    ...     y = core.ops.sum(cube(x))
    >>> tape.gradients(y, [x])
    [array([12.], dtype=float32)]
    """
    validate.text("name", name)
    validate.function("infer", infer)
    validate.function("reference", reference)
    if gradient is not None:
        validate.function("gradient", gradient)
    made = Function(register(name, infer=infer, reference=reference, **traits))
    if gradient is not None:
        made.gradient(gradient)
    return made


__all__ = [
    "FUNCTIONS",
    "Array",
    "Function",
    "TapeEntry",
    "as_operand",
    "as_value",
    "function",
    "operation",
]
