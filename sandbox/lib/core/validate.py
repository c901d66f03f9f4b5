"""Constraints as data: one wording for all messages, and a table the negative tests are made from.

A constraint turns a value into its normal form or raises `ArgumentError`. `CASES` tells for each
constraint which values it must accept and refuse.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .errors import ArgumentError


def refuse(name: str, constraint: str, value: object, cure: str = "") -> ArgumentError:
    """Return (not raise) the error that all constraints raise."""
    shown = repr(value)
    if len(shown) > 120:
        shown = shown[:117] + "..."
    return ArgumentError(
        f"`{name}` must be {constraint}; got {shown}." + (f" {cure}" if cure else "")
    )


def _int(name: str, value: Any, constraint: str, cure: str = "") -> int:
    if isinstance(value, bool | np.bool_):
        raise refuse(name, constraint, value, cure)
    try:
        return operator.index(value)
    except TypeError:
        raise refuse(name, constraint, value, cure) from None


def integer(name: str, value: Any, cure: str = "") -> int:
    """Return an int."""
    return _int(name, value, "an int", cure)


def positive_int(name: str, value: Any, cure: str = "") -> int:
    """Return an int > 0."""
    number = _int(name, value, "an int > 0", cure)
    if number <= 0:
        raise refuse(name, "an int > 0", value, cure)
    return number


def non_negative_int(name: str, value: Any, cure: str = "") -> int:
    """Return an int >= 0."""
    number = _int(name, value, "an int >= 0", cure)
    if number < 0:
        raise refuse(name, "an int >= 0", value, cure)
    return number


def in_range(
    name: str, value: Any, low: float, high: float, *, closed: str = "both", cure: str = ""
) -> float:
    """Return a float between low and high; `closed` says which ends belong to the range."""
    left, right = closed in ("both", "left"), closed in ("both", "right")
    constraint = f"a number in {'[' if left else '('}{low:g}, {high:g}{']' if right else ')'}"
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise refuse(name, constraint, value, cure) from None
    above = number >= low if left else number > low
    below = number <= high if right else number < high
    if isinstance(value, bool | str) or not (above and below):
        raise refuse(name, constraint, value, cure)
    return number


def finite(name: str, value: Any, cure: str = "") -> float:
    """Return a float that is neither NaN nor infinite."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number) or isinstance(value, bool | str):
        raise refuse(name, "a finite number", value, cure)
    return number


def positive(name: str, value: Any, cure: str = "") -> float:
    """Return a finite float > 0."""
    return in_range(name, value, 0.0, np.inf, closed="none", cure=cure)


def non_negative(name: str, value: Any, cure: str = "") -> float:
    """Return a finite float >= 0."""
    return in_range(name, value, 0.0, np.inf, closed="left", cure=cure)


def one_of(name: str, value: Any, allowed: Iterable[Any], cure: str = "") -> Any:
    """Return the value if it is among the allowed ones."""
    options = list(allowed)
    if not any(type(value) is type(option) and value == option for option in options):
        raise refuse(name, "one of " + ", ".join(map(repr, options)), value, cure)
    return value


def divides(name: str, value: Any, of_name: str, of: int) -> int:
    """Return an int > 0 that divides another argument."""
    number = positive_int(name, value)
    if of % number:
        raise refuse(name, f"a divisor of `{of_name}` = {of}", value)
    return number


def pair(name: str, value: Any, *, minimum: int = 1) -> tuple[int, int]:
    """Return (height, width) from an int or a pair of ints."""
    constraint = f"an int >= {minimum} or a pair (height, width) of them"
    items = tuple(value) if isinstance(value, tuple | list | np.ndarray) else (value, value)
    if len(items) != 2:
        raise refuse(name, constraint, value)
    height, width = (_int(name, item, constraint) for item in items)
    if height < minimum or width < minimum:
        raise refuse(name, constraint, value)
    return height, width


def padding_pairs(name: str, value: Any) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return ((top, bottom), (left, right)) from an int, (height, width) or the full form."""
    constraint = "an int >= 0, a pair (height, width), or ((top, bottom), (left, right))"
    items = tuple(value) if isinstance(value, tuple | list) else (value, value)
    if len(items) != 2:
        raise refuse(name, constraint, value)
    sides: list[tuple[int, int]] = []
    for item in items:
        ends = tuple(item) if isinstance(item, tuple | list) else (item, item)
        if len(ends) != 2:
            raise refuse(name, constraint, value)
        before, after = (_int(name, end, constraint) for end in ends)
        if before < 0 or after < 0:
            raise refuse(name, constraint, value)
        sides.append((before, after))
    return sides[0], sides[1]


def axis(name: str, value: Any, ndim: int) -> int:
    """Return a non-negative axis number of an array with `ndim` axes."""
    constraint = f"an axis in [{-ndim}, {ndim})"
    number = _int(name, value, constraint)
    if not -ndim <= number < ndim:
        raise refuse(name, constraint, value)
    return number % ndim


@dataclass(frozen=True)
class Case:
    """What a constraint must accept (with the normal form) and refuse."""

    check: Callable[[str, Any], Any]
    accepts: tuple[tuple[Any, Any], ...]
    refuses: tuple[Any, ...]


CASES: dict[str, Case] = {
    "integer": Case(integer, ((-1, -1), (np.int64(7), 7)), (1.5, "4", None, True, (1,))),
    "positive_int": Case(
        positive_int, ((1, 1), (np.int64(7), 7)), (0, -3, 1.5, "4", None, True, (1,))
    ),
    "non_negative_int": Case(non_negative_int, ((0, 0), (2, 2)), (-1, 0.5, "0", None, False)),
    "finite": Case(
        finite, ((-2, -2.0), (0.5, 0.5)), (float("nan"), float("inf"), "1", None, True, (1,))
    ),
    "positive": Case(positive, ((0.5, 0.5), (2, 2.0)), (0, -1.0, float("nan"), "1", None, True)),
    "non_negative": Case(non_negative, ((0, 0.0), (0.1, 0.1)), (-1e-9, float("nan"), None)),
    "pair": Case(pair, ((3, (3, 3)), ([1, 2], (1, 2))), (0, (1, 2, 3), (0, 1), "ab", 1.5, None)),
    "padding_pairs": Case(
        padding_pairs,
        ((1, ((1, 1), (1, 1))), ((0, 2), ((0, 0), (2, 2))), (((0, 1), 2), ((0, 1), (2, 2)))),
        (-1, (1, 2, 3), ((1, 2, 3), 1), "same", None, 0.5),
    ),
}
