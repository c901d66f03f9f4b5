"""Containers: modules made of modules."""

from __future__ import annotations

from .barrier import StopGradient
from .branches import Bottle, Branches, Map, Parallel, SideBySide
from .graph import Graph
from .sequential import Container, Row, Sequential

__all__ = [
    "Bottle",
    "Branches",
    "Container",
    "Graph",
    "Map",
    "Parallel",
    "Row",
    "Sequential",
    "SideBySide",
    "StopGradient",
]
