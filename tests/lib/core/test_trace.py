from __future__ import annotations

import json

import numpy as np
import pytest
from toys import CrossEntropy, SumOfSquares, Toy, convolutional, perceptron

from sandbox.lib import core, engine
from sandbox.lib.core import (
    ArgumentError,
    ShapeError,
    Spec,
    TraceError,
    ops,
    to_oplist,
    trace_training,
)


def names(oplist):
    return [op.name for op in oplist.ops]


def test_inference_is_one_list_of_operations_with_paths():
    oplist = to_oplist(convolutional(), Spec((3, 2, 6, 6)))

    assert names(oplist) == [
        "conv2d",
        "batch_norm_inference",
        "relu",
        "max_pool2d",
        "reshape",
        "linear",
    ]
    assert oplist.ops[0].path == "conv"
    assert [("x", oplist.inputs[0][1])] == oplist.inputs
    assert Spec((3, 5)) == oplist.values[oplist.outputs[0][1]]


def test_training_holds_loss_gradients_and_updates():
    oplist = trace_training(
        convolutional(), CrossEntropy(), Spec((3, 2, 6, 6)), Spec((3,), "int64")
    )

    assert [name for name, _ in oplist.outputs] == ["loss", "output"]
    assert set(convolutional().p) == {name for name, _ in oplist.gradients}
    assert [name for name, _ in oplist.updates] == ["bn.mean", "bn.variance"]
    assert names(oplist).count("dropout") == 1
    assert {"drop"} == {op.attrs["path"] for op in oplist.ops if op.name == "dropout"}
    assert "conv2d_grad_input" not in names(oplist)  # nobody asked for the gradient of the images


def test_gradient_operations_carry_the_path_of_their_module():
    oplist = trace_training(
        convolutional(), CrossEntropy(), Spec((3, 2, 6, 6)), Spec((3,), "int64")
    )

    assert {"conv"} == {op.path for op in oplist.ops if op.name == "conv2d_grad_weight"}


def test_frozen_parameters_get_no_gradient():
    module = perceptron()
    module.p["a.weight"].trainable = module.p["a.bias"].trainable = False
    oplist = trace_training(module, SumOfSquares(), Spec((3, 3)), Spec((3, 2)))

    assert [name for name, _ in oplist.gradients] == ["b.weight"]
    assert "linear_grad_input" not in names(oplist)


def test_what_serves_no_result_is_left_out():
    def call(self, x):
        ops.exp(x)
        return ops.relu(x)

    oplist = to_oplist(Toy(call, {"unused": [1.0]}), Spec((2, 3)))

    assert names(oplist) == ["relu"]
    assert oplist.parameters == []
    assert len(oplist.values) == 2


def test_a_list_as_data_survives_json_and_tells_models_apart():
    def data(weights, rows=3):
        specs = Spec((rows, 2, 6, 6)), Spec((rows,), "int64")
        return trace_training(convolutional(), CrossEntropy(weights), *specs).to_dict()

    weighted = data([1, 2, 1, 1, 1])
    assert json.loads(json.dumps(weighted)) == weighted
    assert data([1, 2, 1, 1, 1]) == weighted
    assert data(None) != weighted
    assert data([1, 2, 1, 1, 1], rows=4) != weighted


def test_a_buffer_read_after_its_update_is_the_new_one():
    def call(self, x):
        count = self.b["count"]
        count.update(count + 1.0)
        count.update(count * 2.0)
        return x * count

    oplist = to_oplist(Toy(call, {}, {"count": [1.0]}), Spec((2, 1)))

    assert names(oplist) == ["add", "multiply", "multiply"]
    assert [("count", oplist.ops[1].outputs[0])] == oplist.updates
    assert oplist.ops[1].outputs[0] in oplist.ops[2].inputs


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda self, x: x if float(x.sum()) > 0 else -x, "numbers of a value are looked at"),
        (lambda self, x: x if x[0, 0] else -x, "numbers of a value are looked at"),
        (lambda self, x: x * np.abs(np.asarray(x)).max(), "numbers of a value are looked at"),
        (lambda self, x: x * self.p["w"].data, "numbers of parameter w are read with `.data`"),
        (lambda self, x: x + np.random.default_rng().normal(size=3), "two traces .* differ"),
    ],
)
def test_what_cannot_be_traced_says_why(call, message):
    with pytest.raises(TraceError, match=message):
        to_oplist(Toy(call, {"w": np.ones(3)}), Spec((2, 3)))


def test_a_parameter_that_is_not_the_modules_is_wrong_not_untraceable():
    call = lambda self, x: x * core.Parameter([1.0])  # noqa: E731 - as short as what it shows
    message = "not among the module's parameters"
    with pytest.raises(ArgumentError, match=message):
        to_oplist(Toy(call, {}), Spec((2, 3)))
    with pytest.raises(ArgumentError, match=message):
        core.predict_program(Toy(call, {}), None, Spec((2, 3)))


def test_a_symbol_kept_on_a_module_is_found_out():
    kept = []

    def call(self, x):
        kept.append(x)
        return x * 1.0

    to_oplist(Toy(call, {}), Spec((2, 3)))

    with pytest.raises(TraceError, match="kept from a trace that is over"):
        ops.relu(kept[0])
    with pytest.raises(TraceError, match="kept from another trace"):
        to_oplist(Toy(lambda self, x: x + kept[0], {}), Spec((2, 3)))


def test_shape_errors_of_the_module_are_raised_as_they_are():
    with pytest.raises(core.ShapeError, match="axis 1 must be 3"):
        to_oplist(perceptron(), Spec((2, 4)))


def test_nothing_is_left_behind_after_an_error():
    with pytest.raises(core.ShapeError):
        to_oplist(perceptron(), Spec((2, 4)))

    assert perceptron()(np.ones((1, 3), "float32")).data.shape == (1, 2)


def test_a_criterion_must_give_a_scalar():
    class PerRow(SumOfSquares):
        def call(self, output, target):
            return (output - target).sum(1)

    with pytest.raises(ShapeError, match=r"criterion must give a scalar.*got shape \(3,\)"):
        trace_training(perceptron(), PerRow(), Spec((3, 3)), Spec((3, 2)))


def test_by_the_reference_a_view_of_a_parameter_sums_to_the_bits_it_has_eagerly():
    def call(self, x):
        column = ops.reshape(ops.slice(self.p["w"], (0, 0), (6, 1)), (6, 1, 1, 1))
        return ops.conv2d(column, self.p["filter"]) * x

    # Two orders of summing give other bits in some of the draws.
    rng = core.random.rng(0)
    for _ in range(30):
        x = rng.normal(size=(6, 1, 1, 1)).astype("float32")
        module = Toy(call, {"w": rng.normal(size=(8, 2)), "filter": np.ones((1, 1, 1, 1))})
        flat, found = core.FlatParameters(module), []
        with engine.use_reference():
            for program in (
                core.train_program(module, SumOfSquares(), flat, Spec.of(x), Spec.of(x)),
                core.EagerTrainProgram(module, SumOfSquares(), flat, "for the test"),
            ):
                program.run(x, x)
                found.append(flat.gradients.copy())

        np.testing.assert_array_equal(*found)
