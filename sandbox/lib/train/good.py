"""The last good state of a run: what it goes back to when its loss has run away."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .run_state import TrainState
from .slots import Slots

if TYPE_CHECKING:
    from ..core import FlatParameters
    from .group import Group
    from .job import TrainJob
    from .reports import Reports

__all__ = ["LastGood"]

_OFTEN = 64  # iterations between two states; fewer where an epoch is shorter
_GROWN = 10.0  # times the first loss, and times the first size of the parameters: no good state
_LOST = 100.0  # times the first loss: the run goes back
_LEAST = 0.01  # root mean square of parameters, for those that start at 0


@dataclass
class _Kept:
    state: TrainState
    memory: dict[str, Any]
    early_stop: dict[str, Any] | None


class LastGood:
    """Keeps a copy of the newest state with which the loss had not grown.

    A state is good if the loss of the iteration that began with it is at most ten times the run's
    first, or the parameters are not much larger than at the start. Both, since a single batch may
    have any loss, and parameters may start at 0. The copy is taken in that iteration, between its
    loss and its update.

    Parameters
    ----------
    job, flat, slots, state, reports, group
        Of the run.
    steps_per_epoch : int
        A copy is taken at least this often.
    """

    def __init__(
        self,
        job: TrainJob,
        flat: FlatParameters,
        slots: Slots,
        state: TrainState,
        reports: Reports,
        group: Group,
        steps_per_epoch: int,
    ) -> None:
        self.job, self.flat, self.slots, self.state = job, flat, slots, state
        self.reports, self.group = reports, group
        self.every = min(_OFTEN, steps_per_epoch)
        self._kept: _Kept | None = None
        self._due = state.progress.step
        self._values, self._buffers = np.empty_like(flat.values), np.empty_like(flat.buffers)
        self._slots = {name: np.empty_like(vector) for name, vector in slots.state.items()}
        self._warned = False

    @property
    def there(self) -> bool:
        """Whether there is a state to go back to."""
        return self._kept is not None

    def before(self) -> None:
        """Remember, before an iteration, what it changes before its loss is known."""
        if self.state.progress.step >= self._due:
            np.copyto(self._buffers, self.flat.buffers)

    def look(self, loss: float) -> None:
        """Take a copy if it is time to and the loss is good; not updated yet. Collective."""
        state = self.state
        if state.first is None and math.isfinite(loss):
            state.first = (loss, self._size())
        if state.progress.step < self._due or not math.isfinite(loss) or self._grown(loss, _GROWN):
            return
        self._due = state.progress.step + self.every
        np.copyto(self._values, self.flat.values)
        for name, vector in self.slots.state.items():
            np.copyto(self._slots[name], vector)
        rule = self.job.early_stop
        self._kept = _Kept(
            _copy(state), self.job.optimizer.memory(), None if rule is None else rule.state()
        )

    def lost(self) -> bool:
        """Tell whether the loss has run away for good; at first in a line. Collective."""
        progress = self.state.progress
        if not self._grown(progress.loss, _LOST):
            return False
        if not self._warned and self.state.first is not None:
            self._warned = True
            self.reports.log(
                "warning",
                f"the loss has run away: {progress.loss:.4g} at step {progress.step},"
                f" {self.state.first[0]:.4g} at first. Lower the learning rate or clip the"
                " gradients (clip=ClipNorm(1.0)); no checkpoint is written meanwhile",
            )
        return True

    def go_back(self) -> str:
        """Put the good state in the place of the present one, and say so. Collective."""
        found = self._kept
        if found is None:
            return ""
        self.reports.flush()
        self.group.barrier()  # others may still read these vectors
        np.copyto(self.flat.values, self._values)
        np.copyto(self.flat.buffers, self._buffers)
        for name, vector in self.slots.state.items():
            np.copyto(vector, self._slots[name])
        self.flat.touch()
        kept = _copy(found.state)
        for field in fields(kept.progress):
            setattr(self.state.progress, field.name, getattr(kept.progress, field.name))
        for field in fields(kept):
            if field.name != "progress":
                setattr(self.state, field.name, getattr(kept, field.name))
        self.job.optimizer.remember(found.memory)
        if self.job.early_stop is not None and found.early_stop is not None:
            self.job.early_stop.load(found.early_stop)
        step = self.state.progress.step
        self.reports.history.cut(step)
        return (
            f"The model holds its last good state, of step {step}, and resume='auto' goes on from"
            " there."
        )

    def _grown(self, loss: float, times: float) -> bool:
        """Tell whether loss and parameters are that much larger than at first. Collective.

        The loss is the same on all ranks; what they make of it must be, too.
        """
        first = self.state.first
        if first is None or not loss > first[0] + (times - 1) * abs(first[0]):
            return False
        return not self._size() <= _GROWN * max(first[1], _LEAST)

    def _size(self) -> float:
        """Return the root mean square of all parameters, as all ranks see it."""
        values = self.flat.values
        mine = float(np.dot(values, values)) / max(values.size, 1)
        return math.sqrt(float(self.group.all_reduce(np.array([mine]))[0]) / self.group.size)


def _copy(state: TrainState) -> TrainState:
    progress = replace(state.progress, metrics=dict(state.progress.metrics))
    sums: dict[str, NDArray[np.float64]] = {name: v.copy() for name, v in state.sums.items()}
    return replace(state, progress=progress, sums=sums)
