"""What records say of their operations is so."""

from __future__ import annotations

import numpy as np
import pytest

from sandbox.lib.engine import Spec
from sandbox.lib.engine.errors import ShapeError
from sandbox.lib.engine.ops import OPERATIONS

ATTRS = {
    "cast": {"dtype": "int32"},
    "clip": {"low": -0.5, "high": 0.7},
    "elu": {"alpha": 1.3},
    "gelu": {"approximate": False},
    "hard_sigmoid": {"slope": 0.2, "offset": 0.5},
    "hard_swish": {"slope": 0.2, "offset": 0.5},
    "leaky_relu": {"slope": 0.1},
    "power": {"exponent": 1.5},
    "scale_add": {"alpha": 0.9, "beta": 0.1},
    "softmax": {"axis": -1},
    "hard_shrink": {"threshold": 0.5},
    "soft_shrink": {"threshold": 0.5},
    "shrink": {"threshold": 0.5},
    "threshold": {"at": 0.1, "value": 0.3},
}
ELEMENTWISE = sorted(name for name, record in OPERATIONS.items() if record.elementwise)


def inputs_of(name):
    """Draw as many inputs as the operation takes, of the types it takes."""
    rng = np.random.default_rng(0)
    numbers = [rng.normal(size=(3, 4, 5)).astype("f4") for _ in range(3)]
    masks = [x > 0 for x in numbers]
    for inputs in (numbers[:1], numbers[:2], masks[:1], masks[:2], [masks[0], *numbers[1:]]):
        try:
            OPERATIONS[name].infer(*map(Spec.of, inputs), **attrs_of(name))
            OPERATIONS[name].reference(*inputs, **attrs_of(name))
        except (TypeError, ShapeError):
            continue
        return inputs
    raise AssertionError(f"no inputs for {name}")


def attrs_of(name):
    return ATTRS.get(name.removesuffix("_grad"), {})


def depends_on_its_element_alone(name):
    """Give whether the elements, flat and in another order, give the same ones."""
    inputs, kernel = inputs_of(name), OPERATIONS[name].reference
    order = np.random.default_rng(1).permutation(inputs[0].size)
    found = kernel(*inputs, **attrs_of(name))
    moved = kernel(*(x.ravel()[order] for x in inputs), **attrs_of(name))
    # NumPy computes the last few of an array in another way: one step of float32 apart.
    return np.allclose(found.ravel()[order], moved, rtol=2.0**-22, atol=0, equal_nan=True)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_an_elementwise_operation_looks_at_one_element(name):
    assert depends_on_its_element_alone(name)


def test_an_operation_along_an_axis_does_not():
    assert not depends_on_its_element_alone("softmax")
    assert len(ELEMENTWISE) > 40
