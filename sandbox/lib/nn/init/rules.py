"""Rules by name, as layers and model files write them."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ...core import validate
from ...core.errors import ArgumentError
from . import plain, scaled, structured
from .base import Array, Rng, Rule, generator

DEFAULT = "he_normal"

RULES: dict[str, Rule] = {
    "he_normal": scaled.he_normal,
    "he_uniform": scaled.he_uniform,
    "xavier_uniform": scaled.xavier_uniform,
    "xavier_normal": scaled.xavier_normal,
    "lecun_normal": scaled.lecun_normal,
    "lecun_uniform": scaled.lecun_uniform,
    "uniform": scaled.uniform,
    "truncated_normal": scaled.truncated_normal,
    "zeros": plain.zeros,
    "ones": plain.ones,
    "normal": plain.normal,
    "orthogonal": structured.orthogonal,
    "identity": structured.identity,
    "dirac": structured.dirac,
    "bilinear": structured.bilinear,
}

# What has arguments: "constant(0.1)" is the rule that `constant(0.1)` makes.
MAKERS: dict[str, Callable[..., Rule]] = {
    "constant": plain.constant,
    "random_uniform": plain.random_uniform,
    "random_normal": plain.random_normal,
    "random_truncated_normal": plain.random_truncated_normal,
    "variance_scaling": scaled.variance_scaling,
    "scaled_orthogonal": structured.scaled_orthogonal,
    "sparse": structured.sparse,
}

# What model files of earlier versions say, and what it is called now.
_OLD_NAMES = {"he": "he_normal", "xavier": "xavier_uniform", "lecun": "lecun_normal"}

_now = threading.local()


@contextmanager
def skipped() -> Iterator[None]:
    """Draw nothing within the block, in this thread: layers begin with zeros.

    For models whose numbers come from a file.

    Examples
    --------
    >>> with skipped():
    ...     draw("he_normal", (1, 2), None)
    array([[0., 0.]], dtype=float32)
    """
    before, _now.skipped = getattr(_now, "skipped", False), True
    try:
        yield
    finally:
        _now.skipped = before


def current_name(rule: Any) -> Any:
    """Give the name of today for one in a model file of an earlier version; others stay.

    Examples
    --------
    >>> current_name("he"), current_name("orthogonal")
    ('he_normal', 'orthogonal')
    """
    return _OLD_NAMES.get(rule, rule) if isinstance(rule, str) else rule


def find(rule: str) -> Rule:
    """Give the rule of a name: one of `RULES`, or one of `MAKERS` with its arguments.

    Raises
    ------
    ArgumentError : there is no such rule, or its arguments are out of their range.

    Examples
    --------
    >>> find("constant(0.5)")((2,), np.random.default_rng(0))
    array([0.5, 0.5], dtype=float32)
    """
    rule = current_name(rule)  # a file's config may hold it under any key
    if isinstance(rule, str) and rule in RULES:
        return RULES[rule]
    names = f"{', '.join(RULES)}{', '.join(['', *(f'{n}(...)' for n in MAKERS)])}"
    got = f"got {rule!r}"
    written = re.fullmatch(r"(\w+)\((.*)\)", str(rule))
    if written is not None and written[1] in MAKERS:
        try:
            return MAKERS[written[1]](*map(_argument, written[2].split(",")))
        except (ArgumentError, TypeError, ValueError) as error:
            got = f"{got}: {error}"
    raise ArgumentError(f"`weight_init` must be one of {names}; {got}.")


def _argument(text: str) -> float | str:
    """Read a number, or a word such as "fan_in"."""
    text = text.strip()
    return text if text.isidentifier() else float(text)


def draw(rule: str, shape: tuple[int, ...], rng: Rng) -> Array:
    """Draw a float32 weight by the name of its rule.

    Raises
    ------
    ArgumentError : there is no such rule.

    Examples
    --------
    >>> draw("zeros", (2, 2), None).shape
    (2, 2)
    """
    return draw_by(find(rule), shape, rng)


def draw_by(rule: Rule, shape: tuple[int, ...], rng: Rng) -> Array:
    """Draw by a rule that has no name."""
    validate.function("rule", rule)
    shape = validate.shape("shape", shape)
    if getattr(_now, "skipped", False):
        return np.zeros(shape, np.float32)  # memory that nothing touches costs nothing
    return rule(shape, generator(rng))
