"""NaN and infinity come out of native kernels where NumPy's kernels hand them on."""

from __future__ import annotations

import platform
import zlib
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from oplists import lenet, residual

from sandbox.lib import engine
from sandbox.lib.engine import Op, OpList, Spec
from sandbox.lib.engine.executable import NativeExecutable
from sandbox.lib.engine.ops import OPERATIONS, find
from sandbox.lib.engine.ops.functions import ROUNDING, SMOOTH, TESTS

pytestmark = pytest.mark.usefixtures("native")

Array = NDArray[Any]

# No padding: the reference multiplies its zeros by the weights, and 0 times NaN is NaN; native
# kernels leave what they know to be 0 out.
CONV = {"stride": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1), "groups": 1}
PADDED = {**CONV, "padding": ((1, 1), (1, 1))}
CONV3 = {"stride": (1,) * 3, "padding": ((0, 0),) * 3, "dilation": (1,) * 3, "groups": 1}
CUBE = (2, 16, 4, 4, 4)
POOL = {"kernel": (2, 2), "stride": (2, 2), "padding": ((0, 0), (0, 0))}
OVERLAPPING = {"kernel": (3, 3), "stride": (2, 2), "padding": ((1, 1), (1, 1))}
MAP, INNER, SMALL, TEXT = (4, 16, 8, 8), (4, 16, 6, 6), (4, 16, 4, 4), (4, 12, 1, 24)
VOLUME, SMALL3 = (2, 16, 4, 4, 6), (2, 16, 2, 2, 3)
GAPS = {"kernel": (2, 2), "stride": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (2, 2)}
POOL3 = {"kernel": (2, 2, 2), "stride": (2, 2, 2), "padding": ((0, 0),) * 3}
GRID = {"mode": "linear", "coordinates": "half_pixel", "rounding": "floor", "scales": None}
LARGE = (4, 16, 24, 24)  # too large for NumPy's kernels to be chosen instead
EPSILON = {"epsilon": 1e-5}
GROUPS = {"groups": 8, **EPSILON}
LENGTH = {"axis": 1, "epsilon": 1e-10}
NEAR = {"size": 3, "alpha": 0.1, "beta": 0.75, "k": 1.0, "axes": (1,)}
WHOLE = {**CONV, "padding": ((0, 0), (1, 1))}
OVER = {**WHOLE, "map_shape": (4, 16, 1, 24)}
RELU = (("relu", 0.0, 0.0),)
I64, U8 = "int64", "uint8"


def spec(shape: Any) -> Spec:
    return shape if isinstance(shape, Spec) else Spec(tuple(shape))


# name of the case: operation, inputs (a shape, or a Spec of integers), attributes
Case = tuple[str, list[Any], dict[str, Any]]
CASES: dict[str, Case] = {
    "conv2d": ("conv2d", [MAP, (16, 16, 3, 3), (16,)], CONV),
    "conv2d of padded": ("conv2d", [MAP, (16, 16, 3, 3)], PADDED),
    "conv2d with relu": ("conv2d", [MAP, (16, 16, 3, 3)], {**CONV, "post_ops": RELU}),
    "conv2d_grad_input": (
        "conv2d_grad_input",
        [INNER, (16, 16, 3, 3)],
        {**CONV, "input_shape": MAP},
    ),
    "conv2d_grad_weight": (
        "conv2d_grad_weight",
        [MAP, INNER],
        {**CONV, "weight_shape": (16, 16, 3, 3), "with_bias": True},
    ),
    "conv3d": ("conv3d", [CUBE, (16, 16, 2, 2, 2), (16,)], CONV3),
    "conv3d of each channel": ("conv3d", [CUBE, (16, 1, 2, 2, 2)], {**CONV3, "groups": 16}),
    "conv3d_grad_input": (
        "conv3d_grad_input",
        [(2, 16, 3, 3, 3), (16, 16, 2, 2, 2)],
        {**CONV3, "input_shape": CUBE},
    ),
    "conv3d_grad_weight": (
        "conv3d_grad_weight",
        [CUBE, (2, 16, 3, 3, 3)],
        {**CONV3, "weight_shape": (16, 16, 2, 2, 2), "with_bias": True},
    ),
    "unfold": (
        "unfold",
        [MAP],
        {"kernel": (2, 2), **{key: CONV[key] for key in ("stride", "padding", "dilation")}},
    ),
    "conv2d_peak_grad_input": (
        "conv2d_peak_grad_input",
        [(4, 16, 1, 1), Spec((4, 16, 1, 1), I64), (16, 12, 1, 3)],
        {**OVER, "input_shape": TEXT},
    ),
    "conv2d_peak_grad_weight": (
        "conv2d_peak_grad_weight",
        [TEXT, (4, 16, 1, 1), Spec((4, 16, 1, 1), I64)],
        {**OVER, "weight_shape": (16, 12, 1, 3), "with_bias": True},
    ),
    "linear": ("linear", [(5, 7), (3, 7), (3,)], {}),
    "linear with relu": ("linear", [(5, 7), (3, 7)], {"post_ops": RELU}),
    "linear_grad_input": ("linear_grad_input", [(5, 3), (3, 7)], {}),
    "linear_grad_weight": ("linear_grad_weight", [(5, 7), (5, 3)], {"with_bias": True}),
    "matmul": ("matmul", [(5, 7), (7, 3)], {}),
    "softmax": ("softmax", [(300, 40)], {"axis": 1}),
    "softmax_grad": ("softmax_grad", [(300, 40), (300, 40)], {"axis": 1}),
    "softmax of columns": ("softmax", [(30, 40, 20)], {"axis": 1}),
    "softmax_cross_entropy": ("softmax_cross_entropy", [(5, 3), Spec((5,), I64)], {}),
    "softmax_cross_entropy of many": (
        "softmax_cross_entropy",
        [(4096, 10), Spec((4096,), I64)],
        {},
    ),
    "softmax_cross_entropy_grad": (
        "softmax_cross_entropy_grad",
        [(), (5, 3), Spec((5,), I64)],
        {},
    ),
    "batch_norm": ("batch_norm", [MAP, (16,), (16,)], EPSILON),
    "batch_norm_inference": ("batch_norm_inference", [MAP, *[(16,)] * 4], EPSILON),
    "batch_norm_inference with relu": (
        "batch_norm_inference",
        [MAP, *[(16,)] * 4],
        {**EPSILON, "post_ops": RELU},
    ),
    "batch_norm_grad": ("batch_norm_grad", [MAP, MAP, *[(16,)] * 3], EPSILON),
    "layer_norm": ("layer_norm", [(8, 32), (32,), (32,)], {**EPSILON, "axes_from": 1}),
    "layer_norm_grad": (
        "layer_norm_grad",
        [(8, 32), (8, 32), (32,), (8,), (8,)],
        {**EPSILON, "axes_from": 1},
    ),
    "group_norm": ("group_norm", [MAP, (16,), (16,)], GROUPS),
    "group_norm_grad": (
        "group_norm_grad",
        [MAP, MAP, (16,), (4, 8), Spec((4, 8))],
        GROUPS,
    ),
    "rms_norm": ("rms_norm", [(8, 32), (32,)], EPSILON),
    "rms_norm_grad": ("rms_norm_grad", [(8, 32), (8, 32), (32,), (8,)], EPSILON),
    "normalize": ("normalize", [MAP], LENGTH),
    "normalize_grad": ("normalize_grad", [MAP, MAP, (4, 1, 8, 8)], LENGTH),
    "local_response_norm": ("local_response_norm", [MAP], NEAR),
    "local_response_norm_grad": ("local_response_norm_grad", [MAP, MAP, MAP], NEAR),
    "prelu": ("prelu", [MAP, (1, 16, 1, 1)], {}),
    "prelu_grad": ("prelu_grad", [MAP, MAP, (1, 16, 1, 1)], {}),
    "glu": ("glu", [MAP], {"axis": 1}),
    "glu_grad": ("glu_grad", [(4, 8, 8, 8), MAP], {"axis": 1}),
    "softmax_grad of columns": ("softmax_grad", [(30, 40, 20)] * 2, {"axis": 1}),
    "log_softmax": ("log_softmax", [(300, 40)], {"axis": 1}),
    "log_softmax_grad": ("log_softmax_grad", [(300, 40), (300, 40)], {"axis": 1}),
    "log_softmax of columns": ("log_softmax", [(30, 40, 20)], {"axis": 1}),
    "log_softmax_grad of columns": ("log_softmax_grad", [(30, 40, 20)] * 2, {"axis": 1}),
    "threshold to 0": ("threshold", [MAP], {"at": -0.3, "value": 0.0}),
    "threshold upwards": ("threshold", [MAP], {"at": 0.1, "value": 3.0}),
    "scale_gradient": ("scale_gradient", [MAP], {"factor": -1.0}),
    "penalize": ("penalize", [MAP], {"l1": 0.1, "l2": 0.0, "entropy": 0.0}),
    "embedding": ("embedding", [Spec((4, 6), I64), (4, 5)], {"padding_index": None}),
    "embedding_grad": (
        "embedding_grad",
        [(4, 6, 5), Spec((4, 6), I64)],
        {"num_embeddings": 4, "padding_index": None},
    ),
    "embedding_bag": ("embedding_bag", [Spec((4, 6), I64), (4, 6), (4, 5)], {}),
    "embedding_bag_grad_weight": (
        "embedding_bag_grad_weight",
        [Spec((4, 6), I64), (4, 6), (4, 5)],
        {"num_embeddings": 4},
    ),
    "mask_sequence": ("mask_sequence", [(4, 6, 5), Spec((4,), I64)], {"value": 0.0}),
    "reshape": ("reshape", [MAP], {"shape": (4, 1024)}),
    "transpose": ("transpose", [MAP], {"axes": (0, 2, 3, 1)}),
    "broadcast_to": ("broadcast_to", [(3, 1)], {"shape": (2, 3, 4)}),
    "concat": ("concat", [(2, 3), (2, 4)], {"axis": 1}),
    "slice": ("slice", [(5, 6)], {"starts": (1, 0), "stops": (4, 6)}),
    "slice_grad": (
        "slice_grad",
        [(3, 6)],
        {"starts": (1, 0), "stops": (4, 6), "input_shape": (5, 6)},
    ),
    "flip": ("flip", [(5, 6)], {"axes": (1,)}),
    "pad": ("pad", [(5, 6)], {"widths": ((1, 0), (0, 2)), "mode": "constant", "value": 0.5}),
    "pad_grad": (
        "pad_grad",
        [(6, 9)],
        {"widths": ((1, 0), (1, 2)), "mode": "reflect", "input_shape": (5, 6)},
    ),
    "pad reflecting": (
        "pad",
        [(5, 6)],
        {"widths": ((1, 0), (3, 2)), "mode": "reflect", "value": 0.0},
    ),
    "split": ("split", [(5, 6)], {"sizes": (2, 4), "axis": 1}),
    "take": ("take", [(5, 6), Spec((4,), I64)], {"axis": 1}),
    "take_grad": (
        "take_grad",
        [(5, 4), Spec((4,), I64)],
        {"axis": 1, "input_shape": (5, 6)},
    ),
    "gather": ("gather", [(5, 6), Spec((5, 3), I64)], {"axis": 1}),
    "stack": ("stack", [(5, 6), (5, 6)], {"axis": 1}),
    "min": ("min", [(5, 6)], {"axes": (1,), "keepdims": False}),
    "prod": ("prod", [(5, 6)], {"axes": (0,), "keepdims": True}),
    "arg_max": ("arg_max", [(5, 6)], {"axis": 1}),
    "arg_min": ("arg_min", [(5, 6)], {"axis": 0}),
    "cum_sum": ("cum_sum", [(5, 6)], {"axis": 1}),
    "cum_prod": ("cum_prod", [(5, 6)], {"axis": 0}),
    "stop_gradient": ("stop_gradient", [MAP], {}),
    "max_with_index of steps": ("max_with_index", [(4, 9, 16)], {"axis": 1}),
    "max_with_index": ("max_with_index", [(4, 16, 1, 24)], {"axis": 3}),
    "max_with_index_grad": (
        "max_with_index_grad",
        [(4, 16), Spec((4, 16), I64)],
        {"axis": 1, "input_shape": (4, 9, 16)},
    ),
    "max_pool2d": ("max_pool2d", [MAP], POOL),
    "max_pool2d of one channel": ("max_pool2d", [(4, 1, 8, 8)], POOL),
    "max_pool2d overlapping": ("max_pool2d", [(2, 5, 9, 9)], OVERLAPPING),
    "max_pool2d_grad": (
        "max_pool2d_grad",
        [SMALL, Spec(SMALL, U8)],
        {**POOL, "input_shape": MAP},
    ),
    "avg_pool2d": ("avg_pool2d", [MAP], {**POOL, "include_padding": True}),
    "avg_pool2d_grad": (
        "avg_pool2d_grad",
        [SMALL],
        {**POOL, "include_padding": True, "input_shape": MAP},
    ),
    "adaptive_max_grad": (
        "adaptive_max_grad",
        [SMALL, Spec(SMALL, I64)],
        {"input_shape": MAP},
    ),
    "max_pool2d with gaps": ("max_pool2d", [MAP], GAPS),
    "max_pool2d_grad with gaps": (
        "max_pool2d_grad",
        [INNER, Spec(INNER, U8)],
        {**GAPS, "input_shape": MAP},
    ),
    "max_pool3d of one channel": ("max_pool3d", [(2, 1, *VOLUME[2:])], POOL3),
    "max_pool3d": ("max_pool3d", [VOLUME], POOL3),
    "max_pool3d_grad": (
        "max_pool3d_grad",
        [SMALL3, Spec(SMALL3, U8)],
        {**POOL3, "input_shape": VOLUME},
    ),
    "avg_pool3d": ("avg_pool3d", [VOLUME], {**POOL3, "include_padding": True}),
    "avg_pool3d_grad": (
        "avg_pool3d_grad",
        [SMALL3],
        {**POOL3, "include_padding": True, "input_shape": VOLUME},
    ),
    "resize": ("resize", [MAP], {"size": (16, 13), **GRID}),
    "resize to nearest": ("resize", [MAP], {"size": (16, 24), **GRID, "mode": "nearest"}),
    "sum_copies": ("sum_copies", [MAP], {"factors": (2, 4)}),
    "dropout": ("dropout", [(40, 50)], {"p": 0.5, "path": "drop"}),
    "sum_of_products": (
        "sum_of_products",
        [(4, 16), (4, 16)],
        {"axes": (1,), "keepdims": True},
    ),
    "sum": ("sum", [MAP], {"axes": (0, 2), "keepdims": False}),
    "mean": ("mean", [MAP], {"axes": (1,), "keepdims": True}),
    "sum_to": ("sum_to", [MAP], {"shape": (16, 1, 1)}),
    "scale_add": ("scale_add", [(5,), (5,)], {"alpha": 0.9, "beta": 0.1}),
}
SLOPES: dict[str, dict[str, Any]] = {
    "leaky_relu": {"slope": 0.1},
    "elu": {"alpha": 0.7},
    "gelu": {"approximate": False},
    "hard_sigmoid": {"slope": 0.2, "offset": 0.5},
    "hard_swish": {"slope": 0.2, "offset": 0.5},
    "clip": {"low": -1.0, "high": 2.0},
    "threshold": {"at": 0.1, "value": -1.0},
}
PLAIN = ("softsign", "tanh_shrink")
for _name in (*PLAIN, "relu", "tanh", "sigmoid", "silu", "mish", "softplus", *SLOPES):
    CASES[_name] = (_name, [MAP], SLOPES.get(_name, {}))
    CASES[f"{_name}_grad"] = (f"{_name}_grad", [MAP, MAP], SLOPES.get(_name, {}))
for _name in ("hard_shrink", "soft_shrink"):
    CASES[_name] = (_name, [MAP], {"threshold": 0.5})
CASES["shrink_grad"] = ("shrink_grad", [MAP, MAP], {"threshold": 0.5})
CASES["gelu by tanh"] = ("gelu", [MAP], {"approximate": True})
CASES["gelu_grad by tanh"] = ("gelu_grad", [MAP, MAP], {"approximate": True})
for _name in ("add", "subtract", "multiply", "divide", "maximum", "minimum"):
    CASES[_name] = (_name, [LARGE, LARGE], {})
    CASES[f"{_name} of few"] = (_name, [(3, 4), (4,)], {})
CASES["add with relu"] = ("add", [LARGE, LARGE], {"post_ops": RELU})
for _name in ("exp", "log", "sqrt", "square", "abs", "negative", "sign"):
    CASES[_name] = (_name, [(5, 7)], {})
for _name in ("equal", "not_equal", "greater", "greater_equal", "less", "less_equal"):
    CASES[_name] = (_name, [MAP, MAP], {})
CASES["where"] = ("where", [Spec(MAP, "bool"), MAP, MAP], {})
CASES["cast"] = ("cast", [MAP], {"dtype": "bool"})
for _name, _gates, _biases, _attrs in (
    ("lstm", 4, 4, {}),
    ("gru", 3, 4, {}),
    ("rnn", 1, 1, {"activation": "relu"}),
):
    _inputs: list[Any] = [(3, 5, 8), (16 * _gates, 8), (16 * _gates, 16), (16 * _biases,)]
    CASES[_name] = (_name, _inputs, {**_attrs, "reverse": False})
CASES["lstm with everything"] = (
    "lstm",
    [(3, 5, 8), (64, 8), (64, 4), (64,), (3, 4), (3, 16), (48,), (4, 16)],
    {"reverse": False, "optional": ("h", "c", "peephole", "projection")},
)
CASES["gru, reset before"] = (
    "gru",
    [(3, 5, 8), (48, 8), (48, 16), (48,), (3, 16)],
    {"reverse": False, "reset_after": False, "optional": ("h",)},
)
CASES["rnn with tanh"] = ("rnn", _inputs, {"activation": "tanh", "reverse": True})

for _name in (*SMOOTH, *TESTS, *ROUNDING, "erf"):
    CASES[_name] = (_name, [(3, 4)], {})

# Gradients that need what their forward kernel left: the list is made of both.
AFTER = {"lstm_grad", "gru_grad", "rnn_grad"}
OF_BOOLEANS = {"logical_and", "logical_or", "logical_xor", "logical_not", "any", "all"}
OF_BYTES = {name for name in OPERATIONS if name.endswith("_int8")}  # no NaN; see test_int8.py
OF_INTEGERS = {"sequence_lengths"}
OF_LISTS = {"scan", "cond", "while_loop"}  # made of the others
# Inputs that others are multiplied with which are known to be 0: in padding, behind a maximum.
LEFT_OUT = {"conv2d of padded": {1}, "conv2d_peak_grad_input": {2}, "conv2d_peak_grad_weight": {0}}
SPECIAL = {"nan": (np.nan,), "infinite": (np.inf, -np.inf)}


def arrays_of(case: Case, values: tuple[float, ...], place: int) -> list[Array]:
    """Return made-up inputs, some elements of one of them replaced."""
    name, shapes, _ = case
    random = np.random.Generator(np.random.PCG64(zlib.crc32(f"{name}{shapes}".encode())))
    arrays: list[Array] = []
    for shape in map(spec, shapes):
        if shape.dtype == "float32":
            array = np.asarray(random.standard_normal(shape.shape, np.float32))
        else:
            array = random.integers(1, 3, shape.shape).astype(shape.dtype)
        arrays.append(array)
    if name.startswith(
        ("batch_norm_inference", "batch_norm_grad", "layer_norm_grad", "group_norm_grad")
    ):
        arrays[-1] = np.abs(arrays[-1]) + 1
    flat = arrays[place].reshape(-1)
    for value in values:
        flat[random.integers(0, flat.size, max(1, flat.size // 200))] = value
    return arrays


def list_of(case: Case) -> OpList:
    name, shapes, attrs = case
    inputs = [spec(shape) for shape in shapes]
    plain = {key: value for key, value in attrs.items() if key != "post_ops"}
    results = list(find(name).infer(*inputs, **plain))
    ids = tuple(range(len(inputs))), tuple(range(len(inputs), len(inputs) + len(results)))
    handed = [i for i in ids[1] if name not in ("lstm", "gru", "rnn") or i != ids[1][-1]]
    return OpList(
        values=[*inputs, *results],
        ops=[Op(name, *ids, attrs, "here")],
        inputs=[(f"input{i}", i) for i in ids[0]],
        outputs=[(f"output{i}", i) for i in handed],
    )


def check_same(expected: list[Array], found: list[Array], way: str) -> None:
    for wanted, got in zip(expected, found, strict=True):
        if wanted.dtype == bool:
            assert np.array_equal(wanted, got), way
            continue
        assert np.array_equal(np.isnan(wanted), np.isnan(got)), f"{way}: other NaN"
        infinite = np.isinf(wanted)
        assert np.array_equal(infinite, np.isinf(got)), f"{way}: other infinities"
        assert np.array_equal(wanted[infinite], got[infinite]), f"{way}: other signs"
        finite = np.isfinite(wanted)
        scale = max(1e-3, float(np.abs(wanted[finite]).max(initial=0)))
        # float32 sums in another order than NumPy's
        assert np.abs(wanted[finite] - got[finite]).max(initial=0) / scale <= 1e-4, way


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("values", SPECIAL)
@pytest.mark.parametrize("name", CASES)
def test_every_lowering_hands_nan_and_infinity_on_like_its_reference(name, values, count):
    case = CASES[name]
    oplist = list_of(case)
    key = engine.RandomKey(0)
    for place, shape in enumerate(case[1]):
        if spec(shape).dtype != "float32" or place in LEFT_OUT.get(name, ()):
            continue
        arrays = arrays_of(case, SPECIAL[values], place)
        with engine.use_reference():
            expected = engine.compile(oplist, {}).run(arrays, random=key)
        engine.threads.set_threads(count)
        program = engine.compile(oplist, {}, threads=count, plan=engine.KernelPlan(frozen=True))
        found = program.run(arrays, random=key)
        check_same(expected, found, f"program, input {place}")
        if "post_ops" not in case[2]:
            alone = engine.execute(case[0], arrays, case[2], random=key)
            check_same(expected, list(alone[: len(expected)]), f"alone, input {place}")


def test_no_lowering_is_left_out():
    with_lowering = {name for name, record in OPERATIONS.items() if record.lower is not None}
    others = AFTER | OF_BOOLEANS | OF_INTEGERS | OF_LISTS | (OF_BYTES & with_lowering)
    assert with_lowering - {case[0] for case in CASES.values()} == others


@pytest.mark.parametrize("name", CASES)
def test_no_kernel_raises_the_flag_on_ordinary_numbers(name, monkeypatch):
    if platform.machine() != "x86_64":
        pytest.skip("the flag is read on x86-64 alone")
    case = CASES[name]
    arrays = arrays_of(case, (), 0)
    noticed = []
    keep = NativeExecutable._keep_nan
    monkeypatch.setattr(
        NativeExecutable, "_keep_nan", lambda *given: noticed.append(name) or keep(*given)
    )
    program = engine.compile(list_of(case), {}, threads=1, plan=engine.KernelPlan(frozen=True))
    program.run(arrays, random=engine.RandomKey(0))
    assert not noticed


def run(oplist: OpList, storage: Any, inputs: list[Array], count: int = 1) -> list[Array]:
    """Run a program once, as a copy of what it writes says nothing about the run before."""
    program = engine.compile(oplist, storage, threads=count, plan=engine.KernelPlan(frozen=True))
    with np.errstate(all="ignore"):
        return [np.array(y) for y in program.run(inputs, random=engine.RandomKey(1, 2, 3))]


def digits(n: int) -> list[Array]:
    random = np.random.Generator(np.random.PCG64(3))
    images = random.standard_normal((n, 1, 28, 28), np.float32)
    return [images, random.integers(0, 10, n)]


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("where", ["conv1.weight", "conv1.bias", "fc1.weight", "fc2.bias"])
def test_one_nan_among_the_weights_makes_the_loss_nan(where, count):
    engine.threads.set_threads(count)
    oplist, storage = lenet(8)
    storage[f"parameter:{where}"].reshape(-1)[0] = np.nan
    output, loss = run(oplist, storage, digits(8), count)
    assert np.isnan(loss)
    assert np.isnan(output).all()
    assert np.isnan(storage["gradient:conv1.weight"]).any()


@pytest.mark.parametrize("count", [1, 2])
def test_nan_in_one_image_spoils_the_scores_of_this_image_alone(count):
    engine.threads.set_threads(count)
    oplist, storage = lenet(8, training=False)
    images = digits(8)[0]
    images[3, 0, 5, 5] = np.nan
    program = engine.compile(oplist, storage, threads=count, plan=engine.KernelPlan(frozen=True))
    spoilt = np.isnan(np.array(program.run([images])[0])).any(axis=1)
    assert spoilt.tolist() == [k == 3 for k in range(8)]
    images[3, 0, 5, 5] = 0
    assert np.isfinite(program.run([images])[0]).all()


@pytest.mark.parametrize("count", [1, 2])
def test_weights_that_become_nan_and_numbers_again_are_noticed(count):
    engine.threads.set_threads(count)
    oplist, storage = lenet(4, training=False)
    images = digits(4)[:1]
    program = engine.compile(oplist, storage, threads=count, plan=engine.KernelPlan(frozen=True))
    before = np.array(program.run(images)[0])
    weight = storage["parameter:conv2.weight"]
    kept = weight.copy()
    for _ in range(2):
        weight[...] = np.nan
        program.refresh_parameters()
        assert np.isnan(program.run(images)[0]).all()
        weight[...] = kept
        program.refresh_parameters()
        assert np.array_equal(program.run(images)[0], before)


def test_a_run_done_again_updates_buffers_once_and_draws_the_same_mask():
    inputs = digits(4)
    random = np.random.Generator(np.random.PCG64(0))
    images = random.standard_normal((4, 3, 12, 12), np.float32)
    images[0, 0, 0, 0] = np.nan
    given = [images, inputs[1]]
    results = []
    for reference in (True, False):
        oplist, storage = residual(4)
        if reference:
            with engine.use_reference():
                found = run(oplist, storage, given)
        else:
            found = run(oplist, storage, given)
        results.append([*found, *(storage[key] for key in sorted(storage))])
    check_same(results[0], results[1], "residual")


def test_a_constant_relu_keeps_nan():
    oplist = OpList(
        values=[Spec((3,)), Spec((3,)), Spec((3,)), Spec((3,))],
        ops=[Op("relu", (1,), (2,)), Op("add", (0, 2), (3,))],
        inputs=[("x", 0)],
        constants=[(np.array([np.nan, -1.0, 2.0], np.float32), 1)],
        outputs=[("y", 3)],
    )
    (y,) = engine.compile(oplist, {}, plan=engine.KernelPlan(frozen=True)).run(
        [np.zeros(3, np.float32)]
    )
    np.testing.assert_array_equal(y, [np.nan, 0.0, 2.0])


@pytest.mark.parametrize("count", [1, 2])
def test_nan_made_within_a_program_reaches_its_end(count):
    engine.threads.set_threads(count)
    shape = (64, 1024)
    spec_ = Spec(shape)
    oplist = OpList(
        values=[spec_, spec_, spec_, spec_],
        ops=[Op("divide", (0, 1), (2,)), Op("relu", (2,), (3,))],
        inputs=[("a", 0), ("b", 1)],
        outputs=[("y", 3)],
    )
    a, b = np.ones(shape, np.float32), np.ones(shape, np.float32)
    for place in ((0, 0), (63, 1023)):
        a[...], b[...] = 1, 1
        a[place] = b[place] = 0
        (y,) = run(oplist, {}, [a, b], count)
        assert np.isnan(y[place])
        assert np.isnan(y).sum() == 1
