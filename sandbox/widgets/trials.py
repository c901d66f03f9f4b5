"""The trials of a search while it goes on: a table that is written over, HTML or text."""

from __future__ import annotations

import html
import math
from typing import Any

from ..lib.core import validate

__all__ = ["TrialTable"]

_STATES = {"done": "✓", "running": "▸", "failed": "✗", "diverged": "✗"}
_STYLE = "text-align:{};padding:2px 10px;font-variant-numeric:tabular-nums"


class TrialTable:
    """Shows the trials of a search: what each tries, how far it is, its value.

    Parameters
    ----------
    rows : int > 0, default=20
        Trials that are shown: those that run, then the best.

    Notes
    -----
    Give it to a search: `tune.search(..., progress=TrialTable())`, `NNSearch(progress=...)`. It is
    shown at the first trial and written over with every result; a notebook that shows no HTML has
    the text of `str(table)`. What stays in a saved notebook needs no kernel. Outside of IPython a
    line is printed for each result.

    Examples
    --------
    >>> table = TrialTable(rows=5)
    >>> print(table)
    no trial yet
    """

    def __init__(self, rows: int = 20) -> None:
        self.rows = validate.positive_int("rows", rows)
        self._found: Any = None
        self._running: dict[int, tuple[dict[str, Any], int]] = {}
        self._said = ""
        self._handle: Any = None

    # What a search tells -----------------------------------------------------------------------

    def begin(self, found: Any, order: Any, epochs: int) -> None:
        """Take a trial that goes on up to so many epochs."""
        self._found = found
        self._running[order.trial] = (dict(order.config), epochs)
        self._show()

    def hear(self, found: Any, result: Any) -> None:
        """Take a result."""
        self._found = found
        self._running.pop(result.trial, None)
        self._show(result)

    def tell(self, text: str) -> None:
        """Take what else there is to say: the search waits, or was stopped."""
        self._said = text
        self._show(text)

    # What is seen ------------------------------------------------------------------------------

    def cells(self) -> tuple[list[str], list[list[str]]]:
        """Return the names of the columns, and the rows: trials that run, then the best."""
        trials = [] if self._found is None else self._found.trials
        known = {trial.number: trial for trial in trials}
        names = list(dict.fromkeys(k for config in self._configs(known) for k in config))
        metric = "" if self._found is None else self._found.metric
        rows = [
            self._row(names, number, config, known.get(number), f"to epoch {epochs}")
            for number, (config, epochs) in sorted(self._running.items())
        ]
        for trial in trials:
            if trial.number not in self._running:
                rows.append(self._row(names, trial.number, trial.config, trial))
        return ["trial", *names, "epochs", metric, "state"], rows

    def _configs(self, known: dict[int, Any]) -> list[dict[str, Any]]:
        return [
            *(config for config, _ in self._running.values()),
            *(t.config for t in known.values()),
        ]

    def _row(
        self, names: list[str], number: int, config: dict[str, Any], trial: Any, goes: str = ""
    ) -> list[str]:
        state = "running" if goes else trial.result.status
        score = math.nan if trial is None else trial.score
        told = [state, goes or ("" if trial is None else trial.result.error)]
        return [
            str(number),
            *(_short(config.get(name, "")) for name in names),
            str(0 if trial is None else trial.epochs),
            "" if math.isnan(score) else f"{score:.4f}",
            f"{_STATES[state]} {': '.join(filter(None, told)) if state != 'running' else goes}",
        ]

    def _last(self) -> list[str]:
        """Return the lines below the table."""
        if self._found is None:
            return [self._said] if self._said else []
        hidden = len(self.cells()[1]) - self.rows
        more = [f"and {hidden} more trials"] if hidden > 0 else []
        return [*more, repr(self._found), *([self._said] if self._said else [])]

    def __str__(self) -> str:
        names, rows = self.cells()
        if not rows:
            return "\n".join(["no trial yet", *self._last()])
        lines = [names, *rows[: self.rows]]
        widths = [max(len(line[k]) for line in lines) for k in range(len(names))]
        text = ["  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) for line in lines]
        return "\n".join([*(line.rstrip() for line in text), *self._last()])

    def _repr_html_(self) -> str:
        names, rows = self.cells()
        best = next((k for k, row in enumerate(rows) if row[-2] and row[-1].startswith("✓")), -1)
        head = "".join(_cell("th", name) for name in names)
        body = "".join(
            f'<tr style="font-weight:{"bold" if k == best else "normal"}">'
            + "".join(_cell("td", cell) for cell in row)
            + "</tr>"
            for k, row in enumerate(rows[: self.rows])
        )
        last = "<br>".join(map(html.escape, self._last()))
        return (
            f'<table style="font-size:13px"><thead><tr>{head}</tr></thead><tbody>{body}</tbody>'
            f'</table><div style="font-size:12px;opacity:0.75">{last}</div>'
        )

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {"text/plain": str(self), "text/html": self._repr_html_()}

    def _show(self, news: Any = None) -> None:
        """Write the table over; without IPython print what is new, a result or a text."""
        from IPython import get_ipython
        from IPython.display import display

        if get_ipython() is None:
            from ..lib.spark.tune.progress import line

            if news is not None:
                print(news if isinstance(news, str) else line(self._found, news), flush=True)
        elif self._handle is None:
            self._handle = display(self, display_id=True)
        else:
            self._handle.update(self)


def _cell(kind: str, text: str) -> str:
    side = "right" if text[:1].isdigit() else "left"
    return f'<{kind} style="{_STYLE.format(side)}">{html.escape(text)}</{kind}>'


def _short(value: Any) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 24 else f"{text[:21]}..."
