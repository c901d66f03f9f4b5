"""Regularizers of BigDL: `core` is that of `optim` behind each."""

from __future__ import annotations

from typing import Any

from .... import optim


class L1Regularizer:
    """l1 · sum |w|."""

    def __init__(self, l1: float, bigdl_type: str = "float") -> None:
        self.core: Any = optim.L1(l1)


class L2Regularizer:
    """l2 / 2 · sum w²."""

    def __init__(self, l2: float, bigdl_type: str = "float") -> None:
        self.core: Any = optim.L2(l2)


class L1L2Regularizer:
    """Both."""

    def __init__(self, l1: float, l2: float, bigdl_type: str = "float") -> None:
        self.core: Any = optim.L1L2(l1, l2)
