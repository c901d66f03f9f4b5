"""When training on a table ends by itself."""

from __future__ import annotations

import math

from ..train import Trigger
from ..train.triggers import Progress


class StandsStill(Trigger):
    """Fires when the mean loss of an epoch has not got better for a number of epochs.

    Unlike other triggers it remembers, so it serves one run in one process.

    Parameters
    ----------
    tol : float >= 0
        Smaller improvements do not count.
    patience : int > 0
        Epochs without an improvement that are borne.
    rows, batch_size : int > 0
        Of the training: the last batch of an epoch may be smaller.

    Examples
    --------
    >>> still = StandsStill(0.1, 2, rows=3, batch_size=2)
    >>> [still(Progress(epoch_end=k % 2 == 1, loss=1.0)) for k in range(6)]
    [False, False, False, False, False, True]
    """

    def __init__(self, tol: float, patience: int, *, rows: int, batch_size: int) -> None:
        self.tol, self.patience = tol, patience
        self.rows, self.batch_size = rows, batch_size
        self._best, self._waited, self._sum = math.inf, 0, 0.0

    def __call__(self, progress: Progress) -> bool:
        """Answer, once after each iteration."""
        last = self.rows % self.batch_size or self.batch_size
        self._sum += progress.loss * (last if progress.epoch_end else self.batch_size)
        if progress.epoch_end:
            loss, self._sum = self._sum / self.rows, 0.0
            self._waited = 0 if loss <= self._best - self.tol else self._waited + 1
            self._best = min(self._best, loss)
        return progress.epoch_end and self.stale

    @property
    def stale(self) -> bool:
        """Whether the losses so far are reason to end."""
        return self._waited >= self.patience
