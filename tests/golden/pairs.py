"""What is compared with PyTorch: pairs of ours and theirs, and the numbers both start from.

`make.py` computes the fixtures, where there is PyTorch; `tests/contract/test_golden.py` compares.
Nothing here imports PyTorch: `theirs` is given the module `torch`. Inputs and parameters come from
`numpy.random.RandomState`, whose stream never changes, so that fixtures hold results only. Theirs
is computed in float64; ours in float64 and in float32.
"""

from __future__ import annotations

import importlib
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
TOOLS = ("conftest", "make", "pairs")
Arrays = dict[str, np.ndarray]
PARTS = {"matrix": (4, 3), "vector": (5,)}
"""The parameters that methods update."""


def _same(state: Arrays) -> Arrays:
    return state


def _rng(*what: Any) -> np.random.RandomState:
    return np.random.RandomState(zlib.crc32("/".join(map(str, what)).encode()))


@dataclass(frozen=True)
class Pair:
    """One module, criterion or operation of ours beside PyTorch's.

    Parameters
    ----------
    name : str
        Ours and what is special, e.g. "nn.Conv2d, stride 2".
    ours : function
        Makes our module or criterion, or gives a function of values.
    theirs : function of (torch)
        Makes PyTorch's module, or gives a function of tensors. Criterions: with reduction="sum".
    inputs : tuple of shapes
        One per input; for a criterion of the output and the target.
    integers : mapping of input number -> (low, high)
        These inputs hold whole numbers from [low, high).
    within : mapping of input number -> (low, high)
        These are drawn evenly from an interval; all others from the normal distribution.
    constant : tuple of input numbers
        No gradient is taken for these (targets).
    convert : function of arrays by our names -> arrays by PyTorch's names
        Parameters and buffers for PyTorch; the same names by default.
    returned : function of gradients by PyTorch's names -> by our names
        The way back; the same names by default.
    take : function of PyTorch's output -> tensor or tuple of tensors
        What of it is compared.
    training : bool
        Whether both run in training mode.
    near : float
        Largest difference in float32, relative to the largest element of the array.
    """

    name: str
    ours: Callable[[], Any]
    theirs: Callable[[Any], Any]
    inputs: tuple[tuple[int, ...], ...]
    integers: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    within: Mapping[int, tuple[float, float]] = field(default_factory=dict)
    constant: tuple[int, ...] = ()
    convert: Callable[[Arrays], Arrays] = _same
    returned: Callable[[Arrays], Arrays] = _same
    take: Callable[[Any], Any] = lambda output: output
    training: bool = False
    near: float = 1e-4

    def draw(self) -> list[np.ndarray]:
        """Draw the inputs, in float64 or int64."""
        arrays = []
        for number, shape in enumerate(self.inputs):
            rng = _rng(self.name, "input", number)
            if number in self.integers:
                arrays.append(rng.randint(*self.integers[number], size=shape).astype(np.int64))
            elif number in self.within:
                arrays.append(rng.uniform(*self.within[number], size=shape))
            else:
                arrays.append(rng.normal(size=shape))
        return arrays

    def state(self, shapes: Mapping[str, tuple[int, ...]]) -> Arrays:
        """Draw parameters and buffers by name; a variance is positive."""
        state = {}
        for name, shape in shapes.items():
            rng = _rng(self.name, name)
            positive = "variance" in name
            state[name] = rng.uniform(0.5, 1.5, shape) if positive else rng.normal(0, 0.5, shape)
        return state

    def projection(self, shape: tuple[int, ...], number: int) -> np.ndarray:
        """Draw what output `number` is multiplied with; the sum of all that is differentiated."""
        return _rng(self.name, "output", number).normal(size=shape)


@dataclass(frozen=True)
class Method:
    """An optimisation method of ours beside PyTorch's: some steps over `PARTS`.

    `theirs(torch, parameters)` makes PyTorch's optimiser of a list of tensors, in `PARTS`' order
    (those of `parts` alone, if given).
    """

    name: str
    ours: Callable[[], Any]
    theirs: Callable[[Any, list[Any]], Any]
    parts: tuple[str, ...] = tuple(PARTS)
    steps: int = 10
    near: float = 1e-4

    def start(self) -> Arrays:
        """Draw the parameters."""
        return {part: _rng(self.name, part).normal(size=PARTS[part]) for part in self.parts}

    def gradients(self) -> list[Arrays]:
        """Draw the gradients of each step."""
        return [
            {part: _rng(self.name, part, step).normal(size=PARTS[part]) for part in self.parts}
            for step in range(self.steps)
        ]


@dataclass(frozen=True)
class Timetable:
    """A schedule of ours beside PyTorch's: factors on a learning rate of 1.

    `theirs(torch, optimizer)` makes PyTorch's scheduler of an optimiser whose rate is 1. `losses`
    are validations, one after each step, for schedules that go by them.
    """

    name: str
    ours: Callable[[], Any]
    theirs: Callable[[Any, Any], Any]
    steps: int = 30
    losses: tuple[float, ...] = ()


Any_ = Pair | Method | Timetable


def families() -> dict[str, list[Any_]]:
    """Collect `PAIRS` of each file in this folder; each has a fixture file of its name."""
    names = sorted(path.stem for path in HERE.glob("*.py"))
    found = {}
    for name in names:
        if name not in TOOLS and not name.startswith("_"):
            pairs = importlib.import_module(f"tests.golden.{name}").PAIRS
            called = [pair.name for pair in pairs]
            if len(set(called)) != len(called):
                raise ValueError(f"tests/golden/{name}.py: two pairs have one name")
            found[name] = pairs
    return found
