"""Modules that move, cut, repeat and reduce axes."""

from __future__ import annotations

from .reduce import Mean, Reduction, Sum
from .views import Flatten, Reshape, Transpose

__all__ = [
    "Flatten",
    "Mean",
    "Reduction",
    "Reshape",
    "Sum",
    "Transpose",
]
