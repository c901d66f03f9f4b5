"""Labels that count from 0: their checks, and what criterions that take them share."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, TypeAlias

import numpy as np

from ..core import Value, ops
from ..core.errors import ArgumentError, DataError, ShapeError
from ..core.state import STATE
from ..core.validate import integer
from ..engine.ops import ranges
from .base import Array, Criterion, row_count, row_sums, weights

ClassWeights: TypeAlias = Sequence[float] | Mapping[int, float] | None


def check_labels(
    output_shape: tuple[int, ...], target: Array, ignore_index: int | None = None
) -> None:
    """Refuse labels that are no class numbers of this output, naming row, value and cure.

    Parameters
    ----------
    output_shape : shape
        Of the model's output: (batch, classes, ...).
    target : array
        The labels.
    ignore_index : int, optional
        A label that marks what does not count.

    Raises
    ------
    ShapeError : the target is not one whole number per row (and position).
    DataError : a label is not in 0..classes-1.

    Examples
    --------
    >>> check_labels((3, 10), np.array([1, 10, 3]))
    Traceback (most recent call last):
    sandbox.lib.core.errors.DataError: labels must be integers in [0, 10); got 10 in row 1 \
(1 of 3 rows are out of range). Do the labels count from 1? use labels - 1.
    """
    check_form(output_shape, target)
    if ignore_index is not None:
        target = np.where(target == ignore_index, 0, target)
    if target.ndim > 1 and target.size:
        target = target.reshape(len(target), -1)
        outside = (target < 0) | (target >= output_shape[1])
        if outside.any():  # one label of each row, so that the message names the row
            target = target[np.arange(len(target)), outside.argmax(axis=1)]
    ranges.check_labels(target.reshape(-1), output_shape[1])


def check_form(output_shape: tuple[int, ...], target: Array | Value) -> None:
    """Refuse what is not one whole number per row and position; a trace knows that much, too."""
    if len(output_shape) < 2:
        raise ShapeError(
            f"output must have 2 axes (batch, classes), or more behind; got {len(output_shape)} in "
            f"shape {output_shape}."
        )
    if output_shape[1] < 2:
        raise ShapeError(
            f"output must have at least 2 classes on axis 1; got {output_shape[1]} in shape "
            f"{output_shape}: one class alone is always right, the loss always 0. For yes or no "
            "use BCEWithLogits with labels.reshape(-1, 1), or give the model 2 outputs."
        )
    if target.dtype.kind not in "iu":
        cure = "Turn it with labels.astype('int64')."
        if (
            isinstance(target, np.ndarray)
            and target.dtype.kind == "f"
            and not np.isfinite(target).all()
        ):
            row = int(np.argwhere(~np.isfinite(target))[0][0])
            cure = f"Row {row} holds {target[row]}: drop such rows first."
        if target.shape == output_shape:
            cure = "One-hot rows? use labels.argmax(axis=1)."
        raise ShapeError(
            f"target must hold whole numbers (labels); got {target.dtype} in shape {target.shape}. "
            f"{cure}"
        )
    wanted = (output_shape[0], *output_shape[2:])
    if target.shape != wanted:
        cure = f"Use labels.reshape{wanted}." if target.size == math.prod(wanted) else ""
        if len(wanted) == 1 and cure:
            cure = "Use labels.reshape(-1)."
        if target.shape == output_shape:
            cure = "One-hot rows? use labels.argmax(axis=1)."
        what = "one label per row" if len(wanted) == 1 else "one label per row and position"
        raise ShapeError(
            f"target must have shape {wanted}, {what}; got {target.shape}. {cure}".rstrip()
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


def check_probabilities(output: Array, cure: str) -> None:
    """Refuse outputs that are no probabilities.

    Parameters
    ----------
    output : array of shape (batch, ...)
        What a model gave.
    cure : str
        What the message ends with.

    Raises
    ------
    DataError : a number is outside of 0..1.

    Examples
    --------
    >>> check_probabilities(np.float32([[2.0], [0.5]]), "Use BCEWithLogits.")
    Traceback (most recent call last):
    sandbox.lib.core.errors.DataError: output must be probabilities, in 0..1; got 2 in row 0 \
(1 of 2 are outside). Use BCEWithLogits.
    """
    outside = (output < -1e-7) | (output > 1 + 1e-7)
    if outside.any():
        place = tuple(int(k) for k in np.argwhere(outside)[0])
        raise DataError(
            f"output must be probabilities, in 0..1; got {output[place]:.6g} in row {place[0]} "
            f"({int(outside.sum())} of {output.size} are outside). {cure}"
        )


def log_shares(probabilities: Any) -> Any:
    """Return the logarithm of each number's share of its row, 1e-7 added to all of them."""
    some = ops.add(probabilities, 1e-7)
    return ops.subtract(ops.log(some), ops.log(ops.sum(some, axes=1, keepdims=True)))


def one_hot(labels: Any, table: Array) -> Any:
    """Return the row of a constant table for each label; a program checks the labels as well.

    Parameters
    ----------
    labels : (rows,) Value of whole numbers
    table : (classes, columns) array
        The unit matrix gives one-hot rows, a column of weights the weight of each row.
    """
    return ops.embedding(labels, Value(table))


class Labelled(Criterion):
    """What criterions with labels share: class weights, labels that do not count, their check.

    Outputs of more than two axes, (batch, classes, ...), have a label for each position. Where all
    positions count alike, the sum of a row is divided by their number, so that each row weighs 1;
    with class weights or ignored labels the positions weigh what they count. Subclasses write
    `losses`.

    Parameters
    ----------
    class_weights : sequence of float, or dict of class -> float, optional
        How much a row of each class counts, 0 for not at all; the mean is over these weights.
    ignore_index : int, optional
        A label that marks rows (or positions) which do not count, such as -100 or 255.
    """

    takes_trees = False
    weighs_classes: ClassVar[bool] = True
    """Whether the mean is over the class weights; else over the rows."""

    def __init__(
        self, *, class_weights: ClassWeights = None, ignore_index: int | None = None
    ) -> None:
        wanted = "a list of numbers >= 0, one per class, not all 0, or a dict {0: 1.0, 1: 2.5}"
        given = _as_list(class_weights) if isinstance(class_weights, dict) else class_weights
        self.class_weights = weights("class_weights", given, wanted, (1,))
        if self.class_weights is not None and not self.class_weights.any():
            raise ArgumentError(f"`class_weights` must be {wanted}; got {class_weights!r}.")
        self.ignore_index = None if ignore_index is None else integer("ignore_index", ignore_index)

    def config(self) -> dict[str, Any]:
        """Give the arguments that make an equal criterion, class weights as a list."""
        found = super().config()
        if isinstance(found.get("class_weights"), dict):
            found["class_weights"] = _as_list(found["class_weights"])
        return found

    @property
    def takes_classes(self) -> bool:
        """Whether a target of one number per row is a class: it is."""
        return True

    def check(self, output_shape: tuple[int, ...], target: Array) -> None:
        """Refuse labels that are no classes of the output, and weights of other classes."""
        check_labels(output_shape, target, self.ignore_index)
        if self.class_weights is not None and self.class_weights.size != output_shape[1]:
            raise ShapeError(
                f"`class_weights` must hold {output_shape[1]} numbers, one per output class; "
                f"got {self.class_weights.size}."
            )

    @property
    def counts_rows(self) -> bool:
        """Whether rows of all classes count 1."""
        if type(self).weight is not Labelled.weight:
            return type(self).weight is Criterion.weight
        weighs = self.weighs_classes and self.class_weights is not None
        return not weighs and self.ignore_index is None

    def weight(self, target: Any) -> float:
        """Give the sum of the rows' class weights."""
        return float(row_count(target) if self.counts_rows else self.row_weights(target).sum())

    def row_weights(self, target: Any) -> Array:
        """Give the class weights of each row's labels, added up, without those ignored."""
        labels = np.asarray(target)
        if self.counts_rows:
            return np.ones(len(labels))
        counts = np.ones(labels.shape) if self.ignore_index is None else labels != self.ignore_index
        found = counts.astype(np.float64)
        if self.class_weights is not None and self.weighs_classes:
            labels = np.where(counts, labels, 0)
            if labels.size and not 0 <= labels.min() <= labels.max() < self.class_weights.size:
                check_labels((labels.size, self.class_weights.size), labels.reshape(-1))
            found *= self.class_weights.astype(np.float64)[labels]
        sums: Array = found.sum(axis=tuple(range(1, found.ndim)))
        return sums

    def call(self, output: Any, target: Any) -> Any:
        """Compute the sum over the rows."""
        return self._of_rows(ops.sum(self.losses(output, target)), output)

    def rows(self, output: Any, target: Any) -> Any:
        """Compute the loss of each row."""
        losses = self.losses(output, target)
        if len(output.shape) > 2:
            losses = row_sums(ops.reshape(losses, (output.shape[0], *output.shape[2:])))
        return self._of_rows(losses, output)

    @abstractmethod
    def losses(self, output: Any, target: Any) -> Any:
        """Compute the loss of each row and position, in one axis, with `core.ops`."""

    def _checked(self, output: Any, target: Any) -> Any:
        """Check what has numbers; give the target as an operand."""
        if isinstance(target, Value):
            if STATE.trace is None:
                self.check(output.shape, target.data)
            else:
                check_form(output.shape, target)
            return target
        labels = np.asarray(target)
        self.check(output.shape, labels)
        return Value(labels)

    def _rows(self, output: Any, target: Any) -> tuple[Any, Any]:
        """Give outputs (rows, classes) and labels (rows,): positions become rows."""
        labels = self._checked(output, target)
        if len(output.shape) > 2:
            axes = (0, *range(2, len(output.shape)), 1)
            output = ops.reshape(ops.transpose(output, axes), (labels.size, output.shape[1]))
            labels = ops.reshape(labels, (labels.size,))
        return output, labels

    def _counted(self, labels: Any) -> tuple[Any, Any]:
        """Give labels with 0 for those that do not count, and which count, or None for all."""
        if self.ignore_index is None:
            return labels, None
        labels = ops.cast(labels, "int64")
        counts = ops.not_equal(labels, self.ignore_index)
        return ops.where(counts, labels, 0), counts

    def _own_logs(self, output: Any, target: Any) -> tuple[Any, Any, Any]:
        """Give labels (rows,), log softmax of these, and which rows count, or None for all."""
        rows, labels = self._rows(output, target)
        labels, counts = self._counted(labels)
        return labels, picked(ops.log_softmax(rows, axis=1), labels), counts

    def _nll(self, logs: Any, labels: Any, output: Any) -> Any:
        """Add up the losses of logarithms (rows, classes)."""
        return ops.nll(logs, labels, self._operand(output), ignore_index=self.ignore_index)

    def _nll_losses(self, logs: Any, labels: Any) -> Any:
        """Compute the losses of logarithms (rows, classes)."""
        labels, counts = self._counted(labels)
        return kept(self._by_class(ops.negative(picked(logs, labels)), labels), counts)

    def _by_class(self, losses: Any, labels: Any) -> Any:
        """Give each loss times the weight of its label's class."""
        if self.class_weights is None:
            return losses
        return ops.multiply(losses, by_class(labels, self.class_weights.astype(losses.dtype)))

    def _operand(self, output: Any) -> Any:
        if self.class_weights is None:
            return None
        return Value(self.class_weights.astype(output.dtype, copy=False))

    def _of_rows(self, total: Any, output: Any) -> Any:
        """Divide sums over positions by the positions of a row, where each counts alike."""
        positions = math.prod(output.shape[2:])
        alike = positions > 1 and self.counts_rows
        return ops.divide(total, float(positions)) if alike else total


def by_class(labels: Any, table: Array) -> Any:
    """Return the number of a table (classes,) for each label (rows,)."""
    return ops.reshape(one_hot(labels, table[:, None]), (labels.size,))


def picked(rows: Any, labels: Any) -> Any:
    """Return the number (rows,) at each row's label, of (rows, classes)."""
    # `gather` counts negative places from the end; the look into a table refuses them.
    ones = by_class(labels, np.ones(rows.shape[1], rows.dtype))
    own = ops.gather(rows, ops.reshape(labels, (labels.size, 1)), 1)
    return ops.multiply(ops.reshape(own, (labels.size,)), ones)


def kept(losses: Any, counts: Any) -> Any:
    """Return 0 for the losses that do not count."""
    return losses if counts is None else ops.where(counts, losses, 0.0)


def _as_list(given: dict[Any, float]) -> list[float]:
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
