"""Operations that hand numbers on as they are, and change what flows back: see `core.ops`."""

from __future__ import annotations

from typing import Any

from ..operation import register
from ..oplist import Spec
from ..steps import Array
from .rules import floating
from .shape import lower_reshape


def _infer_same(x: Spec, **attrs: Any) -> tuple[Spec, ...]:
    floating(x)
    return (x,)


def scale_gradient(x: Array, *, factor: float) -> Array:
    """Return x; what flows back is multiplied by the factor."""
    return x.reshape(x.shape)


def penalize(x: Array, *, l1: float, l2: float, entropy: float) -> Array:
    """Return x; to what flows back the slopes of a penalty are added."""
    return x.reshape(x.shape)


for _kernel in (scale_gradient, penalize):
    register(
        _kernel.__name__,
        infer=_infer_same,
        reference=_kernel,
        lower=lower_reshape,
        moves=True,
        view=True,
        follows=(0,),
    )
