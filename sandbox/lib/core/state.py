"""What a thread is doing right now: its context, its tape, its trace, and the path of modules.

Everything that depends on "now" lives here, per thread, and nothing of it on modules. Kept apart
from `context.py`, `tape.py` and `trace.py` so that these need not import each other.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from ..engine.random import RandomKey

if TYPE_CHECKING:
    from .parameter import Buffer
    from .segments import SegmentedRun
    from .tape import Tape
    from .trace import Trace


class Context:
    """Mode of a computation.

    Parameters
    ----------
    training : bool
        Dropout drops and batch norm uses the batch's own statistics.
    random : RandomKey, optional
        Seed, step and global sample index of dropout masks. Without one, each thread counts steps
        from 0 with seed 0.
    collect : bool
        Keep updates of buffers in `updates` instead of applying them at once; a step of training
        applies them when it is through.

    Attributes
    ----------
    explicit : bool
        Whether somebody asked for this mode with `using(training=...)`; if not, a module's own
        `train()` or `eval()` counts.
    """

    __slots__ = ("_seen", "explicit", "random", "training", "updates")

    def __init__(
        self, training: bool = False, random: RandomKey | None = None, *, collect: bool = False
    ) -> None:
        self.training = training
        self.explicit = False
        self.random = random
        self.updates: dict[Buffer, Any] | None = {} if collect else None
        self._seen: dict[str, int] = {}

    def occurrence(self, path: str) -> str:
        """Return the path, numbered from its second use on (a module used twice in one graph)."""
        if self.random is None:
            return path
        count = self._seen.get(path, 0)
        self._seen[path] = count + 1
        return path if count == 0 else f"{path}#{count}"

    def __repr__(self) -> str:
        return f"Context(training={self.training}, random={self.random})"


class State(threading.local):
    """Per-thread state; read through the one instance `STATE`."""

    def __init__(self) -> None:
        self.context: Context = Context()
        self.tape: Tape | None = None
        self.trace: Trace | None = None
        self.path: list[str] = []
        self.segments: SegmentedRun | None = None


STATE = State()
