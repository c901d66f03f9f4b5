"""Registry names, configs, and what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest

from sandbox.lib import nn
from sandbox.lib.core.errors import ArgumentError


def test_an_unknown_name_lists_near_ones():
    with pytest.raises(
        ArgumentError, match=r"'Conv2D' which is not registered. Did you mean nn.Conv2d"
    ):
        nn.deserialize({"module": "Conv2D", "config": {}})


def test_a_name_like_nothing_lists_nothing():
    with pytest.raises(ArgumentError) as caught:
        nn.deserialize({"module": "mine.Zzz", "config": {}})
    assert "Did you mean" not in str(caught.value)
    assert "import the file which registers it" in str(caught.value)


def test_an_unregistered_class_is_refused_with_the_line_to_write():
    class Lonely(nn.Module):
        pass

    with pytest.raises(ArgumentError, match=r'Write @register\("yours.Lonely"\) above it'):
        nn.serialize(nn.Sequential(Lonely()))


def test_arguments_that_are_no_plain_data_are_refused():
    @nn.register("test.Table")
    class Table(nn.Module):
        def __init__(self, rows):
            pass

    with pytest.raises(ArgumentError, match="argument `rows` must be plain data"):
        nn.serialize(Table(np.zeros(3)))
    assert nn.serialize(Table(np.float32(2)))["config"] == {"rows": 2.0}


def test_unknown_arguments_in_a_config_name_the_known_ones():
    with pytest.raises(ArgumentError, match=r"nn.Dropout: the arguments must be p; got rate"):
        nn.deserialize({"module": "nn.Dropout", "config": {"rate": 0.5}})


@pytest.mark.parametrize("config", [{}, {"module": 3}, {"module": "nn.ReLU", "config": []}])
def test_malformed_configs_are_refused(config):
    with pytest.raises(ArgumentError, match="a model config must hold `module`"):
        nn.deserialize(config)


def test_a_dangling_shared_module_is_refused():
    with pytest.raises(ArgumentError, match="`shared` in a model config must be the `id`"):
        nn.deserialize({"shared": 4})


@pytest.mark.parametrize("config", [None, [], "nn.ReLU", 3])
def test_a_config_that_is_no_dict_is_refused(config):
    with pytest.raises(ArgumentError, match="a model config must be a dict"):
        nn.deserialize(config)


@pytest.mark.parametrize(
    "config", [{}, {"modules": [["a"]]}, {"modules": 3}, {"modules": [["__class__", {}]]}]
)
def test_a_damaged_container_is_refused(config):
    with pytest.raises(ArgumentError, match=r"nn.Sequential"):
        nn.deserialize({"module": "nn.Sequential", "config": config})


def test_a_refused_argument_names_the_module_of_the_file():
    with pytest.raises(
        ArgumentError, match=r"nn.Dropout in the model config: `p` must be a number"
    ):
        nn.deserialize({"module": "nn.Dropout", "config": {"p": 7}})


def test_two_classes_cannot_have_one_name():
    @nn.register("test.Twice")
    class Twice(nn.Module):
        pass

    with pytest.raises(ArgumentError, match=r"'test\.Twice' is the name of"):

        @nn.register("test.Twice")
        class Other(nn.Module):
            pass


def test_a_notebook_cell_may_run_again():
    for _ in range(2):

        @nn.register("test.Cell")
        class Cell(nn.Module):
            pass

    assert nn.registered()["test.Cell"] is Cell


def test_names_of_modules_survive():
    model = nn.Sequential(nn.Linear(2, 2, name="fc"), name="net")
    twin = nn.deserialize(json.loads(json.dumps(nn.serialize(model))))
    assert twin.name == "net"
    assert twin.fc.name == "fc"


def test_a_custom_module_with_modules_as_arguments_survives():
    @nn.register("test.Residual")
    class Residual(nn.Module):
        def __init__(self, inner, *, factor=1.0):
            self.inner = inner
            self.factor = factor

        def call(self, x):
            return x + self.inner(x) * self.factor

    twin = nn.deserialize(nn.serialize(Residual(nn.Linear(2, 2), factor=0.5)))
    assert twin.factor == 0.5
    assert [name for name, _ in twin.named_parameters()] == ["inner.weight", "inner.bias"]


@pytest.mark.parametrize(
    ("old", "new"), [("he", "he_normal"), ("xavier", "xavier_uniform"), ("lecun", "lecun_normal")]
)
def test_a_model_file_of_before_names_the_same_rule(old, new):
    layer = {"module": "nn.Linear", "config": {"in_features": 3, "out_features": 2}}
    layer["config"]["weight_init"] = old
    twin = nn.deserialize({"module": "nn.Sequential", "config": {"modules": [["fc", layer]]}})
    assert twin.fc.config()["weight_init"] == new
    drawn = [nn.init.draw(rule, (4, 3), 7) for rule in (old, new)]
    np.testing.assert_array_equal(*drawn)


@pytest.mark.parametrize(
    ("rule", "first"),
    [
        ("he_normal", 0.102658294),
        ("xavier_uniform", 0.25360376),
        ("lecun_normal", 0.07259037),
        ("uniform", 0.15814973),
    ],
)
def test_rules_draw_the_numbers_of_before(rule, first):
    assert nn.init.draw(rule, (4, 3), 0)[0, 0] == np.float32(first)
