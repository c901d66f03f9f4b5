"""Criterions for sequences of labels whose places in time nobody knows."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ..core import Value, ops, tree
from ..core.errors import DataError, ShapeError
from ..core.validate import non_negative_int
from ..engine.ops.ranges import check_ids, check_lengths
from ..nn.registry import register
from .base import Array, Criterion, CriterionCase

_FORM = "labels (batch, labels), or a pair of these and the steps (batch,)"


def sequences(rows: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Draw sequences of up to 2 of 3 labels, filled up with 0, and 5 to 6 steps."""
    labels = rng.integers(1, 4, (rows, 2))
    labels[::3, 1] = 0
    return labels, 5 + np.arange(rows) % 2


@register("criterion.CTC")
class CTC(Criterion):
    """Compare logits of each step with a sequence of labels, wherever they are: speech, writing.

    call = sum_n -log sum of p(path) over all paths of row n that read as its labels,
    p(path) = prod_t softmax(x_nt)[path_t]; a path reads without repeats, then without blanks

    Parameters
    ----------
    blank : int >= 0
        The class of a step without a label; it also fills up the labels of a row.

    Shapes
    ------
    output : (batch, time, classes) float32 logits (no softmax before it)
    target : (batch, labels) whole numbers in 0..classes-1, each row filled up with `blank`; or a
        pair of these and (batch,), how many steps of each row count

    Raises
    ------
    ArgumentError : `blank` is negative, or the model ends in a softmax.
    ShapeError : the target is not whole numbers of such shapes.
    DataError : a label or a number of steps is out of range, or labels do not fit into the steps.

    Notes
    -----
    Same as Keras `CTC` and PyTorch `CTCLoss` (which takes logarithms, time first, and whose "mean"
    divides each row by its labels). Equal labels that follow each other need a blank between them,
    and a step for it. Source: Graves et al. 2006. Reference: `engine.ops.ctc`.

    Examples
    --------
    >>> even = np.zeros((1, 2, 3), "f4")  # of 9 paths 3 read as 1: 11, 01 and 10
    >>> round(CTC()(even, np.array([[1]])), 4)  # log(9 / 3)
    1.0986
    """

    cases: ClassVar[tuple[CriterionCase, ...]] = (
        CriterionCase(
            lambda: CTC(),
            output=(5, 6, 4),
            target=sequences,
            wrong=(
                ((np.full((3, 2), 4), np.full(3, 6)), DataError),
                ((np.ones((3, 2), int), np.full(3, 7)), DataError),
                ((np.ones((3, 2), int), np.full(3, 2)), DataError),
                (np.ones((3, 2)), ShapeError),
                (np.ones(3, int), ShapeError),
            ),
        ),
        CriterionCase(
            lambda: CTC(blank=2),
            output=(3, 4, 3),
            target=lambda rows, rng: np.where(np.arange(rows)[:, None] % 2, [[0, 1]], [[1, 2]]),
        ),
    )

    takes = "logits"
    fits = ("logarithms",)

    def __init__(self, blank: int = 0) -> None:
        self.blank = non_negative_int("blank", blank)

    def check(self, output_shape: Any, target: Any) -> None:
        """Refuse labels and steps that cannot be, and labels that do not fit into the steps."""
        labels, steps = self._parts(output_shape, target)
        check_ids(labels, output_shape[2], "label")
        given = np.full(len(labels), output_shape[1]) if steps is None else steps
        check_lengths(given, output_shape[1])
        filled = labels == self.blank
        ends = np.logical_or.accumulate(filled, axis=1)
        if (ends & ~filled).any():
            row = int((ends & ~filled).any(axis=1).argmax())
            raise DataError(
                f"labels must be filled up with {self.blank} (blank) at their end only; got "
                f"{labels[row].tolist()} in row {row}."
            )
        repeats = (labels[:, 1:] == labels[:, :-1]) & ~filled[:, 1:]
        needed = (~filled).sum(axis=1) + repeats.sum(axis=1)
        short = needed > given
        if short.any():
            row = int(short.argmax())
            raise DataError(
                f"labels must fit into the steps; got {int(needed[row])} that are needed, with one "
                f"between equal labels, and {int(given[row])} steps in row {row} "
                f"({int(short.sum())} of {len(labels)} rows)."
            )

    def rows(self, output: Any, target: Any) -> Any:
        """Compute the loss of each row."""
        if not isinstance(output, Value):
            raise ShapeError(f"output must be one array; got {tree.kind(output)}.")
        labels, steps = self._parts(output.shape, target)
        if not isinstance(labels, Value):
            self.check(output.shape, target)
        if steps is None:
            steps = np.full(output.shape[0], output.shape[1])
        return ops.ctc(output, labels, steps, blank=self.blank)

    def _parts(self, shape: Any, target: Any) -> tuple[Any, Any]:
        """Give labels and steps, or None for these, of right shapes."""
        whole = all(isinstance(size, int) for size in shape)
        if not whole or len(shape) != 3 or self.blank >= shape[2] or not shape[1]:
            raise ShapeError(
                "output must have axes (batch, time, classes), with a step at least and more than "
                f"{self.blank} classes; got shape {shape}."
            )
        parts = target if isinstance(target, tuple | list) else (target, None)
        if len(parts) != 2 or not all(isinstance(p, np.ndarray | Value | None) for p in parts):
            raise ShapeError(f"target must be {_FORM}; got {tree.kind(target)}.")
        for part, axes in zip(parts, (2, 1), strict=True):
            if part is None and axes == 1:
                continue
            wrong = part is None or part.ndim != axes or part.dtype.kind not in "iu"
            if wrong or part.shape[0] != shape[0]:
                found = tree.kind(part) if part is None else f"{part.dtype} in shape {part.shape}"
                raise ShapeError(
                    f"target must be {_FORM}, whole numbers for {shape[0]} rows; got {found}."
                )
        return parts[0], parts[1]
