from __future__ import annotations

import cv2
import numpy as np
import pytest

from sandbox.lib import criterion, nn, optim, train
from sandbox.lib.bigdl.dlframes import dl_classifier as dl
from sandbox.lib.bigdl.dlframes.dl_image_reader import DLImageReader
from sandbox.lib.bigdl.dlframes.dl_image_transformer import DLImageTransformer
from sandbox.lib.bigdl.dlframes.images import of_record, to_record
from sandbox.lib.bigdl.models.ml_pipeline import dl_classifier as older
from sandbox.lib.bigdl.nn.criterion import ClassNLLCriterion
from sandbox.lib.bigdl.transform.vision import image as vision
from sandbox.lib.bigdl.zoo.common.nncontext import init_nncontext
from sandbox.lib.bigdl.zoo.feature import image as steps
from sandbox.lib.bigdl.zoo.pipeline import nnframes as zoo
from sandbox.lib.core.errors import ArgumentError, DataError

RAMP = np.arange(6 * 8 * 3, dtype=np.uint8).reshape(6, 8, 3)


def network(outputs=2):
    return nn.Sequential(nn.Linear(2, outputs, rng=0), nn.LogSoftmax())


def classifier(**arguments):
    return dl.DLClassifier(network(), criterion.NLL(), [2], **arguments)


def test_setters_are_the_ancestors():
    estimator = dl.DLEstimator(nn.Linear(2, 2, rng=0), criterion.MSE(), [2], [2])
    assert (estimator.getBatchSize(), estimator.getMaxEpoch()) == (1, 50)
    assert estimator.getLearningRate() == 1e-3
    assert estimator.setBatchSize(30).getBatchSize() == 30
    assert estimator.setMaxEpoch(40).getMaxEpoch() == 40
    assert estimator.setLearningRate(1e-4).getLearningRate() == 1e-4
    assert estimator.setFeaturesCol("abcd").getFeaturesCol() == "abcd"
    assert estimator.setLabelCol("xyz").getLabelCol() == "xyz"
    assert estimator.setPredictionCol("p").getPredictionCol() == "p"
    assert estimator.setFeatureSize([1, 2]).getFeatureSize() == [1, 2]


def test_a_method_brings_its_own_rate():
    estimator = classifier().setLearningRate(0.5)
    assert estimator._optimizer().learning_rate == 0.5
    assert isinstance(estimator._optimizer(), optim.SGD)
    estimator.setOptimMethod(optim.Adam(0.01))
    assert estimator._optimizer().learning_rate == 0.01
    slower = classifier().setLearningRateDecay(0.1)._optimizer()
    assert slower.schedule(10) == 0.5


def test_the_older_path_has_the_same_classes():
    for name in ("DLClassifier", "DLClassifierModel", "DLEstimator", "DLModel"):
        assert getattr(older, name) is getattr(dl, name)


def test_zoos_setters_are_those_of_the_core():
    estimator = zoo.NNEstimator(nn.Linear(2, 1, rng=0), criterion.MSE(), [2], [1])
    estimator.setGradientClippingByL2Norm(2.0).setEndWhen(train.MaxSteps(3))
    estimator.setCheckpoint("folder", train.EveryEpoch()).setTrainSummary("logs")
    given = {name: estimator._given(name) for name in ("clipNorm", "checkpointPath", "summaryPath")}
    assert given == {"clipNorm": 2.0, "checkpointPath": "folder", "summaryPath": "logs"}
    assert estimator.getFeatureShape() == [2]
    estimator.setConstantGradientClipping(-1.0, 1.0)
    assert (estimator.getClipNorm(), estimator.getClipValue()) == (None, 1.0)
    assert estimator.clearGradientClipping().getClipValue() is None


def test_a_chain_of_pictures_is_one_transform():
    chain = zoo.ChainedPreprocessing(
        [
            steps.RowToImageFeature(),
            steps.ImageResize(12, 16),
            steps.ImageCenterCrop(8, 6),
            steps.ImageChannelNormalize(1.0, 2.0, 3.0),
            steps.ImageMatToTensor(),
            steps.ImageFeatureToTensor(),
        ]
    )
    stage = zoo.NNModel(nn.Linear(2, 1, rng=0), chain)
    red_first = stage.getDecode()(RAMP[:, :, ::-1])
    feature = vision.ImageFeature(RAMP)
    vision.Pipeline(
        [
            vision.Resize(12, 16),
            vision.CenterCrop(8, 6),
            vision.ChannelNormalize(1.0, 2.0, 3.0),
            vision.MatToTensor(),
        ]
    ).transform(feature)
    np.testing.assert_array_equal(red_first, feature["imageTensor"])


def test_image_records_go_there_and_back():
    for mat in (RAMP, RAMP.astype(np.float32)):
        record = to_record(vision.ImageFeature(mat, path="a.png"))
        assert record[:5] == ("a.png", 6, 8, 3, 16 if mat.dtype == np.uint8 else 21)
        back = of_record(record)["mat"]
        assert back.dtype == mat.dtype
        np.testing.assert_array_equal(back, mat)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: dl.DLClassifier("model", criterion.NLL(), [2]), "model"),
        (lambda: dl.DLClassifier(network(), network(), [2]), "criterion"),
        (lambda: classifier().setOptimMethod("sgd"), "optimMethod"),
        (lambda: zoo.NNEstimator(network(), criterion.NLL(), "x"), "feature_preprocessing"),
        (lambda: zoo.ChainedPreprocessing([3]), "Preprocessing"),
        (lambda: zoo.SeqToMultipleTensors([[1], [2]]), "a column for each"),
        (lambda: zoo.NNEstimator().setConstantGradientClipping(-1, 2), "-max"),
        (lambda: DLImageTransformer("flip"), "FeatureTransformer"),
        (lambda: DLImageReader.readImages("path"), "SparkContext"),
        (lambda: of_record(("a", 1, 1, 1, 6, b"")), "mode 6"),
    ],
)
def test_wrong_input_is_named(wrong, said):
    with pytest.raises((ArgumentError, DataError), match=said):
        wrong()


@pytest.fixture
def rows(local):
    values = [([2.0, 1.0], 1.0), ([1.0, 2.0], 2.0)] * 20
    return local.createDataFrame(values, "features array<double>, label double").repartition(1)


@pytest.mark.spark
@pytest.mark.campaign
@pytest.mark.parametrize("loss", [criterion.NLL(), ClassNLLCriterion()], ids=["core", "front"])
def test_classes_count_from_one(rows, loss):
    model = (
        dl.DLClassifier(network(), loss, [2])
        .setBatchSize(4)
        .setLearningRate(0.1)
        .setMaxEpoch(20)
        .fit(rows)
    )
    assert isinstance(model, dl.DLClassifierModel)
    found = model.transform(rows)
    assert found.columns == ["features", "label", "prediction"]
    assert all(row.label == row.prediction for row in found.collect())


@pytest.mark.spark
@pytest.mark.campaign
@pytest.mark.parametrize("loss", [criterion.NLL(), ClassNLLCriterion()], ids=["core", "front"])
def test_a_class_below_one_says_from_where_they_count(rows, loss):
    from_zero = rows.withColumn("label", rows.label - 1)
    with pytest.raises(Exception, match=r"classes that count from 1; got 0\.0"):
        dl.DLClassifier(network(), loss, [2]).setMaxEpoch(1).fit(from_zero)


@pytest.mark.spark
@pytest.mark.campaign
def test_an_estimator_gives_arrays(local):
    values = [([2.0, 1.0], [1.0, 2.0]), ([1.0, 2.0], [2.0, 1.0])] * 10
    rows = local.createDataFrame(values, "features array<double>, label array<double>")
    estimator = dl.DLEstimator(nn.Linear(2, 2, rng=0), criterion.MSE(), [2], [2])
    model = estimator.setBatchSize(4).setLearningRate(0.2).setMaxEpoch(60).fit(rows)
    for row in model.transform(rows).collect():
        np.testing.assert_allclose(row.prediction, row.label, atol=0.05)  # after 300 steps of SGD


@pytest.mark.spark
@pytest.mark.campaign
def test_pictures_are_read_changed_and_classified(local, tmp_path):
    for name, level in (("cat.1", 250), ("cat.2", 230), ("dog.1", 10), ("dog.2", 30)):
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.full((6, 8, 3), level, np.uint8))
    sc = init_nncontext()
    assert sc is local.sparkContext
    frame = zoo.NNImageReader.readImages(f"{tmp_path}/*.png", sc, resizeH=4, resizeW=4)
    changed = DLImageTransformer(
        vision.Pipeline([vision.Resize(3, 2), vision.MatToTensor()])
    ).transform(frame)
    output = changed.first()["output"]
    assert output[1:5] == (3, 2, 3, 21)
    assert len(output[5]) == 3 * 2 * 3 * 4
    labelled = frame.selectExpr("image", "if(image.origin like '%cat%', 1.0D, 2.0D) as label")
    chain = zoo.ChainedPreprocessing(
        [
            steps.RowToImageFeature(),
            steps.ImageChannelNormalize(128.0, 128.0, 128.0, 128.0, 128.0, 128.0),
            steps.ImageMatToTensor(),
            steps.ImageFeatureToTensor(),
        ]
    )
    model = nn.Sequential(nn.Flatten(), nn.Linear(48, 2, rng=0))
    fitted = (
        zoo.NNClassifier(model, criterion.CrossEntropy(), chain)
        .setFeaturesCol("image")
        .setBatchSize(4)
        .setMaxEpoch(10)
        .setLearningRate(0.1)
        .fit(labelled)
    )
    assert all(row.label == row.prediction for row in fitted.transform(labelled).collect())
