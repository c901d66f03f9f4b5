"""What goes on in a run, and how it is steered from outside, from any thread."""

from __future__ import annotations

from collections.abc import Callable

from .backend import Backend
from .background import BackgroundRun
from .control import Control
from .events import Event
from .history import History
from .recorder import Recorder, State

__all__ = ["Steered"]


class Steered:
    """The part of a `Trainer` that one talks to while it trains."""

    backend: Backend
    _recorder: Recorder
    _control: Control
    _background: BackgroundRun | None
    _runs: int  # those that go on, and those that wait for them to end

    @property
    def history(self) -> History:
        """Every iteration and validation of the running or last fit."""
        return self._recorder.history

    @property
    def state(self) -> State:
        """What goes on: "idle", "running", "paused", "retrying", "done", "failed" or "stopped"."""
        return self._recorder.state

    @property
    def stage(self) -> Event | None:
        """What a run does that has not come to its first iteration (a "stage" event), else None."""
        return self._recorder.stage

    @property
    def running(self) -> bool:
        """Whether a fit goes on (paused ones too)."""
        return self._runs > 0

    @property
    def error(self) -> BaseException | None:
        """What ended the background run, until `wait` raises it."""
        return None if self._background is None else self._background.error

    def wait(self, timeout: float | None = None) -> History:
        """Wait for a background run, raise what it raised, and return the history.

        TimeoutError : it still goes on after `timeout` seconds.
        """
        run = self._background
        if run is not None and not run.inside and not run.wait(timeout):
            raise TimeoutError(f"the training still goes on after {timeout} s")
        return self.history

    def pause(self) -> None:
        """Hold after the running iteration."""
        self._control.pause()

    def resume_training(self) -> None:
        """Go on after a pause."""
        self._control.resume()

    def stop(self) -> None:
        """End after the running iteration; `fit` returns, `wait` waits for it."""
        if self._runs:
            self._control.stop()

    def stop_other(self) -> bool:
        """Stop the run of another trainer that this one waits for; False if it waits for none.

        See `stage`: its "held" tells of such a wait.
        """
        waits = self.stage
        stop = getattr(self.backend, "stop_others", None)
        return waits is not None and bool(waits.get("held")) and stop is not None and bool(stop())

    def set_learning_rate(self, value: float | None) -> None:
        """Use this learning rate from the next iteration on; None: the schedule again."""
        self._control.learning_rate(value)

    @property
    def watched(self) -> bool:
        """Whether somebody has subscribed to the events."""
        return self._recorder.watched

    def subscribe(self, function: Callable[[Event], object]) -> Callable[[], None]:
        """Call a function with every event, in the thread that trains; be quick in it.

        What is returned ends the subscription.
        """
        return self._recorder.subscribe(function)
