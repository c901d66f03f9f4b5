"""The filters of a layer: before, now, the difference, and the way between."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import traitlets
from numpy.typing import NDArray

from .assets import bundle
from .figures import filters_picture
from .live import LiveWidget
from .picture import Picture
from .snapshots import SnapshotState, add_snapshot, frame_limit

__all__ = ["FilterViewer"]

_BYTES_PER_SECOND = 1_000_000


class FilterViewer(LiveWidget):
    """Show the weights of a layer as small images and follow them through the training.

    Parameters
    ----------
    source : Trainer or Module
        A trainer made with `watch=(parameter,)` is followed; a module is shown as it is.
    parameter : str
        Name of the parameter, such as "conv1.weight": (out, in, height, width), or a matrix.

    Notes
    -----
    Frames are kept as float16, at most about a megabyte: the first, the newest and evenly spread
    ones between. Orange is positive, blue negative, white zero.

    Raises
    ------
    ValueError : the model has no such parameter, or the trainer does not watch it.
    """

    _esm = bundle("filters.js")
    parameter = traitlets.Unicode().tag(sync=True)
    shape = traitlets.List(traitlets.Int()).tag(sync=True)
    steps = traitlets.List(traitlets.Int(), help="step of each frame").tag(sync=True)
    frames = traitlets.Bytes(b"", help="float16, one frame after another").tag(sync=True)

    def __init__(self, source: Any, parameter: str, *, interval: float = 0.1) -> None:
        trainer = source if hasattr(source, "subscribe") else None
        model = source.model if trainer is not None else source
        values = _parameter(model, parameter)
        watched = getattr(trainer, "watch", None)
        if watched is not None and parameter not in watched:
            raise ValueError(
                f"FilterViewer: the trainer must watch {parameter!r} to follow it; it watches"
                f" {', '.join(watched) or 'nothing'}. Make it with watch=({parameter!r},)."
            )
        limit = frame_limit(values.size)
        # All frames go out at once: the pauses between are as long as that needs.
        super().__init__(interval=max(interval, 2 * values.size * limit / _BYTES_PER_SECOND))
        self.parameter = parameter
        self._trainer = trainer
        self.snapshots = SnapshotState(limit=limit)
        if trainer is not None:
            self.follow(trainer, self._wanted)
        with self._state_lock:
            if not self.snapshots.frames:
                self.add(_step(trainer), values)
                self.publish()

    def _wanted(self, event: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Keep this parameter's snapshots, as float16 copies, and the changes of state."""
        kind = event.get("type")
        if kind == "state":
            return {**event, **self._at_the_edges(event)}
        if kind != "snapshot" or self.parameter not in event["values"]:
            return None
        values = np.asarray(event["values"][self.parameter], np.float32)
        return {"type": "snapshot", "step": event["step"], "array": values.astype(np.float16)}

    def _at_the_edges(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Take the weights themselves when a run begins anew and when it ends well."""
        run, step = event.get("state"), event.get("step")
        if run == "running" and step == 0:
            return {"array": _parameter(self._trainer.model, self.parameter)}
        if run in ("done", "stopped") and (last := _step(self._trainer)):
            return {"array": _parameter(self._trainer.model, self.parameter), "step": last}
        return {}

    def add(self, step: int, values: NDArray[Any]) -> None:
        """Keep one more frame."""
        self.shape = list(values.shape)
        self.snapshots = add_snapshot(self.snapshots, step, values)

    def take(self, events: list[Mapping[str, Any]]) -> None:
        """Keep the frames of these events."""
        for event in events:
            if "array" in event:
                self.add(int(event["step"]), event["array"])

    def publish(self) -> None:
        """Send the frames."""
        frames = self.snapshots.frames
        self.steps = [frame.step for frame in frames]
        self.frames = np.concatenate([frame.values.ravel() for frame in frames]).tobytes()
        self.summary = self.picture_text()

    def picture_text(self) -> str:
        """Return the text alternative."""
        first, last = self.snapshots.frames[0], self.snapshots.frames[-1]
        before, now = (np.asarray(f.values, np.float32) for f in (first, last))
        moved = float(np.linalg.norm(now - before) / (np.linalg.norm(before) or 1))
        count = f"{len(now)} filters" if now.ndim == 4 else "weights"
        text = f"{count} of {self.parameter}, shape {tuple(self.shape)}"
        if last.step == first.step:
            return f"{text}, at step {last.step}."
        change = f"{moved:.0%}".replace("%", " %")
        return f"{text}: from step {first.step} to {last.step} they changed by {change}."

    def picture(self) -> Picture:
        """Draw the first and the newest frame and their difference."""
        with self._state_lock:
            first, last = self.snapshots.frames[0], self.snapshots.frames[-1]
        values = (np.asarray(frame.values, np.float32) for frame in (first, last))
        return filters_picture(self.parameter, *values, steps=(first.step, last.step))


def _parameter(model: Any, name: str) -> NDArray[np.float32]:
    parameters = dict(model.named_parameters())
    if name not in parameters:
        raise ValueError(
            f"FilterViewer: `parameter` must be one of {', '.join(parameters)}; got {name!r}."
        )
    return np.array(parameters[name].data, np.float32)


def _step(trainer: Any) -> int:
    """Return the iterations a trainer has done."""
    history = getattr(trainer, "history", None)
    return int(history["step"][-1]) if history is not None and len(history) else 0
