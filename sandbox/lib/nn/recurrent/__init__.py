"""Recurrent layers, and what works over time."""

from __future__ import annotations

from .cell import Recurrent
from .layers import GRU, LSTM, RNN
from .time import GlobalMaxOverTime, GlobalMeanOverTime, Masking, OverTime, TimeDistributed

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "GlobalMaxOverTime",
    "GlobalMeanOverTime",
    "Masking",
    "OverTime",
    "Recurrent",
    "TimeDistributed",
]
