"""Figures of merit that add up over batches and ranks. See README.md."""

from __future__ import annotations

from ..engine import names as _names
from .agreement import (
    BalancedAccuracy,
    ClassReport,
    CohenKappa,
    DiceScore,
    MatthewsCorrelation,
    MeanIoU,
    OfMatrix,
    Report,
)
from .classification import ConfusionMatrix, Top1, Top5, TopK, TreeTop1, per_class
from .counts import F1, Counted, Precision, Recall
from .detection import DetectionMAP
from .gathered import AUC, PRAUC, Gathered, Ranking
from .loss import Loss
from .metric import Metric
from .probability import Brier, CalibrationError, LogLoss, OfProbabilities, Perplexity
from .ranking import MRR, NDCG, HitRatio, MeanAveragePrecision, Ranked, average_precision
from .regression import MAE, MAPE, MSE, R2, RMSE

__all__ = [
    "AUC",
    "F1",
    "MAE",
    "MAPE",
    "MRR",
    "MSE",
    "NDCG",
    "PRAUC",
    "R2",
    "RMSE",
    "BalancedAccuracy",
    "Brier",
    "CalibrationError",
    "ClassReport",
    "CohenKappa",
    "ConfusionMatrix",
    "Counted",
    "DetectionMAP",
    "DiceScore",
    "Gathered",
    "HitRatio",
    "LogLoss",
    "Loss",
    "MatthewsCorrelation",
    "MeanAveragePrecision",
    "MeanIoU",
    "Metric",
    "OfMatrix",
    "OfProbabilities",
    "Perplexity",
    "Precision",
    "Ranked",
    "Ranking",
    "Recall",
    "Report",
    "Top1",
    "Top5",
    "TopK",
    "TreeTop1",
    "average_precision",
    "per_class",
]

_names.suggest(__name__)
