"""Commands during a run: rank 0 hears them, all ranks obey at the same iteration."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from .group import Group
from .job import Command
from .raising import raise_together
from .run_state import TrainState

__all__ = ["WORDS", "Commands"]

_KINDS = ("", "pause", "resume", "stop", "learning_rate", "hold", "go")
_KIND, _VALUE, _FAILED = range(3)
_PAUSE_POLL = 0.03  # seconds; the ranks also meet this often, within any deadline of the exchange
WORDS = 3  # numbers at the start of the vector that all ranks sum in each iteration


class Commands:
    """Takes commands and failures through the vector that all ranks sum.

    Parameters
    ----------
    group : Group
        The ranks.
    poll : callable
        Gives the next command or None; called on rank 0 only.
    state : TrainState
        Holds the learning rate set by hand.
    """

    def __init__(self, group: Group, poll: Callable[[], Command | None], state: TrainState) -> None:
        self.group = group
        self.poll = poll
        self.state = state
        self.root = group.rank == 0
        self.stopping = False
        self.pausing = False
        self.holding = False  # until whoever hears the events has caught up

    def listen(self, words: NDArray[np.float64]) -> bool:
        """Put a command that came in, on rank 0, where all ranks will find it."""
        command = self.poll() if self.root else None
        if command is not None:
            words[_KIND] = _KINDS.index(command.kind)
            words[_VALUE] = command.value
        return command is not None

    def obey(self, words: NDArray[np.float64]) -> None:
        """Take a command out of the sum."""
        kind = _KINDS[int(words[_KIND])]
        if kind == "stop":
            self.stopping = True
        elif kind == "pause":
            self.pausing = True
        elif kind == "resume":
            self.pausing = False
        elif kind in ("hold", "go"):
            self.holding = kind == "hold"
        elif kind == "learning_rate":
            value = float(words[_VALUE])
            self.state.learning_rate = None if math.isnan(value) else value

    @staticmethod
    def report(words: NDArray[np.float64]) -> None:
        """Tell the others that this rank has failed and takes no part in this sum."""
        words[_FAILED:] = 0.0
        words[_FAILED] = 1.0

    @staticmethod
    def failed(words: NDArray[np.float64]) -> bool:
        """Whether some rank has failed."""
        return bool(words[_FAILED])

    def hear(self, error: Exception | None = None) -> bool:
        """Meet between two iterations: raise a rank's error, take a command. Collective.

        Parameters
        ----------
        error : Exception, optional
            What went wrong here.

        Returns
        -------
        bool
            Whether to stop.
        """
        words = np.zeros(WORDS)
        self.listen(words)
        self.obey(self._sum(words, error))
        return self.stopping

    @property
    def waiting(self) -> bool:
        """Whether the run is to wait before the next iteration."""
        return (self.pausing or self.holding) and not self.stopping

    def wait(self) -> None:
        """Return once something has changed in why the run waits. Collective."""
        before = self.pausing, self.holding
        while self.waiting and before == (self.pausing, self.holding):
            words = np.zeros(WORDS)
            if not self.listen(words) and self.root:
                time.sleep(_PAUSE_POLL)
            self.obey(self._sum(words, None))

    def meet(self, error: Exception | None) -> None:
        """Raise a rank's error on all ranks; commands have to wait. Collective."""
        self._sum(np.zeros(WORDS), error)

    def _sum(self, words: NDArray[np.float64], error: Exception | None) -> NDArray[np.float64]:
        if error is not None:
            self.report(words)
        total = self.group.all_reduce(words)
        if self.failed(total):
            raise_together(self.group, error)
        return total
