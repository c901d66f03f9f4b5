"""The Params of this room, by what they are about."""

from __future__ import annotations

from typing import Any

from pyspark.ml.param.shared import (
    HasValidationIndicatorCol,
    HasWeightCol,
)

from ... import engine
from ...core import validate
from . import objects
from .params import Setting, Stage, one_or_several

__all__ = ["Columns", "Training"]


def _fraction(name: str, value: Any) -> float:
    return validate.in_range(name, value, 0, 1, closed="left")


def _names(name: str, value: Any) -> list[str]:
    if isinstance(value, str) or not isinstance(value, list | tuple):
        raise validate.refuse(name, "a list of names of columns", value)
    if not value or not all(isinstance(one, str) and one for one in value):
        raise validate.refuse(name, "a list of names of columns", value)
    return list(value)


def _labels(name: str, value: Any) -> Any:
    """Return columns by output: a list in their order, or a dict by their names."""
    wanted = "a list of different names of columns, or a dict of output -> column"
    several = list(value.values()) if isinstance(value, dict) else value
    if not isinstance(several, list | tuple) or not several or len(set(several)) < len(several):
        raise validate.refuse(name, wanted, value)
    if not all(isinstance(one, str) and one for one in (*value, *several)):
        raise validate.refuse(name, wanted, value)
    return dict(value) if isinstance(value, dict) else list(several)


def _shape(name: str, value: Any) -> list[Any]:
    """Return a shape as a list, or for several inputs a list of shapes and None."""
    sizes = [value] if isinstance(value, int) else validate.several(name, value, "a list of sizes")
    if any(size is None or isinstance(size, list | tuple) for size in sizes):
        return [None if one is None else _shape(name, one) for one in sizes]
    return [validate.positive_int(name, size) for size in sizes]


def _folder(name: str, value: Any) -> str:
    return str(validate.path_like(name, value))


def _precision(name: str, value: Any) -> str:
    return str(validate.one_of(name, value, engine.PRECISIONS))


def _switch(name: str, value: Any) -> bool:
    return validate.boolean(name, value)


class Columns(Stage):
    """Where inputs come from and predictions go, and what is between: the model."""

    model = Setting("model", "the network", objects.model, plain=False)
    featuresCols = Setting(  # noqa: N815 - Params are named as Spark's
        "featuresCols",
        "columns of a model of several inputs, one for each in the order of its arguments; set by "
        "a list given as featuresCol",
        _names,
    )
    precision = Setting("precision", "f32 or bf16", _precision, "f32")
    featureShape = Setting(  # noqa: N815
        "featureShape",
        "shape of one row of the features, as [1, 28, 28]; as stored where it is not set",
        _shape,
    )

    preprocessing = Setting(
        "preprocessing",
        "what is done with batches of features, data.transforms or data.vision; of several inputs "
        "a list",
        objects.transform,
        plain=False,
    )
    decode = Setting(
        "decode",
        "what makes an array of the bytes of a file, or of an image: "
        "data.vision.Pipeline(Decode(), Resize((32, 32)), ToTensor())",
        objects.decode,
        plain=False,
    )

    def _set(self, **given: Any) -> Any:
        """Take several names for `featuresCol`, too; whichever is set last holds."""
        return super()._set(**one_or_several(given, "featuresCol", "featuresCols"))

    def _features(self) -> list[str]:
        """Return the columns of the inputs."""
        several = self._given("featuresCols")
        return list(several or [self._given("featuresCol")])


class Training(Stage, HasWeightCol, HasValidationIndicatorCol):
    """How a model is trained."""

    criterion = Setting(
        "criterion",
        "what the loss is; where it is not set CrossEntropy of NNClassifier, MSE of NNRegressor",
        objects.criterion,
        plain=False,
    )
    labelCols = Setting(  # noqa: N815 - Params are named as Spark's
        "labelCols",
        "columns of the labels of a model of several outputs (NNEstimator alone): a list in the "
        "order of the outputs, or a dict of output -> column; set by such a labelCol",
        _labels,
    )
    optimizer = Setting(
        "optimizer",
        "how the weights follow the gradients, Adam(0.001) where it is not set",
        objects.optimizer,
        plain=False,
    )
    learningRate = Setting(  # noqa: N815
        "learningRate", "rate in place of the optimizer's own, > 0", validate.positive
    )
    batchSize = Setting(  # noqa: N815
        "batchSize", "rows of a batch over all ranks, any number > 0", validate.positive_int, 128
    )
    maxEpoch = Setting(  # noqa: N815
        "maxEpoch",
        "passes over the rows, > 0; 10 where neither it nor maxIter nor endTrigger is set",
        validate.positive_int,
    )
    maxIter = Setting("maxIter", "most batches, > 0", validate.positive_int)  # noqa: N815
    endTrigger = Setting(  # noqa: N815
        "endTrigger",
        "another end of training, such as train.MaxScore(0.99); what comes first ends it",
        objects.trigger,
        plain=False,
    )
    seed = Setting(
        "seed",
        "order of rows, dropout and validationSplit: same seed, same bits",
        validate.non_negative_int,
        0,
    )
    ranks = Setting(
        "ranks",
        "tasks that train together; all slots of the cluster but one where it is not set",
        validate.positive_int,
    )
    threads = Setting("threads", "cores of one rank, > 0", validate.positive_int, 1)
    clipNorm = Setting(  # noqa: N815
        "clipNorm", "largest norm of all gradients together, > 0", validate.positive
    )
    clipValue = Setting(  # noqa: N815
        "clipValue", "largest size of each gradient, > 0", validate.positive
    )
    validationSplit = Setting(  # noqa: N815
        "validationSplit", "share of the rows kept out for validation, in [0, 1)", _fraction
    )
    validationTrigger = Setting(  # noqa: N815
        "validationTrigger",
        "when to validate, after each epoch where it is not set",
        objects.trigger,
        plain=False,
    )
    earlyStopping = Setting(  # noqa: N815
        "earlyStopping",
        "ends training when the validation stands still, train.EarlyStopping('loss')",
        objects.early_stopping,
        plain=False,
    )
    metrics = Setting(
        "metrics",
        "what is measured, a list or dict as of Trainer; what fits the criterion where "
        "it is not set",
        objects.metrics,
        plain=False,
    )
    checkpointPath = Setting(  # noqa: N815
        "checkpointPath", "folder or URL of checkpoints, for each fit one inside", _folder
    )
    resume = Setting(
        "resume",
        "whether a fit goes on from the last checkpoint of an equal one in checkpointPath, that "
        "was killed or has failed; it starts anew where there is none",
        _switch,
        False,
    )
    checkpointTrigger = Setting(  # noqa: N815
        "checkpointTrigger",
        "when to write checkpoints, after each epoch where it is not set",
        objects.trigger,
        plain=False,
    )
    summaryPath = Setting(  # noqa: N815
        "summaryPath", "folder of TensorBoard's files, for each fit one inside", _folder
    )
    progress = Setting(
        "progress",
        "whether a line tells how far training is, but for fits in threads",
        _switch,
        True,
    )
