"""What all widgets that watch a trainer share: the feed, the saved picture, the page."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import anywidget
import traitlets
from IPython.core.interactiveshell import InteractiveShell
from IPython.display import display, update_display

from .assets import page, read
from .feed import EventFeed
from .picture import Picture
from .state import ENDED

__all__ = ["LiveWidget"]


class LiveWidget(anywidget.AnyWidget):
    """A view of a run: events come in on any thread, traits go out at most ten times a second.

    A subclass keeps its state in `take`, writes its traits in `publish`, draws itself in
    `picture`, and answers the reader's buttons in `command`. Traits are only written by the
    kernel; what the browser wants comes as messages, which may arrive on two different threads.
    """

    _css = read("widgets.css")
    summary = traitlets.Unicode().tag(sync=True)
    identity = traitlets.Unicode(help="By which its view finds it.").tag(sync=True)
    _unsubscribe: Callable[[], None] | None = None
    live = traitlets.Bool(False, help="Whether a trainer listens to the buttons.").tag(sync=True)

    def __init__(self, *, interval: float = 0.1) -> None:
        super().__init__()
        self.identity = self.model_id or ""
        self._state_lock = threading.RLock()
        self._feed = EventFeed(self._handle, interval=interval)
        self._display_id = f"sandbox-{self.model_id}"
        self._shown = False
        self.on_msg(self._on_message)
        _answer_beside_cells(self.comm)

    # Events in -----------------------------------------------------------------------------------

    def follow(self, trainer: Any, wanted: Callable[[Mapping[str, Any]], Any]) -> None:
        """Subscribe to a trainer; `wanted(event)` returns what to queue, or None to pass over."""

        def put(event: Mapping[str, Any]) -> None:
            if (kept := wanted(event)) is not None:
                self._feed.put(kept)

        self._unsubscribe = trainer.subscribe(put)
        self.live = True

    def _handle(self, events: list[Mapping[str, Any]]) -> None:
        with self._state_lock:
            self.take(events)
            with self.hold_sync():
                self.publish()
        if any(e.get("type") == "state" and e.get("state") in ENDED for e in events):
            self.refresh_picture()

    def flush(self, timeout: float = 5.0) -> bool:
        """Wait until all events so far are shown; tell whether they are."""
        return self._feed.flush(timeout)

    def take(self, events: list[Mapping[str, Any]]) -> None:
        """Reduce events into the state."""
        raise NotImplementedError

    def publish(self) -> None:
        """Write the state into the synced traits."""
        raise NotImplementedError

    def close(self) -> None:
        """Stop watching and remove the widget from the page."""
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None
        super().close()

    # Buttons -------------------------------------------------------------------------------------

    def _on_message(self, _: Any, content: Any, buffers: Any) -> None:
        """Answer a message of the browser; errors go back to the reader, not to a log."""
        try:
            text = self.command(dict(content))
            reply = {"type": "reply", "ok": True, "text": text or ""}
        except Exception as error:
            reply = {"type": "reply", "ok": False, "text": str(error) or type(error).__name__}
        self.send(reply)

    def command(self, message: dict[str, Any]) -> str:
        """Do what a button asks for and return a line for its reader."""
        raise ValueError(f"this widget has no command {message.get('type')!r}")

    # Pictures and pages --------------------------------------------------------------------------

    def picture(self) -> Picture:
        """Draw the state as a static picture."""
        raise NotImplementedError

    def _bundle(self) -> tuple[dict[str, Any], dict[str, Any]]:
        made = super()._repr_mimebundle_()
        data, metadata = made if isinstance(made, tuple) else (made or {}, {})
        picture = self.picture()
        fallback = {
            "image/png": base64.b64encode(picture.png).decode("ascii"),
            "text/plain": picture.text,
        }
        return {**data, **fallback}, {**metadata, "image/png": picture.size}

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the live view together with the picture that a saved notebook shows."""
        return self._bundle()

    def _ipython_display_(self) -> None:
        data, metadata = self._bundle()
        self._shown = True
        display(data, metadata=metadata, raw=True, display_id=self._display_id)

    def refresh_picture(self) -> None:
        """Replace the saved picture in every output that shows this widget."""
        if self._shown and InteractiveShell.initialized():
            data, metadata = self._bundle()
            update_display(data, metadata=metadata, raw=True, display_id=self._display_id)

    def to_html(self, path: str | Path | None = None) -> str:
        """Return (and write to `path`) a page that shows this state by itself, for handouts."""
        with self._state_lock:
            keys = [k for k, t in self.traits(sync=True).items() if not k.startswith("_")]
            state = {
                k: getattr(self, k) for k in keys if k not in ("layout", "tabbable", "tooltip")
            }
            state["live"] = False
            text = page(type(self).__name__, str(self._esm), str(self._css), state, self.summary)
        if path is not None:
            Path(path).write_text(text, encoding="utf-8")
        return text


def _answer_beside_cells(comm: Any) -> None:
    """Let messages go to the subshell the browser asks for, so that buttons work in busy times.

    ipykernel 7.4 sends a comm's messages to the loop that used the comm last: to the main one for a
    widget made in a cell, and there they wait for the running cell. Our handlers take any thread.
    """
    if hasattr(comm, "_reply_subshell_for"):
        comm._reply_subshell_for = lambda data, asked: asked
