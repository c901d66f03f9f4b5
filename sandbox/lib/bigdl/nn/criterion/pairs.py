"""Criterions of several arrays: tables as input or as target."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from .... import criterion as core
from ....criterion.base import row_count
from .base import Criterion


class Tables(Criterion):
    """What criterions of tables share: the mean over rows, or the sum."""

    def __init__(self, inner: Any, size_average: bool, bigdl_type: str) -> None:
        self.inner: Any = inner
        self.size_average = size_average
        self.bigdl_type = bigdl_type

    def check(self, output_shape: Any, target: Any) -> None:
        """Refuse what the core refuses."""
        self.inner.check(output_shape, target)


class MarginRankingCriterion(Tables):
    """The first score ahead of the second where the target is 1. Core: `MarginRanking`."""

    def __init__(
        self, margin: float = 1.0, size_average: bool = True, bigdl_type: str = "float"
    ) -> None:
        super().__init__(core.MarginRanking(margin), size_average, bigdl_type)


class _Vectors(Tables):
    axes: ClassVar[int] = 2

    def _batched(self, input: Any, target: Any) -> tuple[Any, Any]:
        output, goal = super()._batched(input, target)
        return output, goal.reshape(-1)[: len(output[0])]


class CosineEmbeddingCriterion(_Vectors):
    """Two vectors in one direction where the target is 1. Core: `CosineEmbedding`."""

    def __init__(
        self, margin: float = 0.0, size_average: bool = True, bigdl_type: str = "float"
    ) -> None:
        super().__init__(core.CosineEmbedding(margin), size_average, bigdl_type)


class L1HingeEmbeddingCriterion(_Vectors):
    """Small L1 distances where the target is 1. Core: `criterion.L1HingeEmbedding`."""

    def __init__(self, margin: float = 1.0, bigdl_type: str = "float") -> None:
        super().__init__(core.L1HingeEmbedding(margin), False, bigdl_type)


class KLDCriterion(Tables):
    """Divergence of (mean, log variance) from the standard normal. Core: `GaussianKL`."""

    axes: ClassVar[int] = 2

    def __init__(self, size_average: bool = True, bigdl_type: str = "float") -> None:
        super().__init__(core.GaussianKL(), size_average, bigdl_type)

    def _batched(self, input: Any, target: Any) -> tuple[Any, Any]:
        output, _ = super()._batched(input, input)
        return output, output[0]


class GaussianCriterion(Tables):
    """Negative log likelihood of (mean, log variance), the sum. Core: `GaussianNLL`."""

    def __init__(self, bigdl_type: str = "float") -> None:
        super().__init__(core.GaussianNLL(), False, bigdl_type)


class SmoothL1CriterionWithWeights(Criterion):
    """`SmoothL1Criterion` with weights inside and outside, divided by `num` or the rows.

    Core: `criterion.SmoothL1WithWeights`, beta = 1 / sigma². The target is a table of targets,
    weights inside and weights outside, or of targets alone.
    """

    lone_target: ClassVar[bool] = False

    def __init__(self, sigma: float, num: int = 0, bigdl_type: str = "float") -> None:
        self.inner: Any = core.SmoothL1WithWeights(1.0 / (sigma * sigma))
        self.num = num
        self.bigdl_type = bigdl_type

    def _batched(self, input: Any, target: Any) -> tuple[Any, Any]:
        table = target if isinstance(target, tuple) else (target,)
        ones = np.ones_like(table[0])
        full = table if len(table) == 3 else (table[0], ones, ones)
        return input, tuple(item.reshape(input.shape) for item in full)

    def weight(self, target: Any) -> float:
        """Give `num`, or the number of rows."""
        return float(self.num) if self.num > 0 else float(row_count(target))


class TransformerCriterion(Criterion):
    """A criterion on what modules make of input and target. Core: `criterion.Transformed`.

    Examples
    --------
    >>> from sandbox.lib.bigdl.nn.criterion import MSECriterion
    >>> TransformerCriterion(MSECriterion()).forward(np.float32([1.0]), np.float32([3.0]))
    4.0
    """

    def __init__(
        self,
        criterion: Criterion,
        input_transformer: Any = None,
        target_transformer: Any = None,
        bigdl_type: str = "float",
    ) -> None:
        modules = [_module(item) for item in (input_transformer, target_transformer)]
        self.inner = core.Transformed(criterion, output=modules[0], target=modules[1])
        self.bigdl_type = bigdl_type
        self.judge = criterion

    def weight(self, target: Any) -> float:
        """Give what the criterion divides by."""
        return float(self.inner.weight(target)) if self.inner else 1.0


def _module(layer: Any) -> Any:
    """Return the core's module of a layer."""
    return getattr(layer, "module", layer)
