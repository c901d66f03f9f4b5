"""Programs whose inputs, outputs and targets are trees: the same numbers in all ways to run."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest
from toys import CrossEntropy, SumOfSquares, Toy, perceptron

from sandbox.lib import core, engine
from sandbox.lib.core import ArgumentError, DataError, FlatParameters, ShapeError, Spec, ops

# Native kernels sum in another order than NumPy: a few units in the last place.
CLOSE = {"rtol": 1e-5, "atol": 1e-6}
WAYS = ("eager", "reference", "native")


def run_in(way, monkeypatch):
    monkeypatch.setenv("SANDBOX_EAGER", str(int(way == "eager")))
    return nullcontext() if way == "native" else engine.use_reference()


def two_towers():
    """Take image and table by name, a mask if there is one; give a class and a size."""

    def call(self, image, table, mask=None):
        hidden = ops.linear(image, self.p["image"])
        hidden = ops.tanh(hidden + ops.linear(table["numbers"], self.p["table"]))
        if mask is not None:
            hidden = hidden * mask
        return {
            "digit": ops.linear(hidden, self.p["digit"]),
            "rest": (ops.linear(hidden, self.p["size"]), [hidden]),
        }

    rng = core.random.rng(0)
    sizes = {"image": (5, 3), "table": (5, 2), "digit": (4, 5), "size": (1, 5)}
    return Toy(call, {name: rng.normal(size=shape) for name, shape in sizes.items()})


class Both:
    """Cross entropy of the digit and squares of the size."""

    def call(self, output, target):
        size, [hidden] = output["rest"]
        first = CrossEntropy().call(output["digit"], target["digit"])
        return first + SumOfSquares().call(size, target["size"]) + hidden.sum() * 0.5

    def weight(self, target):
        return float(len(target["digit"]))

    def check_output(self, output):
        assert output["digit"].shape[1] == 4


def towers_batch(rows=6):
    rng = core.random.rng(1)
    inputs = {
        "image": rng.normal(size=(rows, 3)).astype("f4"),
        "table": {"numbers": rng.normal(size=(rows, 2)).astype("f4")},
        "mask": rng.uniform(size=(rows, 5)).astype("f4"),
    }
    target = {"digit": rng.integers(0, 4, rows), "size": np.ones((rows, 1), "f4")}
    return inputs, target


def train(module, criterion, inputs, target):
    flat = FlatParameters(module)
    flat.gradients.fill(0.5)  # what was there before must not show
    specs = core.tree.map(Spec.of, inputs), core.tree.map(Spec.of, target)
    return flat, core.train_program(module, criterion, flat, *specs)


@pytest.mark.parametrize("optional", ["given", "none", "absent"])
def test_trees_give_the_same_numbers_eagerly_natively_and_by_reference(optional, monkeypatch):
    inputs, target = towers_batch()
    if optional == "none":
        inputs["mask"] = None
    elif optional == "absent":
        del inputs["mask"]
    found = []
    for way in WAYS:
        with run_in(way, monkeypatch):
            module = two_towers()
            flat, program = train(module, Both(), inputs, target)
            assert (program.reason is None) == (way != "eager")
            loss, weight, output = program.run(inputs, target)
            gradients = {name: flat.gradient(name).copy() for name in flat.views}
            alone = core.predict_program(module, None, core.tree.map(Spec.of, inputs)).run(inputs)
            found.append(core.tree.map(np.array, ((loss, weight), output, gradients, alone)))

    assert found[0][0][1] == 6.0
    assert list(found[0][1]) == ["digit", "rest"]
    assert isinstance(found[0][1]["rest"], tuple)
    assert isinstance(found[0][1]["rest"][1], list)
    for other in found[1:]:
        core.tree.map(lambda a, b: np.testing.assert_allclose(a, b, **CLOSE), found[0], other)
    core.tree.map(np.testing.assert_array_equal, found[0][1], found[0][3])


def test_an_optional_input_changes_the_result():
    inputs, _ = towers_batch()
    given = core.predict_program(two_towers(), None, core.tree.map(Spec.of, inputs)).run(inputs)
    inputs["mask"] = None
    absent = core.predict_program(two_towers(), None, core.tree.map(Spec.of, inputs)).run(inputs)

    assert np.abs(given["digit"] - absent["digit"]).max() > 0.01


def test_inputs_and_targets_are_named_by_their_place():
    inputs, target = towers_batch()
    specs = core.tree.map(Spec.of, inputs), core.tree.map(Spec.of, target)
    oplist = core.trace_training(two_towers(), Both(), *specs)

    names = ["image", "mask", "table.numbers", "target.digit", "target.size"]
    assert [name for name, _ in oplist.inputs] == names
    assert [name for name, _ in oplist.outputs] == [
        "loss",
        "output.digit",
        "output.rest.0",
        "output.rest.1.0",
    ]


def without(key):
    def change(inputs, target):
        del inputs[key]

    return change


def changed(side, key, value):
    def change(*trees):
        trees[side][key] = value

    return change


@pytest.mark.parametrize("way", ["eager", "native"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without("image"), "input 'image' must be given; got 'table', 'mask'"),
        (changed(0, "image", None), "input 'image' must be given; got None"),
        (changed(0, "mask", None), "input 'mask' must be given; got None"),
        (changed(0, "more", np.ones(3)), "input must be a dict of .*; got the key 'more' as well"),
        (
            changed(0, "table", np.ones((6, 2))),
            "input 'table' must be a dict of 'numbers'; got one",
        ),
        (changed(0, "image", np.ones((6, 4))), r"input 'image' must have shape \(6, 3\) in this"),
        (changed(0, "image", np.ones((6, 3), "i4")), "input 'image' dtype must be float32"),
        (changed(1, "size", np.ones(6)), r"target 'size' must have shape \(6, 1\)"),
        (changed(1, "digit", None), "target 'digit' must be given; got None"),
    ],
)
def test_another_structure_is_refused_by_the_name_of_its_place(way, change, message, monkeypatch):
    with run_in(way, monkeypatch):
        inputs, target = towers_batch()
        _, program = train(two_towers(), Both(), inputs, target)
        change(inputs, target)
        with pytest.raises(ShapeError, match=message):
            program.run(inputs, target)


@pytest.mark.parametrize("way", ["eager", "native"])
def test_bad_numbers_are_named_by_their_place(way, monkeypatch):
    with run_in(way, monkeypatch):
        inputs, target = towers_batch()
        _, program = train(two_towers(), Both(), inputs, target)
        inputs["table"]["numbers"][2, 1] = np.nan
        with pytest.raises(DataError, match=r"input 'table.numbers' must hold .* nan in row 2 \(1"):
            program.run(inputs, target)
        inputs["table"]["numbers"][2, 1] = 0
        target["digit"][3] = 4
        with pytest.raises(DataError, match=r"integers in \[0, 4\); got 4 in row 3"):
            program.run(inputs, target)


def test_a_label_out_of_range_names_its_target():
    inputs, target = towers_batch()
    _, program = train(two_towers(), Both(), inputs, target)
    target["digit"][3] = -1
    with pytest.raises(DataError, match=r"target.digit: labels must be .* got -1 in row 3"):
        program.run(inputs, target)


def test_a_tuple_of_one_and_its_one_argument_are_the_same_call():
    x = np.ones((4, 3), "f4")
    program = core.predict_program(perceptron(), None, (Spec.of(x),))
    np.testing.assert_array_equal(program.run(x), program.run((x,)))
    cache, module = core.ProgramCache(), perceptron()
    assert cache.predict(module, x) is cache.predict(module, (x,))


def test_a_list_is_one_argument():
    module = Toy(lambda self, xs: xs[0] * xs[1], {})
    a, b = np.full((2, 3), 2.0, "f4"), np.full((2, 3), 3.0, "f4")
    program = core.predict_program(module, None, [Spec.of(a), Spec.of(b)])

    np.testing.assert_array_equal(np.full((2, 3), 6.0), program.run([a, b]))
    with pytest.raises(ShapeError, match="input must be a list of 2; got a tuple of 2"):
        program.run((a, b))


def test_lists_of_plain_numbers_are_arrays():
    program = core.predict_program(two_towers(), None, core.tree.map(Spec.of, towers_batch(2)[0]))
    inputs, _ = towers_batch(2)
    lists = core.tree.map(lambda x: x.tolist(), inputs)

    np.testing.assert_array_equal(program.run(inputs)["digit"].copy(), program.run(lists)["digit"])
    assert core.ProgramCache().predict(two_towers(), lists).oplist.inputs == program.oplist.inputs


def test_the_cache_tells_structures_apart():
    cache = core.ProgramCache()
    module = Toy(lambda self, *x, **named: [*x, *named.values()], {})
    x = np.ones((2, 3), "f4")
    programs = [cache.predict(module, i) for i in (x, (x, x), [x, x], {"a": x, "b": x}, {"a": x})]

    assert len(set(map(id, programs))) == len(cache) == 5
    assert len(programs[3].run({"b": x, "a": x})) == 2


def test_specs_that_are_none_are_refused():
    with pytest.raises(ArgumentError, match=r"`input_specs` must hold a Spec .* got int"):
        core.predict_program(perceptron(), None, {"x": 3})


def test_a_criterion_without_target_gets_none():
    class Size:
        def call(self, output, target):
            assert target is None
            return ops.square(output).sum()

        def weight(self, target):
            return 1.0

    module, x = Toy(lambda self, x: x * self.p["w"], {"w": np.ones(3)}), np.ones((2, 3), "f4")
    flat, program = train(module, Size(), x, None)
    assert program.reason is None
    assert program.run(x, None)[:2] == (6.0, 1.0)
    np.testing.assert_array_equal([4, 4, 4], flat.gradient("w"))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("call", "loss", "gradient"),
    [
        (lambda self, x: self.p["w"], lambda y: y.sum(), [1, 1, 1]),
        (lambda self, x: x, lambda y: y.sum(), [0, 0, 0]),
        (lambda self, x: self.p["w"][0], lambda y: y, [1, 0, 0]),
        (lambda self, x: x * self.p["w"], lambda y: core.Value(np.float32(2)), [0, 0, 0]),
        (lambda self, x: x * self.p["w"] * np.array([1.0, 2.0, 3.0]), lambda y: y.sum(), [2, 4, 6]),
        (lambda self, x: np.array([1.0, 2.0, 3.0]) * self.p["w"] + x, lambda y: y.sum(), [2, 4, 6]),
    ],
)
def test_gradients_of_what_is_itself_an_output_are_right(way, call, loss, gradient, monkeypatch):
    class Loss(SumOfSquares):
        def call(self, output, target):
            return loss(output)

    x = np.ones((2, 3), "f4")
    with run_in(way, monkeypatch):
        flat, program = train(Toy(call, {"w": np.ones(3)}), Loss(), x, x)
        _, _, output = program.run(x, x)
        assert output.dtype == np.float32
    np.testing.assert_array_equal(gradient, flat.gradient("w"))


@pytest.mark.parametrize("way", WAYS)
def test_a_parameter_that_is_the_loss_has_gradient_one(way, monkeypatch):
    class Itself(SumOfSquares):
        def call(self, output, target):
            return module.p["w"]

    module = Toy(lambda self, x: x, {"w": np.float32(3), "twin": np.ones(2)})
    x = np.ones((2, 3), "f4")
    with run_in(way, monkeypatch):
        flat, program = train(module, Itself(), x, x)
        assert program.run(x, x)[0] == 3.0
    assert flat.gradient("w") == 1.0
    np.testing.assert_array_equal([0, 0], flat.gradient("twin"))


@pytest.mark.parametrize("way", WAYS)
def test_two_parameters_with_one_gradient_both_get_it(way, monkeypatch):
    class Total(SumOfSquares):
        def call(self, output, target):
            return output

    module = Toy(lambda self, x: self.p["a"] + self.p["b"], {"a": 1.0, "b": 2.0})
    x = np.ones((2, 3), "f4")
    with run_in(way, monkeypatch):
        flat, program = train(module, Total(), x, x)
        loss, _, output = program.run(x, x)
    assert (loss, float(output), flat.gradient("a"), flat.gradient("b")) == (3.0, 3.0, 1.0, 1.0)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("training", [False, True])
def test_no_output_can_change_later_runs(way, training, monkeypatch):
    def call(self, x):
        return {
            "constant": core.Value(constant),
            "weight": self.p["w"],
            "turned": ops.transpose(ops.reshape(self.p["w"], (1, 3)), (1, 0)),
            "input": x[0],
            "y": x * self.p["w"],
        }

    class Total(SumOfSquares):
        def call(self, output, target):
            return output["y"].sum()

    constant, x = np.ones(2, "f4"), np.ones((2, 3), "f4")
    with run_in(way, monkeypatch):
        module = Toy(call, {"w": np.ones(3)})
        if training:
            program = train(module, Total(), x, x)[1]
        else:
            program = core.predict_program(module, None, Spec.of(x))

        def run():
            return program.run(x, x)[2] if training else program.run(x)

        first = core.tree.map(np.array, run())
        for array in core.tree.leaves(run()):
            array[...] = 7.0
        core.tree.map(np.testing.assert_array_equal, first, run())
    np.testing.assert_array_equal(np.ones((2, 3)), x)
    np.testing.assert_array_equal(np.ones(3), module.p["w"].data)
    np.testing.assert_array_equal(np.ones(2), constant)


def test_ids_behind_a_slice_are_checked_and_others_are_not():
    def call(self, x):
        return ops.embedding(x[:, 0], self.p["table"]) + ops.embedding(x[:, 1], self.p["long"])

    module = Toy(call, {"table": np.ones((5, 2)), "long": np.ones((9, 2))})
    program = core.predict_program(module, None, Spec((3, 2), "int64"))
    assert program.reason is None
    assert program.run(np.array([[4, 8], [0, 0], [1, 7]])).shape == (3, 2)
    with pytest.raises(DataError, match=r"\[0, 5\).*got 7"):
        program.run(np.array([[4, 8], [0, 0], [7, 7]]))


def test_labels_behind_a_slice_are_checked():
    class First(CrossEntropy):
        def call(self, output, target):
            return super().call(output, target[:, 0])

    x, target = np.ones((3, 3), "f4"), np.array([[0, 9], [1, 9], [1, -9]])
    _, program = train(perceptron(), First(), x, target)
    assert program.reason is None
    program.run(x, target)
    target[1, 0] = -1
    with pytest.raises(DataError, match="got -1 in row 1"):
        program.run(x, target)


@pytest.mark.parametrize("way", ["eager", "native"])
def test_what_is_wrong_surfaces_and_does_not_run_eagerly(way, monkeypatch):
    class PerRow(SumOfSquares):
        def call(self, output, target):
            return (output - target).sum(1)

    x, target = np.ones((3, 3), "f4"), np.ones((3, 2), "f4")
    stranger = Toy(lambda self, x: x * core.Parameter(np.ones(3), "mine"), {"w": np.ones(1)})
    with run_in(way, monkeypatch):
        with pytest.raises(ShapeError, match=r"must give a scalar.*got shape \(3,\)"):
            train(perceptron(), PerRow(), x, target)[1].run(x, target)
        with pytest.raises(ArgumentError, match=r"'mine'.* not among the module's parameters"):
            train(stranger, SumOfSquares(), x, x)[1].run(x, x)
