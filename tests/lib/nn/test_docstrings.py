"""Every registered class tells the same things in the same order, and they are true."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest

from sandbox.lib import core, nn
from sandbox.lib.core import Spec
from sandbox.lib.nn.case import map_shapes
from sandbox.lib.testing.modules import Projected
from sandbox.lib.testing.tools import (
    arranged,
    integers_of,
    make,
    own_cases,
    projection,
    shapes_of,
)

CLAIM = re.compile(r"Native kernel: oneDNN [^,;.]+(?:, from ([0-9,]+) elements)?")


def claims():
    """Give each class that claims a native kernel, and the elements from which it has it."""
    for name, cls in nn.registered().items():
        found = CLAIM.search(" ".join((cls.__doc__ or "").split()))
        if found and name.startswith(("nn.", "criterion.")):
            least = int(found[1].replace(",", "")) if found[1] else 0
            yield pytest.param(cls, least, id=name)


CLAIMS = list(claims())


def test_public_classes_have_all_sections_and_an_example():
    wanted = ("Shapes", "Raises", "Notes", "Examples")
    for name, cls in nn.registered().items():
        if name.startswith(("nn.", "criterion.")):
            missing = [part for part in wanted if f"    {part}\n    ---" not in (cls.__doc__ or "")]
            assert not missing, f"{name} lacks {missing}"
            assert ">>>" in cls.__doc__


def test_every_claim_of_a_native_kernel_is_read():
    told = [cls for cls in nn.registered().values() if "Native kernel" in (cls.__doc__ or "")]
    assert {cls for cls in told if "doctest." not in nn.registry.name_of(cls)} == {
        param.values[0] for param in CLAIMS
    }
    assert len(CLAIMS) > 30


def native_steps(program):
    """Give the kernels of a program that are not NumPy's; a change of layout is none."""
    assert program.reason is None
    return [
        f"{step.name}: {step.implementation}"
        for step in program.executable.steps
        if step.name not in ("reorder", "output")
        and step.implementation not in ("numpy", "reference")
    ]


def programs(cls, least):
    """Give prediction and training programs of a module's cases, with rows enough."""
    for case in own_cases(cls):
        given = shapes_of(case.inputs)
        elements = min(math.prod(shape) for shape in (*given, *shapes_of(case.output)) if shape)
        times = max(1, -(-least // elements))
        specs = arranged(
            case.inputs,
            [
                Spec(more(shape, times), "int64" if integers_of(case, place) else "float32")
                for place, shape in enumerate(given)
            ],
        )
        yield core.predict_program(make(case), None, specs)
        module = make(case)
        target = map_shapes(
            lambda shape, n=times: Spec.of(projection(more(shape, n), np.float32)), case.output
        )
        flat = core.FlatParameters(module)
        yield core.train_program(module, Projected(), flat, specs, target)


def more(shape, times):
    """Give a shape with so many times its rows."""
    return (shape[0] * times, *shape[1:])


@pytest.mark.usefixtures("native")
@pytest.mark.parametrize(("cls", "least"), CLAIMS)
def test_a_claimed_native_kernel_is_in_the_program(cls, least):
    if issubclass(cls, nn.Module):
        assert any(native_steps(program) for program in programs(cls, least))
        return
    model = nn.Sequential(nn.Tanh(), nn.Scale((8,)))
    rows = max(8, least // 8)
    specs = (Spec((rows, 8), "float32"),)
    plain = core.train_program(
        model, Projected(), core.FlatParameters(model), specs, Spec((rows, 8), "float32")
    )
    program = core.train_program(
        model, cls(), core.FlatParameters(model), specs, Spec((rows,), "int64")
    )
    assert len(set(native_steps(program)) - set(native_steps(plain))) > 0


@pytest.mark.usefixtures("native")
def test_arithmetic_of_few_elements_is_numpy_as_its_docstring_says():
    specs = (Spec((2, 3), "float32"),) * 2
    assert not native_steps(core.predict_program(nn.Multiply(), None, specs))
