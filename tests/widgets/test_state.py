from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from sandbox.lib.train import History
from sandbox.widgets.snapshots import SnapshotState, add_snapshot, frame_limit
from sandbox.widgets.state import (
    CurveState,
    advance,
    from_history,
    summary,
    table,
    validation_table,
)

Make = Any


def test_iterations_become_points_with_every_rank(make_iteration: Make, make_ranks: Make) -> None:
    told = [make_ranks(1), make_iteration(1), make_ranks(2), make_iteration(2)]
    state = advance(advance(CurveState(), told[:3]), told[3:])
    names, rows = table(state)

    assert names[:3] == ("step", "epoch", "loss")
    assert names[6] == "recent"
    assert names[7:] == tuple(
        f"{c}:{r}" for r in (0, 1) for c in ("rate", "compute", "wait", "exchange")
    )
    assert rows[:, 0].tolist() == [1, 2]
    assert rows[0, 7] == pytest.approx(6400)
    assert state.images == 256


def test_the_state_before_is_left_as_it_was(make_iteration: Make) -> None:
    before = advance(CurveState(), [make_iteration(1)])
    advance(before, [make_iteration(2), {"type": "state", "state": "paused"}])

    assert len(before.points) == 1
    assert before.run == "idle"


def test_one_by_one_is_the_same_as_all_at_once(make_iteration: Make) -> None:
    events = [make_iteration(step) for step in range(1, 60)]
    at_once = advance(CurveState(limit=16), events)
    slowly = CurveState(limit=16)
    for event in events:
        slowly = advance(slowly, [event])

    assert at_once == slowly


def test_points_stay_bounded_and_keep_their_mean(make_iteration: Make) -> None:
    losses = np.linspace(2, 0.1, 999)
    events = [make_iteration(i + 1, loss=x, metrics={}) for i, x in enumerate(losses)]
    state = advance(CurveState(limit=50), events)
    weights = np.array([p.weight for p in state.points])

    assert len(state.points) <= 50
    assert weights.sum() == 999
    assert (weights[:-1] == state.stride).all()
    assert np.average([p.loss for p in state.points], weights=weights) == pytest.approx(
        losses.mean()
    )
    assert state.points[-1].step == 999


def test_a_run_that_went_back_to_a_checkpoint_is_drawn_once(make_iteration: Make) -> None:
    check = {"type": "validation", "step": 10, "epoch": 1, "metrics": {"top1": 0.9}}
    first = [make_iteration(step) for step in range(1, 11)]
    state = advance(CurveState(), [*first, check, make_iteration(6)])

    assert [p.step for p in state.points] == [1, 2, 3, 4, 5, 6]
    assert state.validations == ()


def test_a_second_fit_starts_new_curves(make_iteration: Make) -> None:
    state = advance(CurveState(limit=4), [make_iteration(step) for step in range(1, 20)])
    state = advance(state, [make_iteration(1)])

    assert [p.step for p in state.points] == [1]
    assert (state.images, state.stride) == (128, 1)


def test_validation_takes_score_and_loss_and_leaves_matrices(make_iteration: Make) -> None:
    metrics = {"confusion": np.eye(2), "loss": 0.25, "top1": 0.75}
    event = {"type": "validation", "step": 3, "epoch": 1, "metrics": metrics}
    state = advance(CurveState(), [event])

    assert validation_table(state).tolist() == [[3, 1, 0.75, 0.25]]
    assert state.score_name == "top1"


def test_events_without_metrics_ranks_or_a_known_type_do_no_harm(make_iteration: Make) -> None:
    bare = {"type": "iteration", "step": 1, "loss": float("nan")}
    state = advance(CurveState(), [bare, {"type": "checkpoint"}, {}, make_iteration(2)])

    assert [p.step for p in state.points] == [1, 2]
    assert math.isnan(state.points[0].loss)


def test_a_rank_that_did_not_report_has_gaps(make_iteration: Make, make_ranks: Make) -> None:
    told = [make_ranks(1, size=1), make_iteration(1), make_ranks(2), make_iteration(2)]
    names, rows = table(advance(CurveState(), told))

    assert math.isnan(rows[0, names.index("rate:1")])
    assert rows[1, names.index("rate:1")] > 0


def test_of_many_ranks_the_mean_and_the_slowest_are_shown(make_iteration: Make) -> None:
    slow = {"rank": 40, "compute": 0.02, "wait": 0.0, "exchange": 0.001, "bytes": 9, "rows": 2}
    state = advance(CurveState(), [make_iteration(1, ranks=64, slowest=slow)])
    names, rows = table(state)

    assert state.ranks == ("mean", "slowest")
    assert rows[0, names.index("compute:mean")] == pytest.approx(0.008)
    assert rows[0, names.index("compute:slowest")] == pytest.approx(0.02)
    assert "on 64 ranks" in summary(state)


def test_the_summary_tells_the_run_in_words(make_iteration: Make) -> None:
    check = {"type": "validation", "step": 2, "epoch": 1, "metrics": {"top1": 0.991}}
    start = {"type": "state", "state": "running", "total_steps": 20}
    state = advance(CurveState(), [start, make_iteration(1), make_iteration(2), check])

    assert summary(state) == (
        "Running at epoch 1, step 2 of 20: loss 0.5000, training accuracy 50.00 %,"
        " validation accuracy 99.10 %, 12,800 images/s on 2 ranks, 0:00 left."
    )
    texts = advance(CurveState(unit="texts"), [make_iteration(1)])
    assert summary(texts).endswith("12,800 texts/s on 2 ranks.")
    failed = advance(
        CurveState(), [{"type": "log", "text": "no Java"}, {"type": "state", "state": "failed"}]
    )
    assert summary(failed) == "Training failed. no Java"


def test_before_the_first_step_the_state_tells_what_goes_on(make_iteration: Make) -> None:
    running = {"type": "state", "state": "running"}
    java = {"type": "stage", "text": "starting Java", "share": 0.25}
    state = advance(CurveState(), [running, java])
    assert (state.stage, state.share) == ("starting Java", 0.25)
    assert summary(state) == "Training is starting (25 %): starting Java."
    assert advance(state, [make_iteration(1)]).stage == ""
    failed = advance(state, [{"type": "state", "state": "failed"}])
    assert failed.stage == ""
    assert summary(failed) == "Training failed."


@pytest.mark.parametrize("size", [1, 2, 64])
def test_a_history_gives_the_same_curves_as_its_events(
    size: int, make_iteration: Make, make_ranks: Make
) -> None:
    history, events = History(), []
    check = {"type": "validation", "step": 7, "epoch": 1, "metrics": {"top1": 0.9}}
    for step in range(1, 8):
        event = make_iteration(step, ranks=size, rows=64 * size)
        if size > 1:
            events.append(make_ranks(step, size))
            history.add_ranks(events[-1])
        events.append(event)
        history.append(event)
    history.add_validation(check)

    state = from_history(history)
    assert state == advance(CurveState(), [*events, check])
    assert len(state.points[0].ranks) == min(size, 2)


def test_snapshots_keep_first_and_newest_and_stay_bounded() -> None:
    state = SnapshotState(limit=8)
    for step in range(0, 1000, 20):
        state = add_snapshot(state, step, np.full(3, step))
        assert len(state.frames) <= 8 + 1
        assert (state.frames[0].step, state.frames[-1].step) == (0, step)
    gaps = np.diff([frame.step for frame in state.frames])

    assert len(set(gaps[:-1].tolist())) == 1


def test_snapshots_are_half_precision_and_finite() -> None:
    state = add_snapshot(SnapshotState(), 0, np.array([1e9, -1e9, 0.1]))

    assert state.frames[0].values.dtype == np.float16
    assert np.isfinite(state.frames[0].values).all()


def test_a_large_layer_keeps_fewer_frames() -> None:
    assert frame_limit(150) == 96
    assert frame_limit(100_000) == 5
    assert frame_limit(10_000_000) == 3


def test_the_curve_of_the_score_passes_over_the_borders_of_epochs(make_iteration: Make) -> None:
    # A running mean of an epoch begins anew; the figures of the last steps do not.
    events = [
        make_iteration(10, metrics={"top1": 0.6}, recent={"top1": 0.8}),
        make_iteration(11, metrics={"top1": 0.9}, recent={"top1": 0.81}),
    ]
    state = advance(CurveState(), events)

    assert [(p.score, p.recent) for p in state.points] == [(0.6, 0.8), (0.9, 0.81)]
    assert "training accuracy 81.00 %" in summary(state)
    old = advance(CurveState(), [make_iteration(1, metrics={"top1": 0.6})])
    assert old.points[0].recent == 0.6
