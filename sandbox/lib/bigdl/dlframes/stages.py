"""What DLEstimator, NNEstimator and their models share: stages of Spark ML with labels from 1.

Networks train and predict by `sandbox.lib.spark.ml`; here are the ancestor's arguments, defaults
and columns: classes count from 1, predictions of several numbers are arrays.
"""

from __future__ import annotations

import copy
from typing import Any

from pyspark.ml.functions import vector_to_array
from pyspark.ml.linalg import VectorUDT
from pyspark.sql import functions as f
from pyspark.sql.types import ArrayType, DoubleType

from ... import optim
from ...spark import ml
from ...spark.ml.params import Setting, Stage
from ...spark.rows.columns import column
from ..bridge import core_criterion, core_module, core_optimizer
from ..nn.criterion import Criterion

_RATE = 1e-3


class Ancestor(Stage):
    """Params that only the ancestor has."""

    learningRateDecay = Setting(  # noqa: N815 - Params are named as Spark's
        "learningRateDecay",
        "rate of step t is learningRate / (1 + t · decay)",
        lambda _, x: float(x),
    )
    labelShape = Setting(  # noqa: N815
        "labelShape", "shape of one row of the labels", lambda _, x: [int(one) for one in x]
    )


class Estimators(Ancestor, ml.NNEstimator):
    """An estimator that takes networks, criterions and labels as BigDL has them.

    Without an optimisation method it is SGD with `learningRate` 0.001.
    """

    def _start(self, model: Any, criterion: Any) -> None:
        """Take the objects, and the ancestor's defaults."""
        self._setDefault(batchSize=1, maxEpoch=50, learningRate=_RATE, learningRateDecay=0.0)
        self._set(
            model=None if model is None else core_module(model),
            criterion=None if criterion is None else core_criterion(criterion),
        )

    def setOptimMethod(self, value: Any) -> Any:  # noqa: N802 - the ancestor's name
        """Set the optimisation method, which brings its own rate."""
        return self._set(optimizer=core_optimizer(value))

    def getOptimMethod(self) -> Any:  # noqa: N802
        """Return the optimisation method, None for SGD with `learningRate`."""
        return self._given("optimizer")

    def _optimizer(self) -> optim.Optimizer:
        if (found := self._given("optimizer")) is not None:
            made: optim.Optimizer = copy.deepcopy(found)
            return made
        rate, decay = self._given("learningRate"), self._given("learningRateDecay")
        schedule = optim.InverseTime(decay) if decay else None
        return optim.SGD(rate) if schedule is None else optim.SGD(rate, schedule=schedule)

    def _fit(self, dataset: Any) -> Any:
        made = copy.copy(self)
        made._validation = None if self._validation is None else self._from_zero(self._validation)
        return ml.NNEstimator._fit(made, self._from_zero(dataset))

    def _from_zero(self, frame: Any) -> Any:
        """Return the frame with labels that the core takes: classes count from 0 there."""
        name = self.getLabelCol()
        if name not in getattr(frame, "columns", ()) or not self.isSet("criterion"):
            return frame  # the core says what is wrong
        label, kind = column(name), frame.schema[name].dataType
        single = self._given("labelShape") in (None, [1])
        if not self._given("criterion").takes_classes:
            return frame
        if single and isinstance(kind, VectorUDT):
            label, kind = vector_to_array(label), ArrayType(DoubleType())
        if single and isinstance(kind, ArrayType):
            label, kind = label[0], kind.elementType
        if kind.simpleString() in ("string", "boolean") or isinstance(kind, ArrayType | VectorUDT):
            return frame
        said = f"{type(self).__name__}: column {name!r} must hold classes that count from 1; got "
        cure = ". Classes from 0? Add 1, or use sandbox.lib.spark.ml."
        wrong = f.raise_error(f.concat(f.lit(said), label.cast("string"), f.lit(cure)))
        shift = 0 if isinstance(self._given("criterion"), Criterion) else 1
        return frame.withColumn(name, f.when(label < 1, wrong).otherwise(label - shift))


class Models(Ancestor, ml.NNModel):
    """A network that adds a column of predictions: arrays, as the ancestor's."""

    def _transform(self, dataset: Any) -> Any:
        made, name = ml.NNModel._transform(self, dataset), self.getPredictionCol()
        kind = made.schema[name].dataType
        if isinstance(kind, VectorUDT):
            return made.withColumn(name, vector_to_array(column(name)))
        return made if isinstance(kind, ArrayType) else made.withColumn(name, f.array(column(name)))


class Classifiers(Estimators, ml.NNClassifier):
    """An estimator of classes from 1 on."""

    def _start(self, model: Any, criterion: Any) -> None:
        super()._start(model, criterion)
        self._setDefault(rawPredictionCol="", probabilityCol="")


class ClassifierModels(Ancestor, ml.NNClassifierModel):
    """A network that adds a column of classes from 1 on."""

    def _start(self) -> None:
        self._setDefault(rawPredictionCol="", probabilityCol="")

    def _transform(self, dataset: Any) -> Any:
        made, name = ml.NNClassifierModel._transform(self, dataset), self.getPredictionCol()
        return made.withColumn(name, column(name) + 1)
