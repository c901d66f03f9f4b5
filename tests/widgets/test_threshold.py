"""The threshold widget: counts, costs, the picture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sandbox.lib.core.errors import ArgumentError, DataError
from sandbox.widgets.assets import bundle
from sandbox.widgets.threshold import ThresholdExplorer


def explorer(alarm: float = 5.0) -> ThresholdExplorer:
    return ThresholdExplorer([0.9, 0.8, 0.3, 0.2], [1, 0, 1, 0], [100, 7, 3, 7], alarm=alarm)


def test_it_starts_where_the_cost_is_least() -> None:
    made = explorer()

    assert made.threshold == 0.9  # one more fraud of 3 is not worth an alarm of 5
    assert made.counts() == (1, 0, 1, 2)
    assert made.cost() == 3


def test_a_cheaper_alarm_flags_more() -> None:
    made = explorer(alarm=1)

    assert made.threshold == 0.3
    assert made.counts() == (2, 1, 0, 1)
    assert made.cost() == 1


def test_the_reader_moves_the_threshold_and_the_price() -> None:
    made = explorer()
    made.place, made.alarm = len(made.costs()) - 1, 2.0

    assert made.threshold == np.inf
    assert made.counts() == (0, 0, 2, 2)
    assert made.cost() == 103


def test_many_rows_need_few_points_and_the_best_ranks_are_all_there() -> None:
    scores = np.arange(50_000) / 50_000
    made = ThresholdExplorer(scores, scores > 0.999, np.ones(50_000), alarm=1)

    assert len(made.costs()) < 200
    assert scores[-1] in made._table[:, 0]


def test_the_picture_tells_the_counts() -> None:
    assert "1 found, 1 missed, 0 false alarms" in explorer().picture().text
    assert "<script" in explorer().to_html()


def test_the_cost_carries_its_unit() -> None:
    made = ThresholdExplorer([0.9, 0.2], [1, 1], [100, 7], alarm=5, unit="€")
    made.place = len(made.costs()) - 1

    assert made.picture().text.endswith("cost 107 €.")


def test_wrong_labels_are_refused() -> None:
    with pytest.raises(DataError, match=r"labels must be 0 or 1.*row 1"):
        ThresholdExplorer([0.1, 0.2], [0, 2], [1, 1])


def test_prices_and_amounts_below_zero_are_refused() -> None:
    with pytest.raises(ArgumentError, match=r"`alarm` must be .*got -3\. It is the price"):
        explorer(alarm=-3)
    made = explorer()
    with pytest.raises(ArgumentError, match="got -1"):
        made.alarm = -1
    assert made.alarm == 5
    with pytest.raises(DataError, match=r"costs must be finite and at least 0; got -50 in row 1"):
        ThresholdExplorer([0.1, 0.4], [0, 1], [9, -50])


def test_the_view_judges_as_the_kernel_does(tmp_path: Path, run_node: Callable[..., str]) -> None:
    (tmp_path / "threshold.mjs").write_text(bundle("threshold.js"), encoding="utf-8")
    code = """
import { cheapest, flaggedTicks, judge, money, priceFault } from "./threshold.mjs";
const table = { threshold: [0.3, 0.9], hits: [2, 1], alarms: [1, 0], lost: [0, 3] };
const now = judge(table, 1, 4, 2, 5);
const many = { threshold: [0.1, 0.2, 0.6, 0.9, Infinity], hits: [3, 3, 2, 1, 0],
  alarms: [90, 20, 8, 0, 0] };
const ticks = flaggedTicks(many).map((tick) => `${tick.count}@${tick.threshold}`).join();
console.log(ticks, money(2695, "€").replace(" ", "_"), money(7, ""));
console.log(cheapest(table, 5), cheapest(table, 1), now.cost, now.missed, now.accuracy, now.recall);
console.log([priceFault("3"), priceFault("-3"), priceFault(" ")].map((t) => t.split("; ")[1]));
"""
    (tmp_path / "test.mjs").write_text(code, encoding="utf-8")

    ticks, judged, faults = run_node(str(tmp_path / "test.mjs")).splitlines()
    assert ticks == "1@0.9,10@0.6 2,695_€ 7"
    assert judged.split() == ["1", "0", "3", "1", "0.75", "0.5"]
    assert faults == "[ undefined, 'got -3.', 'got nothing.' ]"
