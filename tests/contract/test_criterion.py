"""The contract of criterions over every registered one."""

from __future__ import annotations

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


def test_the_registry_holds_all_criterions_of_this_issue():
    wanted = (
        "CrossEntropy NLL MSE MAE SmoothL1 Huber KLDivergence BCE BCEWithLogits "
        "MultiLabelSoftMargin WeightedSum"
    )
    assert {getattr(criterion, name) for name in wanted.split()} <= set(CRITERIONS.values())
