"""How element-wise operations, reductions and moves of elements are drawn."""

from __future__ import annotations

from typing import Any

import numpy as np

from .graph import Ref
from .maker import Call, Maker, move

SMOOTH = (
    *("elu", "log_sigmoid", "mish", "selu", "sigmoid", "silu", "softplus", "softsign", "tanh"),
    *("asinh", "atan", "celu", "cos", "erf", "sin", "tanh_shrink"),
)
KINKED = (
    "abs",
    "hard_sigmoid",
    "hard_swish",
    "hard_tanh",
    "negative",
    "relu",
    "sign",
    "soft_shrink",
)


@move(*SMOOTH, *KINKED, "square")
def unary(maker: Maker, x: int, name: str) -> Call | None:
    """Draw what takes any real numbers."""
    exact = name in ("abs", "negative", "sign", "square")
    whole = maker.numbers[x].dtype != np.bool_ and exact and maker.chance(0.5)
    return ((Ref(x),), {}) if maker.is_float(x) or whole else None


@move("leaky_relu")
def leaky_relu(maker: Maker, x: int) -> Call | None:
    """Draw the slope, too."""
    attrs = {"slope": maker.number(0.05, 0.9)} if maker.chance(0.5) else {}
    return ((Ref(x),), attrs) if maker.is_float(x) else None


@move("gelu")
def gelu(maker: Maker, x: int) -> Call | None:
    """Draw both forms."""
    return ((Ref(x),), {"approximate": maker.chance(0.5)}) if maker.is_float(x) else None


@move("clip")
def clip(maker: Maker, x: int) -> Call | None:
    """Draw the ends."""
    low = maker.number(-1.5, 0.5)
    high = low + maker.number(0.2, 2)
    return ((Ref(x), low, high), {}) if maker.is_float(x) else None


@move("threshold")
def threshold(maker: Maker, x: int) -> Call | None:
    """Draw the threshold and what replaces the smaller ones."""
    attrs = {"at": maker.number(-1, 1), "value": maker.number(-1, 1)}
    return ((Ref(x),), attrs) if maker.is_float(x) else None


@move("prelu")
def prelu(maker: Maker, x: int) -> Call | None:
    """Draw one slope, or one for each channel."""
    shape = maker.shape(x)
    if not shape or not maker.is_float(x):
        return None
    axis = int(maker.rng.integers(len(shape)))
    slope = maker.parameter((1 if maker.chance(0.3) else shape[axis],), 0.3)
    return (Ref(x), slope, axis), {}


@move("exp", "exp2", "expm1", "sinh", "cosh")
def exp(maker: Maker, x: int, name: str) -> Call | None:
    """Draw where the result stays small."""
    return ((Ref(x),), {}) if maker.is_float(x) and maker.range(x)[1] < 3 else None


@move("log", "sqrt", "log1p", "log2", "log10", "reciprocal", "rsqrt")
def of_positive(maker: Maker, x: int, name: str) -> Call | None:
    """Draw where numbers are positive, or made so."""
    if not maker.is_float(x):
        return None
    if maker.range(x)[0] <= 0.05:
        if maker.strict:
            return None
        x = maker.apply("abs", ((Ref(x),), {}))  # type: ignore[assignment]
        x = maker.apply("add", ((Ref(x), 0.25), {}))  # type: ignore[assignment]
    return (Ref(x),), {}


@move("power")
def power(maker: Maker, x: int) -> Call | None:
    """Draw an exponent that the numbers can take."""
    if not maker.is_float(x):
        return None
    low, _ = maker.range(x)
    if low > 0.2:
        return (Ref(x), maker.number(-2, 2.5)), {}
    return (Ref(x), float(maker.one_of((1, 2, 3)))), {}


@move("softmax", "log_softmax")
def softmax(maker: Maker, x: int, name: str) -> Call | None:
    """Draw the axis."""
    if not maker.shape(x) or not maker.is_float(x):
        return None
    return (Ref(x),), {"axis": _axis(maker, x)}


def _axis(maker: Maker, x: int) -> int:
    count = len(maker.shape(x))
    return int(maker.rng.integers(-count, count))


COMPARISONS = ("equal", "greater", "greater_equal", "less", "less_equal", "not_equal")


@move("add", "subtract", "multiply", "divide", "maximum", "minimum", "scale_add", *COMPARISONS)
def binary(maker: Maker, x: int, name: str) -> Call | None:
    """Draw the other side: of the same shape, of one that broadcasts, or a Python number."""
    rare = name in ("divide", "scale_add", *COMPARISONS) or maker.numbers[x].dtype == np.bool_
    if not maker.is_float(x) and (rare or maker.chance(0.7)):
        return None
    other = _partner(maker, x, name == "divide")
    pair = [Ref(x), other]
    if name == "divide":
        if isinstance(other, Ref) and np.abs(maker.numbers[other.number]).min() < 0.2:
            return None
    elif maker.chance(0.3):
        pair.reverse()
    if name == "scale_add":
        return (*pair, maker.number(-1, 2), maker.number(-1, 2)), {}
    return tuple(pair), {}


@move("atan2", "pow")
def real(maker: Maker, x: int, name: str) -> Call | None:
    """Draw a positive number beside: no angle turns over, no root is of a negative number."""
    if not maker.is_float(x):
        return None
    positive = maker.positive(maker.shape(x))
    return ((Ref(x), positive) if name == "atan2" else (positive, Ref(x))), {}


@move("logical_and", "logical_or", "logical_not")
def logic(maker: Maker, x: int, name: str) -> Call | None:
    """Draw booleans: a comparison with numbers that are far from equal."""
    if not maker.is_float(x):
        return None
    mask = Ref(_mask(maker, x))
    return ((mask,) if name == "logical_not" else (mask, Ref(_mask(maker, x)))), {}


@move("cast")
def cast(maker: Maker, x: int) -> Call | None:
    """Draw booleans as numbers."""
    if maker.is_float(x):
        x = _mask(maker, x)
    return (Ref(x), "float32"), {}


@move("where")
def where(maker: Maker, x: int) -> Call | None:
    """Draw the mask and the other side."""
    if not maker.is_float(x):
        return None
    return (Ref(_mask(maker, x)), Ref(x), _partner(maker, x, False)), {}


def _mask(maker: Maker, x: int) -> int:
    return int(maker.apply("greater", ((Ref(x), _between(maker, x)), {})) or 0)


def _between(maker: Maker, x: int) -> float:
    """Return a number that is none of the value's, as far from them as its middle allows."""
    numbers = np.unique(maker.numbers[x].astype(np.float64))
    if numbers.size < 2:
        return float(numbers[0] + 1) if numbers.size else 0.0
    gap = int(np.argmax(np.diff(numbers)))
    return float((numbers[gap] + numbers[gap + 1]) / 2)


def _partner(maker: Maker, x: int, divides: bool) -> Any:
    shape = maker.shape(x)
    draw = maker.positive if divides else maker.other
    kind = maker.rng.random()
    if kind < 0.15:
        return float(maker.one_of((0.5, 1.25, 2.0, 3.0))) if maker.is_float(x) else 2
    if kind < 0.5:
        if maker.strict or kind < 0.3:
            return draw(shape)
        same = [n for n in maker.numbers if maker.is_float(n) and maker.shape(n) == shape]
        return Ref(maker.one_of(same)) if same else draw(shape)
    if kind < 0.9 or not shape or maker.large:  # smaller: axes of size 1 or missing
        small = [size if maker.chance(0.5) else 1 for size in shape]
        return draw(small[int(maker.rng.integers(len(shape) + 1)) :])
    return draw([maker.size() if size == 1 else size for size in (1, *shape)])


@move("sum", "mean", "max")
def reduction(maker: Maker, x: int, name: str) -> Call | None:
    """Draw axes."""
    if not maker.is_float(x) and (name != "sum" or maker.chance(0.5)):
        return None
    rank = len(maker.shape(x))
    attrs: dict[str, Any] = {"keepdims": True} if maker.chance(0.4) else {}
    if not rank or maker.chance(0.1):
        return (Ref(x),), attrs
    if maker.chance(0.5):
        return (Ref(x), _axis(maker, x)), attrs
    count = int(maker.rng.integers(1, rank + 1))
    axes = tuple(int(k) for k in maker.rng.permutation(rank)[:count])
    return (Ref(x), axes), attrs


@move("max_with_index")
def max_with_index(maker: Maker, x: int) -> Call | None:
    """Draw the axis."""
    fits = maker.shape(x) and maker.is_float(x)
    return ((Ref(x), _axis(maker, x)), {}) if fits else None


@move("reshape")
def reshape(maker: Maker, x: int) -> Call | None:
    """Draw another shape; axes of size 1 come and go more often than others."""
    shape = list(maker.shape(x))
    if maker.chance(0.3) and len(shape) < 7:
        shape.insert(int(maker.rng.integers(len(shape) + 1)), 1)
        return (Ref(x), tuple(shape)), {}
    if 1 in shape and maker.chance(0.5):
        shape.remove(1)
        return (Ref(x), tuple(shape)), {}
    rank = int(maker.one_of((1, 2, 2, 3, 3, 4, 4, 5, 7)))
    wanted = list(maker.factors(x, rank))
    if maker.chance(0.2):
        wanted[int(maker.rng.integers(rank))] = -1
    return (Ref(x), tuple(wanted)), {}


@move("flatten")
def flatten(maker: Maker, x: int) -> Call | None:
    """Draw where to begin."""
    return (Ref(x),), {"start": int(maker.rng.integers(3))}


@move("transpose")
def transpose(maker: Maker, x: int) -> Call | None:
    """Draw the order of the axes."""
    rank = len(maker.shape(x))
    if rank < 2:
        return None
    if maker.chance(0.2):
        return (Ref(x),), {}
    return (Ref(x), tuple(int(k) for k in maker.rng.permutation(rank))), {}


@move("broadcast_to")
def broadcast_to(maker: Maker, x: int) -> Call | None:
    """Draw a larger shape."""
    shape = maker.shape(x)
    wide = [maker.size() if n == 1 and maker.chance(0.7) else n for n in shape]
    if len(shape) < 4 and maker.chance(0.5):
        wide.insert(0, maker.size())
    return (Ref(x), tuple(wide)), {}


@move("sum_to")
def sum_to(maker: Maker, x: int) -> Call | None:
    """Draw a smaller shape."""
    if not maker.is_float(x):
        return None
    shape = maker.shape(x)
    small = tuple(1 if maker.chance(0.5) else n for n in shape)
    return (
        Ref(x),
        small[int(maker.rng.integers(len(shape) + 1)) if maker.chance(0.3) else 0 :],
    ), {}


@move("slice")
def slice_(maker: Maker, x: int) -> Call | None:
    """Draw a block that is not empty."""
    starts, stops = [], []
    for size in maker.shape(x):
        start = int(maker.rng.integers(size)) if maker.chance(0.5) else 0
        starts.append(start)
        stops.append(int(maker.rng.integers(start + 1, size + 1)) if maker.chance(0.5) else size)
    return (Ref(x), tuple(starts), tuple(stops)), {}


@move("slicing")
def slicing(maker: Maker, x: int) -> Call | None:
    """Draw an index: numbers, slices, new axes, dots."""
    index: list[Any] = []
    for size in maker.shape(x):
        kind = maker.rng.random()
        if kind < 0.25:
            index.append(int(maker.rng.integers(-size, size)))
        elif kind < 0.6:
            start = int(maker.rng.integers(size))
            index.append(slice(start, int(maker.rng.integers(start + 1, size + 1))))
        elif kind < 0.7 and Ellipsis not in index:
            index.append(Ellipsis)
            break
        else:
            index.append(slice(None))
    if maker.chance(0.3) and len(index) < 5:
        index.insert(int(maker.rng.integers(len(index) + 1)), None)
    return (Ref(x), tuple(index)), {}


@move("concat")
def concat(maker: Maker, x: int) -> Call | None:
    """Draw one to three values that fit, the same one twice among them."""
    shape = maker.shape(x)
    if not shape or not maker.is_float(x):
        return None
    axis = int(maker.rng.integers(len(shape)))
    parts = [Ref(x)]
    for _ in range(int(maker.rng.integers(3))):
        sizes = list(shape)
        if maker.chance(0.4) and not maker.large:
            sizes[axis] = maker.size()
        parts.append(maker.other(sizes))
    if maker.chance(0.3):
        parts.reverse()
    return (parts, axis - len(shape) if maker.chance(0.2) else axis), {}
