"""What a model is given: columns of a batch of rows, read and prepared as in training."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core import tree
from ...core.errors import DataError
from ...data import Preparation
from ...data.arrow import bytes_of_rows
from ...data.casting import cast
from ...data.decoding import decoded
from ...data.trees import named
from ...engine.oplist import Spec
from ..rows.blocks import Ragged
from ..rows.columns import Columns, array_of_columns
from .vectors import is_vectors, lists_of

__all__ = ["Reading"]

_FLOAT32 = np.dtype(np.float32)


@dataclass(frozen=True)
class Reading:
    """How the columns of a table become a model's inputs.

    Parameters
    ----------
    inputs : tree of Columns
    shapes : list
        Of a row of each array; None for as it is stored.
    bytes_dtype : dtype
        What the bytes of a binary column are.
    prepare : Preparation or None
        What training did with its rows; without it floats become float32, and so do the integers
        of an input that is alone.
    decode : function of bytes, or None
        Makes the array of a row from the bytes of the one column.
    """

    inputs: Any
    shapes: tuple[tuple[int, ...] | None, ...]
    bytes_dtype: Any = np.uint8
    prepare: Preparation | None = None
    decode: Callable[[bytes], Any] | None = None

    def __call__(self, table: Mapping[str, Any], place: str, first: int) -> Any:
        """Return a tree of arrays as the model takes it.

        Parameters
        ----------
        table : mapping of names to Arrow columns
        place, first : how errors call the table, and the number of its first row.

        Raises
        ------
        DataError : an empty place, NaN, rows of another length; names row and column.
        """
        groups, form = tree.flatten(self.inputs)
        columns = {name: _as_lists(column) for name, column in table.items()}
        stored = []
        for group, shape in zip(groups, self.shapes, strict=True):
            if self.decode is not None:
                stored.append(self._decoded(columns, group.names[0], place, first))
                continue
            if shape is not None:
                _check_lengths(columns, group, shape, place, first)
            array = array_of_columns(
                group,
                columns,
                place,
                first,
                wanted=self._wanted,
                alone=form.is_leaf,
                bytes_dtype=self.bytes_dtype,
            )
            stored.append(_shaped(array, group, shape, place))
        x = form.unflatten(stored)
        if self.prepare is None:
            made = [
                _plain(array, form.is_leaf, path, place, first)
                for array, path in zip(stored, form.paths, strict=True)
            ]
        else:
            made = tree.leaves(self.prepare.fitted(x, place)(x, first))
        for group, before, after in zip(groups, stored, made, strict=True):
            if after.dtype.kind == "f" and not _is_finite(after):
                raise _not_finite(group, before, after, place, first)
        return form.unflatten(made)

    def _decoded(
        self, columns: Mapping[str, Any], name: str, place: str, first: int
    ) -> NDArray[Any]:
        rows = Ragged(*bytes_of_rows(columns[name], name, place, first))
        made: list[NDArray[Any]] = []
        for row, data in enumerate(rows, first):
            spec = Spec(made[0].shape, made[0].dtype.name) if made else None
            where = f"{place}: column {name!r}, row {row}"
            made.append(decoded(self.decode, bytes(data), where, spec))  # type: ignore[arg-type]
        return np.stack(made)

    @property
    def _wanted(self) -> np.dtype[Any] | None:
        """What floats become as they are read, where no transform comes between."""
        if self.prepare is None:
            return _FLOAT32
        return None if self.prepare.changes else self.prepare.steps[0][1]


def _as_lists(column: Any) -> Any:
    return lists_of(column) if is_vectors(column.type) else column


def _shaped(
    array: NDArray[Any], group: Columns, shape: tuple[int, ...] | None, place: str
) -> NDArray[Any]:
    if shape is None or array.shape[1:] == shape:
        return array
    size = int(np.prod(shape))
    if array.size != len(array) * size:
        raise DataError(
            f"{place}: {_called(group)} must hold {size} numbers in each row, {shape}; got "
            f"{array[:1].size}."
        )
    return array.reshape(len(array), *shape)


def _check_lengths(
    columns: Mapping[str, Any], group: Columns, shape: tuple[int, ...], place: str, first: int
) -> None:
    """Refuse lists that are not as long as they should be, whichever row comes first."""
    column = columns[group.names[0]]
    if len(group.names) > 1 or not hasattr(column, "value_lengths"):
        return
    lengths, size = column.value_lengths(), int(np.prod(shape))
    found = np.asarray(lengths.fill_null(size))
    if (found != size).any():
        row = int(np.argmax(found != size))
        raise DataError(
            f"{place}: column {group.names[0]!r} must hold {size} numbers in each row; got "
            f"{found[row]} in row {first + row}."
        )


def _plain(array: NDArray[Any], alone: bool, path: str, place: str, first: int) -> NDArray[Any]:
    if not alone and array.dtype.kind != "f":
        return array
    rows = np.arange(first, first + len(array))
    return cast(array, _FLOAT32, named(place, path), rows=rows)


def _called(group: Columns) -> str:
    names = ", ".join(map(repr, group.names))
    return f"column {names}" if len(group.names) == 1 else f"columns {names}"


def _is_finite(array: NDArray[Any]) -> bool:
    with np.errstate(over="ignore", invalid="ignore"):
        whole = array.sum()  # a third of the time of a look at each; too large a sum is no proof
    return bool(np.isfinite(whole) or np.isfinite(array).all())


def _not_finite(
    group: Columns, before: NDArray[Any], after: NDArray[Any], place: str, first: int
) -> DataError:
    """Name the row and, where columns stand side by side, the column of a number that is none."""
    stored = before.dtype.kind == "f" and not np.isfinite(before).all()
    array = before if stored else after
    where = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
    called, at = _called(group), ""
    if stored and array.ndim == 2 and array.shape[1] == len(group.names) > 1:
        called = f"column {group.names[where[1]]!r}"
    elif len(where) > 1:
        at = f", place {where[1] if len(where) == 2 else where[1:]}"
    made = "" if stored else " once prepared as in training"
    return DataError(
        f"{place}: {called} must hold finite numbers{made}; got {array[where]} in row "
        f"{first + where[0]}{at}. Fill such places, or drop the rows: df.dropna(), "
        "df.where(~isnan(...))."
    )
