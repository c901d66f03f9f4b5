"""Criterions of several outputs: which is ahead, how far apart they are."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np

from ..core import Value, ops, tree
from ..core.errors import DataError, ShapeError
from ..core.validate import boolean, finite, in_range, non_negative
from ..nn.registry import register
from .base import Array, Criterion, CriterionCase, row_sums
from .margin import check_signs, signs
from .similarity import cosine


def alike_parts(item: Any, count: int, names: str, *, shapes: bool = False) -> tuple[Any, ...]:
    """Return the outputs that a criterion takes, all of one shape.

    Parameters
    ----------
    item : tuple or list
        Of values; with `shapes` of shapes.
    count : int
        How many.
    names : str
        What they are, for messages.

    Raises
    ------
    ShapeError : these are not so many arrays of one shape with rows.

    Examples
    --------
    >>> alike_parts(((2, 3), (2, 4)), 2, "x1, x2", shapes=True)
    Traceback (most recent call last):
    sandbox.lib.core.errors.ShapeError: output must hold arrays of one shape (x1, x2); got \
(2, 3) and (2, 4).
    """
    kind: Any = tuple if shapes else Value
    fits = isinstance(item, tuple | list) and len(item) == count
    if not fits or not all(isinstance(part, kind) for part in item):
        found = f"shape {item}" if shapes else tree.kind(item)
        raise ShapeError(f"output must be {count} arrays ({names}); got {found}.")
    parts = tuple(item)
    every = [tuple(part if shapes else part.shape) for part in parts]
    if any(shape != every[0] for shape in every[1:]) or not every[0]:
        raise ShapeError(
            f"output must hold arrays of one shape ({names}); got {' and '.join(map(str, every))}."
        )
    return parts


class Compared(Criterion):
    """What criterions of several outputs of one shape share.

    `names` says what the outputs are; subclasses write `compare(*outputs, goal)`.
    """

    names: ClassVar[tuple[str, ...]] = ("x1", "x2")
    takes = "values"

    def check(self, output_shape: Any, target: Any) -> None:
        """Refuse outputs of unlike shapes, and a target that does not go with them."""
        shapes = alike_parts(output_shape, len(self.names), ", ".join(self.names), shapes=True)
        if not isinstance(target, np.ndarray):
            raise ShapeError(f"target must be one array; got {tree.kind(target)}.")
        self.check_rows(shapes[0], target)

    def check_rows(self, shape: tuple[int, ...], target: Array) -> None:
        """Refuse a target that does not go with outputs of this shape; not one per row."""
        if target.shape[:1] != shape[:1]:
            raise ShapeError(
                f"target must have a row for each of {shape[0]}; got shape {target.shape}."
            )

    def call(self, output: Any, target: Any) -> Any:
        """Compute the sum over the rows."""
        return ops.sum(self._losses(output, target))

    def rows(self, output: Any, target: Any) -> Any:
        """Compute the loss of each row."""
        return row_sums(self._losses(output, target))

    def _losses(self, output: Any, target: Any) -> Any:
        parts = alike_parts(output, len(self.names), ", ".join(self.names))
        goal = target
        if not isinstance(target, Value):
            numbers = np.asarray(target)
            self.check(tuple(part.shape for part in parts), numbers)
            goal = Value(numbers)
        return self.compare(*parts, goal)

    @abstractmethod
    def compare(self, *outputs_and_goal: Any) -> Any:
        """Compute the losses whose sum is the row's, (rows, ...), with `core.ops`."""


class Judged(Compared):
    """What criterions of two outputs share with a target -1 or 1 for each row."""

    def check_rows(self, shape: tuple[int, ...], target: Array) -> None:
        """Refuse what is not -1 or 1 for each row."""
        check_signs(self.goal_shape(shape), target)

    def goal_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Give the target's shape for outputs of this shape."""
        return shape[:1]

    def compare(self, *outputs_and_goal: Any) -> Any:
        """Compute the loss of each row or element."""
        x1, x2, goal = outputs_and_goal
        if goal.shape != self.goal_shape(x1.shape):
            raise ShapeError(
                f"target must have shape {self.goal_shape(x1.shape)}; got {goal.shape}."
            )
        return self.losses(x1, x2, ops.cast(goal, x1.dtype))

    @abstractmethod
    def losses(self, x1: Any, x2: Any, goal: Any) -> Any:
        """Compute the loss of each row with `core.ops`."""


@register("criterion.MarginRanking")
class MarginRanking(Judged):
    """Put the first score ahead of the second by a margin where the target is 1, else behind.

    call = sum_n mean_i max(0, margin - t_ni · (x1_ni - x2_ni))

    Parameters
    ----------
    margin : float
        How far ahead.

    Shapes
    ------
    output : a pair of (batch, ...) float32 scores
    target : (batch, ...), -1 or 1

    Raises
    ------
    ArgumentError : `margin` is no number.
    ShapeError : the outputs are no pair of one shape, or the target has another.
    DataError : a target is neither -1 nor 1.

    Notes
    -----
    Same as BigDL `MarginRankingCriterion` (0.13) and PyTorch `MarginRankingLoss` (margin 0 there).
    Reference: `engine.ops.arithmetic`.

    Examples
    --------
    >>> MarginRanking()((np.float32([[2.0]]), np.float32([[1.5]])), np.array([[1]]))
    0.5
    """

    cases: ClassVar[tuple[CriterionCase, ...]] = (
        CriterionCase(
            lambda: MarginRanking(0.5),
            output=((4, 1), (4, 1)),
            target=signs(1),
            wrong=(([1, -1, 1], ShapeError), (np.zeros((3, 1)), DataError)),
            kinks=True,
        ),
    )

    def __init__(self, margin: float = 1.0) -> None:
        self.margin = finite("margin", margin)

    def goal_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Give the outputs' shape."""
        return shape

    def losses(self, x1: Any, x2: Any, goal: Any) -> Any:
        """Compute what the first one lacks."""
        ahead = ops.multiply(goal, ops.subtract(x1, x2))
        lacking = ops.relu(ops.subtract(self.margin, ahead))
        elements = float(max(int(np.prod(x1.shape[1:])), 1))
        return ops.divide(lacking, elements)


@register("criterion.CosineEmbedding")
class CosineEmbedding(Judged):
    """Turn two vectors into one direction where the target is 1, apart where it is -1.

    call = sum_n (1 - cos(x1_n, x2_n) where t_n = 1, else max(0, cos(x1_n, x2_n) - margin))

    Parameters
    ----------
    margin : float in [-1, 1]
        What cosine of unlike vectors costs nothing.

    Shapes
    ------
    output : a pair of (batch, features) float32
    target : (batch,), -1 or 1

    Raises
    ------
    ArgumentError : `margin` is out of range.
    ShapeError : the outputs are no pair of one shape, or the target is not one number per row.
    DataError : a target is neither -1 nor 1.

    Notes
    -----
    Same as BigDL `CosineEmbeddingCriterion` (0.13) and PyTorch `CosineEmbeddingLoss`.
    Reference: `engine.ops.arithmetic`.

    Examples
    --------
    >>> CosineEmbedding()((np.float32([[1, 0]]), np.float32([[0, 2]])), np.array([1]))
    1.0
    """

    cases: ClassVar[tuple[CriterionCase, ...]] = (
        CriterionCase(
            lambda: CosineEmbedding(0.1),
            output=((4, 3), (4, 3)),
            target=signs(),
            wrong=(([0, 1, 1], DataError), ([[1], [1], [1]], ShapeError)),
            kinks=True,
        ),
    )

    def __init__(self, margin: float = 0.0) -> None:
        self.margin = in_range("margin", margin, -1.0, 1.0)

    def losses(self, x1: Any, x2: Any, goal: Any) -> Any:
        """Compute the loss of each pair."""
        found = cosine(x1, x2)
        apart = ops.relu(ops.subtract(found, self.margin))
        return ops.where(ops.greater(goal, 0.0), ops.subtract(1.0, found), apart)


@register("criterion.L1HingeEmbedding")
class L1HingeEmbedding(Judged):
    """Make the L1 distance of two vectors small where the target is 1, else above a margin.

    call = sum_n (d_n where t_n = 1, else max(0, margin - d_n)), d_n = sum_i |x1_ni - x2_ni|

    Parameters
    ----------
    margin : float >= 0
        How far unlike ones must be apart.

    Shapes
    ------
    output : a pair of (batch, features) float32
    target : (batch,), -1 or 1

    Raises
    ------
    ArgumentError : `margin` is negative.
    ShapeError : the outputs are no pair of one shape, or the target is not one number per row.
    DataError : a target is neither -1 nor 1.

    Notes
    -----
    Same as BigDL `L1HingeEmbeddingCriterion` (0.13). Reference: `engine.ops.arithmetic`.

    Examples
    --------
    >>> pair = (np.float32([[1.0, 0.0]]), np.float32([[0.5, 0.0]]))
    >>> L1HingeEmbedding()(pair, np.array([1])), L1HingeEmbedding(2.0)(pair, np.array([-1]))
    (0.5, 1.5)
    """

    cases: ClassVar[tuple[CriterionCase, ...]] = (
        CriterionCase(
            lambda: L1HingeEmbedding(4.0),
            output=((4, 3), (4, 3)),
            target=signs(),
            wrong=(([0, 1, 1], DataError), ([[1], [1], [1]], ShapeError)),
            kinks=True,
        ),
    )

    def __init__(self, margin: float = 1.0) -> None:
        self.margin = non_negative("margin", margin)

    def losses(self, x1: Any, x2: Any, goal: Any) -> Any:
        """Compute the loss of each pair."""
        axes = tuple(range(1, len(x1.shape)))
        distance = ops.sum(ops.abs(ops.subtract(x1, x2)), axes=axes)
        apart = ops.relu(ops.subtract(self.margin, distance))
        return ops.where(ops.greater(goal, 0.0), distance, apart)


@register("criterion.TripletMargin")
class TripletMargin(Compared):
    """Bring an anchor nearer to what is like it than to what is not, by a margin.

    call = sum_n max(0, margin + |a_n - p_n| - |a_n - q_n|), |d| = sqrt(sum_i (d_i + 1e-6)²)

    Parameters
    ----------
    margin : float >= 0
        How much nearer.
    swap : bool
        Whether the distance of positive and negative counts where it is the smaller one.

    Shapes
    ------
    output : three of (batch, features) float32: anchor a, positive p, negative q
    target : anything with as many rows; it is not looked at

    Raises
    ------
    ArgumentError : `margin` is negative.
    ShapeError : the outputs are not three of one shape, or the target has other rows.

    Notes
    -----
    Same as PyTorch `TripletMarginLoss` (p=2). Source: Schroff et al. 2015; the swap: Balntas et al.
    2016.
    Reference: `engine.ops.arithmetic`.

    Examples
    --------
    >>> a, p, q = np.zeros((1, 1), "f4"), np.float32([[1.0]]), np.float32([[1.5]])
    >>> round(TripletMargin()((a, p, q), np.zeros(1)), 4)
    0.5
    """

    cases: ClassVar[tuple[CriterionCase, ...]] = (
        CriterionCase(
            lambda: TripletMargin(),
            output=((4, 3), (4, 3), (4, 3)),
            target=lambda rows, rng: np.zeros(rows),
            wrong=(([1.0], ShapeError),),
            kinks=True,
        ),
    )

    names = ("anchor", "positive", "negative")

    def __init__(self, margin: float = 1.0, *, swap: bool = False) -> None:
        self.margin = non_negative("margin", margin)
        self.swap = boolean("swap", swap)

    def compare(self, *outputs_and_goal: Any) -> Any:
        """Compute the loss of each row."""
        anchor, positive, negative, _ = outputs_and_goal
        near, far = _distance(anchor, positive), _distance(anchor, negative)
        if self.swap:
            far = ops.minimum(far, _distance(positive, negative))
        return ops.relu(ops.add(ops.subtract(near, far), self.margin))


def _distance(a: Any, b: Any) -> Any:
    between = ops.add(ops.subtract(a, b), 1e-6)
    axes = tuple(range(1, len(a.shape)))
    return ops.sqrt(ops.sum(ops.square(between), axes=axes))
