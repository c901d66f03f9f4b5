"""Groups, regularisers and averaged weights: the same numbers as by hand, on any slices."""

from __future__ import annotations

import pickle
from itertools import pairwise

import numpy as np
import pytest

from sandbox.lib import optim
from sandbox.lib.core.errors import ArgumentError
from sandbox.lib.optim import (
    EMA,
    L1,
    L1L2,
    L2,
    SGD,
    Adam,
    ParameterGroup,
    ParameterGroups,
    ParameterSpans,
)

VIEWS = {"fc1.weight": (0, 40), "fc1.bias": (48, 53), "head.weight": (64, 164)}
NAMES, SIZE = list(VIEWS), 176
OPTIMIZERS = [
    ParameterGroups(
        SGD(0.1, momentum=0.9, weight_decay=0.1), [ParameterGroup("*.bias", weight_decay=0)]
    ),
    ParameterGroups(
        SGD(0.1),
        [ParameterGroup("fc1.*", learning_rate=0.5, weight_decay=2.0, regulariser=L1(0.1))],
    ),
    ParameterGroups(
        Adam(0.01),
        [
            ParameterGroup("head.*", optimizer=SGD(0.2, momentum=0.5)),
            ParameterGroup("*", weight_decay=0),
        ],
    ),
    ParameterGroups(optim.LARS(0.5, trust=0.1), [ParameterGroup("*.bias", optimizer=SGD(0.1))]),
    ParameterGroups(optim.LAMB(0.01), [ParameterGroup("fc1.*", regulariser=L1L2(0.1, 0.2))]),
    EMA(SGD(0.1, momentum=0.9), decay=0.9),
    optim.SWA(SGD(0.1, momentum=0.9), start=1, every=2),
    optim.Lookahead(Adam(0.1), every=2, share=0.3),
    EMA(optim.Lookahead(optim.LAMB(0.05), every=2), decay=0.5),
    ParameterGroups(Adam(0.01), [ParameterGroup("head.*", optimizer=optim.Rprop(0.02))]),
    EMA(
        ParameterGroups(optim.AdamW(0.01), [ParameterGroup("*.bias", weight_decay=0)]),
        decay=0.5,
        warm=False,
    ),
]


def vectors(seed=0, dtype="f4", steps=4):
    made = np.random.default_rng(seed).standard_normal((steps + 1, SIZE))
    made[:, 40:48] = made[:, 53:64] = made[:, 164:] = 0
    return made[0].astype(dtype), list(made[1:].astype(dtype))


def run(optimizer, gradients, p, cuts=(), mask=None):
    p = p.copy()
    state = optimizer.init_slice(SIZE, p.dtype)
    for step, g in enumerate(gradients):
        pieces = []
        for a, b in pairwise([0, *sorted(cuts), SIZE]):
            own = {k: v[a:b] for k, v in state.items()}
            decay = None if mask is None else mask[a:b]
            pieces.append((slice(a, b), own, ParameterSpans.of(VIEWS, a, b), decay))
        norms = sum(
            optimizer.measure_slice(p[h], g[h], own, step=step, spans=spans, decay_mask=decay)
            for h, own, spans, decay in pieces
        )
        for here, own, spans, decay in pieces:
            rate = optimizer.learning_rate_at(step, None)
            optimizer.apply_slice(
                p[here],
                g[here],
                own,
                step=step,
                learning_rate=rate,
                spans=spans,
                norms=norms,
                decay_mask=decay,
            )
    return p, state


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
@pytest.mark.parametrize("cuts", [(88,), (3, 50, 99), (44, 88, 132)])
def test_slices_give_equal_bits(optimizer, cuts):
    p, gradients = vectors()
    kept = [g.copy() for g in gradients]
    whole, state = run(optimizer, gradients, p)
    cut, cut_state = run(optimizer, gradients, p, cuts)
    assert whole.tobytes() == cut.tobytes()
    for slot in optimizer.slots:
        assert state[slot].tobytes() == cut_state[slot].tobytes()
    np.testing.assert_array_equal(kept, gradients)
    assert not whole[40:48].any()


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_config_and_pickle_bring_the_optimizer_back(optimizer):
    assert optimizer == optim.from_config(optimizer.config())
    again = pickle.loads(pickle.dumps(optimizer))
    assert (optimizer, optimizer.slots, repr(optimizer)) == (again, again.slots, repr(again))


def alone(optimizer, name, gradients, p, regulariser=None):
    """Train one parameter by itself."""
    here = slice(*VIEWS[name])
    q = p[here].copy()
    state = optimizer.init_slice(q.size, q.dtype)
    for step, g in enumerate(gradients):
        d = g[here] if regulariser is None else regulariser(q, g[here])
        optimizer.apply_slice(q, d, state, step=step, learning_rate=optimizer.learning_rate)
    return q


@pytest.mark.parametrize("main", [None, optim.StepDecay(2, gamma=0.5)])
def test_a_group_s_optimiser_goes_by_its_own_schedule_if_it_has_one(main):
    own = optim.Polynomial()
    optimizer = optim.by_name({"head": SGD(0.2, schedule=own), "*": SGD(0.1, schedule=main)})
    optimizer.pace(2, 4)
    p, gradients = vectors(dtype="f8")
    actual, _ = run(optimizer, gradients, p)
    rates = [0.2 * own(step, 4) for step in range(4)]
    head, bias = slice(*VIEWS["head.weight"]), slice(*VIEWS["fc1.bias"])
    wanted = p[head] - sum(rate * g[head] for rate, g in zip(rates, gradients, strict=True))
    np.testing.assert_allclose(actual[head], wanted, rtol=1e-12)
    rates = [0.1 * (main or optim.Constant())(step) for step in range(4)]
    wanted = p[bias] - sum(rate * g[bias] for rate, g in zip(rates, gradients, strict=True))
    np.testing.assert_allclose(actual[bias], wanted, rtol=1e-12)
    # A rate that is set by hand, here half of the planned one, is one for all.
    spans, g, state = ParameterSpans.of(VIEWS, 0, SIZE), gradients[0], optimizer.init_slice(SIZE)
    q = p.copy()
    optimizer.apply_slice(q, g, state, step=0, learning_rate=0.05, spans=spans)
    np.testing.assert_allclose(q[head], p[head] - 0.1 * g[head], rtol=1e-12)


def test_each_group_is_treated_as_if_it_were_alone():
    p, gradients = vectors(dtype="f8")
    optimizer = ParameterGroups(
        Adam(0.01, weight_decay=0.1),
        [
            ParameterGroup("*.bias", weight_decay=0, learning_rate=3),
            ParameterGroup("head.*", optimizer=SGD(0.2, momentum=0.5)),
        ],
    )
    q, _ = run(optimizer, gradients, p)
    wanted = {
        "fc1.weight": Adam(0.01, weight_decay=0.1),
        "fc1.bias": Adam(0.03),
        "head.weight": SGD(0.2, momentum=0.5),
    }
    for name, own in wanted.items():
        expected = alone(own, name, gradients, p)
        np.testing.assert_allclose(q[slice(*VIEWS[name])], expected, rtol=1e-14, err_msg=name)


@pytest.mark.parametrize(
    ("regulariser", "term"),
    [
        (L1(0.3), lambda p: 0.3 * np.sign(p)),
        (L2(0.3), lambda p: 0.3 * p),
        (L1L2(0.1, 0.2), lambda p: 0.1 * np.sign(p) + 0.2 * p),
    ],
    ids=["L1", "L2", "L1L2"],
)
def test_regularisers_are_terms_of_the_gradient(regulariser, term):
    p, gradients = vectors(dtype="f8")
    optimizer = optim.regularised(SGD(0.1, momentum=0.9), regulariser, "*.weight")
    q, _ = run(optimizer, gradients, p)
    for name in ("fc1.weight", "head.weight"):
        expected = alone(optimizer.optimizer, name, gradients, p, lambda x, g: g + term(x))
        np.testing.assert_allclose(q[slice(*VIEWS[name])], expected, rtol=1e-13)
    np.testing.assert_array_equal(q[48:53], alone(optimizer.optimizer, "fc1.bias", gradients, p))
    here, h = p[:40], 1e-6
    slope = (regulariser.penalty(here + h * here) - regulariser.penalty(here - h * here)) / (2 * h)
    assert slope == pytest.approx(term(here) @ here, rel=1e-6)


def test_frozen_parameters_feel_no_regulariser():
    p, gradients = vectors()
    for g in gradients:
        g[:40] = 0
    mask = np.ones(SIZE, bool)
    mask[:40] = False
    for optimizer in (
        optim.regularised(SGD(0.1, weight_decay=0.1), L1L2(0.1, 0.1)),
        ParameterGroups(SGD(0.1, weight_decay=0.1), [ParameterGroup("*", weight_decay=0.5)]),
    ):
        q, _ = run(optimizer, gradients, p, mask=mask)
        np.testing.assert_array_equal(p[:40], q[:40])


def test_a_group_of_rate_zero_stays_as_it_is():
    p, gradients = vectors()
    q, _ = run(
        ParameterGroups(Adam(0.1), [ParameterGroup("head.*", learning_rate=0)]), gradients, p
    )
    np.testing.assert_array_equal(p[64:164], q[64:164])
    assert (p[:40] != q[:40]).all()


def test_groups_of_long_slices_give_the_bits_of_the_optimizer_alone():
    size = 2 * SGD.chunk + 5
    rng = np.random.default_rng(0)
    p, g = rng.standard_normal((2, size), "f4")
    whole, own = p.copy(), SGD(0.1, weight_decay=0.1)
    own.apply_slice(whole, g, {}, step=0, learning_rate=0.1)
    parted, optimizer = p.copy(), ParameterGroups(own, [ParameterGroup("other", weight_decay=0)])
    spans = ParameterSpans.of({"w": (0, size), "other": (size, size)}, 0, size)
    optimizer.apply_slice(parted, g, {}, step=0, learning_rate=0.1, spans=spans)
    assert whole.tobytes() == parted.tobytes()


def test_average_follows_its_formula():
    p, gradients = vectors(dtype="f8", steps=12)
    optimizer = EMA(SGD(0.1), decay=0.6)
    q, state = run(optimizer, gradients, p)
    average, plain = p.copy(), p.copy()
    for t, g in enumerate(gradients):
        plain = plain - 0.1 * g
        keep = min(0.6, (1 + t) / (10 + t))
        average = keep * average + (1 - keep) * plain
    np.testing.assert_allclose(q, plain, rtol=1e-13)
    np.testing.assert_allclose(state["average"], average, rtol=1e-12)
    assert optimizer.average_slot == "average"


def test_average_starts_from_the_first_weights():
    p, gradients = vectors(steps=1)
    _, state = run(EMA(SGD(1.0), decay=0.75, warm=False), gradients, p)
    np.testing.assert_allclose(state["average"], p - 0.25 * gradients[0], rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ParameterGroup([]), "ParameterGroup: `names` must be patterns"),
        (lambda: ParameterGroup("*", learning_rate=-1), "ParameterGroup: `learning_rate` must be"),
        (
            lambda: ParameterGroup("*", regulariser=0.1),
            r"`regulariser` must be L1\(...\).*; got 0.1",
        ),
        (
            lambda: ParameterGroup("*", optimizer="sgd"),
            "`optimizer` must be an Optimizer that works on slices",
        ),
        (lambda: ParameterGroup("*", optimizer=optim.LBFGS()), "works on slices"),
        (
            lambda: ParameterGroup("*", optimizer=SGD(1, schedule=optim.Plateau())),
            "must have no schedule that goes by a metric",
        ),
        (
            lambda: ParameterGroups(SGD(0.1), ["*.bias"]),
            "each group must be a ParameterGroup; got '\\*.bias'",
        ),
        (
            lambda: ParameterGroups("sgd", []),
            "ParameterGroups: `optimizer` must be an Optimizer; got 'sgd'",
        ),
        (
            lambda: ParameterGroups(SGD(0), [ParameterGroup("*", optimizer=SGD(1))]),
            "learning rate > 0",
        ),
        (lambda: ParameterGroups(EMA(SGD(1)), []), r"EMA\(ParameterGroups\(...\)\)"),
        (
            lambda: optim.by_name({"fc1": SGD(1)}),
            "a dict of names that holds '\\*'.*got \\['fc1'\\]",
        ),
        (lambda: optim.by_name([SGD(1)]), "`optimizers` must be a dict"),
        (lambda: optim.by_depth(SGD(1), ["a"], 0), "`decay` must be"),
        (lambda: EMA(optim.LBFGS()), "needs the whole vector"),
        (lambda: EMA(SGD(1), decay=1.0), "EMA: `decay` must be"),
        (lambda: L1(-1), "L1: `strength` must be"),
        (lambda: ParameterGroup(3), "ParameterGroup: `names` must be patterns.*got 3"),
        (lambda: ParameterGroups(SGD(0.1), None), "each group must be a ParameterGroup; got None"),
        (lambda: EMA(EMA(SGD(1))), "must not be averaged already"),
        (lambda: SGD(0.1, schedule=optim.Cosine), "schedule must be a Schedule or None; got <"),
        (lambda: optim.MultiStep(10), "milestones must be a list; got 10"),
        (lambda: optim.from_config("SGD"), "name must be one of .*optim.Adadelta.*got 'SGD'"),
    ],
)
def test_arguments_out_of_range_are_named(make, message):
    with pytest.raises(ArgumentError, match=message):
        make()


def test_an_optimizer_around_another_shows_the_numbers_of_the_inner_one():
    inner = SGD(0.1, weight_decay=0.5, schedule=optim.StepDecay(2, gamma=0.5))
    outer = EMA(ParameterGroups(inner, [ParameterGroup("*.bias", weight_decay=0)]))
    assert (outer.learning_rate, outer.weight_decay) == (0.1, 0.5)
    assert outer.schedule is inner.schedule
    assert outer.learning_rate_at(2, 4) == pytest.approx(0.05)


def test_a_pattern_that_holds_nothing_is_named():
    optimizer = EMA(ParameterGroups(SGD(0.1), [ParameterGroup(["*.bias", "*.wieght"])]))
    with pytest.raises(ArgumentError, match=r"'\*.wieght', which holds none of fc1.weight, fc1.b"):
        optimizer.check_names(NAMES)


def test_groups_without_spans_say_how_to_get_them():
    optimizer = ParameterGroups(SGD(0.1), [ParameterGroup("*")])
    with pytest.raises(ArgumentError, match=r"ParameterSpans.of\(flat.views"):
        optimizer.apply_slice(np.ones(2), np.ones(2), {}, step=0, learning_rate=1)


def test_slots_that_start_differently_are_refused():
    optimizer = ParameterGroups(optim.Adagrad(initial=0.1), [ParameterGroup("*", optimizer=Adam())])
    with pytest.raises(ArgumentError, match="agree on where the slot 'square' starts"):
        optimizer.init_slice(3)


def test_a_config_of_before_gives_the_same_optimizer():
    config = {
        "name": "optim.Averaged",
        "method": {
            "name": "optim.Groups",
            "method": {"name": "optim.SGD", "learning_rate": 0.1, "momentum": 0.9},
            "groups": [{"name": "optim.Group", "names": ["*.bias"], "method": None}],
        },
        "decay": 0.9,
        "warm": True,
    }
    groups = ParameterGroups(SGD(0.1, momentum=0.9), [ParameterGroup("*.bias")])
    assert optim.from_config(config) == EMA(groups, decay=0.9)
    step = {"name": "optim.Step", "every": 3, "gamma": 0.5}
    assert optim.from_config(step) == optim.StepDecay(3, gamma=0.5)
