"""Pictures of searches are drawn for many trials, for one and for none, and say it in words."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from sandbox.lib import criterion, nn, optim
from sandbox.lib.core.errors import ArgumentError
from sandbox.lib.spark import tune
from sandbox.lib.spark.tune import Coordinates
from sandbox.lib.spark.tune.space import Space
from sandbox.lib.train import LearningRates, Trainer
from sandbox.widgets import TrialTable, learning_rate_curve, parallel_coordinates

SPACE = Space(
    {"lr": tune.log_uniform(1e-4, 1.0), "act": tune.choice(["relu", "tanh"])},
    seed=0,
)


def found(scores: list[float], *, maximise: bool = False) -> SimpleNamespace:
    ranked = sorted(scores, reverse=maximise)
    trials = [SimpleNamespace(score=score, config=SPACE.draw(k)) for k, score in enumerate(ranked)]
    search = SimpleNamespace(trials=trials, maximise=maximise, metric="loss")
    return SimpleNamespace(coordinates=lambda: Coordinates(search, SPACE))  # type: ignore[arg-type]


@pytest.mark.parametrize("scores", [[], [0.5], [0.5, 0.5], [0.1, 0.2, 0.3, 0.4, 0.9, float("nan")]])
def test_trials_are_drawn_however_many_there_are(scores: list[float]) -> None:
    picture = parallel_coordinates(found([one for one in scores if one == one]))
    assert picture.png[:4] == b"\x89PNG"
    assert b"<svg" in picture.svg
    assert ("no trial has a score" in picture.text) == (not scores)


def test_a_trial_that_is_worse_by_far_does_not_press_the_others_together() -> None:
    told = found([0.1, 0.2, 0.3, 0.4, 90.0]).coordinates()
    heights = [line[-1] for line in told.lines]
    assert heights[0] == 0.0
    assert heights[3] > 0.5
    assert heights[4] == 1.0
    assert told.ticks[-1][-1][1].endswith(" or more")
    assert "loss 0.1 to 90" in told.text()
    turned = found([0.9, 0.8, 0.7, 0.6, -50.0], maximise=True).coordinates()
    assert [line[-1] for line in turned.lines][::4] == [1.0, 0.0]
    assert turned.ticks[-1][0][1].endswith(" or less")


def test_the_finders_curve_is_drawn_with_and_without_a_suggestion() -> None:
    rates = np.geomspace(1e-5, 1.0, 40)
    falls = LearningRates(rates, 1.0 / (1.0 + (rates / 0.01) ** 2) + rates**2)
    for seen in (falls, LearningRates(rates, rates), LearningRates(rates[:0], rates[:0])):
        picture = learning_rate_curve(seen)
        assert picture.png[:4] == b"\x89PNG"
        assert picture.text == seen.text()


def test_what_is_no_search_is_refused() -> None:
    with pytest.raises(ArgumentError, match=r"what tune\.search returns"):
        parallel_coordinates([1, 2])
    with pytest.raises(ArgumentError, match="what learning_rate_finder returns"):
        learning_rate_curve([1, 2])


def searched(table: TrialTable) -> Any:
    """Run a small search whose third trial fails."""
    x = np.random.default_rng(0).normal(size=(60, 3)).astype("f4")
    y = (x[:, 0] > 0).astype("i8")

    def model_fn(config: Any, rng: Any) -> Trainer:
        if config["width"] == 4:
            raise RuntimeError("a <wide> problem")
        model = nn.zoo.mlp([3, config["width"], 2], rng=rng)
        made = (model, criterion.CrossEntropy(), optim.SGD(0.1))
        return Trainer(*made, batch_size=20, threads=1)

    return tune.search(
        model_fn, {"width": tune.choice([2, 3, 4])}, (x, y), validation=(x, y), method="grid",
        epochs=1, progress=table,
    )  # fmt: skip


def test_a_table_shows_trials_while_they_run_and_the_best_in_bold(capsys: Any) -> None:
    seen: list[str] = []

    class Watched(TrialTable):
        def _show(self, news: Any = None) -> None:
            seen.append(str(self))
            super()._show(news)

    table = Watched(rows=2)
    found = searched(table)
    assert seen[0].splitlines()[1].split() == ["0", "2", "0", "▸", "to", "epoch", "1"]
    assert len(seen) == 6  # each begins and ends
    assert len(capsys.readouterr().out.splitlines()) == 3
    names, rows = table.cells()
    assert names == ["trial", "width", "epochs", "loss", "state"]
    assert [row[0] for row in rows[:2]] == [str(trial.number) for trial in found.trials[:2]]
    assert rows[0][3] == f"{found.best.score:.4f}"
    assert rows[2][-1].startswith("✗ failed: RuntimeError: a <wide> problem")
    html = table._repr_html_()
    assert html.count("bold") == 1
    assert "<wide>" not in html
    assert "and 1 more trials" in str(table).splitlines()
    assert "best: Trial" in str(table).splitlines()[-1]


def test_a_table_in_ipython_is_one_output_that_is_written_over(tmp_path: Any) -> None:
    from IPython.core.displaypub import CapturingDisplayPublisher
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance(
        display_pub_class=CapturingDisplayPublisher, ipython_dir=str(tmp_path)
    )
    try:
        searched(TrialTable())
        shown = shell.display_pub.outputs
    finally:
        InteractiveShell.clear_instance()
    assert [one["update"] for one in shown] == [False, *[True] * 5]
    assert len({one["transient"]["display_id"] for one in shown}) == 1
    assert shown[-1]["data"]["text/plain"].startswith("trial  width  epochs  loss")
    assert shown[-1]["data"]["text/html"].startswith("<table")
