"""First values of weights: named rules, each a function of a shape and an explicit generator.

The default of every layer is `he_normal` (He et al. 2015): zero biases, and weights drawn from a
normal distribution of variance 2/fan_in, which keeps the size of the signals constant through ReLU
layers.
"""

from __future__ import annotations

import inspect
import math
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, TypeAlias, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from ..core import validate
from ..core.errors import ArgumentError
from ..core.random import rng as seeded
from ..engine import names as _names

Array: TypeAlias = NDArray[Any]
Rule: TypeAlias = Callable[[tuple[int, ...], np.random.Generator], Array]
R = TypeVar("R", bound=Callable[..., Array])
Rng: TypeAlias = np.random.Generator | int | None

DEFAULT = "he_normal"
_PIECE = 1 << 16  # numbers drawn at once


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


# What model files of earlier versions say, and what it is called now.
_OLD_NAMES = {"he": "he_normal", "xavier": "xavier_uniform", "lecun": "lecun_normal"}


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

    Examples
    --------
    >>> float(generator(0).random()) == float(generator(0).random())
    True
    """
    if isinstance(rng, np.random.Generator):
        return rng
    if rng is None:
        return np.random.Generator(np.random.PCG64())
    if isinstance(rng, (int, np.integer)) and not isinstance(rng, bool):
        return seeded(int(rng))
    raise ArgumentError(
        f"`rng` must be a numpy Generator, an int seed or None; got {rng!r}. "
        "Use rng=np.random.default_rng(0) for the same weights in every run."
    )


def _rule(function: R) -> R:
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


def _filled(shape: tuple[int, ...], draws: Callable[[int], Array]) -> Array:
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
    return _filled(shape, lambda count: rng.normal(0.0, deviation, count))


def _uniform(shape: tuple[int, ...], rng: np.random.Generator, bound: float) -> Array:
    return _filled(shape, lambda count: rng.uniform(-bound, bound, count))


@_rule
def he_normal(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Draw from a normal distribution of variance 2/fan_in, for layers before a ReLU.

    Source: He et al. 2015.

    Examples
    --------
    >>> he_normal((400, 200), generator(0)).std().round(2)  # sqrt(2 / 200)
    np.float32(0.1)
    """
    return deviating(shape, rng, math.sqrt(2.0 / max(fans(shape)[0], 1)))


@_rule
def he_uniform(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Draw evenly from ±sqrt(6/fan_in): variance 2/fan_in, as `he_normal`.

    Examples
    --------
    >>> bool(np.abs(he_uniform((100, 150), generator(0))).max() <= 0.2)
    True
    """
    return _uniform(shape, rng, math.sqrt(6.0 / max(fans(shape)[0], 1)))


@_rule
def xavier_uniform(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Draw evenly from ±sqrt(6/(fan_in + fan_out)), for tanh and sigmoid.

    Source: Glorot and Bengio 2010.

    Examples
    --------
    >>> bool(np.abs(xavier_uniform((100, 50), generator(0))).max() <= 0.2)
    True
    """
    return _uniform(shape, rng, math.sqrt(6.0 / max(sum(fans(shape)), 1)))


@_rule
def xavier_normal(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Draw from a normal distribution of variance 2/(fan_in + fan_out), as `xavier_uniform`.

    Examples
    --------
    >>> xavier_normal((100, 100), generator(0)).std().round(1)  # sqrt(2 / 200)
    np.float32(0.1)
    """
    return deviating(shape, rng, math.sqrt(2.0 / max(sum(fans(shape)), 1)))


@_rule
def lecun_normal(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Draw from a normal distribution of variance 1/fan_in, for SELU and linear layers.

    Source: LeCun et al. 1998.

    Examples
    --------
    >>> lecun_normal((400, 100), generator(0)).std().round(1)  # sqrt(1 / 100)
    np.float32(0.1)
    """
    return deviating(shape, rng, math.sqrt(1.0 / max(fans(shape)[0], 1)))


@_rule
def lecun_uniform(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Draw evenly from ±sqrt(3/fan_in): variance 1/fan_in, as `lecun_normal`.

    Examples
    --------
    >>> bool(np.abs(lecun_uniform((100, 75), generator(0))).max() <= 0.2)
    True
    """
    return _uniform(shape, rng, math.sqrt(3.0 / max(fans(shape)[0], 1)))


@_rule
def uniform(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Draw evenly from ±1/sqrt(fan_in), the rule of Torch7 and BigDL.

    Examples
    --------
    >>> bool(np.abs(uniform((10, 25), generator(0))).max() <= 0.2)
    True
    """
    return _uniform(shape, rng, 1.0 / math.sqrt(max(fans(shape)[0], 1)))


@_rule
def zeros(shape: tuple[int, ...], rng: np.random.Generator | None = None) -> Array:
    """Fill with zeros: biases, and the last layer of a residual branch.

    Examples
    --------
    >>> zeros((2,))
    array([0., 0.], dtype=float32)
    """
    return np.zeros(shape, np.float32)


@_rule
def ones(shape: tuple[int, ...], rng: np.random.Generator | None = None) -> Array:
    """Fill with ones: the scales of normalisation layers.

    Examples
    --------
    >>> ones((2,))
    array([1., 1.], dtype=float32)
    """
    return np.ones(shape, np.float32)


@_rule
def normal(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Draw from a normal distribution of deviation 0.05.

    Examples
    --------
    >>> normal((400, 100), generator(0)).std().round(2)
    np.float32(0.05)
    """
    return deviating(shape, rng, 0.05)


@_rule
def truncated_normal(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Draw as `he_normal` does, but nothing beyond two deviations.

    What lies beyond is drawn again; the deviation is made larger beforehand by what that takes
    away, so that the variance is 2/fan_in.

    Examples
    --------
    >>> w = truncated_normal((400, 200), generator(0))
    >>> w.std().round(2), bool(np.abs(w).max() <= 2 * 0.1 / 0.8796)
    (np.float32(0.1), True)
    """
    deviation = math.sqrt(2.0 / max(fans(shape)[0], 1)) / 0.87962566103423978
    places: list[Array] = []
    done = 0

    def first(count: int) -> Array:
        nonlocal done
        draws = rng.standard_normal(count)
        places.append(np.flatnonzero(np.abs(draws) > 2.0) + done)
        done += count
        return draws * deviation

    made = _filled(shape, first)
    beyond = np.concatenate(places) if places else np.zeros(0, int)
    while beyond.size:
        draws = rng.standard_normal(beyond.size)
        made.reshape(-1)[beyond] = draws * deviation
        beyond = beyond[np.abs(draws) > 2.0]
    return made


@_rule
def orthogonal(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Draw a matrix whose rows (or columns, whichever are fewer) are orthogonal unit vectors.

    A weight of more axes counts as (out, all others). For recurrent weights (Saxe et al. 2014).

    Examples
    --------
    >>> w = orthogonal((3, 5), generator(0))
    >>> bool(np.abs(w @ w.T - np.eye(3)).max() < 1e-6)
    True
    """
    rows, columns = shape[0] if shape else 1, math.prod(shape[1:])
    draws = rng.standard_normal((max(rows, columns), min(rows, columns)))
    q, r = np.linalg.qr(draws)
    q *= np.where(np.diag(r) < 0, -1.0, 1.0)  # else some matrices would be drawn more often
    return np.ascontiguousarray((q if rows >= columns else q.T).reshape(shape), np.float32)


@_rule
def bilinear(shape: tuple[int, ...], rng: np.random.Generator | None = None) -> Array:
    """Fill the windows with a pyramid: a transposed convolution then enlarges images smoothly.

    With stride s take windows of 2s - s%2, padding s//2 (rounded) and `groups` = channels.

    Raises
    ------
    ArgumentError : the weight has no windows.

    Examples
    --------
    >>> bilinear((1, 1, 4, 4))[0, 0, 0]
    array([0.0625, 0.1875, 0.1875, 0.0625], dtype=float32)
    """
    if len(shape) < 3:
        raise ArgumentError(f"`bilinear` must be of weights with windows; got shape {shape}.")
    window = np.ones(())
    for size in shape[2:]:
        factor = (size + 1) // 2
        center = factor - 1 if size % 2 else factor - 0.5
        slope = 1 - np.abs(np.arange(size) - center) / factor
        window = window[..., None] * slope
    return np.broadcast_to(window, shape).astype(np.float32)


RULES: dict[str, Rule] = {
    "he_normal": he_normal,
    "he_uniform": he_uniform,
    "xavier_uniform": xavier_uniform,
    "xavier_normal": xavier_normal,
    "lecun_normal": lecun_normal,
    "lecun_uniform": lecun_uniform,
    "uniform": uniform,
    "zeros": zeros,
    "ones": ones,
    "normal": normal,
    "truncated_normal": truncated_normal,
    "orthogonal": orthogonal,
    "bilinear": bilinear,
}


def constant(value: float) -> Rule:
    """Make a rule that fills with one number.

    In layers it is written "constant(0.1)".

    Examples
    --------
    >>> constant(0.1)((2,), generator(0))
    array([0.1, 0.1], dtype=float32)
    """
    number = validate.finite("value", value)

    def fill(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
        return np.full(shape, number, np.float32)

    return fill


def current_name(rule: Any) -> Any:
    """Give the name of today for one in a model file of an earlier version; others stay.

    Examples
    --------
    >>> current_name("he"), current_name("orthogonal")
    ('he_normal', 'orthogonal')
    """
    return _OLD_NAMES.get(rule, rule) if isinstance(rule, str) else rule


def find(rule: str) -> Rule:
    """Give the rule of a name: one of `RULES`, or "constant(NUMBER)".

    Raises
    ------
    ArgumentError : there is no such rule.
    """
    rule = current_name(rule)  # a file's config may hold it under any key
    if isinstance(rule, str) and rule in RULES:
        return RULES[rule]
    written = re.fullmatch(r"constant\(([-+.0-9e]+)\)", str(rule))
    try:
        if written is not None:
            return constant(float(written[1]))
    except ValueError:
        pass
    names = ", ".join(RULES)
    raise ArgumentError(f"`weight_init` must be one of {names}, constant(NUMBER); got {rule!r}.")


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


_names.suggest(__name__)
