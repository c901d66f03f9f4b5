"""A name that is nearly right is answered with the right one, in every room."""

from __future__ import annotations

import importlib
import re
import sys

import pytest

from sandbox.lib import nn
from sandbox.lib.engine import names

ROOMS = [
    "lib", "lib.core", "lib.core.ops", "lib.core.random", "lib.criterion", "lib.data",
    "lib.data.augment", "lib.data.sets.cards", "lib.data.sets.mnist", "lib.data.sets.reviews",
    "lib.data.transforms", "lib.engine", "lib.metrics", "lib.nn", "lib.nn.init", "lib.nn.zoo",
    "lib.optim", "lib.optim.clipping", "lib.optim.schedules", "lib.spark", "lib.summary",
    "lib.testing", "lib.train", "widgets", "lib.data.vision", "lib.data.tables.columns",
    "lib.data.sets.census", "lib.data.pairs.interactions", "lib.data.sets.movielens", "lib.sklearn",
    "lib.spark.ml", "lib.spark.tune",
]  # fmt: skip


def folded(name):
    """Give what is left of a name without case, underscores and a plural: such mean either."""
    return name.lower().replace("_", "").rstrip("s")


@pytest.mark.parametrize("room", ROOMS)
def test_every_public_name_is_meant_by_its_misspellings(room):
    module = importlib.import_module(f"sandbox.{room}")
    offered = names.public(module)
    assert offered
    for name in offered:
        wrong = (name.swapcase(), f"{name}_", name.replace("_", "") + "s")
        for written in wrong:
            try:
                getattr(module, written)
            except AttributeError as error:
                told = str(error)
            else:  # another name: ops.gelu, nn.GELU
                continue
            if re.search(r"'s \w+ is '\w+' here\.$", told):
                continue  # another framework's word: "PyTorch's normal_ is 'random_normal' here"
            near = told.partition("Did you mean '")[2].rstrip("'?")
            assert folded(near) == folded(name), written


def test_a_name_of_another_room_is_answered_with_the_room():
    from sandbox.lib import criterion, nn  # one that is imported

    assert criterion.CrossEntropy
    with pytest.raises(AttributeError, match=r"'CrossEntropy'\. Did you mean criterion\.CrossE"):
        nn.CrossEntropy  # noqa: B018


def test_a_name_like_none_gets_no_advice_and_underscores_are_python_s():
    module = importlib.import_module("sandbox.lib.nn")
    for name in ("Zyxwvut", "__wrapped__", "_Conv2d"):
        with pytest.raises(AttributeError) as told:
            getattr(module, name)
        assert str(told.value) == f"module 'sandbox.lib.nn' has no attribute {name!r}"
        assert not hasattr(module, name)


def test_a_name_of_bigdl_is_answered_with_its_counterpart():
    with pytest.raises(AttributeError, match="BigDL's SpatialConvolution is 'Conv2d' here"):
        nn.SpatialConvolution  # noqa: B018


def test_every_room_is_named_here():
    rooms = {
        name.removeprefix("sandbox.")
        for name, module in list(sys.modules.items())
        if name.startswith("sandbox.") and getattr(module, "__getattr__", None) is not None
    }
    assert rooms <= set(ROOMS)
