"""The base of optimisers around another optimiser."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import ArgumentError
from .optimizer import Optimizer, UpdateArguments, Vector


class Wrapper(Optimizer):
    """Hand everything on to `self.optimizer`; a subclass changes what it is there for."""

    optimizer: Optimizer

    def __init__(self, optimizer: Optimizer) -> None:
        if not isinstance(optimizer, Optimizer):
            raise ArgumentError(
                f"{type(self).__name__}: `optimizer` must be an Optimizer; got {optimizer!r}. "
                f"For example: {type(self).__name__}(SGD(0.1))."
            )
        self.optimizer = optimizer
        if optimizer.needs_whole_vector:
            raise ArgumentError(
                f"{type(self).__name__}: `optimizer` must work on slices; got {optimizer!r}, which "
                "needs the whole vector."
            )
        self.slots = optimizer.slots  # type: ignore[misc]
        self.needs_spans = optimizer.needs_spans
        self.needs_norms = optimizer.needs_norms
        self.needs_wholes = optimizer.needs_wholes
        self.whole_slots = optimizer.whole_slots
        self.average_slot = optimizer.average_slot

    @property
    def learning_rate(self) -> float:  # type: ignore[override]
        """That of the inner optimiser."""
        return self.optimizer.learning_rate

    @property
    def weight_decay(self) -> float:  # type: ignore[override]
        """That of the inner optimiser."""
        return self.optimizer.weight_decay

    @property
    def schedule(self) -> Any:  # type: ignore[override]
        """That of the inner optimiser."""
        return self.optimizer.schedule

    def learning_rate_at(self, step: int, total_steps: int | None = None) -> float:
        """Return the inner optimiser's learning rate."""
        return self.optimizer.learning_rate_at(step, total_steps)

    def pace(self, steps_per_epoch: int, total_steps: int | None = None) -> None:
        """Tell the inner optimiser how long a pass and the whole run are."""
        self.optimizer.pace(steps_per_epoch, total_steps)

    def check_names(self, names: Sequence[str]) -> None:
        """Let the inner optimiser look at the parameters' names."""
        self.optimizer.check_names(names)

    def init_slice(self, n: int, dtype: Any = np.float32) -> dict[str, Vector]:
        """Return the inner optimiser's state."""
        return self.optimizer.init_slice(n, dtype)

    def pass_frozen(self, parameters: Vector, state: Mapping[str, Vector], *, step: int) -> None:
        """Let the inner optimiser do what it does for frozen parameters."""
        self.optimizer.pass_frozen(parameters, state, step=step)

    def _measure(
        self, p: Vector, g: Vector, state: Mapping[str, Vector], now: UpdateArguments
    ) -> NDArray[np.float64]:
        return self.optimizer._measure(p, g, state, now)

    def _aim(self, p: Vector, g: Vector, state: Mapping[str, Vector], now: UpdateArguments) -> None:
        self.optimizer._aim(p, g, state, now)

    def shape_whole(
        self, name: str, parameter: Vector, gradient: Vector, slots: Mapping[str, Vector]
    ) -> None:
        """Let the inner optimiser do what it does with whole parameters."""
        self.optimizer.shape_whole(name, parameter, gradient, slots)

    def refuse_averaged(self) -> None:
        """Raise if the inner optimiser averages weights: only the outermost one may."""
        if self.optimizer.average_slot:
            raise ArgumentError(
                f"{type(self).__name__}: `optimizer` must not be averaged already; got "
                f"{self.optimizer!r}. Put what averages around all else: "
                "EMA(ParameterGroups(...))."
            )

    def approach(self, follower: Vector, p: Vector, share: float) -> None:
        """Set follower = follower + share · (p - follower), in place."""
        work = np.empty(min(self.chunk, p.size), p.dtype)
        for start in range(0, p.size, self.chunk):
            here = slice(start, min(start + self.chunk, p.size))
            part = work[: here.stop - start]
            np.subtract(p[here], follower[here], out=part)
            np.multiply(part, share, out=part)
            np.add(follower[here], part, out=follower[here])

    def update(self, *vectors: Any, **numbers: Any) -> None:
        """Not used: the inner optimiser updates."""
        raise ArgumentError(f"{type(self).__name__}: use apply_slice.")
