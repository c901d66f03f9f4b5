"""Fits that keep checkpoints and summaries, go on after a failure, and lie inside other stages."""

from __future__ import annotations

import gc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from pyspark.ml.classification import OneVsRest, OneVsRestModel
from pyspark.ml.evaluation import MulticlassClassificationEvaluator
from pyspark.ml.tuning import CrossValidator, ParamGridBuilder

from sandbox.lib import criterion, metrics, nn, optim
from sandbox.lib.core import ops
from sandbox.lib.core.errors import ArgumentError
from sandbox.lib.spark.ml import NNClassifier, NNEstimator, NNRegressor
from sandbox.lib.train import EverySteps

# Spark's tuning leaves its pools of threads open
pytestmark = [
    pytest.mark.spark,
    pytest.mark.filterwarnings("ignore:unclosed running multiprocessing:ResourceWarning"),
]
SHORT = {"progress": False, "batchSize": 60, "maxEpoch": 4, "ranks": 1}


@pytest.fixture(autouse=True)
def _pools():
    yield
    gc.collect()


def mlp(*sizes, seed=0):
    return nn.zoo.mlp(list(sizes), rng=seed)


def classifier(**params):
    params = {"labelCol": "number", **SHORT, **params}
    return NNClassifier(mlp(3, 8, 2), optimizer=optim.Adam(0.02), **params)


def weights(model):
    return [p.data.copy() for _, p in model.getModel().named_parameters()]


def same(one, two):
    return all((a == b).all() for a, b in zip(weights(one), weights(two), strict=True))


def folders(path):
    return sorted(one.name for one in path.iterdir())


@nn.register("tests.TwoHeads")
class TwoHeads(nn.Module):
    """Tells a class and a number."""

    def __init__(self, named=False):
        super().__init__()
        self.named = named
        self.body, self.kind, self.size = (
            nn.Linear(3, 8, rng=0), nn.Linear(8, 2, rng=1), nn.Linear(8, 1, rng=2)
        )  # fmt: skip

    def call(self, x):
        inside = ops.relu(self.body(x))
        found = self.kind(inside), self.size(inside)
        return dict(zip(("kind", "size"), found, strict=True)) if self.named else found


def test_a_fit_that_failed_goes_on_from_its_checkpoint_to_the_same_bits(frame, tmp_path):
    whole = classifier().fit(frame)
    kept, curves = tmp_path / "kept", tmp_path / "curves"
    stage = classifier(
        checkpointPath=str(kept), checkpointTrigger=EverySteps(3), summaryPath=curves.as_uri()
    )
    with pytest.raises(ArgumentError, match="`checkpointPath` must be set where `resume` is"):
        classifier(resume=True).fit(frame)
    first = stage.fit(frame)
    (folder,) = folders(kept)
    assert folders(curves) == [folder]
    assert same(first, whole)
    files = sorted((kept / folder).iterdir())
    assert [one.name.partition("-step")[2][:8] for one in files] == [
        "00000012",
        "00000015",
        "00000016",
    ]
    for one in files[1:]:  # as if it had been killed after the twelfth of sixteen steps
        one.unlink()

    again = stage.setResume(True).fit(frame)
    assert same(again, whole)
    assert len(again.history) == len(whole.history)
    done = stage.fit(frame)  # there is nothing left to do
    assert same(done, whole)
    assert folders(kept) == [folder]


@pytest.mark.campaign
def test_folds_of_a_cross_validator_keep_apart_and_go_on(frame, tmp_path):
    stage = classifier(checkpointPath=str(tmp_path), maxEpoch=2)
    grid = ParamGridBuilder().addGrid(stage.learningRate, [0.01, 0.05]).build()
    judge = MulticlassClassificationEvaluator(labelCol="number", metricName="logLoss")

    def search(resume):
        validator = CrossValidator(
            estimator=stage.setResume(resume), estimatorParamMaps=grid, evaluator=judge,
            numFolds=2, seed=1, parallelism=2,
        )  # fmt: skip
        return validator.fit(frame)

    one = search(False)
    assert len(folders(tmp_path)) == 5  # two folds of two rates, and the best on all rows
    files = sorted(tmp_path.rglob("*.safetensors"))
    two = search(True)
    assert two.avgMetrics == one.avgMetrics
    assert same(two.bestModel, one.bestModel)
    assert sorted(tmp_path.rglob("*.safetensors")) == files  # no other run was begun


def test_a_network_of_several_outputs_learns_a_label_column_for_each(frame, tmp_path):
    loss = criterion.Parallel((criterion.CrossEntropy(), criterion.MSE()))
    params = {**SHORT, "maxEpoch": 20}
    stage = NNEstimator(
        TwoHeads(),
        loss,
        optim.Adam(0.02),
        labelCol=["number", "total"],
        validationSplit=0.2,
        **params,
    )
    assert stage.getLabelCols() == ["number", "total"]
    model = stage.fit(frame)
    rows = (
        model.transform(frame).select("number", "total", "prediction_0", "prediction_1").collect()
    )
    assert np.mean([row.prediction_0.argmax() == row.number for row in rows]) > 0.85
    assert np.mean([(row.prediction_1 - row.total) ** 2 for row in rows]) < 0.2
    assert {"0_top1", "loss"} <= set(model.history.last_validation)
    alone = model.predict(frame.first()["features"])
    assert (alone["0"].toArray() == rows[0].prediction_0.toArray()).all()
    assert alone["1"] == rows[0].prediction_1

    named = criterion.Parallel({"kind": criterion.CrossEntropy(), "size": criterion.MSE()})
    other = stage.copy({stage.model: TwoHeads(named=True), stage.criterion: named})
    other.setLabelCols({"size": "total", "kind": "number"}).setWeightCol("weight")
    other.setMetrics([metrics.Top1().on("kind"), metrics.MAE().on("size")])
    other.write().overwrite().save((tmp_path / "stage").as_uri())
    found = NNEstimator.load((tmp_path / "stage").as_uri()).setMaxEpoch(1).fit(frame)
    assert set(found.history.last_validation) >= {"kind_top1", "size_mae"}
    assert {"prediction_kind", "prediction_size"} <= set(found.transform(frame).columns)

    with pytest.raises(ArgumentError, match=r"`labelCols` must be .* kind, size; got \['number'"):
        other.setLabelCols(["number", "total"]).fit(frame)
    with pytest.raises(ArgumentError, match="NNClassifier: `labelCol` must be one column"):
        classifier(labelCol=["number", "total"])
    with pytest.raises(ArgumentError, match="`labelCols` must be a list of different names"):
        NNEstimator(labelCols=["a", "a"])


@pytest.mark.campaign
def test_spark_trains_one_against_the_rest_with_networks(frame, tmp_path):
    from pyspark.sql import functions as f

    thirds = frame.withColumn("third", f.col("city").cast("int") % 3)
    inner = classifier(maxEpoch=3, featuresCol="array", labelCol="label")
    rest = OneVsRest(classifier=inner, labelCol="third", featuresCol="array", parallelism=2)
    model = rest.fit(thirds)
    assert len(model.models) == 3
    scored = model.transform(thirds)
    assert scored.schema["prediction"].dataType.simpleString() == "double"
    found = [row.prediction for row in scored.select("prediction").collect()]
    assert set(found) <= {0.0, 1.0, 2.0}
    path = (tmp_path / "rest").as_uri()
    model.write().save(path)
    again = OneVsRestModel.load(path).transform(thirds)
    assert [row.prediction for row in again.select("prediction").collect()] == found


@pytest.mark.parametrize(
    "params",
    [
        {"precision": "bf16"},
        pytest.param({"clipNorm": 0.01}, marks=pytest.mark.campaign),
        pytest.param({"clipValue": 1e-3}, marks=pytest.mark.campaign),
    ],
    ids=str,
)
def test_precision_and_clipping_reach_the_training(frame, params):
    stage = NNRegressor(mlp(3, 1), optimizer=optim.SGD(0.1), labelCol="total", **SHORT)
    plain = stage.setMaxEpoch(None).setMaxIter(2).fit(frame)
    other = stage.copy({getattr(stage, k): v for k, v in params.items()}).fit(frame)
    far = [np.abs(a - b).max() for a, b in zip(weights(plain), weights(other), strict=True)]
    assert max(far) > 0
    if "precision" in params:  # eight bits of mantissa: 2 steps of 0.1 times gradients of order 1
        assert max(far) < 0.02
        rows = other.transform(frame).select("prediction", "total").head(8)
        assert other.getPrecision() == "bf16"
        assert all(np.isfinite(row.prediction) for row in rows)
        return
    began = [p.data for _, p in mlp(3, 1).named_parameters()]
    moved = [np.abs(b - a) for a, b in zip(began, weights(other), strict=True)]
    rounding = 1e-6  # of weights of order 1
    if "clipNorm" in params:  # two steps of the rate times a gradient of at most this norm
        assert np.sqrt(sum((one**2).sum() for one in moved)) <= 2 * 0.1 * 0.01 + rounding
    else:
        assert max(one.max() for one in moved) <= 2 * 0.1 * 1e-3 + rounding


def test_a_criterion_is_there_where_none_is_set(frame):
    said = classifier(maxEpoch=1).fit(frame)
    assert same(said, classifier(maxEpoch=1, criterion=criterion.CrossEntropy()).fit(frame))
    with pytest.raises(ArgumentError, match=r"network of one output; got none.*BCEWithLogits\(\)"):
        NNClassifier(mlp(3, 1), labelCol="truth", **SHORT).fit(frame)
    with pytest.raises(ArgumentError, match="NNEstimator: `criterion` must be set before fit"):
        NNEstimator(mlp(3, 1), labelCol="total").fit(frame)


def test_single_rows_share_a_scorer_that_follows_the_params(frame, numbers, monkeypatch):
    from sandbox.lib.spark.ml import model as room

    made = []
    kind = room.Scorer
    monkeypatch.setattr(room, "Scorer", lambda *a, **k: made.append(1) or kind(*a, **k))
    model = classifier(maxEpoch=1).fit(frame)
    rows = numbers[0][:40].tolist()
    alone = [model.predictProbability(row) for row in rows]
    assert made == [1]
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(model.predictProbability, rows)) == alone
    assert made == [1]
    shares = np.array([one[1] for one in alone])
    assert [model.predict(row) for row in rows] == list((shares > 0.5).astype(float))
    model.setThreshold(float(np.sort(shares)[-3]) - 1e-9)
    assert sum(model.predict(row) for row in rows) == 3
    assert len(made) == 2
    assert model.copy().predict(rows[0]) == model.predict(rows[0])
    model.clear(model.threshold)
    assert [model.predict(row) for row in rows] == list((shares > 0.5).astype(float))
