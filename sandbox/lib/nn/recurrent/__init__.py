"""Recurrent layers, and what works over time."""

from __future__ import annotations

from .cell import Cell
from .cells import GRUCell, LSTMCell, RNNCell
from .convolutional import ConvLSTMCell2d, ConvLSTMCell3d
from .decoder import RecurrentDecoder
from .layer import BiRecurrent, Recurrent, StackedCells
from .layers import GRU, LSTM, RNN
from .stack import RecurrentStack
from .time import GlobalMaxOverTime, GlobalMeanOverTime, Masking, OverTime, TimeDistributed
from .trees import BinaryTreeLSTM, ChildSumTreeLSTM

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "BiRecurrent",
    "BinaryTreeLSTM",
    "Cell",
    "ChildSumTreeLSTM",
    "ConvLSTMCell2d",
    "ConvLSTMCell3d",
    "GRUCell",
    "GlobalMaxOverTime",
    "GlobalMeanOverTime",
    "LSTMCell",
    "Masking",
    "OverTime",
    "RNNCell",
    "Recurrent",
    "RecurrentDecoder",
    "RecurrentStack",
    "StackedCells",
    "TimeDistributed",
]
