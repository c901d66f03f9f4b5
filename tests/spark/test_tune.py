"""Model selection in this process: tables, errors, what a folder keeps."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tune_kit import SPACE, model_fn, rows, searched, table

from sandbox.lib import criterion, nn, optim
from sandbox.lib.core.errors import ArgumentError, CheckpointError, TrainingError
from sandbox.lib.spark import tune
from sandbox.lib.train import EarlyStopping, LambdaCallback, Trainer


@pytest.fixture(scope="module")
def undisturbed():
    return searched()


def test_the_best_trial_has_the_model_whose_score_the_table_tells(undisturbed):
    first = undisturbed.table.iloc[0]
    best = undisturbed.best
    assert best.number == first.trial
    assert best.score == first.loss == undisturbed.table.loss.min()
    assert best.config == {"lr": first.lr, "width": first.width}
    measured = best.trainer.evaluate(rows()[1])
    assert measured == best.metrics
    assert best.model is best.trainer.model
    assert f"Trial {best.number}: lr=" in repr(undisturbed)


def test_halving_trains_the_best_in_full_and_most_only_for_a_little(undisturbed):
    epochs = undisturbed.table.epochs
    assert sorted(set(epochs)) == [1, 3, 9]
    assert (epochs == 1).sum() >= 4
    assert undisturbed.epochs == epochs.sum() < 9 * 9 / 2


def test_a_paused_trial_ends_as_one_that_was_never_paused(undisturbed):
    full = searched(method="random", keep=9)
    assert set(full.table.epochs) == {9}
    by_number = {trial.number: trial for trial in full.trials}
    for trial in undisturbed.trials:
        if trial.epochs == 9:
            other = by_number[trial.number]
            assert (trial.config, trial.metrics) == (other.config, other.metrics)
            assert trial.result.curve == other.result.curve
    assert [trial.model is not None for trial in full.trials] == [True] * 9


def test_a_killed_search_goes_on_to_the_same_table(tmp_path, undisturbed):
    command = [sys.executable, str(Path(__file__).with_name("tune_kit.py")), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for _ in range(4):
            assert process.stdout.readline().strip().isdigit()
        process.kill()
    lines = (tmp_path / "results.jsonl").read_text().splitlines()
    assert 4 <= len(lines) <= 6
    heard = []
    found = searched(folder=tmp_path, progress=lambda found, result: heard.append(result))
    assert table(found) == table(undisturbed)
    assert len(heard) + len(lines) == len(found._records.results)

    again = searched(folder=tmp_path, progress=lambda found, result: heard.append(None))
    assert table(again) == table(found)
    assert None not in heard  # nothing was trained
    assert len(list((tmp_path / "states").iterdir())) == 3


def test_ctrl_c_keeps_the_trials_that_have_ended(tmp_path):
    pressed = []

    def interrupted(config, rng):
        def press(event):
            if not pressed and config == third:
                pressed.append(True)
                os.kill(os.getpid(), signal.SIGINT)

        trainer = model_fn(config, rng)
        made = (trainer.model, trainer.criterion, trainer.optimizer)
        watch = [LambdaCallback(iteration=press)]
        return Trainer(*made, batch_size=32, threads=1, callbacks=watch)

    alone = searched(method="random", trials=4, epochs=1)
    third = next(trial.config for trial in alone.trials if trial.number == 2)
    settings = {"method": "random", "trials": 4, "epochs": 1, "folder": tmp_path}
    with pytest.raises(tune.SearchInterrupted) as caught:
        searched(interrupted, **settings)
    assert sorted(caught.value.found.table.trial) == [0, 1]
    assert table(searched(interrupted, **settings)) == table(alone)


def test_more_trials_go_on_from_a_finished_search(tmp_path, undisturbed):
    searched(folder=tmp_path, trials=5)
    more = searched(folder=tmp_path)
    told = {row["trial"]: row for row in table(more)}
    for row in table(undisturbed):  # a trial may have come further than it would have at once
        if row["epochs"] == told[row["trial"]]["epochs"]:
            assert row == told[row["trial"]]
    assert len(told) == 9


def test_a_folder_of_another_search_is_refused_by_what_differs(tmp_path):
    searched(folder=tmp_path, trials=2, epochs=1)
    with pytest.raises(CheckpointError, match=r"whose seed must be the same; got 1, there it is 0"):
        searched(folder=tmp_path, trials=2, epochs=1, seed=1)
    (tmp_path / "search.json").write_text("{")
    with pytest.raises(CheckpointError, match="must hold a search"):
        searched(folder=tmp_path, trials=2, epochs=1)


def test_a_grid_has_all_combinations_in_order():
    space = {"lr": tune.log_uniform(1e-2, 1.0, points=3), "width": tune.integers(4, 5)}
    found = searched(space=space, method="grid", trials=None, epochs=1)
    configs = [trial.config for trial in sorted(found.trials, key=lambda one: one.number)]
    assert [(round(c["lr"], 9), c["width"]) for c in configs] == [
        (rate, width) for rate in (0.01, 0.1, 1.0) for width in (4, 5)
    ]
    with pytest.raises(ArgumentError, match="`trials` must be left out for a grid, or its 6"):
        searched(space=space, method="grid", trials=5)
    with pytest.raises(ArgumentError, match=r"tune.log_uniform\(0.001, 1.0, points=5\)"):
        searched(method="grid", trials=None)


def test_trials_that_fail_or_diverge_are_told_and_end_nothing():
    def fragile(config, rng):
        if config["width"] == 16:
            raise RuntimeError("too wide")
        model = nn.Sequential(fc=nn.Linear(4, 2, rng=rng))
        rate = 1e38 if config["lr"] > 0.1 else config["lr"]
        return Trainer(model, criterion.CrossEntropy(), optim.SGD(rate), batch_size=32, threads=1)

    found = searched(fragile, trials=12, epochs=1, seed=1)
    status = found.table.status.value_counts()
    assert set(status.index) == {"done", "diverged", "failed"}
    failed = found.table[found.table.status == "failed"]
    assert set(failed.width) == {16}
    assert set(failed.error) == {failed.error.iloc[0]}
    assert failed.error.iloc[0].startswith("RuntimeError: too wide (test_tune.py, line ")
    assert found.best.config["width"] == 4
    assert next(iter(found.table.status)) == "done"


def test_a_trial_whose_loss_runs_away_without_being_nan_has_diverged_too():
    def wild(config, rng):
        model = nn.zoo.mlp([4, 8, 1], rng=rng)
        made = (model, criterion.MSE(), optim.SGD(config["lr"]))
        return Trainer(*made, batch_size=128, threads=1)

    data, validation = ((x, x.sum(1, keepdims=True)) for x, _ in rows())
    found = tune.search(
        *(wild, {"lr": tune.choice([0.01, 3.0])}, data),
        **{"validation": validation, "method": "grid", "epochs": 1, "progress": None},
    )
    assert list(found.table.status) == ["done", "diverged"]
    assert found.table.error.iloc[1].startswith("the loss ran away")


def test_an_early_stop_ends_its_trial_with_its_best_model():
    def stopping(config, rng):
        model = nn.zoo.mlp([4, 16, 2], rng=rng)
        stop = EarlyStopping("loss", patience=1)
        made = (model, criterion.CrossEntropy(), optim.Adam(config["lr"]))
        return Trainer(*made, batch_size=32, threads=1, callbacks=[stop])

    space = {"lr": tune.uniform(0.2, 0.9)}
    found = searched(stopping, space, method="random", trials=3, epochs=40)
    assert (found.table.epochs < 40).all()
    for trial in found.trials:
        assert trial.score == min(score for _, score in trial.result.curve)
        assert trial.trainer.evaluate(rows()[1])["loss"] == trial.score


def test_a_metric_of_which_more_is_better_is_maximised():
    found = searched(metric="Top1", trials=4, epochs=1)
    assert found.maximise
    assert found.best.score == found.table.top1.max() == found.table.top1.iloc[0]
    assert searched(metric="top1", mode="min", trials=4, epochs=1).best.score <= found.best.score


WRONG = [
    (dict(space={}), ArgumentError, "`space` must be a dict of at least one name"),
    (dict(space={"lr": [0.1, 1]}), ArgumentError, r"Several values: tune.choice\(\[0.1, 1\]\)"),
    (dict(space={"lr": 0.1}), ArgumentError, "What is the same in all trials belongs in"),
    (dict(space={**SPACE, "loss": tune.uniform(0, 1)}), ArgumentError, "must differ from the"),
    (dict(metric="losss"), ArgumentError, "got 'losss'. Did you mean 'loss'?"),
    (dict(metric="auc"), ArgumentError, r"one of the trainer's metrics, top1, loss; got 'auc'"),
    (dict(mode="best"), ArgumentError, "`mode` must be one of None, 'min', 'max'"),
    (dict(method="bayes"), ArgumentError, "`method` must be one of 'random', 'grid', 'asha'"),
    (dict(min_epochs=10), ArgumentError, "`min_epochs` must be at most `epochs` = 9"),
    (dict(reduction=1), ArgumentError, "`reduction` must be an int > 1"),
    (dict(make=lambda config, rng: None), ArgumentError, "must return a Trainer; got None"),
    (dict(make=lambda config, rng: 1 / 0), TrainingError, "trial 0 with {'lr': .*ZeroDivision"),
]  # fmt: skip


@pytest.mark.parametrize(("options", "kind", "message"), WRONG, ids=[case[2] for case in WRONG])
def test_what_is_wrong_is_told_before_anything_is_trained(options, kind, message):
    with pytest.raises(kind, match=message.replace("got 'losss'. D", "got 'losss'[.] D")):
        searched(progress=lambda found, result: pytest.fail("trained"), **options)


def test_a_search_whose_first_trials_all_fail_says_why():
    def misfit(config, rng):
        model = nn.zoo.mlp([5, 2], rng=rng)
        return Trainer(model, criterion.CrossEntropy(), optim.SGD(0.1))

    with pytest.raises(TrainingError, match=r"not all of the first 3 trials may fail; trial 0 .*5"):
        searched(misfit)


def test_a_trainer_with_checkpoints_of_its_own_and_a_missing_validation_are_refused(tmp_path):
    def keeping(config, rng):
        trainer = model_fn(config, rng)
        made = (trainer.model, trainer.criterion, trainer.optimizer)
        return Trainer(*made, checkpoint=tmp_path)

    with pytest.raises(ArgumentError, match="without `checkpoint`"):
        searched(keeping)
    with pytest.raises(ArgumentError, match="`validation` must be given"):
        tune.search(model_fn, SPACE, rows()[0], validation=None)


@pytest.mark.parametrize(
    "dimension",
    [
        tune.uniform(-1.0, 3.0), tune.log_uniform(1e-4, 1e-1), tune.integers(2, 5),
        tune.integers(8, 512, log=True), tune.choice(["a", (1, 2), None]),
    ],
    ids=repr,
)  # fmt: skip
def test_draws_and_ticks_lie_on_the_axis(dimension):
    random = np.random.default_rng(0)
    drawn = [dimension.draw(random) for _ in range(500)]
    positions = np.array([dimension.position(value) for value in drawn])
    assert positions.min() >= 0.0
    assert positions.max() <= 1.0
    assert 0.4 < positions.mean() < 0.6
    places = [place for place, _ in dimension.ticks()]
    assert places == sorted(places)
    assert (places[0], places[-1]) == (0.0, 1.0)
    if "integers(2, 5)" in repr(dimension):
        assert set(drawn) == {2, 3, 4, 5}


def test_what_a_picture_shows_is_told_in_words(undisturbed):
    told = undisturbed.coordinates()
    assert told.axes == ["lr", "width", "loss"]
    assert len(told.lines) == 9
    assert all(0.0 <= place <= 1.0 for line in told.lines for place in line)
    best = undisturbed.best
    assert f"best {best.score:.4g}: lr {best.config['lr']:.4g}" in told.text()


def test_lines_tell_every_result_and_the_best(capsys):
    searched(trials=2, epochs=1, progress="auto")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("trial 0  lr ")
    assert lines[0].endswith("(best)")
