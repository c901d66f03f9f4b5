"""Classifiers: scores, probabilities and classes in columns, as Spark's own give them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pyspark.ml.classification import ProbabilisticClassificationModel, ProbabilisticClassifier
from pyspark.ml.linalg import Vector

from ...core import tree, validate
from ...core.errors import ArgumentError, DataError, ShapeError
from ...criterion import CrossEntropy
from ...engine.oplist import Spec
from ..scoring import Answers
from .answers import ClassAnswers
from .estimator import NNEstimator, Plan
from .labels import balanced, counted, indexed, named_classes, with_weights
from .model import ANSWER, NNModel
from .params import Setting, Stage
from .signature import Signature

__all__ = ["NNClassifier", "NNClassifierModel"]

_PARTS = ("rawPrediction", "probability", "prediction")


def _labels(name: str, value: Any) -> list[str]:
    labels = validate.several(name, value, "a list of texts")
    if (
        len(labels) < 2
        or len(set(labels)) < len(labels)
        or not all(isinstance(x, str) for x in labels)
    ):
        raise validate.refuse(name, "a list of two or more different texts", value)
    return labels


def _class_weights(name: str, value: Any) -> Any:
    wanted = 'a dict of class or label -> number, or "balanced"'
    if isinstance(value, Mapping) and value:
        return {key: validate.non_negative(name, number) for key, number in value.items()}
    if value != "balanced":
        raise validate.refuse(name, wanted, value)
    return value


class Classes(Stage):
    """What classifiers and their models share: what the classes are called."""

    labels = Setting(
        "labels",
        "what the classes are called, in the order of the network's outputs; of a label column of "
        "texts sorted, where it is not set",
        _labels,
    )
    predictedLabelCol = Setting(  # noqa: N815 - Params are named as Spark's
        "predictedLabelCol",
        "column for the label of the predicted class; none by default",
        lambda name, value: validate.instance(name, value, str),
    )
    threshold = Setting(
        "threshold",
        "probability of the second of two classes above which it is predicted, in [0, 1]; "
        "thresholds [1 - threshold, threshold] says the same",
        lambda name, value: validate.in_range(name, value, 0, 1),
    )

    def _set(self, **given: Any) -> Any:
        """Let the one of `threshold` and `thresholds` hold that is set last."""
        for name, other in (("threshold", "thresholds"), ("thresholds", "threshold")):
            if given.get(name) is not None and other not in given:
                given[other] = None
        return super()._set(**given)

    def _shares(self) -> Sequence[float] | None:
        """Return the threshold of each class, None where the largest probability wins."""
        one: float | None = self._given("threshold")
        several: Sequence[float] | None = self._given("thresholds")
        return several if one is None else [1 - one, one]


class NNClassifierModel(Classes, NNModel, ProbabilisticClassificationModel):
    """A network that tells the classes of a DataFrame's rows.

    Parameters
    ----------
    model : Module
        Gives for each row logits or probabilities of the classes, or one of yes or no.
    **params
        Values of Params, see `explainParams()`.

    Raises
    ------
    ArgumentError, DataError, SparkSetupError : as `NNModel`.

    Notes
    -----
    Like BigDL `DLClassifierModel` (0.13): classes count from 0, and `rawPrediction` and
    `probability` come as well, as from Spark's own classifiers; a column whose name is empty is
    left out. With `predictedLabelCol` the label comes as text.

    Examples
    --------
    >>> from sandbox.lib import nn
    >>> model = NNClassifierModel(nn.zoo.mlp([4, 8, 3], rng=0), labels=["cat", "dog", "fox"])
    >>> model.setThresholds([0.5, 0.3, 0.2]).getThresholds()
    [0.5, 0.3, 0.2]
    """

    def _finish(self, signature: Signature, labels: Any = None) -> None:
        super()._finish(signature)
        self.numClasses  # noqa: B018 - refuses outputs that are no classes
        if labels is not None:
            self._set(labels=list(labels))

    def _answers(self, signature: Signature) -> Answers:
        given, owner = self._given, type(self).__name__
        labels, named = given("labels"), given("predictedLabelCol") or ""
        if labels is not None and len(labels) != self.numClasses:
            raise self._miscounted("labels", labels)
        if named and labels is None:
            raise ArgumentError(
                f"{owner}: `labels` must be set for predictedLabelCol={named!r}; the label column "
                f"held numbers. {owner}(..., labels=['no', 'yes'])."
            )
        names = [given(f"{part}Col") or "" for part in _PARTS]
        return self._answers_named(signature, [*names, named], labels)

    def _row_answers(self, signature: Signature) -> Answers:
        return self._answers_named(signature, [*(ANSWER + part for part in _PARTS), ""])

    def _answers_named(
        self, signature: Signature, names: Sequence[str], labels: Any = None
    ) -> Answers:
        shares, gives = self._shares(), signature.gives
        if shares is not None and len(shares) != self.numClasses:
            raise self._miscounted("thresholds", shares)
        gives = gives if gives in ("probabilities", "logarithms") else "logits"
        raw, probability, prediction, label = names
        return ClassAnswers(raw, probability, prediction, label, gives, shares, labels)

    def _miscounted(self, param: str, value: Any) -> ArgumentError:
        return ArgumentError(
            f"{type(self).__name__}: `{param}` must be {self.numClasses}, one for each class; got "
            f"{len(value)}."
        )

    @property
    def numClasses(self) -> int:  # noqa: N802 - Spark's
        """Number of classes, -1 if it is not known."""
        if self.signature is None:
            return -1
        return classes_of(self.signature, type(self).__name__)

    def predictRaw(self, value: Any) -> Vector:  # noqa: N802 - Spark's
        """Return the scores of the classes for one row."""
        found: Vector = self._row(value)["rawPrediction"]
        return found

    def predictProbability(self, value: Any) -> Vector:  # noqa: N802 - Spark's
        """Return the probabilities of the classes for one row."""
        found: Vector = self._row(value)["probability"]
        return found

    def predict(self, value: Any) -> float:
        """Return the class of one row."""
        return float(self._row(value)["prediction"])


class NNClassifier(Classes, NNEstimator, ProbabilisticClassifier):
    """Trains a network to tell classes.

    Parameters
    ----------
    model, criterion, optimizer
        See `NNEstimator`. One output for each class and CrossEntropy, the criterion where none is
        set; or one output in all and BCEWithLogits for two classes.
    **params
        Values of Params, see `explainParams()`; `classWeights`, `labels`, `thresholds` are of
        classifiers alone.

    Raises
    ------
    ArgumentError, DataError, SparkSetupError : as `NNEstimator`; a label is no class.

    Notes
    -----
    Like BigDL `DLClassifier` (0.13): labels count from 0. They are whole numbers (int or double),
    booleans, or texts, which become classes in sorted order; the model keeps them.
    `classWeights="balanced"` lets all classes count alike, see `labels.balanced`.

    Examples
    --------
    >>> from sandbox.lib import nn
    >>> network = nn.zoo.mlp([4, 8, 3], rng=0)
    >>> classifier = NNClassifier(network, classWeights={0: 1, 1: 2, 2: 1})
    >>> print(classifier.explainParam("classWeights"))
    classWeights: what rows of each class count: a dict of class or label -> number, or balanced \
(current: {0: 1.0, 1: 2.0, 2: 1.0})
    """

    classWeights = Setting(  # noqa: N815
        "classWeights",
        "what rows of each class count: a dict of class or label -> number, or balanced",
        _class_weights,
    )
    fitted: type[NNModel] = NNClassifierModel
    standard = CrossEntropy()
    one_label = True

    def _check_label(self, name: str, kind: Any) -> None:
        """Take labels of any kind that SparkDataset takes, and texts."""

    def _planned(self, frame: Any) -> Plan:
        """Return the rows with labels as class numbers."""
        name, owner, validation = self.getLabelCol(), type(self).__name__, self._validation
        labels: Sequence[str] | None = self._given("labels") or named_classes(frame, name)
        texts = frame.schema[name].dataType.simpleString() == "string"
        if texts:
            found = counted(frame, name)
            if not found:
                raise DataError(f"{owner}: there must be a row with a label; got none.")
            labels = self._given("labels") or sorted(found)
            frame = indexed(frame, name, labels, found, owner)
            if validation is not None:
                validation = indexed(validation, name, labels, counted(validation, name), owner)
        if validation is not None:
            validation = self._numbered(validation)
        plan = self._split(self._numbered(frame), validation)
        plan = replace(plan, labels=labels, texts=texts)
        if self._given("classWeights") == "balanced":
            plan = replace(plan, counts=counted(plan.frame, name))
        return plan

    def _suited(self, plan: Plan, signature: Signature) -> Plan:
        classes, owner = classes_of(signature, type(self).__name__), type(self).__name__
        if not plan.texts and self._given("labels") is None and len(plan.labels or ()) != classes:
            plan = replace(plan, labels=None)  # a StringIndexer's, which knew other rows
        if plan.labels is not None and len(plan.labels) != classes:
            raise DataError(
                f"{owner}: column {self.getLabelCol()!r} must hold {classes} classes, as the "
                f"network tells apart; got {len(plan.labels)}: "
                f"{', '.join(map(repr, plan.labels[:8]))}{', ...' if len(plan.labels) > 8 else ''}."
                " Are some of them rare? name all: labels=[...]."
            )
        if not self.isSet("criterion") and signature.outputs.size == 1:
            raise ArgumentError(
                f"{owner}: `criterion` must be set for a network of one output; got none. "
                f"{owner}(model, criterion.BCEWithLogits())."
            )
        given = self._given("classWeights")
        if given is not None:
            weights = (
                balanced({int(k): n for k, n in plan.counts.items()}, classes)
                if plan.counts is not None
                else self._by_class(given, plan.labels, classes)
            )
            plan = replace(plan, criterion=with_weights(plan.criterion, weights, owner))
        return super()._suited(plan, signature)

    def _by_class(self, given: Any, labels: Sequence[str] | None, classes: int) -> list[float]:
        """Return weights in the order of the classes; those that are not named count 1."""
        places = {k: k for k in range(classes)} | {n: k for k, n in enumerate(labels or ())}
        weights = [1.0] * classes
        for key, number in given.items():
            validate.one_of("classWeights", key, list(places))
            weights[places[key]] = number
        return weights


def classes_of(signature: Signature, owner: str) -> int:
    """Return the number of classes that a network tells apart.

    Raises
    ------
    ShapeError : its outputs are no classes.
    """
    outputs = signature.outputs
    if not isinstance(outputs, Spec) or len(outputs.shape) > 1:
        got = [spec.shape for spec in tree.leaves(outputs)]
        raise ShapeError(
            f"{owner}: `model` must give for each row one number for each class; got rows of shape "
            f"{', '.join(map(str, got))}. NNEstimator takes any outputs."
        )
    return max(2, outputs.size)
