"""Criterions for classes: labels that count from 0."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from ..core import Value, ops
from ..core.errors import ArgumentError, DataError, ShapeError
from ..core.state import STATE
from ..core.validate import in_range
from ..engine.ops import ranges
from ..nn.registry import register
from .base import Array, Criterion, CriterionCase, weights

ClassWeights = Sequence[float] | Mapping[int, float] | None


def check_labels(output_shape: tuple[int, ...], target: Array) -> None:
    """Refuse labels that are no class numbers of this output, naming row, value and cure.

    Parameters
    ----------
    output_shape : shape
        Of the model's output: (batch, classes).
    target : array
        The labels.

    Raises
    ------
    ShapeError : the target is not one whole number per row.
    DataError : a label is not in 0..classes-1.

    Examples
    --------
    >>> check_labels((3, 10), np.array([1, 10, 3]))
    Traceback (most recent call last):
    sandbox.lib.core.errors.DataError: labels must be integers in [0, 10); got 10 in row 1 \
(1 of 3 rows are out of range). Do the labels count from 1? use labels - 1.
    """
    _check_form(output_shape, target)
    ranges.check_labels(target, output_shape[1])


def _check_form(output_shape: tuple[int, ...], target: Array | Value) -> None:
    """Refuse what is not one whole number per row; a trace knows that much, too."""
    if len(output_shape) != 2:
        raise ShapeError(
            f"output must have 2 axes (batch, classes); got {len(output_shape)} in shape "
            f"{output_shape}."
        )
    if output_shape[1] < 2:
        raise ShapeError(
            f"output must have at least 2 classes on axis 1; got {output_shape[1]} in shape "
            f"{output_shape}: one class alone is always right, the loss always 0. For yes or no "
            "use BCEWithLogits with labels.reshape(-1, 1), or give the model 2 outputs."
        )
    if target.dtype.kind not in "iu":
        cure = "Turn it with labels.astype('int64')."
        if isinstance(target, np.ndarray) and not np.isfinite(target).all():
            row = int(np.argwhere(~np.isfinite(target))[0][0])
            cure = f"Row {row} holds {target[row]}: drop such rows first."
        if target.shape == output_shape:
            cure = "One-hot rows? use labels.argmax(axis=1)."
        raise ShapeError(
            f"target must hold whole numbers (labels); got {target.dtype} in shape {target.shape}. "
            f"{cure}"
        )
    if target.shape != output_shape[:1]:
        cure = "Use labels.reshape(-1)." if target.size == output_shape[0] else ""
        if target.shape == output_shape:
            cure = "One-hot rows? use labels.argmax(axis=1)."
        raise ShapeError(
            f"target must have shape {output_shape[:1]}, one label per row; got {target.shape}. "
            f"{cure}".rstrip()
        )


def check_logs(output: Array, cure: str) -> None:
    """Refuse outputs whose rows are no logarithms of probabilities.

    Parameters
    ----------
    output : array of shape (batch, ...)
        What a model gave.
    cure : str
        What the message ends with.

    Raises
    ------
    DataError : the exponentials of a row do not add up to 1 (to 5 %: bf16 rounds).

    Examples
    --------
    >>> check_logs(np.float32([[2.0, 0.0]]), "Use CrossEntropy.")
    Traceback (most recent call last):
    sandbox.lib.core.errors.DataError: output must be logarithms of probabilities, whose \
exponentials add up to 1; got 8.38906 in row 0. Use CrossEntropy.
    """
    with np.errstate(over="ignore"):
        sums = np.exp(output).sum(axis=tuple(range(1, output.ndim)))
    wrong = np.abs(sums - 1) > 0.05
    if wrong.any():
        row = int(wrong.argmax())
        raise DataError(
            "output must be logarithms of probabilities, whose exponentials add up to 1; got "
            f"{sums[row]:.6g} in row {row}. {cure}"
        )


class Labelled(Criterion):
    """What criterions with labels share: class weights and the check of labels.

    Parameters
    ----------
    class_weights : sequence of float, or dict of class -> float, optional
        How much a row of each class counts, 0 for not at all; the mean is over these weights.
    """

    takes_trees = False

    def __init__(self, *, class_weights: ClassWeights = None) -> None:
        wanted = "a list of numbers >= 0, one per class, not all 0, or a dict {0: 1.0, 1: 2.5}"
        given = _by_class(class_weights) if isinstance(class_weights, dict) else class_weights
        self.class_weights = weights("class_weights", given, wanted, (1,))
        if self.class_weights is not None and not self.class_weights.any():
            raise ArgumentError(f"`class_weights` must be {wanted}; got {class_weights!r}.")

    def config(self) -> dict[str, Any]:
        """Give the arguments that make an equal criterion, class weights as a list."""
        found = super().config()
        if isinstance(found.get("class_weights"), dict):
            found["class_weights"] = _by_class(found["class_weights"])
        return found

    @property
    def takes_classes(self) -> bool:
        """Whether a target of one number per row is a class: it is."""
        return True

    def check(self, output_shape: tuple[int, ...], target: Array) -> None:
        """Refuse labels that are no classes of the output, and weights of other classes."""
        check_labels(output_shape, target)
        if self.class_weights is not None and self.class_weights.size != output_shape[1]:
            raise ShapeError(
                f"`class_weights` must hold {output_shape[1]} numbers, one per output class; "
                f"got {self.class_weights.size}."
            )

    @property
    def counts_rows(self) -> bool:
        """Whether rows of all classes count 1."""
        return self.class_weights is None and type(self).weight is Labelled.weight

    def weight(self, target: Any) -> float:
        """Give the sum of the rows' class weights."""
        labels = np.asarray(target)
        if self.class_weights is None:
            return float(labels.shape[0])
        if labels.size and not 0 <= labels.min() <= labels.max() < self.class_weights.size:
            check_labels((labels.shape[0], self.class_weights.size), labels)
        return float(self.class_weights.astype(np.float64)[labels].sum())

    def _checked(self, output: Any, target: Any) -> Any:
        """Check what has numbers; give the target as an operand."""
        if isinstance(target, Value):
            if STATE.trace is None:
                self.check(output.shape, target.data)
            else:
                _check_form(output.shape, target)
            return target
        labels = np.asarray(target)
        self.check(output.shape, labels)
        return Value(labels)

    def _operand(self, output: Any) -> Any:
        if self.class_weights is None:
            return None
        return Value(self.class_weights.astype(output.dtype, copy=False))


def _by_class(given: dict[Any, float]) -> list[float]:
    """Return weights by class as a list.

    Raises
    ------
    ArgumentError : the classes are not 0, 1, 2 ...
    """
    whole = [key for key in given if isinstance(key, int | np.integer)]
    if len(whole) < len(given) or sorted(whole) != list(range(len(given))) or not given:
        raise ArgumentError(
            "`class_weights` must name each class from 0 on, {0: 1.0, 1: 2.5}; got the keys "
            f"{list(given)}."
        )
    return [given[k] for k in range(len(given))]


@register("criterion.CrossEntropy")
class CrossEntropy(Labelled):
    """Compare logits with labels: how unlikely the model finds the right class.

    call = sum_n w[t_n] · -log(softmax(x_n)[t_n]), weight = sum_n w[t_n]

    Parameters
    ----------
    class_weights : sequence of float, or dict of class -> float, optional
        How much a row of each class counts; for rare classes more than 1.
    label_smoothing : float in [0, 1)
        Share of the target that is spread over all classes.

    Shapes
    ------
    output : (batch, classes) float32 logits (no softmax before it)
    target : (batch,) whole numbers in 0..classes-1

    Raises
    ------
    ArgumentError : a weight is negative, or `label_smoothing` out of range; or the model ends in a
        softmax or sigmoid.
    ShapeError : the target is not one whole number per row, or there is one class only.
    DataError : a label is out of range; the message names row, value and the likely cure.

    Notes
    -----
    Same as BigDL `CrossEntropyCriterion` (0.13, where labels count from 1) and ONNX
    `SoftmaxCrossEntropyLoss`-13. Native kernel: oneDNN softmax, from 8,192 elements and without
    weights and smoothing, else NumPy; reference: `engine.ops.loss`.

    Examples
    --------
    >>> loss = CrossEntropy()
    >>> round(loss(np.zeros((2, 4), "f4"), np.array([0, 3])), 4)  # log(4)
    1.3863
    >>> loss(np.zeros((3, 4), "f4"), np.array([1, 4, 2]))
    Traceback (most recent call last):
    sandbox.lib.core.errors.DataError: CrossEntropy: labels must be integers in [0, 4); got 4 in \
row 1 (1 of 3 rows are out of range). Do the labels count from 1? use labels - 1.
    """

    cases: ClassVar[tuple[CriterionCase, ...]] = (
        CriterionCase(
            lambda: CrossEntropy(),
            output=(5, 4),
            target=lambda rows, rng: rng.integers(0, 4, rows),
            wrong=(
                ([0, 1, 4], DataError),
                ([0, -1, 2], DataError),
                ([0.0, 1.0, 2.0], ShapeError),
                ([[0], [1], [2]], ShapeError),
                ([0, 1], ShapeError),
            ),
        ),
        CriterionCase(
            lambda: CrossEntropy(class_weights=(1.0, 0.5, 3.0), label_smoothing=0.1),
            output=(4, 3),
            target=lambda rows, rng: rng.integers(0, 3, rows).astype(np.uint8),
            wrong=(([0, 1, 3], DataError),),
        ),
    )

    def __init__(
        self,
        class_weights: ClassWeights = None,
        *,
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(class_weights=class_weights)
        self.label_smoothing = in_range("label_smoothing", label_smoothing, 0.0, 1.0, closed="left")

    takes = "logits"
    fits = ("logarithms",)  # their softmax is the probabilities again

    def call(self, output: Any, target: Any) -> Any:
        """Compute the sum over the rows."""
        labels = self._checked(output, target)
        return ops.softmax_cross_entropy(
            output, labels, self._operand(output), label_smoothing=self.label_smoothing
        )


@register("criterion.NLL")
class NLL(Labelled):
    """Compare logarithms of probabilities with labels.

    call = sum_n w[t_n] · -x_n[t_n], weight = sum_n w[t_n]

    Parameters
    ----------
    class_weights : sequence of float, or dict of class -> float, optional
        How much a row of each class counts.

    Shapes
    ------
    output : (batch, classes) float32, from `nn.LogSoftmax`
    target : (batch,) whole numbers in 0..classes-1

    Raises
    ------
    ArgumentError : a weight is negative, or the model ends in a softmax.
    ShapeError : the target is not one whole number per row, or there is one class only.
    DataError : a label is out of range, or the output holds no logarithms of probabilities; the
        message names row, value and the likely cure.

    Notes
    -----
    `CrossEntropy` on logits gives the same numbers faster.
    Same as BigDL `ClassNLLCriterion` (0.13, where labels count from 1) and ONNX
    `NegativeLogLikelihoodLoss`-13. Reference: `engine.ops.loss`.

    Examples
    --------
    >>> NLL()(np.log(np.float32([[0.5, 0.5], [0.75, 0.25]])), np.array([0, 0])).__round__(4)
    0.4904
    """

    cases: ClassVar[tuple[CriterionCase, ...]] = (
        CriterionCase(
            lambda: NLL(class_weights=[2.0, 1.0, 0.25]),
            output=(4, 3),
            target=lambda rows, rng: rng.integers(0, 3, rows),
            wrong=(([0, 1, 3], DataError), ([0.5, 1.0, 1.0], ShapeError)),
            logarithms=True,
        ),
    )

    takes = "logarithms"

    def __init__(self, class_weights: ClassWeights = None) -> None:
        super().__init__(class_weights=class_weights)

    def check_output(self, output: Array) -> None:
        """Refuse what are no logarithms of probabilities."""
        check_logs(output, "Put nn.LogSoftmax behind the model, or use CrossEntropy without it.")

    def call(self, output: Any, target: Any) -> Any:
        """Compute the sum over the rows."""
        labels = self._checked(output, target)
        return ops.nll(output, labels, self._operand(output))
