"""Modules that move, cut, repeat and reduce axes."""

from __future__ import annotations

from .expand import Expand
from .reduce import Mean, Reduction, Sum
from .views import Flatten, Reshape, Transpose

__all__ = [
    "Expand",
    "Flatten",
    "Mean",
    "Reduction",
    "Reshape",
    "Sum",
    "Transpose",
]
