"""Lists of operations written by hand, as the tracer would write them."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sandbox.lib import engine
from sandbox.lib.engine import Op, OpList, Spec

Storage = dict[str, NDArray[Any]]
CONV = {"stride": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1), "groups": 1}
POOL = {"kernel": (2, 2), "stride": (2, 2), "padding": ((0, 0), (0, 0))}


class Writer:
    """Append operations and their gradients to a list."""

    def __init__(self, inputs: dict[str, Spec]) -> None:
        self.list = OpList()
        self.ids: dict[str, int] = {}
        self.storage: Storage = {}
        self.backward: list[Any] = []
        self.random = np.random.Generator(np.random.PCG64(0))
        for name, spec in inputs.items():
            self.ids[name] = self.list.new_value(spec)
            self.list.inputs.append((name, self.ids[name]))

    def spec(self, value: int) -> Spec:
        return self.list.values[value]

    def op(
        self, name: str, inputs: tuple[int, ...], *shapes: Any, path: str = "", **attrs: Any
    ) -> Any:
        outputs = tuple(
            self.list.new_value(item if isinstance(item, Spec) else Spec(tuple(item)))
            for item in shapes
        )
        if name == "dropout":
            attrs["path"] = path
        self.list.ops.append(Op(name, inputs, outputs, attrs, path))
        return outputs[0] if len(outputs) == 1 else outputs

    def parameter(self, name: str, *shape: int) -> int:
        value = self.list.new_value(Spec(shape))
        self.list.parameters.append((name, value))
        fan = max(1, int(np.prod(shape[1:])))
        data = self.random.standard_normal(shape, np.float32) / np.float32(np.sqrt(fan))
        self.storage[f"parameter:{name}"] = data
        self.storage[f"gradient:{name}"] = np.full(shape, np.nan, np.float32)
        return value

    def constant(self, array: NDArray[Any]) -> int:
        value = self.list.new_value(Spec.of(array))
        self.list.constants.append((array, value))
        return value

    def gradient(self, name: str, value: int) -> None:
        self.list.gradients.append((name, value))


def lenet(batch: int, training: bool = True) -> tuple[OpList, Storage]:
    """LeNet-5 (1-6-16, 120-84-10) with ReLU and max pooling, forward, loss and backward."""
    inputs = {"x": Spec((batch, 1, 28, 28))}
    if training:
        inputs["y"] = Spec((batch,), "int64")
    w = Writer(inputs)
    sizes = {
        "conv1": (6, 1, 5, 5),
        "conv2": (16, 6, 5, 5),
        "fc1": (120, 256),
        "fc2": (84, 120),
        "fc3": (10, 84),
    }
    weights = {name: w.parameter(f"{name}.weight", *shape) for name, shape in sizes.items()}
    biases = {name: w.parameter(f"{name}.bias", shape[0]) for name, shape in sizes.items()}
    n = batch
    x = w.ids["x"]
    c1 = w.op(
        "conv2d", (x, weights["conv1"], biases["conv1"]), (n, 6, 24, 24), path="conv1", **CONV
    )
    r1 = w.op("relu", (c1,), (n, 6, 24, 24), path="relu1")
    p1, s1 = w.op("max_pool2d", (r1,), (n, 6, 12, 12), Spec((n, 6, 12, 12), "uint8"), **POOL)
    c2 = w.op(
        "conv2d", (p1, weights["conv2"], biases["conv2"]), (n, 16, 8, 8), path="conv2", **CONV
    )
    r2 = w.op("relu", (c2,), (n, 16, 8, 8), path="relu2")
    p2, s2 = w.op("max_pool2d", (r2,), (n, 16, 4, 4), Spec((n, 16, 4, 4), "uint8"), **POOL)
    flat = w.op("reshape", (p2,), (n, 256), shape=(n, 256))
    hidden = flat
    trail = []
    for name, size in (("fc1", 120), ("fc2", 84), ("fc3", 10)):
        z = w.op("linear", (hidden, weights[name], biases[name]), (n, size), path=name)
        a = w.op("relu", (z,), (n, size)) if name != "fc3" else z
        trail.append((name, hidden, a, size))
        hidden = a
    w.list.outputs.append(("output", hidden))
    if not training:
        return w.list, w.storage
    loss, p = w.op("softmax_cross_entropy", (hidden, w.ids["y"]), (), (n, 10))
    w.list.outputs.append(("loss", loss))
    one = w.constant(np.ones((), np.float32))
    d = w.op("softmax_cross_entropy_grad", (one, p, w.ids["y"]), (n, 10))
    for name, before, after, size in reversed(trail):
        if name != "fc3":
            d = w.op("relu_grad", (d, after), (n, size))
        dw, db = w.op("linear_grad_weight", (before, d), sizes[name], (size,), with_bias=True)
        w.gradient(f"{name}.weight", dw)
        w.gradient(f"{name}.bias", db)
        d = w.op("linear_grad_input", (d, weights[name]), (n, sizes[name][1]), path=name)
    d = w.op("reshape", (d,), (n, 16, 4, 4), shape=(n, 16, 4, 4))
    d = w.op("max_pool2d_grad", (d, s2), (n, 16, 8, 8), input_shape=(n, 16, 8, 8), **POOL)
    d = w.op("relu_grad", (d, r2), (n, 16, 8, 8))
    shape = sizes["conv2"]
    dw, db = w.op(
        "conv2d_grad_weight", (p1, d), shape, (16,), weight_shape=shape, with_bias=True, **CONV
    )
    w.gradient("conv2.weight", dw)
    w.gradient("conv2.bias", db)
    shape = (n, 6, 12, 12)
    d = w.op("conv2d_grad_input", (d, weights["conv2"]), shape, input_shape=shape, **CONV)
    d = w.op("max_pool2d_grad", (d, s1), (n, 6, 24, 24), input_shape=(n, 6, 24, 24), **POOL)
    d = w.op("relu_grad", (d, r1), (n, 6, 24, 24))
    shape = sizes["conv1"]
    dw, db = w.op(
        "conv2d_grad_weight", (x, d), shape, (6,), weight_shape=shape, with_bias=True, **CONV
    )
    w.gradient("conv1.weight", dw)
    w.gradient("conv1.bias", db)
    return w.list, w.storage


def one_op(name: str, shapes: Any, results: Any, attrs: dict[str, Any]) -> OpList:
    """Return a list of one operation on float32 inputs."""
    values = [Spec(tuple(shape)) for shape in (*shapes, *results)]
    ids = tuple(range(len(shapes))), tuple(range(len(shapes), len(values)))
    return OpList(
        values=values,
        ops=[Op(name, *ids, attrs, "here")],
        inputs=[(f"input{i}", i) for i in ids[0]],
        outputs=[(f"output{i}", i) for i in ids[1]],
    )


def compare(
    name: str,
    shapes: Any,
    results: Any,
    attrs: dict[str, Any],
    tolerance: float,
    change: dict[int, Any] | None = None,
) -> None:
    """Check a program of one operation, and eager execution, against the reference kernel.

    The tolerance is relative to the largest element of each result.
    """
    random = np.random.Generator(np.random.PCG64(zlib.crc32(f"{name}{shapes}".encode())))
    arrays = [random.standard_normal(shape, np.float32) for shape in shapes]
    arrays = [np.asarray(array, np.float32) for array in arrays]
    for position, function in (change or {}).items():
        if position < len(arrays):
            arrays[position] = np.asarray(function(arrays[position]), np.float32)
    oplist = one_op(name, shapes, results, attrs)
    ways = {
        "program": engine.compile(oplist, {}, plan=engine.KernelPlan()).run(arrays),
        "eager": engine.execute(name, arrays, attrs),
    }
    with engine.use_reference():
        expected = engine.execute(name, arrays, attrs)
    for way, found in ways.items():
        assert len(expected) == len(found), way
        for wanted, got in zip(expected, found, strict=True):
            assert wanted.shape == got.shape, way
            scale = max(1e-3, float(np.abs(wanted).max(initial=0)))
            error = float(np.abs(wanted - got).max(initial=0)) / scale
            assert error <= tolerance, f"{way} of {name}{shapes}: {error}"


def residual(n: int) -> tuple[OpList, Storage]:
    """A block of two convolutions with batch norm, a shortcut, pooling, dropout and a loss."""
    w = Writer({"x": Spec((n, 3, 12, 12)), "y": Spec((n,), "int64")})
    same = {**CONV, "padding": ((1, 1), (1, 1))}
    shape = (n, 16, 12, 12)
    kernels = [w.parameter("conv0", 16, 3, 3, 3), w.parameter("conv1", 16, 16, 3, 3)]
    gammas = [w.parameter(f"gamma{i}", 16) for i in range(2)]
    betas = [w.parameter(f"beta{i}", 16) for i in range(2)]
    fc, bias = w.parameter("fc", 10, 16), w.parameter("bias", 10)
    c0 = w.op("conv2d", (w.ids["x"], kernels[0]), shape, **same)
    b0, m0, v0 = w.op("batch_norm", (c0, gammas[0], betas[0]), shape, (16,), (16,), epsilon=1e-5)
    r0 = w.op("relu", (b0,), shape)
    c1 = w.op("conv2d", (r0, kernels[1]), shape, **same)
    b1, m1, v1 = w.op("batch_norm", (c1, gammas[1], betas[1]), shape, (16,), (16,), epsilon=1e-5)
    total = w.op("add", (b1, r0), shape)
    r1 = w.op("relu", (total,), shape)
    whole = {"kernel": (12, 12), "stride": (12, 12), "padding": ((0, 0), (0, 0))}
    pooled = w.op("avg_pool2d", (r1,), (n, 16, 1, 1), include_padding=True, **whole)
    flat = w.op("reshape", (pooled,), (n, 16), shape=(n, 16))
    dropped, mask = w.op("dropout", (flat,), (n, 16), (n, 16), p=0.3, path="drop")
    logits = w.op("linear", (dropped, fc, bias), (n, 10))
    loss, p = w.op("softmax_cross_entropy", (logits, w.ids["y"]), (), (n, 10))
    w.list.outputs += [("loss", loss), ("output", logits)]
    for name, old in (("mean", m0), ("variance", v1)):
        buffer = w.list.new_value(Spec((16,)))
        w.list.buffers.append((name, buffer))
        w.storage[f"buffer:{name}"] = np.ones(16, np.float32)
        scaled = w.op("multiply", (buffer, w.constant(np.asarray(0.9, np.float32))), (16,))
        part = w.op("multiply", (old, w.constant(np.asarray(0.1, np.float32))), (16,))
        w.list.updates.append((name, w.op("add", (scaled, part), (16,))))
    one = w.constant(np.ones((), np.float32))
    d = w.op("softmax_cross_entropy_grad", (one, p, w.ids["y"]), (n, 10))
    dw, db = w.op("linear_grad_weight", (dropped, d), (10, 16), (10,), with_bias=True)
    w.gradient("fc", dw)
    w.gradient("bias", db)
    d = w.op("linear_grad_input", (d, fc), (n, 16))
    d = w.op("multiply", (d, mask), (n, 16))
    d = w.op("reshape", (d,), (n, 16, 1, 1), shape=(n, 16, 1, 1))
    d = w.op("avg_pool2d_grad", (d,), shape, input_shape=shape, include_padding=True, **whole)
    d = w.op("relu_grad", (d, r1), shape)
    back, dg, dbeta = w.op(
        "batch_norm_grad", (d, c1, gammas[1], m1, v1), shape, (16,), (16,), epsilon=1e-5
    )
    w.gradient("gamma1", dg)
    w.gradient("beta1", dbeta)
    attrs = {"weight_shape": (16, 16, 3, 3), "with_bias": False, **same}
    w.gradient("conv1", w.op("conv2d_grad_weight", (r0, back), (16, 16, 3, 3), **attrs))
    back = w.op("conv2d_grad_input", (back, kernels[1]), shape, input_shape=shape, **same)
    d = w.op("add", (back, d), shape)
    d = w.op("relu_grad", (d, r0), shape)
    back, dg, dbeta = w.op(
        "batch_norm_grad", (d, c0, gammas[0], m0, v0), shape, (16,), (16,), epsilon=1e-5
    )
    w.gradient("gamma0", dg)
    w.gradient("beta0", dbeta)
    attrs = {"weight_shape": (16, 3, 3, 3), "with_bias": False, **same}
    w.gradient("conv0", w.op("conv2d_grad_weight", (w.ids["x"], back), (16, 3, 3, 3), **attrs))
    return w.list, w.storage
