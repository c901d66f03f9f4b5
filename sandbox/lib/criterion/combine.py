"""Criterions made of others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import numpy as np

from ..core import ops
from ..core.errors import ArgumentError, DataError, ShapeError
from ..core.validate import non_negative, several
from ..nn.registry import register
from .base import Criterion, CriterionCase
from .classification import CrossEntropy
from .regression import MAE, MSE


@register("criterion.WeightedSum")
class WeightedSum(Criterion):
    """Add up several criterions on the same output and target.

    call = sum_k factor_k · call_k, weight = number of rows

    Parameters
    ----------
    criterions : sequence of Criterion
        What is added up.
    factors : sequence of float >= 0, optional
        How much each counts; 1 each by default.

    Shapes
    ------
    output : what all the criterions take
    target : the same

    Raises
    ------
    ArgumentError : there is none, the numbers of factors differ, a factor is negative, or a
        criterion's mean is not over rows (class weights).
    ShapeError, DataError : what the criterions raise.

    Notes
    -----
    Same as BigDL `MultiCriterion` (0.13), whose factors are given by `add`.

    Examples
    --------
    >>> both = WeightedSum([MSE(), MAE()], [1.0, 0.5])
    >>> both(np.float32([[2.0]]), np.float32([[0.0]]))
    5.0
    """

    cases: ClassVar[tuple[CriterionCase, ...]] = (
        CriterionCase(
            lambda: WeightedSum([MSE(), MAE()], [1.0, 0.5]),
            output=(4, 3),
            target=lambda rows, rng: rng.normal(size=(rows, 3)).astype(np.float32),
            wrong=(([1.0, 2.0, 3.0], ShapeError),),
            kinks=True,
        ),
        CriterionCase(
            lambda: WeightedSum([CrossEntropy(), CrossEntropy(label_smoothing=0.2)]),
            output=(4, 3),
            target=lambda rows, rng: rng.integers(0, 3, rows),
            wrong=(([0, 1, 3], DataError),),
        ),
    )

    def __init__(
        self, criterions: Sequence[Criterion], factors: Sequence[float] | None = None
    ) -> None:
        self.criterions = tuple(criterions) if isinstance(criterions, tuple | list) else ()
        if not self.criterions or not all(isinstance(c, Criterion) for c in self.criterions):
            raise ArgumentError(f"`criterions` must be a list of criterions; got {criterions!r}.")
        given = (
            [1.0] * len(self.criterions)
            if factors is None
            else several("factors", factors, "a list of numbers >= 0")
        )
        if len(given) != len(self.criterions):
            raise ArgumentError(
                f"`factors` must hold {len(self.criterions)} numbers, one per criterion; got "
                f"{len(given)}."
            )
        self.factors = tuple(non_negative("factors", factor) for factor in given)
        self.takes_trees = all(part.takes_trees for part in self.criterions)
        for part in self.criterions:
            if not part.counts_rows:
                raise ArgumentError(
                    "`criterions` must have means over rows, without class weights; got "
                    f"{part!r}. Their sums cannot be added: they are divided by other numbers."
                )

    def check(self, output_shape: Any, target: Any) -> None:
        """Refuse what one of them refuses."""
        for part in self.criterions:
            part.check(output_shape, target)

    def check_output(self, output: Any) -> None:
        """Refuse what one of them refuses."""
        for part in self.criterions:
            part.check_output(output)

    def meanings(self, found: Any) -> Any:
        """Give what the first criterion that knows takes the outputs for."""
        told = [part.meanings(found) for part in self.criterions]
        return next((item for item in told if item != "unknown"), found)

    def call(self, output: Any, target: Any) -> Any:
        """Compute the sum over the rows."""
        return weighted_sum(self.factors, (part.call(output, target) for part in self.criterions))

    def rows(self, output: Any, target: Any) -> Any:
        """Compute the loss of each row."""
        return weighted_sum(self.factors, (part.rows(output, target) for part in self.criterions))


def weighted_sum(factors: Iterable[float], values: Iterable[Any]) -> Any:
    """Add up values, each times its factor.

    Examples
    --------
    >>> from sandbox.lib.core import Value
    >>> float(weighted_sum((2.0, 1.0), (Value(np.array(3.0)), Value(np.array(1.0)))))
    7.0
    """
    total = None
    for factor, value in zip(factors, values, strict=True):
        part = value if factor == 1.0 else ops.multiply(value, factor)
        total = part if total is None else ops.add(total, part)
    return total
