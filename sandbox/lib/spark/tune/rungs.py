"""Which trials are trained, how far, and which of them go on: a function of scores alone.

Asynchronous successive halving (Li et al. 2020, "A System for Massively Parallel Hyperparameter
Tuning") promotes a trial as soon as it is among the best 1/eta of its rung. There "so far" is a
matter of the clock. Here each rung has an order (rung 0: the trials' numbers; above: the order of
promotion) and decisions follow that order: after the first m scores of a rung are known, the best
floor(m / eta) of these go on. So the whole search is a function of the scores, whatever the number
of slots, the time that trials take, and however often the search was killed and resumed. A free
slot never waits as long as a trial of rung 0 is left.
"""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Iterator, Mapping

__all__ = ["Rungs"]

Job = tuple[int, int]
"""A trial, and the rung that it is trained up to."""


class Rungs:
    """The epochs at which trials are compared, and the rule by which they go on.

    Parameters
    ----------
    trials : int > 0
    epochs : list of int, ascending
        Those a trial has been trained for at each rung. One rung: every trial is trained in full.
    reduction : int > 1
        Of so many trials one goes on.

    Examples
    --------
    >>> rungs = Rungs(trials=4, epochs=[1, 2], reduction=2)
    >>> rungs.due({})
    [(0, 0), (1, 0), (2, 0), (3, 0)]
    >>> rungs.due({(0, 0): 0.3, (1, 0): 0.2})
    [(1, 1), (2, 0), (3, 0)]
    """

    def __init__(self, trials: int, epochs: list[int], reduction: int) -> None:
        self.trials, self.epochs, self.reduction = trials, epochs, reduction

    @classmethod
    def halving(cls, trials: int, epochs: int, first: int, reduction: int) -> Rungs:
        """Return rungs at `first` epochs, `reduction` times as many, ... and `epochs`."""
        ends, at = [], first
        while at < epochs:
            ends.append(at)
            at *= reduction
        return cls(trials, [*ends, epochs], reduction)

    def entrants(self, scores: Mapping[Job, float]) -> Iterator[list[int]]:
        """Give for each rung the trials that have come to it, in order.

        Parameters
        ----------
        scores : dict of (trial, rung) -> float
            The less the better; infinite where a trial has failed.
        """
        order, complete = list(range(self.trials)), True
        for rung in range(len(self.epochs)):
            yield order
            known: list[tuple[float, int]] = []
            chosen: dict[int, None] = {}
            for place, trial in enumerate(order):
                score = scores.get((trial, rung))
                if score is None:  # what comes after it waits for it
                    complete = False
                    break
                insort(known, (score, place))
                self._choose(known, len(known) // self.reduction, order, chosen)
            if complete and order and not chosen:
                self._choose(known, 1, order, chosen)  # somebody reaches the end
            order = list(chosen)

    @staticmethod
    def _choose(
        known: list[tuple[float, int]], quota: int, order: list[int], chosen: dict[int, None]
    ) -> None:
        for score, place in known[:quota]:
            if math.isfinite(score):
                chosen.setdefault(order[place])

    def due(self, scores: Mapping[Job, float]) -> list[Job]:
        """Return what has to be trained and is not known yet: the highest rungs first."""
        found = [
            [(trial, rung) for trial in order if (trial, rung) not in scores]
            for rung, order in enumerate(self.entrants(scores))
        ]
        return [job for jobs in reversed(found) for job in jobs]
