"""Modules of several values: merging, element by element or joined."""

from __future__ import annotations

from .merge import Concat, Dot, Merge
from .pairwise import Add, Average, Divide, Maximum, Minimum, Multiply, Pairwise, Subtract

__all__ = [
    "Add",
    "Average",
    "Concat",
    "Divide",
    "Dot",
    "Maximum",
    "Merge",
    "Minimum",
    "Multiply",
    "Pairwise",
    "Subtract",
]
