"""The base of methods around another method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import ArgumentError
from .method import Method, Now, Vector


class Wrapper(Method):
    """Hand everything on to `self.method`; a subclass changes what it is there for."""

    method: Method

    def __init__(self, method: Method) -> None:
        if not isinstance(method, Method):
            raise ArgumentError(
                f"{type(self).__name__}: `method` must be a Method; got {method!r}. "
                f"For example: {type(self).__name__}(SGD(0.1))."
            )
        self.method = method
        if method.whole:
            raise ArgumentError(
                f"{type(self).__name__}: `method` must work on slices; got {method!r}, which needs "
                "the whole vector."
            )
        self.slots = method.slots  # type: ignore[misc]
        self.by_layer = method.by_layer
        self.needs_norms = method.needs_norms
        self.average_slot = method.average_slot

    @property
    def learning_rate(self) -> float:  # type: ignore[override]
        """That of the inner method."""
        return self.method.learning_rate

    @property
    def weight_decay(self) -> float:  # type: ignore[override]
        """That of the inner method."""
        return self.method.weight_decay

    @property
    def schedule(self) -> Any:  # type: ignore[override]
        """That of the inner method."""
        return self.method.schedule

    def learning_rate_at(self, step: int, total_steps: int | None = None) -> float:
        """Return the inner method's learning rate."""
        return self.method.learning_rate_at(step, total_steps)

    def check_names(self, names: Sequence[str]) -> None:
        """Let the inner method look at the parameters' names."""
        self.method.check_names(names)

    def init_slice(self, n: int, dtype: Any = np.float32) -> dict[str, Vector]:
        """Return the inner method's state."""
        return self.method.init_slice(n, dtype)

    def _measure(
        self, p: Vector, g: Vector, state: Mapping[str, Vector], now: Now
    ) -> NDArray[np.float64]:
        return self.method._measure(p, g, state, now)

    def update(self, *vectors: Any, **numbers: Any) -> None:
        """Not used: the inner method updates."""
        raise ArgumentError(f"{type(self).__name__}: use apply_slice.")
