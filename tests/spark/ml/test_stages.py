"""Features, labels and weights of all kinds; validation; files; SQL."""

from __future__ import annotations

import numpy as np
import pytest
from pyspark.ml.linalg import Vectors

from sandbox.lib import criterion, metrics, nn, optim
from sandbox.lib.core import ops
from sandbox.lib.core.errors import ArgumentError, CheckpointError
from sandbox.lib.data import transforms
from sandbox.lib.spark.ml import NNClassifier, NNEstimator, NNModel, NNRegressor
from sandbox.lib.train import EarlyStopping, MaxSteps, MinLoss

pytestmark = pytest.mark.spark


def mlp(*sizes):
    return nn.zoo.mlp(list(sizes), rng=0)


SHORT = {"progress": False, "maxIter": 2, "batchSize": 240, "ranks": 1}
CLASSES = criterion.CrossEntropy()


@nn.register("tests.Two")
class Two(nn.Module):
    """Ids of cities and rows of numbers."""

    def __init__(self):
        super().__init__()
        self.cities = nn.Embedding(5, 2, rng=0)
        self.numbers = nn.Linear(3, 2, rng=1)

    def call(self, ids, row):
        return ops.add(self.cities(ids), self.numbers(row))


def losses(outputs, labels):
    """Return what CrossEntropy is of each row."""
    z = outputs.astype(float)
    odds = np.exp(z - z.max(axis=1, keepdims=True))
    return -np.log(odds[np.arange(len(z)), labels] / odds.sum(axis=1))


KINDS = {
    "texts": (NNClassifier(mlp(3, 2), CLASSES, labelCol="word"), "vector"),
    "booleans of one output": (
        NNClassifier(mlp(3, 1), criterion.BCEWithLogits(), labelCol="truth", featuresCol="array"),
        "vector",
    ),
    "two inputs": (
        NNClassifier(Two(), CLASSES, labelCol="number", featuresCol=["city", "features"]),
        "vector",
    ),
    "one number": (
        NNRegressor(mlp(1, 1), criterion.MSE(), labelCol="total", featuresCol="one"),
        "",
    ),
    "vectors": (NNEstimator(mlp(3, 3), criterion.MSE(), labelCol="features"), "vector"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_columns_of_this_kind_are_learnt_and_predicted(frame, kind):
    stage, answer = KINDS[kind]
    model = stage.copy()._set(**SHORT).fit(frame)
    scored = model.transform(frame)
    column = "probability" if stage.hasParam("probabilityCol") else "prediction"
    assert scored.columns[: len(frame.columns)] == frame.columns
    assert scored.schema[column].dataType.simpleString() == (answer or "double")
    assert np.isfinite(np.array(scored.select(column).collect(), float)).all()
    assert len(model.history) == 2
    assert model.uid == stage.uid


def test_weights_of_rows_and_of_classes_are_those_of_the_mean(frame, numbers):
    x, y = numbers
    each = losses(mlp(3, 2)(x.astype("f4")), y)
    stage = NNClassifier(mlp(3, 2), CLASSES, labelCol="number", weightCol="weight", **SHORT)
    first = stage.fit(frame).history["loss"][0]
    assert first == pytest.approx(np.average(each, weights=1.0 + y), rel=1e-5)
    stage = NNClassifier(mlp(3, 2), CLASSES, labelCol="word", classWeights="balanced", **SHORT)
    first = stage.fit(frame).history["loss"][0]
    share = 240 / (2 * np.bincount(y))
    assert first == pytest.approx(np.average(each, weights=share[y]), rel=1e-5)


def test_rows_to_validate_on_come_in_three_ways(frame):
    stage = NNClassifier(
        mlp(3, 2), CLASSES, optim.SGD(0.0), labelCol="word", metrics=[metrics.Top1()], **SHORT
    )
    kept = stage.copy().setValidationIndicatorCol("kept").fit(frame)
    given = stage.setValidation(frame.filter("kept")).fit(frame.filter("not kept"))
    assert kept.history.validations == given.history.validations
    stage.setValidation(None).setValidationSplit(0.25).setWeightCol("weight")
    rule = EarlyStopping("top1", patience=1)
    split = stage.copy({stage.earlyStopping: rule, stage.maxIter: 9}).fit(frame)
    assert [found["step"] for found in split.history.validations] == [1, 2]  # no step gets better
    assert 150 < split.history["rows"][0] < 210
    again = stage.fit(frame.orderBy("total"))  # the same rows, whatever their order
    assert again.history["rows"][0] == split.history["rows"][0]


def test_files_of_any_file_system_hold_the_stage(frame, local, tmp_path):
    conf = local.sparkContext._jsc.hadoopConfiguration()
    conf.set("fs.viewfs.mounttable.ml.link./data", tmp_path.as_uri())
    stage = NNClassifier(
        mlp(3, 2),
        criterion.CrossEntropy((1.0, 2.0)),
        optim.Adam(0.02),
        labelCol="word",
        predictedLabelCol="called",
        thresholds=[0.3, 0.7],
        preprocessing=transforms.Normalize(0.5, mean=[1.0, 2.0, 3.0]),
        metrics=[metrics.Top1(), metrics.F1()],
        endTrigger=MaxSteps(3) | MinLoss(0.01),
        earlyStopping=EarlyStopping("top1", patience=2),
        **SHORT,
    )
    for place in ("viewfs://ml/data", tmp_path.as_uri()):
        stage.write().overwrite().save(f"{place}/estimator")
        again = NNClassifier.load(f"{place}/estimator")
        assert again.uid == stage.uid
        assert {p.name: repr(v) for p, v in again._paramMap.items()} == {
            p.name: repr(v) for p, v in stage._paramMap.items()
        }
    model = again.setEarlyStopping(None).fit(frame)
    model.write().save("viewfs://ml/data/model")
    loaded = type(model).load(f"{tmp_path.as_uri()}/model")
    rows = [found.transform(frame).collect() for found in (model, loaded)]
    assert rows[0] == rows[1]
    assert loaded.getLabels() == ["no", "yes"]
    assert loaded.signature == model.signature
    assert not list(tmp_path.rglob("*.tmp"))

    with pytest.raises(CheckpointError, match=r"must be a new folder.*overwrite\(\)"):
        model.save("viewfs://ml/data/model")
    with pytest.raises(CheckpointError, match=r"must hold a NNModel; got .*NNClassifierModel"):
        NNModel.load("viewfs://ml/data/model")
    with pytest.raises(CheckpointError, match="must be a folder that a stage was saved in"):
        NNModel.load("viewfs://ml/data/nothing")
    stage.setPreprocessing(transforms.Apply(np.log1p))
    with pytest.raises(ArgumentError, match="to be written to a file"):
        stage.save("viewfs://ml/data/function")

    local.udf.register("predict", model.udf())
    frame.createOrReplaceTempView("rows")
    asked = local.sql("select predict(features) answer from rows").collect()
    assert [row.answer for row in asked] == [row.prediction for row in rows[0]]
    table = model.pandas(frame.toPandas())
    assert list(table["prediction"]) == [row.prediction for row in rows[0]]
    assert list(table["called"]) == [row.called for row in rows[0]]


def test_pictures_come_as_images_and_as_files(local, tmp_path):
    from pyspark.sql import functions as f

    from sandbox.lib.data import vision

    cv = vision.opencv.cv
    rng = np.random.default_rng(0)
    for k in range(12):
        pixels = rng.integers(0, 255, (10 + k, 12, 3), dtype=np.uint8)
        pixels[..., 2] = 250 if k % 2 else 3
        cv.imwrite(str(tmp_path / f"{k}.png"), pixels)

    def labelled(frame, path):
        number = f.regexp_extract(path, r"(\d+)\.png", 1).cast("int")
        return frame.withColumn("label", number % 2).withColumn("k", number).orderBy("k")

    read = local.read
    images = labelled(read.format("image").load(str(tmp_path)), "image.origin")
    files = labelled(read.format("binaryFile").load(str(tmp_path)), "path")
    small = [vision.Resize((8, 8)), vision.ToTensor()]
    network = nn.Sequential(nn.Conv2d(3, 2, 3, rng=0), nn.Flatten(), nn.Linear(72, 2, rng=1))
    stage = NNClassifier(network, CLASSES, optim.Adam(0.02), **SHORT).setMaxIter(12)
    stage.setFeaturesCol("image").setDecode(vision.Pipeline(*small))
    seen = stage.fit(images).transform(images)
    assert seen.columns == [*images.columns, "rawPrediction", "probability", "prediction"]
    stage.setFeaturesCol("content").setDecode(vision.Pipeline(vision.Decode(), *small))
    model = stage.fit(files)
    model.save((tmp_path / "model").as_uri())
    read = type(model).load((tmp_path / "model").as_uri()).transform(files)
    one, two = (t.orderBy("k").select("label", "prediction", "probability") for t in (seen, read))
    one, two = one.collect(), two.collect()
    assert one == two
    assert all(row.label == row.prediction for row in one)


def test_a_network_that_was_trained_elsewhere_predicts(frame, numbers):
    model = NNModel(mlp(3, 2), predictionCol="scores")
    assert model.numFeatures == -1
    with pytest.raises(ArgumentError, match=r"transform\(frame\) first"):
        model.udf()
    rows = model.transform(frame).select("scores").collect()
    np.testing.assert_allclose(
        np.array([row.scores.toArray() for row in rows]),
        mlp(3, 2)(numbers[0].astype("f4")),
        rtol=1e-5,
        atol=1e-6,
    )
    first = model.predict(Vectors.dense(numbers[0][0]))
    assert (first.toArray() == rows[0].scores.toArray()).all()
    assert model.numFeatures == 3
