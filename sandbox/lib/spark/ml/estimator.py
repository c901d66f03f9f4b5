"""Networks as stages of Spark ML: an estimator that trains on a DataFrame."""

from __future__ import annotations

import copy
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from pyspark.ml.base import Predictor

from ... import nn, optim
from ...core.errors import ArgumentError, DataError
from ...criterion import Criterion, RowWeighted
from ...data import Preparation
from ...metrics import Loss
from ...optim import ParameterGroups
from ...train import Checkpoints, EveryEpoch, MaxEpoch, MaxSteps, Summary, Trainer, Trigger
from ...train.arguments import choose_metrics
from ..backend import SparkBackend
from ..rows.columns import column
from .files import Stored
from .frames import CheckedDataset, check_frame, inner_type, is_vector, type_of
from .model import NNModel
from .reading import Reads
from .settings import Training
from .signature import Signature

__all__ = ["NNEstimator"]

E = TypeVar("E", bound="NNEstimator")
_EPOCHS = 10
_RATE = 1e-3
_PARTS = 1 << 20  # of the hash that deals rows to training and validation


def _in_front() -> bool:
    """Tell whether somebody may be looking: at no thread, as those of a CrossValidator are."""
    return threading.current_thread() is threading.main_thread()


@dataclass(frozen=True)
class Plan:
    """What a fit works with, completed step by step.

    Parameters
    ----------
    frame : DataFrame
        Its label column holds numbers.
    validation : DataFrame or None
    criterion : Criterion
    labels : list of str or None
        What the classes are called.
    texts : bool
        Whether the label column held texts.
    counts : dict of class -> rows, or None
        Of the training rows, where somebody asks for them.
    """

    frame: Any
    validation: Any
    criterion: Criterion
    labels: Sequence[str] | None = None
    texts: bool = False
    counts: Any = None


class NNEstimator(Training, Reads, Stored, Predictor[Any]):
    """Trains a network on the rows of a DataFrame.

    Parameters
    ----------
    model : Module
        Where training starts from: it stays as it is, and each fit starts from the same weights.
    criterion : Criterion
        What the loss is.
    optimizer : Optimizer or dict of them, default=Adam(0.001)
        See `Trainer`.
    **params
        Values of Params, see `explainParams()`: `featuresCol`, `labelCol`, `batchSize`, ...

    Raises
    ------
    ArgumentError : a Param is outside of what it may be, or there is none of this name.
    DataError, SparkSetupError : in `fit`, a column is missing, of another kind or holds no finite
        numbers; the DataFrame is empty, a stream, or of Spark Connect.

    Notes
    -----
    Like BigDL `DLEstimator` (0.13) and Analytics Zoo's NNEstimator: columns and Params are named
    alike; sizes of features are read off the rows, and batches may have any size.

    Analytics Zoo's names: setEndWhen is `setEndTrigger`, setGradientClippingByL2Norm `setClipNorm`,
    setConstantGradientClipping `setClipValue`, setTrainSummary and setValidationSummary
    `setSummaryPath`, setCheckpoint `setCheckpointPath` and `setCheckpointTrigger`, setOptimMethod
    `setOptimizer`, setValidation's parts `setValidation`, `setValidationTrigger` and `setMetrics`,
    setSamplePreprocessing `setPreprocessing`; setCachingSample is not needed: rows are kept.

    Features are columns of numbers, arrays, vectors (dense or sparse), bytes or images; several
    for a model of several inputs. A column of single floats comes to the model as (rows, 1), one of
    integers as (rows,) for an embedding. A label of single numbers is a class where the criterion
    takes classes, else (rows, 1); vectors and arrays stay as they are.

    Rows are read once and packed (see `SparkDataset`), then ranks train as `Trainer` with
    `SparkBackend` does. Fits that run beside each other, as those of a CrossValidator with
    parallelism > 1, share the cluster's slots by a queue and give the same weights as one by one.

    Examples
    --------
    >>> from sandbox.lib import criterion, nn, optim
    >>> estimator = NNEstimator(nn.Linear(3, 1, rng=0), criterion.MSE(), optim.SGD(0.1))
    >>> estimator.setBatchSize(32).setMaxEpoch(2).getBatchSize()
    32
    >>> model = estimator.fit(frame)  # doctest: +SKIP
    """

    fitted: type[NNModel] = NNModel
    """The class of the model that `fit` gives."""

    def __init__(
        self, model: Any = None, criterion: Any = None, optimizer: Any = None, **params: Any
    ) -> None:
        super().__init__(model=model, criterion=criterion, optimizer=optimizer, **params)
        self._validation: Any = None

    def setValidation(self: E, frame: Any) -> E:  # noqa: N802 - Spark's way of names
        """Set the DataFrame to validate on, None for none; it is not written into files."""
        self._validation = frame
        return self

    def getValidation(self) -> Any:  # noqa: N802 - Spark's way of names
        """Return the DataFrame to validate on, or None."""
        return self._validation

    # Training --------------------------------------------------------------------------------

    def _fit(self, dataset: Any) -> Any:
        owner = type(self).__name__
        check_frame(dataset, owner, "fit")
        for name in ("model", "criterion"):
            if not self.isSet(name):
                raise ArgumentError(
                    f"{owner}: `{name}` must be set before fit; got none. "
                    f"{owner}(model, criterion, optimizer)."
                )
        for frame in (dataset, self._validation):
            if frame is not None:
                check_frame(frame, owner, "fit")
                self._check_columns(frame)
        plan = self._planned(dataset)
        rows = self._rows(plan.frame)
        others = None if plan.validation is None else self._rows(plan.validation)
        try:
            self._check_rows(rows, others)
            signature = Signature.of(self._given("model"), Preparation(rows), plan.criterion)
            plan = self._suited(plan, signature)
            trainer = self._trainer(dataset.sparkSession, plan)
            history = trainer.fit(
                rows,
                end=self._end(),
                validation=others,
                validate=self._given("validationTrigger") or "epoch",
                early_stop=copy.deepcopy(self._given("earlyStopping")),
            )
        finally:
            for one in (rows, others):
                if one is not None:
                    one.unpersist()
        made = self._made(trainer.model, signature, plan.labels)
        made.history = history
        return made

    def _made(self, model: nn.Module, signature: Signature, labels: Any) -> NNModel:
        """Return the stage that predicts, with this one's Params and uid."""
        made = self._copyValues(self.fitted())
        for given in (made._paramMap, made._defaultParamMap):
            given.pop(made.batchSize, None)  # rows of a step, which predicting is not
        made._set(model=model.eval())
        made._resetUid(self.uid)
        made._finish(signature, labels)
        return made

    def _check_columns(self, frame: Any) -> None:
        """Refuse columns that are not there or cannot be what they should."""
        owner = type(self).__name__
        self._check_features(frame)
        self._check_label(type_of(frame, self.getLabelCol(), owner, "labelCol"))
        for param in ("weightCol", "validationIndicatorCol"):
            name = self._given(param)
            if name:
                kind = type_of(frame, name, owner, param).simpleString()
                number = kind in ("tinyint", "smallint", "int", "bigint", "float", "double")
                if not (number if param == "weightCol" else kind == "boolean"):
                    wanted = "numbers" if param == "weightCol" else "booleans"
                    raise DataError(
                        f"{owner}: `{param}` must be a column of {wanted}; got {name!r} of {kind}."
                    )

    def _check_label(self, kind: Any) -> None:
        """Refuse labels of a kind that cannot be learnt."""
        if kind.simpleString() == "string":
            raise DataError(
                f"{type(self).__name__}: column {self.getLabelCol()!r} must hold numbers, arrays or"
                " vectors; got string. NNClassifier learns texts as classes."
            )

    def _planned(self, frame: Any) -> Plan:
        """Return the rows to train and to validate on, labels as numbers."""
        validation = None if self._validation is None else self._numbered(self._validation)
        return self._split(self._numbered(frame), validation)

    def _numbered(self, frame: Any) -> Any:
        """Return a DataFrame with single labels as the criterion takes them."""
        from pyspark.sql import functions as f

        name = self.getLabelCol()
        kind = frame.schema[name].dataType
        if inner_type(kind) is not kind or is_vector(kind):
            return frame
        truth = kind.simpleString() == "boolean"
        if self._given("criterion").takes_classes is not False:
            return frame.withColumn(name, column(name).cast("int")) if truth else frame
        single = column(name).cast("double") if truth else column(name)
        return frame.withColumn(name, f.array(single))

    def _split(self, frame: Any, validation: Any) -> Plan:
        from pyspark.sql import functions as f

        share, indicator = self._given("validationSplit"), self._given("validationIndicatorCol")
        given = {
            "setValidation": validation is not None,
            "validationSplit": bool(share),
            "validationIndicatorCol": bool(indicator),
        }
        said = [name for name, there in given.items() if there]
        if len(said) > 1:
            raise ArgumentError(
                f"{type(self).__name__}: rows to validate on must be given in one way; got "
                f"{' and '.join(said)}."
            )
        if indicator:
            kept = f.coalesce(column(indicator), f.lit(False))
            frame, validation = frame.filter(~kept), frame.filter(kept)
        elif share:
            # By what a row holds: the same rows wherever they lie, and equal rows together.
            place = f.xxhash64(f.lit(self._given("seed")), *map(column, self._used()))
            kept = f.pmod(place, f.lit(_PARTS)) < round(share * _PARTS)
            frame, validation = frame.filter(~kept), frame.filter(kept)
        return Plan(frame, validation, self._given("criterion"))

    def _used(self) -> list[str]:
        """Return the columns that training reads."""
        names = [*self._features(), self.getLabelCol(), self._given("weightCol")]
        return list(dict.fromkeys(name for name in names if name))

    def _rows(self, frame: Any) -> CheckedDataset:
        label, weight = self.getLabelCol(), self._given("weightCol")
        frame, names = self._with_bytes(frame)
        return CheckedDataset(
            frame,
            **self._reading(frame, names),
            label={"target": label, "weight": weight} if weight else label,
        )

    def _check_rows(self, rows: CheckedDataset, others: CheckedDataset | None) -> None:
        """Refuse DataFrames without rows."""
        for what, data in (("to train on", rows), ("to validate on", others)):
            if data is not None and not sum(data.partition_sizes):
                raise DataError(
                    f"{type(self).__name__}: there must be at least one row {what}; got 0."
                )

    def _suited(self, plan: Plan, signature: Signature) -> Plan:
        """Return the plan with the criterion that fits rows and model."""
        if self._given("weightCol"):
            return replace(plan, criterion=RowWeighted(plan.criterion))
        return plan

    def _metrics(self, criterion: Criterion) -> Any:
        """Return what is measured; beside weights of rows the target is one of two."""
        given = self._given("metrics")
        if not isinstance(criterion, RowWeighted):
            return given
        found = choose_metrics(given, criterion.criterion)
        return [
            Loss(criterion, name=one.name)
            if isinstance(one, Loss)
            else one.on("", "target", name=one.name)
            for one in found
        ]

    def _trainer(self, spark: Any, plan: Plan) -> Trainer:
        given = self._given
        checkpoint, summary = given("checkpointPath"), given("summaryPath")
        if checkpoint is not None:
            checkpoint = Checkpoints(checkpoint, every=given("checkpointTrigger") or EveryEpoch())
        return Trainer(
            copy.deepcopy(given("model")),  # the next fit starts from the same weights
            plan.criterion,
            self._optimizer(),
            batch_size=given("batchSize"),
            metrics=self._metrics(plan.criterion),
            seed=given("seed"),
            threads=given("threads"),
            backend=SparkBackend(spark, ranks=given("ranks"), threads_per_rank=given("threads")),
            clip=self._clip(),
            checkpoint=checkpoint,
            summary=summary if summary is None else Summary(summary),
            progress="auto" if given("progress") and _in_front() else None,
            precision=given("precision"),
        )

    def _optimizer(self) -> optim.Optimizer:
        """Return an optimiser of this fit's own, with the learning rate that is set."""
        found: optim.Optimizer = copy.deepcopy(self._given("optimizer") or optim.Adam(_RATE))
        rate = self._given("learningRate")
        if rate is not None:
            if isinstance(found, ParameterGroups):
                raise ArgumentError(
                    f"{type(self).__name__}: `learningRate` must not be set beside an optimizer "
                    f"with a rate for each group of parameters; got {rate:g} and {found!r}."
                )
            found.learning_rate = rate
        return found

    def _clip(self) -> optim.Clip | None:
        norm, value = self._given("clipNorm"), self._given("clipValue")
        if norm is not None and value is not None:
            raise ArgumentError(
                f"{type(self).__name__}: only one of `clipNorm` and `clipValue` can be set; got "
                f"{norm:g} and {value:g}."
            )
        if norm is not None:
            return optim.ClipNorm(norm)
        return None if value is None else optim.ClipValue(value)

    def _end(self) -> Trigger:
        """Return what ends training: the first of what is set."""
        steps, epochs = self._given("maxIter"), self._given("maxEpoch")
        given = (
            self._given("endTrigger"),
            None if steps is None else MaxSteps(steps),
            None if epochs is None else MaxEpoch(epochs),
        )
        first, *others = [end for end in given if end is not None] or [MaxEpoch(_EPOCHS)]
        for end in others:
            first = first | end
        return first
