"""What programs and their eager stand-ins take, and what both refuse."""

from __future__ import annotations

import numpy as np
import pytest
from toys import CrossEntropy, SumOfSquares, batch, convolutional, make, perceptron

from sandbox.lib.core import DataError, FlatParameters, RandomKey, ShapeError, TrainingError, ops


@pytest.mark.parametrize("eager", [False, True])
def test_labels_out_of_range_are_named(eager, monkeypatch):
    monkeypatch.setenv("SANDBOX_EAGER", str(int(eager)))
    x, target = batch()
    _, program = make(convolutional(), CrossEntropy(), x, target)
    target[4] = 5

    with pytest.raises(DataError, match=r"integers in \[0, 5\); got 5 in row 4"):
        program.run(x, target, RandomKey(0))


def test_labels_are_checked_behind_a_reshape_too():
    class Column(CrossEntropy):
        def call(self, output, target):
            return super().call(output, ops.reshape(target, -1))

    x, target = batch()
    _, program = make(convolutional(), Column(), x, target[:, None])
    target[2] = -1

    with pytest.raises(DataError, match=r"got -1 in row 2"):
        program.run(x, target[:, None], RandomKey(0))


@pytest.mark.parametrize("eager", [False, True])
def test_nan_in_the_data_names_input_and_row(eager, monkeypatch):
    monkeypatch.setenv("SANDBOX_EAGER", str(int(eager)))
    module = perceptron()
    x, target = np.ones((4, 3), "float32"), np.ones((4, 2), "float32")
    _, program = make(module, SumOfSquares(), x, target)
    x[2, 1] = np.nan

    message = r"input 'x' must hold finite numbers; got nan in row 2 \(1 of 4 rows\)\. Clean"
    with pytest.raises(DataError, match=message):
        program.run(x, target, RandomKey(0, 9))


def test_nan_in_the_weights_names_the_parameter():
    module = perceptron()
    x, target = np.ones((4, 3), "float32"), np.ones((4, 2), "float32")
    _, program = make(module, SumOfSquares(), x, target)
    module.p["b.weight"].set(np.full((2, 4), np.inf))

    with pytest.raises(TrainingError, match=r"parameter 'b.weight' holds inf.*learning rate"):
        program.run(x, target)


@pytest.mark.parametrize(
    ("x", "target", "message"),
    [
        (np.ones((5, 3), "float32"), np.ones((4, 2)), r"input 'x' must have shape \(4, 3\)"),
        (np.ones((4, 3), "int64"), np.ones((4, 2)), "input 'x' dtype must be float32; got int64"),
        (np.ones((4, 3)), np.ones((4, 3)), r"target must have shape \(4, 2\)"),
        ((np.ones((4, 3)), np.ones((4, 3))), np.ones((4, 2)), "must get 1 input; got 2"),
    ],
)
def test_wrong_arrays_are_refused(x, target, message):
    _, program = make(
        perceptron(), SumOfSquares(), np.ones((4, 3), "float32"), np.ones((4, 2), "float32")
    )
    with pytest.raises(ShapeError, match=message):
        program.run(x, target)


def test_float64_and_strided_arrays_are_taken():
    x, target = np.ones((4, 3)), np.ones((4, 2), "float32")
    _, program = make(perceptron(), SumOfSquares(), np.ones((4, 3), "float32"), target)
    loss = program.run(x, target)[0]

    assert loss == program.run(np.ones((3, 4), "float32").T, np.ones((4, 4))[:, ::2])[0]


def test_any_integer_dtype_of_labels_is_taken():
    x, target = batch()
    _, program = make(convolutional(), CrossEntropy(), x, target.astype("uint8"))

    assert (
        program.run(x, target, RandomKey(0))[0]
        == (program.run(x, target.astype("int32"), RandomKey(0))[0])
    )


def test_a_program_whose_parameters_moved_away_says_so():
    x, target = np.ones((4, 3), "float32"), np.ones((4, 2), "float32")
    module = perceptron()
    _, program = make(module, SumOfSquares(), x, target)
    FlatParameters(module)

    with pytest.raises(TrainingError, match="moved into another FlatParameters"):
        program.run(x, target)
