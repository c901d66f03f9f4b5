"""Layers of tables."""

from __future__ import annotations

from .... import nn
from ..adapters import Joined
from ..base import Layer


class _Pairwise(Layer):
    """Elements of a table, merged number by number."""

    made: type[nn.Module]

    def __init__(self, bigdl_type: str = "float") -> None:
        super().__init__(self.made(), bigdl_type)


class CAddTable(_Pairwise):
    """Their sum."""

    made = nn.Add

    def __init__(self, inplace: bool = False, bigdl_type: str = "float") -> None:
        super().__init__(bigdl_type)


class CSubTable(_Pairwise):
    """The first minus the second."""

    made = nn.Subtract


class CMulTable(_Pairwise):
    """Their product."""

    made = nn.Multiply


class CDivTable(_Pairwise):
    """The first divided by the second."""

    made = nn.Divide


class CMaxTable(_Pairwise):
    """The largest."""

    made = nn.Maximum


class CMinTable(_Pairwise):
    """The smallest."""

    made = nn.Minimum


class FlattenTable(_Pairwise):
    """A table in tables as one table."""

    made = nn.Leaves


class SelectTable(Layer):
    """One element of a table, counted from 1."""

    def __init__(self, index: int, bigdl_type: str = "float") -> None:
        super().__init__(nn.Item(index - 1 if index > 0 else index), bigdl_type)


class JoinTable(Layer):
    """Elements of a table joined along a dimension of `n_input_dims`, counted from 1."""

    def __init__(self, dimension: int, n_input_dims: int, bigdl_type: str = "float") -> None:
        super().__init__(Joined(dimension, n_input_dims), bigdl_type)
