"""Primitives: the coarse operations everything is made of, and their registry.

A primitive is a name, a rule for shape and dtype (`infer`), a NumPy kernel in the engine's
reference (of the same name) and a rule for its gradient. The rule is written with `core.ops`, so
the same code runs eagerly and traced.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import engine
from ..engine.oplist import Spec
from ..engine.reference import KERNELS
from .errors import ArgumentError, GradientError
from .random import next_key
from .state import STATE
from .value import Array, Input, Operand, Value, wrap

Infer = Callable[..., tuple[Spec, ...]]
Gradient = Callable[..., Sequence["Input | None"]]

PRIMITIVES: dict[str, Primitive] = {}

_CACHE_LIMIT = 4096


class Node:
    """One recorded use of a primitive.

    `needs[i]` tells a gradient rule whether the gradient of input i is wanted at all.
    """

    __slots__ = ("attrs", "inputs", "needs", "outputs", "path", "primitive")

    def __init__(
        self,
        primitive: Primitive,
        inputs: tuple[Operand, ...],
        outputs: tuple[Value, ...],
        attrs: dict[str, Any],
        path: tuple[str, ...],
    ) -> None:
        self.primitive = primitive
        self.inputs = inputs
        self.outputs = outputs
        self.attrs = attrs
        self.path = path
        self.needs: list[bool] = []


class Primitive:
    """An operation with its rules; make one with `primitive`.

    Parameters
    ----------
    name : str
        The same in op lists, reference kernels and native lowerings.
    infer : function of (*specs, **attrs) -> tuple of Spec
        Shape and dtype of the outputs; raises `ShapeError` for inputs that do not fit.
    random : bool
        Whether the kernel draws random numbers.
    """

    __slots__ = ("_seen", "gradient_rule", "infer", "name", "random")

    def __init__(self, name: str, infer: Infer, *, random: bool = False) -> None:
        if name in PRIMITIVES:
            raise ArgumentError(f"`name` must be new; got {name!r}, which is registered already.")
        self.name = name
        self.infer = infer
        self.random = random
        self.gradient_rule: Gradient | None = None
        self._seen: set[Any] = set()
        PRIMITIVES[name] = self

    def gradient(self, rule: Gradient) -> Gradient:
        """Register `rule(node, *output_gradients) -> one gradient (or None) per input`."""
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
        if signature not in self._seen:
            self.infer(*[Spec(a.shape, a.dtype.name) for a in arrays], **attrs)
            if len(self._seen) >= _CACHE_LIMIT:
                self._seen.clear()
            self._seen.add(signature)
        if self.random:
            key = state.context.random or next_key()
            results = engine.execute(self.name, arrays, attrs, random=key)
        else:
            results = engine.execute(self.name, arrays, attrs)
        outputs = tuple([wrap(array) for array in results])
        if state.tape is not None:
            state.tape.nodes.append(Node(self, inputs, outputs, attrs, tuple(state.path)))
        return outputs

    def __call__(self, *inputs: Input, **attrs: Any) -> Value:
        """Run a primitive with one output."""
        return self.apply(tuple([as_operand(x) for x in inputs]), attrs)[0]

    def many(self, *inputs: Input, **attrs: Any) -> tuple[Value, ...]:
        """Run a primitive with several outputs."""
        return self.apply(tuple([as_operand(x) for x in inputs]), attrs)

    def backward(self, node: Node, gradients: list[Value | None]) -> list[Value | None]:
        """Return the gradients of the node's inputs from those of its outputs."""
        rule = self.gradient_rule
        if rule is None:
            raise GradientError(
                f"gradient of {self.name} is not defined. Give it one with "
                f"PRIMITIVES[{self.name!r}].gradient, or keep it out of the loss."
            )
        results = rule(node, *gradients)
        return [None if result is None else as_value(result) for result in results]

    def __repr__(self) -> str:
        return f"Primitive({self.name})"


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
    array = np.asarray(x)
    if array.dtype.kind not in "fiub":
        raise ArgumentError(
            f"an input of an operation must be an array of numbers; got {type(x).__name__} "
            f"of dtype {array.dtype}."
        )
    return wrap(array)


def as_value(x: Input) -> Value:
    """Return x as a value; a parameter or buffer becomes one that stays connected with it."""
    operand = as_operand(x)
    if isinstance(operand, Value):
        return operand
    return PRIMITIVES["reshape"].apply((operand,), {"shape": operand.shape})[0]


def primitive(
    name: str,
    *,
    infer: Infer,
    reference: Callable[..., Any] | None = None,
    gradient: Gradient | None = None,
    random: bool = False,
) -> Primitive:
    """Register a primitive.

    Parameters
    ----------
    name : str
        New, best with a dot for your own: "mine.swish".
    infer : function of (*specs, **attrs) -> tuple of Spec
        Shape and dtype of the outputs.
    reference : function of (*arrays, **attrs) -> array or tuple, optional
        The NumPy kernel; optional only for the operations the engine brings along.
    gradient : function of (node, *output gradients) -> sequence of input gradients, optional
        Written with `core.ops`; `node` has `inputs`, `outputs`, `attrs`, `needs`.

    Examples
    --------
    >>> from sandbox.lib import core
    >>> cube = primitive(
    ...     "doc.cube",
    ...     infer=lambda x: (x,),
    ...     reference=lambda x: x * x * x,
    ...     gradient=lambda node, dy: (dy * 3.0 * core.ops.square(node.inputs[0]),),
    ... )
    >>> with core.Tape() as tape:
    ...     x = core.Value(np.float32([2.0]))
    ...     y = core.ops.sum(cube(x))
    >>> tape.gradients(y, [x])
    [array([12.], dtype=float32)]
    """
    if reference is not None:
        if name in KERNELS:
            raise ArgumentError(f"`name` must be new; got {name!r}, which the engine has already.")
        KERNELS[name] = reference
    made = Primitive(name, infer, random=random)
    if gradient is not None:
        made.gradient(gradient)
    return made


__all__ = ["PRIMITIVES", "Array", "Node", "Primitive", "as_operand", "as_value", "primitive"]
