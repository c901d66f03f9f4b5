"""The base of modules: structure, modes, errors, forward and backward."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from sandbox.lib import criterion, nn
from sandbox.lib.core import (
    Buffer,
    EagerPredictProgram,
    Parameter,
    RandomKey,
    Tape,
    Value,
    ops,
    using,
)
from sandbox.lib.core.errors import ArgumentError, ShapeError


def ones(*shape):
    return np.ones(shape, "f4")


class Block(nn.Module):
    """Modules in attributes and in a list, a parameter and a buffer of its own."""

    def __init__(self):
        self.first = nn.Linear(3, 3, rng=0)
        self.scale = Parameter(np.ones(3, "f4"))
        self.steps = [nn.Linear(3, 3, rng=1), nn.ReLU(), nn.Linear(3, 2, rng=2)]
        self.count = Buffer(np.zeros(1, "f4"))

    def call(self, x):
        x = ops.multiply(self.first(x), self.scale)
        for step in self.steps:
            x = step(x)
        return x


def test_names_follow_attributes_in_the_order_of_assignment():
    names = [name for name, _ in Block().named_parameters()]
    own, first = ["scale"], ["first.weight", "first.bias"]
    steps = ["steps.0.weight", "steps.0.bias", "steps.2.weight", "steps.2.bias"]
    assert own + first + steps == names
    assert [name for name, _ in Block().named_children()] == [
        "first",
        "steps.0",
        "steps.1",
        "steps.2",
    ]
    assert [name for name, _ in Block().named_buffers()] == ["count"]


def test_a_parameter_used_under_two_names_is_listed_once():
    layer = nn.Linear(2, 2)
    model = nn.Sequential(a=layer, b=nn.ReLU(), c=layer)
    assert [name for name, _ in model.named_parameters()] == ["a.weight", "a.bias"]


def test_arrays_give_arrays_and_values_give_values():
    layer = nn.Linear(3, 2, rng=0)
    assert isinstance(layer(ones(1, 3)), np.ndarray)
    assert isinstance(layer(Value(ones(1, 3))), Value)
    assert isinstance(layer(nn.Input()), nn.Node)


def test_arrays_give_values_while_a_tape_records():
    layer = nn.Linear(3, 2, rng=0)
    with Tape() as tape:
        loss = ops.sum(layer(ones(4, 3)))
    assert np.array_equal([4.0, 4.0], tape.gradients(loss, [layer.bias])[0])


@pytest.mark.parametrize("dtype", [">f4", ">f8", ">i4"])
def test_arrays_of_the_other_byte_order_are_numbers_like_any_other(dtype):
    x = np.array([[1, 2, 3, 0]], dtype)
    expected = x.astype(dtype.replace(">", "="))
    for module in (nn.Unsqueeze(1), nn.ReLU(), nn.Linear(4, 2, rng=0)):
        found = module(x)
        assert found.dtype.isnative
        assert np.array_equal(found, module(expected))
    assert np.array_equal(nn.Add()(x, x), 2 * expected)
    assert criterion.MSE()(x, expected) == 0.0
    assert criterion.CrossEntropy()(ones(1, 4).astype(">f4"), np.array([3], ">i8")) > 0.0
    if expected.dtype.kind == "i":
        assert nn.Embedding(4, 2, rng=0)(x).shape == (1, 4, 2)


def test_float64_arrays_take_the_dtype_of_the_parameters():
    assert nn.Linear(3, 2, rng=0)(np.ones((1, 3))).dtype == np.float32


@pytest.mark.parametrize("bad", [np.array(["a"]), "text", None, {1: 2}])
def test_what_is_no_array_of_numbers_is_refused(bad):
    with pytest.raises(ArgumentError, match=r"Linear: input 0 must be an array of numbers; got"):
        nn.Linear(3, 2)(bad)


LAYERS = {
    "Linear": (nn.Linear(6, 2, rng=0), (4, 6)),
    "Conv2d": (nn.Conv2d(1, 2, 3, rng=0), (2, 1, 5, 5)),
    "Conv1d": (nn.Conv1d(2, 3, 2, rng=0), (2, 2, 5)),
    "ConvTranspose2d": (nn.ConvTranspose2d(1, 2, 3, rng=0), (2, 1, 3, 3)),
    "LSTM": (nn.LSTM(3, 2, rng=0), (2, 4, 3)),
    "MultiHeadAttention": (nn.MultiHeadAttention(4, 2, rng=0), (2, 3, 4)),
    "BatchNorm": (nn.BatchNorm(3), (4, 3)),
    "LayerNorm": (nn.LayerNorm(3), (4, 3)),
    "PReLU": (nn.PReLU(), (2, 3)),
    "Scale": (nn.Scale(3), (2, 3)),
    "MaxPool2d": (nn.MaxPool2d(2), (1, 1, 4, 4)),
    "GlobalAvgPool2d": (nn.GlobalAvgPool2d(), (1, 2, 4, 4)),
    "GlobalMaxOverTime": (nn.GlobalMaxOverTime(), (2, 3, 4)),
    "GlobalMeanOverTime": (nn.GlobalMeanOverTime(), (2, 3, 4)),
    "Masking": (nn.Masking(), (2, 3, 4)),
    "Mean": (nn.Mean(), (2, 3)),
    "Sigmoid": (nn.Sigmoid(), (2, 3)),
    "Softmax": (nn.Softmax(), (2, 3)),
    "Dropout": (nn.Dropout(), (2, 3)),
}


@pytest.mark.parametrize("dtype", ["uint8", "int64", "bool", "float16"])
@pytest.mark.parametrize("kind", LAYERS)
def test_layers_take_integers_and_booleans_as_numbers(kind, dtype):
    layer, shape = LAYERS[kind]
    whole = np.random.default_rng(0).integers(0, 2, shape).astype(dtype)
    found = layer(whole)
    assert found.dtype == np.float32
    assert np.array_equal(found, layer(whole.astype("float32")))


def test_integers_take_the_dtype_of_the_parameters():
    layer = nn.Linear(2, 1, rng=0).astype("float64")
    assert layer(np.array([[1, 2]])).dtype == np.float64


def test_errors_carry_the_whole_path():
    model = nn.Sequential(body=nn.Sequential(conv1=nn.Conv2d(3, 8, 5)), name="net")
    with pytest.raises(ShapeError) as caught:
        model(ones(32, 1, 28, 28))
    assert str(caught.value) == (
        "net/body/conv1 (Conv2d): input axis 1 must be 3 (in_channels); got 1 in shape "
        "(32, 1, 28, 28). Gray images? use in_channels=1."
    )


def test_errors_in_lists_of_modules_carry_the_path():
    block = Block()
    block.steps[2] = nn.Linear(7, 2)
    with pytest.raises(ShapeError, match=r"^Block/steps\.2 \(Linear\): input axis 1 must be 7"):
        block(ones(2, 3))


def test_foreign_errors_keep_their_type_and_get_a_note():
    class Broken(nn.Module):
        def call(self, x):
            raise KeyError("lost")

    with pytest.raises(KeyError) as caught:
        nn.Sequential(inner=Broken())(ones(1, 1))
    assert "Sequential/inner (Broken)" in caught.value.__notes__[0]


def test_after_an_error_paths_start_anew():
    model = nn.Sequential(fc=nn.Linear(3, 2))
    for _ in range(2):
        with pytest.raises(ShapeError, match=r"^Sequential/fc \(Linear\)"):
            model(ones(1, 4))


def test_backward_without_forward_is_refused():
    layer = nn.Linear(3, 2, name="fc")
    with pytest.raises(
        ArgumentError, match=r"fc \(Linear\): backward\(\) must follow a forward\(\)"
    ):
        layer.backward(ones(1, 2))


def test_a_second_backward_is_refused():
    layer = nn.Linear(3, 2)
    layer.backward(layer.forward(ones(1, 3)))
    with pytest.raises(ArgumentError, match="got none since the last backward"):
        layer.backward(ones(1, 2))


def test_backward_in_another_thread_is_refused():
    layer, errors = nn.Linear(3, 2), []
    layer.forward(ones(1, 3))

    def work():
        try:
            layer.backward(ones(1, 2))
        except ArgumentError as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert len(errors) == 1


def test_backward_checks_the_shape_and_number_of_gradients():
    layer = nn.Linear(3, 2)
    layer.forward(ones(4, 3))
    with pytest.raises(ShapeError, match=r"output's shape \(4, 2\); got \(1, 2\)"):
        layer.backward(ones(1, 2))
    with pytest.raises(ArgumentError, match=r"one gradient per output \(1\); got 2"):
        layer.backward(ones(4, 2), ones(4, 2))


def test_backward_of_several_inputs_and_outputs():
    left, right = nn.Input(), nn.Input()
    total = nn.Add()(left, right)
    model = nn.Graph((left, right), (total, nn.ReLU()(left)))
    model.forward(ones(1, 2), -ones(1, 2))
    a, b = model.backward(2 * ones(1, 2), 5 * ones(1, 2))
    assert np.array_equal(7 * ones(1, 2), a)
    assert np.array_equal(2 * ones(1, 2), b)


def test_gradients_before_backward_are_refused():
    with pytest.raises(ArgumentError, match=r"gradients\(\) must follow"):
        nn.Linear(3, 2).gradients()


def test_train_and_eval_reach_modules_inside():
    model = nn.Sequential(nn.Sequential(nn.Dropout(0.5)))
    assert not model[0][0].training
    model.train()
    assert model[0][0].training
    assert not np.array_equal(ones(2, 50), model(ones(2, 50)))
    model.eval()
    assert np.array_equal(ones(2, 50), model(ones(2, 50)))


def test_an_open_training_context_counts_more_than_eval():
    layer = nn.Dropout(0.5).eval()
    with using(training=True, random=RandomKey(0, 0, 0)):
        assert layer.training


def test_an_inference_context_with_a_key_counts_more_than_train():
    layer = nn.Dropout(0.5).train()
    with using(training=False, random=RandomKey(0, 0, 0)):
        assert not layer.training


def test_using_training_false_alone_asks_for_predictions_of_a_model_in_train_mode():
    model = nn.Sequential(nn.Dropout(0.5)).train()
    with using(training=False):
        assert not model[0].training
        assert np.array_equal(ones(2, 50), model(ones(2, 50)))
    assert not np.array_equal(ones(2, 50), model(ones(2, 50)))


def test_an_eager_program_predicts_although_the_model_is_in_train_mode():
    model = nn.Sequential(nn.Dropout(0.5)).train()
    program = EagerPredictProgram(model, "asked for")
    assert np.array_equal(ones(2, 50), program.run(ones(2, 50)))


def test_a_part_keeps_its_eval_inside_a_model_in_train_mode():
    model = nn.Sequential(kept=nn.Dropout(0.5), dropped=nn.Dropout(0.5)).train()
    model.kept.eval()
    seen = {}
    with nn.observe(lambda path, module, inputs, output: seen.update({path: output.data})):
        model(ones(2, 50))
    assert np.array_equal(ones(2, 50), seen["kept"])
    assert not np.array_equal(ones(2, 50), seen["dropped"])


def twice():
    shared = nn.Linear(2, 2)
    return nn.Sequential(a=shared, b=nn.Sequential(shared, nn.BatchNorm(2)))


@pytest.mark.parametrize("make", [nn.zoo.resnet20, lambda: nn.LSTM(2, 3, num_layers=2), twice])
def test_parts_are_all_modules_parameters_and_buffers_each_once(make):
    model = make()
    named = [*model.named_modules(), *model.named_parameters(), *model.named_buffers()]
    found = model.parts()
    assert len(found) == len(named)
    assert {id(part) for part in found} == {id(part) for _, part in named}


def test_freeze_and_unfreeze():
    model = nn.Sequential(a=nn.Linear(2, 2), b=nn.Linear(2, 2))
    model.a.freeze()
    assert [p.trainable for p in model.parameters()] == [False, False, True, True]
    model.freeze(frozen=False)
    assert all(p.trainable for p in model.parameters())


def test_observers_see_paths_and_feature_maps():
    model, seen = nn.zoo.lenet5(0), {}
    with nn.observe(lambda path, module, inputs, output: seen.update({path: output.shape})):
        model(ones(2, 1, 28, 28))
    assert seen["conv1"] == (2, 6, 24, 24)
    assert seen[""] == (2, 10)
    model(ones(1, 1, 28, 28))
    assert seen["conv1"] == (2, 6, 24, 24)


def test_summary_tells_shapes_and_counts():
    text = str(nn.zoo.lenet5(0).summary((1, 1, 28, 28)))
    assert "conv1    Conv2d     (1, 6, 24, 24)         156" in text
    assert text.splitlines()[-1] == "44,426 parameters (178 KB), 44,426 trainable"


def test_summary_counts_shared_modules_once():
    layer = nn.Linear(2, 2)
    model = nn.Sequential(a=layer, b=layer)
    assert "6 parameters" in str(model.summary((1, 2)))
    assert "a       Linear  (1, 2)           6" in str(model.summary((1, 2)))


def test_a_parameter_cannot_be_replaced_by_an_array():
    layer = nn.Linear(2, 2)
    with pytest.raises(ArgumentError, match=r"must be a Parameter; got ndarray.*\.weight\.set\("):
        layer.weight = np.zeros((2, 2))
    layer.weight = Parameter(np.zeros((2, 2)))
    layer.bias = None
    assert np.array_equal(np.zeros((1, 2)), layer(ones(1, 2)))


@pytest.mark.parametrize("name", ["a.b", "a/b", "", 7])
def test_unusable_names_are_refused(name):
    with pytest.raises(ArgumentError, match="`name` must be text without dots and slashes"):
        nn.ReLU(name=name)


def test_a_module_without_call_says_so():
    with pytest.raises(NotImplementedError, match=r"must define call\(self, x\)"):
        nn.Module()(ones(1))


def test_super_init_may_be_left_out():
    class Tiny(nn.Module):
        def __init__(self, factor):
            self.factor = factor

        def call(self, x):
            return ops.multiply(x, self.factor)

    tiny = Tiny(3.0)
    assert tiny.name is None
    assert tiny.config() == {"factor": 3.0}
    assert repr(tiny) == "Tiny(factor=3.0)"


def test_config_gives_the_present_module_where_one_was_replaced():
    class Wrapper(nn.Module):
        def __init__(self, inner):
            self.inner = inner

        def call(self, x):
            return self.inner(x)

    wrapper = Wrapper(nn.Linear(2, 2))
    wrapper.inner = nn.Linear(2, 5)
    assert wrapper.config()["inner"] is wrapper.inner


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: nn.Linear(0, 2), "`in_features` must be an int > 0; got 0"),
        (lambda: nn.Linear(2, 1.5), "`out_features` must be an int > 0; got 1.5"),
        (lambda: nn.Linear(2, 2, weight_init="hee"), "`weight_init` must be one of he_normal"),
        (lambda: nn.Linear(2, 2, rng="0"), "`rng` must be a numpy Generator, an int seed or None"),
        (lambda: nn.Conv2d(3, 4, 3, groups=2), "`groups` must be a divisor of `in_channels` = 3"),
        (lambda: nn.Conv2d(4, 3, 3, groups=2), "`groups` must be a divisor of `out_channels` = 3"),
        (lambda: nn.Conv2d(3, 4, (3, 3, 3)), "`kernel_size` must be an int >= 1 or a pair"),
        (lambda: nn.Conv2d(3, 4, 3, stride=0), "`stride` must be an int >= 1 or a pair"),
        (lambda: nn.Conv2d(3, 4, 3, padding="full"), "`padding` must be 'same'"),
        (lambda: nn.Conv2d(3, 4, 3, padding=-1), "`padding` must be an int >= 0"),
        (lambda: nn.MaxPool2d(2, padding=2), "`padding` must be smaller than the window"),
        (lambda: nn.BatchNorm(3, momentum=1.5), "`momentum` must be a number in [0, 1]; got 1.5"),
        (lambda: nn.BatchNorm(3, epsilon=0), "`epsilon` must be"),
        (lambda: nn.Dropout(1.0), "`p` must be a number in [0, 1); got 1.0"),
        (lambda: nn.Reshape((2, -1, -1)), "`shape` must hold ints >= -1, at most one of them -1"),
        (lambda: nn.zoo.mlp((3,)), "`sizes` must hold input and output"),
    ],
)
def test_bad_arguments_are_refused_at_construction(make, text):
    with pytest.raises(ArgumentError) as caught:
        make()
    assert text in str(caught.value)
