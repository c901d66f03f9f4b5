"""The mode a computation runs in: training or not, and where its random numbers come from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

from ..engine.random import RandomKey
from . import validate
from .state import STATE, Context


def context() -> Context:
    """Return this thread's current context."""
    return STATE.context


class using:  # noqa: N801 - reads as a word: `with using(training=True):`
    """Make a context current for a `with` block, in this thread.

    `using(training=False)` asks for predictions whatever a module's `train()` said, and
    `using(training=True)` for training calls whatever its `eval()` said.

    Parameters
    ----------
    training, random, collect
        As for `Context`; what is not given stays as it is.

    Examples
    --------
    >>> with using(training=True):
    ...     context().training
    True
    >>> context().training
    False
    """

    __slots__ = ("_before", "_new")

    def __init__(
        self,
        training: bool | None = None,
        random: RandomKey | None = None,
        *,
        collect: bool = False,
    ) -> None:
        if training is not None:
            validate.boolean("training", training)
        if random is not None:
            validate.instance("random", random, RandomKey)
        validate.boolean("collect", collect)
        now = STATE.context
        self._new = Context(
            now.training if training is None else training,
            now.random if random is None else random,
            collect=collect,
        )
        self._new.explicit = now.explicit or training is not None
        if random is None and not collect:
            self._new.updates = now.updates
            self._new._seen = now._seen

    def __enter__(self) -> Context:
        self._before = STATE.context
        STATE.context = self._new
        return self._new

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        STATE.context = self._before


@contextmanager
def scope(name: str) -> Iterator[None]:
    """Run a block as part of the module called `name`: it becomes part of `path()`."""
    path_names = STATE.path
    path_names.append(name)
    try:
        yield
    finally:
        path_names.pop()


def enter_scope(name: str) -> None:
    """Push a module's name; the quick form of `scope`. Always pair it with `leave_scope`."""
    STATE.path.append(name)


def leave_scope() -> None:
    """Pop the name that `enter_scope` pushed."""
    STATE.path.pop()


def path() -> str:
    """Return the dotted path of the module that is running ("features.conv1"), "" at the root."""
    return ".".join(STATE.path)
