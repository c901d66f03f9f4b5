"""LARS and LAMB against their formulas; slices and ranks change nothing."""

from __future__ import annotations

import pickle
from itertools import pairwise

import numpy as np
import pytest

from sandbox.lib import optim
from sandbox.lib.optim import ParameterSpans

VIEWS = {"a.weight": (0, 40), "a.bias": (48, 53), "b.weight": (64, 164)}
SIZE = 176
OPTIMIZERS = [
    optim.LARS(0.5, trust=0.02, weight_decay=0.1),
    optim.LARS(0.5, momentum=0.0, trust=0.02),
    optim.LAMB(0.05),
    optim.LAMB(0.05, betas=(0.8, 0.9), epsilon=1e-3, weight_decay=0.1),
]


def lars_formula(optimizer, gradients, p):
    v = np.zeros_like(p)
    for g in gradients:
        norm, slope = np.linalg.norm(p), np.linalg.norm(g)
        below = slope + optimizer.weight_decay * norm + optimizer.epsilon
        local = optimizer.trust * norm / below if norm and slope else 1.0
        v = optimizer.momentum * v + optimizer.learning_rate * local * (
            g + optimizer.weight_decay * p
        )
        p = p - v
    return p


def lamb_formula(optimizer, gradients, p):
    m, v = np.zeros_like(p), np.zeros_like(p)
    beta1, beta2 = optimizer.betas
    for t, g in enumerate(gradients, start=1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g * g
        u = m / (1 - beta1**t) / (np.sqrt(v / (1 - beta2**t)) + optimizer.epsilon)
        u = u + optimizer.weight_decay * p
        norm, length = np.linalg.norm(p), np.linalg.norm(u)
        p = p - optimizer.learning_rate * (norm / length if norm and length else 1.0) * u
    return p


def vectors(seed, dtype):
    """Parameters and six gradients of the layout, zero in the padding; a.bias starts at zero."""
    rng = np.random.default_rng(seed)
    made = rng.standard_normal((7, SIZE))
    inside = np.zeros(SIZE, bool)
    for start, stop in VIEWS.values():
        inside[start:stop] = True
    made[:, ~inside] = 0
    made[0, 48:53] = 0
    return made[0].astype(dtype), list(made[1:].astype(dtype))


def run(optimizer, gradients, p, cuts=(), size=SIZE, views=VIEWS):
    """Apply all steps over slices, with the sums of all slices in each of them."""
    p = p.copy()
    state = optimizer.init_slice(size, p.dtype)
    pieces = [
        (slice(a, b), ParameterSpans.of(views, a, b)) for a, b in pairwise([0, *sorted(cuts), size])
    ]
    for step, g in enumerate(gradients):
        views_of = [{k: v[here] for k, v in state.items()} for here, _ in pieces]
        norms = sum(
            optimizer.measure_slice(p[here], g[here], own, step=step, spans=spans)
            for (here, spans), own in zip(pieces, views_of, strict=True)
        )
        for (here, spans), own in zip(pieces, views_of, strict=True):
            optimizer.apply_slice(
                p[here],
                g[here],
                own,
                step=step,
                learning_rate=optimizer.learning_rate,
                spans=spans,
                norms=norms,
            )
    return p


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_every_layer_follows_the_formula(optimizer):
    p, gradients = vectors(0, "f8")
    actual = run(optimizer, gradients, p)
    formula = lars_formula if isinstance(optimizer, optim.LARS) else lamb_formula
    for start, stop in VIEWS.values():
        expected = formula(optimizer, [g[start:stop] for g in gradients], p[start:stop])
        # norms are rounded to float32
        np.testing.assert_allclose(actual[start:stop], expected, rtol=1e-6, atol=1e-7)
    assert not actual[40:48].any()


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
@pytest.mark.parametrize("cuts", [(88,), (1, 39, 50, 100), (44, 88, 132), (0, 176)])
def test_slices_give_equal_bits(optimizer, cuts):
    p, gradients = vectors(1, "f4")
    kept = [g.copy() for g in gradients]
    assert run(optimizer, gradients, p).tobytes() == run(optimizer, gradients, p, cuts).tobytes()
    np.testing.assert_array_equal(kept, gradients)


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_layers_longer_than_a_chunk_give_equal_bits(optimizer):
    size = 2 * optimizer.chunk + 99
    rng = np.random.default_rng(3)
    p, gradients = rng.standard_normal(size, "f4"), list(rng.standard_normal((2, size), "f4"))
    views = {"w": (0, size)}
    whole = run(optimizer, gradients, p, size=size, views=views)
    cut = run(optimizer, gradients, p, (5, optimizer.chunk + 7), size=size, views=views)
    assert whole.tobytes() == cut.tobytes()


def test_a_slice_alone_is_one_layer():
    p, gradients = vectors(2, "f8")
    optimizer = optim.LAMB(0.05)
    q, state = p[:40].copy(), optimizer.init_slice(40, "f8")
    for step, g in enumerate(gradients):
        optimizer.apply_slice(q, g[:40], state, step=step, learning_rate=0.05)
    np.testing.assert_allclose(
        q, lamb_formula(optimizer, [g[:40] for g in gradients], p[:40]), 1e-6
    )


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_decay_mask_keeps_frozen_layers_still(optimizer):
    p, gradients = vectors(4, "f4")
    spans = ParameterSpans.of(VIEWS, 0, SIZE)
    mask = np.ones(SIZE, bool)
    mask[:40] = False
    state = optimizer.init_slice(SIZE)
    q = p.copy()
    for step, g in enumerate(gradients):
        g[:40] = 0
        norms = optimizer.measure_slice(q, g, state, step=step, spans=spans, decay_mask=mask)
        optimizer.apply_slice(
            q, g, state, step=step, learning_rate=0.1, spans=spans, norms=norms, decay_mask=mask
        )
    np.testing.assert_array_equal(p[:40], q[:40])
    assert (p[64:164] != q[64:164]).all()


@pytest.mark.parametrize("optimizer", [*OPTIMIZERS, optim.LBFGS(0.8, history=3)], ids=repr)
def test_config_and_pickle_bring_the_optimizer_back(optimizer):
    assert optimizer == optim.from_config(optimizer.config())
    again = pickle.loads(pickle.dumps(optimizer))
    assert (optimizer, optimizer.slots) == (again, again.slots)


def test_layers_of_a_part_keep_their_numbers():
    spans = ParameterSpans.of(VIEWS, 30, 120)
    assert spans.parts == ((0, 0, 10), (1, 18, 23), (2, 34, 90))
    assert spans.within(20, 40).parts == ((1, 0, 3), (2, 14, 20))
    assert spans.within(10, 18).parts == ()


# PyTorch 2.13.0: LBFGS(lr=0.8, max_iter=1, history_size=...), seven steps from START (float64)
START = [1.5, -1.0, 0.5, 2.0]
TORCH = {
    10: [-0.017013390724062008, -0.0019121808064989831, -0.0017154395476147194, 0.1581610978376724],
    2: [-0.00904627101941089, 0.0006815953703562409, -0.00839095706509086, 0.1787044682322361],
}


def quartic(x):
    """Gradient of sum a x² / 2 + sum x⁴ / 4 + x0 x1."""
    g = np.array([1.0, 10.0, 3.0, 0.5]) * x + x**3
    g[0] += x[1]
    g[1] += x[0]
    return g


@pytest.mark.parametrize("history", [10, 2])
def test_lbfgs_gives_the_numbers_of_pytorch(history):
    optimizer, x = optim.LBFGS(0.8, history=history), np.array(START)
    state = optimizer.init_slice(4, "f8")
    for step in range(7):
        optimizer.apply_slice(x, quartic(x), state, step=step, learning_rate=0.8)
    np.testing.assert_allclose(x, TORCH[history], rtol=1e-9)


def test_lbfgs_goes_on_from_its_slots_alone():
    optimizer, x = optim.LBFGS(history=3), np.array(START, "f4")
    state = optimizer.init_slice(4)
    for step in range(5):
        optimizer.apply_slice(x, quartic(x).astype("f4"), state, step=step, learning_rate=1)
    other, y = optim.LBFGS(history=3), x.copy()
    kept = {name: vector.copy() for name, vector in state.items()}
    for step in range(5, 8):
        optimizer.apply_slice(x, quartic(x).astype("f4"), state, step=step, learning_rate=1)
        other.apply_slice(y, quartic(y).astype("f4"), kept, step=step, learning_rate=1)
    assert x.tobytes() == y.tobytes()


def test_lbfgs_survives_a_gradient_that_stands_still():
    optimizer, x = optim.LBFGS(), np.zeros(3, "f4")
    state = optimizer.init_slice(3)
    for step in range(3):
        optimizer.apply_slice(x, np.zeros(3, "f4"), state, step=step, learning_rate=1)
    assert not x.any()
