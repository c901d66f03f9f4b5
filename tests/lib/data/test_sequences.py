"""Sequences in batches of their own length; bad ids and lengths named."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from sandbox.lib.core.errors import DataError
from sandbox.lib.data import ArrayDataset, SequenceDataset, TextEncoder, sequence_lengths


def make(rows=50, **options):
    rng = np.random.default_rng(rows)
    sequences = [rng.integers(1, 90, n) for n in rng.integers(3, 40, rows)]
    return sequences, SequenceDataset(sequences, rng.integers(0, 2, rows), ids=90, **options)


@pytest.mark.parametrize("ranks", [1, 2])
def test_batches_hold_each_sequence_padded_to_the_length_of_all_ranks(ranks):
    sequences, data = make()
    order = data.order(8, seed=1)
    seen = []
    for k in range(order.steps_per_epoch):
        for rank in range(ranks):
            share = order.share(0, k, rank, ranks)
            x, y = data.batch(share)
            assert x.shape == (share.rows, order.batch(0, k).length)
            assert x.dtype == np.int32
            assert data.batch_spec(share).x.shape == x.shape[1:]
            for row, label, i in zip(x, y, share[0][1] if share else [], strict=True):
                n = len(sequences[i])
                np.testing.assert_array_equal(row[:n], sequences[i])
                assert not row[n:].any()
                assert label == data.y[i]
                seen.append(int(i))
            np.testing.assert_array_equal(
                sequence_lengths(x), data.lengths[share[0][1]] if share else []
            )
    assert sorted(seen) == list(range(50))


def test_arrays_given_are_filled_and_wider_ones_padded():
    sequences, data = make()
    out = np.full((3, 60), 7, np.int32), np.zeros(3, np.int64)
    x, y = data.rows(0, [4, 0, 9], out=out)
    assert x is out[0]
    assert y is out[1]
    np.testing.assert_array_equal(sequence_lengths(x), [len(sequences[i]) for i in (4, 0, 9)])


def test_data_set_pickles_small_and_the_same():
    _, data = make(500)
    packed = pickle.dumps(data)
    assert len(packed) < 2 * data.lengths.sum() + 8 * 3 * 500 + 2000  # two bytes an id
    again = pickle.loads(packed)
    share = data.order(16, seed=0).share(0, 3, 1, 2)
    for a, b in zip(data.batch(share), again.batch(share), strict=True):
        np.testing.assert_array_equal(a, b)


def test_check_and_spec_work_as_of_other_data_sets():
    _, data = make()
    data.check(classes=2)
    assert data.spec.x.shape == (data.sizes[-1],)
    assert data.spec.x.dtype == "int32"
    assert data.spec.y.dtype == "int64"
    x, _ = data.load(0)
    assert len(ArrayDataset(x, data.y)) == 50
    assert "50 rows, lengths" in repr(data)


def test_texts_go_in_through_an_encoder():
    encoder = TextEncoder.build(["a good film", "bad"])
    data = SequenceDataset.of_texts(["good good film", "a"], [1, 0], encoder, buckets=[2, 4])
    np.testing.assert_array_equal(data.batch([(0, [1])])[0], [[2, 0]])


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: SequenceDataset([[1], []], [0, 1]), "at least one id; got none in row 1"),
        (
            lambda: SequenceDataset([[1], [2, 0]], [0, 1]),
            "got 0 in row 1, position 1: 0 is padding",
        ),
        (lambda: SequenceDataset([[1], [2, -3]], [0, 1]), "got -3 in row 1, position 1"),
        (
            lambda: SequenceDataset([[1, 2], [3, 50]], [0, 1], ids=50),
            r"ids must be in \[1, 50\); got 50 in row 1, position 1: encode with",
        ),
        (lambda: SequenceDataset([[1.5]], [0]), "ids must be integers; got dtype float64"),
        (lambda: SequenceDataset([[1], [2]], [0]), "got 2 sequences and 1 labels"),
        (lambda: SequenceDataset([], []), "at least one row; got 0"),
        (
            lambda: SequenceDataset([[1], [2, 3, 4]], [0, 1], max_length=2),
            "at most 2 ids; got 3 in row 1. Cut them",
        ),
        (
            lambda: SequenceDataset([[1], [2, 3, 4]], [0, 1], buckets=[2]),
            r"reach the longest sequence of 3 \(row 1\); got \[2\]",
        ),
        (lambda: SequenceDataset([[1]], ["good"]), "must be numbers; got dtype <U4"),
        (lambda: make()[1].rows(0, [50]), r"indices must be in \[0, 50\) for partition 0; got 50"),
        (lambda: make()[1].load(1), r"partition must be in \[0, 1\); got 1"),
    ],
)
def test_bad_sequences_are_named(act, message):
    with pytest.raises(DataError, match=message):
        act()
