"""The stages of `dlframes.dl_classifier` under their older path."""

from __future__ import annotations

from ...dlframes.dl_classifier import DLClassifier as DLClassifier
from ...dlframes.dl_classifier import DLClassifierModel as DLClassifierModel
from ...dlframes.dl_classifier import DLEstimator as DLEstimator
from ...dlframes.dl_classifier import DLModel as DLModel
