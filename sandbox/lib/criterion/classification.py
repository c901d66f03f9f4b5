"""Criterions for classes: labels that count from 0."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ..core import ops
from ..core.errors import DataError, ShapeError
from ..core.validate import in_range
from ..nn.registry import register
from .base import Array, CriterionCase
from .labels import ClassWeights, Labelled, check_logs, check_probabilities, kept, log_shares


@register("criterion.CrossEntropy")
class CrossEntropy(Labelled):
    """Compare logits with labels: how unlikely the model finds the right class.

    call = sum_n w[t_n] · -log(softmax(x_n)[t_n]), weight = sum_n w[t_n];
    with further axes n goes over their positions, too (of a row the mean, if all count alike)

    Parameters
    ----------
    class_weights : sequence of float, or dict of class -> float, optional
        How much a row of each class counts; for rare classes more than 1.
    label_smoothing : float in [0, 1)
        Share of the target that is spread over all classes.
    ignore_index : int, optional
        A label that marks what does not count: padding, or the edges of a map.

    Shapes
    ------
    output : (batch, classes, ...) float32 logits (no softmax before it)
    target : (batch, ...) whole numbers in 0..classes-1

    Raises
    ------
    ArgumentError : a weight is negative, or `label_smoothing` out of range; or the model ends in a
        softmax or sigmoid.
    ShapeError : the target is not one whole number per row, or there is one class only.
    DataError : a label is out of range; the message names row, value and the likely cure.

    Notes
    -----
    Same as BigDL `CrossEntropyCriterion`, `SoftmaxWithCriterion` (0.13, where labels count from 1),
    Keras `SparseCategoricalCrossentropy` (from_logits=True), PyTorch `CrossEntropyLoss` and ONNX
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
        CriterionCase(
            lambda: CrossEntropy((1.0, 0.5, 3.0), label_smoothing=0.1, ignore_index=-100),
            output=(4, 3, 2, 2),
            target=lambda rows, rng: np.where(
                np.arange(4).reshape(2, 2) == 3, -100, rng.integers(0, 3, (rows, 2, 2))
            ),
            wrong=((np.full((3, 2, 2), -1), DataError), ([0, 1, 2], ShapeError)),
        ),
    )

    def __init__(
        self,
        class_weights: ClassWeights = None,
        *,
        label_smoothing: float = 0.0,
        ignore_index: int | None = None,
    ) -> None:
        super().__init__(class_weights=class_weights, ignore_index=ignore_index)
        self.label_smoothing = in_range("label_smoothing", label_smoothing, 0.0, 1.0, closed="left")

    takes = "logits"
    fits = ("logarithms",)  # their softmax is the probabilities again

    def call(self, output: Any, target: Any) -> Any:
        """Compute the sum over the rows."""
        rows, labels = self._rows(output, target)
        total = ops.softmax_cross_entropy(
            rows,
            labels,
            self._operand(output),
            label_smoothing=self.label_smoothing,
            ignore_index=self.ignore_index,
        )
        return self._of_rows(total, output)

    def losses(self, output: Any, target: Any) -> Any:
        """Compute the loss of each row and position."""
        rows, labels = self._rows(output, target)
        logs = ops.log_softmax(rows, axis=1)
        losses = self._nll_losses(logs, labels)
        if not self.label_smoothing:
            return losses
        spread = ops.negative(logs)
        if self.class_weights is not None:
            spread = ops.multiply(spread, self._operand(output))
        spread = kept(ops.mean(spread, axes=1), self._counted(labels)[1])
        parts = (1.0 - self.label_smoothing, losses), (self.label_smoothing, spread)
        return ops.add(*(ops.multiply(part, share) for share, part in parts))


@register("criterion.NLL")
class NLL(Labelled):
    """Compare logarithms of probabilities with labels.

    call = sum_n w[t_n] · -x_n[t_n], weight = sum_n w[t_n];
    with further axes n goes over their positions, too (of a row the mean, if all count alike)

    Parameters
    ----------
    class_weights : sequence of float, or dict of class -> float, optional
        How much a row of each class counts.
    ignore_index : int, optional
        A label that marks what does not count.

    Shapes
    ------
    output : (batch, classes, ...) float32, from `nn.LogSoftmax`
    target : (batch, ...) whole numbers in 0..classes-1

    Raises
    ------
    ArgumentError : a weight is negative, or the model ends in a softmax.
    ShapeError : the target is not one whole number per row, or there is one class only.
    DataError : a label is out of range, or the output holds no logarithms of probabilities; the
        message names row, value and the likely cure.

    Notes
    -----
    Same as BigDL `ClassNLLCriterion` (0.13, where labels count from 1), PyTorch `NLLLoss` and ONNX
    `NegativeLogLikelihoodLoss`-13. On probabilities (logProbAsInput=False there):
    `SparseCategoricalCrossEntropy`. `CrossEntropy` on logits gives the same numbers faster.
    Reference: `engine.ops.loss`.

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
        CriterionCase(
            lambda: NLL(ignore_index=2),
            output=(5, 3),
            target=lambda rows, rng: np.arange(rows) % 3,
            logarithms=True,
        ),
    )

    takes = "logarithms"

    def __init__(
        self, class_weights: ClassWeights = None, *, ignore_index: int | None = None
    ) -> None:
        super().__init__(class_weights=class_weights, ignore_index=ignore_index)

    def check_output(self, output: Array) -> None:
        """Refuse what are no logarithms of probabilities."""
        check_logs(output, "Put nn.LogSoftmax behind the model, or use CrossEntropy without it.")

    def call(self, output: Any, target: Any) -> Any:
        """Compute the sum over the rows."""
        rows, labels = self._rows(output, target)
        return self._of_rows(self._nll(rows, labels, output), output)

    def losses(self, output: Any, target: Any) -> Any:
        """Compute the loss of each row and position."""
        return self._nll_losses(*self._rows(output, target))


@register("criterion.SparseCategoricalCrossEntropy")
class SparseCategoricalCrossEntropy(Labelled):
    """Compare probabilities with labels.

    call = sum_n w[t_n] · -log(x_n[t_n] / sum_k x_nk), weight = sum_n w[t_n]

    Parameters
    ----------
    class_weights : sequence of float, or dict of class -> float, optional
        How much a row of each class counts.
    ignore_index : int, optional
        A label that marks what does not count.

    Shapes
    ------
    output : (batch, classes, ...) float32 in 0..1, from `nn.Softmax`
    target : (batch, ...) whole numbers in 0..classes-1

    Raises
    ------
    ArgumentError : a weight is negative.
    ShapeError : the target is not one whole number per row (and position).
    DataError : a label is out of range, or an output is no probability.

    Notes
    -----
    Same as BigDL `ClassNLLCriterion` (0.13, logProbAsInput=False, labels count from 1 there) and
    Keras `SparseCategoricalCrossentropy`. 1e-7 is added inside the logarithm; `CrossEntropy` on
    the logits is exact and faster. Reference: `engine.ops.loss`.

    Examples
    --------
    >>> round(SparseCategoricalCrossEntropy()(np.float32([[0.25, 0.75]]), np.array([0])), 4)
    1.3863
    """

    cases: ClassVar[tuple[CriterionCase, ...]] = (
        CriterionCase(
            lambda: SparseCategoricalCrossEntropy([2.0, 1.0, 0.25], ignore_index=-1),
            output=(4, 3),
            target=lambda rows, rng: np.arange(rows) % 4 - 1,
            wrong=(([0, 1, 3], DataError), ([0.5, 1.0, 1.0], ShapeError)),
            probabilities=True,
        ),
    )

    takes = "probabilities"

    def __init__(
        self, class_weights: ClassWeights = None, *, ignore_index: int | None = None
    ) -> None:
        super().__init__(class_weights=class_weights, ignore_index=ignore_index)

    def check_output(self, output: Array) -> None:
        """Refuse what are no probabilities."""
        check_probabilities(output, "Put nn.Softmax behind the model, or use CrossEntropy.")

    def call(self, output: Any, target: Any) -> Any:
        """Compute the sum over the rows."""
        rows, labels = self._rows(output, target)
        return self._of_rows(self._nll(log_shares(rows), labels, output), output)

    def losses(self, output: Any, target: Any) -> Any:
        """Compute the loss of each row and position."""
        rows, labels = self._rows(output, target)
        return self._nll_losses(log_shares(rows), labels)
