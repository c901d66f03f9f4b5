"""What is done to arrays before they become samples."""

from __future__ import annotations

from typing import Any


def normalizer(data: Any, mean: float, std: float) -> Any:
    """Return (data - mean) / std.

    Examples
    --------
    >>> normalizer(10.0, 4.0, 2.0)
    3.0
    """
    return (data - mean) / std
