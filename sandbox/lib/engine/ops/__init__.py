"""Operations by family: a file holds shape rules, NumPy kernels, native lowerings and records.

A family's file is imported here, which registers its records; nothing else lists operations.
"""

from __future__ import annotations

from ..operation import OPERATIONS, Operation, find, register
from . import (
    activation,
    arithmetic,
    cast,
    comparison,
    control,
    convolution,
    linear,
    loss,
    norm,
    peaks,
    pooling,
    random,
    recurrent,
    reduce,
    sequence,
    shape,
    softmax,
    transposed,
)

FAMILIES = (
    *(
        activation,
        arithmetic,
        cast,
        comparison,
        control,
        convolution,
        linear,
        loss,
        norm,
        peaks,
        pooling,
        random,
    ),
    *(recurrent, reduce, sequence, shape, softmax, transposed),
)

OURS = frozenset(OPERATIONS)
"""Names of the operations the engine brings along; all others are their users'."""

__all__ = ["FAMILIES", "OPERATIONS", "OURS", "Operation", "find", "register"]
