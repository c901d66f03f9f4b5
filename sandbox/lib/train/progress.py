"""A line of text that tells how far a run is: for terminals, notebooks and log files."""

from __future__ import annotations

import math
import sys
import time
from typing import TYPE_CHECKING, Any, TextIO

from ..core.errors import ArgumentError
from .callbacks import Callback
from .events import Event

if TYPE_CHECKING:
    from .trainer import Trainer

__all__ = ["TextProgress", "choose"]


def choose(progress: Any) -> Callback | None:
    """Return the display for `Trainer(progress=...)`.

    Parameters
    ----------
    progress : "auto", None, False, True or Callback
        True: text on stderr; "auto": so unless somebody else watches the run, such as the curves
        of a notebook. None and False: nothing.
    """
    if progress is None or progress is False:
        return None
    if isinstance(progress, Callback):
        return progress
    if progress is True:
        return TextProgress()
    if isinstance(progress, str) and progress == "auto":
        return TextProgress(unless_watched=True)
    raise ArgumentError(
        f"Trainer: `progress` must be 'auto', None or a Callback; got {progress!r}."
    )


def _live(stream: TextIO) -> bool:
    """Tell whether a line can be overwritten: in a terminal or a notebook's output."""
    if getattr(stream, "isatty", lambda: False)():
        return True
    return type(stream).__module__.startswith("ipykernel")


class TextProgress(Callback):
    """One line that is rewritten while an epoch runs, and stays with its figures when it ends.

    Where lines cannot be rewritten (a log file), only the lines that stay are printed.

    Parameters
    ----------
    stream : file, default=sys.stderr
        Where to write.
    interval : float, default=0.1
        Seconds between two rewritings.
    live : bool or None
        Whether lines can be rewritten; None finds out.
    unless_watched : bool, default=False
        Say nothing in a run that begins while somebody has subscribed to its trainer's events.
    """

    def __init__(
        self,
        stream: TextIO | None = None,
        *,
        interval: float = 0.1,
        live: bool | None = None,
        unless_watched: bool = False,
    ) -> None:
        self._unless_watched = unless_watched
        self._given = stream
        self._given_live = live
        self.interval = interval
        self._begun = False
        self._width = 0

    def on_event(self, trainer: Trainer, event: Event) -> None:
        """Show an event, unless somebody else does."""
        if not self._begun:  # rows are read before the run begins
            self.on_start(trainer)
        if not self._quiet:
            super().on_event(trainer, event)

    def on_start(self, trainer: Trainer) -> None:
        """Get ready."""
        self._begun = True
        self._quiet = self._unless_watched and trainer.watched
        self.stream = self._given or sys.stderr
        self.live = _live(self.stream) if self._given_live is None else self._given_live
        self._steps_per_epoch = 0
        self._total: int | None = None
        self._next = 0.0
        self._begin_epoch(0)

    def _begin_epoch(self, epoch: int) -> None:
        self._epoch = epoch
        self._steps = 0
        self._rows = 0
        self._losses = 0.0
        self._counted = 0
        self._seconds = 0.0
        self._last: Event | None = None

    def on_iteration(self, trainer: Trainer, event: Event) -> None:
        """Count, and rewrite the line now and then."""
        if event["epoch"] != self._epoch:
            self._end_epoch()
            self._begin_epoch(event["epoch"])
        self._steps += 1
        self._rows += event["rows"]
        if not math.isnan(event["loss"]):
            self._losses += event["loss"] * event["rows"]
            self._counted += event["rows"]
        self._seconds += event["seconds"]
        self._last = event
        if self.live:
            now = time.monotonic()
            if now >= self._next:
                self._next = now + self.interval
                self._rewrite(self._line(bar=True))

    def _line(self, *, bar: bool) -> str:
        event = self._last
        if event is None:
            return ""
        n = self._steps_per_epoch
        done = (event["step"] - 1) % n + 1 if n else self._steps
        parts = [f"epoch {self._epoch}{self._of_epochs()}"]
        if bar and n:
            parts.append(_bar(done / n))
        parts.append(f"{done}/{n}" if n else f"{done}")
        parts.append(f"loss {self._losses / self._counted if self._counted else math.nan:.4f}")
        parts += [f"{name} {_short(value)}" for name, value in event["metrics"].items()]
        if self._seconds:
            parts.append(f"{self._rows / self._seconds:,.0f} rows/s")
        if bar and self._total:
            left = (self._total - event["step"]) * self._seconds / self._steps
            parts.append(f"{_clock(left)} left")
        else:
            parts.append(f"{self._seconds:.1f} s")
        return "  ".join(parts)

    def _of_epochs(self) -> str:
        if not self._total or not self._steps_per_epoch:
            return ""
        return f"/{-(-self._total // self._steps_per_epoch)}"

    def _end_epoch(self) -> None:
        if self._last is not None:
            self._print(self._line(bar=False))
            self._last = None

    def on_validation(self, trainer: Trainer, event: Event) -> None:
        """Print the scores."""
        scores = [f"{k} {_short(v)}" for k, v in event["metrics"].items() if _number(v)]
        text = f"  validation after step {event['step']}: " + ", ".join(scores)
        if self._last is not None and event["step"] == self._last["step"]:
            ended = self._steps_per_epoch and event["step"] % self._steps_per_epoch == 0
            if ended:
                self._end_epoch()
        self._print(text)

    def on_state(self, trainer: Trainer, event: Event) -> None:
        """Take the sizes of the run from its start; tell of pauses and bad ends."""
        if "steps_per_epoch" in event:
            self._steps_per_epoch = event["steps_per_epoch"]
            self._total = event["total_steps"]
        if event["state"] in ("paused", "retrying", "stopped", "failed"):
            step = "" if self._last is None else f" after step {self._last['step']}"
            self._print(f"  {event['state']}{step}")

    def on_stage(self, trainer: Trainer, event: Event) -> None:
        """Tell what the run does before its first iteration, where lines can be rewritten."""
        if event.get("held"):
            self._print(f"  {event['text']} trainer.stop_other() does")
        elif self.live and self._last is None:
            self._rewrite(f"{_bar(event['share'])}  {event['text']}")

    def on_log(self, trainer: Trainer, event: Event) -> None:
        """Print what the run says."""
        self._print(f"  {event['level']}: {event['text']}")

    def on_end(self, trainer: Trainer) -> None:
        """Leave the last line behind."""
        self._end_epoch()
        self._begun = False

    def _rewrite(self, text: str) -> None:
        self.stream.write("\r" + text.ljust(self._width))
        self._width = len(text)
        self.stream.flush()

    def _print(self, text: str) -> None:
        if self.live and self._width:
            self._rewrite(text)
            self.stream.write("\n")
        else:
            self.stream.write(text + "\n")
        self._width = 0
        self.stream.flush()


def _bar(share: float) -> str:
    filled = int(20 * share)
    return f"[{'#' * filled}{'.' * (20 - filled)}]"


def _number(value: Any) -> bool:
    return isinstance(value, int | float)


def _short(value: Any) -> str:
    return f"{value:.4f}" if _number(value) else "..."


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
