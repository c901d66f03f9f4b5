"""Muon and Adafactor, which see parameters whole: formulas, and slices that change nothing."""

from __future__ import annotations

import pickle
from itertools import pairwise

import numpy as np
import pytest

from sandbox.lib import optim
from sandbox.lib.core.errors import ArgumentError
from sandbox.lib.optim import ParameterGroup, ParameterGroups, ParameterSpans
from sandbox.lib.optim.muon import orthogonalised

VIEWS = {
    "fc.weight": (0, 40, (8, 5)),
    "fc.bias": (48, 56, (8,)),
    "conv.weight": (64, 172, (3, 4, 9)),
    "scale": (176, 177, ()),
}
SIZE = 192
MUON = optim.Muon(0.1, weight_decay=0.1, rest=optim.AdamW(0.01))
OPTIMIZERS = [
    MUON,
    optim.Muon(0.1, momentum=0.8, nesterov=False, iterations=3),
    optim.Adafactor(0.1),
    optim.Adafactor(0.1, decay=0.5, threshold=0.3, weight_decay=0.1),
    ParameterGroups(
        MUON,
        [
            ParameterGroup("conv", optimizer=optim.Adafactor(0.2), regulariser=optim.L1(0.1)),
            ParameterGroup("fc.weight", regulariser=optim.L2(0.3), learning_rate=0.5),
        ],
    ),
    optim.EMA(optim.Lookahead(MUON, every=2), decay=0.5),
]


def vectors(seed=0, dtype="f4", steps=4):
    made = np.random.default_rng(seed).standard_normal((steps + 1, SIZE))
    inside = np.zeros(SIZE, bool)
    for start, stop, _ in VIEWS.values():
        inside[start:stop] = True
    made[:, ~inside] = 0
    return made[0].astype(dtype), list(made[1:].astype(dtype))


def run(optimizer, gradients, p, cuts=()):
    """Apply all steps over slices, as ranks do: aim, gather, shape what is whole, apply."""
    p, state = p.copy(), optimizer.init_slice(SIZE, p.dtype)
    pieces = [
        (slice(a, b), ParameterSpans.of(VIEWS, a, b)) for a, b in pairwise([0, *sorted(cuts), SIZE])
    ]
    own = [{name: vector[here] for name, vector in state.items()} for here, _ in pieces]
    for step, given in enumerate(gradients):
        g = given.copy()
        for (here, spans), slots in zip(pieces, own, strict=True):
            optimizer.aim_slice(p[here], g[here], slots, step=step, spans=spans)
        for name, (a, b, shape) in VIEWS.items():
            wholes = {slot: state[slot][a:b].reshape(shape) for slot in optimizer.whole_slots}
            optimizer.shape_whole(name, p[a:b].reshape(shape), g[a:b].reshape(shape), wholes)
        for (here, spans), slots in zip(pieces, own, strict=True):
            rate = optimizer.learning_rate_at(step, None)
            optimizer.apply_slice(
                p[here], g[here], slots, step=step, learning_rate=rate, spans=spans
            )
    return p, state


def muon_formula(optimizer, gradients, p):
    """The algorithm of Jordan et al. 2024, with a momentum that is a mean."""
    m = np.zeros_like(p)
    for g in gradients:
        m = optimizer.momentum * m + (1 - optimizer.momentum) * g
        u = (1 - optimizer.momentum) * g + optimizer.momentum * m if optimizer.nesterov else m
        x = u / np.linalg.norm(u)
        for _ in range(optimizer.iterations):
            a = x @ x.T
            x = 3.4445 * x - 4.775 * a @ x + 2.0315 * a @ a @ x
        x = x * np.sqrt(max(1, p.shape[0] / p.shape[1]))
        p = p - optimizer.learning_rate * (optimizer.weight_decay * p + x)
    return p


def adafactor_formula(optimizer, gradients, p):
    """Algorithm 4 of Shazeer and Stern 2018: means of rows and columns are what is kept."""

    def rms(x):
        return np.sqrt(np.mean(x**2))

    rows, columns = np.zeros(len(p)), np.zeros(p.shape[1])
    for t, g in enumerate(gradients, start=1):
        keep = 1 - t**-optimizer.decay
        rows = keep * rows + (1 - keep) * (g**2).mean(1)
        columns = keep * columns + (1 - keep) * (g**2).mean(0)
        u = g / np.sqrt(np.outer(rows, columns) / rows.mean())
        u = u / max(1, rms(u) / optimizer.threshold)
        rate = min(optimizer.learning_rate, 1 / np.sqrt(t)) * max(optimizer.smallest, rms(p))
        p = p * (1 - optimizer.learning_rate * optimizer.weight_decay) - rate * u
    return p


@pytest.mark.parametrize("optimizer", OPTIMIZERS[:4], ids=repr)
@pytest.mark.parametrize("name", ["fc.weight", "conv.weight"])
def test_matrices_follow_the_formula(optimizer, name):
    p, gradients = vectors(dtype="f8")
    actual, _ = run(optimizer, gradients, p)
    a, b, shape = VIEWS[name]
    flat = (shape[0], -1)
    formula = muon_formula if isinstance(optimizer, optim.Muon) else adafactor_formula
    expected = formula(optimizer, [g[a:b].reshape(flat) for g in gradients], p[a:b].reshape(flat))
    np.testing.assert_allclose(actual[a:b], expected.ravel(), rtol=1e-9)


def test_vectors_of_muon_are_those_of_the_other_optimiser():
    p, gradients = vectors(dtype="f8")
    actual, _ = run(MUON, gradients, p)
    here, other = slice(48, 56), optim.AdamW(0.01)
    q, state = p[here].copy(), other.init_slice(8, "f8")
    for step, g in enumerate(gradients):
        other.apply_slice(q, g[here], state, step=step, learning_rate=0.01)
    np.testing.assert_allclose(actual[here], q, rtol=1e-12)


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
@pytest.mark.parametrize("cuts", [(96,), (3, 50, 99), (64, 128)])
def test_slices_give_equal_bits(optimizer, cuts):
    p, gradients = vectors()
    whole, state = run(optimizer, gradients, p)
    cut, cut_state = run(optimizer, gradients, p, cuts)
    assert whole.tobytes() == cut.tobytes()
    assert {k: v.tobytes() for k, v in state.items()} == {
        k: v.tobytes() for k, v in cut_state.items()
    }
    assert not whole[40:48].any()


@pytest.mark.parametrize("shape", [(6, 6), (4, 30), (30, 4)])
def test_singular_values_come_near_one_and_vectors_stay(shape):
    matrix = np.random.default_rng(0).standard_normal(shape)
    u, _, v = np.linalg.svd(matrix, full_matrices=False)
    made = orthogonalised(matrix, 10)
    inner = u.T @ made @ v.T
    assert np.abs(inner - np.diag(np.diag(inner))).max() < 1e-9
    # The coefficients are those of speed: values end between 0.68 and 1.14.
    assert np.diag(inner).min() > 0.6
    assert np.diag(inner).max() < 1.3


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_config_and_pickle_bring_the_optimizer_back(optimizer):
    assert optimizer == optim.from_config(optimizer.config())
    again = pickle.loads(pickle.dumps(optimizer))
    assert (optimizer, optimizer.slots, repr(optimizer)) == (again, again.slots, repr(again))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: optim.Muon(0), "Muon: `learning_rate` must be"),
        (lambda: optim.Muon(iterations=0), "Muon: `iterations` must be"),
        (lambda: optim.Muon(rest=optim.LAMB()), "`rest` must be an Optimizer that works on slices"),
        (lambda: optim.Muon(rest="adam"), "`rest` must be an Optimizer that works on slices"),
        (lambda: optim.Adafactor(decay=0), "Adafactor: `decay` must be"),
        (lambda: optim.Adafactor(threshold=0), "Adafactor: `threshold` must be"),
    ],
)
def test_arguments_out_of_range_are_named(make, message):
    with pytest.raises(ArgumentError, match=message):
        make()
