"""Numbers written as text: what Arrow's parsers made of them, looked at again where it matters."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from ...core.errors import DataError

__all__ = ["exact", "refuse_text"]

_WHOLE = re.compile(r"\s*[+-]?[0-9]+\s*")
_EXACT = 2.0**53  # from here on a float64 may stand for several whole numbers


def refuse_text(column: Any, name: str, place: str, first: int) -> None:
    """Raise at the first text of a column that is no number, if it holds texts.

    Raises
    ------
    DataError : names the row.
    """
    import pyarrow.types as kinds

    if not (kinds.is_string(column.type) or kinds.is_large_string(column.type)):
        return
    for row, text in enumerate(column.to_pylist()):
        if text is not None and not _is_number(text):
            raise DataError(
                f"{place}: column {name!r} must hold numbers; got {text[:40]!r} in row "
                f"{first + row}. Correct it; a column of texts is left out of the features, or, as "
                "label, given its classes=[...]."
            )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def exact(table: Any, texts: Callable[[str], Any], place: str, first: int) -> Any:
    """Return a table in which whole numbers that a parser took for floats are what they were.

    Parameters
    ----------
    table : Arrow table
    texts : function of a name
        Gives what stands in the file for a column, as texts.
    place, first
        How errors call the table and its first row.

    Raises
    ------
    DataError : a whole number stands where no type holds it and its neighbours; names the row.
    """
    import pyarrow as pa
    import pyarrow.types as kinds

    for k, field in enumerate(table.schema):
        if not kinds.is_floating(field.type):
            continue
        values = table.column(k).to_numpy()
        large = np.flatnonzero(np.isfinite(values) & (np.abs(values) >= _EXACT))
        if not large.size:
            continue
        written = texts(field.name).to_pylist()
        lost = [
            row
            for row in large.tolist()
            if _WHOLE.fullmatch(written[row]) and int(written[row]) != int(values[row])
        ]
        if not lost:
            continue
        row = lost[0]
        wide = all(text is None or _WHOLE.fullmatch(text) for text in written)
        numbers = [None if text is None else int(text) for text in written] if wide else []
        if wide and all(n is None or 0 <= n < 2**64 for n in numbers):
            table = table.set_column(k, field.name, pa.array(numbers, pa.uint64()))
            continue
        raise DataError(
            f"{place}: column {field.name!r} must hold numbers that float64 or uint64 can hold; "
            f"got {written[row]} in row {first + row}. Write ids of that length as texts, or in "
            "two columns."
        )
    return table
