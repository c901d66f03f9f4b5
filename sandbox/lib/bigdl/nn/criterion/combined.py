"""Criterions made of criterions."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ....core import ops, tree
from ....core.errors import ArgumentError, ShapeError
from ....core.state import STATE
from ....criterion.base import row_count
from .base import Criterion
from .labels import OfLabels


class Added(Criterion):
    """What sums of criterions share: `add(criterion, weight)`."""

    def __init__(self, bigdl_type: str = "float") -> None:
        self.bigdl_type = bigdl_type
        self.parts: list[tuple[Any, float]] = []

    def add(self, criterion: Any, weight: float = 1.0) -> Any:
        """Add a criterion; returns this one."""
        self.parts.append((criterion, float(weight)))
        return self

    def _places(self, output: Any, target: Any) -> list[tuple[Any, Any]]:
        return [(output, target)] * len(self.parts)

    def call(self, output: Any, target: Any) -> Any:
        """Compute the sum over the rows: each criterion's mean times the rows."""
        if not self.parts:
            raise ArgumentError(f"{type(self).__name__} must hold criterions; got none. Use add().")
        rows = row_count(target)
        total: Any = None
        for (part, factor), (x, t) in zip(self.parts, self._places(output, target), strict=True):
            own = part.share(rows) if STATE.trace is not None else part.weight(_numbers(t))
            term = ops.multiply(part.call(x, t), factor * rows / (own or 1.0))
            total = term if total is None else ops.add(total, term)
        return total

    def check(self, output_shape: Any, target: Any) -> None:
        """Refuse what one of them refuses."""
        for (part, _), (x, t) in zip(self.parts, self._places(output_shape, target), strict=True):
            part.check(x, t)


class MultiCriterion(Added):
    """A weighted sum of criterions on the same input and target. Core: `WeightedSum`.

    Examples
    --------
    >>> from sandbox.lib.bigdl.nn.criterion import AbsCriterion, MSECriterion
    >>> both = MultiCriterion().add(MSECriterion()).add(AbsCriterion(), 0.5)
    >>> both.forward(np.float32([3.0]), np.float32([1.0]))
    5.0
    """


class ParallelCriterion(Added):
    """A weighted sum of criterions, one for each input and target. Core: `Parallel`.

    With `repeat_target` all of them have the same target.
    """

    lone_target: ClassVar[bool] = False

    def __init__(self, repeat_target: bool = False, bigdl_type: str = "float") -> None:
        super().__init__(bigdl_type)
        self.repeat_target = repeat_target

    def _places(self, output: Any, target: Any) -> list[tuple[Any, Any]]:
        targets = [target] * len(self.parts) if self.repeat_target else list(target)
        if len(output) != len(self.parts) or len(targets) != len(self.parts):
            raise ShapeError(
                f"input and target must be tables of {len(self.parts)}, one for each criterion; "
                f"got {len(output)} and {len(targets)}."
            )
        return list(zip(output, targets, strict=True))


class TimeDistributedCriterion(Criterion):
    """A criterion at each step of series (batch, time, ...): the sum over time, or the mean.

    Steps become rows. Where labels mark padding, all of them weigh alike in the mean.

    Parameters
    ----------
    criterion : Criterion
        Judges the rows of a step.
    size_average : bool
        Whether the sum over time is divided by the number of steps.
    dimension : int
        The axis of time, from 1.
    """

    axes: ClassVar[int] = 3

    def __init__(
        self,
        criterion: Any,
        size_average: bool = False,
        dimension: int = 2,
        bigdl_type: str = "float",
    ) -> None:
        self.part = criterion
        self.size_average = size_average
        self.dimension = dimension
        self.bigdl_type = bigdl_type

    def _batched(self, input: Any, target: Any) -> tuple[Any, Any]:
        if isinstance(target, tuple) and len(target) == 1:
            target = target[0]
        return input, target

    def _steps(self, target: Any) -> int:
        return int(target.shape[self.dimension - 1])

    def check(self, output_shape: Any, target: Any) -> None:
        """Refuse unlike times, and what the criterion refuses."""
        if tuple(output_shape[:2]) != tuple(target.shape[:2]):
            raise ShapeError(
                "input and target must have the same batch and time; got "
                f"{tuple(output_shape[:2])} and {tuple(target.shape[:2])}."
            )
        rows = output_shape[0] * output_shape[1]
        self.part.check((rows, *output_shape[2:]), _fold(target))

    def call(self, output: Any, target: Any) -> Any:
        """Compute the sum over rows and steps."""
        return self.part.call(_fold(output), _fold(target))

    def weight(self, target: Any) -> float:
        """Give what the criterion divides by at one step, times the steps for the mean."""
        steps = self._steps(target)
        whole = float(self.part.weight(_fold(np.asarray(target))))
        if not getattr(self.part, "size_average", True):
            whole = float(steps)
        return whole if self.size_average else whole / steps


class TimeDistributedMaskCriterion(Criterion):
    """A criterion of labels at each step, without steps of padding: the mean over the others."""

    axes: ClassVar[int] = 3

    def __init__(self, criterion: Any, padding_value: int = 0, bigdl_type: str = "float") -> None:
        if not isinstance(criterion, OfLabels):
            raise ArgumentError(
                "`criterion` must be one of labels, such as ClassNLLCriterion; got "
                f"{type(criterion).__name__}."
            )
        self.part = criterion
        self.padding_value = padding_value
        self.bigdl_type = bigdl_type

    def check(self, output_shape: Any, target: Any) -> None:
        """Refuse labels that are neither classes nor padding."""
        first = np.where(target == self.padding_value, 1, target)
        self.part.check((output_shape[0] * output_shape[1], *output_shape[2:]), _fold(first))

    def call(self, output: Any, target: Any) -> Any:
        """Compute the sum over the steps that count."""
        rows, labels = _fold(output), _fold(target)
        counts = ops.not_equal(labels, self.padding_value)
        safe = ops.where(counts, labels, 1)
        losses = self.part.inner.losses(self.part.seen(rows), self.part.goal(rows, safe))
        return ops.sum(ops.where(ops.reshape(counts, losses.shape), losses, 0.0))

    def weight(self, target: Any) -> float:
        """Give the number of steps that count."""
        return float((np.asarray(target) != self.padding_value).sum())


def _fold(x: Any) -> Any:
    """Return an array whose first two axes are one."""
    shape = (x.shape[0] * x.shape[1], *x.shape[2:])
    return x.reshape(shape) if isinstance(x, np.ndarray) else ops.reshape(x, shape)


def _numbers(target: Any) -> Any:
    return tree.map(lambda x: getattr(x, "data", x) if not isinstance(x, np.ndarray) else x, target)
