"""Penalties: what flows through, and what it costs in the loss."""

from __future__ import annotations

from .penalty import ActivityRegularization, L1Penalty, NegativeEntropyPenalty, Penalty

__all__ = [
    "ActivityRegularization",
    "L1Penalty",
    "NegativeEntropyPenalty",
    "Penalty",
]
