"""Optimisers against their formulas in float64, on whole vectors and on any partition of them."""

from __future__ import annotations

import pickle
import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.lib import optim
from sandbox.lib.core.errors import ArgumentError

OPTIMIZERS = [
    optim.SGD(0.1),
    optim.SGD(0.1, weight_decay=0.01),
    optim.SGD(0.1, momentum=0.9),
    optim.SGD(0.1, momentum=0.9, dampening=0.5, weight_decay=0.02),
    optim.SGD(0.1, momentum=0.9, nesterov=True, weight_decay=0.02),
    optim.Adam(0.05),
    optim.Adam(0.01, betas=(0.7, 0.9), epsilon=1e-3, weight_decay=0.02),
    optim.AdamW(0.05, weight_decay=0.1),
    optim.RMSprop(0.02),
    optim.RMSprop(0.02, alpha=0.9, epsilon=1e-3, momentum=0.8, centered=True, weight_decay=0.02),
    optim.Adagrad(0.1),
    optim.Adagrad(0.1, learning_rate_decay=0.1, initial=0.5, weight_decay=0.02),
    optim.Adadelta(),
    optim.Adadelta(0.5, rho=0.7, epsilon=1e-3, weight_decay=0.02),
    optim.Adamax(0.05),
    optim.Adamax(0.05, betas=(0.8, 0.9), epsilon=1e-3, weight_decay=0.02),
    optim.NAdam(0.05),
    optim.NAdam(0.05, betas=(0.8, 0.9), momentum_decay=0.1, weight_decay=0.02),
    optim.RAdam(0.05),
    optim.RAdam(0.05, betas=(0.8, 0.95), epsilon=1e-3, weight_decay=0.02),
    optim.Lion(0.02),
    optim.Lion(0.02, betas=(0.8, 0.9), weight_decay=0.1),
    optim.Rprop(0.05),
    optim.Rprop(0.05, factors=(0.3, 1.5), sizes=(0.02, 0.08)),
    optim.Ftrl(0.1),
    optim.Ftrl(0.1, power=0.7, initial=0.0, beta=0.5, l1=0.8, l2=0.1),
    optim.ASGD(0.1),
    optim.ASGD(0.1, decay=0.1, power=0.5, start=3, weight_decay=0.02),
]


def sgd_formula(optimizer, gradients, p, mask):
    """Torch7's optim.sgd written down naively; gradients is a list, one for each step."""
    velocity = None
    for g in gradients:
        d = g + optimizer.weight_decay * mask * p
        if optimizer.momentum:
            if velocity is None:
                velocity = d.copy()
            else:
                velocity = optimizer.momentum * velocity + (1 - optimizer.dampening) * d
            d = d + optimizer.momentum * velocity if optimizer.nesterov else velocity
        p = p - optimizer.learning_rate * d
    return p


def adam_formula(optimizer, gradients, p, mask):
    """Algorithm 1 of Kingma and Ba 2015."""
    m, v = np.zeros_like(p), np.zeros_like(p)
    beta1, beta2 = optimizer.betas
    for t, g in enumerate(gradients, start=1):
        d = g + optimizer.weight_decay * mask * p
        m = beta1 * m + (1 - beta1) * d
        v = beta2 * v + (1 - beta2) * d * d
        m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
        p = p - optimizer.learning_rate * m_hat / (np.sqrt(v_hat) + optimizer.epsilon)
    return p


def adamw_formula(optimizer, gradients, p, mask):
    """Algorithm 2 of Loshchilov and Hutter 2019, with PyTorch's decay times the learning rate."""
    m, v = np.zeros_like(p), np.zeros_like(p)
    beta1, beta2 = optimizer.betas
    for t, g in enumerate(gradients, start=1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g * g
        step = m / (1 - beta1**t) / (np.sqrt(v / (1 - beta2**t)) + optimizer.epsilon)
        p = p - optimizer.learning_rate * (optimizer.weight_decay * mask * p + step)
    return p


def rmsprop_formula(optimizer, gradients, p, mask):
    """Lecture 6e of Hinton 2012; centered: equations 38-45 of Graves 2013."""
    square, mean, velocity = np.zeros_like(p), np.zeros_like(p), np.zeros_like(p)
    for g in gradients:
        d = g + optimizer.weight_decay * mask * p
        square = optimizer.alpha * square + (1 - optimizer.alpha) * d * d
        mean = optimizer.alpha * mean + (1 - optimizer.alpha) * d
        below = square - mean**2 if optimizer.centered else square
        velocity = optimizer.momentum * velocity + d / (np.sqrt(below) + optimizer.epsilon)
        p = p - optimizer.learning_rate * velocity
    return p


def adagrad_formula(optimizer, gradients, p, mask):
    """Figure 1 of Duchi, Hazan and Singer 2011, diagonal."""
    total = np.full_like(p, optimizer.initial)
    for step, g in enumerate(gradients):
        d = g + optimizer.weight_decay * mask * p
        total = total + d * d
        rate = optimizer.learning_rate / (1 + step * optimizer.learning_rate_decay)
        p = p - rate * d / (np.sqrt(total) + optimizer.epsilon)
    return p


def adadelta_formula(optimizer, gradients, p, mask):
    """Algorithm 1 of Zeiler 2012."""
    square, steps = np.zeros_like(p), np.zeros_like(p)
    for g in gradients:
        d = g + optimizer.weight_decay * mask * p
        square = optimizer.rho * square + (1 - optimizer.rho) * d * d
        u = np.sqrt(steps + optimizer.epsilon) / np.sqrt(square + optimizer.epsilon) * d
        steps = optimizer.rho * steps + (1 - optimizer.rho) * u * u
        p = p - optimizer.learning_rate * u
    return p


def adamax_formula(optimizer, gradients, p, mask):
    """Algorithm 2 of Kingma and Ba 2015, with PyTorch's epsilon."""
    m, u = np.zeros_like(p), np.zeros_like(p)
    beta1, beta2 = optimizer.betas
    for t, g in enumerate(gradients, start=1):
        d = g + optimizer.weight_decay * mask * p
        m = beta1 * m + (1 - beta1) * d
        u = np.maximum(beta2 * u, np.abs(d) + optimizer.epsilon)
        p = p - optimizer.learning_rate / (1 - beta1**t) * m / u
    return p


def nadam_formula(optimizer, gradients, p, mask):
    """Algorithm 8 of Dozat 2016, with the schedule of mu that it recommends."""
    m, v = np.zeros_like(p), np.zeros_like(p)
    beta1, beta2 = optimizer.betas

    def mu(t):
        return beta1 * (1 - 0.5 * 0.96 ** (t * optimizer.momentum_decay))

    for t, g in enumerate(gradients, start=1):
        d = g + optimizer.weight_decay * mask * p
        m = beta1 * m + (1 - beta1) * d
        v = beta2 * v + (1 - beta2) * d * d
        product = np.prod([mu(k) for k in range(1, t + 1)])
        m_hat = mu(t + 1) * m / (1 - product * mu(t + 1)) + (1 - mu(t)) * d / (1 - product)
        p = p - optimizer.learning_rate * m_hat / (np.sqrt(v / (1 - beta2**t)) + optimizer.epsilon)
    return p


def radam_formula(optimizer, gradients, p, mask):
    """Algorithm 2 of Liu et al. 2020, with PyTorch's threshold of 5."""
    m, v = np.zeros_like(p), np.zeros_like(p)
    beta1, beta2 = optimizer.betas
    last = 2 / (1 - beta2) - 1
    for t, g in enumerate(gradients, start=1):
        d = g + optimizer.weight_decay * mask * p
        m = beta1 * m + (1 - beta1) * d
        v = beta2 * v + (1 - beta2) * d * d
        step = m / (1 - beta1**t)
        rho = last - 2 * t * beta2**t / (1 - beta2**t)
        if rho > 5:
            top, below = (rho - 4) * (rho - 2) * last, (last - 4) * (last - 2) * rho
            length = np.sqrt(1 - beta2**t) / (np.sqrt(v) + optimizer.epsilon)
            step = step * np.sqrt(top / below) * length
        p = p - optimizer.learning_rate * step
    return p


def lion_formula(optimizer, gradients, p, mask):
    """Program 1 of Chen et al. 2023."""
    m = np.zeros_like(p)
    beta1, beta2 = optimizer.betas
    for g in gradients:
        step = np.sign(beta1 * m + (1 - beta1) * g)
        m = beta2 * m + (1 - beta2) * g
        p = p - optimizer.learning_rate * (step + optimizer.weight_decay * mask * p)
    return p


def rprop_formula(optimizer, gradients, p, mask):
    """Rprop- of Riedmiller and Braun 1993, element by element."""
    p, size, before = p.copy(), np.full(p.shape, optimizer.learning_rate), np.zeros_like(p)
    low, high = optimizer.sizes
    for g in gradients:
        for i in range(p.size):
            d = g[i]
            if d * before[i] > 0:
                size[i] = min(size[i] * optimizer.factors[1], high)
            elif d * before[i] < 0:
                size[i] = max(size[i] * optimizer.factors[0], low)
                d = 0.0
            p[i] -= size[i] * np.sign(d)
            before[i] = d
    return p


def ftrl_formula(optimizer, gradients, p, mask):
    """Algorithm 1 of McMahan et al. 2013, element by element; alpha is the learning rate."""
    p, alpha = p.copy(), optimizer.learning_rate
    n, z = np.full(p.shape, optimizer.initial), np.zeros_like(p)
    for g in gradients:
        for i in range(p.size):
            grown = n[i] + g[i] ** 2
            z[i] += g[i] - (grown**optimizer.power - n[i] ** optimizer.power) / alpha * p[i]
            n[i] = grown
            below = (optimizer.beta + n[i] ** optimizer.power) / alpha + optimizer.l2
            far = abs(z[i]) > optimizer.l1
            p[i] = -(z[i] - np.sign(z[i]) * optimizer.l1) / below if far else 0.0
    return p


def asgd_formula(optimizer, gradients, p, mask):
    """Section 2 of Polyak and Juditsky 1992, with Bottou's decreasing steps; not the average."""
    rate = optimizer.learning_rate
    for step, g in enumerate(gradients):
        d = g + optimizer.weight_decay * mask * p
        now = rate / (1 + optimizer.decay * rate * step) ** optimizer.power
        p = p * (1 - optimizer.decay * now) - now * d
    return p


FORMULAS = {
    optim.SGD: sgd_formula,
    optim.Adam: adam_formula,
    optim.AdamW: adamw_formula,
    optim.RMSprop: rmsprop_formula,
    optim.Adagrad: adagrad_formula,
    optim.Adadelta: adadelta_formula,
    optim.Adamax: adamax_formula,
    optim.NAdam: nadam_formula,
    optim.RAdam: radam_formula,
    optim.Lion: lion_formula,
    optim.Rprop: rprop_formula,
    optim.Ftrl: ftrl_formula,
    optim.ASGD: asgd_formula,
}


def run(optimizer, gradients, p, mask=None, cuts=()):
    """Apply all steps, slice by slice if cuts are given; return parameters and state."""
    p = p.copy()
    edges = [0, *sorted(cuts), p.size]
    whole = optimizer.init_slice(p.size, p.dtype)
    for step, g in enumerate(gradients):
        for start, stop in pairwise(edges):
            here = slice(start, stop)
            state = {name: vector[here] for name, vector in whole.items()}
            optimizer.apply_slice(
                p[here],
                g[here],
                state,
                step=step,
                learning_rate=optimizer.learning_rate_at(step, None),
                decay_mask=None if mask is None else mask[here],
            )
    return p, whole


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
@pytest.mark.parametrize("masked", [False, True])
def test_optimizer_follows_its_formula(optimizer, masked):
    rng = np.random.default_rng(1)
    p, gradients = rng.standard_normal(50), list(rng.standard_normal((12, 50)))
    mask = rng.random(50) < 0.5 if masked else None
    expected = FORMULAS[type(optimizer)](
        optimizer, gradients, p, np.ones(50) if mask is None else mask
    )
    actual, _ = run(optimizer, gradients, p, mask)
    np.testing.assert_allclose(actual, expected, rtol=1e-12, atol=1e-14)
    single, _ = run(optimizer, [g.astype("f4") for g in gradients], p.astype("f4"), mask)
    assert single.dtype == np.float32
    # 12 float32 roundings, of numbers up to some 3; centered: of a difference near 0
    wide = 2e-4 if getattr(optimizer, "centered", False) else 6e-6
    np.testing.assert_allclose(single, expected, rtol=0, atol=wide)


# PyTorch 2.13.0 (CPU, float64) after four steps from p = [1, -2, 0.5] with the gradients below.
TORCH_GRADIENTS = [[1, 0.5, -2], [0.5, 1, 0.25], [1, 0.245, -1], [-0.3, 0.1, 3]]
TORCH_RESULTS = [
    [0.78, -2.1845, 0.47499999999999987],
    [0.776505646101, -2.1761377419519996, 0.4723535728005],
    None,
    [0.4969322527020001, -2.310141280154, 1.090885051101],
    [0.18620995064779353, -2.581478471731387, 0.9136201485596969],
    [0.8222743606400037, -2.1793878751975333, 0.6061063413879553],
    [0.9658383227318059, -2.034178091882423, 0.5177146004982451],
    [0.8038757822294944, -2.1382428369073514, 0.5949791529798389],
    [0.6157984555534093, -2.4397171338761785, 0.6039266894472777],
    [0.6462454991570947, -2.377990724936397, 0.6799319766270305],
    [0.8082235873143184, -2.219552064582972, 0.5520409709812969],
    [0.84524523651767, -2.139244044456196, 0.5574563946200503],
    [0.9926177912939447, -2.0091257844638233, 0.5006967731819763],
    [0.9294261971422895, -2.082299374863082, 0.5067375490168268],
]


@pytest.mark.parametrize(
    ("optimizer", "expected"),
    [(m, r) for m, r in zip(OPTIMIZERS, TORCH_RESULTS, strict=False) if r],
    ids=repr,
)
def test_optimizer_gives_the_numbers_of_pytorch(optimizer, expected):
    gradients = [np.array(g, "f8") for g in TORCH_GRADIENTS]
    actual, _ = run(optimizer, gradients, np.array([1, -2, 0.5]))
    np.testing.assert_allclose(actual, expected, rtol=1e-13)


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_any_partition_into_slices_gives_equal_bits(optimizer, data):
    size = data.draw(st.integers(1, 300))
    cuts = data.draw(st.lists(st.integers(0, size), max_size=6))
    rng = np.random.default_rng(size)
    p = rng.standard_normal(size).astype("f4")
    gradients = list(rng.standard_normal((3, size)).astype("f4"))
    whole, state = run(optimizer, gradients, p)
    cut, cut_state = run(optimizer, gradients, p, cuts=cuts)
    assert whole.tobytes() == cut.tobytes()
    for slot in optimizer.slots:
        assert state[slot].tobytes() == cut_state[slot].tobytes()


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_slices_longer_than_a_chunk_give_equal_bits(optimizer):
    size = 2 * optimizer.chunk + 777
    rng = np.random.default_rng(0)
    p = rng.standard_normal(size, "f4")
    gradients = list(rng.standard_normal((2, size), "f4"))
    kept = [g.copy() for g in gradients]
    whole, _ = run(optimizer, gradients, p)
    cut, _ = run(optimizer, gradients, p, cuts=[5, optimizer.chunk + 3, 2 * optimizer.chunk])
    assert whole.tobytes() == cut.tobytes()
    np.testing.assert_array_equal(gradients, kept)


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_step_allocates_temporaries_of_a_chunk_only(optimizer):
    size = 1_000_000
    p, g, state = np.ones(size, "f4"), np.ones(size, "f4"), optimizer.init_slice(size)
    tracemalloc.start()
    try:
        optimizer.apply_slice(p, g, state, step=1, learning_rate=0.1)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < (optimizer.scratch + 0.5) * 4 * optimizer.chunk


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_config_and_pickle_bring_the_optimizer_back(optimizer):
    assert optimizer == optim.from_config(optimizer.config())
    again = pickle.loads(pickle.dumps(optimizer))
    assert optimizer == again
    assert optimizer.slots == again.slots
    assert repr(optimizer) == repr(again)


def test_config_holds_the_schedule_as_plain_data():
    optimizer = optim.Adam(schedule=optim.Warmup(optim.MultiStep([3, 5]), steps=2))
    config = optimizer.config()
    assert config["name"] == "optim.Adam"
    assert config["schedule"]["inner"]["milestones"] == [3, 5]
    assert optimizer == optim.from_config(config)


def test_from_config_refuses_names_it_does_not_know():
    with pytest.raises(
        ArgumentError, match=r"name must be one of .*optim\.SGD.*; got 'os\.system'"
    ):
        optim.from_config({"name": "os.system"})


def test_from_config_refuses_arguments_that_do_not_fit():
    with pytest.raises(ArgumentError, match=r"arguments of optim\.SGD must fit"):
        optim.from_config({"name": "optim.SGD", "learning_rate": 0.1, "speed": 3})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: optim.SGD(-0.1), "SGD: `learning_rate` must be"),
        (lambda: optim.SGD(float("nan")), "SGD: `learning_rate` must be"),
        (lambda: optim.SGD("fast"), "SGD: `learning_rate` must be"),
        (lambda: optim.SGD(0.1, momentum=1.0), "SGD: `momentum` must be"),
        (lambda: optim.SGD(0.1, weight_decay=-1), "SGD: `weight_decay` must be"),
        (lambda: optim.SGD(0.1, nesterov=True), "SGD: nesterov must come with momentum > 0"),
        (lambda: optim.SGD(0.1, schedule="step"), "SGD: schedule must be a Schedule or None"),
        (lambda: optim.Adam(betas=(0.9, 1.0)), r"Adam: `betas\[1\]` must be"),
        (lambda: optim.Adam(betas=0.9), "Adam: betas must be two numbers"),
        (lambda: optim.Adam(epsilon=0), "Adam: `epsilon` must be"),
        (lambda: optim.AdamW(weight_decay=-1), "AdamW: `weight_decay` must be"),
        (lambda: optim.RMSprop(alpha=1.0), "RMSprop: `alpha` must be"),
        (lambda: optim.Adagrad(initial=-1), "Adagrad: `initial` must be"),
        (lambda: optim.Adadelta(rho=-0.1), "Adadelta: `rho` must be"),
        (lambda: optim.NAdam(momentum_decay=-1), "NAdam: `momentum_decay` must be"),
        (lambda: optim.Lion(betas=(0.9, 1.0)), r"Lion: `betas\[1\]` must be"),
        (lambda: optim.Rprop(0), "Rprop: `learning_rate` must be"),
        (lambda: optim.Rprop(factors=(0.5, 0.9)), r"Rprop: `factors\[1\]` must be"),
        (lambda: optim.Rprop(sizes=(1.0, 0.5)), r"Rprop: `sizes\[1\]` must be"),
        (lambda: optim.Ftrl(0), "Ftrl: `learning_rate` must be"),
        (lambda: optim.Ftrl(l1=-1), "Ftrl: `l1` must be"),
        (lambda: optim.ASGD(start=-1), "ASGD: `start` must be"),
        (lambda: optim.SWA(optim.SGD(0.1), start=-1), "SWA: `start` must be an int >= 0"),
        (lambda: optim.SWA(optim.EMA(optim.SGD(1)), start=1), "must not be averaged already"),
        (lambda: optim.Lookahead(optim.SGD(0.1), share=0), "Lookahead: `share` must be"),
        (lambda: optim.LARS(0.1, trust=0), "LARS: `trust` must be"),
        (lambda: optim.LAMB(betas="ab"), "LAMB: betas must be two numbers"),
        (lambda: optim.LBFGS(history=0), "LBFGS: `history` must be an int > 0"),
    ],
)
def test_arguments_out_of_range_are_named(make, message):
    with pytest.raises(ArgumentError, match=message):
        make()


def test_slices_that_do_not_fit_are_named():
    optimizer = optim.SGD(0.1, momentum=0.9)
    p = np.zeros(3, "f4")
    with pytest.raises(ArgumentError, match=r"gradients must have the parameters' shape \(3,\)"):
        optimizer.apply_slice(
            p, np.zeros(2, "f4"), optimizer.init_slice(3), step=0, learning_rate=1
        )
    with pytest.raises(ArgumentError, match="state must hold the slots velocity; got none"):
        optimizer.apply_slice(p, p.copy(), {}, step=0, learning_rate=1)
    with pytest.raises(ArgumentError, match="1-D float vector; got int64"):
        optimizer.apply_slice(np.zeros(3, int), p, {}, step=0, learning_rate=1)
    with pytest.raises(ArgumentError, match="decay_mask must have"):
        optimizer.apply_slice(
            p, p.copy(), optimizer.init_slice(3), step=0, learning_rate=1, decay_mask=np.ones(2)
        )
