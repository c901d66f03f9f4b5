"""Triggers and validation methods of BigDL over `train` triggers and `metrics`."""

from __future__ import annotations

from typing import Any

import numpy as np

from .... import metrics, train
from ....train.triggers import Progress


class EveryEpoch(train.EveryEpoch):
    """Fires at the end of each pass."""

    def __init__(self, bigdl_type: str = "float") -> None:
        super().__init__()


class SeveralIteration(train.EverySteps):
    """Fires after every so many iterations."""

    def __init__(self, interval: int, bigdl_type: str = "float") -> None:
        super().__init__(interval)


class MaxEpoch(train.MaxEpoch):
    """Fires once so many passes are done."""

    def __init__(self, max_epoch: int, bigdl_type: str = "float") -> None:
        super().__init__(max_epoch)


class MaxIteration(train.MaxSteps):
    """Fires once so many iterations are done."""

    def __init__(self, max: int, bigdl_type: str = "float") -> None:
        super().__init__(max)


class MinLoss(train.MinLoss):
    """Fires when an iteration's loss is below a number."""

    def __init__(self, min: float, bigdl_type: str = "float") -> None:
        super().__init__(min)


class MaxScore(train.Trigger):
    """Fires when the first validation method gives more than a number."""

    def __init__(self, max: float, bigdl_type: str = "float") -> None:
        self.score = float(max)

    def __call__(self, progress: Progress) -> bool:
        """Answer."""
        found = [v for v in progress.metrics.values() if isinstance(v, int | float)]
        return bool(found) and found[0] > self.score

    def can_fire(self, *, validated: bool) -> bool:
        """Tell whether there are validations."""
        return validated


class TriggerAnd(train.And):
    """Fires when all do."""

    def __init__(self, first: train.Trigger, *other: train.Trigger) -> None:
        super().__init__(first, *other)


class TriggerOr(train.Or):
    """Fires when any does."""

    def __init__(self, first: train.Trigger, *other: train.Trigger) -> None:
        super().__init__(first, *other)


class _FromOne:
    """A metric whose labels count from 1."""

    def pick(self, output: Any, target: Any) -> tuple[Any, Any]:
        """Give labels from 0, one for each row."""
        output, target = super().pick(output, target)  # type: ignore[misc]
        return output, np.asarray(target).reshape(-1).astype(np.int64) - 1


class Top1Accuracy(_FromOne, metrics.Top1):
    """Share of rows whose largest output is the label, which counts from 1."""

    def __init__(self, bigdl_type: str = "float") -> None:
        super().__init__(name="Top1Accuracy")


class Top5Accuracy(_FromOne, metrics.Top5):
    """Share of rows whose label is among the five largest outputs."""

    def __init__(self, bigdl_type: str = "float") -> None:
        super().__init__(name="Top5Accuracy")


class TreeNNAccuracy(_FromOne, metrics.TreeTop1):
    """`Top1Accuracy` of a tree's root."""

    def __init__(self, bigdl_type: str = "float") -> None:
        super().__init__(name="TreeNNAccuracy")


class Loss(metrics.Loss):
    """The mean loss; of `ClassNLLCriterion` unless another is given."""

    def __init__(self, cri: Any = None, bigdl_type: str = "float") -> None:
        from ...nn.criterion import ClassNLLCriterion

        super().__init__(cri if cri is not None else ClassNLLCriterion(), name="Loss")


class MAE(metrics.MAE):
    """Mean absolute error."""

    def __init__(self, bigdl_type: str = "float") -> None:
        super().__init__(name="MAE")


class HitRatio(metrics.HitRatio):
    """Share of lists whose right item is among the first k."""

    def __init__(self, k: int = 10, neg_num: int = 100, bigdl_type: str = "float") -> None:
        super().__init__(k, negatives=neg_num, name="HitRatio")


class NDCG(metrics.NDCG):
    """Gain of the right item's place among the first k."""

    def __init__(self, k: int = 10, neg_num: int = 100, bigdl_type: str = "float") -> None:
        super().__init__(k, negatives=neg_num, name="NDCG")


class MeanAveragePrecision(metrics.MeanAveragePrecision):
    """Mean over classes of the average precision."""

    def __init__(self, k: int, classes: int, bigdl_type: str = "float") -> None:
        super().__init__(classes, k=k, name="MeanAveragePrecision")


class MeanAveragePrecisionObjectDetection(metrics.DetectionMAP):
    """Mean average precision of found objects."""

    def __init__(
        self,
        classes: int,
        iou: float = 0.5,
        use_voc2007: bool = False,
        skip_class: int = -1,
        bigdl_type: str = "float",
    ) -> None:
        way = "11 points" if use_voc2007 else "area"
        super().__init__(
            classes, iou=iou, interpolation=way, name="MeanAveragePrecisionObjectDetection"
        )
