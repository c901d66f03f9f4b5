"""Layers that change shapes."""

from __future__ import annotations

from typing import Any

from .... import nn
from ..adapters import ReshapeTo, ViewAs
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
    """Zeros with probability `init_p` while training; `scale` keeps the mean."""

    def __init__(
        self,
        init_p: float = 0.5,
        inplace: bool = False,
        scale: bool = True,
        bigdl_type: str = "float",
    ) -> None:
        made: nn.Module = nn.Dropout(init_p)
        super().__init__(made, bigdl_type)
