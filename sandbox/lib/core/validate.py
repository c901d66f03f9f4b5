"""Constraints as data: one wording for all messages, and a table the negative tests are made from.

A constraint turns a value into its normal form or raises `ArgumentError`. `CASES` tells for each
constraint which values it must accept and refuse.
"""

from __future__ import annotations

import math
import operator
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from .errors import ArgumentError

T = TypeVar("T")


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


def _float(name: str, value: Any, constraint: str, cure: str = "") -> float:
    refused = isinstance(value, bool | np.bool_ | str | bytes | complex | np.complexfloating)
    if refused or int(getattr(value, "ndim", 0)) > 0:
        raise refuse(name, constraint, value, cure)
    try:
        return float(value)
    except (TypeError, ValueError):
        raise refuse(name, constraint, value, cure) from None


def number(name: str, value: Any, cure: str = "") -> float:
    """Return a float that is not NaN; infinity is one."""
    found = _float(name, value, "a number", cure)
    if math.isnan(found):
        raise refuse(name, "a number", value, cure)
    return found


def in_range(
    name: str, value: Any, low: float, high: float, *, closed: str = "both", cure: str = ""
) -> float:
    """Return a float between low and high; `closed` says which ends belong to the range."""
    left, right = closed in ("both", "left"), closed in ("both", "right")
    constraint = f"a number in {'[' if left else '('}{low:g}, {high:g}{']' if right else ')'}"
    number = _float(name, value, constraint, cure)
    above = number >= low if left else number > low
    below = number <= high if right else number < high
    if not (above and below):
        raise refuse(name, constraint, value, cure)
    return number


def finite(name: str, value: Any, cure: str = "") -> float:
    """Return a float that is neither NaN nor infinite."""
    number = _float(name, value, "a finite number", cure)
    if not math.isfinite(number):
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


def boolean(name: str, value: Any, cure: str = "") -> bool:
    """Return True or False."""
    if not isinstance(value, bool | np.bool_):
        raise refuse(name, "True or False", value, cure)
    return bool(value)


def text(name: str, value: Any, cure: str = "") -> str:
    """Return text that is not empty."""
    if not isinstance(value, str) or not value:
        raise refuse(name, "text", value, cure)
    return value


def path_like(name: str, value: Any, what: str = "a path", cure: str = "") -> Any:
    """Return text or a Path as it is."""
    if not isinstance(value, str | os.PathLike) or not os.fspath(value):
        raise refuse(name, f"{what}, as text or a Path", value, cure)
    return value


def instance(name: str, value: Any, kind: type[T] | Callable[..., T], cure: str = "") -> T:
    """Return the value if it is an object of a class."""
    wanted: Any = kind  # abstract classes are no `type[T]` to mypy
    if not isinstance(value, wanted):
        article = "an" if wanted.__name__[0] in "AEIO" else "a"
        raise refuse(name, f"{article} {wanted.__name__}", value, cure)
    found: T = value
    return found


def function(name: str, value: Any, cure: str = "") -> Callable[..., Any]:
    """Return what can be called; a class is taken for a forgotten pair of brackets."""
    if not callable(value) or isinstance(value, type):
        raise refuse(name, "a function", value, cure)
    found: Callable[..., Any] = value
    return found


def several(name: str, value: Any, what: str, cure: str = "") -> list[Any]:
    """Return the items of a list, a tuple, an array or another row of things, which text is not."""
    if isinstance(value, str | bytes | Mapping | type):
        raise refuse(name, what, value, cure)
    try:
        return list(value)
    except TypeError:
        raise refuse(name, what, value, cure) from None


def integers(
    name: str, value: Any, what: str = "a list of ints", minimum: int | None = None
) -> tuple[int, ...]:
    """Return ints, none below the minimum."""
    found = tuple(_int(name, item, what) for item in several(name, value, what))
    if minimum is not None and any(item < minimum for item in found):
        raise refuse(name, what, value)
    return found


def shape(name: str, value: Any) -> tuple[int, ...]:
    """Return the sizes of axes."""
    return integers(name, value, "a shape, a tuple of ints >= 0", 0)


def array(name: str, value: Any, what: str = "an array") -> NDArray[Any]:
    """Return an array of anything, with rows of one length."""
    try:
        return np.asarray(value)
    except ValueError:
        raise refuse(name, what, value, "All rows must have one length.") from None


def numbers(name: str, value: Any, what: str = "an array of numbers") -> NDArray[Any]:
    """Return an array of real numbers of any shape and dtype; booleans count as such."""
    found = array(name, value, what)
    if found.dtype.kind not in "fiub":
        raise refuse(name, what, value)
    return found


def int_array(name: str, value: Any, what: str = "a list of ints") -> NDArray[np.int64]:
    """Return integers of any shape; an empty list counts as some."""
    found = numbers(name, value, what)
    if found.size and found.dtype.kind not in "iu":
        raise refuse(name, what, value)
    return found.astype(np.int64, copy=False)


def number_dtype(name: str, value: Any) -> np.dtype[Any]:
    """Return a dtype of real numbers or booleans."""
    try:
        dtype: np.dtype[Any] = np.dtype(value)
    except (TypeError, ValueError):
        dtype = np.dtype(object)
    if value is None or dtype.kind not in "fiub":
        raise refuse(name, "a dtype of numbers such as 'float32'", value)
    return dtype


def divides(name: str, value: Any, of_name: str, of: int) -> int:
    """Return an int > 0 that divides another argument."""
    number = positive_int(name, value)
    if of % number:
        raise refuse(name, f"a divisor of `{of_name}` = {of}", value)
    return number


_AXES = {2: "pair (height, width)", 3: "triple (depth, height, width)"}


def window(name: str, value: Any, axes: int, *, minimum: int = 1) -> tuple[int, ...]:
    """Return one int for each of one to three axes, from an int or from that many."""
    many = f" or a {_AXES[axes]} of them" if axes > 1 else ""
    constraint = f"an int >= {minimum}{many}"
    value = value.tolist() if isinstance(value, np.ndarray) else value
    items = tuple(value) if isinstance(value, tuple | list) else (value,) * axes
    if len(items) != axes:
        raise refuse(name, constraint, value)
    found = tuple(_int(name, item, constraint) for item in items)
    if min(found) < minimum:
        raise refuse(name, constraint, value)
    return found


def pair(name: str, value: Any, *, minimum: int = 1) -> tuple[int, int]:
    """Return (height, width) from an int or a pair of ints."""
    height, width = window(name, value, 2, minimum=minimum)
    return height, width


def sides(name: str, value: Any, axes: int) -> tuple[tuple[int, int], ...]:
    """Return (before, after) for each of one to three axes.

    Given are an int, one for each axis, or the full form; for one axis also (before, after).
    """
    constraint = {
        1: "an int >= 0 or (before, after)",
        2: "an int >= 0, a pair (height, width), or ((top, bottom), (left, right))",
        3: "an int >= 0, (depth, height, width), or ((front, back), (top, bottom), (left, right))",
    }[axes]
    items = tuple(value) if isinstance(value, tuple | list) else (value,) * axes
    if axes == 1 and len(items) == 2:
        items = (items,)
    if len(items) != axes:
        raise refuse(name, constraint, value)
    found: list[tuple[int, int]] = []
    for item in items:
        ends = tuple(item) if isinstance(item, tuple | list) else (item, item)
        if len(ends) != 2:
            raise refuse(name, constraint, value)
        before, after = (_int(name, end, constraint) for end in ends)
        if before < 0 or after < 0:
            raise refuse(name, constraint, value)
        found.append((before, after))
    return tuple(found)


def padding_pairs(name: str, value: Any) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return ((top, bottom), (left, right)) from an int, (height, width) or the full form."""
    rows, columns = sides(name, value, 2)
    return rows, columns


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
    "number": Case(
        number, ((-2, -2.0), (np.inf, np.inf)), (float("nan"), "1", None, True, (1,), 1j, [1.0])
    ),
    "boolean": Case(boolean, ((True, True), (np.False_, False)), (0, 1.0, "yes", None, [True])),
    "text": Case(text, (("a", "a"),), ("", None, 1, ["a"])),
    "path_like": Case(path_like, (("a", "a"),), ("", None, 1, ["a"])),
    "function": Case(function, ((len, len),), (None, "len", int, 1)),
    "integers": Case(
        integers, (([1, 2], (1, 2)), (np.arange(2), (0, 1))), (1, None, "12", {1: 2}, [1.5], [None])
    ),
    "shape": Case(shape, (((), ()), ([2, 0], (2, 0))), (2, None, "ab", (-1,), (1.5,), int)),
    "number_dtype": Case(
        number_dtype, (("f4", np.dtype("f4")), (bool, np.dtype(bool))), (None, "spam", "U3", [1], 2)
    ),
    "pair": Case(pair, ((3, (3, 3)), ([1, 2], (1, 2))), (0, (1, 2, 3), (0, 1), "ab", 1.5, None)),
    "window of three axes": Case(
        lambda name, value: window(name, value, 3),
        ((2, (2, 2, 2)), ([1, 2, 3], (1, 2, 3))),
        (0, (1, 2), (1, 2, 0), "abc", 1.5, None),
    ),
    "sides of one axis": Case(
        lambda name, value: sides(name, value, 1),
        ((1, ((1, 1),)), ((0, 2), ((0, 2),)), (((0, 2),), ((0, 2),)), ([3], ((3, 3),))),
        (-1, (1, 2, 3), (0, -1), "causal", None, 0.5),
    ),
    "sides of three axes": Case(
        lambda name, value: sides(name, value, 3),
        ((1, ((1, 1),) * 3), ((0, (0, 2), 1), ((0, 0), (0, 2), (1, 1)))),
        ((1, 2), -1, "same", ((1, 2, 3), 1, 1), None),
    ),
    "padding_pairs": Case(
        padding_pairs,
        ((1, ((1, 1), (1, 1))), ((0, 2), ((0, 0), (2, 2))), (((0, 1), 2), ((0, 1), (2, 2)))),
        (-1, (1, 2, 3), ((1, 2, 3), 1), "same", None, 0.5),
    ),
}
