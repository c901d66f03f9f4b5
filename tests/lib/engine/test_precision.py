"""bf16: rounding, which values are kept in it, and native kernels against emulated rounding."""

from __future__ import annotations

import os
import subprocess
import sys
import zlib

import numpy as np
import pytest
from oplists import CONV, POOL, Writer, lenet, one_op, residual

from sandbox.lib import engine
from sandbox.lib.engine import Op, OpList, Spec, precision
from sandbox.lib.engine.ops import find
from sandbox.lib.engine.precision import Precision, narrow_values, precision_of, to_bf16

UNIT = 2.0**-8  # the largest relative error of rounding to bfloat16
ONCE = 2 * UNIT  # float32 sums in another order fall on the other side of a tie: one step of 2^-7


@pytest.fixture
def bf16(native):
    from sandbox.lib.engine import dnnl

    if not dnnl.has_bf16():
        pytest.skip(f"the processor has no bf16 instructions: {dnnl.isa()}")


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype("f4")


def test_rounding_takes_the_nearest_number_and_the_even_one_in_a_tie():
    step = np.float32(2.0**-7)  # between neighbours in [1, 2)
    ties = np.array([1 + step / 2, 1 + 3 * step / 2, -1 - step / 2], np.float32)
    assert to_bf16(ties).tolist() == [1, 1 + 2 * step, -1]
    x = numbers(1000) * np.float32(10) ** np.arange(-20, 20).repeat(25).astype("f4")
    rounded = to_bf16(x)
    assert not (rounded.view(np.uint32) & 0xFFFF).any()
    for neighbour in (0x10000, -0x10000):  # no other number of 16 bits is nearer
        other = (rounded.view(np.uint32).astype(np.int64) + neighbour).astype(np.uint32)
        assert (np.abs(x - rounded) <= np.abs(x - other.view(np.float32))).all()


def test_rounding_keeps_infinity_and_nan():
    x = np.array([np.inf, -np.inf, np.nan, 0.0, -0.0], np.float32)
    rounded = to_bf16(x)
    np.testing.assert_array_equal(x, rounded)
    assert np.signbit(rounded[4])
    worst = np.array([0x7F800001, 0xFFFFFFFF], np.uint32).view(np.float32)  # NaNs of other bits
    assert np.isnan(to_bf16(worst)).all()


def test_a_residual_network_keeps_its_maps_in_bf16_and_its_scores_in_float32():
    oplist, _ = residual(4)
    narrow = narrow_values(oplist)
    kept = {op.name for op in oplist.ops if op.outputs[0] in narrow}
    assert {"conv2d", "batch_norm", "relu", "add", "conv2d_grad_input", "relu_grad"} <= kept
    scores = dict(oplist.outputs)["output"]
    assert scores not in narrow
    for op in oplist.ops:
        if op.name in ("batch_norm", "batch_norm_grad"):
            assert not narrow.intersection(op.outputs[1:])
        if op.name in ("conv2d_grad_weight", "linear_grad_weight", "softmax_cross_entropy"):
            assert not narrow.intersection(op.outputs)


def test_products_read_by_float32_operations_only_stay_float32():
    w = Writer({"x": Spec((2, 4))})
    y = w.op("linear", (w.ids["x"], w.parameter("w", 4, 4)), (2, 4))
    flat = w.op("reshape", (y,), (8,), shape=(8,))
    total = w.op("sum", (flat,), (1,), axes=(0,), keepdims=True)
    w.list.outputs.append(("total", total))
    assert narrow_values(w.list) == set()


CHANNELS = [1, 3, 16, 20]
SAME = {**CONV, "padding": ((1, 1), (1, 1))}


@pytest.mark.usefixtures("bf16")
@pytest.mark.parametrize("batch", [1, 5])
@pytest.mark.parametrize("channels", CHANNELS)
def test_convolutions_equal_their_references_in_bf16(channels, batch):
    x, y = (batch, channels, 9, 7), (batch, 24, 9, 7)
    w = (24, channels, 3, 3)
    sums = {**SAME, "weight_shape": w, "with_bias": True}
    check("conv2d", (x, w, (24,)), (y,), SAME)
    check("conv2d_grad_input", (y, w), (x,), {**SAME, "input_shape": x})
    check("conv2d_grad_weight", (x, y), (w, (24,)), sums)


@pytest.mark.usefixtures("bf16")
@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("channels", [3, 16])
def test_convolutions_over_volumes_equal_their_references_in_bf16(channels, size):
    window = {"stride": (1,) * 3, "dilation": (1,) * 3, "groups": 1}
    window["padding"] = ((size // 2, size // 2),) * 3
    x, y, w = (2, channels, 3, 4, 5), (2, 24, 3, 4, 5), (24, channels, *(size,) * 3)
    check("conv3d", (x, w, (24,)), (y,), window)
    check("conv3d_grad_input", (y, w), (x,), {**window, "input_shape": x})
    sums = {**window, "weight_shape": w, "with_bias": True}
    check("conv3d_grad_weight", (x, y), (w, (24,)), sums)


@pytest.mark.usefixtures("bf16")
@pytest.mark.parametrize(("batch", "inner", "outer"), [(1, 1, 1), (5, 7, 3), (64, 256, 120)])
def test_matrix_products_equal_their_references_in_bf16(batch, inner, outer):
    x, w, y = (batch, inner), (outer, inner), (batch, outer)
    check("linear", (x, w, (outer,)), (y,), {})
    check("linear_grad_input", (y, w), (x,), {})
    check("linear_grad_weight", (x, y), (w, (outer,)), {"with_bias": True})
    check("matmul", (x, (inner, outer)), (y,), {})
    check("matmul", ((3, *x), (3, inner, outer)), ((3, *y),), {})


def check(name, shapes, results, attrs):
    """Compare an operation run alone; its results are float32, only what it reads is rounded."""
    arrays = [numbers(*shape, seed=zlib.crc32(name.encode()) + i) for i, shape in enumerate(shapes)]
    values = [Spec(tuple(shape)) for shape in (*shapes, *results)]
    ids = tuple(range(len(shapes))), tuple(range(len(shapes), len(values)))
    oplist = OpList(values=values, ops=[Op(name, *ids, attrs, "here")])
    oplist.inputs = [(f"input{i}", i) for i in ids[0]]
    oplist.outputs = [(f"output{i}", i) for i in ids[1]]
    program = engine.compile(oplist, {}, plan=engine.KernelPlan(), precision="bf16")
    assert any("bf16" in step.layouts for step in program.steps), name
    with engine.use_reference():
        emulated = engine.compile(oplist, {}, precision="bf16").run(arrays)
    for wanted, got in zip(emulated, program.run(arrays), strict=True):
        # products of two bfloat16 are exact in float32: only sums differ, as in float32 kernels
        assert np.abs(wanted - got).max() <= 1e-5 * np.abs(wanted).max(), name


FOLLOWERS = {
    "relu": {},
    "tanh": {},
    "gelu": {"approximate": False},
    "max_pool2d": POOL,
    "avg_pool2d": {**POOL, "include_padding": True},
    "batch_norm": {"epsilon": 1e-5},
    "add": {},
    "multiply": {},
}


@pytest.mark.usefixtures("bf16")
@pytest.mark.parametrize("name", FOLLOWERS)
@pytest.mark.parametrize("channels", [16, 6])
def test_what_stands_between_convolutions_goes_on_in_bf16(name, channels):
    n = 4
    w = Writer({"x": Spec((n, 8, 32, 32))})
    wide = (n, channels, 32, 32)
    y = w.op("conv2d", (w.ids["x"], w.parameter("first", channels, 8, 1, 1)), wide, **CONV)
    more = ()
    if name in ("add", "multiply"):
        more = (w.op("conv2d", (w.ids["x"], w.parameter("b", channels, 8, 1, 1)), wide, **CONV),)
    if name == "batch_norm":
        more = w.parameter("gamma", channels), w.parameter("beta", channels)
    shape = (n, channels, 16, 16) if "pool" in name else wide
    rest = {"max_pool2d": [Spec(shape, "uint8")], "batch_norm": [(channels,)] * 2}.get(name, [])
    found = w.op(name, (y, *more), shape, *rest, **FOLLOWERS[name])
    z = found[0] if rest else found
    last = w.op("conv2d", (z, w.parameter("last", 5, channels, 1, 1)), (n, 5, *shape[2:]), **CONV)
    w.list.outputs.append(("y", last))

    program = engine.compile(w.list, w.storage, plan=engine.KernelPlan(), precision="bf16")
    (got,) = program.run([numbers(*w.spec(w.ids["x"]).shape)])

    taken_on = name in find("conv2d").post_ops
    step = next(step for step in program.steps if step.name == name or taken_on)
    assert "bf16" in step.layouts
    with engine.use_reference():
        (wanted,) = engine.compile(w.list, w.storage, precision="bf16").run(
            [numbers(*w.spec(w.ids["x"]).shape)]
        )
    assert np.abs(wanted - got).max() <= ONCE * np.abs(wanted).max()


def run(make, precision, *, reference=False, size=8):
    oplist, storage = make(size)
    generator = np.random.default_rng(0)
    x = generator.standard_normal(oplist.values[oplist.inputs[0][1]].shape).astype("f4")
    key = engine.RandomKey(0, 0, 0)
    if reference:
        with engine.use_reference():
            program = engine.compile(oplist, storage, precision=precision)
    else:
        program = engine.compile(oplist, storage, plan=engine.KernelPlan(), precision=precision)
    results = program.run([x, np.arange(size) % 10], random=key)
    named = dict(zip((name for name, _ in oplist.outputs), results, strict=True))
    return float(named["loss"]), {k: v for k, v in storage.items() if k.startswith("gradient")}


@pytest.mark.usefixtures("bf16")
@pytest.mark.parametrize("make", [lenet, residual])
def test_a_training_step_in_bf16_is_near_the_emulated_one(make):
    loss, gradients = run(make, "bf16")
    emulated, expected = run(make, "bf16", reference=True)
    assert abs(loss - emulated) <= ONCE * abs(emulated)
    for key, wanted in expected.items():
        assert gradients[key].dtype == np.float32
        # a tie or a ReLU at zero decided otherwise changes single elements by more than a step
        error = np.linalg.norm(wanted - gradients[key]) / np.linalg.norm(wanted)
        assert error <= 8 * UNIT, key


@pytest.mark.parametrize("make", [lenet, residual])
def test_emulated_bf16_differs_from_float32_by_roundings(make):
    loss, gradients = run(make, "bf16", reference=True)
    exact, expected = run(make, "f32", reference=True)
    assert 0 < abs(loss - exact) <= 4 * UNIT * abs(exact)
    for key, wanted in expected.items():
        angle = np.vdot(wanted, gradients[key]) / (
            np.linalg.norm(wanted) * np.linalg.norm(gradients[key])
        )
        assert angle > 0.98, key  # still the way down


@pytest.mark.usefixtures("bf16")
def test_the_same_plan_gives_the_same_bits_in_bf16():
    oplist, storage = residual(8)
    x, key = numbers(8, 3, 12, 12), engine.RandomKey(0, 0, 0)
    learned = engine.KernelPlan()
    first = engine.compile(oplist, storage, plan=learned, precision="bf16")
    first.run([x, np.arange(8)], random=key)
    before = {k: v.copy() for k, v in storage.items() if k.startswith("gradient")}
    second = engine.compile(oplist, storage, plan=learned.freeze(), precision="bf16")
    for program in (first, second, second.clone()):
        program.run([x, np.arange(8)], random=key)
        for name, wanted in before.items():
            np.testing.assert_array_equal(wanted, storage[name])


@pytest.mark.usefixtures("bf16")
def test_kernel_plans_keep_the_two_precisions_apart():
    plans = {}
    for name in engine.PRECISIONS:
        plan = engine.KernelPlan()
        engine.compile(*residual(8), plan=plan, precision=name)
        plans[name] = set(plan._choices)
    assert plans["bf16"]
    assert plans["f32"].isdisjoint(plans["bf16"])


@pytest.mark.usefixtures("bf16")
def test_inference_keeps_weights_rounded_until_they_change():
    oplist, storage = lenet(4, training=False)
    program = engine.compile(oplist, storage, precision="bf16")
    x = numbers(4, 1, 28, 28)
    before = program.run([x])[0].copy()
    for key, array in storage.items():
        if key.startswith("parameter"):
            array *= 2
    program.refresh_parameters()
    after = program.run([x])[0].copy()
    with engine.use_reference():
        (wanted,) = engine.compile(oplist, storage, precision="bf16").run([x])
    assert np.abs(before - after).max() > 0.5 * np.abs(after).max()
    assert np.abs(wanted - after).max() <= ONCE * np.abs(wanted).max()


def test_an_unknown_precision_is_an_error():
    with pytest.raises(engine.EngineError, match=r"one of \['f32', 'bf16'\]; got 'fp16'"):
        engine.compile(*lenet(2), precision="fp16")


@pytest.mark.usefixtures("native")
def test_a_processor_without_the_instructions_is_an_error_with_a_cure():
    code = (
        "from oplists import lenet\nfrom sandbox.lib import engine\n"
        "try:\n    engine.compile(*lenet(2), precision='bf16')\n"
        "except engine.EngineError as error:\n    print(error)\n"
        "with engine.use_reference():\n    engine.compile(*lenet(2), precision='bf16')\n"
        "    print('emulated')\n"
    )
    here = os.path.dirname(__file__)
    path = os.pathsep.join([here, os.environ.get("PYTHONPATH", ".")])
    environment = {**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX2", "PYTHONPATH": path}
    found = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    lines = found.stdout.splitlines()
    assert "must have AVX512-BF16 or AMX instructions; found avx2" in lines[0]
    assert "Cure: precision='f32'" in lines[0]
    assert any("ONEDNN_MAX_CPU_ISA=AVX2 forbids them" in line for line in lines)
    assert lines[-1] == "emulated"


def test_a_precision_assigns_a_dtype_to_every_value():
    oplist, _ = lenet(8)
    specs = {value: spec.dtype for value, spec in enumerate(oplist.values)}
    assert precision_of("f32").storage(oplist) == specs
    narrow = narrow_values(oplist)
    assert narrow
    assert precision_of("bf16").storage(oplist) == specs | dict.fromkeys(narrow, "bfloat16")


def test_a_new_precision_is_one_class_and_one_name(monkeypatch):
    class Coarse(Precision):
        """Products multiply halves; everything is stored as float32."""

        name = "coarse"

        def rounded(self, x, dtype):
            return np.rint(x * 2) / np.float32(2)

    monkeypatch.setitem(precision._KNOWN, "coarse", Coarse())
    oplist = one_op("matmul", [(2, 3), (3, 2)], [(2, 2)], {})
    a, b = np.full((2, 3), 0.6, "f4"), np.full((3, 2), 1.1, "f4")
    with engine.use_reference():
        (y,) = engine.compile(oplist, {}, precision="coarse").run([a, b])
    assert y.tolist() == [[1.5, 1.5], [1.5, 1.5]]
    with pytest.raises(engine.EngineError, match=r"precision must be one of .*; got 'int4'"):
        engine.compile(oplist, {}, precision="int4")
