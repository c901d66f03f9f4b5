"""The base of all schedules."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from ...core import validate
from ...core.errors import ArgumentError
from ..config import Configured


class Schedule(Configured, ABC):
    """Give the factor on the learning rate for each step.

    `schedule(step, total_steps)` takes the number of finished updates (from 0) and the planned
    number of updates (None where nobody knows), and returns a factor >= 0.

    Notes
    -----
    Like Keras `LearningRateSchedule` and PyTorch `LRScheduler`: factors, not rates. In the place of
    PyTorch `LambdaLR` and `MultiplicativeLR` one derives a class, whose arguments a checkpoint can
    keep.

    Examples
    --------
    >>> class Halves(Schedule, prefix="mine"):
    ...     def __init__(self, every):
    ...         self.every = every
    ...     def __call__(self, step, total_steps=None):
    ...         return 0.5 ** (step // self.every)
    >>> Halves(10)(25)
    0.25
    """

    @abstractmethod
    def __call__(self, step: int, total_steps: int | None = None) -> float:
        """Return the factor on the learning rate of update number `step`, counted from 0."""

    def observe(self, metrics: Mapping[str, Any]) -> None:
        """Take in a validation that was due; only `Plateau` goes by them."""

    def memory(self) -> dict[str, Any]:
        """Return what validations left behind, for a checkpoint."""
        return {}

    def remember(self, memory: Mapping[str, Any]) -> None:
        """Go on from what `memory` returned; an empty one forgets all."""

    def monitored(self) -> str | None:
        """Return the name of the validation metric it goes by, if any."""
        return None

    def orient(self, higher_is_better: Mapping[str, bool]) -> None:
        """Take in, before training, of which metrics more is better; only `Plateau` asks."""

    def pace(self, steps_per_epoch: int) -> None:
        """Take in, before training, how many steps a pass over the data has; for `Epochs`."""

    def _total(self, own: int | None, total_steps: int | None) -> int:
        total = own if own is not None else total_steps
        if total is None:
            raise ArgumentError(
                f"{type(self).__name__}: the number of steps must be known; got None. Give "
                f"{type(self).__name__}(steps=...), or train for a given number of epochs or steps."
            )
        return max(1, validate.integer("total_steps", total))
