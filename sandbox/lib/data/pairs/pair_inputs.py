"""What is known of a user beside what is known of an item: the inputs of wide & deep."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...core import validate
from ...core.errors import DataError

__all__ = ["PairInputs"]

Array = NDArray[Any]


class PairInputs:
    """Give (ids, row) of pairs: fields and numbers of the user, then those of the item.

    ids[n] = users' ids[u_n], items' ids[i_n] + all users' categories; row likewise without a shift

    Parameters
    ----------
    users, items : (ids, row), one row for each user and item in the order of their numbers
        As `data.FeatureColumns.table` gives them; None for ids or row that there are none of.
    user_fields, item_fields : sequence of int > 0
        How many categories each field has (`FeatureColumns.fields`).
    cross : bool, default=False
        One more field for each pair of a user's and an item's field: both categories at once.

    Attributes
    ----------
    fields : tuple of int
        For `nn.zoo.wide_and_deep`.
    numbers : int
        Numbers of a row.

    Raises
    ------
    DataError : an array has not two axes or other rows, an id is out of its field's range, or there
        are no numbers at all, which `nn.zoo.wide_and_deep` needs.

    Notes
    -----
    Picklable and small beside a table of all pairs: ranks and tasks look up what they need. Like
    Analytics Zoo's `UserItemFeature` of `WideAndDeep`, which are made for each pair.

    Examples
    --------
    >>> inputs = PairInputs(([[0], [1]], None), ([[2], [0]], [[0.5], [-1.0]]), [2], [3])
    >>> inputs.fields, inputs.numbers
    ((2, 3), 1)
    >>> inputs(np.array([1, 1]), np.array([0, 1]))
    (array([[1, 4],
           [1, 2]]), array([[ 0.5],
           [-1. ]], dtype=float32))
    """

    def __init__(
        self,
        users: tuple[ArrayLike | None, ArrayLike | None],
        items: tuple[ArrayLike | None, ArrayLike | None],
        user_fields: Any,
        item_fields: Any,
        *,
        cross: bool = False,
    ) -> None:
        self.user_fields = validate.integers("user_fields", user_fields, "a list of ints > 0", 1)
        self.item_fields = validate.integers("item_fields", item_fields, "a list of ints > 0", 1)
        self.cross = validate.boolean("cross", cross)
        self.users = _side("users", users, self.user_fields, 0)
        self.items = _side("items", items, self.item_fields, sum(self.user_fields))
        self.crossed = [(a, b) for a in self.user_fields for b in self.item_fields]
        sizes = [a * b for a, b in self.crossed] if cross else []
        self.fields = (*self.user_fields, *self.item_fields, *sizes)
        self.numbers = self.users[1].shape[1] + self.items[1].shape[1]
        self._starts = np.cumsum([0, *self.fields[:-1]], dtype=np.int64)
        if not self.numbers:
            raise DataError("PairInputs: users or items must have a number at least; got none.")

    def __call__(self, users: Array, items: Array) -> tuple[Array, Array]:
        """Return (ids, row) of pairs by number."""
        of_user, of_item = self.users[0][users], self.items[0][items]
        parts = [of_user, of_item]
        if self.cross:
            first = len(self.user_fields)
            own = of_user - self._starts[:first]
            theirs = of_item - self._starts[first : first + len(self.item_fields)]
            both = own[:, :, None] * np.array(self.item_fields) + theirs[:, None, :]
            starts = self._starts[first + len(self.item_fields) :]
            parts.append(both.reshape(len(users), -1) + starts)
        row = np.concatenate((self.users[1][users], self.items[1][items]), axis=1)
        return np.concatenate(parts, axis=1), row

    def __repr__(self) -> str:
        return f"PairInputs(fields={self.fields}, numbers={self.numbers})"


def _side(name: str, given: Any, fields: Any, shift: int) -> tuple[Array, Array]:
    """Return ids, shifted behind those of the other side, and numbers of each row."""
    if not isinstance(given, tuple | list) or len(given) != 2:
        raise validate.refuse(name, "a pair (ids, row)", given)
    ids, row = (None if part is None else validate.array(name, part) for part in given)
    rows = next((len(part) for part in (ids, row) if part is not None and part.ndim), 0)
    ids = np.zeros((rows, 0), np.int64) if ids is None else ids
    row = np.zeros((rows, 0)) if row is None else row
    if (
        ids.ndim != 2
        or row.ndim != 2
        or len(ids) != len(row)
        or ids.shape[1] != len(fields)
        or not rows
    ):
        raise DataError(
            f"PairInputs: {name} must have ids of shape (rows, {len(fields)}) and a row of numbers "
            f"each; got {ids.shape} and {row.shape}."
        )
    starts = np.cumsum([0, *fields[:-1]], dtype=np.int64)
    own = ids.astype(np.int64) - starts
    wrong = (own < 0) | (own >= np.array(fields, np.int64))
    if wrong.any():
        place, field = np.argwhere(wrong)[0].tolist()
        raise DataError(
            f"PairInputs: {name}' ids in field {field} must be in [{starts[field]}, "
            f"{starts[field] + fields[field]}), as FeatureColumns gives them; got "
            f"{ids[place, field]} in row {place}."
        )
    return ids.astype(np.int64) + shift, row.astype(np.float32)
