"""Containers: modules made of modules."""

from __future__ import annotations

from .graph import Graph
from .sequential import Container, Sequential

__all__ = [
    "Container",
    "Graph",
    "Sequential",
]
