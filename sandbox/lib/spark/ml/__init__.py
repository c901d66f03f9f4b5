"""Networks as stages of Spark ML: estimators in a Pipeline, predictions in columns."""

from __future__ import annotations

from ...engine import names as _names
from .classifier import NNClassifier, NNClassifierModel
from .estimator import NNEstimator
from .features import FeatureEncoder, FeatureEncoderModel
from .model import NNModel
from .regressor import NNRegressor, NNRegressorModel
from .search import NNSearch

__all__ = [
    "FeatureEncoder",
    "FeatureEncoderModel",
    "NNClassifier",
    "NNClassifierModel",
    "NNEstimator",
    "NNModel",
    "NNRegressor",
    "NNRegressorModel",
    "NNSearch",
]

_names.suggest(__name__)
