"""Layers that change shapes."""

from __future__ import annotations

from typing import Any

from .... import nn
from ....core.errors import ArgumentError
from ..adapters import Cut, InferredShape, ReshapeTo, Swapped, ViewAs
from ..base import Layer


class Reshape(Layer):
    """The input in another shape; `batch_mode` None finds out whether there is a batch axis."""

    def __init__(
        self, size: Any, batch_mode: bool | None = None, bigdl_type: str = "float"
    ) -> None:
        super().__init__(ReshapeTo(tuple(size), batch_mode), bigdl_type)


class View(Layer):
    """The input in another shape; one size may be -1."""

    def __init__(self, sizes: Any, num_input_dims: int = 0, bigdl_type: str = "float") -> None:
        given = tuple(sizes) if isinstance(sizes, (list, tuple)) else (sizes,)
        super().__init__(ViewAs(given, num_input_dims), bigdl_type)


class Identity(Layer):
    """The input."""

    def __init__(self, bigdl_type: str = "float") -> None:
        super().__init__(nn.Identity(), bigdl_type)


class Dropout(Layer):
    """Zeros with probability `init_p` while training; what stays is scaled to keep the mean."""

    def __init__(
        self,
        init_p: float = 0.5,
        inplace: bool = False,
        scale: bool = True,
        bigdl_type: str = "float",
    ) -> None:
        if not scale:
            raise ArgumentError("Dropout: `scale` must be True, which keeps the mean; got False.")
        super().__init__(nn.Dropout(init_p), bigdl_type)


class Select(Layer):
    """One index of a dimension, both counted from 1 (the batch too) or, negative, from the end."""

    def __init__(self, dim: int, index: int, bigdl_type: str = "float") -> None:
        super().__init__(Cut(dim, index, None), bigdl_type)


class Narrow(Layer):
    """`length` indices of a dimension from `offset` on; a negative length counts from the end."""

    def __init__(
        self, dimension: int, offset: int, length: int = 1, bigdl_type: str = "float"
    ) -> None:
        super().__init__(Cut(dimension, offset, length), bigdl_type)


class InferReshape(Layer):
    """The input in another shape: 0 keeps a size, -1 is found out."""

    def __init__(self, size: Any, batch_mode: bool = False, bigdl_type: str = "float") -> None:
        super().__init__(InferredShape(tuple(size), batch_mode), bigdl_type)


class Transpose(Layer):
    """Pairs of dimensions swapped one after the other: `[(1, 2), (2, 3)]`."""

    def __init__(self, permutations: Any, bigdl_type: str = "float") -> None:
        super().__init__(Swapped(permutations), bigdl_type)
