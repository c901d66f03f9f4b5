"""Values that are at hand in layouts of other axes than their shape's: reshapes before kernels."""

from __future__ import annotations

import numpy as np
import pytest
from oplists import CONV

from sandbox.lib import engine
from sandbox.lib.engine import Op, OpList, Spec

pytestmark = pytest.mark.usefixtures("native")


def chain(specs, ops):
    """Return a list whose operations each take the value before."""
    values = [Spec(shape) for shape in specs]
    return OpList(
        values=values,
        ops=[Op(name, (k,), (k + 1,), attrs, name) for k, (name, attrs) in enumerate(ops)],
        inputs=[("x", 0)],
        outputs=[("y", len(specs) - 1)],
    )


@pytest.mark.parametrize("name", ["relu", "tanh", "sigmoid", "elu", "square"])
def test_an_activation_behind_transpose_and_reshape(name):
    attrs = {"alpha": 1.0} if name == "elu" else {}
    shapes = [(2, 3, 4), (2, 4, 3), (2, 12), (2, 12)]
    turn = ("transpose", {"axes": (0, 2, 1)})
    oplist = chain(shapes, [turn, ("reshape", {"shape": (2, 12)}), (name, attrs)])
    x = np.random.default_rng(0).normal(size=(2, 3, 4)).astype(np.float32)

    (found,) = engine.compile(oplist, {}).run([x])

    (expected,) = engine.execute(name, [x.transpose(0, 2, 1).reshape(2, 12)], attrs)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7)  # float32, another kernel


@pytest.mark.parametrize("size", [2, 40])  # small arrays are added by NumPy, large ones by oneDNN
def test_a_sum_of_two_values_behind_transpose_and_reshape(size):
    shapes = [(size, 8, 32), (size, 32, 8), (size, 256), (size, 256)]
    oplist = chain(shapes, [("transpose", {"axes": (0, 2, 1)}), ("reshape", {"shape": shapes[2]})])
    oplist.ops.append(Op("add", (2, 2), (3,), {}, "add"))
    oplist.outputs = [("y", 3)]
    x = np.random.default_rng(0).normal(size=shapes[0]).astype(np.float32)

    (found,) = engine.compile(oplist, {}).run([x])

    np.testing.assert_array_equal(found, 2 * x.transpose(0, 2, 1).reshape(size, 256))


def test_a_gradient_of_more_axes_than_the_library_names_is_delivered():
    shape = (2, 1, 2, 1, 1, 2, 3)
    oplist = chain([shape, shape], [("square", {})])
    oplist.parameters, oplist.inputs = [("w", 0)], []
    oplist.gradients = [("w", 1)]
    weight = np.arange(24, dtype=np.float32).reshape(shape)
    storage = {"parameter:w": weight, "gradient:w": np.full(shape, np.nan, np.float32)}

    (y,) = engine.compile(oplist, storage).run([])

    np.testing.assert_array_equal(storage["gradient:w"], weight * weight)
    np.testing.assert_array_equal(y, weight * weight)


def test_a_maximum_over_time_of_a_map_that_the_library_does_not_pool():
    # The convolution writes channels last, and the pooling of 2 features is refused.
    specs = [Spec((3, 1, 2, 2)), Spec((1, 1, 2, 1)), Spec((3, 1, 1, 2)), Spec((3, 1, 2))]
    values = [*specs, Spec((3, 2)), Spec((3, 2), "int64")]
    oplist = OpList(
        values=values,
        ops=[
            Op("conv2d", (0, 1), (2,), dict(CONV), "conv"),
            Op("reshape", (2,), (3,), {"shape": (3, 1, 2)}, "reshape"),
            Op("max_with_index", (3,), (4, 5), {"axis": 1}, "peak"),
        ],
        inputs=[("x", 0), ("w", 1)],
        outputs=[("y", 4)],
    )
    rng = np.random.default_rng(0)
    x, w = (rng.normal(size=spec.shape).astype(np.float32) for spec in specs[:2])

    (found,) = engine.compile(oplist, {}, plan=engine.KernelPlan(frozen=True)).run([x, w])

    expected = (x * w).sum(axis=2).reshape(3, 2)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)  # sums of two products


@pytest.mark.parametrize("name", ["subtract", "multiply"])
@pytest.mark.parametrize("shape", [(1, 4, 1, 6), (1, 4, 2, 6), (3, 4, 2, 6)])
def test_a_number_per_channel_meets_a_map_whose_axis_of_size_1_was_turned(shape, name):
    axes = (1, 0, 2, 3)
    turned = tuple(shape[k] for k in axes)
    channels = turned[1]
    values = [
        *(Spec(shape), Spec((1, channels, 1, 1)), *[Spec((channels,))] * 4),
        *[Spec(turned)] * 3,
    ]
    oplist = OpList(
        values=values,
        ops=[
            Op("transpose", (0,), (6,), {"axes": axes}, "turn"),
            # Reads the map in blocks, so that it is at hand in more layouts than the plain one.
            Op("batch_norm_inference", (6, 2, 3, 4, 5), (7,), {"epsilon": 1e-5}, "norm"),
            Op(name, (6, 1), (8,), {}, "here"),
        ],
        inputs=[(f"input{k}", k) for k in range(6)],
        outputs=[("norm", 7), ("y", 8)],
    )
    rng = np.random.default_rng(0)
    given = [rng.uniform(0.5, 1.5, size=spec.shape).astype(np.float32) for spec in values[:6]]
    program = engine.compile(oplist, {}, plan=engine.KernelPlan(frozen=True))

    found = program.run(given)

    with engine.use_reference():
        expected = engine.compile(oplist, {}).run(given)
    for wanted, got in zip(expected, found, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6)  # float32, another kernel


def test_what_is_handed_out_under_another_shape_is_written_where_it_goes():
    oplist = chain(
        [(5, 4), (5, 4), (2, 10)],
        [("exp", {}), ("reshape", {"shape": (2, 10)})],
    )
    x = np.random.default_rng(0).normal(size=(5, 4)).astype("f4")
    program = engine.compile(oplist, {}, plan=engine.KernelPlan())

    for scale in (1.0, 0.5):  # memory is used again
        (found,) = program.run([x * np.float32(scale)])
        np.testing.assert_allclose(np.exp(x * np.float32(scale)).reshape(2, 10), found, rtol=1e-6)
    assert "output" not in {step.name for step in program.steps}
