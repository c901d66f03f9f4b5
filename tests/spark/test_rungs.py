"""Which trials go on is a function of the scores, whatever the clock and the number of slots."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from sandbox.lib.spark.tune import Rungs


def searched(rungs, quality, slots, seed=0):
    """Run a search whose trials end in a random order, so many at once."""
    random = np.random.default_rng(seed)
    scores, running = {}, []
    while True:
        due = [job for job in rungs.due(scores) if job not in running]
        running += due[: slots - len(running)]
        if not running:
            return scores
        job = running.pop(random.integers(len(running)))
        scores[job] = quality(*job)


def quality(trial, rung):
    return float(np.random.default_rng((trial, 0)).random() + 0.1 * 0.5**rung * (trial % 3))


@pytest.mark.parametrize("trials", [1, 2, 7, 27, 40])
def test_the_same_trials_go_on_whatever_the_slots_and_the_order_of_ends(trials):
    rungs = Rungs.halving(trials, 27, 1, 3)
    alone = searched(rungs, quality, 1)
    for slots, seed in ((2, 0), (3, 1), (5, 2), (100, 3)):
        assert searched(rungs, quality, slots, seed) == alone


def test_a_search_goes_on_from_any_part_of_its_scores():
    rungs = Rungs.halving(20, 9, 1, 3)
    whole = searched(rungs, quality, 3)
    for known in range(0, len(whole), 5):
        some = dict(list(whole.items())[:known])
        while due := rungs.due(some):
            some[due[-1]] = quality(*due[-1])
        assert some == whole


def test_of_three_trials_about_one_goes_on_and_the_best_reaches_the_end():
    rungs = Rungs.halving(81, 27, 1, 3)
    assert rungs.epochs == [1, 3, 9, 27]
    scores = searched(rungs, lambda trial, rung: float(trial * 37 % 81), 4)
    counts = [sum(rung == at for _, rung in scores) for at in range(4)]
    assert counts[0] == 81
    for below, above in itertools.pairwise(counts):
        assert below // 3 <= above <= below // 2 + 1
    assert (0, 3) in scores  # trial 0 has the lowest score


def test_a_slot_is_never_without_work_as_long_as_trials_have_not_begun():
    rungs = Rungs.halving(9, 9, 1, 3)
    assert len(rungs.due({(5, 0): 0.5})) == 8  # trial 0 is still out: nobody waits for it
    assert rungs.due({(k, 0): 1.0 - k / 10 for k in range(3)})[0] == (2, 1)


def test_somebody_reaches_the_end_of_few_trials_but_nobody_who_failed():
    rungs = Rungs.halving(2, 27, 1, 3)
    assert (1, 3) in searched(rungs, lambda trial, rung: -trial, 1)
    assert searched(rungs, lambda trial, rung: math.inf, 1).keys() == {(0, 0), (1, 0)}


def test_more_trials_leave_what_is_decided_as_it_is():
    small = searched(Rungs.halving(12, 9, 1, 3), quality, 2)
    large = searched(Rungs.halving(30, 9, 1, 3), quality, 2)
    decided = {job for job in small if job[1] <= 1}
    assert decided <= set(large)
