"""What is handed in as x and y is read as one thing, or refused: no guess between two readings."""

import numpy as np
import pytest

from sandbox.lib.core.errors import DataError
from sandbox.lib.data import SequenceDataset, as_dataset

A, B = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], [[7.0, 8.0, 9.0], [0.0, 1.0, 2.0]]


@pytest.mark.parametrize("x", [[A, B], (A, B)], ids=["list", "tuple"])
def test_lists_that_may_be_rows_or_inputs_are_refused(x):
    message = (
        r"x must be one array of rows or a tuple of arrays.*got 2 lists of 2 lists with 2 rows"
    )
    with pytest.raises(DataError, match=message):
        as_dataset((x, [0, 1]))


def test_the_cures_of_that_are_read_as_they_say():
    assert as_dataset((np.asarray([A, B]), [0, 1])).stored().x.shape == (2, 3)
    two = as_dataset(((np.asarray(A), np.asarray(B)), [0, 1])).stored().x
    assert [spec.shape for spec in two] == [(3,), (3,)]


def test_lists_that_can_be_read_in_one_way_only_are_read():
    assert as_dataset((A, [0, 1])).stored().x.shape == (3,)
    assert as_dataset(([A, B, A], [0, 1, 2])).stored().x.shape == (2, 3)
    assert as_dataset(([0.5, 1.5], [1, 0])).stored().x.shape == ()
    assert as_dataset([np.asarray(A), [0, 1]]).stored().x.shape == (3,)


X0, X1 = np.ones(3, "f4"), np.zeros(3, "f4")


@pytest.mark.parametrize(
    "rows",
    [
        [(X0, 0), (X1, 1)],
        ((X0, 0), (X1, 1)),
        [[X0, 0], [X1, 1]],
        [([1.0, 2.0], 0.5), ([3.0, 4.0], 1.5)],
        [(X0, X0), (X1, X1)],
        [(X0, np.int64(1))] * 5,
        [(X0, "cat"), (X1, "dog")],
        [(X0, 1)],
    ],
)
def test_a_list_of_rows_is_not_read_as_a_pair(rows):
    message = rf"a pair \(x, y\) of arrays; got a list of {len(rows)} rows .*np.stack, zip\(\*rows"
    with pytest.raises(DataError, match=message):
        as_dataset(rows)


def test_two_inputs_and_two_targets_are_a_pair():
    both = (np.ones((4, 2)), np.ones((4, 1)))
    data = as_dataset((both, (np.zeros(4), np.zeros(4))))
    assert [spec.shape for spec in data.stored().x] == [(2,), (1,)]


def test_sequences_of_several_numbers_a_step_are_refused_and_not_flattened():
    message = r"sequences must be 1-D, .* got shape \(2, 2\) in row 1\. .*use an ArrayDataset"
    with pytest.raises(DataError, match=message):
        SequenceDataset([[1, 2], [[1, 2], [3, 4]]], [0, 1])
    with pytest.raises(DataError, match=r"got shape \(\) in row 0"):
        SequenceDataset([1, 2], [0, 1])


def test_rows_of_a_matrix_are_sequences():
    x, _ = SequenceDataset(np.array([[1, 2], [3, 4]]), [0, 1]).batch([(0, [0, 1])])
    assert x[:, :2].tolist() == [[1, 2], [3, 4]]
