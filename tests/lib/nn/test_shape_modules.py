"""What the contract does not see of the modules that move, cut and choose."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from sandbox.lib import core, nn
from sandbox.lib.core import ArgumentError, DataError, ShapeError, Spec

X = np.arange(24, dtype="float32").reshape(2, 3, 4)


def test_a_mask_selects_in_order_between_programs():
    mask = np.array([[1, 0, 1, 0], [0, 0, 1, 1]])
    table = nn.Input(), nn.Input()
    hidden = nn.Tanh()(nn.Linear(4, 4, rng=0)(table[0]))
    chosen = nn.MaskedSelect()(hidden, table[1])
    model = nn.Graph(table, nn.Unsqueeze(-1)(nn.Unsqueeze(-1)(chosen)))
    x = X[0, :2]
    program = core.predict_program(model, None, (Spec.of(x), Spec.of(mask)))

    found = program.run((x, mask))

    wanted = np.tanh(x @ model[0].weight.data.T + model[0].bias.data)[mask > 0]
    np.testing.assert_allclose(wanted.reshape(-1, 1, 1), found, rtol=1e-5)
    assert program.reason.startswith("runs in 2 segments, as the whole cannot be traced: ")


def test_echo_writes_its_path_and_the_shape(caplog):
    model = nn.Sequential(first=nn.Sequential(look=nn.Echo()))

    with caplog.at_level(logging.INFO, "sandbox.nn"):
        model(X)

    assert caplog.messages == ["first.look: input of shape (2, 3, 4), float32"]


def test_a_zero_keeps_a_size_and_needs_an_axis():
    assert nn.Reshape((0, 2, -1))(X).shape == (2, 3, 2, 2)
    with pytest.raises(ShapeError, match="an axis for each 0"):
        nn.Reshape((0, 0, 0))(X)


def test_each_row_has_indices_of_its_own():
    ids = np.array([[0, -1], [2, 2]])
    found = nn.Gather(2)(X, ids)
    np.testing.assert_array_equal(np.stack([X[k][:, ids[k]] for k in range(2)]), found)
    with pytest.raises(DataError, match=r"within shape \(2, 4\); got \(1, 4\)"):
        nn.Gather(2)(X, ids + 2)
    with pytest.raises(ShapeError, match="ids must be integers"):
        nn.Gather()(X, np.ones((2, 2), "f4"))


def test_a_constant_has_rows_of_one_length():
    with pytest.raises(ArgumentError, match="one length"):
        nn.Constant([[1.0], [1.0, 2.0]])


@pytest.mark.parametrize("make", [nn.Max, nn.Min, nn.Mean, nn.Sum, nn.Prod, nn.Flip, nn.Squeeze])
def test_the_batch_axis_is_no_axis_for_modules(make):
    with pytest.raises(ArgumentError, match="another axis than 0"):
        make(0)


def test_narrow_counts_from_either_end():
    np.testing.assert_array_equal(X[:, :, 1::2], nn.Narrow(2, 1, -1, 2)(X))
    np.testing.assert_array_equal(X[:, -2:], nn.Narrow(1, -2, 2)(X))
    with pytest.raises(ShapeError, match=r"input axis 1 must have the elements from 2 on"):
        nn.Narrow(1, 2, 2)(X)
    with pytest.raises(ArgumentError, match="all that are left"):
        nn.Narrow(1, 0, -2)
