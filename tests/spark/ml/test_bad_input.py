"""What a stage says where it cannot go on: one screen that names the row, the column, the cure."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from pyspark.ml.linalg import Vectors

from sandbox.lib import criterion, nn, optim
from sandbox.lib.core.errors import ArgumentError, DataError, ShapeError, SparkSetupError
from sandbox.lib.spark import SparkDataset
from sandbox.lib.spark.ml import NNClassifier, NNEstimator, NNRegressor
from sandbox.lib.train import EarlyStopping

pytestmark = pytest.mark.spark

X = np.random.default_rng(0).normal(size=(30, 3)).round(3).tolist()


def table(spark, features=X[7], label=1.0, word="b", weight=1.0):
    """Thirty rows in one partition, of which row 7 is as said."""
    from pyspark.ml.linalg import VectorUDT
    from pyspark.sql.types import DoubleType, StringType, StructField, StructType

    rows = [(float(x[0] > 0), "ab"[x[0] > 0], 1.0, Vectors.dense(x)) for x in X]
    rows[7] = (label, word, weight, features if features is None else Vectors.dense(features))
    kinds = (DoubleType(), StringType(), DoubleType(), VectorUDT())
    names = ("label", "word", "weight", "features")
    schema = StructType([StructField(*one) for one in zip(names, kinds, strict=True)])
    return spark.createDataFrame(rows, schema).coalesce(1)


def classifier(sizes=(3, 2), **params):
    params = {"progress": False, "maxIter": 1, "ranks": 1, **params}
    return NNClassifier(nn.zoo.mlp(list(sizes), rng=0), criterion.CrossEntropy(), **params)


def refused(error, said, call):
    with pytest.raises(error, match=said) as caught:
        call()
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize(
    ("row", "params", "said"),
    [
        ({"features": [1.0, np.nan, 2.0]}, {}, "column 'features' .* got nan in row 7, place 1"),
        ({"features": None}, {}, "column 'features' must have a value .* none in row 7"),
        ({"features": [1.0, 2.0]}, {}, "one length, 3 as in row 0; got 2 in row 7"),
        ({"label": 2.0}, {}, r"integers in \[0, 2\); got 2 .* row 7 of the data set"),
        ({"label": 0.5}, {}, "labels of column 'label' .* got 0.5 .* in row 7"),
        ({"label": None}, {}, "column 'label' must have a value .* none in row 7"),
        ({"word": None}, {"labelCol": "word"}, "column 'word' must have a value .* in row 7"),
        ({"word": "c"}, {"labelCol": "word"}, "'word' must hold 2 classes.*got 3: 'a', 'b', 'c'"),
        ({"word": "c"}, {"labelCol": "word", "labels": ["a", "b"]}, "got 'c'. Known are 'a', 'b'"),
        ({"weight": -1.0}, {"weightCol": "weight"}, "weight must be numbers >= 0; got -1.0 in row"),
    ],
)
def test_a_bad_row_is_told_with_its_number(local, row, params, said):
    refused(DataError, said, lambda: classifier(**params).fit(table(local, **row)))


def test_a_bad_row_is_told_where_rows_are_predicted(local):
    from pyspark.errors import PythonException

    model = classifier().fit(table(local))
    for features, said in (
        ([1.0, np.nan, 2.0], "column 'features' must hold finite numbers; got nan in row 7"),
        (None, "column 'features' must have a value in each row; got none in row 7"),
        ([1.0, 2.0], "column 'features' must hold 3 numbers in each row; got 2 in row 7"),
    ):
        bad = model.transform(table(local, features=features))
        refused(PythonException, said, lambda bad=bad: bad.collect())
    good = table(local)
    renamed = good.withColumnRenamed("features", "fatures")
    refused(DataError, "got 'features'. Did you mean 'fatures'", lambda: model.transform(renamed))
    clash = good.withColumnRenamed("word", "prediction")
    refused(DataError, "'prediction' must not be there yet", lambda: model.transform(clash))
    assert model.transform(good.limit(0)).collect() == []


@pytest.mark.parametrize(
    ("make", "error", "said"),
    [
        (lambda: classifier(featuresCol="feature"), DataError, "Did you mean 'features'"),
        (lambda: classifier(labelCol="lable"), DataError, "`labelCol` .* Did you mean 'label'"),
        (lambda: classifier(weightCol="wieght"), DataError, "`weightCol` .* Did you mean 'weight'"),
        (lambda: classifier(weightCol="word"), DataError, "a column of numbers; got 'word' of str"),
        (lambda: classifier(featuresCol="word"), DataError, "StringIndexer makes numbers of texts"),
        (lambda: classifier(validationIndicatorCol="label"), DataError, "a column of booleans"),
        (
            lambda: NNEstimator(nn.Linear(3, 2), criterion.MSE(), labelCol="word"),
            DataError,
            "NNClassifier learns texts as classes",
        ),
        (lambda: NNClassifier(), ArgumentError, "`model` must be set before fit"),
        (lambda: classifier(sizes=(4, 2)), ShapeError, "axis 1 must be 4 .* got 3"),
        (
            lambda: NNClassifier(
                nn.Sequential(nn.Linear(3, 2, rng=0), nn.Softmax()), criterion.CrossEntropy()
            ),
            ArgumentError,
            "CrossEntropy: output must be logits; got probabilities",
        ),
        (
            lambda: NNRegressor(nn.Linear(3, 2, rng=0), criterion.MSE()),
            ShapeError,
            "`model` must give one number for each row; got rows of shape .2,.",
        ),
        (lambda: classifier(clipNorm=1.0, clipValue=1.0), ArgumentError, "only one of `clipNorm`"),
        (
            lambda: classifier(validationSplit=0.5, validationIndicatorCol="truth"),
            DataError,
            "`validationIndicatorCol` must be a column",
        ),
        (
            lambda: classifier(earlyStopping=EarlyStopping("loss")),
            ArgumentError,
            "`validation` must be given for an early stop",
        ),
        (
            lambda: classifier(classWeights={"a": 1, "c": 2}, labelCol="word"),
            ArgumentError,
            "`classWeights` must be one of .* got 'c'",
        ),
        (lambda: classifier(ranks=9), SparkSetupError, "ranks=9: each rank needs a slot"),
        (
            lambda: classifier(learningRate=0.1, optimizer=optim.by_name({"*": optim.SGD(0.1)})),
            ArgumentError,
            "`learningRate` must not be set beside",
        ),
    ],
)
def test_what_does_not_fit_is_refused_before_training(local, make, error, said):
    refused(error, said, lambda: make().fit(table(local)))


def test_frames_that_cannot_be_trained_on_are_refused(local):
    stage = classifier()
    refused(DataError, "at least one row to train on", lambda: stage.fit(table(local).limit(0)))
    rates = local.readStream.format("rate").load().selectExpr("array(1D) features", "0 label")
    refused(DataError, "got a stream. Write it to files", lambda: stage.fit(rates))
    pandas = table(local).drop("features").toPandas()
    refused(DataError, "must be a Spark DataFrame; got DataFrame", lambda: stage.fit(pandas))
    both = stage.copy().setValidationSplit(0.5).setValidation(table(local))
    refused(ArgumentError, "in one way; got setValidation and", lambda: both.fit(table(local)))


def test_a_session_of_spark_connect_is_refused(local, tmp_path):
    # as a client without SparkContext looks from here
    Far = type("Far", (), {"sparkSession": object(), "mapInArrow": None})
    for call in (classifier().fit, classifier().fitted(nn.Linear(3, 2)).transform):
        refused(SparkSetupError, "got one of Spark Connect", lambda call=call: call(Far()))
    near = table(local)
    Far.schema, Far.columns = near.schema, near.columns
    Far.sparkSession = SimpleNamespace(conf=local.conf)
    said = r"session must be a classic SparkSession; got types.SimpleNamespace. Spark Connect gives"
    refused(SparkSetupError, said, lambda: SparkDataset(Far()).packed())
    write = classifier().write().session(SimpleNamespace(version="4"))
    refused(SparkSetupError, "must be a classic SparkSession", lambda: write.save(str(tmp_path)))
