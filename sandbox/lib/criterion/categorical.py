"""Criterions for classes in other forms: shares, points of a simplex, hard rows first."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from ..core import ops
from ..core.errors import ArgumentError, DataError, ShapeError
from ..core.validate import in_range, positive_int
from ..nn.registry import register
from .base import Array, CriterionCase
from .binary import Shares
from .labels import Labelled, check_probabilities, log_shares, one_hot


def distributions(*shape: int) -> Any:
    """Return how a case draws rows of shares that add up to 1 over the first of these axes."""

    def draw(rows: int, rng: np.random.Generator) -> Array:
        shares = rng.uniform(0.1, 1.0, (rows, *shape))
        found: Array = (shares / shares.sum(axis=1, keepdims=True)).astype(np.float32)
        return found

    return draw


class Distributed(Shares):
    """What criterions share whose targets are shares of the classes; subclasses write `logs`.

    call = sum_n sum_k -t_nk · logs(x)_nk, the mean over the positions of further axes
    """

    def __init__(self, *, label_smoothing: float = 0.0) -> None:
        self.label_smoothing = in_range("label_smoothing", label_smoothing, 0.0, 1.0, closed="left")

    def check(self, output_shape: tuple[int, ...], target: Array) -> None:
        """Refuse a target of another shape, and shares that do not add up to 1."""
        if len(output_shape) < 2:
            raise ShapeError(
                f"output must have 2 axes (batch, classes) or more; got shape {output_shape}."
            )
        if target.shape == (output_shape[0], *output_shape[2:]) and target.dtype.kind in "iu":
            raise ShapeError(
                f"target must have the output's shape {output_shape}, a share for each class; got "
                f"{target.shape}. For labels use CrossEntropy."
            )
        super().check(output_shape, target)
        sums = target.sum(axis=1, dtype=np.float64)
        wrong = ~(np.abs(sums - 1) < 1e-3)
        if wrong.any():
            place = tuple(int(k) for k in np.argwhere(wrong)[0])
            raise DataError(
                f"target must add up to 1 over the classes; got {sums[place]:.6g} in row "
                f"{place[0]}. For several classes a row use BCEWithLogits."
            )

    def size(self, shape: tuple[int, ...]) -> float:
        """Give the positions of a row, so that its loss is their mean."""
        return float(max(math.prod(shape[2:]), 1))

    def losses(self, output: Any, goal: Any) -> Any:
        """Compute the loss of each class."""
        if len(output.shape) < 2:
            raise ShapeError(
                f"output must have 2 axes (batch, classes) or more; got shape {output.shape}."
            )
        if self.label_smoothing:
            spread = self.label_smoothing / output.shape[1]
            goal = ops.add(ops.multiply(goal, 1.0 - self.label_smoothing), spread)
        return ops.negative(ops.multiply(goal, self.logs(output)))

    def logs(self, output: Any) -> Any:
        """Compute the logarithms of the probabilities with `core.ops`."""
        return log_shares(output)


@register("criterion.CategoricalCrossEntropy")
class CategoricalCrossEntropy(Distributed):
    """Compare probabilities with shares of the classes: one-hot rows, or softer ones.

    call = sum_n sum_k -t_nk · log(x_nk / sum_j x_nj)

    Parameters
    ----------
    label_smoothing : float in [0, 1)
        Share of the target that is spread over all classes.

    Shapes
    ------
    output : (batch, classes, ...) float32 in 0..1, from `nn.Softmax`
    target : the same, adding up to 1 over the classes

    Raises
    ------
    ArgumentError : `label_smoothing` is out of range.
    ShapeError : the target has not the output's shape.
    DataError : a target does not add up to 1, or an output is no probability.

    Notes
    -----
    Same as Keras `CategoricalCrossentropy`. Like BigDL `CategoricalCrossEntropy`: its targets are
    one-hot rows. 1e-7 is added inside the logarithm; `CategoricalCrossEntropyWithLogits` is exact.
    Reference: `engine.ops.arithmetic`.

    Examples
    --------
    >>> round(CategoricalCrossEntropy()(np.float32([[0.25, 0.75]]), np.array([[1, 0]])), 4)
    1.3863
    """

    cases: ClassVar[tuple[CriterionCase, ...]] = (
        CriterionCase(
            lambda: CategoricalCrossEntropy(label_smoothing=0.1),
            output=(4, 3),
            target=distributions(3),
            wrong=(([0, 1, 2], ShapeError), (np.ones((3, 3)), DataError)),
            probabilities=True,
        ),
    )

    takes = "probabilities"

    def check_output(self, output: Array) -> None:
        """Refuse what are no probabilities."""
        cure = "Put nn.Softmax behind the model, or use CategoricalCrossEntropyWithLogits."
        check_probabilities(output, cure)


@register("criterion.CategoricalCrossEntropyWithLogits")
class CategoricalCrossEntropyWithLogits(Distributed):
    """Compare logits with shares of the classes: one-hot rows, or softer ones.

    call = sum_n sum_k -t_nk · log(softmax(x_n)_k)

    Parameters
    ----------
    label_smoothing : float in [0, 1)
        Share of the target that is spread over all classes.

    Shapes
    ------
    output : (batch, classes, ...) float32 logits (no softmax before it)
    target : the same, adding up to 1 over the classes

    Raises
    ------
    ArgumentError : `label_smoothing` is out of range, or the model ends in a softmax.
    ShapeError : the target has not the output's shape.
    DataError : a target does not add up to 1.

    Notes
    -----
    Same as Keras `CategoricalCrossentropy` (from_logits=True) and PyTorch `CrossEntropyLoss` (with
    targets of the output's shape). For mixed images, and for what a larger model thinks.
    Reference: `engine.ops.activation`.

    Examples
    --------
    >>> loss = CategoricalCrossEntropyWithLogits()
    >>> round(loss(np.zeros((1, 4), "f4"), np.float32([[0.5, 0.5, 0, 0]])), 4)  # log(4)
    1.3863
    """

    cases: ClassVar[tuple[CriterionCase, ...]] = (
        CriterionCase(
            lambda: CategoricalCrossEntropyWithLogits(),
            output=(4, 3, 2),
            target=distributions(3, 2),
            wrong=(([0, 1, 2], ShapeError), (np.ones((3, 3, 2)), DataError)),
        ),
    )

    takes = "logits"
    fits = ("logarithms",)

    def logs(self, output: Any) -> Any:
        """Compute the logarithms of the softmax."""
        return ops.log_softmax(output, axis=1)


def simplex(classes: int) -> Array:
    """Return a point for each class, all at length 1 and equally far apart, in classes - 1 axes.

    Examples
    --------
    >>> simplex(3).round(4).tolist()
    [[1.0, 0.0], [-0.5, 0.866], [-0.5, -0.866]]
    """
    axes = classes - 1
    points = np.zeros((classes, axes))
    for k in range(axes):
        points[k, k] = math.sqrt(1.0 - float(np.square(points[k, :k]).sum()))
        # The product of any two points is -1/axes.
        done = float(np.square(points[k, :k]).sum())
        points[k + 1 :, k] = (-1.0 / axes - done) / points[k, k]
    return points


@register("criterion.ClassSimplex")
class ClassSimplex(Labelled):
    """Compare outputs with a point for each class: corners equally far from each other.

    call = sum_n mean_i (x_ni - p[t_n]_i)², p the corners of a regular simplex in classes - 1 axes,
    and 0 in the last; weight = number of rows

    Parameters
    ----------
    classes : int > 1
        Number of classes.

    Shapes
    ------
    output : (batch, classes) float32
    target : (batch,) whole numbers in 0..classes-1

    Raises
    ------
    ArgumentError : there are less than 2 classes.
    ShapeError : the output has other classes, or the target is not one whole number per row.
    DataError : a label is out of range.

    Notes
    -----
    Same as BigDL `ClassSimplexCriterion` (0.13, where labels count from 1). Source: Mroueh et al.
    2012. Reference: `engine.ops.activation`.

    Examples
    --------
    >>> ClassSimplex(2)(np.float32([[1.0, 0.0], [1.0, 0.0]]), np.array([0, 1]))  # points 1 and -1
    1.0
    """

    cases: ClassVar[tuple[CriterionCase, ...]] = (
        CriterionCase(
            lambda: ClassSimplex(4),
            output=(5, 4),
            target=lambda rows, rng: rng.integers(0, 4, rows),
            wrong=(([0, 1, 4], DataError), ([[0], [1], [2]], ShapeError)),
        ),
    )

    takes = "values"

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = positive_int("classes", classes)
        if self.classes < 2:
            raise ArgumentError(f"`classes` must be an int > 1; got {classes!r}.")
        self._points = np.zeros((self.classes, self.classes))
        self._points[:, :-1] = simplex(self.classes)

    def check(self, output_shape: tuple[int, ...], target: Array) -> None:
        """Refuse outputs of other classes, and labels that are no classes."""
        wanted = (*output_shape[:1], self.classes)
        if tuple(output_shape) != wanted:
            raise ShapeError(f"output must have shape {wanted}; got {tuple(output_shape)}.")
        super().check(output_shape, target)

    def losses(self, output: Any, target: Any) -> Any:
        """Compute the loss of each row."""
        labels = self._checked(output, target)
        points = one_hot(labels, self._points.astype(output.dtype))
        return ops.mean(ops.square(ops.subtract(output, points)), axes=1)
