"""The schedule that goes by what validations measure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ...core.errors import ArgumentError
from ..config import checked_integer, checked_non_negative_integer, checked_number
from .base import Schedule


class Plateau(Schedule):
    """Multiply by `factor` when the validation has not got better for `patience` validations.

    The only schedule that goes by what was measured: the training loop hands it the metrics of each
    validation that was due, the same on all ranks, and checkpoints keep what it remembers. A
    validation whose value is NaN is left out, and the run says so, as it says when the rate falls.

    Parameters
    ----------
    monitor : str
        Name of the validation metric.
    factor : float in [0, 1)
        Factor of one change.
    patience : int > 0
        Validations without an improvement that are borne.
    min_delta : float >= 0
        Smaller improvements do not count.
    lowest : float >= 0
        The factors' product does not fall below it.
    cooldown : int >= 0
        Validations after a change that count as none without an improvement.
    mode : "min", "max" or None
        Whether less is better. None: as the metric says (its `higher_is_better`, which the Trainer
        hands over); without a Trainer, less for names that hold "loss", "error" or "mae".

    Raises
    ------
    ArgumentError : a value is out of its range; the metric is not among those of the run.

    Notes
    -----
    Same as BigDL `Plateau` (0.13) and Keras `ReduceLROnPlateau`; like PyTorch `ReduceLROnPlateau`:
    it bears one validation more, and min_delta is a share of the best value unless told otherwise.

    Examples
    --------
    >>> schedule = Plateau("top1", factor=0.5, patience=2)
    >>> for score in (0.5, 0.6, 0.6, 0.55):
    ...     schedule.observe({"top1": score})
    >>> schedule(123)
    0.5
    """

    def __init__(
        self,
        monitor: str = "loss",
        *,
        factor: float = 0.1,
        patience: int = 3,
        min_delta: float = 0.0,
        lowest: float = 0.0,
        cooldown: int = 0,
        mode: str | None = None,
    ) -> None:
        if not isinstance(monitor, str) or not monitor:
            raise ArgumentError(f"Plateau: `monitor` must be a metric's name; got {monitor!r}.")
        if mode is not None and (not isinstance(mode, str) or mode not in ("min", "max")):
            raise ArgumentError(f"Plateau: `mode` must be 'min', 'max' or None; got {mode!r}.")
        self.monitor = monitor
        self.factor = checked_number(self, "factor", factor, 0, 1)
        self.patience = checked_integer(self, "patience", patience)
        self.min_delta = checked_number(self, "min_delta", min_delta, 0)
        self.lowest = checked_number(self, "lowest", lowest, 0)
        self.cooldown = checked_non_negative_integer(self, "cooldown", cooldown)
        self.mode = mode
        known = any(word in monitor.lower() for word in ("loss", "error", "mae"))
        self._less = mode == "min" or (mode is None and known)
        self._best: float | None = None
        self._waited = self._cooling = 0
        self._now = 1.0

    def __call__(self, step: int, total_steps: int | None = None) -> float:
        """Return the factor after the validations so far; the step does not matter."""
        return self._now

    def observe(self, metrics: Mapping[str, Any]) -> None:
        """Take in one validation; a value that is no number (NaN) tells nothing and is left out."""
        found = {name.lower(): value for name, value in metrics.items()}
        value = found.get(self.monitor.lower())
        if not isinstance(value, int | float):
            raise ArgumentError(
                f"Plateau: `monitor` must be one of the run's metrics that are a number; got "
                f"{self.monitor!r} among {', '.join(metrics) or 'none'}. "
                "Add it to Trainer(metrics=...)."
            )
        if math.isnan(value):
            return
        sign = -1.0 if self._less else 1.0
        gain = math.inf if self._best is None else sign * (value - self._best)
        if gain > self.min_delta:
            self._best, self._waited = float(value), 0
        elif self._cooling:
            self._waited = 0
        else:
            self._waited += 1
        self._cooling = max(0, self._cooling - 1)
        if self._waited >= self.patience:
            self._now, self._waited = max(self.lowest, self._now * self.factor), 0
            self._cooling = self.cooldown

    def memory(self) -> dict[str, Any]:
        """Return best value, validations waited, those of the cooldown left, and present factor."""
        return {
            "best": self._best,
            "waited": self._waited,
            "cooling": self._cooling,
            "now": self._now,
        }

    def remember(self, memory: Mapping[str, Any]) -> None:
        """Go on from what `memory` returned."""
        best = memory.get("best")
        self._best = None if best is None or math.isnan(best) else best
        self._waited = int(memory.get("waited", 0))
        self._cooling = int(memory.get("cooling", 0))
        self._now = float(memory.get("now", 1.0))

    def monitored(self) -> str | None:
        """Return the metric's name."""
        return self.monitor

    def orient(self, higher_is_better: Mapping[str, bool]) -> None:
        """Take the metric's own direction, unless `mode` was given."""
        found = {name.lower(): higher for name, higher in higher_is_better.items()}
        higher = found.get(self.monitor.lower())
        if self.mode is None and higher is not None:
            self._less = not higher
