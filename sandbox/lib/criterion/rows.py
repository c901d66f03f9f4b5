"""A criterion whose rows count unlike."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np

from ..core import Value, ops, tree
from ..core.errors import DataError, ShapeError
from ..core.validate import instance, one_of
from ..nn.registry import register
from .base import Array, Criterion, CriterionCase, row_count
from .binary import BCEWithLogits
from .classification import CrossEntropy

KEYS = ("target", "weight")


@register("criterion.RowWeighted")
class RowWeighted(Criterion):
    """Weight a criterion row by row: 0 leaves a row out, 2 counts it twice.

    call = sum_n w_n · l_n, weight = sum_n w_n · v_n, so that the loss is the weighted mean;
    l_n the loss of row n, v_n what it counts by itself: 1, or the weight of its class

    Parameters
    ----------
    criterion : Criterion
        Gives the loss of each row (its `rows`).
    mean : "weights" or "rows", default="weights"
        What the sum is divided by. With "rows" it is what the criterion divides by without
        weights: rows of weight 2 pull twice as much as others do in any batch, and the criterion
        goes into `Parallel`.

    Shapes
    ------
    output : what the criterion takes
    target : {"target": what the criterion takes, "weight": (batch,) numbers >= 0}

    Raises
    ------
    ArgumentError : `criterion` is none or tells nothing of single rows, or `mean` is neither.
    ShapeError : the target is no such dict, or there is not one weight for each row.
    DataError : a weight is negative or not finite.
    ShapeError, DataError : what the criterion raises.

    Notes
    -----
    Like Keras `sample_weight`: that divides by the number of rows, as `mean="rows"` does. Like
    scikit-learn `sample_weight`: rows of whole weights count as if they were repeated.
    `metrics.Loss(criterion)` weighs alike; of the target alone `Top1().on("", "target")` judges.

    Examples
    --------
    >>> from sandbox.lib.criterion import MSE
    >>> loss = RowWeighted(MSE())
    >>> output, target = np.float32([[1.0], [2.0]]), np.float32([[0.0], [0.0]])
    >>> loss(output, {"target": target, "weight": np.float32([1.0, 3.0])})  # (1 + 3 · 4) / 4
    3.25
    """

    cases: ClassVar[tuple[CriterionCase, ...]] = (
        CriterionCase(
            lambda: RowWeighted(CrossEntropy([1.0, 0.5, 3.0], label_smoothing=0.1)),
            output=(5, 3),
            target=lambda rows, rng: {
                "target": rng.integers(0, 3, rows),
                "weight": np.arange(rows, dtype=np.float32),
            },
            wrong=(
                ([0, 1, 2], ShapeError),
                ({"target": [0, 1, 3], "weight": [1.0, 1.0, 1.0]}, DataError),
                ({"target": [0, 1, 2], "weight": [1.0, 1.0]}, ShapeError),
                ({"target": [0, 1, 2], "weight": [[1.0], [1.0], [1.0]]}, ShapeError),
                ({"target": [0, 1, 2], "weight": [1.0, -1.0, 1.0]}, DataError),
                ({"target": [0, 1, 2], "weight": [1.0, float("nan"), 1.0]}, DataError),
                ({"target": [0, 1, 2], "weights": [1.0, 1.0, 1.0]}, ShapeError),
            ),
        ),
        CriterionCase(
            lambda: RowWeighted(BCEWithLogits(pos_weight=(2.0, 0.5)), mean="rows"),
            output=(4, 2),
            target=lambda rows, rng: {
                "target": rng.integers(0, 2, (rows, 2)),
                "weight": rng.integers(0, 3, rows),
            },
            wrong=(({"target": [[0, 1]] * 3, "weight": [1, -1, 1]}, DataError),),
        ),
    )

    def __init__(
        self, criterion: Criterion, *, mean: Literal["weights", "rows"] = "weights"
    ) -> None:
        self.criterion = instance("criterion", criterion, Criterion)
        self.mean = one_of("mean", mean, ("weights", "rows"))

    @property
    def counts_rows(self) -> bool:
        """Whether `weight` is the number of rows, as the mean over rows of most criterions is."""
        return self.mean == "rows" and self.criterion.counts_rows

    @property
    def takes_classes(self) -> Any:
        """Whether a target of one number per row is a class: where the criterion says so."""
        inside = self.criterion.takes_classes
        return False if inside is False else {"target": inside, "weight": False}

    def check(self, output_shape: Any, target: Any) -> None:
        """Refuse weights that cannot be, and what the criterion refuses."""
        goal, weight = _parts(target)
        self._check_lone(output_shape, all(isinstance(size, int) for size in output_shape))
        count = row_count(goal)
        if weight.shape != (count,) or weight.dtype.kind not in "fiub":
            raise ShapeError(
                f"target.weight must hold one number for each of {count} rows; got {weight.dtype} "
                f"in shape {weight.shape}."
            )
        wrong = ~(np.isfinite(weight) & (weight >= 0))
        if wrong.any():
            row = int(wrong.argmax())
            raise DataError(
                f"target.weight must be numbers >= 0; got {weight[row]} in row {row} "
                f"({int(wrong.sum())} of {count} are not)."
            )
        self.criterion.check(output_shape, goal)

    def check_output(self, output: Any) -> None:
        """Refuse what the criterion refuses."""
        self.criterion.check_output(output)

    def meanings(self, found: Any) -> Any:
        """Give what the criterion takes the outputs for."""
        return self.criterion.meanings(found)

    def weight(self, target: Any) -> float:
        """Give the sum of the weights, or what the criterion's mean is over."""
        if self.mean == "rows":
            return self.criterion.weight(_parts(target)[0])
        return float(self.row_weights(target).sum())

    def row_weights(self, target: Any) -> Array:
        """Give the weight of each row, times what it counts to the criterion."""
        goal, weight = _parts(target)
        own = self.criterion.row_weights(goal)
        return own if self.mean == "rows" else own * weight.astype(np.float64)

    def rows(self, output: Any, target: Any) -> Any:
        """Compute the loss of each row times its weight."""
        goal, weight = _parts(target)
        self._check_lone(output, isinstance(output, Value))
        losses = self.criterion.rows(output, goal)
        if tuple(weight.shape) != tuple(losses.shape):
            raise ShapeError(
                f"target.weight must have shape {tuple(losses.shape)}, one number for each row; "
                f"got {tuple(weight.shape)}."
            )
        return ops.multiply(losses, ops.cast(weight, losses.dtype))

    def _check_lone(self, output: Any, lone: bool) -> None:
        if not (lone or self.criterion.takes_trees):
            raise ShapeError(f"output must be one array; got {tree.kind(output)}.")


def _parts(target: Any) -> tuple[Any, Any]:
    """Return what the criterion compares with, and the weights."""
    if not isinstance(target, dict) or sorted(target) != list(KEYS):
        raise ShapeError(
            'target must be a dict {"target": ..., "weight": ...}; got '
            f"{sorted(target) if isinstance(target, dict) else tree.kind(target)}."
        )
    weight = target["weight"]
    if isinstance(weight, dict | tuple | list):
        raise ShapeError(f"target.weight must be one array; got {tree.kind(weight)}.")
    return target["target"], weight
