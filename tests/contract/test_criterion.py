"""The contract of criterions over every registered one."""

from __future__ import annotations

import inspect

import pytest

from sandbox.lib import criterion, nn, testing

CRITERIONS = {n: cls for n, cls in nn.registered().items() if n.startswith("criterion.")}
CASES = [
    pytest.param(cls, case, id=f"{name}-{number}")
    for name, cls in CRITERIONS.items()
    for number, case in enumerate(cls.__dict__.get("cases", ()))
]


@pytest.mark.parametrize("name", CRITERIONS)
def test_every_registered_criterion_brings_cases(name):
    assert testing.own_cases(CRITERIONS[name])


@pytest.mark.parametrize("clause", testing.CRITERION_CLAUSES)
@pytest.mark.parametrize(("cls", "case"), CASES)
def test_criterion_keeps_the_contract(clause, cls, case):
    testing.CRITERION_CLAUSES[clause](cls, case)


def test_every_criterion_of_the_room_is_registered_or_the_base_of_one_that_is():
    base = criterion.Criterion
    exported = [c for c in vars(criterion).values() if inspect.isclass(c) and issubclass(c, base)]
    known = set(CRITERIONS.values())
    assert [c for c in exported if not any(issubclass(other, c) for other in known)] == []
    assert known <= set(exported)
