"""Areas under curves in validations: exact, however many ranks take part."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score
from train_kit import make_data, make_trainer

from sandbox.lib.metrics import AUC, F1, PRAUC, Top1
from sandbox.lib.train import EverySteps

METRICS = (Top1(), AUC(), PRAUC(), F1())


def test_evaluate_gives_the_exact_areas():
    trainer = make_trainer(metrics=METRICS)
    trainer.fit(make_data(), steps=5)
    x, y = make_data(700, seed=2)
    scores = np.diff(trainer.predict(x), axis=1)[:, 0]
    found = trainer.evaluate((x, y))
    # predict pads its last batch of another size: scores differ in the last bits
    assert found["auc"] == pytest.approx(roc_auc_score(y, scores), abs=1e-4)
    assert found["pr_auc"] == pytest.approx(average_precision_score(y, scores), abs=1e-4)
    assert list(found) == ["top1", "auc", "pr_auc", "f1"]


@pytest.mark.parametrize("ranks", [2, 3])
def test_ranks_gather_the_rows_of_all(run_ranks, ranks):
    trainer = make_trainer(metrics=METRICS)
    validation = make_data(333, seed=3)
    job = trainer._job(make_data(), None, 4, None, validation, EverySteps(4), None)
    many = run_ranks(job, ranks)
    assert many.errors == [None] * ranks
    found = many.of("validation")[-1]["metrics"]
    trainer.model = many.models[0]
    other = make_trainer(many.models[0], metrics=METRICS)
    expected = other.evaluate(validation)
    for name, value in expected.items():  # 1e-3: one of 333 scores may change places by rounding
        assert found[name] == pytest.approx(value, abs=1e-3), name


def test_areas_can_stop_a_run_early():
    from sandbox.lib.train import EarlyStopping

    trainer = make_trainer(metrics=METRICS)
    rule = EarlyStopping("pr_auc", patience=1, min_delta=1.0)
    trainer.fit(make_data(), epochs=9, validation=make_data(seed=1), early_stop=rule)
    assert trainer.result.reason == "early_stop"
