"""Modules that move, cut, choose, repeat and reduce axes."""

from __future__ import annotations

from .axes import (
    Flip,
    Narrow,
    OneAxis,
    PadAxis,
    Replicate,
    Roll,
    Select,
    Squeeze,
    Tile,
    Unsqueeze,
)
from .choose import Gather, MaskedSelect
from .expand import Expand
from .plain import Constant, Echo, Identity
from .reduce import Max, Mean, Min, Prod, Reduction, Sum
from .views import Flatten, Reshape, Transpose

__all__ = [
    "Constant",
    "Echo",
    "Expand",
    "Flatten",
    "Flip",
    "Gather",
    "Identity",
    "MaskedSelect",
    "Max",
    "Mean",
    "Min",
    "Narrow",
    "OneAxis",
    "PadAxis",
    "Prod",
    "Reduction",
    "Replicate",
    "Reshape",
    "Roll",
    "Select",
    "Squeeze",
    "Sum",
    "Tile",
    "Transpose",
    "Unsqueeze",
]
