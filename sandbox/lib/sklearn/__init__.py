"""Networks as scikit-learn estimators. See README.md of this room."""

from __future__ import annotations

from ..engine import names as _names
from .classifier import SandboxClassifier as SandboxClassifier
from .regressor import SandboxRegressor as SandboxRegressor

_names.suggest(__name__)
