"""Modules of several values: merged element by element, joined, multiplied; taken apart."""

from __future__ import annotations

from .merge import Concat, Dot, Merge, Stack
from .pairwise import Add, Average, Divide, Maximum, Minimum, Multiply, Pairwise, Subtract
from .products import DotInteraction, MatMul, Mixture, PairwiseDistance
from .trees import Item, Items, Leaves, Parts, Split, Unstack

__all__ = [
    "Add",
    "Average",
    "Concat",
    "Divide",
    "Dot",
    "DotInteraction",
    "Item",
    "Items",
    "Leaves",
    "MatMul",
    "Maximum",
    "Merge",
    "Minimum",
    "Mixture",
    "Multiply",
    "Pairwise",
    "PairwiseDistance",
    "Parts",
    "Split",
    "Stack",
    "Subtract",
    "Unstack",
]
