"""Figures of merit that add up over batches and ranks. See README.md."""

from __future__ import annotations

from ..engine import names as _names
from .classification import ConfusionMatrix, Top1, Top5, TopK, per_class
from .counts import F1, Counted, Precision, Recall
from .gathered import AUC, PRAUC, Gathered, Ranking
from .loss import Loss
from .metric import Metric
from .regression import MAE, R2

__all__ = [
    "AUC",
    "F1",
    "MAE",
    "PRAUC",
    "R2",
    "ConfusionMatrix",
    "Counted",
    "Gathered",
    "Loss",
    "Metric",
    "Precision",
    "Ranking",
    "Recall",
    "Top1",
    "Top5",
    "TopK",
    "per_class",
]

_names.suggest(__name__)
