"""Criterions of directions and products: how alike two vectors are."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ..core import ops
from ..core.errors import ShapeError
from ..nn.registry import register
from .base import Array, CriterionCase, ElementwiseCriterion
from .labels import check_probabilities

_TINY = 1e-12  # below which a squared length counts as this


def cosine(x: Any, y: Any) -> Any:
    """Return the cosine between vectors along the last axis."""
    product = ops.sum(ops.multiply(x, y), axes=-1)
    squares = (ops.sum(ops.square(v), axes=-1) for v in (x, y))
    lengths = [ops.sqrt(ops.maximum(square, _TINY)) for square in squares]
    return ops.divide(product, ops.multiply(*lengths))


class Directed(ElementwiseCriterion):
    """What criterions share whose outputs and targets are vectors along the last axis."""

    takes = "values"

    def check(self, output_shape: tuple[int, ...], target: Array) -> None:
        """Refuse outputs that are no vectors, and targets of another shape."""
        if len(output_shape) < 2:
            raise ShapeError(
                f"output must have 2 axes (batch, features) or more; got shape {output_shape}."
            )
        super().check(output_shape, target)

    def goal(self, output: Any, target: Any) -> Any:
        """Give the target as a value that goes with the output, checked."""
        if len(output.shape) < 2:
            self.check(output.shape, np.zeros(output.shape))
        return super().goal(output, target)

    def size(self, shape: tuple[int, ...]) -> float:
        """Give the vectors of a row, so that its loss is their mean."""
        return float(max(int(np.prod(shape[1:-1])), 1))


@register("criterion.CosineDistance")
class CosineDistance(Directed):
    """Turn vectors into the direction of the targets: 1 minus the cosine between them.

    call = sum_n (1 - cos(x_n, t_n)), the mean over the vectors where a row holds several

    Shapes
    ------
    output : (batch, ..., features) float32
    target : the same

    Raises
    ------
    ShapeError : the target has not the output's shape, or there is no axis of features.

    Notes
    -----
    Same as BigDL `CosineDistanceCriterion` (0.13). Reference: `engine.ops.arithmetic`.

    Examples
    --------
    >>> CosineDistance()(np.float32([[1, 0], [2, 0]]), np.float32([[0, 3], [1, 0]]))
    0.5
    """

    cases: ClassVar[tuple[CriterionCase, ...]] = (
        CriterionCase(
            lambda: CosineDistance(),
            output=(4, 3),
            target=lambda rows, rng: rng.normal(size=(rows, 3)).astype(np.float32),
            wrong=(([1.0, 2.0, 3.0], ShapeError),),
        ),
    )

    def losses(self, output: Any, goal: Any) -> Any:
        """Compute the distance of each vector."""
        return ops.subtract(1.0, cosine(output, goal))


@register("criterion.CosineSimilarity")
class CosineSimilarity(Directed):
    """Turn vectors into the direction of the targets: the negative cosine between them.

    call = sum_n -cos(x_n, t_n), the mean over the vectors where a row holds several

    Shapes
    ------
    output : (batch, ..., features) float32
    target : the same

    Raises
    ------
    ShapeError : the target has not the output's shape, or there is no axis of features.

    Notes
    -----
    Same as Keras `CosineSimilarity`. Like BigDL `CosineProximityCriterion`: that divides by the
    number of features, too. Reference: `engine.ops.arithmetic`.

    Examples
    --------
    >>> CosineSimilarity()(np.float32([[1, 0], [2, 0]]), np.float32([[0, 3], [1, 0]]))
    -0.5
    """

    cases: ClassVar[tuple[CriterionCase, ...]] = (
        CriterionCase(
            lambda: CosineSimilarity(),
            output=(4, 2, 3),
            target=lambda rows, rng: rng.normal(size=(rows, 2, 3)).astype(np.float32),
            wrong=(([1.0, 2.0, 3.0], ShapeError),),
        ),
    )

    def losses(self, output: Any, goal: Any) -> Any:
        """Compute the negative cosine of each vector."""
        return ops.negative(cosine(output, goal))


@register("criterion.DotProduct")
class DotProduct(ElementwiseCriterion):
    """Make the product with the target small: what a gradient of one's own is given by.

    call = sum_n sum_i x_ni · t_ni, so that the gradient of the output is the target

    Shapes
    ------
    output : (batch, ...) float32
    target : the same

    Raises
    ------
    ShapeError : the target has not the output's shape.

    Notes
    -----
    Same as BigDL `DotProductCriterion` (0.13, sizeAverage=True; it adds up the rows by default).
    Reference: `engine.ops.arithmetic`.

    Examples
    --------
    >>> DotProduct()(np.float32([[1.0, 2.0]]), np.float32([[3.0, 0.5]]))
    4.0
    """

    cases: ClassVar[tuple[CriterionCase, ...]] = (
        CriterionCase(
            lambda: DotProduct(),
            output=(4, 3),
            target=lambda rows, rng: rng.normal(size=(rows, 3)).astype(np.float32),
            wrong=(([1.0, 2.0, 3.0], ShapeError),),
        ),
    )

    def size(self, shape: tuple[int, ...]) -> float:
        """Give 1: of a row the sum, not the mean."""
        return 1.0

    def losses(self, output: Any, goal: Any) -> Any:
        """Compute the products."""
        return ops.multiply(output, goal)


@register("criterion.PolicyGradient")
class PolicyGradient(ElementwiseCriterion):
    """Make actions likelier by the reward that they brought.

    call = sum_n sum_k -r_nk · log(x_nk)

    Shapes
    ------
    output : (batch, actions) float32 probabilities of the actions, from `nn.Softmax`
    target : the same: the reward r (or advantage) of the action that was taken, 0 for the others

    Raises
    ------
    ShapeError : the target has not the output's shape.
    DataError : an output is no probability.

    Notes
    -----
    Same as BigDL `PGCriterion` (0.13, sizeAverage=True; it adds up the rows by default). Source:
    Williams 1992. 1e-7 is added inside the logarithm. Reference: `engine.ops.arithmetic`.

    Examples
    --------
    >>> even = np.float32([[0.5, 0.5]])
    >>> round(PolicyGradient()(even, np.float32([[2.0, 0.0]])), 4)  # 2 · log(2)
    1.3863
    """

    cases: ClassVar[tuple[CriterionCase, ...]] = (
        CriterionCase(
            lambda: PolicyGradient(),
            output=(4, 3),
            target=lambda rows, rng: np.eye(3, dtype="f4")[rng.integers(0, 3, rows)],
            wrong=(([1.0, 2.0, 3.0], ShapeError),),
            probabilities=True,
        ),
    )

    takes = "probabilities"

    def check_output(self, output: Array) -> None:
        """Refuse what are no probabilities."""
        check_probabilities(output, "Put nn.Softmax behind the model.")

    def size(self, shape: tuple[int, ...]) -> float:
        """Give 1: of a row the sum, not the mean."""
        return 1.0

    def losses(self, output: Any, goal: Any) -> Any:
        """Compute the rewards, each times how unlikely the action was."""
        return ops.negative(ops.multiply(goal, ops.log(ops.add(output, 1e-7))))
