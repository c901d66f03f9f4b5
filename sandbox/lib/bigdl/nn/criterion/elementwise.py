"""Criterions whose target has the shape of the input."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from .... import criterion as core
from ....core import Value, ops
from .base import Criterion, check_labels, like


class Elementwise(Criterion):
    """What these share: the mean over all elements, or their sum."""

    def __init__(self, inner: Any, size_average: bool = True, bigdl_type: str = "float") -> None:
        self.inner: Any = inner
        self.size_average = size_average
        self.bigdl_type = bigdl_type

    def goal(self, output: Any, target: Any) -> Any:
        """Give the target in the input's shape."""
        return like(output, target)

    def check(self, output_shape: Any, target: Any) -> None:
        """Refuse a target that cannot be."""
        size = 1
        for n in output_shape:
            size *= n
        same = target.reshape(output_shape) if target.size == size else target
        self.inner.check(output_shape, same)

    def call(self, output: Any, target: Any) -> Any:
        """Compute the sum over rows of their means, or of all elements."""
        if self.size_average:
            return super().call(output, target)
        return self.inner.total(output, self.inner.goal(output, self.goal(output, target)))


class MSECriterion(Elementwise):
    """Mean of squared differences: loss = sum (x - t)² / n. Core: `criterion.MSE`."""

    def __init__(self, bigdl_type: str = "float") -> None:
        super().__init__(core.MSE(), True, bigdl_type)


class AbsCriterion(Elementwise):
    """Mean of absolute differences. Core: `criterion.MAE`."""

    def __init__(self, size_average: bool = True, bigdl_type: str = "float") -> None:
        super().__init__(core.MAE(), size_average, bigdl_type)


class SmoothL1Criterion(Elementwise):
    """Squares below 1, straight lines beyond. Core: `criterion.SmoothL1`."""

    def __init__(self, size_average: bool = True, bigdl_type: str = "float") -> None:
        super().__init__(core.SmoothL1(), size_average, bigdl_type)


class BCECriterion(Elementwise):
    """Cross entropy of probabilities with yes and no. Core: `criterion.BCE`."""

    def __init__(
        self, weights: Any = None, size_average: bool = True, bigdl_type: str = "float"
    ) -> None:
        super().__init__(core.BCE(weights), size_average, bigdl_type)


class MultiLabelSoftMarginCriterion(Elementwise):
    """Cross entropy of logits with yes and no. Core: `criterion.MultiLabelSoftMargin`."""

    def __init__(
        self, weights: Any = None, size_average: bool = True, bigdl_type: str = "float"
    ) -> None:
        super().__init__(core.MultiLabelSoftMargin(weights), size_average, bigdl_type)


class MarginCriterion(Elementwise):
    """Hinge loss of targets -1 and 1. Core: `criterion.Hinge`."""

    def __init__(
        self,
        margin: float = 1.0,
        size_average: bool = True,
        squared: bool = False,
        bigdl_type: str = "float",
    ) -> None:
        super().__init__(core.Hinge(margin, squared=squared), size_average, bigdl_type)


class SoftMarginCriterion(Elementwise):
    """Logistic loss of targets -1 and 1. Core: `criterion.SoftMargin`."""

    def __init__(self, size_average: bool = True, bigdl_type: str = "float") -> None:
        super().__init__(core.SoftMargin(), size_average, bigdl_type)


class HingeEmbeddingCriterion(Elementwise):
    """Distances small for 1, above a margin for -1. Core: `criterion.HingeEmbedding`."""

    def __init__(
        self, margin: float = 1.0, size_average: bool = True, bigdl_type: str = "float"
    ) -> None:
        super().__init__(core.HingeEmbedding(margin), size_average, bigdl_type)


class MeanAbsolutePercentageCriterion(Elementwise):
    """Differences in percent of the target. Core: `criterion.MeanAbsolutePercentage`."""

    def __init__(self, bigdl_type: str = "float") -> None:
        super().__init__(core.MeanAbsolutePercentage(), True, bigdl_type)


class MeanSquaredLogarithmicCriterion(Elementwise):
    """Squared differences of logarithms. Core: `criterion.MeanSquaredLogarithmic`."""

    def __init__(self, bigdl_type: str = "float") -> None:
        super().__init__(core.MeanSquaredLogarithmic(), True, bigdl_type)


class PoissonCriterion(Elementwise):
    """Likelihood of counts: mean of x - t · log(x + 1e-7). Core: `criterion.PoissonNLL`."""

    def __init__(self, bigdl_type: str = "float") -> None:
        super().__init__(core.PoissonNLL(log_input=False, eps=1e-7), True, bigdl_type)


class Rows(Elementwise):
    """What those share that see a row as a whole: one array without a batch axis is one row."""

    axes: ClassVar[int] = 2


class DistKLDivCriterion(Rows):
    """Divergence of logarithms from probabilities, the mean over all elements, as in Torch.

    Core: `criterion.KLDivergence`.
    """

    def __init__(self, size_average: bool = True, bigdl_type: str = "float") -> None:
        super().__init__(core.KLDivergence(), size_average, bigdl_type)

    def check(self, output_shape: Any, target: Any) -> None:
        """Look at the shape alone: the original takes any positive numbers."""
        core.check_numbers(tuple(output_shape), target)

    def call(self, output: Any, target: Any) -> Any:
        """Compute sum t · (log t - x), divided by the elements of a row for the mean."""
        goal = ops.cast(self.goal(output, target), output.dtype)
        logs = ops.log(ops.where(ops.greater(goal, 0.0), goal, 1.0))
        total = ops.sum(ops.multiply(goal, ops.subtract(logs, output)))
        size = output.size / output.shape[0]
        return ops.divide(total, float(size)) if self.size_average else total


class KullbackLeiblerDivergenceCriterion(Rows):
    """Divergence of probabilities, the mean over rows. Core: `criterion.KullbackLeibler`."""

    def __init__(self, bigdl_type: str = "float") -> None:
        super().__init__(core.KullbackLeibler(), True, bigdl_type)


class CosineDistanceCriterion(Rows):
    """1 minus the cosine, the mean over rows. Core: `criterion.CosineDistance`."""

    def __init__(self, size_average: bool = True, bigdl_type: str = "float") -> None:
        super().__init__(core.CosineDistance(), size_average, bigdl_type)


class CosineProximityCriterion(Rows):
    """The negative cosine divided by the features. Core: `criterion.CosineSimilarity`."""

    def __init__(self, bigdl_type: str = "float") -> None:
        super().__init__(core.CosineSimilarity(), True, bigdl_type)

    def call(self, output: Any, target: Any) -> Any:
        """Compute the sum over the rows."""
        return ops.divide(super().call(output, target), float(output.shape[-1]))


class DiceCoefficientCriterion(Rows):
    """What maps lack of covering each other, by row. Core: `criterion.Dice`."""

    def __init__(
        self, size_average: bool = True, epsilon: float = 1.0, bigdl_type: str = "float"
    ) -> None:
        super().__init__(core.Dice(epsilon), size_average, bigdl_type)


class DotProductCriterion(Rows):
    """The product with the target, so that the gradient is the target. Core: `DotProduct`."""

    def __init__(self, size_average: bool = False, bigdl_type: str = "float") -> None:
        super().__init__(core.DotProduct(), size_average, bigdl_type)


class PGCriterion(Rows):
    """-sum reward · log(probability). Core: `criterion.PolicyGradient`."""

    def __init__(self, sizeAverage: bool = False, bigdl_type: str = "float") -> None:
        super().__init__(core.PolicyGradient(), sizeAverage, bigdl_type)


class CategoricalCrossEntropy(Rows):
    """Cross entropy of probabilities with one-hot rows. Core: the same name."""

    def __init__(self, bigdl_type: str = "float") -> None:
        super().__init__(core.CategoricalCrossEntropy(), True, bigdl_type)


class MultiLabelMarginCriterion(Rows):
    """All right classes ahead of the others. Core: `criterion.MultiLabelMargin`.

    The target holds labels that count from 1; a 0 ends them.
    """

    def __init__(self, size_average: bool = True, bigdl_type: str = "float") -> None:
        super().__init__(core.MultiLabelMargin(), size_average, bigdl_type)

    def check(self, output_shape: Any, target: Any) -> None:
        """Refuse labels that are no classes."""
        check_labels(target, output_shape[1], 0)

    def goal(self, output: Any, target: Any) -> Any:
        """Give 1 for each class that is named before the first 0, else 0."""
        labels = ops.cast(like(output, target), "int64")
        live = ops.cum_prod(ops.cast(ops.greater(labels, 0), "float32"), axis=1)
        table = Value(np.arange(1, output.shape[1] + 1).reshape(1, 1, -1))
        hit = ops.cast(ops.equal(ops.expand_dims(labels, 2), table), "float32")
        named = ops.max(ops.multiply(hit, ops.expand_dims(live, 2)), axes=1)
        return ops.cast(named, output.dtype)


class L1Cost(Criterion):
    """The sum of absolute values, whatever the target. Core: `criterion.L1Cost`."""

    def __init__(self, bigdl_type: str = "float") -> None:
        self.inner = core.L1Cost()
        self.size_average = False
        self.bigdl_type = bigdl_type

    def _batched(self, input: Any, target: Any) -> tuple[Any, Any]:
        return input, input
