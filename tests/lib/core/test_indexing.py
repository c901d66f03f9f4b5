"""Slices, indices, order, frames: NumPy's results eagerly, by the reference and in programs."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sandbox.lib import core, engine, nn
from sandbox.lib.core import ArgumentError, DataError, ShapeError, Spec, ops

X = np.random.default_rng(0).normal(size=(4, 5, 6)).astype("float32")
N = np.arange(24).reshape(2, 3, 4)
IDS = np.array([[2, 0], [-1, 2]])


class Of(nn.Module):
    """A function as a module, to be traced."""

    def __init__(self, function):
        self.function = function

    def call(self, *xs):
        return self.function(*xs)


def everywhere(function, *arrays):
    """Run a function eagerly, by the reference and as a program; all must agree."""
    eager = core.tree.leaves(function(*map(core.Value, arrays)))
    with engine.use_reference():
        exact = core.tree.leaves(function(*map(core.Value, arrays)))
    specs = tuple(Spec.of(x) for x in arrays)
    program = core.predict_program(Of(function), None, specs if len(specs) > 1 else specs[0])
    assert program.reason is None
    given = arrays if len(arrays) > 1 else arrays[0]
    traced = core.tree.leaves(program.run(given))
    for a, b, c in zip(eager, exact, traced, strict=True):
        assert a.dtype == b.dtype == c.dtype
        np.testing.assert_allclose(a.data, b.data, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(a.data, c, rtol=1e-5, atol=1e-6)
    return [np.array(x) for x in traced]


SLICES = [
    np.s_[::-1],
    np.s_[1::2],
    np.s_[..., ::-2],
    np.s_[3:0:-1, None, 2],
    np.s_[:, 4:1:-2, ::3],
    np.s_[-3:-1, ..., 0],
    np.s_[5:2],
    np.s_[2:2:-1],
    np.s_[[2, 0, -1]],
    np.s_[:, [[0, 4], [1, 1]], ::2],
    np.s_[[0, 1], [2, -1]],
    np.s_[:, [0, 1], [[2], [3]]],
    np.s_[1, [0, 3]],
    np.s_[..., [5, 0], None],
]


@pytest.mark.parametrize("index", SLICES, ids=str)
def test_slices_are_those_of_numpy(index):
    (found,) = everywhere(lambda x: x[index], X)

    np.testing.assert_array_equal(X[index], found)


def test_an_index_may_be_a_value():
    (found,) = everywhere(lambda x, ids: x[:, ids], X, IDS)

    np.testing.assert_array_equal(X[:, IDS], found)


@pytest.mark.parametrize("index", [np.s_[0, :, [1]], np.s_[[0.5]], np.s_["a"], np.s_[True]])
def test_an_index_that_means_something_else_is_refused(index):
    with pytest.raises(ArgumentError, match="ind"):
        core.Value(X)[index]


PLAIN = {
    "take": (lambda x: ops.take(x, IDS, 1), X, lambda x: x.take(IDS, 1)),
    "gather": (
        lambda x: ops.gather(x, np.arange(20).reshape(4, 5, 1) % 6, 2),
        X,
        lambda x: np.take_along_axis(x, np.arange(20).reshape(4, 5, 1) % 6, 2),
    ),
    "gather_nd": (
        lambda x: ops.gather_nd(x, [[[0, 1], [3, -1]]]),
        X,
        lambda x: x[np.array([[0, 3]]), np.array([[1, -1]])],
    ),
    "flip": (lambda x: ops.flip(x, (0, 2)), X, lambda x: np.flip(x, (0, 2))),
    "roll": (lambda x: ops.roll(x, 2, 1), X, lambda x: np.roll(x, 2, 1)),
    "roll back": (lambda x: ops.roll(x, -8, 2), X, lambda x: np.roll(x, -8, 2)),
    "tile": (lambda x: ops.tile(x, (2, 1, 3)), X, lambda x: np.tile(x, (2, 1, 3))),
    "repeat": (lambda x: ops.repeat(x, 3, 1), X, lambda x: x.repeat(3, 1)),
    "stack": (lambda x: ops.stack([x, x + 1.0], 2), X, lambda x: np.stack([x, x + 1], 2)),
    "unstack": (lambda x: ops.unstack(x, 1)[3], X, lambda x: x[:, 3]),
    "split": (lambda x: ops.split(x, (1, 4), 1)[1], X, lambda x: x[:, 1:]),
    "triu": (lambda x: ops.triu(x, 1), X, lambda x: np.triu(x, 1)),
    "tril": (lambda x: ops.tril(x, -1), X, lambda x: np.tril(x, -1)),
    "expand_dims": (lambda x: ops.expand_dims(x, (1, -1)), X, lambda x: x[:, None, ..., None]),
    "squeeze": (lambda x: ops.squeeze(x[:, :1]), X, lambda x: x[:, 0]),
    "move_axis": (lambda x: ops.move_axis(x, 0, -1), X, lambda x: np.moveaxis(x, 0, -1)),
    "masked_fill": (lambda x: ops.masked_fill(x, x > 0, 7.0), X, lambda x: np.where(x > 0, 7, x)),
    "one_hot": (lambda x: ops.one_hot(x, 4), IDS, lambda x: np.eye(5, 4, dtype="f4")[x]),
    "sort": (lambda x: ops.sort(x, 1), X, lambda x: np.sort(x, 1)),
    "sort down": (lambda x: ops.sort(x, 0, descending=True), X, lambda x: -np.sort(-x, 0)),
    "arg_sort": (lambda x: ops.arg_sort(x), X, lambda x: np.argsort(x)),
    "arg_sort of equals, down": (
        lambda x: ops.arg_sort(x, descending=True),
        np.array([1, 3, 3, 0, 1]),
        lambda x: np.array([1, 2, 0, 4, 3]),
    ),
    "arg_max": (lambda x: ops.arg_max(x, 1), X, lambda x: x.argmax(1)),
    "arg_min": (
        lambda x: ops.arg_min(x, 0, keepdims=True),
        X,
        lambda x: x.argmin(0, keepdims=True),
    ),
    "top_k": (lambda x: ops.top_k(x, 2, 1)[0], X, lambda x: -np.sort(-x, 1)[:, :2]),
    "the smallest k": (
        lambda x: ops.top_k(x, 2, 0, largest=False)[1],
        X,
        lambda x: np.argsort(x, 0)[:2],
    ),
    "cum_sum": (lambda x: ops.cum_sum(x, 1), X, lambda x: x.cumsum(1)),
    "cum_sum of integers": (lambda x: ops.cum_sum(x, 0), N, lambda x: x.cumsum(0)),
    "cum_sum exclusive, reverse": (
        lambda x: ops.cum_sum(x, 1, exclusive=True, reverse=True),
        X,
        lambda x: x[:, ::-1].cumsum(1)[:, ::-1] - x,
    ),
    "cum_prod": (lambda x: ops.cum_prod(x), X, lambda x: x.cumprod(-1)),
    "min": (lambda x: ops.min(x, (0, 2)), X, lambda x: x.min((0, 2))),
    "prod": (lambda x: ops.prod(x, 1), X, lambda x: x.prod(1)),
    "any": (lambda x: ops.any(x > 1.0, 1), X, lambda x: (x > 1).any(1)),
    "all": (lambda x: ops.all(x > -1.0, 2), X, lambda x: (x > -1).all(2)),
    "count_nonzero": (
        lambda x: ops.count_nonzero(x, (0, 1)),
        N,
        lambda x: np.count_nonzero(x, (0, 1)),
    ),
    "norm": (lambda x: ops.norm(x, 2, 1), X, lambda x: np.linalg.norm(x, axis=1)),
    "norm of 3": (lambda x: ops.norm(x, 3, 2), X, lambda x: np.linalg.norm(x, 3, axis=2)),
    "norm of infinity": (
        lambda x: ops.norm(x, np.inf, 0),
        X,
        lambda x: np.linalg.norm(x, np.inf, axis=0),
    ),
    "logsumexp": (lambda x: ops.logsumexp(x, 1), X, lambda x: np.log(np.exp(x).sum(1))),
    "variance": (
        lambda x: ops.variance(x, (0, 1), correction=1),
        X,
        lambda x: x.var((0, 1), ddof=1),
    ),
    "std": (lambda x: ops.std(x, 2, keepdims=True), X, lambda x: x.std(2, keepdims=True)),
}
FUNCTIONS = {
    **{name: getattr(np, name) for name in ("sin", "cos", "tan", "sinh", "cosh", "expm1", "exp2")},
    "atan": np.arctan,
    "asinh": np.arcsinh,
    "floor": np.floor,
    "ceil": np.ceil,
    "round": np.rint,
    "trunc": np.trunc,
    "is_nan": np.isnan,
    "is_inf": np.isinf,
    "is_finite": np.isfinite,
}
PLAIN["erf"] = (ops.erf, 2 * X, np.vectorize(math.erf, otypes="f"))
WITHIN = {"asin": np.arcsin, "acos": np.arccos, "atanh": np.arctanh}
ABOVE_ONE = {"acosh": np.arccosh, "log2": np.log2, "log10": np.log10, "log1p": np.log1p}
for _name, _function in FUNCTIONS.items():
    PLAIN[_name] = (getattr(ops, _name), 3 * X, lambda x, f=_function: f(x))
for _name, _function in WITHIN.items():
    PLAIN[_name] = (getattr(ops, _name), np.tanh(X), lambda x, f=_function: f(x))
for _name, _function in ABOVE_ONE.items():
    PLAIN[_name] = (getattr(ops, _name), 1.1 + np.abs(X), lambda x, f=_function: f(x))
for _name in ("floor_divide", "remainder", "fmod"):
    _ours, _theirs = getattr(ops, _name), getattr(np, _name)
    PLAIN[_name] = (
        lambda x, f=_ours: f(x, 0.7),
        X,
        lambda x, f=_theirs: f(x, np.float32(0.7)),
    )
    PLAIN[f"{_name} of integers"] = (
        lambda x, f=_ours: f(x - 10, 3),
        N,
        lambda x, f=_theirs: f(x - 10, 3),
    )
for _name in ("bitwise_and", "bitwise_or", "bitwise_xor"):
    _ours, _theirs = getattr(ops, _name), getattr(np, _name)
    PLAIN[_name] = (lambda x, f=_ours: f(x, 6), N, lambda x, f=_theirs: f(x, 6))


def test_operators_are_those_of_numpy():
    wanted = (N // 5, N % 5, N & 6, N | 6, N ^ 6, ~N, 20 // (N + 1), 20 % (N + 1), X ** X.shape[0])

    found = everywhere(
        lambda n, x: (
            *(n // 5, n % 5, n & 6, n | 6, n ^ 6, ~n, 20 // (n + 1), 20 % (n + 1), x**4),
            abs(x) ** x,
        ),
        N,
        X,
    )

    for expected, actual in zip((*wanted, np.abs(X) ** X), found, strict=True):
        np.testing.assert_allclose(expected, actual, rtol=1e-5)
    mask = core.Value(N > 3)
    np.testing.assert_array_equal(~(N > 3) | (N > 5), (~mask | (N > 5)).data)


@pytest.mark.parametrize("largest", [True, False])
@pytest.mark.parametrize("special", [0.0, np.nan, np.inf])
def test_the_best_few_of_many_are_those_of_a_stable_order(largest, special):
    x = np.random.default_rng(2).integers(0, 9, (3, 50, 2)).astype("f4")
    x[:, 7] = special

    values, places = ops.top_k(x, 6, 1, largest=largest)

    wanted = ops.arg_sort(x, 1, descending=largest).data[:, :6]
    np.testing.assert_array_equal(wanted, places.data)
    np.testing.assert_array_equal(np.take_along_axis(x, wanted, 1), values.data)


@pytest.mark.parametrize("name", PLAIN)
def test_a_function_is_that_of_numpy(name):
    function, x, wanted = PLAIN[name]

    (found,) = everywhere(function, x)

    expected = wanted(x)
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(expected, found, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("mode", ["constant", "reflect", "edge", "circular"])
def test_a_frame_is_that_of_numpy(mode):
    widths = ((0, 0), (2, 1), (0, 3))
    named = {"circular": "wrap"}.get(mode, mode)

    (found,) = everywhere(lambda x: ops.pad(x, widths, mode), X)

    np.testing.assert_array_equal(np.pad(X, widths, named), found)


def test_a_frame_may_be_negative_and_of_any_dtype():
    (found,) = everywhere(lambda x: ops.pad(x, ((-1, 0), (0, -2), (1, 0)), value=9), N)

    np.testing.assert_array_equal(
        np.pad(N[1:, :1], ((0, 0), (0, 0), (1, 0)), constant_values=9), found
    )
    with pytest.raises(ShapeError, match="input axis 0 must be >= 4"):
        ops.pad(np.ones(3), [(3, 0)], "reflect")


@pytest.mark.parametrize("reduce", [None, "add", "multiply", "maximum", "minimum"])
def test_scatter_is_a_loop_over_the_updates(reduce):
    x, index = X[0], np.array([[0, 0, 3, 1, 2, 0], [-1, 2, 3, 1, 2, 0]])
    updates = X[1, :2]
    wanted = x.copy()
    join = {"add": np.add, "multiply": np.multiply, "maximum": np.maximum, "minimum": np.minimum}
    for i in range(2):
        for j in range(6):
            before = wanted[index[i, j], j]
            wanted[index[i, j], j] = (
                updates[i, j] if reduce is None else join[reduce](before, updates[i, j])
            )

    (found,) = everywhere(
        lambda x, u: ops.scatter(x, index, u, 0, reduce=reduce), x, np.ascontiguousarray(updates)
    )

    np.testing.assert_allclose(wanted, found, rtol=1e-6)


def test_scatter_nd_puts_rows():
    rows = X[0, :2]

    (found,) = everywhere(lambda x, u: ops.scatter_nd(x, [[3, 0], [0, -1]], u), X, rows)

    wanted = X.copy()
    wanted[3, 0], wanted[0, -1] = rows
    np.testing.assert_array_equal(wanted, found)


EQUATIONS = {
    "ij,jk->ik": ((2, 3), (3, 4)),
    "ij,jk": ((2, 3), (3, 4)),
    "bij,bjk->bik": ((5, 2, 3), (5, 3, 4)),
    "bhqd,bhkd->bhqk": ((2, 2, 3, 4), (2, 2, 5, 4)),
    "...ij,...jk->...ik": ((2, 1, 2, 3), (5, 3, 4)),
    "ii->i": ((3, 3),),
    "ii": ((3, 3),),
    "iji->j": ((3, 2, 3),),
    "ij->ji": ((2, 3),),
    "ij->": ((2, 3),),
    "i,j->ij": ((2,), (3,)),
    "i,i->": ((3,), (3,)),
    "ij,ij->ij": ((2, 3), (2, 3)),
    "ij,kj,l->ikl": ((2, 3), (4, 3), (2,)),
    "abc,cd,de->abe": ((2, 3, 4), (4, 5), (5, 2)),
    "ij,k->i": ((2, 3), (4,)),
}


@pytest.mark.parametrize("equation", EQUATIONS)
def test_einsum_is_that_of_numpy(equation):
    rng = np.random.default_rng(1)
    arrays = [rng.normal(size=shape).astype("f4") for shape in EQUATIONS[equation]]

    (found,) = everywhere(lambda *xs: ops.einsum(equation, *xs), *arrays)

    np.testing.assert_allclose(np.einsum(equation, *arrays), found, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "equation", ["ij,jk->iz", "ij->ij", "i1,jk", "ij,jk->ii", "ij,jk,kl", "ij,kl->ij->k"]
)
def test_einsum_refuses_what_cannot_be_read(equation):
    with pytest.raises(ArgumentError, match="`equation` must"):
        ops.einsum(equation, np.ones((2, 3)), np.ones((3, 2)))


def test_matmul_takes_vectors():
    matrix, row, column = X[0], X[1, 0], X[1, :, 0].copy()
    for a, b in ((matrix, row), (column, matrix), (row, row)):
        np.testing.assert_allclose(a @ b, everywhere(ops.matmul, a, b)[0], rtol=1e-5)


def test_whole_numbers_are_not_divided_silently():
    with pytest.raises(ShapeError, match=r"divide needs real numbers .* core\.ops\.floor_divide"):
        ops.divide(core.Value(N), 2)


def test_indices_out_of_range_are_named():
    for function in (ops.take, ops.gather):
        with pytest.raises(DataError, match=r"indices must be integers in \[-4, 4\); got 4 at pos"):
            function(np.ones((4,)), [0, 4], 0)
    with pytest.raises(DataError, match=r"indices must lie within shape \(2, 3\); got \(0, 3\)"):
        ops.gather_nd(np.ones((2, 3)), [[1, 2], [0, 3]])
    program = core.predict_program(
        Of(lambda x, i: ops.take(x, i)), None, (Spec((4,)), Spec((2,), "int64"))
    )
    with pytest.raises(DataError, match="got -5 at position 1"):
        program.run((np.ones(4, "f4"), np.array([0, -5])))


def test_zeros_have_products_and_norms_with_a_gradient():
    x = core.Value(np.array([[2.0, 0.0, 3.0], [0.0, 0.0, 0.0]]))
    with core.Tape(keep=True) as tape:
        product, length = ops.prod(x, 1).sum(), ops.norm(x, 2, 1).sum()

    by_product = tape.gradients(product, [x])[0]
    np.testing.assert_array_equal([[0.0, 6.0, 0.0], [0.0, 0.0, 0.0]], by_product)
    by_length = tape.gradients(length, [x])[0]
    np.testing.assert_allclose([[2.0, 0.0, 3.0] / np.sqrt(13), [0.0, 0.0, 0.0]], by_length)


def test_logsumexp_of_the_impossible():
    x = np.array([[-np.inf, -np.inf], [1000.0, 1000.0], [np.inf, 0.0]])

    found = ops.logsumexp(x, 1).data

    np.testing.assert_allclose([-np.inf, 1000 + np.log(2), np.inf], found)
