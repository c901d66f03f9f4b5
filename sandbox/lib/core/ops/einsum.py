"""Einstein's summation, as products of matrices."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .. import validate
from ..errors import ArgumentError, ShapeError
from ..function import as_operand, as_value
from ..value import Input, Operand, Value
from . import reduce
from .arithmetic import multiply
from .linear import matmul
from .shape import broadcast_to, reshape, slice, transpose

__all__ = ["einsum"]

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def einsum(equation: str, *xs: Input) -> Value:
    """Return the sum of products over the letters that the result does not have.

    Parameters
    ----------
    equation : str
        As NumPy's: a letter for each axis, "..." for axes that broadcast, inputs separated by
        commas, behind "->" the axes of the result; without it those letters that stand once, in
        alphabetical order.
    xs : values
        One for each part of the equation.

    Raises
    ------
    ArgumentError : the equation cannot be read, or names another number of inputs.
    ShapeError : a letter stands for axes of unlike lengths.

    Notes
    -----
    Same as NumPy and PyTorch `einsum`, and ONNX `Einsum`-12. Two inputs at a time, from the left,
    each pair by one product of matrices.

    Examples
    --------
    >>> import numpy as np
    >>> einsum("ij,jk->ik", np.ones((2, 3)), np.ones((3, 4))).shape
    (2, 4)
    """
    operands = [as_operand(x) for x in xs]
    terms, result = _read(equation, operands)
    sizes = _sizes(terms, operands)
    missing = set(result) - set(sizes)
    if missing or len(set(result)) != len(result):
        raise ArgumentError(
            f"`equation` must end with letters of the inputs, each once; got {equation!r}."
        )
    parts = [_diagonal(x, term) for x, term in zip(operands, terms, strict=True)]
    x, term = parts[0]
    for k, (y, other) in enumerate(parts[1:], 1):
        wanted = set(result).union(*[later for _, later in parts[k + 1 :]])
        x, term = _product(x, term, y, other, wanted, sizes)
    x, term = _sum_out(x, term, set(result))
    return as_value(_turned(x, [term.index(letter) for letter in result]))


def _read(equation: str, operands: Sequence[Operand]) -> tuple[list[str], str]:
    """Return the letters of each input and of the result, "..." replaced by new ones."""
    text = validate.text("equation", equation).replace(" ", "")
    left, arrow, right = text.partition("->")
    terms = left.split(",")
    if len(terms) != len(operands) or not operands:
        raise ArgumentError(
            f"`equation` must name {len(operands)} inputs, separated by commas; got {equation!r}."
        )
    free = [letter for letter in LETTERS if letter not in text]
    most = 0
    found = []
    for term, x in zip(terms, operands, strict=True):
        letters = term.replace("...", "", 1)
        if any(letter not in LETTERS for letter in letters):
            raise ArgumentError(f"`equation` must hold letters, commas, ... and ->; got {text!r}.")
        count = x.ndim - len(letters)
        if count < 0 or (count and "..." not in term):
            raise ShapeError(
                f"input must have {len(letters)} axes ({term}); got {x.ndim} in shape {x.shape}."
            )
        most = max(most, count)
        found.append((term, count))
    dots = "".join(free[:most])
    spelled = [term.replace("...", dots[most - count :], 1) for term, count in found]
    if arrow:
        result = right.replace("...", dots, 1)
    else:
        joined = "".join(terms)
        result = dots + "".join(
            sorted(c for c in set(joined) & set(LETTERS) if joined.count(c) == 1)
        )
    return spelled, result


def _sizes(terms: Sequence[str], operands: Sequence[Operand]) -> dict[str, int]:
    """Return the length of each letter's axes; 1 is stretched."""
    sizes: dict[str, int] = {}
    for term, x in zip(terms, operands, strict=True):
        for letter, n in zip(term, x.shape, strict=True):
            known = sizes.setdefault(letter, n)
            if known == 1:
                sizes[letter] = n
            elif n not in (1, known):
                raise ShapeError(
                    f"axes {letter!r} must have one length; got {known} and {n} in shape {x.shape}."
                )
    return sizes


def _diagonal(x: Operand, term: str) -> tuple[Operand, str]:
    """Return the diagonal where a letter stands twice."""
    for letter in term:
        while term.count(letter) > 1:
            first = term.index(letter)
            second = term.index(letter, first + 1)
            n = x.shape[first]
            if x.shape[second] != n:
                raise ShapeError(f"axes {letter!r} must have one length; got shape {x.shape}.")
            rest = [k for k in range(x.ndim) if k not in (first, second)]
            moved = transpose(x, [*rest, first, second])
            shape = moved.shape[:-2]
            line = reshape(moved, (*shape, n * n))
            x = slice(line, [0] * len(line.shape), line.shape, [*[1] * len(rest), n + 1])
            term = "".join(term[k] for k in rest) + letter
    return x, term


def _sum_out(x: Operand, term: str, wanted: set[str]) -> tuple[Operand, str]:
    """Sum over the letters that nobody wants any more."""
    gone = [k for k, letter in enumerate(term) if letter not in wanted]
    if not gone:
        return x, term
    return reduce.sum(x, gone), "".join(letter for letter in term if letter in wanted)


def _product(
    x: Operand, a: str, y: Operand, b: str, wanted: set[str], sizes: dict[str, int]
) -> tuple[Operand, str]:
    """Multiply two, and sum over the letters of both that nobody wants any more."""
    x, a = _sum_out(x, a, wanted.union(b))
    y, b = _sum_out(y, b, wanted.union(a))
    both = [letter for letter in a if letter in b]
    summed = [letter for letter in both if letter not in wanted]
    shared = [letter for letter in both if letter in wanted]
    rows = [letter for letter in a if letter not in b]
    columns = [letter for letter in b if letter not in a]
    left = _arranged(x, a, [shared, rows, summed], sizes)
    right = _arranged(y, b, [shared, summed, columns], sizes)
    made = matmul(left, right) if summed or (rows and columns) else multiply(left, right)
    order = [*shared, *rows, *columns]
    return reshape(made, [sizes[letter] for letter in order]), "".join(order)


def _arranged(x: Operand, term: str, groups: Sequence[list[str]], sizes: dict[str, int]) -> Value:
    """Bring the axes into the order of the groups, each made into one."""
    order = [letter for group in groups for letter in group]
    whole = _turned(x, [term.index(letter) for letter in order])
    wide = tuple(sizes[letter] for letter in order)
    if whole.shape != wide:  # axes of size 1 stand for longer ones of the other side
        whole = broadcast_to(whole, wide)
    return reshape(whole, [math.prod(sizes[letter] for letter in group) for group in groups])


def _turned(x: Operand, axes: Sequence[int]) -> Operand:
    return x if list(axes) == sorted(axes) else transpose(x, axes)
