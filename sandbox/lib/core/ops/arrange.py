"""Values put together, taken apart, repeated, turned round and set into a frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...engine.ops.arrange import PAD_MODES
from .. import validate
from ..errors import ArgumentError, ShapeError
from ..function import TapeEntry, as_operand, as_value, function
from ..value import Input, Operand, Value
from ._lists import filled
from .comparison import where
from .shape import broadcast_to, concat, reshape, slice

__all__ = [
    "flip",
    "pad",
    "repeat",
    "roll",
    "split",
    "stack",
    "tile",
    "tril",
    "triu",
    "unstack",
]

Gradients = Sequence[Input | None]

_stack = function("stack")
_unstack = function("unstack")
_split = function("split")


def stack(xs: Sequence[Input], axis: int = 0) -> Value:
    """Return values of one shape along a new axis, at this place of the result.

    Notes
    -----
    Same as PyTorch `stack`.

    Examples
    --------
    >>> stack([np.ones(3), np.zeros(3)], axis=1).shape
    (3, 2)
    """
    operands = tuple(as_operand(x) for x in validate.several("xs", xs, "a list of inputs"))
    if not operands:
        raise ArgumentError("`xs` must hold at least one input; got none.")
    place = validate.axis("axis", axis, operands[0].ndim + 1)
    return _stack.apply(operands, {"axis": place})[0]


def unstack(x: Input, axis: int = 0) -> tuple[Value, ...]:
    """Return the parts along an axis, which they have no more.

    Notes
    -----
    Same as PyTorch `unbind`.
    """
    operand = as_operand(x)
    return _unstack.apply((operand,), {"axis": validate.axis("axis", axis, operand.ndim)})


@_stack.gradient
def _stack_gradient(entry: TapeEntry, dy: Value) -> Gradients:
    return _unstack.apply((dy,), entry.attrs)


@_unstack.gradient
def _unstack_gradient(entry: TapeEntry, *dys: Value | None) -> Gradients:
    return (_stack.apply(tuple(filled(dys, entry.outputs)), entry.attrs)[0],)


def split(x: Input, parts: int | Sequence[int], axis: int = 1) -> tuple[Value, ...]:
    """Return x cut along an axis: into so many equal parts, or into parts of these sizes.

    Notes
    -----
    Same as PyTorch `split` and ONNX `Split`-18.

    Examples
    --------
    >>> [part.shape for part in split(np.ones((2, 5)), (2, 3))]
    [(2, 2), (2, 3)]
    """
    operand = as_operand(x)
    place = validate.axis("axis", axis, operand.ndim)
    length = operand.shape[place]
    if isinstance(parts, int):
        count = validate.positive_int("parts", parts)
        if length % count:
            raise ShapeError(
                f"input axis {place} must be a multiple of {count} (parts); got {length} in "
                f"shape {operand.shape}. Give the sizes of unequal parts."
            )
        sizes: tuple[int, ...] = (length // count,) * count
    else:
        sizes = validate.integers("parts", parts, "an int > 0 or a list of sizes", 0)
    if sum(sizes) != length:
        raise ShapeError(
            f"input axis {place} must be {sum(sizes)} (the sum of the parts {sizes}); got "
            f"{length} in shape {operand.shape}."
        )
    return _split.apply((operand,), {"sizes": sizes, "axis": place})


@_split.gradient
def _split_gradient(entry: TapeEntry, *dys: Value | None) -> Gradients:
    return (concat(filled(dys, entry.outputs), entry.attrs["axis"]),)


# -- repeated ------------------------------------------------------------------------------------


def tile(x: Input, repeats: Sequence[int]) -> Value:
    """Return x so many times along each axis, one copy behind the other.

    Notes
    -----
    Same as PyTorch `tile` and ONNX `Tile`-13.

    Examples
    --------
    >>> tile(np.array([[1, 2]]), (2, 2)).data
    array([[1, 2, 1, 2],
           [1, 2, 1, 2]])
    """
    operand = as_operand(x)
    counts = validate.integers("repeats", repeats, "a list of ints >= 0", 0)
    if len(counts) != operand.ndim:
        raise ShapeError(
            f"input must have {len(counts)} axes, one for each of `repeats`; got shape "
            f"{operand.shape}. Add axes with expand_dims."
        )
    pairs = list(zip(counts, operand.shape, strict=True))
    narrow = [size for count, n in pairs for size in ((n,) if count == 1 else (1, n))]
    wide = [size for count, n in pairs for size in ((n,) if count == 1 else (count, n))]
    whole = [count * n for count, n in pairs]
    return reshape(broadcast_to(reshape(operand, narrow), wide), whole)


def repeat(x: Input, count: int, axis: int) -> Value:
    """Return x with each element so many times along an axis, next to each other.

    Notes
    -----
    Same as PyTorch `repeat_interleave` and Keras `repeat`.

    Examples
    --------
    >>> repeat(np.array([1, 2]), 2, 0).data
    array([1, 1, 2, 2])
    """
    operand = as_operand(x)
    place = validate.axis("axis", axis, operand.ndim)
    times = validate.non_negative_int("count", count)
    before, behind = operand.shape[: place + 1], operand.shape[place + 1 :]
    wide = broadcast_to(reshape(operand, (*before, 1, *behind)), (*before, times, *behind))
    return reshape(wide, (*before[:-1], before[-1] * times, *behind))


def roll(x: Input, shift: int, axis: int) -> Value:
    """Return x with its elements moved on along an axis; what leaves comes in at the other end.

    Notes
    -----
    Same as PyTorch `roll`.
    """
    operand = as_operand(x)
    place = validate.axis("axis", axis, operand.ndim)
    length = operand.shape[place]
    cut = -validate.integer("shift", shift) % length if length else 0
    if cut == 0:
        return as_value(operand)
    return concat(split(operand, (cut, length - cut), place)[::-1], place)


def triu(x: Input, diagonal: int = 0) -> Value:
    """Return matrices (the last two axes) with zeros below a diagonal; 0 is the main one.

    Notes
    -----
    Same as PyTorch `triu` and ONNX `Trilu`-14.
    """
    return _triangle(x, diagonal, upper=True)


def tril(x: Input, diagonal: int = 0) -> Value:
    """Return matrices (the last two axes) with zeros above a diagonal; 0 is the main one.

    Notes
    -----
    Same as PyTorch `tril` and ONNX `Trilu`-14.
    """
    return _triangle(x, diagonal, upper=False)


def _triangle(x: Input, diagonal: int, upper: bool) -> Value:
    operand = as_operand(x)
    k = validate.integer("diagonal", diagonal)
    if operand.ndim < 2:
        raise ShapeError(f"input must have at least 2 axes; got shape {operand.shape}.")
    rows, columns = operand.shape[-2:]
    below = np.tri(rows, columns, k - 1 if upper else k, dtype=np.bool_)
    return where(~below if upper else below, operand, np.zeros((), operand.dtype))


# -- turned round, set into a frame --------------------------------------------------------------

_flip = function("flip")
_pad = function("pad")
_pad_grad = function("pad_grad")


def flip(x: Input, axes: int | Sequence[int]) -> Value:
    """Return x with the elements along axes in the opposite order.

    Notes
    -----
    Same as PyTorch `flip`.
    """
    operand = as_operand(x)
    several = [axes] if isinstance(axes, int) else validate.several("axes", axes, "an axis or some")
    places = sorted(validate.axis("axes", k, operand.ndim) for k in several)
    if len(set(places)) != len(places):
        raise ArgumentError(f"`axes` must name each axis once; got {axes}.")
    return _flip.apply((operand,), {"axes": tuple(places)})[0] if places else as_value(operand)


@_flip.gradient
def _flip_gradient(entry: TapeEntry, dy: Value) -> Gradients:
    return (flip(dy, entry.attrs["axes"]),)


def pad(
    x: Input, widths: Sequence[tuple[int, int]], mode: str = "constant", value: float = 0.0
) -> Value:
    """Return x with a frame around.

    Parameters
    ----------
    x : value
    widths : sequence of (before, after)
        How many elements come to each axis, before and behind; negative: so many go.
    mode : "constant", "reflect", "edge" or "circular"
        What they hold: `value`, the mirrored elements (without the outermost one), the outermost
        element, or those of the other end.
    value : float

    Raises
    ------
    ArgumentError : `value` is no whole number, and x holds integers.
    ShapeError : `widths` does not name each axis, or there is too little to reflect or go round.

    Notes
    -----
    Same as PyTorch `functional.pad` ("replicate" is "edge") and ONNX `Pad`-18 (there "wrap" is
    "circular"), with the widths by axis, as in NumPy.

    Examples
    --------
    >>> pad(np.array([1, 2, 3]), [(2, 1)], "reflect").data
    array([3, 2, 1, 2, 3, 2])
    """
    operand = as_operand(x)
    several = validate.several("widths", widths, "a pair (before, after) for each axis")
    sides = [validate.integers("widths", pair, "pairs (before, after) of ints") for pair in several]
    if any(len(pair) != 2 for pair in sides):
        raise validate.refuse("widths", "pairs (before, after) of ints", widths)
    if len(sides) != operand.ndim:
        raise ShapeError(
            f"input must have {len(sides)} axes, one for each pair of `widths`; got shape "
            f"{operand.shape}."
        )
    validate.one_of("mode", mode, PAD_MODES)
    fill = validate.number("value", value)
    if mode == "constant" and operand.dtype.kind != "f" and not float(fill).is_integer():
        raise validate.refuse("value", f"a whole number beside {operand.dtype}", value)
    operand = _cropped(operand, sides)
    grown: Any = tuple((max(before, 0), max(after, 0)) for before, after in sides)
    if not any(map(any, grown)):
        return as_value(operand)
    for axis, (before, after) in enumerate(grown):
        _fits(operand, axis, before, after, mode)
    return _pad.apply((operand,), {"widths": grown, "mode": mode, "value": fill})[0]


def _cropped(x: Operand, sides: Sequence[Sequence[int]]) -> Operand:
    """Cut off what negative widths say."""
    starts = [max(-before, 0) for before, _ in sides]
    stops = [n + min(after, 0) for n, (_, after) in zip(x.shape, sides, strict=True)]
    if any(start > stop for start, stop in zip(starts, stops, strict=True)):
        raise ShapeError(f"widths {sides} take more away than there is in shape {x.shape}.")
    return x if stops == list(x.shape) and not any(starts) else slice(x, starts, stops)


def _fits(x: Operand, axis: int, before: int, after: int, mode: str) -> None:
    """Refuse an axis that has too few elements for its frame."""
    most = max(before, after)
    least = {"constant": 0, "reflect": most + 1, "edge": 1, "circular": most}[mode]
    if most and x.shape[axis] < least:
        raise ShapeError(
            f"input axis {axis} must be >= {least} for {before} and {after} elements by "
            f"{mode!r}; got {x.shape[axis]} in shape {x.shape}."
        )


@_pad.gradient
def _pad_gradient(entry: TapeEntry, dy: Value) -> Gradients:
    widths, mode = entry.attrs["widths"], entry.attrs["mode"]
    sizes = entry.inputs[0].shape
    if mode == "constant":
        starts = [before for before, _ in widths]
        return (slice(dy, starts, [a + n for a, n in zip(starts, sizes, strict=True)]),)
    return (_pad_grad.apply((dy,), {"widths": widths, "mode": mode, "input_shape": sizes})[0],)


@_pad_grad.gradient
def _pad_grad_gradient(entry: TapeEntry, dy: Value) -> Gradients:
    return (pad(dy, entry.attrs["widths"], entry.attrs["mode"]),)
