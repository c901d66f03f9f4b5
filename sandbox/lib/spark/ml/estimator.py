"""Networks as stages of Spark ML: an estimator that trains on a DataFrame."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from pyspark.ml.base import Predictor

from ... import nn
from ...core.errors import ArgumentError, DataError
from ...criterion import Criterion, RowWeighted
from ...data import Preparation
from ..backend import SparkBackend
from ..rows.columns import column
from .files import Stored
from .frames import CheckedDataset, check_frame, type_of
from .labels import label_kinds, numbered
from .model import NNModel
from .params import one_or_several
from .reading import Reads
from .runs import name_of_run
from .signature import Signature
from .training import Trains

__all__ = ["NNEstimator"]

E = TypeVar("E", bound="NNEstimator")
_PARTS = 1 << 20  # of the hash that deals rows to training and validation


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


class NNEstimator(Trains, Reads, Stored, Predictor[Any]):
    """Trains a network on the rows of a DataFrame.

    Parameters
    ----------
    model : Module
        Where training starts from: it stays as it is, and each fit starts from the same weights.
    criterion : Criterion
        What the loss is; `Parallel` for a network of several outputs.
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
    takes classes, else (rows, 1); vectors and arrays stay as they are. A model of several outputs
    has `labelCols`, a column for each.

    Rows are read once and packed (see `SparkDataset`), then ranks train as `Trainer` with
    `SparkBackend` does. Fits that run beside each other, as those of a CrossValidator with
    parallelism > 1, share the cluster's slots by a queue and give the same weights as one by one.

    Checkpoints and summaries of a fit lie in a folder of its own inside `checkpointPath` and
    `summaryPath`, named after Params, first weights and rows (`runs.py`): the fits of a
    CrossValidator keep apart. With `resume` a fit goes on from the last checkpoint in its folder,
    and ends with the weights of one that was never interrupted. So the same call of a
    CrossValidator goes on after a kill, too; fits that had ended are not run again. Rows must come
    in the same order and partitions: those of files do, those of a shuffle must be sorted.

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
    standard: Criterion | None = None
    """The criterion where none is set."""
    one_label = False
    """Whether the network must have one output."""

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
        if self._given("resume") and not self._given("checkpointPath"):
            raise ArgumentError(
                f"{type(self).__name__}: `checkpointPath` must be set where `resume` is; got none."
            )
        with self._prepared(dataset) as (plan, rows, others, signature):
            place = self._place(plan, rows, others)
            trainer = self._trainer(plan.criterion, self._backend(dataset.sparkSession), place)
            history = trainer.fit(
                rows,
                end=self._end(),
                validation=others,
                validate=self._given("validationTrigger") or "epoch",
                resume="auto" if self._given("resume") else None,
            )
        made = self._made(trainer.model, signature, plan.labels)
        made.history = history
        return made

    @contextmanager
    def _prepared(
        self, dataset: Any
    ) -> Iterator[tuple[Plan, CheckedDataset, CheckedDataset | None, Signature]]:
        """Give what a DataFrame is trained with: rows to train and to validate on, packed."""
        owner = type(self).__name__
        check_frame(dataset, owner, "fit")
        for name, value in (("model", self._given("model")), ("criterion", self._loss())):
            if value is None:
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
            yield self._suited(plan, signature), rows, others, signature
        finally:
            for one in (rows, others):
                if one is not None:
                    one.unpersist()

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
        for name in self._labels():
            param = "labelCols" if self._given("labelCols") else "labelCol"
            self._check_label(name, type_of(frame, name, owner, param))
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

    def _check_label(self, name: str, kind: Any) -> None:
        """Refuse labels of a kind that cannot be learnt."""
        if kind.simpleString() == "string":
            raise DataError(
                f"{type(self).__name__}: column {name!r} must hold numbers, arrays or"
                " vectors; got string. NNClassifier learns texts as classes."
            )

    def _planned(self, frame: Any) -> Plan:
        """Return the rows to train and to validate on, labels as numbers."""
        validation = None if self._validation is None else self._numbered(self._validation)
        return self._split(self._numbered(frame), validation)

    def _set(self, **given: Any) -> Any:
        """Take several names for `labelCol`, too; whichever is set last holds."""
        given = one_or_several(given, "labelCol", "labelCols")
        if self.one_label and given.get("labelCols") is not None:
            raise ArgumentError(
                f"{type(self).__name__}: `labelCol` must be one column; got "
                f"{given['labelCols']!r}. NNEstimator trains networks of several outputs."
            )
        return super()._set(**given)

    def _loss(self) -> Any:
        """Return the criterion, None where there is none."""
        return self._given("criterion") or self.standard

    def _labels(self) -> list[str]:
        """Return the columns of the labels."""
        several = self._given("labelCols") or [self.getLabelCol()]
        return list(several.values() if isinstance(several, dict) else several)

    def _numbered(self, frame: Any) -> Any:
        """Return a DataFrame with single labels as the criterion takes them."""
        classes = self._loss().takes_classes
        for name, takes in label_kinds(self._given("labelCols"), self._labels(), classes):
            frame = numbered(frame, name, takes)
        return frame

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
        return Plan(frame, validation, self._loss())

    def _used(self) -> list[str]:
        """Return the columns that training reads."""
        names = [*self._features(), *self._labels(), self._given("weightCol")]
        return list(dict.fromkeys(name for name in names if name))

    def _rows(self, frame: Any) -> CheckedDataset:
        several, weight = self._given("labelCols"), self._given("weightCol")
        label = several or self.getLabelCol()
        if isinstance(several, list):
            label = tuple([name] for name in several)
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

    def _backend(self, spark: Any) -> SparkBackend:
        threads = self._given("threads")
        return SparkBackend(spark, ranks=self._given("ranks"), threads_per_rank=threads)

    def _place(self, plan: Plan, rows: CheckedDataset, others: CheckedDataset | None) -> str:
        """Return what this fit's folders are called; nothing where it keeps nothing."""
        if not (self._given("checkpointPath") or self._given("summaryPath")):
            return ""
        read = [one.packed().content() for one in (rows, others) if one is not None]
        return name_of_run(self, plan.criterion, self._optimizer(), read)
