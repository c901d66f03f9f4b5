"""Post-ops and scales as data on a kernel, each kind against NumPy; and fusion by the records."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sandbox.lib import engine
from sandbox.lib.engine import Op, OpList, Spec, dnnl, passes
from sandbox.lib.engine.builder import Builder
from sandbox.lib.engine.executable import NativeExecutable
from sandbox.lib.engine.ops import OPERATIONS, find

pytestmark = pytest.mark.usefixtures("native")

Array = NDArray[Any]
SUMS = 1e-5  # float32 sums of some dozens of terms, in another order than NumPy's
X, W, Y = (2, 16, 6, 6), (8, 16, 3, 3), (2, 8, 4, 4)
WINDOW = ((1, 1), (0, 0), (0, 0), (0, 0))
CONV = {"stride": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1), "groups": 1}
ROWS, WEIGHT, RESULT = (5, 32), (12, 32), (5, 12)


def normal(seed: int, *shape: int) -> Array:
    return np.random.Generator(np.random.PCG64(seed)).standard_normal(shape, np.float32)


def call(primitive: dnnl.Primitive, arrays: dict[int, Array]) -> Array:
    """Run a kernel on plain arrays, reordered into its layouts, and return what it writes."""
    stream, keep, pairs = dnnl.new_stream(), [], []

    def execute(kernel: dnnl.Primitive, given: list[tuple[int, Any]]) -> None:
        arguments = dnnl.new_arguments(given)
        status = dnnl.native().lib.dnnl_primitive_execute(
            kernel.handle, stream, len(given), arguments
        )
        dnnl.check(status, kernel.kind, "a test")

    def memory(layout: dnnl.Layout) -> tuple[Array, Any]:
        block = np.zeros(layout.nbytes + 64, np.uint8)
        keep.append(block)
        start = -block.ctypes.data % 64
        return block[start:], dnnl.new_memory(layout, block.ctypes.data + start)

    def moved(array: Array, wanted: dnnl.Layout, dims: tuple[int, ...]) -> Any:
        plain = dnnl.plain(dims, str(array.dtype))
        block, source = memory(plain)
        block[: array.nbytes] = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        if plain == wanted:
            return source
        _, target = memory(wanted)
        execute(dnnl.reorder(plain, wanted), [(dnnl.SRC, source), (dnnl.DST, target)])
        return target

    for argument, array in arrays.items():
        wanted = primitive.layout(argument) or dnnl.plain(array.shape or (1,), str(array.dtype))
        pairs.append((argument, moved(array, wanted, wanted.dims)))
    result = primitive.needs(dnnl.DST)
    if dnnl.DST not in arrays:
        pairs.append((dnnl.DST, memory(result)[1]))
    if primitive.scratch:
        pairs.append((dnnl.SCRATCHPAD, memory(primitive.needs(dnnl.SCRATCHPAD))[1]))
    execute(primitive, pairs)
    block, plain = memory(dnnl.plain(result.dims, result.dtype))
    written = dict(pairs)[dnnl.DST]
    execute(
        dnnl.reorder(result, dnnl.plain(result.dims, result.dtype)),
        [(dnnl.SRC, written), (dnnl.DST, plain)],
    )
    keep.append(pairs)
    size = int(np.prod(result.dims)) * np.dtype(result.dtype).itemsize
    return block[:size].view(result.dtype).reshape(result.dims).copy()


def convolution(*post: dnnl.PostOp) -> dnnl.Primitive:
    wanted = [dnnl.channels_last(X), dnnl.any_layout(W), None, dnnl.channels_last(Y)]
    return dnnl.convolution(*wanted, WINDOW, training=False, post_ops=post)


def inner_product(*post: dnnl.PostOp) -> dnnl.Primitive:
    wanted = [dnnl.plain(ROWS), dnnl.any_layout(WEIGHT), None, dnnl.plain(RESULT)]
    return dnnl.inner_product(*wanted, training=False, post_ops=post)


# A kernel, what it reads, and what it gives without post-ops.
x, w, rows, weight = normal(0, *X), normal(1, *W), normal(2, *ROWS), normal(3, *WEIGHT)
CONV_GIVES = find("conv2d").reference(x, w, **CONV)
KERNELS: dict[str, tuple[Any, dict[int, Array], Array]] = {
    "convolution": (convolution, {dnnl.SRC: x, dnnl.WEIGHTS: w}, CONV_GIVES),
    "inner product": (inner_product, {dnnl.SRC: rows, dnnl.WEIGHTS: weight}, rows @ weight.T),
}


def close(found: Array, wanted: Array) -> None:
    np.testing.assert_allclose(found, wanted, rtol=0, atol=SUMS * np.abs(wanted).max())


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize(
    ("name", "constants"),
    [
        ("relu", ()),
        ("tanh", ()),
        ("sigmoid", ()),
        ("leaky_relu", (0.25,)),
        ("elu", (0.5,)),
        ("clip", (-0.5, 1.5)),
        ("hard_sigmoid", (0.2, 0.5)),
    ],
)
def test_a_function_of_each_element_is_applied(kernel, name, constants):
    make, reads, plain = KERNELS[kernel]
    record = find(name)
    attrs = dict(zip(record.constants, constants, strict=True))
    algorithm = {**dnnl.ELTWISE, **{k: v[0] for k, v in dnnl.ELTWISE_FROM_INPUT.items()}}[name]
    post = dnnl.Eltwise(algorithm, *constants)
    close(call(make(post), reads), record.reference(plain, **attrs))


@pytest.mark.parametrize("kernel", KERNELS)
def test_what_lies_at_the_destination_is_added(kernel):
    make, reads, plain = KERNELS[kernel]
    before = normal(4, *plain.shape)
    found = call(make(dnnl.Sum(0.5)), {**reads, dnnl.DST: before})
    close(found, plain + np.float32(0.5) * before)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("name", ["add", "subtract", "multiply", "maximum", "minimum"])
@pytest.mark.parametrize("per_channel", [True, False])
def test_another_array_is_combined_with_the_result(kernel, name, per_channel):
    make, reads, plain = KERNELS[kernel]
    shape = tuple(n if k == 1 else 1 for k, n in enumerate(plain.shape))
    second = normal(5, *(shape if per_channel else plain.shape))
    layout = dnnl.plain(second.shape)
    if not per_channel and second.ndim == 4:
        layout = dnnl.channels_last(second.shape)
    primitive = make(dnnl.Binary(dnnl.BINARY[name], layout))
    assert primitive.needs(dnnl.post_op(0)) == layout
    close(call(primitive, {**reads, dnnl.post_op(0): second}), find(name).reference(plain, second))


def test_post_ops_are_applied_in_order():
    make, reads, plain = KERNELS["convolution"]
    before, second = normal(6, *plain.shape), normal(7, 1, plain.shape[1], 1, 1)
    chain = (
        dnnl.Sum(),
        dnnl.Binary(dnnl.BINARY["multiply"], dnnl.plain(second.shape)),
        dnnl.Eltwise(dnnl.ELTWISE["relu"]),
    )
    found = call(make(*chain), {**reads, dnnl.DST: before, dnnl.post_op(1): second})
    close(found, np.maximum((plain + before) * second, 0))


def test_kernels_with_other_post_ops_are_others():
    plain = dnnl.plain((1, 8, 1, 1))
    kinds = [
        (),
        (dnnl.Eltwise(dnnl.ELTWISE["relu"]),),
        (dnnl.Eltwise(dnnl.ELTWISE["tanh"]),),
        (dnnl.Sum(),),
        (dnnl.Sum(0.5),),
        (dnnl.Binary(dnnl.BINARY["add"], plain),),
        (dnnl.Binary(dnnl.BINARY["add"], dnnl.channels_last(Y)),),
    ]
    made = [convolution(*post) for post in kinds]
    assert len({primitive.key for primitive in made}) == len(kinds)
    assert all(convolution(*post) is primitive for post, primitive in zip(kinds, made, strict=True))


# Bytes up to 127: pairs of their products fit the 16 bits of processors without VNNI.
@pytest.mark.parametrize("mask", [0, 1])
def test_factors_of_integers_make_them_real_numbers(mask):
    random = np.random.Generator(np.random.PCG64(8))
    q = random.integers(0, 127, ROWS).astype(np.uint8)
    v = random.integers(-127, 127, WEIGHT).astype(np.int8)
    a = np.float32([0.03])
    b = (random.random(WEIGHT[0] if mask else 1) * 0.1).astype(np.float32)
    primitive = dnnl.inner_product(
        dnnl.plain(ROWS, "uint8"),
        dnnl.any_layout(WEIGHT, "int8"),
        None,
        dnnl.plain(RESULT),
        training=False,
        post_ops=(dnnl.Eltwise(dnnl.ELTWISE["relu"]),),
        scales=(dnnl.Scale(dnnl.SRC), dnnl.Scale(dnnl.WEIGHTS, mask)),
    )
    given = {dnnl.SRC: q, dnnl.WEIGHTS: v}
    found = call(primitive, given | {dnnl.scales(dnnl.SRC): a, dnnl.scales(dnnl.WEIGHTS): b})
    exact = (q.astype(np.int64) @ v.astype(np.int64).T).astype(np.float32)
    close(found, np.maximum(exact * a * b, 0))


def test_results_are_divided_by_their_factor_and_rounded():
    random = np.random.Generator(np.random.PCG64(9))
    q = random.integers(0, 127, X).astype(np.uint8)
    v = random.integers(-127, 127, W).astype(np.int8)
    a, b, c = np.float32([0.02]), np.float32([0.01]), np.float32([1.7])
    primitive = dnnl.convolution(
        dnnl.channels_last(X, "uint8"),
        dnnl.any_layout(W, "int8"),
        None,
        dnnl.channels_last(Y, "int8"),
        WINDOW,
        training=False,
        scales=(dnnl.Scale(dnnl.SRC), dnnl.Scale(dnnl.WEIGHTS), dnnl.Scale(dnnl.DST)),
    )
    factors = {dnnl.SRC: a, dnnl.WEIGHTS: b, dnnl.DST: c}
    found = call(
        primitive,
        {dnnl.SRC: q, dnnl.WEIGHTS: v} | {dnnl.scales(k): f for k, f in factors.items()},
    )
    exact = find("conv2d").reference(q.astype(np.float64), v.astype(np.float64), **CONV)
    wanted = np.clip(np.rint(exact * a * b / c), -128, 127)
    # float32 factors: a number close to a half may be rounded to the other side
    assert np.abs(found - wanted).max() <= 1
    assert (found == wanted).mean() > 0.99


# -- fusion ----------------------------------------------------------------------------------------


def two(first: Op, second: Op, shapes: list[tuple[int, ...]]) -> OpList:
    values = [Spec(shape) for shape in shapes]
    count = len(shapes) - 2
    inputs = [(f"input{k}", k) for k in range(count)]
    return OpList(values, [first, second], inputs, outputs=[("y", len(shapes) - 1)])


CHAIN = [ROWS, WEIGHT, RESULT, RESULT]
NAMES = sorted(name for name, record in OPERATIONS.items() if record.constants is not None)
ATTRS = {
    "leaky_relu": {"slope": 0.25},
    "elu": {"alpha": 0.5},
    "clip": {"low": -0.5, "high": 1.5},
    "hard_sigmoid": {"slope": 0.2, "offset": 0.5},
    "hard_swish": {"slope": 0.2, "offset": 0.5},
    "gelu": {"approximate": False},
}
# oneDNN's own approximations: the error function to 2e-6, softplus to 3e-7 of small numbers
APPROXIMATE = 4e-6


def test_products_take_on_every_activation_and_sums():
    for name in ("conv2d", "linear"):
        assert set(find(name).post_ops) == {*NAMES, "add"}


def both(oplist, given):
    """Return what the program gives natively, by NumPy, and by NumPy after the rewrites."""
    (found,) = engine.compile(oplist, {}, plan=engine.KernelPlan(frozen=True)).run(given)
    found = found.copy()
    with engine.use_reference():
        (wanted,) = engine.compile(oplist, {}).run(given)
        (fused,) = engine.compile(passes.optimise(oplist), {}).run(given)
    return found, wanted, fused


@pytest.mark.parametrize("name", NAMES)
def test_an_activation_behind_a_linear_layer_becomes_part_of_it(name):
    linear = Op("linear", (0, 1), (2,))
    oplist = two(linear, Op(name, (2,), (3,), ATTRS.get(name, {})), CHAIN)
    assert [op.name for op in passes.optimise(oplist).ops] == ["linear"]
    found, wanted, fused = both(oplist, [rows, weight])
    np.testing.assert_allclose(found, wanted, rtol=0, atol=APPROXIMATE * np.abs(wanted).max())
    np.testing.assert_array_equal(fused, wanted)


@pytest.mark.parametrize("approximate", [False, True])
def test_both_kinds_of_gelu_are_taken_on(approximate):
    gelu = Op("gelu", (2,), (3,), {"approximate": approximate})
    oplist = two(Op("linear", (0, 1), (2,)), gelu, CHAIN)
    assert [op.name for op in passes.optimise(oplist).ops] == ["linear"]
    found, wanted, _ = both(oplist, [rows, weight])
    np.testing.assert_allclose(found, wanted, rtol=0, atol=APPROXIMATE * np.abs(wanted).max())


def chained(*steps, inputs):
    """Write a list of operations, each as (name, inputs, shape, attributes)."""
    values = [Spec(shape) for shape in inputs]
    named = [(f"input{k}", k) for k in range(len(inputs))]
    ops = []
    for name, read, shape, attrs in steps:
        ops.append(Op(name, read, (len(values),), attrs))
        values.append(Spec(shape))
    return OpList(values, ops, named, outputs=[("y", len(values) - 1)])


SAME = {**CONV, "padding": ((1, 1), (1, 1))}
MAP, FILTERS = (2, 16, 6, 6), (16, 16, 3, 3)
RESIDUAL = {  # what comes between the branches: (steps, names that are left)
    "in place": (
        [
            ("relu", (0,), MAP, {}),
            ("conv2d", (2, 1), MAP, SAME),
            ("conv2d", (3, 1), MAP, SAME),
            ("add", (4, 3), MAP, {}),
            ("relu", (5,), MAP, {}),
        ],
        ["relu", "conv2d", "conv2d"],
    ),
    "of two convolutions": (
        [
            ("conv2d", (0, 1), MAP, SAME),
            ("tanh", (0,), MAP, {}),
            ("conv2d", (3, 1), MAP, SAME),
            ("add", (2, 4), MAP, {}),
        ],
        ["conv2d", "tanh", "conv2d"],
    ),
    "with its own input": (
        [("relu", (0,), MAP, {}), ("conv2d", (2, 1), MAP, SAME), ("add", (3, 2), MAP, {})],
        ["relu", "conv2d"],
    ),
    "read later as well": (
        [
            ("tanh", (0,), MAP, {}),
            ("conv2d", (0, 1), MAP, SAME),
            ("add", (3, 2), MAP, {}),
            ("multiply", (4, 2), MAP, {}),
        ],
        ["tanh", "conv2d", "multiply"],
    ),
    "made after the convolution": (
        [
            ("conv2d", (0, 1), MAP, SAME),
            ("tanh", (0,), MAP, {}),
            ("add", (2, 3), MAP, {}),
            ("silu", (4,), MAP, {}),
        ],
        ["tanh", "conv2d"],
    ),
    "behind an activation": (
        [
            ("conv2d", (0, 1), MAP, SAME),
            ("relu", (2,), MAP, {}),
            ("add", (0, 3), MAP, {}),
            ("tanh", (4,), MAP, {}),
        ],
        ["conv2d"],
    ),
}


@pytest.mark.parametrize("name", RESIDUAL)
def test_a_sum_of_branches_is_added_by_the_convolution(name):
    steps, left = RESIDUAL[name]
    oplist = chained(*steps, inputs=(MAP, FILTERS))
    assert [op.name for op in passes.optimise(oplist).ops] == left
    given = [normal(1, *MAP), normal(2, *FILTERS) / 12]
    found, wanted, fused = both(oplist, given)
    close(found, wanted)
    np.testing.assert_array_equal(fused, wanted)
    again = [array.copy() for array in given]
    plan = engine.KernelPlan()  # timed: other kernels, the same sums
    close(engine.compile(oplist, {}, plan=plan).run(again)[0], wanted)
    np.testing.assert_array_equal(again[0], given[0])


def test_a_sum_behind_a_reshape_is_added_by_the_linear_layer():
    tall = (5, 3, 4)
    steps = [
        ("tanh", (0,), tall, {}),
        ("linear", (1, 2), RESULT, {}),
        ("reshape", (4,), tall, {"shape": tall}),
        ("add", (3, 5), tall, {}),
    ]
    oplist = chained(*steps, inputs=(tall, ROWS, WEIGHT))
    left = [op.name for op in passes.optimise(oplist).ops]
    assert left == ["tanh", "reshape", "linear", "reshape"]
    found, wanted, fused = both(oplist, [normal(1, *tall), rows, weight])
    close(found, wanted)
    np.testing.assert_array_equal(fused, wanted)


@pytest.mark.parametrize("mask", [(2, 1, 1, 6), (2, 3, 6, 6), (1, 1, 6, 1)])
def test_a_mask_is_added_by_the_product_of_heads(mask):
    heads = (2, 6, 3, 4)  # batch, time, heads, features: as linear layers give them
    scores = (2, 3, 6, 6)
    steps = [
        ("transpose", (0,), (2, 3, 6, 4), {"axes": (0, 2, 1, 3)}),
        ("transpose", (1,), (2, 3, 4, 6), {"axes": (0, 2, 3, 1)}),
        ("matmul", (3, 4), scores, {}),
        ("add", (5, 2), scores, {}),
        ("softmax", (6,), scores, {"axis": 3}),
        ("matmul", (7, 3), (2, 3, 6, 4), {}),
        ("transpose", (8,), heads, {"axes": (0, 2, 1, 3)}),
    ]
    oplist = chained(*steps, inputs=(heads, heads, mask))
    assert "add" not in [op.name for op in passes.optimise(oplist).ops]
    given = [normal(1, *heads), normal(2, *heads), normal(3, *mask)]
    found, wanted, fused = both(oplist, given)
    close(found, wanted)
    np.testing.assert_array_equal(fused, wanted)


def test_what_is_computed_twice_is_computed_once():
    steps = [
        ("tanh", (0,), RESULT, {}),
        ("tanh", (0,), RESULT, {}),
        ("add", (2, 1), RESULT, {}),
        ("add", (3, 4), RESULT, {}),
    ]
    oplist = chained(*steps, inputs=(RESULT, RESULT))
    oplist.outputs.append(("again", 4))
    assert [op.name for op in passes.optimise(oplist).ops] == ["tanh", "add", "add"]
    x, other = normal(1, *RESULT), normal(2, *RESULT)
    found = engine.compile(oplist, {}, plan=engine.KernelPlan(frozen=True)).run([x, other])
    np.testing.assert_allclose(found[0], 2 * np.tanh(x) + other, rtol=0, atol=1e-6)
    np.testing.assert_allclose(found[1], np.tanh(x) + other, rtol=0, atol=1e-6)


def test_random_numbers_are_drawn_as_often_as_before():
    oplist = chained(
        ("dropout", (0,), RESULT, {"p": 0.5, "path": "a"}),
        ("dropout", (0,), RESULT, {"p": 0.5, "path": "a"}),
        ("add", (1, 2), RESULT, {}),
        inputs=(RESULT,),
    )
    assert [op.name for op in passes.optimise(oplist).ops].count("dropout") == 2


def test_a_product_of_constants_that_adds_to_an_input_is_done_in_each_run():
    steps = [
        ("tanh", (0,), RESULT, {}),
        ("linear", (1, 2), RESULT, {}),
        ("add", (3, 4), RESULT, {}),
    ]
    oplist = chained(*steps, inputs=(RESULT, ROWS, WEIGHT))
    del oplist.inputs[1:]
    oplist.constants += [(rows, 1), (weight, 2)]
    program = engine.compile(oplist, {}, plan=engine.KernelPlan(frozen=True))
    for seed in (1, 2):
        x = normal(seed, *RESULT)
        close(program.run([x])[0], np.tanh(x) + rows @ weight.T)


@pytest.mark.parametrize("axis", [1, 2])
@pytest.mark.parametrize("channels", [(16, 32, 16), (3, 5, 7)])
def test_maps_are_joined_in_the_layout_of_the_kernels(axis, channels):
    shapes = [(2, c, 6, 6) for c in channels] if axis == 1 else [(2, 16, k, 6) for k in channels]
    steps = [("tanh", (k,), shape, {}) for k, shape in enumerate(shapes)]
    total = (2, sum(channels), 6, 6) if axis == 1 else (2, 16, sum(channels), 6)
    steps.append(("concat", (4, 5, 6), total, {"axis": axis}))
    filters = (16, total[1], 3, 3)
    result = (2, 16, *total[2:])
    steps.append(("conv2d", (7, 3), result, SAME))
    oplist = chained(*steps, inputs=(*shapes, filters))
    given = [normal(k, *shape) for k, shape in enumerate((*shapes, filters))]
    found, wanted, _ = both(oplist, given)
    close(found, wanted)


def test_what_is_not_named_stays_an_operation_of_its_own():
    oplist = two(Op("linear", (0, 1), (2,)), Op("exp", (2,), (3,)), CHAIN)
    assert [op.name for op in passes.optimise(oplist).ops] == ["linear", "exp"]


JOINED = {  # (steps behind the three convolutions, whether the copy goes; None: either way)
    "alone": ([("concat", (5, 6, 7), 1)], True),
    "read by others as well": ([("concat", (5, 6, 7), 1), ("tanh", (6,), 0)], None),
    "one part twice": ([("concat", (5, 6, 6), 1)], False),
    "in two wholes": ([("concat", (5, 6), 1), ("concat", (6, 7), 1)], None),
    "one in another": ([("concat", (5, 6), 1), ("concat", (8, 7), 1)], True),
    "an input": ([("concat", (0, 6), 1)], True),
}


@pytest.mark.parametrize("name", JOINED)
@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("policy", ["nhwc", "blocked"])
def test_parts_of_a_joined_map_are_written_in_place(name, batch, policy):
    behind, goes = JOINED[name]
    width = {0: 16, 5: 16, 6: 32, 7: 16}
    shapes = [(batch, 16, 5, 7), (16, 16, 3, 3), (32, 16, 3, 3), (16, 16, 1, 1), (16, 1, 1, 1)]
    steps = [
        ("conv2d", (0, 1), (batch, 16, 5, 7), SAME),
        ("conv2d", (0, 2), (batch, 32, 5, 7), SAME),
        ("conv2d", (0, 3), (batch, 16, 5, 7), CONV),
    ]
    for operation, read, axis in behind:
        result = 5 + len(steps)
        width[result] = sum(width[value] for value in read)
        attrs = {"axis": axis} if operation == "concat" else {}
        steps.append((operation, read, (batch, width[result], 5, 7), attrs))
    oplist = chained(*steps, inputs=shapes)
    del oplist.inputs[1:]
    given = [normal(k, *shape) for k, shape in enumerate(shapes)]
    oplist.constants = [(array, k) for k, array in enumerate(given) if k]
    # Read by kernels, which leave no copy of the whole in another layout.
    inner = {value for _, read, *_ in steps for value in read}
    ends = [5 + k for k in range(3, len(steps)) if 5 + k not in inner]
    oplist.outputs = []
    for value in ends:
        spec = oplist.values[value]
        for function in ("relu", "tanh"):
            made = oplist.new_value(spec)
            oplist.ops.append(Op(function, (value,), (made,)))
            oplist.outputs.append((f"{function} {value}", made))
    better = passes.optimise(oplist)
    blueprint = Builder(better, 1, engine.KernelPlan(frozen=True), policy).build()
    program = NativeExecutable(blueprint, {})
    found = [array.copy() for array in program.run(given[:1])]
    with engine.use_reference():
        wanted = engine.compile(oplist, {}).run(given[:1])
    for actual, expected in zip(found, wanted, strict=True):
        close(actual, expected)
    copies = [step.name for step in program.steps].count("concat")
    blocked = any("16b" in step.layouts for step in program.steps if step.name == "conv2d")
    if goes is not None:
        joins = sum(operation == "concat" for operation, *_ in behind)
        assert copies == (0 if goes and batch == 1 and blocked else joins)


@pytest.mark.parametrize("shape", [(3, 2, 4, 1), (3, 1, 4, 2), (1, 4, 1, 3), (1, 1, 1, 1)])
@pytest.mark.parametrize("axes", [(0, 1, 3, 2), (0, 2, 1, 3), (0, 3, 2, 1)])
def test_stacks_with_axes_of_one_element_are_multiplied_behind_a_transpose(shape, axes):
    turned = tuple(shape[k] for k in axes)
    other = (*turned[:2], turned[3], 5)
    result = (*turned[:3], 5)
    steps = [
        ("transpose", (0,), turned, {"axes": axes}),
        ("matmul", (2, 1), result, {}),
        ("transpose", (3,), tuple(result[k] for k in axes), {"axes": axes}),
    ]
    found, wanted, _ = both(
        chained(*steps, inputs=(shape, other)), [normal(1, *shape), normal(2, *other)]
    )
    close(found, wanted)


@pytest.mark.parametrize("axes", [2, 3])
@pytest.mark.parametrize("added", ["residual", "residual read later", "nothing"])
def test_a_convolution_of_single_places_is_a_product_with_bias_and_what_follows(axes, added):
    sizes = (3, 4, 2)[:axes]
    window = {"stride": (1,) * axes, "padding": ((0, 0),) * axes, "dilation": (1,) * axes}
    x, w, b, y = (2, 5, *sizes), (7, 5, *(1,) * axes), (7,), (2, 7, *sizes)
    steps = [("tanh", (3,), y, {})]  # 3: the residual, in memory that may be written over
    steps.append((f"conv{axes}d", (0, 1, 2), y, {**window, "groups": 1}))
    if added != "nothing":
        steps.append(("add", (5, 4), y, {}))
    steps.append(("relu", (3 + len(steps),), y, {}))
    if added == "residual read later":
        steps.append(("maximum", (3 + len(steps), 4), y, {}))
    oplist = chained(*steps, inputs=(x, w, b, y))
    given = [normal(k, *shape) for k, shape in enumerate((x, w, b, y))]

    better = passes.optimise(oplist)
    blueprint = Builder(better, 1, engine.KernelPlan(frozen=True), "product").build()
    program = NativeExecutable(blueprint, {})
    (found,) = program.run(given)
    with engine.use_reference():
        (wanted,) = engine.compile(oplist, {}).run(given)

    close(found, wanted)
    layouts = {step.name: step.layouts for step in program.steps}
    assert "weights:2x5x" in layouts[f"conv{axes}d"]  # the map is the second factor
    assert "relu" not in layouts
    assert "reorder" not in layouts
