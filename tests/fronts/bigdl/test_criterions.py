"""Each criterion of the BigDL front against its published formula, gradients by differences."""

from __future__ import annotations

import numpy as np
import pytest

from sandbox.lib.bigdl.nn import criterion as front
from sandbox.lib.bigdl.nn.criterion import *  # noqa: F403
from sandbox.lib.core.errors import DataError

RNG = np.random.default_rng(3)
X = RNG.normal(size=(4, 3))
T = RNG.normal(size=(4, 3))
P = RNG.uniform(0.1, 0.9, size=(4, 3))
P /= P.sum(axis=1, keepdims=True)
Q = RNG.uniform(0.1, 0.9, size=(4, 3))
Q /= Q.sum(axis=1, keepdims=True)
BITS = np.float64([[0, 1, 1], [1, 0, 0], [0, 0, 1], [1, 1, 0]])
SIGNS = 2 * BITS - 1
Y = np.float64([1, 3, 2, 3])
W = np.float64([0.5, 1.0, 2.0])
LOGS = np.log(P)
SERIES = RNG.normal(size=(2, 5, 3))
STEPS = np.float64([[1, 3, 2, 2, 1], [3, 3, 2, 1, 2]])
ROWS = np.arange(4)
I = Y.astype(int) - 1  # noqa: E741


def softmax_logs(x):
    return x - np.log(np.exp(x).sum(axis=-1, keepdims=True))


def cos(a, b):
    return (a * b).sum(-1) / np.sqrt((a * a).sum(-1) * (b * b).sum(-1))


def smooth(d):
    return np.where(np.abs(d) < 1, d * d / 2, np.abs(d) - 0.5)


def bce(p, t):
    return -(t * np.log(p) + (1 - t) * np.log(1 - p))


def multi_margin(p):
    own = X[ROWS, I][:, None]
    lack = np.maximum(0, 1 - own + X) ** p
    lack[ROWS, I] = 0
    return lack.sum() / 3 / 4


S = 1 / (1 + np.exp(-X))
PICKED = softmax_logs(SERIES)[np.arange(2)[:, None], np.arange(5), STEPS.astype(int) - 1]
KL = 0.5 * (X**2 + np.exp(T) - T - 1)
CASES = {
    "MSE": (front.MSECriterion, X, T, ((X - T) ** 2).mean()),
    "MSE of a vector": (front.MSECriterion, X[0], T[0], ((X[0] - T[0]) ** 2).mean()),
    "Abs": (front.AbsCriterion, X, T, np.abs(X - T).mean()),
    "Abs sum": (lambda **k: front.AbsCriterion(False, **k), X, T, np.abs(X - T).sum()),
    "SmoothL1": (front.SmoothL1Criterion, 3 * X, T, smooth(3 * X - T).mean()),
    "BCE": (front.BCECriterion, P, BITS, bce(P, BITS).mean()),
    "BCE weights": (lambda **k: front.BCECriterion(W, **k), P, BITS, (W * bce(P, BITS)).mean()),
    "MLSM": (front.MultiLabelSoftMarginCriterion, X, BITS, bce(S, BITS).mean()),
    "Margin": (front.MarginCriterion, X, SIGNS, np.maximum(0, 1 - X * SIGNS).mean()),
    "Margin squared": (
        lambda **k: front.MarginCriterion(1.0, False, True, **k),
        X,
        SIGNS,
        (np.maximum(0, 1 - X * SIGNS) ** 2).sum(),
    ),
    "SoftMargin": (front.SoftMarginCriterion, X, SIGNS, np.log1p(np.exp(-X * SIGNS)).mean()),
    "HingeEmbedding": (
        front.HingeEmbeddingCriterion,
        X,
        SIGNS,
        np.where(SIGNS > 0, X, np.maximum(0, 1 - X)).mean(),
    ),
    "MAPE": (front.MeanAbsolutePercentageCriterion, X, T, 100 * np.abs((X - T) / T).mean()),
    "MSLE": (
        front.MeanSquaredLogarithmicCriterion,
        P,
        Q,
        ((np.log1p(P) - np.log1p(Q)) ** 2).mean(),
    ),
    "Poisson": (front.PoissonCriterion, P, Q, (P - Q * np.log(P)).mean()),
    "DistKLDiv": (front.DistKLDivCriterion, LOGS, Q, (Q * (np.log(Q) - LOGS)).mean()),
    "KL": (front.KullbackLeiblerDivergenceCriterion, P, Q, (Q * np.log(Q / P)).sum() / 4),
    "KL of a vector": (
        front.KullbackLeiblerDivergenceCriterion,
        P[0],
        Q[0],
        (Q[0] * np.log(Q[0] / P[0])).sum(),
    ),
    "CosineDistance": (front.CosineDistanceCriterion, X, T, (1 - cos(X, T)).mean()),
    "CosineProximity": (front.CosineProximityCriterion, X, T, -cos(X, T).sum() / 12),
    "Dice": (
        front.DiceCoefficientCriterion,
        P,
        BITS,
        (1 - (2 * (P * BITS).sum(1) + 1) / (P.sum(1) + BITS.sum(1) + 1)).mean(),
    ),
    "DotProduct": (front.DotProductCriterion, X, T, (X * T).sum()),
    "PG": (front.PGCriterion, P, T, -(T * np.log(P)).sum()),
    "CategoricalCrossEntropy": (
        front.CategoricalCrossEntropy,
        P,
        np.eye(3)[I],
        -LOGS[ROWS, I].mean(),
    ),
    "MultiLabelMargin": (
        front.MultiLabelMarginCriterion,
        X[:1],
        np.float64([[3, 0, 1]]),
        np.maximum(0, 1 + X[0, :2] - X[0, 2]).sum() / 3,
    ),
    "L1Cost": (front.L1Cost, X, T, np.abs(X).sum()),
    "ClassNLL": (front.ClassNLLCriterion, LOGS, Y, -LOGS[ROWS, I].mean()),
    "ClassNLL of a row": (front.ClassNLLCriterion, LOGS[0], Y[:1], -LOGS[0, 0]),
    "ClassNLL weights": (
        lambda **k: front.ClassNLLCriterion(W, **k),
        LOGS,
        Y[:, None],
        -(W[I] * LOGS[ROWS, I]).sum() / W[I].sum(),
    ),
    "ClassNLL padding": (
        front.ClassNLLCriterion,
        LOGS,
        np.float64([1, -1, 2, -1]),
        -(LOGS[0, 0] + LOGS[2, 1]) / 2,
    ),
    "ClassNLL of probabilities": (
        lambda **k: front.ClassNLLCriterion(None, False, False, **k),
        P,
        Y,
        -LOGS[ROWS, I].sum(),
    ),
    "CrossEntropy": (front.CrossEntropyCriterion, X, Y, -softmax_logs(X)[ROWS, I].mean()),
    "SoftmaxWith": (front.SoftmaxWithCriterion, X, Y, -softmax_logs(X)[ROWS, I].mean()),
    "SoftmaxWith ignored": (
        lambda **k: front.SoftmaxWithCriterion(3, "FULL", **k),
        X,
        Y,
        -softmax_logs(X)[ROWS, I][Y != 3].sum() / 4,
    ),
    "MultiMargin": (front.MultiMarginCriterion, X, Y, multi_margin(1)),
    "MultiMargin p": (lambda **k: front.MultiMarginCriterion(2, **k), X, Y, multi_margin(2)),
    "ClassSimplex": (
        lambda **k: front.ClassSimplexCriterion(2, **k),
        X[:, :2],
        np.float64([1, 2, 2, 1]),
        ((X[:, :2] - np.float64([[1, 0], [-1, 0], [-1, 0], [1, 0]])) ** 2).mean(),
    ),
    "MarginRanking": (
        front.MarginRankingCriterion,
        [X[:, 0], T[:, 0]],
        SIGNS[:, 0],
        np.maximum(0, 1 - SIGNS[:, 0] * (X[:, 0] - T[:, 0])).mean(),
    ),
    "CosineEmbedding": (
        front.CosineEmbeddingCriterion,
        [X, T],
        [SIGNS[:, 0]],
        np.where(SIGNS[:, 0] > 0, 1 - cos(X, T), np.maximum(0, cos(X, T))).mean(),
    ),
    "L1HingeEmbedding": (
        front.L1HingeEmbeddingCriterion,
        [X[0], T[0]],
        np.ones(1),
        np.abs(X[0] - T[0]).sum(),
    ),
    "KLD": (front.KLDCriterion, [X, T], X, KL.sum() / 4),
    "Gaussian": (
        front.GaussianCriterion,
        [X, T],
        P,
        0.5 * (np.log(2 * np.pi) + T + (P - X) ** 2 / np.exp(T)).sum(),
    ),
    "SmoothL1WithWeights": (
        lambda **k: front.SmoothL1CriterionWithWeights(1.0, 2, **k),
        X,
        [T, P, Q],
        (Q * smooth(P * (X - T))).sum() / 2,
    ),
    "Multi": (
        lambda **k: (
            front.MultiCriterion(**k).add(front.MSECriterion(**k)).add(front.AbsCriterion(**k), 0.5)
        ),
        X,
        T,
        ((X - T) ** 2).mean() + 0.5 * np.abs(X - T).mean(),
    ),
    "Parallel": (
        lambda **k: (
            front.ParallelCriterion(**k)
            .add(front.ClassNLLCriterion(W, **k), 0.5)
            .add(front.MSECriterion(**k))
        ),
        [LOGS, X],
        [Y, T],
        -0.5 * (W[I] * LOGS[ROWS, I]).sum() / W[I].sum() + ((X - T) ** 2).mean(),
    ),
    "TimeDistributed": (
        lambda **k: front.TimeDistributedCriterion(front.CrossEntropyCriterion(**k), **k),
        SERIES,
        STEPS,
        -PICKED.sum() / 2,
    ),
    "TimeDistributed mean": (
        lambda **k: front.TimeDistributedCriterion(front.CrossEntropyCriterion(**k), True, **k),
        SERIES,
        STEPS,
        -PICKED.mean(),
    ),
    "TimeDistributedMask": (
        lambda **k: front.TimeDistributedMaskCriterion(front.CrossEntropyCriterion(**k), 3, **k),
        SERIES,
        STEPS,
        -PICKED[STEPS != 3].mean(),
    ),
    "Transformer": (
        lambda **k: front.TransformerCriterion(front.MSECriterion(**k), **k),
        X,
        T,
        ((X - T) ** 2).mean(),
    ),
}


def shifted(given, part, place, step):
    """Return the input with one number moved."""
    found = [x.copy() for x in given] if isinstance(given, list) else given.copy()
    array = found[part] if isinstance(found, list) else found
    array.reshape(-1)[place] += step
    return found


@pytest.mark.parametrize("name", CASES)
def test_a_criterion_gives_its_formula_and_the_slope_of_it(name):
    make, given, target, wanted = CASES[name]
    loss = make(bigdl_type="double")

    assert loss.forward(given, target) == pytest.approx(wanted, rel=2e-5)  # 1e-7 in logarithms
    slopes = loss.backward(given, target)
    parts = slopes if isinstance(given, list) else [slopes]
    for part, slope in enumerate(parts):
        for place in range(0, slope.size, 2):
            up, down = (loss.forward(shifted(given, part, place, s), target) for s in (1e-6, -1e-6))
            # central differences of float64: the error is about 1e-9 of the loss
            assert slope.reshape(-1)[place] == pytest.approx((up - down) / 2e-6, rel=1e-3, abs=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_single_precision_gives_the_same_and_keeps_its_type(name):
    make, given, target, wanted = CASES[name]
    loss = make()

    assert loss.forward(given, target) == pytest.approx(wanted, rel=1e-4)
    slopes = loss.backward(given, target)
    first = slopes[0] if isinstance(slopes, list) else slopes
    assert first.dtype == np.float32
    assert first.shape == (given[0] if isinstance(given, list) else given).shape


def test_every_name_of_the_original_is_there():
    names = {n for n in dir(front) if n.endswith("Criterion") or "Criterion" in n}

    assert len(names | {"CategoricalCrossEntropy", "L1Cost"}) == 38


def test_a_label_that_counts_from_0_is_told_what_to_do():
    with pytest.raises(DataError, match=r"count from 1, in 1\.\.3; got 0 in row 1\. Add 1"):
        front.ClassNLLCriterion().forward(LOGS, np.float64([1, 0, 2, 3]))
    with pytest.raises(DataError, match=r"got 4 in row 3"):
        front.CrossEntropyCriterion().forward(X, np.float64([1, 1, 2, 4]))
