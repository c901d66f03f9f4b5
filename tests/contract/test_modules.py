"""The contract of style over every registered module: clauses times cases."""

from __future__ import annotations

import inspect

import pytest

from sandbox.lib import nn, testing

MODULES = {name: cls for name, cls in nn.registered().items() if name.startswith("nn.")}
# The first case of each is the sample that every run takes.
CASES = [
    pytest.param(*(cls, case), id=f"{name}-{number}", marks=pytest.mark.campaign if number else ())
    for name, cls in MODULES.items()
    for number, case in enumerate(cls.__dict__.get("cases", ()))
]


@pytest.mark.parametrize("name", MODULES)
def test_every_registered_module_brings_cases(name):
    assert testing.own_cases(MODULES[name])


@pytest.mark.parametrize("clause", testing.MODULE_CLAUSES)
@pytest.mark.parametrize(("cls", "case"), CASES)
def test_module_keeps_the_contract(clause, cls, case):
    testing.MODULE_CLAUSES[clause](cls, case)


def test_every_module_of_the_room_is_registered_or_the_base_of_one_that_is():
    things = [*vars(nn).values(), *vars(nn.zoo).values()]
    exported = [c for c in things if inspect.isclass(c) and issubclass(c, nn.Module)]
    known = set(MODULES.values())
    assert [c for c in exported if not any(issubclass(other, c) for other in known)] == []
    assert known <= set(exported)


def test_a_module_without_cases_fails_the_contract():
    class Bare(nn.Module):
        def call(self, x):
            return x

    with pytest.raises(AssertionError, match="Bare must bring `cases`"):
        testing.check_module(Bare)


def test_the_contract_finds_a_wrong_shape_rule():
    case = nn.Case(lambda rng: nn.Linear(3, 2, rng=rng), inputs=((2, 3),), output=(2, 3))
    with pytest.raises(AssertionError, match="declared"):
        testing.check_module(nn.Linear, (case,))


def test_the_contract_finds_a_wrong_gradient():
    from sandbox.lib import core

    doubled = core.operation(
        "test.doubled",
        infer=lambda x: (x,),
        reference=lambda x: 2 * x,
        gradient=lambda entry, dy: (3.0 * dy,),
    )

    class Doubled(nn.Module):
        def call(self, x):
            return doubled(x)

    case = nn.Case(lambda rng: Doubled(), inputs=((2, 3),), output=(2, 3))
    with pytest.raises(AssertionError, match="gradient of input 0"):
        testing.MODULE_CLAUSES["gradients_match_differences"](Doubled, case)
