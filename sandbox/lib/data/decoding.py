"""Rows of bytes made into arrays by a function of the user's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError
from ..engine.oplist import Spec
from .casting import cast

__all__ = ["decoded"]


def decoded(
    decode: Callable[[bytes], Any], row: bytes, place: str, spec: Spec | None = None
) -> NDArray[Any]:
    """Return the array that a function makes of a row's bytes, of the spec if there is one.

    Raises
    ------
    DataError : it fails, gives no numbers, or another shape than the first row's; names the row.
    """
    try:
        made = np.asarray(decode(row))
    except Exception as error:
        raise DataError(
            f"{place}: its {len(row)} bytes must be what `decode` understands; got "
            f"{type(error).__name__}: {error}"
        ) from error
    if made.dtype.kind not in "biuf" or (spec is not None and made.shape != spec.shape):
        wanted = "numbers" if spec is None else f"numbers of shape {spec.shape}, as the first row's"
        raise DataError(f"{place}: `decode` must give {wanted}; got {made.dtype} {made.shape}.")
    return made if spec is None else cast(made, spec.dtype, place)
