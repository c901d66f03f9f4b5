from __future__ import annotations

import pytest

from sandbox.lib.core import ShapeError, add_path, validate
from sandbox.lib.core.errors import ArgumentError, EngineError, SandboxError


def test_path_is_put_in_front_of_our_own_errors():
    error = EngineError("status must be 0; got 2.")
    for name, kind in [("conv1", "Conv2d"), ("body", "Sequential"), ("Graph", "Graph")]:
        add_path(error, name, kind)

    assert str(error) == "Graph/body/conv1 (Conv2d): status must be 0; got 2."


def test_class_is_not_told_twice():
    error = ShapeError("wrong.")
    add_path(error, "Linear", "Linear")

    assert str(error) == "Linear: wrong."


def test_path_is_a_note_on_other_errors():
    error = KeyError("x")
    error.add_note("first")
    add_path(error, "mine", "Mine")
    add_path(error, "Sequential", "Sequential")

    assert error.__notes__ == ["first", "in module Sequential/mine (Mine)"]
    assert str(error) == "'x'"


def test_our_errors_are_also_the_python_ones():
    for kind, base in [(ArgumentError, ValueError), (ShapeError, ValueError)]:
        assert issubclass(kind, base)
        assert issubclass(kind, SandboxError)


@pytest.mark.parametrize("name", validate.CASES)
def test_constraints_accept_and_normalise(name):
    case = validate.CASES[name]
    for given, expected in case.accepts:
        assert expected == case.check("size", given)


@pytest.mark.parametrize(
    ("name", "value"), [(n, v) for n, c in validate.CASES.items() for v in c.refuses]
)
def test_constraints_refuse_and_name_argument_and_value(name, value):
    with pytest.raises(ArgumentError, match=r"`size` must be .*; got "):
        validate.CASES[name].check("size", value)


def test_one_of_lists_the_choices():
    assert validate.one_of("mode", "a", ["a", "b"]) == "a"
    with pytest.raises(ArgumentError, match="`mode` must be one of 'a', 'b'; got 'c'"):
        validate.one_of("mode", "c", ["a", "b"])


def test_divides_names_the_other_argument():
    assert validate.divides("groups", 2, "in_channels", 6) == 2
    with pytest.raises(ArgumentError, match="divisor of `in_channels` = 6; got 4"):
        validate.divides("groups", 4, "in_channels", 6)


def test_axis_counts_from_the_end_too():
    assert validate.axis("axis", -1, 3) == 2
    with pytest.raises(ArgumentError, match=r"axis in \[-3, 3\)"):
        validate.axis("axis", 3, 3)
