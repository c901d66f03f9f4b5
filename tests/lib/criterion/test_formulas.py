"""Criterions that PyTorch has not, against their formulas written down row by row."""

from __future__ import annotations

import itertools
import pickle

import numpy as np
import pytest

from sandbox.lib import criterion as c
from sandbox.lib import nn
from sandbox.lib.core import FlatParameters, RandomKey, Spec, Tape, Value, ops, train_program
from sandbox.lib.core.errors import ArgumentError, DataError, ShapeError

RNG = np.random.default_rng(7)
X, T = RNG.normal(size=(6, 4)), RNG.normal(size=(6, 4))
P, SHARE = RNG.uniform(0.05, 0.95, (6, 4)), RNG.dirichlet(np.ones(4), 6)
MSE = c.MSE
YES, SIGN = RNG.integers(0, 2, (6, 4)), RNG.integers(0, 2, (6, 4)) * 2 - 1
LABELS = np.array([0, 3, 1, 2, 3, 0])


def softmax(x):
    e = np.exp(x - x.max())
    return e / e.sum()


def crammer_singer(x, t):
    return max(0.0, 1.0 + max(x[k] for k in range(4) if k != t) - x[t])


def cos(x, t):
    return x @ t / np.sqrt((x @ x) * (t @ t))


def binary_focal(x, t, gamma=1.5, alpha=0.25):
    total = 0.0
    for score, yes in zip(x, t, strict=True):
        p = 1 / (1 + np.exp(-score))
        q, a = (p, alpha) if yes else (1 - p, 1 - alpha)
        total -= a * (1 - q) ** gamma * np.log(q)
    return total / 4


def tversky(x, t, alpha=0.3, beta=0.7):
    both = (x * t).sum()
    return 1 - (both + 1) / (both + alpha * (x * (1 - t)).sum() + beta * (t * (1 - x)).sum() + 1)


ROWS = {
    "Hinge": (c.Hinge(), X, SIGN, lambda x, t: np.maximum(0, 1 - t * x).mean()),
    "Hinge, squared": (
        c.Hinge(0.5, squared=True), X, SIGN,
        lambda x, t: (np.maximum(0, 0.5 - t * x) ** 2).mean(),
    ),
    "CategoricalHinge": (c.CategoricalHinge(), X, LABELS, crammer_singer),
    "CosineSimilarity": (c.CosineSimilarity(), X, T, lambda x, t: -cos(x, t)),
    "DotProduct": (c.DotProduct(), X, T, lambda x, t: x @ t),
    "PolicyGradient": (c.PolicyGradient(), P, T, lambda x, t: -(t * np.log(x + 1e-7)).sum()),
    "KullbackLeibler": (c.KullbackLeibler(), P, SHARE, lambda x, t: (t * np.log(t / x)).sum()),
    "MeanAbsolutePercentage": (
        c.MeanAbsolutePercentage(), X, T, lambda x, t: 100 * np.mean(np.abs((x - t) / t)),
    ),
    "MeanSquaredLogarithmic": (
        c.MeanSquaredLogarithmic(), P, SHARE,
        lambda x, t: np.mean((np.log(1 + x) - np.log(1 + t)) ** 2),
    ),
    "LogCosh": (c.LogCosh(), X, T, lambda x, t: np.log(np.cosh(x - t)).mean()),
    "Dice": (c.Dice(), P, YES, lambda x, t: 1 - (2 * (x * t).sum() + 1) / (x.sum() + t.sum() + 1)),
    "Tversky": (c.Tversky(0.3, 0.7), P, YES, tversky),
    "CategoricalCrossEntropy": (
        c.CategoricalCrossEntropy(label_smoothing=0.1), P, SHARE,
        lambda x, t: -((0.9 * t + 0.025) * np.log(x / x.sum())).sum(),
    ),
    "Focal": (
        c.Focal(1.5, class_weights=[1, 2, 3, 4]), X, LABELS,
        lambda x, t: -(t + 1) * (1 - softmax(x)[t]) ** 1.5 * np.log(softmax(x)[t]),
    ),
    "GeneralizedCrossEntropy": (
        c.GeneralizedCrossEntropy(0.7), X, LABELS, lambda x, t: (1 - softmax(x)[t] ** 0.7) / 0.7,
    ),
    "BinaryFocal": (c.BinaryFocal(1.5, alpha=0.25), X, YES, binary_focal),
    "L1Cost": (c.L1Cost(), X, LABELS, lambda x, t: np.abs(x).sum()),
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_the_mean_over_the_rows_is_that_of_the_formula(name):
    made, output, target, formula = ROWS[name]
    expected = np.mean([formula(x, t) for x, t in zip(output, target, strict=True)])
    # 1e-6: the logarithms of probabilities add 1e-7.
    assert made(output, target) == pytest.approx(expected, rel=1e-6)


def test_a_simplex_has_points_equally_far_apart_at_length_1():
    points = c.categorical.simplex(5)
    product = points @ points.T
    np.testing.assert_allclose(product, np.where(np.eye(5), 1, -1 / 4), atol=1e-12)
    table = np.column_stack((points, np.zeros(5)))
    output, labels = RNG.normal(size=(6, 5)), np.array([0, 4, 2, 1, 3, 3])
    expected = ((output - table[labels]) ** 2).mean()
    assert c.ClassSimplex(5)(output, labels) == pytest.approx(expected)


def test_l1_hinge_embedding_is_a_distance_or_what_it_lacks():
    sign = np.array([1, -1, 1, -1, -1, 1])
    distance = np.abs(X - T).sum(axis=1)
    expected = np.where(sign > 0, distance, np.maximum(0, 5 - distance)).mean()
    assert c.L1HingeEmbedding(5.0)((X, T), sign) == pytest.approx(expected)


def test_weighted_smooth_l1_is_that_of_fast_rcnn():
    inside, outside = P, SHARE
    d = inside * (X - T)
    rows = outside * np.where(np.abs(d) < 0.25, d**2 / 0.5, np.abs(d) - 0.125)
    found = c.SmoothL1WithWeights(0.25)(X, (T, inside, outside))
    assert found == pytest.approx(rows.sum() / 6)


def test_steps_count_alike_or_by_what_they_weigh():
    output, target = RNG.normal(size=(3, 4, 5)), np.array([[1, 2, 0, 0], [3, 4, 1, 0], [2] * 4])
    logs = output - np.log(np.exp(output).sum(axis=2, keepdims=True))
    losses = -np.take_along_axis(logs, target[..., None], axis=2)[..., 0]
    alike, masked = (c.TimeDistributed(c.CrossEntropy(ignore_index=mark)) for mark in (None, 0))
    assert alike(output, target) == pytest.approx(losses.mean())
    assert masked(output, target) == pytest.approx(losses[target != 0].mean())
    assert (alike.weight(target), masked.weight(target)) == (3.0, 9.0)


def features():
    return nn.Sequential(nn.Linear(4, 3, rng=0), nn.BatchNorm(3), nn.Tanh())


def test_a_transformed_criterion_compares_what_a_module_makes_and_keeps_it():
    module = features()
    made = c.Transformed(c.MSE(), output=module, target=module)
    x, t = X.astype("f4"), T.astype("f4")
    expected = ((module(x) - module(t)) ** 2).mean()
    assert made(x, t) == pytest.approx(expected, rel=1e-5)
    assert pickle.loads(pickle.dumps(made))(x, t) == made(x, t)
    module.parameters()[0].set(np.zeros((3, 4), "f4"))
    assert made(x, t) == pytest.approx(expected, rel=1e-5)


def test_a_program_trains_a_model_through_a_transformed_criterion():
    model, made = nn.Linear(4, 4, rng=1), c.Transformed(c.MSE(), output=features())
    flat, target = FlatParameters(model), X[:, :3].astype("f4")
    program = train_program(model, made, flat, Spec((6, 4)), Spec((6, 3)))
    loss, weight, output = program.run(X.astype("f4"), target, RandomKey(0, 0, 0))
    assert program.reason is None
    assert loss / weight == pytest.approx(made(output, target), rel=1e-5)
    assert np.any(flat.gradient("weight"))


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: c.ClassSimplex(1), "`classes` must be an int > 1; got 1"),
        (lambda: c.MultiMargin(3), "`p` must be 1 or 2; got 3"),
        (lambda: c.BinaryFocal(alpha=2), "`alpha` must be"),
        (lambda: c.TimeDistributed(MSE), "`criterion` must be"),
        (lambda: c.Transformed(c.MSE(), output=3), "`output` must be"),
        (
            lambda: c.Transformed(c.NLL([1, 2]), target=nn.ReLU()),
            "`criterion` must have a mean over rows",
        ),
    ],
)
def test_arguments_that_cannot_be_are_named(make, text):
    with pytest.raises(ArgumentError, match=text):
        make()


@pytest.mark.parametrize(
    ("made", "output", "target", "error", "text"),
    [
        (c.Hinge(), X, YES, DataError, r"must be -1 or 1; got 0 in row .* make 2 \* target - 1"),
        (c.CosineEmbedding(), X, SIGN[:, 0], ShapeError, r"must be 2 arrays \(x1, x2\)"),
        (c.CosineEmbedding(), (X, T[:, :2]), SIGN[:, 0], ShapeError, "arrays of one shape"),
        (c.TripletMargin(), (X, X, T), np.zeros(4), ShapeError, "a row for each of 6"),
        (c.Dice(), X, YES, DataError, "output must be probabilities, in 0..1"),
        (c.PoissonNLL(log_input=False), X, YES, DataError, "output must hold numbers >= 0"),
        (c.CategoricalCrossEntropy(), P, YES, DataError, "must add up to 1 over the classes"),
        (c.CategoricalCrossEntropy(), P, LABELS, ShapeError, "For labels use CrossEntropy"),
        (c.CrossEntropy(ignore_index=-1), X, LABELS + 1, DataError, "got 4 in row 1"),
        (
            c.CrossEntropy(), np.zeros((2, 3, 2)), np.array([[0, 1], [2, 3]]), DataError,
            "got 3 in row 1",
        ),
        (c.TimeDistributed(MSE()), X[:, 0], T[:, 0], ShapeError, r"axes \(batch, time, ...\)"),
        (c.SmoothL1WithWeights(), X, (T, P), ShapeError, "must be three arrays"),
    ],
)  # fmt: skip
def test_outputs_and_targets_that_cannot_be_are_named(made, output, target, error, text):
    with pytest.raises(error, match=text):
        made(output, target)


def reads_as(path, blank):
    """Return what a path reads as: repeats are one, blanks are nothing."""
    return tuple(k for k, _ in itertools.groupby(path) if k != blank)


@pytest.mark.parametrize("labels", [[1, 2, 0], [1, 1, 0], [2, 0, 0], [0, 0, 0]])
@pytest.mark.parametrize("steps", [3, 4])
def test_ctc_adds_up_all_paths_that_read_as_the_labels(labels, steps):
    x = RNG.normal(size=(1, 4, 3))
    p = np.array([softmax(row) for row in x[0]])
    wanted = tuple(k for k in labels if k)
    found = sum(
        np.prod(p[range(steps), path])
        for path in itertools.product(range(3), repeat=steps)
        if reads_as(path, 0) == wanted
    )
    target = (np.array([labels]), np.array([steps]))
    assert c.CTC()(x, target) == pytest.approx(-np.log(found), rel=1e-9)


def test_ctc_names_the_row_whose_labels_do_not_fit_and_blanks_between_labels():
    x = np.zeros((2, 2, 3))
    with pytest.raises(DataError, match=r"got 3 that are needed.* and 2 steps in row 1"):
        c.CTC()(x, np.array([[1, 2], [1, 1]]))
    with pytest.raises(DataError, match=r"at their end only; got \[0, 1\] in row 0"):
        c.CTC()(x, np.array([[0, 1], [1, 0]]))


def test_ctc_of_labels_all_but_impossible_and_of_labels_that_cannot_be():
    x = np.full((2, 3, 3), -200.0)
    x[:, :, 2] = 200.0
    target = (np.array([[1, 0], [1, 1]]), np.array([3, 2]))
    value = Value(x)
    with Tape() as tape:
        total = ops.ctc(value[:1], target[0][:1], target[1][:1])
        gradient = tape.gradients(total, [value])[0]
    assert float(total) == pytest.approx(1200 - np.log(6), rel=1e-9)  # 6 paths of 3 steps
    assert np.isfinite(gradient).all()
    assert float(ops.ctc(x[1:], target[0][1:], target[1][1:])) == np.inf
