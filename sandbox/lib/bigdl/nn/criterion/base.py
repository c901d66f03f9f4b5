"""What all criterions of BigDL share: forward, backward, and sums or means."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from .... import criterion as core
from ....core import Tape, Value, ops, tree
from ....core.errors import DataError, ShapeError
from ....core.state import STATE
from ....criterion.base import row_count

DTYPES = {"float": np.float32, "double": np.float64}


class Criterion(core.Criterion):
    """A criterion with Torch's methods: `forward` gives the loss, `backward` its gradient.

    The formula is that of a criterion of `sandbox.lib.criterion`; here stand names, defaults, and
    whether the sum (`size_average=False`) or the mean is meant. A front's criterion trains in a
    `train.Trainer` as any other one. To write one of your own, derive from
    `sandbox.lib.criterion.Criterion` or from this class and give `rows` or `call`.

    Examples
    --------
    >>> from sandbox.lib.bigdl.nn.criterion import MSECriterion
    >>> loss = MSECriterion()
    >>> loss.forward(np.float32([1.0, 3.0]), np.float32([1.0, 1.0]))
    2.0
    >>> loss.backward(np.float32([1.0, 3.0]), np.float32([1.0, 1.0]))
    array([0., 2.], dtype=float32)
    """

    axes: ClassVar[int] = 1
    """Axes of a batch; an input of fewer is one row."""
    lone_target: ClassVar[bool] = True
    """Whether a list of one target means that target."""
    inner: core.Criterion | None = None
    size_average: bool = True
    bigdl_type: str = "float"

    def forward(self, input: Any, target: Any) -> float:
        """Compute the loss: arrays, lists of arrays (tables) or JTensors."""
        return float(self(*self._batched(self._arrays(input), self._arrays(target))))

    def backward(self, input: Any, target: Any) -> Any:
        """Compute the gradient of the loss for the input, of its shape."""
        given = self._arrays(input)
        batch, goal = self._batched(given, self._arrays(target))
        values = tree.map(Value, batch)
        with Tape() as tape:
            loss = self(values, goal)
        found = tape.gradients(loss, tree.leaves(values))
        shaped = [g.reshape(x.shape) for g, x in zip(found, tree.leaves(given), strict=True)]
        return shaped if isinstance(given, tuple) else shaped[0]

    def _arrays(self, given: Any) -> Any:
        """Give arrays of the criterion's dtype, lists as tuples."""
        if isinstance(given, list | tuple) and any(np.ndim(x) for x in given if _is_array(x)):
            return tuple(self._arrays(item) for item in given)
        if hasattr(given, "to_ndarray"):
            given = given.to_ndarray()
        return np.atleast_1d(np.asarray(given, DTYPES[self.bigdl_type]))

    def _batched(self, input: Any, target: Any) -> tuple[Any, Any]:
        """Give an input without a batch axis one, and a table of one target as the target."""
        if self.lone_target and isinstance(target, tuple) and len(target) == 1:
            target = target[0]
        first = tree.leaves(input)[0]
        if first.ndim < self.axes:
            input = tree.map(lambda x: x[None], input)
            target = tree.map(lambda x: x.reshape(1, *x.shape), target)
        return input, target

    # What the core calls -----------------------------------------------------------------------

    def goal(self, output: Any, target: Any) -> Any:
        """Give the target as the core's criterion takes it."""
        return target

    def seen(self, output: Any) -> Any:
        """Give the output as the core's criterion takes it."""
        return output

    def call(self, output: Any, target: Any) -> Any:
        """Compute the sum over the rows."""
        assert self.inner is not None  # noqa: S101 - subclasses without one write `call`
        return self.inner.call(self.seen(output), self.goal(output, target))

    def weight(self, target: Any) -> float:
        """Give the number of rows, or 1 for a sum."""
        return self.share(row_count(target))

    def share(self, rows: int) -> float:
        """Give what the sum over so many rows is divided by."""
        return float(rows) if self.size_average else 1.0

    @property
    def counts_rows(self) -> bool:
        """Whether the loss is the mean over the rows."""
        return self.size_average and type(self).weight is Criterion.weight


def _is_array(x: Any) -> bool:
    return isinstance(x, np.ndarray | list | tuple) or hasattr(x, "to_ndarray")


def like(output: Any, target: Any) -> Any:
    """Return a target with as many elements in the output's shape."""
    shape = tuple(output.shape)
    if tuple(target.shape) == shape or target.size != output.size:
        return target
    return ops.reshape(target, shape) if isinstance(target, Value) else target.reshape(shape)


def labels_of(target: Any, shape: tuple[int, ...], classes: int, skip: int | None) -> Any:
    """Return labels that count from 0, made of those from 1, in the shape wanted.

    Raises
    ------
    ShapeError : there is not one label for each row and position.
    DataError : a label is no class; the message says from where labels count.
    """
    if target.size != int(np.prod(shape)):
        raise ShapeError(
            f"target must have shape {shape}, one label per row and position; got {target.shape}."
        )
    if isinstance(target, Value):
        if STATE.trace is None:
            check_labels(target.data, classes, skip)
        return ops.subtract(ops.cast(ops.reshape(target, shape), "int64"), 1)
    check_labels(target, classes, skip)
    found: NDArray[Any] = target.reshape(shape).astype(np.int64) - 1
    return found


def check_labels(target: NDArray[Any], classes: int, skip: int | None) -> None:
    """Refuse labels outside of 1..classes, but for the one that marks padding."""
    flat = target.reshape(-1)
    right = (flat >= 1) & (flat <= classes) & (flat == np.floor(flat))
    if skip is not None:
        right |= flat == skip
    if not right.all():
        row = int((~right).argmax())
        cure = (
            "Add 1 to labels that count from 0 (labels + 1)."
            if flat.min() >= 0 and flat[row] == 0
            else "Give the last layer as many outputs as there are classes."
        )
        raise DataError(
            f"target must hold labels that count from 1, in 1..{classes}; got {flat[row]:g} in row "
            f"{row}. {cure}"
        )
