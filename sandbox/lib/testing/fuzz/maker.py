"""Make random graphs: the reference runs each step as it is drawn, so its numbers are known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from ... import core, engine
from ...core import RandomKey
from .graph import Array, Graph, Ref, Source, Step, run_step

KEY = RandomKey(7, 1, 0)
LARGEST = 30.0  # of a value: exponentials and squares of squares stay finite
# How many results are taken; the statistics of batch_norm have no gradient.
OUTPUTS = {"lstm": 3, "gru": 2, "rnn": 2, "max_with_index": 2, "update": 0}
Call: TypeAlias = "tuple[tuple[Any, ...], dict[str, Any]]"
Move: TypeAlias = "Callable[[Maker, int], Call | None]"

MOVES: dict[str, Move] = {}


def _named(function: Any, name: str, maker: Any, x: Any) -> Any:
    return function(maker, x, name)


def move(*names: str) -> Callable[[Any], Any]:
    """Register how operations of `core.ops` are drawn: a function of (maker, value, [name]).

    It returns the arguments of the call, or None if the value does not suit the operation.
    """

    def register(function: Any) -> Any:
        for name in names:
            if len(names) > 1:
                MOVES[name] = partial(_named, function, name)
            else:
                MOVES[name] = function
        return function

    return register


class Maker:
    """The state of one graph in the making.

    Parameters
    ----------
    seed : int
    large : bool
        Draw sizes for which kernels are taken that small arrays never see.
    strict : bool
        Never put a reshape before an operation to make its input fit.
    """

    def __init__(self, seed: int, *, large: bool = False, strict: bool = False) -> None:
        self.seed = seed
        self.rng = np.random.Generator(np.random.PCG64(seed))
        self.large = large
        self.strict = strict
        self.sources: dict[int, Source] = {}
        self.steps: list[Step] = []
        self.values: dict[int, Any] = {}
        self.numbers: dict[int, Array] = {}
        self.context = core.using(training=True, random=KEY, collect=True)

    # -- drawing -----------------------------------------------------------------------------

    def chance(self, p: float) -> bool:
        """Return True with probability p."""
        return bool(self.rng.random() < p)

    def one_of(self, items: Sequence[Any]) -> Any:
        """Return one of the items."""
        return items[int(self.rng.integers(len(items)))]

    def size(self) -> int:
        """Return the size of an axis."""
        return int(self.one_of((16, 24, 32)) if self.large else self.one_of((1, 2, 2, 3, 3, 4, 5)))

    def number(self, low: float, high: float) -> float:
        """Return a number as an attribute: few digits, so that it is short in a listing."""
        return round(float(self.rng.uniform(low, high)), 2)

    # -- values ------------------------------------------------------------------------------

    def shape(self, n: int) -> tuple[int, ...]:
        """Return a value's shape."""
        return self.numbers[n].shape

    def is_float(self, n: int) -> bool:
        """Return whether a value holds real numbers."""
        return bool(self.numbers[n].dtype == np.float32)

    def range(self, n: int) -> tuple[float, float]:
        """Return a value's least and largest number."""
        array = self.numbers[n]
        return (float(array.min()), float(array.max())) if array.size else (0.0, 0.0)

    def source(self, kind: str, data: Array) -> int:
        """Add a source and return its number."""
        n = len(self.numbers)
        self.sources[n] = Source(kind, data)
        self.numbers[n] = data
        if kind in ("parameter", "frozen"):
            self.values[n] = core.Parameter(data, f"p{n}")
        elif kind == "buffer":
            self.values[n] = core.Buffer(data, f"b{n}")
        else:
            self.values[n] = core.Value(data) if kind == "input" else data
        return n

    def draw(self, shape: Sequence[int], spread: float = 1.0, middle: float = 0.0) -> Array:
        """Return float32 numbers."""
        numbers = middle + spread * self.rng.normal(size=tuple(shape))
        return np.asarray(numbers, np.float32)

    def parameter(self, shape: Sequence[int], spread: float = 1.0, middle: float = 0.0) -> Ref:
        """Return a new parameter; now and then a constant, or one that is not trained."""
        kind = str(self.rng.choice(("parameter", "constant", "frozen"), p=(0.82, 0.09, 0.09)))
        return Ref(self.source(kind, self.draw(shape, spread, middle)))

    def weight(self, shape: Sequence[int]) -> Ref:
        """Return a parameter whose sums over all axes but the first keep their size."""
        return self.parameter(shape, 1.0 / max(1.0, float(np.prod(shape[1:]))) ** 0.5)

    def positive(self, shape: Sequence[int]) -> Ref:
        """Return a parameter of numbers in 0.5..1.5."""
        data = np.asarray(self.rng.uniform(0.5, 1.5, size=tuple(shape)), np.float32)
        return Ref(self.source("parameter", data))

    def other(self, shape: Sequence[int], spread: float = 1.0) -> Ref:
        """Return a value of this shape: one that is there already, or a new parameter."""
        wanted = tuple(shape)
        there = [n for n in self.numbers if self.is_float(n) and self.shape(n) == wanted]
        if there and self.chance(0.5):
            return Ref(self.one_of(there))
        return self.parameter(wanted, spread)

    def rank(self, x: int, *ranks: int) -> int | None:
        """Return the value with one of these numbers of axes, reshaped if need be."""
        if len(self.shape(x)) in ranks:
            return x
        if self.strict or not self.chance(0.5):
            return None
        wanted = self.factors(x, self.one_of(ranks))
        return self.apply("reshape", ((Ref(x), wanted), {}))

    def factors(self, x: int, rank: int) -> tuple[int, ...]:
        """Return a random shape of this many axes for the elements of a value."""
        shape = self.shape(x)
        total, sizes = int(np.prod(shape)), [1] * rank
        places = range(rank)
        if shape and rank > 1 and self.chance(0.6):  # keep the batch
            sizes[0], total, places = shape[0], total // max(1, shape[0]), range(1, rank)
        divisor = 2
        while total > 1 and rank:
            if total % divisor == 0:
                sizes[self.one_of(places)] *= divisor
                total //= divisor
            else:
                divisor += 1
        return tuple(sizes)

    # -- steps -------------------------------------------------------------------------------

    def apply(self, name: str, call: Call) -> int | None:
        """Run a step and keep it; return its first output, or None if its numbers are no good."""
        first = len(self.numbers)
        outputs = tuple(range(first, first + OUTPUTS.get(name, 1)))
        step = Step(name, *call, outputs)
        made = dict(self.values)
        with self.context, engine.use_reference():
            run_step(step, made)
        arrays = {n: made[n]._data for n in outputs}
        for array in arrays.values():
            fine = array.size and array.size <= 60_000
            if not fine or (array.dtype.kind == "f" and not np.abs(array).max() < LARGEST):
                return None
        self.values, self.steps = made, [*self.steps, step]
        self.numbers.update(arrays)
        return first if outputs else -1

    def attempt(self, name: str, x: int) -> int | None:
        """Draw and run an operation on a value; leave everything as it was if it does not suit."""
        before = dict(self.sources), list(self.steps), dict(self.values), dict(self.numbers)
        call = MOVES[name](self, x)
        made = None if call is None else self.apply(name, call)
        if made is None:
            self.sources, self.steps, self.values, self.numbers = before
        return made

    def graph(
        self,
        outputs: Sequence[int],
        *,
        timed: bool = False,
        threads: int = 1,
        forms: tuple[str, str] = ("places", "places"),
    ) -> Graph:
        """Return what was made."""
        first = self.numbers[outputs[0]]
        labels: Array | None = None
        if first.ndim == 2 and first.shape[1] > 1 and self.chance(0.5):
            labels = np.asarray(self.rng.integers(0, first.shape[1], first.shape[0]))
        made = Graph(
            self.seed,
            dict(self.sources),
            tuple(self.steps),
            tuple(outputs),
            labels,
            timed,
            threads,
            forms,
            dict(self.numbers),
        )
        return made.pruned()
