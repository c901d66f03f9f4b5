"""Values of every type, what may become of them, and the judge: exact, or an error that says where.

Used for the sources of this process and for those of Spark.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np

from sandbox.lib.core.errors import DataError, ShapeError

# The last of three rows holds what is hard about the type.
VALUES: dict[str, list[Any]] = {
    "bool": [True, False, True],
    "int8": [0, -128, 127],
    "uint8": [0, 1, 255],
    "int16": [0, -(2**15), 2**15 - 1],
    "uint16": [0, 1, 2**16 - 1],
    "int32": [0, -3, 2**24 + 1],
    "uint32": [0, 1, 2**32 - 1],
    "int64": [0, -3, 2**53 + 1],
    "uint64": [0, 1, 2**63 + 5],
    "float16": [0.5, -1.5, 65504.0],
    "float32": [0.1, -1.5, 3e38],
    "float64": [0.1, -1.5, 1e300],
    "small float64": [0.1, 0.3, -7.25],
    "whole float64": [0.0, 1.0, 2.0**24 + 1],
    "nan": [0.5, 1.5, math.nan],
    "null": [1, 2, None],
    "decimal": [Decimal("0.5"), Decimal("1.5"), Decimal("2.5")],
}
USES = ("x", "y", "ids")
ORDERS = ("<", ">")


def dtype_of(kind: str, order: str = "<") -> np.dtype[Any] | None:
    """Give the NumPy dtype of a case, None for what NumPy has no type for."""
    if kind in ("null", "decimal"):
        return None
    name = "float64" if kind in ("nan", "small float64", "whole float64") else kind
    return np.dtype(name).newbyteorder(order)


def judge(kind: str, use: str, take: Callable[[], Any], where: str) -> str:
    """Take the three values through a source; return "exact" or "refused", or fail.

    `where` is what an error must say beside the row: the column's name, or x or y.
    """
    values = VALUES[kind]
    try:
        found = np.asarray(take()).reshape(-1)
    except (DataError, ShapeError) as error:
        text = str(error)
        assert where in text, text
        if kind != "decimal":  # a matter of the column, not of a row
            assert "row 2" in text, text
        return "refused"
    assert len(found) == 3
    assert kind not in ("null", "decimal"), f"{kind} became {found}"
    for value, got in zip(values, found.tolist(), strict=True):
        if isinstance(value, float) and (kind == "float32" or found.dtype != np.float64):
            value = float(np.float32(value))  # rounded once, as the dtype says
        same = got == value or (isinstance(value, float) and math.isnan(value) and math.isnan(got))
        assert same, f"{value!r} became {got!r} ({found.dtype})"
        assert isinstance(value, float) or not isinstance(got, float) or int(got) == value
    return "exact"
