"""What all rules of first weights share: generators, counts of inputs, numbers drawn in pieces."""

from __future__ import annotations

import inspect
import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, TypeAlias, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from ...core import validate
from ...core.errors import ArgumentError
from ...core.random import rng as seeded

Array: TypeAlias = NDArray[Any]
Rule: TypeAlias = Callable[[tuple[int, ...], np.random.Generator], Array]
R = TypeVar("R", bound=Callable[..., Array])
Rng: TypeAlias = np.random.Generator | int | None

_PIECE = 1 << 16  # numbers drawn at once
_LEFT = 0.87962566103423978  # deviation of the normal distribution cut at ±2


_now = threading.local()


@contextmanager
def drawing(rng: Rng) -> Iterator[None]:
    """Draw from one generator within the block, in this thread, where layers are given none.

    Examples
    --------
    >>> with drawing(0):
    ...     first = generator(None).random()
    >>> first == generator(0).random()
    True
    """
    before, _now.generator = getattr(_now, "generator", None), generator(rng)
    try:
        yield
    finally:
        _now.generator = before


def generator(rng: Rng) -> np.random.Generator:
    """Give the generator to draw from.

    Parameters
    ----------
    rng : Generator, int or None
        A generator is used as it is (and moves on). An int seeds a new PCG64. None takes fresh
        entropy from the system: two runs then differ.

    Raises
    ------
    ArgumentError : `rng` is something else.

    Notes
    -----
    Like BigDL `Layer.set_seed`, but for who is given this generator: nothing is shared unseen.

    Examples
    --------
    >>> float(generator(0).random()) == float(generator(0).random())
    True
    """
    if isinstance(rng, np.random.Generator):
        return rng
    if rng is None:
        lent: np.random.Generator | None = getattr(_now, "generator", None)
        return np.random.Generator(np.random.PCG64()) if lent is None else lent
    if isinstance(rng, (int, np.integer)) and not isinstance(rng, bool):
        return seeded(int(rng))
    raise ArgumentError(
        f"`rng` must be a numpy Generator, an int seed or None; got {rng!r}. "
        "Use rng=np.random.default_rng(0) for the same weights in every run."
    )


def ruled(function: R) -> R:
    """Make a rule refuse what is no shape and, where it draws, what is no generator."""
    fills = inspect.signature(function).parameters["rng"].default is None

    @wraps(function)
    def checked(shape: tuple[int, ...], rng: Any = None) -> Array:
        if not (fills and rng is None) and not isinstance(rng, np.random.Generator):
            raise validate.refuse(
                "rng", "a numpy Generator", rng, "Use numpy.random.default_rng(0)."
            )
        return function(validate.shape("shape", shape), rng)

    return cast(R, checked)


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """Count the inputs and outputs of one unit of a weight (out, in, *window).

    Examples
    --------
    >>> fans((100, 192)), fans((8, 3, 5, 5))
    ((192, 100), (75, 200))
    """
    shape = validate.shape("shape", shape)
    if len(shape) < 2:
        size = shape[0] if shape else 1
        return size, size
    window = math.prod(shape[2:])
    return shape[1] * window, shape[0] * window


def filled(shape: tuple[int, ...], draws: Callable[[int], Array]) -> Array:
    """Fill piece by piece: a generator gives the same numbers, and never twice the memory."""
    made = np.empty(shape, np.float32)
    flat = made.reshape(-1)
    for start in range(0, flat.size, _PIECE):
        piece = flat[start : start + _PIECE]
        piece[...] = draws(piece.size)
    return made


def deviating(shape: tuple[int, ...], rng: np.random.Generator, deviation: float) -> Array:
    """Draw from a normal distribution of this deviation."""
    validate.instance("rng", rng, np.random.Generator)
    validate.non_negative("deviation", deviation)
    shape = validate.shape("shape", shape)
    return filled(shape, lambda count: rng.normal(0.0, deviation, count))


def evenly(
    shape: tuple[int, ...], rng: np.random.Generator, bound: float, center: float = 0.0
) -> Array:
    """Draw evenly from center ± bound."""
    return filled(shape, lambda count: rng.uniform(center - bound, center + bound, count))


def truncated(shape: tuple[int, ...], rng: np.random.Generator, deviation: float) -> Array:
    """Draw from a normal distribution without what lies beyond two deviations.

    What lies beyond is drawn again; the distribution is made wider beforehand by what that takes
    away, so that the deviation is the wished one.
    """
    wide = deviation / _LEFT
    places: list[Array] = []
    done = 0

    def first(count: int) -> Array:
        nonlocal done
        draws = rng.standard_normal(count)
        places.append(np.flatnonzero(np.abs(draws) > 2.0) + done)
        done += count
        return draws * wide

    made = filled(shape, first)
    beyond = np.concatenate(places) if places else np.zeros(0, int)
    while beyond.size:
        draws = rng.standard_normal(beyond.size)
        made.reshape(-1)[beyond] = draws * wide
        beyond = beyond[np.abs(draws) > 2.0]
    return made
