"""A model's answers for the rows of DataFrames: one scorer for transform, SQL, pandas."""

from __future__ import annotations

from .answers import Answers, Outputs
from .scorer import Scorer

__all__ = ["Answers", "Outputs", "Scorer"]
