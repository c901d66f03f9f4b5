"""What the numbers of an output are: read off the operations that made it.

A softmax or a sigmoid at the end gives probabilities, a log-softmax their logarithms. Of all other
outputs nothing is known here: the criterion says what they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np

from ..core import tree
from ..core.context import using
from ..core.errors import TraceError
from ..core.function import TapeEntry
from ..core.tape import Tape
from ..core.trace import Trace
from ..core.value import Value
from ..engine.oplist import Spec
from .module import Module

__all__ = ["Meaning", "meaning_of", "output_meanings"]

Meaning: TypeAlias = Literal["logits", "probabilities", "logarithms", "values", "unknown"]
Bounds: TypeAlias = tuple[float, float]

_ALL = (-math.inf, math.inf)
_DEEPEST = 40  # operations between an output and what bounds it
_SLACK = 1e-3  # 1e-7 is added where a logarithm follows


def output_meanings(model: Module, inputs: Any) -> Any:
    """Return what a model's outputs are: "probabilities", "logarithms" or "unknown".

    Parameters
    ----------
    model : Module
        Is traced in inference mode; what cannot be traced is run once, on a row of zeros.
    inputs : tree of Spec
        One row of what the model is called with.

    Returns
    -------
    tree like the output, or "unknown" where the model does not take such a row

    Examples
    --------
    >>> from sandbox.lib import nn
    >>> output_meanings(nn.Sequential(nn.Linear(4, 3), nn.Softmax()), Spec((4,)))
    'probabilities'
    >>> output_meanings(nn.Linear(4, 3), Spec((4,)))
    'unknown'
    """
    try:
        try:
            with using(training=False), Trace(model) as trace:
                output = tree.call(model, tree.map(lambda s: trace.input("x", _row(s)), inputs))
                entries = trace.entries
        except TraceError:
            with using(training=False), Tape() as tape, np.errstate(all="ignore"):
                output = tree.call(model, tree.map(_zeros, inputs))
                entries = tape.entries
    except Exception:  # the run itself tells of it, with its place
        return "unknown"
    return tree.map(lambda value: meaning_of(value, entries or ()), output)


def _row(spec: Spec) -> Spec:
    return Spec((1, *spec.shape), spec.dtype)


def _zeros(spec: Spec) -> Value:
    return Value(np.zeros((1, *spec.shape), spec.dtype))


def meaning_of(value: Any, entries: Sequence[TapeEntry]) -> Meaning:
    """Return what a value is by the operations that a tape or a trace wrote down.

    Examples
    --------
    >>> from sandbox.lib.core import ops
    >>> with Tape() as tape:
    ...     y = ops.sigmoid(Value(np.ones((2, 1), "f4")))
    >>> meaning_of(ops.add(y, 1.0), tape.entries), meaning_of(y, tape.entries)
    ('unknown', 'probabilities')
    """
    record = _Record(entries)
    if record.logarithms(value, _DEEPEST):
        return "logarithms"
    return "probabilities" if record.within(value, _DEEPEST) else "unknown"


class _Record:
    """The operations that were written down, by what they made."""

    def __init__(self, entries: Sequence[TapeEntry]) -> None:
        self.entries = entries
        self._makers: dict[int, TapeEntry] = {}
        self._looked = len(entries)
        self._known: dict[int, Bounds] = {}

    def maker(self, value: Any) -> TapeEntry | None:
        """Return what made a value; it stands near the end, so one looks from there."""
        while id(value) not in self._makers and self._looked:
            self._looked -= 1
            entry = self.entries[self._looked]
            self._makers.update((id(output), entry) for output in entry.outputs)
        return self._makers.get(id(value))

    def logarithms(self, value: Any, left: int) -> bool:
        """Tell whether a value holds logarithms of probabilities."""
        entry = self.maker(value)
        if entry is None or not left:
            return False
        if entry.function.name == "log":
            return self.within(entry.inputs[0], left - 1)
        if entry.function.record.moves:
            moved = entry.inputs[:1] if entry.function.name in _CHOSEN else entry.inputs
            return all(self.logarithms(x, left - 1) for x in moved)
        if entry.function.name == "softplus":  # -log(1 + exp(-x)): of a sigmoid
            return bool(entry.attrs["beta"] == -1.0)
        return entry.function.name == "log_softmax"

    def within(self, value: Any, left: int) -> bool:
        """Tell whether a value's elements are in 0..1."""
        low, high = self.bounds(value, left)
        return low >= -_SLACK and high <= 1 + _SLACK

    def bounds(self, value: Any, left: int) -> Bounds:
        """Return between which numbers a value's elements are, whatever goes into the model."""
        if id(value) not in self._known:
            self._known[id(value)] = self._bounds(value, left)
        return self._known[id(value)]

    def _bounds(self, value: Any, left: int) -> Bounds:
        entry = self.maker(value)
        if entry is None:
            constant = type(value) is Value and value.shape == ()
            return (float(value.data),) * 2 if constant else _ALL
        name, inputs = entry.function.name, entry.inputs
        if name in _FIXED:
            return _FIXED[name]
        if not left or not (name in _RULES or entry.function.record.moves):
            return _ALL
        if name == "divide" and self._sums(inputs[1]) is inputs[0]:  # shares of a whole
            return (0.0, 1.0) if self.bounds(inputs[0], left - 1)[0] >= 0 else _ALL
        if name == "where":
            inputs = inputs[1:]
        elif name in _CHOSEN:
            inputs = inputs[:1]
        rule: Callable[..., Bounds] = _RULES.get(name, _hull)
        found: Bounds = rule(*[self.bounds(x, left - 1) for x in inputs], **entry.attrs)
        return found

    def _sums(self, value: Any) -> Any:
        """Return what a value is the sum of, None if it is no sum."""
        entry = self.maker(value)
        while entry is not None and entry.function.record.moves:
            entry = self.maker(entry.inputs[0])
        return entry.inputs[0] if entry is not None and entry.function.name == "sum" else None


def _hull(*parts: Bounds, **_: Any) -> Bounds:
    return min(low for low, _ in parts), max(high for _, high in parts)


def _padded(x: Bounds, **_: Any) -> Bounds:
    return _hull(x, (0.0, 0.0))


def _ends(numbers: Iterable[float]) -> Bounds:
    found = [0.0 if math.isnan(number) else number for number in numbers]  # 0 · infinity
    return min(found), max(found)


def _sum(a: Bounds, b: Bounds) -> Bounds:
    return a[0] + b[0], a[1] + b[1]


def _product(a: Bounds, b: Bounds) -> Bounds:
    return _ends(x * y for x in a for y in b)


def _quotient(a: Bounds, b: Bounds) -> Bounds:
    if b[0] <= 0 <= b[1]:
        return _ALL
    return _product(a, _ends(1 / y for y in b))


def _exp(x: Bounds) -> Bounds:
    low, high = (math.exp(min(end, 700.0)) if end < 700.0 else math.inf for end in x)
    return low, high


_FIXED: dict[str, Bounds] = {
    "hard_sigmoid": (0.0, 1.0),
    "log_softmax": (-math.inf, 0.0),
    "sigmoid": (0.0, 1.0),
    "softmax": (0.0, 1.0),
    "softsign": (-1.0, 1.0),
    "tanh": (-1.0, 1.0),
    **dict.fromkeys(("cos", "erf", "sin"), (-1.0, 1.0)),
}
_CHOSEN = ("take", "gather")  # their second input are indices
_RULES: dict[str, Callable[..., Bounds]] = {
    "add": _sum,
    "avg_pool2d": _padded,
    "avg_pool3d": _padded,
    "cast": _hull,
    "clip": lambda x, low, high: (min(max(x[0], low), high), max(min(x[1], high), low)),
    "divide": _quotient,
    "exp": _exp,
    "mask_sequence": lambda x, lengths, value: _hull(x, (value, value)),
    "max": _hull,
    "min": _hull,
    "pad": lambda x, widths, mode, value: _hull(x, (value, value)),
    "maximum": lambda a, b: (max(a[0], b[0]), max(a[1], b[1])),
    "mean": _hull,
    "minimum": lambda a, b: (min(a[0], b[0]), min(a[1], b[1])),
    "multiply": _product,
    "negative": lambda x: (-x[1], -x[0]),
    "relu": lambda x: (max(x[0], 0.0), max(x[1], 0.0)),
    "scale_add": lambda a, b, alpha, beta: _sum(
        _product(a, (alpha, alpha)), _product(b, (beta, beta))
    ),
    "softplus": lambda x, beta: (0.0, math.inf) if beta > 0 else (-math.inf, 0.0),
    "stack": _hull,
    "subtract": lambda a, b: (a[0] - b[1], a[1] - b[0]),
    "threshold": lambda x, at, value: _hull(x, (value, value)),
    "where": _hull,
}
