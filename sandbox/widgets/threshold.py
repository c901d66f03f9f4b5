"""Where to draw the line: a threshold, what it finds, what it costs."""

from __future__ import annotations

from typing import Any

import numpy as np
import traitlets
from numpy.typing import ArrayLike, NDArray

from ..lib.core import validate
from ..lib.data.tables.costs import threshold_costs
from .assets import bundle
from .figures import _tidy
from .live import LiveWidget
from .picture import BLUE, INK, ORANGE, SOFT, Picture, new_figure

__all__ = ["ThresholdExplorer"]

_POINTS = 160


class ThresholdExplorer(LiveWidget):
    """Move a threshold over scores: confusion, shares and cost follow.

    The cost is the price of a false alarm for each one, and the amount of each positive that was
    missed. Works without a kernel too; `threshold` says where the slider stands.

    Parameters
    ----------
    scores : (rows,) floats
        Larger means more likely positive.
    labels : (rows,) ints of 0 and 1
        Truth.
    amounts : (rows,) floats >= 0
        What is lost where a positive row is missed.
    alarm : float >= 0
        Price of one false alarm, to begin with.
    unit : str, default=""
        Of amounts and price, such as "€".

    Raises
    ------
    DataError : lengths differ, NaN scores, labels other than 0 and 1, an amount below 0.
    ArgumentError : the price of an alarm is below 0, now or when it is set.

    Examples
    --------
    >>> explorer = ThresholdExplorer([0.1, 0.4, 0.8], [0, 1, 1], [9, 50, 70], alarm=5)
    >>> explorer.threshold, explorer.counts(), explorer.cost()
    (0.4, (2, 0, 0, 1), 0.0)
    """

    _esm = bundle("threshold.js")
    table = traitlets.Bytes(help="float32: threshold, hits, false alarms, lost").tag(sync=True)
    rows = traitlets.Int().tag(sync=True)
    positives = traitlets.Int().tag(sync=True)
    alarm = traitlets.Float().tag(sync=True)
    place = traitlets.Int(help="number of the threshold chosen").tag(sync=True)
    unit = traitlets.Unicode(help="of amounts and price").tag(sync=True)

    def __init__(
        self,
        scores: ArrayLike,
        labels: ArrayLike,
        amounts: ArrayLike,
        *,
        alarm: float = 5.0,
        unit: str = "",
    ) -> None:
        price = self._checked(alarm)
        super().__init__()
        s, truth = np.asarray(scores, np.float64).reshape(-1), np.asarray(labels).reshape(-1)
        # Closer together where few rows are flagged: that is where decisions are made.
        flagged = np.unique(np.geomspace(1, max(1, len(s)), _POINTS).astype(int))
        cuts = np.unique(np.sort(s)[::-1][flagged - 1]) if len(s) else s
        found = threshold_costs(
            s, truth, false_positive=0.0, false_negative=amounts, thresholds=[*cuts, np.inf]
        )
        self._table = np.array(
            [(row.threshold, row.true_positives, row.false_positives, row.cost) for row in found]
        )
        self.table = self._table.astype(np.float32).tobytes()
        self.rows, self.positives = len(s), int(truth.sum())
        self.alarm, self.unit = price, unit
        self.place = int(self.costs().argmin())
        self.summary = f"{self.rows} rows, {self.positives} positive; a threshold to move."

    @staticmethod
    def _checked(alarm: Any) -> float:
        return validate.non_negative("alarm", alarm, "It is the price of one false alarm.")

    @traitlets.validate("alarm")
    def _alarm_set(self, proposal: Any) -> float:
        return self._checked(proposal["value"])

    @property
    def threshold(self) -> float:
        """The threshold chosen: rows with a score at or above it are flagged."""
        return float(self._table[self.place, 0])

    def costs(self) -> NDArray[np.float64]:
        """Return the cost at every threshold of the slider."""
        return self._table[:, 3] + self.alarm * self._table[:, 2]

    def cost(self) -> float:
        """Return the cost at the threshold chosen."""
        return float(self.costs()[self.place])

    def counts(self) -> tuple[int, int, int, int]:
        """Return hits, false alarms, misses and rows rightly passed at the threshold chosen."""
        hits, alarms = (int(n) for n in self._table[self.place, 1:3])
        return hits, alarms, self.positives - hits, self.rows - self.positives - alarms

    def take(self, events: list[Any]) -> None:
        """Pass over events: this widget follows nobody."""

    def publish(self) -> None:
        """Write nothing: the traits are the state."""

    def picture(self) -> Picture:
        """Draw the cost over the number of rows flagged, and where the slider stands."""
        hits, alarms, missed, passed = self.counts()
        flagged = self._table[:, 1] + self._table[:, 2]
        figure = new_figure(8.6, 2.9)
        left, right = figure.subplots(1, 2)
        cost = f"Cost in {self.unit}" if self.unit else "Cost"
        for axes, title in ((left, f"{cost} (lower is better)"), (right, "Precision and recall")):
            _tidy(axes, title)
            axes.set_xscale("log")
            axes.set_xlabel("rows flagged", fontsize=8, color=SOFT)
            axes.axvline(max(flagged[self.place], 1), color=SOFT, linewidth=1, linestyle=":")
        seen = flagged > 0
        left.plot(flagged[seen], self.costs()[seen], color=BLUE, linewidth=1.8)
        if (self.costs()[seen] > 0).all():  # costs of few and of all flagged differ a hundredfold
            left.set_yscale("log")
        left.yaxis.set_major_formatter(lambda y, _: f"{y:,.0f}")
        found = self._table[seen, 1]
        right.plot(flagged[seen], found / flagged[seen], color=BLUE, label="precision")
        right.plot(
            flagged[seen], found / max(self.positives, 1), "--", color=ORANGE, label="recall"
        )
        right.legend(fontsize=7.5, frameon=False)
        text = (
            f"Threshold {self.threshold:.4g}: {hits} found, {missed} missed, {alarms} false alarms,"
            f" {passed} rightly passed; cost {self.cost():,.0f}{f' {self.unit}'.rstrip()}."
        )
        figure.suptitle(text, fontsize=9, x=0.01, ha="left", color=INK)
        return Picture(figure, text)
