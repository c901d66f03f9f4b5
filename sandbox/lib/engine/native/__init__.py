"""Lowerings: how an operation becomes calls of native kernels."""

from __future__ import annotations

from collections.abc import Callable

from ..builder import Builder
from ..oplist import Op
from . import (
    conv,
    elementwise,
    embedding,
    linear,
    loss,
    norm,
    pooling,
    recurrent,
    reduce,
    shape,
    views,
)

LOWERINGS: dict[str, Callable[[Builder, Op], None]] = {
    **conv.LOWERINGS,
    **linear.LOWERINGS,
    **pooling.LOWERINGS,
    **norm.LOWERINGS,
    **elementwise.LOWERINGS,
    **loss.LOWERINGS,
    **shape.LOWERINGS,
    **recurrent.LOWERINGS,
    **reduce.LOWERINGS,
    **embedding.LOWERINGS,
    **views.LOWERINGS,  # instead of those that move memory
}
