"""Stable orders of integer ids, by counting sort over 16 bits at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def stable_order(ids: Array, limit: int) -> Array:
    """Return the positions of the ids, by id and then by position.

    Parameters
    ----------
    ids : 1-D integers in [0, limit)
        NumPy sorts 16-bit integers by counting (radix sort), several times faster than wide ones.
    limit : int

    Examples
    --------
    >>> stable_order(np.array([3, 0, 3, 1]), 4).tolist()
    [1, 3, 0, 2]
    """
    order: Array = np.argsort(ids.astype(np.uint16), kind="stable")
    shift = 16
    while limit > 1 << shift:
        digits = (ids >> shift).astype(np.uint16)
        order = order[np.argsort(digits[order], kind="stable")]
        shift += 16
    return order
