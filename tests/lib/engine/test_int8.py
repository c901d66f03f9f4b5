"""Operations on bytes: native kernels give exactly what NumPy gives, on every processor."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest

from sandbox.lib import core, engine
from sandbox.lib.engine import dnnl
from sandbox.lib.engine.interpreter import call
from sandbox.lib.engine.single import execute

native = pytest.mark.skipif(not engine.is_native(), reason="needs the native library")
WINDOW = {"stride": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1), "groups": 1}
FULL = {"limit": 127, "share": 0.0, "low": 0.0, "high": 127.0, "dtype": "uint8"}


def factors_of(w, limit, rng):
    """Factors and offsets that float32 holds exactly, as `quantize` makes them."""
    bound = np.maximum(np.abs(w.astype(int)).reshape(len(w), -1).sum(1) * limit, 1)
    mantissa = np.clip(2**22 // bound, 1, 255)
    places = np.ceil(np.log2(np.maximum(bound * mantissa / 200, 1)))
    offsets = rng.integers(-400, 400, len(w)) * 2.0 ** -np.minimum(places, 4)
    return (mantissa * 2.0**-places).astype("f4"), offsets.astype("f4")


def convolution(seed, limit=127):
    """A random convolution: inputs and attributes."""
    rng = np.random.default_rng(seed)
    groups = int(rng.choice([1, 1, 2, 9]))
    channels = groups * int(rng.integers(1, 12 // groups + 2))
    filters = groups * int(rng.integers(1, 20))
    filters = channels if groups == 9 else filters
    kernel, stride = int(rng.choice([1, 2, 3, 5])), int(rng.integers(1, 3))
    dilation = int(rng.choice([1, 1, 2]))
    size = dilation * (kernel - 1) + rng.integers(1, 14, 2)
    pads = rng.integers(0, kernel // 2 + 1, (2, 2))
    x = rng.integers(0, limit + 1, (int(rng.integers(1, 4)), channels, *size)).astype("u1")
    w = rng.integers(-127, 128, (filters, channels // groups, kernel, kernel)).astype("i1")
    if seed % 5 == 0:  # all pairs as large as can be: 16 bits do not hold twice 255 x 127
        x[:], w[:] = limit, 127
        w[::2] = -127
    window = {
        "stride": (stride, stride),
        "padding": tuple(tuple(int(n) for n in pair) for pair in pads),
        "dilation": (dilation, dilation),
        "groups": groups,
    }
    attrs = {**FULL, **window, "limit": limit, "high": float(limit)}
    if seed % 3 == 0:
        attrs |= {"dtype": "float32", "low": None, "high": None}
    inputs = [x, w, *factors_of(w, limit, rng)]
    if seed % 3 == 1:
        shape = call("conv2d_int8", inputs, attrs, None)[0].shape
        attrs["share"] = 0.578125
        inputs.append(rng.integers(0, limit + 1, shape).astype("u1"))
    return inputs, attrs


def row_of_products(seed, limit=127):
    rng = np.random.default_rng(seed)
    rows, inside, out = (int(n) for n in rng.integers(1, (6, 200, 90)))
    x = rng.integers(0, limit + 1, (rows, inside)).astype("u1")
    w = rng.integers(-127, 128, (out, inside)).astype("i1")
    if seed % 5 == 0:
        x[:], w[:] = limit, 127
    attrs = {"limit": limit, "dtype": "float32" if seed % 2 else "uint8", "low": 0.0, "high": None}
    return [x, w, *factors_of(w, limit, rng)], attrs


def other_cases():
    """(operation, inputs, attributes) of odd sizes."""
    rng = np.random.default_rng(0)
    real = (rng.standard_normal((2, 5, 7, 3)) * 3).astype("f4")
    a, b = (rng.integers(0, 256, (2, 5, 9, 11)).astype("u1") for _ in range(2))
    pool = {"kernel": (3, 2), "stride": (2, 1), "padding": ((1, 1), (0, 1))}
    for zero, top, positive in ((0, 127, False), (0, 255, True), (64, 127, False)):
        limits = (-zero / 16.0, (top - zero) / 16.0)
        attrs = {"zero": zero, "top": top, "limits": limits, "positive": positive}
        given = np.abs(real) if positive else real
        yield "quantize_int8", [given, np.float32([16.0])], attrs
        yield "dequantize_int8", [a, np.float32([0.0625])], {"zero": zero}
    factor = np.float32([0.5]), np.float32([0.578125])
    for offset in (0.0, -17.0, 0.5):
        attrs = {"offset": offset, "low": 0.0, "high": 127.0}
        yield "add_int8", [a, b, *factor], attrs
    yield "concat_int8", [a, b[:, :3]], {"axis": 1}
    yield "max_pool2d_int8", [a], pool
    for kernel in ((2, 2), (3, 3), (2, 3)):
        attrs = {**pool, "kernel": kernel, "include_padding": True}
        yield "avg_pool2d_int8", [a], attrs
    yield "pad_int8", [a], {"padding": ((1, 0), (2, 1)), "value": 64}


def all_cases():
    yield from (("conv2d_int8", *convolution(seed)) for seed in range(30))
    yield from (("conv2d_int8", *convolution(seed, 255)) for seed in range(30, 45))
    yield from (("linear_int8", *row_of_products(seed)) for seed in range(10))
    yield from (("linear_int8", *row_of_products(seed, 255)) for seed in range(10, 16))
    yield from other_cases()


def digest(by):
    """One number for all cases, computed by a function of (name, inputs, attributes)."""
    total = hashlib.sha256()
    for name, inputs, attrs in all_cases():
        total.update(np.ascontiguousarray(by(name, inputs, attrs)).tobytes())
    return total.hexdigest()


def by_kernels(name, inputs, attrs):
    found = execute(name, inputs, attrs)
    return (call(name, inputs, attrs, None) if found is None else found)[0]


@native
@pytest.mark.parametrize("case", list(all_cases()), ids=lambda case: case[0])
def test_kernels_give_what_numpy_gives_bit_by_bit(case):
    name, inputs, attrs = case

    expected = call(name, inputs, attrs, None)[0]

    found = execute(name, inputs, attrs)
    if found is not None:  # else there is no kernel, and NumPy runs
        np.testing.assert_array_equal(found[0], expected)


@native
def test_most_of_it_runs_natively():
    missing = {name for name, *given in all_cases() if execute(name, *given) is None}

    assert not missing - {"pad_int8", "avg_pool2d_int8", "quantize_int8", "conv2d_int8"}
    convolutions = [execute("conv2d_int8", *convolution(seed)) for seed in range(30)]
    # Without VNNI, oneDNN has no kernel of bytes for some groups and sizes.
    few = 2 if dnnl.has_vnni() else 10
    assert sum(found is None for found in convolutions) <= few


@native
@pytest.mark.parametrize("instructions", ["AVX2", "AVX512_CORE"])
def test_processors_without_vnni_give_the_same_integers(instructions):
    code = "import sys; sys.path[:0] = [{!r}]; import test_int8 as t; print(t.digest(t.by_kernels))"
    answer = subprocess.run(
        [sys.executable, "-c", code.format(os.path.dirname(__file__))],
        env={**os.environ, "ONEDNN_MAX_CPU_ISA": instructions},
        capture_output=True,
        text=True,
        check=True,
    )

    assert digest(lambda *case: call(*case, None)[0]) == answer.stdout.strip()


def test_the_largest_pairs_are_added_up_whole():
    x = np.full((1, 32, 4, 4), 255, "u1")
    w = np.full((1, 32, 3, 3), 127, "i1")
    inputs = [x, w, np.ones(1, "f4"), np.zeros(1, "f4")]
    attrs = {**FULL, **WINDOW, "limit": 255, "dtype": "float32", "low": None, "high": None}

    result = engine.execute("conv2d_int8", inputs, attrs)[0]

    assert (result == 32 * 9 * 255 * 127).all()


def test_halves_are_rounded_to_even_and_the_ends_are_clipped():
    x = np.uint8([[0, 1, 2, 3, 5, 7]]).T
    inputs = [x, np.int8([[1]]), np.float32([0.5]), np.float32([0.0])]
    attrs = {"limit": 127, "dtype": "uint8", "low": 0.0, "high": 3.0}

    result = engine.execute("linear_int8", inputs, attrs)[0]

    assert result.ravel().tolist() == [0, 0, 1, 2, 2, 3]


@pytest.mark.parametrize("threads", [1, 2])
def test_nan_is_refused_where_integers_begin(threads):
    from sandbox.lib.engine.oplist import Op, OpList, Spec

    attrs = {"zero": 0, "top": 127, "limits": (0.0, 12.7), "positive": True}
    oplist = OpList(
        values=[Spec((1, 4)), Spec((1,)), Spec((1, 4), "uint8")],
        ops=[Op("quantize_int8", (0, 1), (2,), attrs)],
        inputs=[("x", 0)],
        constants=[(np.float32([10.0]), 1)],
        outputs=[("q", 2)],
    )
    run = engine.compile(oplist, {}, threads=threads).run

    assert run([np.float32([[1.0, 0.0, 99.0, 0.25]])])[0].tolist() == [[10, 0, 127, 2]]
    with pytest.raises(engine.errors.DataError, match="got NaN"):
        run([np.float32([[1.0, np.nan, 99.0, 0.25]])])


def test_wrong_types_are_named():
    x, w = np.zeros((1, 3), "f4"), np.zeros((2, 3), "i1")
    rows = core.function.FUNCTIONS["linear_int8"]
    attrs = {"limit": 127, "dtype": "uint8", "low": 0.0, "high": 127.0}

    with pytest.raises(core.errors.ShapeError, match="input dtype must be uint8; got float32"):
        rows(x, w, np.ones(2, "f4"), np.ones(2, "f4"), **attrs)
    with pytest.raises(core.errors.ShapeError, match=r"factors must have shape \(2,\)"):
        rows(x.astype("u1"), w, np.ones(3, "f4"), np.ones(2, "f4"), **attrs)


@native
def test_vnni_is_told_from_the_instructions():
    assert dnnl.has_vnni() == any(name in dnnl.isa() for name in ("vnni", "bf16", "fp16", "amx"))
