"""A fitted network as a stage: it adds columns of predictions to DataFrames."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from pyspark.ml.base import PredictionModel
from pyspark.ml.linalg import VectorUDT
from pyspark.sql.types import ArrayType, DataType, DoubleType, FloatType, StructField

from ...core import tree, validate
from ...core.errors import ArgumentError
from ...engine.oplist import Spec
from ...train import History
from ..rows.dataset import SparkDataset
from ..scoring import Answers, Scorer
from .files import Stored
from .frames import check_frame
from .params import Setting
from .reading import Reads, prepared_like
from .signature import Signature

__all__ = ["ANSWER", "NNModel"]

M = TypeVar("M", bound="NNModel")
ANSWER = "answer: "  # in front of the names of single rows' answers


class NNModel(Reads, Stored, PredictionModel[Any]):
    """A network that adds a column of its outputs to a DataFrame.

    Parameters
    ----------
    model : Module
        Trained.
    **params
        Values of Params, see `explainParams()`: `featuresCol`, `predictionCol`, ...

    Raises
    ------
    ArgumentError : a Param is outside of what it may be, or there is none of this name.
    DataError, SparkSetupError : in `transform`, a column is missing or of another kind, or
        `predictionCol` is there already; where rows are run, one is empty, NaN or of other length.

    Notes
    -----
    Like BigDL `DLModel` (0.13) and Analytics Zoo's NNModel: a prediction is a double where the
    network gives one number, a vector where it gives several, arrays where these have a shape; of
    several outputs each has its column, `prediction_0`, `prediction_1` or by their names.

    Examples
    --------
    >>> from sandbox.lib import nn
    >>> NNModel(nn.Linear(3, 1, rng=0), featuresCol="x").getFeaturesCol()
    'x'
    """

    batchSize = Setting(  # noqa: N815 - Params are named as Spark's
        "batchSize",
        "rows that are run at once, > 0; as many as suit their size where it is not set",
        validate.positive_int,
    )

    def __init__(self, model: Any = None, **params: Any) -> None:
        super().__init__(model=model, **params)
        self.history: History | None = None
        """Of the training, in the process that fitted it."""
        self.search: Any = None
        """What `NNSearch` found, in the process that searched: a `tune.Found`."""
        self.signature: Signature | None = None
        """What the network takes and gives; None until it is fitted or has seen a DataFrame."""
        self._kept: dict[str, tuple[Any, Scorer]] = {}

    def copy(self: M, extra: Any = None) -> M:
        """Return a copy with some Params set, but for the network: a trained one stays.

        A CrossValidator over networks transforms with the Params it has fitted with, and the one
        among them that training began from would take the place of what came out of it.
        """
        given = {param: value for param, value in (extra or {}).items() if param.name != "model"}
        made = super().copy(given)
        made._kept = {}
        return made

    # Predicting ------------------------------------------------------------------------------

    def _transform(self, dataset: Any) -> Any:
        check_frame(dataset, type(self).__name__, "transform")
        self._check_features(dataset)
        frame, names = self._with_bytes(dataset)
        made = self._scorer(frame, names).transform(frame)
        return made.drop(*[name for name in names if name not in dataset.columns])

    def udf(self, answer: Any = None) -> Any:
        """Return a function for SQL and `select`, of the features' columns.

        Parameters
        ----------
        answer : str, optional
            Which column it gives; `predictionCol` by default.

        Examples
        --------
        >>> spark.udf.register("predict", model.udf())  # doctest: +SKIP
        >>> spark.sql("select predict(features) from rows")  # doctest: +SKIP
        """
        return self._held("columns").udf(answer or self.getPredictionCol())

    def pandas(self, table: Any) -> Any:
        """Return a pandas DataFrame with the columns of `transform`, scored in this process."""
        return self._held("columns").pandas(table)

    def _held(self, what: str) -> Scorer:
        """Return the scorer for columns or for single rows: the last one while nothing is set anew.

        Threads that ask at once may make one each, of which one stays.
        """
        values = (self.signature, *self._paramMap.values())
        before, scorer = self._kept.get(what, ((), None))
        if scorer is None or list(map(id, values)) != list(map(id, before)):
            scorer = self._scorer(alone=what == "row")
            self._kept[what] = ((self.signature, *values[1:]), scorer)
        return scorer

    def _scorer(
        self, frame: Any = None, names: list[str] | None = None, *, alone: bool = False
    ) -> Scorer:
        """Return what scores; a DataFrame tells of a network that was not fitted here.

        For single rows (`alone`) all answers come, whatever columns are wanted of DataFrames.
        """
        if not self.isSet("model"):
            raise ArgumentError(
                f"{type(self).__name__}: `model` must be set before transform; got none."
            )
        names = names or self._features()
        signature = self._known(frame, names)
        transform = self._given("preprocessing")
        return Scorer(
            self._given("model"),
            names[0] if len(names) == 1 else tuple([name] for name in names),
            self._row_answers(signature) if alone else self._answers(signature),
            prepare=prepared_like(
                signature.stored, tuple(transform) if isinstance(transform, list) else transform
            ),
            decode=self._given("decode") if frame is None else self._decoder(frame),
            batch_size=self._given("batchSize"),
            precision=self._given("precision"),
        )

    def _known(self, frame: Any, names: list[str]) -> Signature:
        if self.signature is None:
            if frame is None:
                raise ArgumentError(
                    f"{type(self).__name__}: what the network takes is not known before it was "
                    "fitted or has transformed a DataFrame; call transform(frame) first."
                )
            rows = SparkDataset(frame.limit(1), **self._reading(frame, names), label=None)
            try:
                stored = rows.stored().x
            finally:
                rows.unpersist()
            prepare = prepared_like(stored, rows.transform)
            self._finish(Signature.of(self._given("model"), prepare, None))
        return self.signature  # type: ignore[return-value]

    def _finish(self, signature: Signature, labels: Any = None) -> None:
        """Take in what training found out."""
        self.signature = signature

    def _answers(self, signature: Signature) -> Answers:
        return OutputAnswers(self.getPredictionCol(), signature.outputs)

    def _row_answers(self, signature: Signature) -> Answers:
        """Return the answers for single rows, under names that no column of theirs has."""
        return OutputAnswers(ANSWER + "prediction", signature.outputs)

    # One row ---------------------------------------------------------------------------------

    @property
    def numFeatures(self) -> int:  # noqa: N802 - Spark's
        """Numbers in a row of the features, of all inputs; -1 if it is not known."""
        if self.signature is None:
            return -1
        return sum(spec.size for spec in tree.leaves(self.signature.stored))

    def predict(self, value: Any) -> Any:
        """Return the prediction for one row: a vector or sequence; several inputs as a tuple.

        Of several outputs it is a dict of them by their paths.
        """
        found = self._row(value)
        return (
            found["prediction"]
            if "prediction" in found
            else {name.removeprefix("prediction_"): one for name, one in found.items()}
        )

    def _row(self, value: Any) -> dict[str, Any]:
        """Return the answers for one row, by what they are."""
        import pandas

        names = self._features()
        values = (value,) if len(names) == 1 else value
        table = pandas.DataFrame({n: [one] for n, one in zip(names, values, strict=True)})
        found = dict(self._held("row").pandas(table).iloc[0])
        return {k.removeprefix(ANSWER): one for k, one in found.items() if k.startswith(ANSWER)}

    # Files -----------------------------------------------------------------------------------

    def _state(self) -> dict[str, Any]:
        return {"signature": self.signature and self.signature.state()}

    def _take_state(self, state: dict[str, Any]) -> None:
        self.signature = state["signature"] and Signature.read(state["signature"])


class OutputAnswers:
    """A network's outputs, each in a column of its own.

    Parameters
    ----------
    name : str
        Of the column; of several, in front of their paths.
    outputs : tree of Spec
        One row of the outputs.
    """

    def __init__(self, name: str, outputs: Any) -> None:
        specs, form = tree.flatten(outputs)
        several = not form.is_leaf
        self.kinds = (
            {
                f"{name}_{path}" if several else name: _kind(spec)
                for path, spec in zip(form.paths, specs, strict=True)
            }
            if name
            else {}
        )

    def fields(self) -> list[StructField]:
        """Return the columns."""
        return [StructField(name, kind) for name, kind in self.kinds.items()]

    def columns(self, outputs: Any) -> dict[str, Any]:
        """Return the outputs by column."""
        return dict(zip(self.kinds, map(np.asarray, tree.leaves(outputs)), strict=False))


def _kind(spec: Spec) -> DataType:
    """Return the Spark type of rows of this form."""
    if spec.size == 1 and len(spec.shape) < 2:
        return DoubleType()
    if len(spec.shape) == 1:
        return VectorUDT()
    kind: DataType = FloatType()
    for _ in spec.shape:
        kind = ArrayType(kind, containsNull=False)
    return kind
