"""Models whose layers multiply 8-bit integers; see README.md of this room."""

from __future__ import annotations

from .model import QuantizedModel
from .quantize import quantize
from .report import Report

__all__ = ["QuantizedModel", "Report", "quantize"]
