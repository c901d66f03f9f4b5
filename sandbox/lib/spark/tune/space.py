"""What a search may choose: the values of each name, and how trials draw them."""

from __future__ import annotations

import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...core import validate
from ...core.errors import ArgumentError

__all__ = ["Choice", "Dimension", "Range", "Space", "choice", "integers", "log_uniform", "uniform"]

Config = dict[str, Any]
_KINDS = "tune.uniform, tune.log_uniform, tune.integers or tune.choice"


class Dimension(ABC):
    """The values that one name may take."""

    @abstractmethod
    def draw(self, rng: np.random.Generator) -> Any:
        """Return a value at random."""

    @abstractmethod
    def grid(self, name: str) -> list[Any]:
        """Return the values that a grid tries, in order."""

    @abstractmethod
    def position(self, value: Any) -> float:
        """Return where a value lies on an axis from 0 to 1."""

    @abstractmethod
    def ticks(self) -> list[tuple[float, str]]:
        """Return positions of an axis with their labels."""


class Range(Dimension):
    """Numbers from `low` to `high`, both included.

    Parameters
    ----------
    low, high : float
        Ints if `whole`.
    log : bool
        Whether equal ratios are equally likely.
    whole : bool
        Whether the numbers are ints.
    points : int > 1, optional
        How many of them a grid tries, evenly spaced.
    """

    def __init__(
        self, low: float, high: float, *, log: bool, whole: bool, points: int | None
    ) -> None:
        self.log, self.whole, self.points = log, whole, points
        self.name = "integers" if whole else "log_uniform" if log else "uniform"
        where = f"tune.{self.name}: "
        check = validate.integer if whole else validate.finite
        self.low, self.high = check(f"{where}low", low), check(f"{where}high", high)
        if self.high <= self.low:
            raise validate.refuse(f"{where}high", f"more than `low` = {low!r}", high)
        if log and self.low <= 0:
            raise validate.refuse(f"{where}low", "more than 0, to have a logarithm", low)
        if points is not None and validate.positive_int(f"{where}points", points) < 2:
            raise validate.refuse(f"{where}points", "an int > 1", points)

    def draw(self, rng: np.random.Generator) -> int | float:
        """Return a number at random."""
        low, high = float(self.low), float(self.high)
        if self.whole:
            low, high = low - 0.5, high + 0.5  # each end as likely as the others
        u = rng.random()
        found = low * (high / low) ** u if self.log else low + (high - low) * u
        return self._within(found)

    def _within(self, value: float) -> int | float:
        if self.whole:
            return min(max(round(value), int(self.low)), int(self.high))
        return float(min(max(value, self.low), self.high))

    def grid(self, name: str) -> list[Any]:
        """Return evenly spaced numbers, both ends among them."""
        if self.points is None:
            if self.whole and not self.log:
                return list(range(int(self.low), int(self.high) + 1))
            raise ArgumentError(
                f"search: `space[{name!r}]` must say how many points a grid tries; got {self!r}."
                f" Write tune.{self.name}({self.low!r}, {self.high!r}, points=5)."
            )
        space = np.geomspace if self.log else np.linspace
        found = [self._within(value) for value in space(self.low, self.high, self.points)]
        return list(dict.fromkeys(found))

    def position(self, value: Any) -> float:
        """Return where a number lies between the ends, by its logarithm if need be."""
        low, high, at = float(self.low), float(self.high), float(value)
        if self.log:
            low, high, at = math.log(low), math.log(high), math.log(at)
        return (at - low) / (high - low)

    def ticks(self) -> list[tuple[float, str]]:
        """Return the ends and what lies between: powers of ten, or quarters."""
        if self.log:
            powers = range(math.ceil(math.log10(self.low)), math.floor(math.log10(self.high)) + 1)
            inner = [10.0**power for power in powers][:: max(1, len(powers) // 5)]
        else:
            inner = [self.low + (self.high - self.low) * k / 4 for k in (1, 2, 3)]
        values = [float(self.low), float(self.high)]
        values += [v for v in inner if 0.08 < self.position(v) < 0.92]
        if self.whole:
            values = [float(round(value)) for value in values]
        return sorted({(self.position(value), f"{value:.4g}") for value in values})

    def __repr__(self) -> str:
        told = f"{self.low!r}, {self.high!r}"
        if self.whole and self.log:
            told += ", log=True"
        if self.points is not None:
            told += f", points={self.points}"
        return f"{self.name}({told})"


class Choice(Dimension):
    """One of some values of any kind.

    Parameters
    ----------
    options : list
        At least one; no two alike.
    """

    def __init__(self, options: Sequence[Any]) -> None:
        self.options = validate.several("tune.choice: options", options, "a list of values")
        if not self.options:
            raise validate.refuse("tune.choice: options", "a list of at least one value", options)
        self._names = [repr(option) for option in self.options]
        for name in self._names:
            if self._names.count(name) > 1:
                raise validate.refuse(
                    "tune.choice: options", "values that differ", options, f"{name} is there twice."
                )

    def draw(self, rng: np.random.Generator) -> Any:
        """Return one of the values at random."""
        return self.options[int(rng.integers(len(self.options)))]

    def grid(self, name: str) -> list[Any]:
        """Return all values."""
        return list(self.options)

    def position(self, value: Any) -> float:
        """Return where a value stands in the row."""
        return self._at(self._names.index(repr(value)))

    def ticks(self) -> list[tuple[float, str]]:
        """Return all values by name."""
        return [(self._at(k), str(option)) for k, option in enumerate(self.options)]

    def _at(self, k: int) -> float:
        return k / (len(self.options) - 1) if len(self.options) > 1 else 0.5

    def __repr__(self) -> str:
        return f"choice({self.options!r})"


def uniform(low: float, high: float, *, points: int | None = None) -> Range:
    """Try numbers between two, all equally likely.

    Parameters
    ----------
    low, high : float
    points : int > 1, optional
        How many a grid tries.

    Notes
    -----
    Like Ray Tune `uniform`, Optuna `suggest_float` and Keras Tuner `Float`.

    Examples
    --------
    >>> uniform(0.0, 0.5, points=3).grid("dropout")
    [0.0, 0.25, 0.5]
    """
    return Range(low, high, log=False, whole=False, points=points)


def log_uniform(low: float, high: float, *, points: int | None = None) -> Range:
    """Try numbers between two, of which equal ratios are equally likely: for learning rates.

    Parameters
    ----------
    low, high : float > 0
    points : int > 1, optional
        How many a grid tries.

    Notes
    -----
    Like Ray Tune `loguniform`, Optuna `suggest_float(log=True)` and Keras Tuner `Float`.

    Examples
    --------
    >>> [round(rate, 6) for rate in log_uniform(1e-3, 1e-1, points=3).grid("lr")]
    [0.001, 0.01, 0.1]
    """
    return Range(low, high, log=True, whole=False, points=points)


def integers(low: int, high: int, *, log: bool = False, points: int | None = None) -> Range:
    """Try whole numbers from `low` to `high`, both included.

    Parameters
    ----------
    low, high : int
    log : bool, default=False
        Equal ratios are equally likely: for widths.
    points : int > 1, optional
        How many a grid tries; all of them by default, unless `log`.

    Notes
    -----
    Like Ray Tune `randint`, whose upper end is left out, Optuna `suggest_int` and Keras Tuner
    `Int`.

    Examples
    --------
    >>> integers(1, 3).grid("layers")
    [1, 2, 3]
    """
    log = validate.boolean("tune.integers: log", log)
    return Range(low, high, log=log, whole=True, points=points)


def choice(options: Sequence[Any]) -> Choice:
    """Try values of any kind: sizes, names, tuples.

    Parameters
    ----------
    options : list
        No two alike.

    Notes
    -----
    Like Ray Tune `choice`, Optuna `suggest_categorical` and Keras Tuner `Choice`.

    Examples
    --------
    >>> choice(["relu", "tanh"]).grid("activation")
    ['relu', 'tanh']
    """
    return Choice(options)


class Space:
    """The dimensions by name.

    Parameters
    ----------
    dimensions : dict of name -> Dimension
    seed : int
        What trial k draws depends on the seed and k alone: more trials leave the first as they are.

    Raises
    ------
    ArgumentError : it is empty, or holds what is no dimension.

    Examples
    --------
    >>> space = Space({"width": integers(8, 64), "act": choice(["relu", "tanh"])}, seed=0)
    >>> space.draw(3) == space.draw(3)
    True
    """

    def __init__(self, dimensions: Mapping[str, Dimension], seed: int) -> None:
        if not isinstance(dimensions, Mapping) or not dimensions:
            raise validate.refuse(
                "space", "a dict of at least one name", dimensions,
                "For example: {'lr': tune.log_uniform(1e-4, 1e-1)}.",
            )  # fmt: skip
        self.dimensions: dict[str, Dimension] = {}
        for name, dimension in dimensions.items():
            validate.text("a name of `space`", name)
            if not isinstance(dimension, Dimension):
                cure = "What is the same in all trials belongs in `model_fn`."
                if isinstance(dimension, list | tuple):
                    cure = f"Several values: tune.choice({list(dimension)!r})."
                raise validate.refuse(f"space[{name!r}]", f"one of {_KINDS}", dimension, cure)
            self.dimensions[name] = dimension
        self.seed = seed

    def draw(self, trial: int) -> Config:
        """Return what a trial tries, drawn at random."""
        rng = stream(self.seed, trial, 0)
        return {name: dimension.draw(rng) for name, dimension in self.dimensions.items()}

    def grid(self) -> list[Config]:
        """Return every combination; the last name varies fastest."""
        names = list(self.dimensions)
        values = [dimension.grid(name) for name, dimension in self.dimensions.items()]
        return [dict(zip(names, row, strict=True)) for row in itertools.product(*values)]

    def describe(self) -> dict[str, str]:
        """Return the space as text, by which a resumed search knows its own."""
        return {name: repr(dimension) for name, dimension in self.dimensions.items()}


def stream(seed: int, trial: int, use: int) -> np.random.Generator:
    """Return the random numbers of a trial for one use: 0 its values, 1 its model."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence((seed, trial, use))))
