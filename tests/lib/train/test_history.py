from __future__ import annotations

import json
import threading
from typing import Any

import numpy as np
import pytest

from sandbox.lib.train import History
from sandbox.lib.train.timings import TIMES, RankTables


def iteration(step: int, *, epoch: int = 1, loss: float = 1.0, ranks: int = 1) -> dict[str, Any]:
    timing = {"compute": 0.1, "wait": 0.0, "exchange": 0.0, "bytes": 8, "rows": 4}
    return {
        "type": "iteration",
        "epoch": epoch,
        "step": step,
        "loss": loss,
        "learning_rate": 0.1,
        "rows": 4,
        "seconds": 0.1,
        "rate": 40.0,
        "metrics": {"top1": 0.5},
        "recent": {"top1": 0.6},
        "ranks": ranks,
        "mean": timing,
        "slowest": {"rank": ranks - 1, **timing},
    }


def add(history: History, step: int, ranks: int, *, steps: int = 1, **changes: Any) -> None:
    """Append what is told of an iteration of several ranks."""
    event = iteration(step, ranks=ranks, **changes)
    timings = [{**event["mean"], "rank": rank, "compute": rank + step} for rank in range(ranks)]
    history.add_ranks({"step": step, "steps": steps, "timings": timings})
    history.append(event)


def test_columns_grow_with_the_iterations() -> None:
    history = History()
    for step in (1, 2, 3):
        add(history, step, 2, loss=1 / step)
    np.testing.assert_array_equal([1, 2, 3], history["step"])
    np.testing.assert_array_equal([1, 1 / 2, 1 / 3], history["loss"])
    assert len(history) == 3
    assert history.ranks == 2
    np.testing.assert_array_equal([8, 8, 8], history.rank(1)["bytes"])
    assert "top1" in history


def test_an_unknown_column_is_named_with_the_known_ones() -> None:
    with pytest.raises(KeyError, match="no column 'speed'; it has step"):
        History()["speed"]


def test_a_run_that_went_back_replaces_what_came_after() -> None:
    history = History()
    for step in (1, 2, 3, 4):
        history.append(iteration(step, loss=step))
    history.append(iteration(3, loss=30.0))
    np.testing.assert_array_equal([1, 2, 3], history["step"])
    np.testing.assert_array_equal([1, 2, 30], history["loss"])
    np.testing.assert_array_equal([0.6, 0.6, 0.6], history.recent()["top1"])


def test_ranks_of_a_run_that_went_back_replace_what_came_after() -> None:
    history = History()
    for step in (1, 2, 3, 4, 3):
        add(history, step, 3)
    np.testing.assert_array_equal([3, 4, 5], history.rank(2)["compute"])
    history.cut(1)
    np.testing.assert_array_equal([3], history.rank(2)["compute"])


def test_a_table_of_many_ranks_tells_of_all_its_iterations() -> None:
    history = History()
    for step in range(1, 9):
        if step % 4 == 0:
            add(history, step, 40, steps=4)
        else:
            history.append(iteration(step, ranks=40))
    history.append(iteration(9, ranks=40))
    np.testing.assert_array_equal([14] * 4 + [18] * 4 + [np.nan], history.rank(10)["compute"])
    np.testing.assert_array_equal([39] * 9, history.timings()["slowest"])


def test_the_times_of_many_ranks_take_no_more_room_than_those_of_eight() -> None:
    few, many = RankTables(), RankTables()
    timing = dict.fromkeys(TIMES, 1.0)
    for step in range(1, 2001):
        few.add(step, step, [timing] * 8)
        many.add(step, step, [{**timing, "compute": step + rank} for rank in range(64)])
    room = [len(tables.steps) * tables.ranks for tables in (few, many)]
    assert room[1] <= room[0] == 8 * 2000
    compute = many.columns(5, np.arange(1, 2001))["compute"]
    assert np.isfinite(compute).all()
    assert compute.mean() == pytest.approx(5 + 1000.5)  # means of neighbours


def test_a_metric_that_comes_late_is_nan_before() -> None:
    history = History()
    first = iteration(1)
    first["metrics"] = {}
    history.append(first)
    history.append(iteration(2))
    np.testing.assert_array_equal([np.nan, 0.5], history["top1"])


def test_validations_are_kept_by_step() -> None:
    history = History()
    for step, score in ((2, 0.5), (4, 0.6), (4, 0.7)):
        history.add_validation({"step": step, "epoch": 1, "metrics": {"top1": score}})
    assert [v["step"] for v in history.validations] == [2, 4]
    assert history.last_validation == {"top1": 0.7}


def test_the_table_has_a_row_for_each_epoch() -> None:
    history = History()
    assert repr(history) == "History(no iterations yet)"
    for step in range(1, 5):
        history.append(iteration(step, epoch=(step - 1) // 2 + 1, loss=step))
    history.add_validation({"step": 4, "epoch": 2, "metrics": {"top1": 0.9, "confusion": [[1]]}})
    lines = repr(history).splitlines()
    assert len(lines) == 3
    assert lines[0].split()[:3] == ["epoch", "steps", "loss"]
    assert lines[1].split()[-1] == "-"
    assert lines[2].split()[-1] == "0.9000"
    assert [(row["epoch"], row["loss"]) for row in history.epochs()] == [(1, 1.5), (2, 3.5)]


def test_a_long_table_shows_its_ends() -> None:
    history = History()
    for step in range(1, 241):
        history.append(iteration(step, epoch=step))
    lines = repr(history).splitlines()
    assert len(lines) == 22
    assert lines[10].split()[0] == "10"
    assert lines[11] == "... 220 more epochs: history.epochs()"
    assert [line.split()[0] for line in lines[12:]] == [str(k) for k in range(231, 241)]
    assert len(history.epochs()) == 240


def test_everything_goes_into_json() -> None:
    history = History()
    add(history, 1, 2)
    data = json.loads(json.dumps(history.to_dict()))
    assert data["columns"]["loss"] == [1.0]
    assert data["ranks"][1]["compute"] == [2.0]
    assert data["timings"]["slowest"] == [1.0]


def test_arrays_and_back_keep_the_columns() -> None:
    history = History()
    for step in (1, 2):
        history.append(iteration(step, loss=step))
    history.add_validation({"step": 2, "epoch": 1, "metrics": {"top1": 0.5}})
    copy = History.from_arrays(history.to_arrays(), history.validations)
    for name in history.columns:
        np.testing.assert_array_equal(history[name], copy[name])
    copy.append(iteration(3))
    assert len(copy) == 3
    assert np.isnan(copy.rank(0)["compute"][:2]).all()


def test_reading_while_another_thread_appends_gives_whole_columns() -> None:
    history = History()
    done = threading.Event()

    def write() -> None:
        for step in range(1, 3000):
            add(history, step, 2)
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    while not done.is_set():
        n = len(history["loss"])
        steps = history["step"]
        assert len(steps) >= n
        np.testing.assert_array_equal(np.arange(1, len(steps) + 1), steps)
        history.epochs()
    writer.join()
    assert len(history) == 2999
