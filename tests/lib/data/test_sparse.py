"""Sparse rows of triples."""

from __future__ import annotations

import numpy as np
import pytest

from sandbox.lib import data
from sandbox.lib.core.errors import DataError


def test_triples_in_any_order_come_back_row_by_row():
    rng = np.random.default_rng(0)
    dense = np.where(rng.random((6, 9)) < 0.3, rng.normal(size=(6, 9)), 0).astype("f4")
    rows, ids = np.nonzero(dense)
    order = rng.permutation(len(rows))
    found, values = data.sparse_rows(
        rows[order], ids[order], dense[rows, ids][order], count=6, places=8
    )
    assert found.shape == values.shape == (6, 8)
    back = np.zeros((6, 10), "f4")  # what is absent lands behind the others
    np.add.at(back, (np.arange(6)[:, None], found), values)
    assert np.array_equal(dense, back[:, :9])
    assert not values[found < 0].any()


def test_nothing_at_all_is_no_rows():
    assert data.sparse_rows([], [])[0].shape == (0, 0)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"rows": [0], "ids": [1, 2]}, "as many; got 1, 2 and 1"),
        ({"rows": [0, -1], "ids": [1, 2]}, "rows must be >= 0; got -1 in entry 1"),
        ({"rows": [0, 4], "ids": [1, 2], "count": 4}, r"below 4 \(count\); got 4"),
        ({"rows": [1, 1], "ids": [1, 2], "places": 1}, "at most 1 entries .* got 2 in row 1"),
    ],
)
def test_what_does_not_fit_is_named(arguments, text):
    with pytest.raises(DataError, match=text):
        data.sparse_rows(**arguments)
