"""Connectionist temporal classification: the likelihood of a sequence of labels without places.

Graves et al. 2006. Everything is in logarithms and double precision. A row's labels are laid out
with blanks before, between and behind: 2L + 1 states, through which time goes from left to right.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ShapeError
from ..operation import Range, register
from ..oplist import Spec
from ..steps import Array
from .ranges import check_ids
from .rules import floating, ndim
from .softmax import log_softmax

_NEVER = -1e30  # the logarithm of what cannot be; finite


def _infer(logits: Spec, labels: Spec, steps: Spec, *, blank: int) -> tuple[Spec, ...]:
    floating(logits)
    ndim(logits, 3, "(batch, time, classes)")
    rows, time, classes = logits.shape
    for name, given, shape in (
        ("labels", labels, (rows, *labels.shape[1:2])),
        ("steps", steps, (rows,)),
    ):
        wanted = "(rows, labels)" if name == "labels" else "(rows,)"
        ranks = 2 if name == "labels" else 1
        if len(given.shape) != ranks or given.shape != shape or given.dtype[:3] not in _WHOLE:
            raise ShapeError(
                f"{name} must be integers in shape {wanted} with {rows} rows; got {given.dtype} in "
                f"shape {given.shape}."
            )
    if not 0 <= blank < classes or not time:
        raise ShapeError(
            f"blank must be one of {classes} classes, and time at least 1; got {blank} and {time} "
            "steps."
        )
    return Spec((rows,), logits.dtype), logits


_WHOLE = ("int", "uin")


def ctc(logits: Array, labels: Array, steps: Array, *, blank: int) -> tuple[Array, Array]:
    """Return -log p(labels) of each row and its gradient by the logits.

    A row whose labels do not fit into its steps gives infinity, and no gradient.
    """
    rows, time, classes = logits.shape
    logs = log_softmax(logits.astype(np.float64), axis=2)
    states, count, jumps = _states(labels.astype(np.int64), blank)
    # Time first: a step is one block of memory.
    seen = np.maximum(logs[np.arange(rows)[:, None], :, states].transpose(2, 0, 1), _NEVER)
    barred = np.where(jumps, 0.0, _NEVER)
    forth, total = _forward(seen, count, barred, steps)
    back = _backward(seen, count, barred, steps)
    possible = ~(total < _NEVER / 2)  # NaN is for the one who looks at the loss
    shares = np.exp(forth + back - np.where(possible, total, 0.0)[:, None])
    onehot = (states[:, :, None] == np.arange(classes)).astype(np.float64)
    inside = (np.arange(time) < steps[:, None]) & possible[:, None]
    gradient = np.exp(logs) - shares.transpose(1, 0, 2) @ onehot
    gradient = np.where(inside[:, :, None], gradient, 0.0)
    losses = np.where(possible, -total, np.inf)
    return losses.astype(logits.dtype), gradient.astype(logits.dtype, copy=False)


def _states(labels: Array, blank: int) -> tuple[Array, Array, Array]:
    """Return each row's states, their number, and which may be reached past the blank before."""
    rows, length = labels.shape
    filled = labels == blank
    lengths = np.where(filled.any(axis=1), filled.argmax(axis=1), length)
    states = np.full((rows, 2 * length + 1), blank)
    states[:, 1::2] = labels
    jumps = np.zeros(states.shape, bool)
    jumps[:, 3::2] = labels[:, 1:] != labels[:, :-1]
    return states, 2 * lengths + 1, jumps


def _forward(seen: Array, count: Array, barred: Array, steps: Array) -> tuple[Array, Array]:
    """Return log p(labels up to a state, up to a time), and log p(all labels)."""
    time, rows, width = seen.shape
    found = np.empty(seen.shape)
    total = np.full(rows, _NEVER)
    padded = np.full((rows, width + 2), _NEVER)  # two states before the first that are never
    padded[:, 2 : min(width, 2) + 2] = seen[0, :, :2]
    now = padded[:, 2:]
    for t in range(time):
        if t:
            now[:] = _added(now, padded[:, 1:-1], padded[:, :-2] + barred) + seen[t]
        found[t] = now
        last = np.flatnonzero(steps == t + 1)
        if last.size:
            ends, before = padded[last, count[last] + 1], padded[last, count[last]]
            total[last] = np.logaddexp(ends, before)
    return found, total


def _backward(seen: Array, count: Array, barred: Array, steps: Array) -> Array:
    """Return log p(the labels behind a state, after a time)."""
    time, rows, width = seen.shape
    found = np.empty(seen.shape)
    behind = count[:, None] - np.arange(width)
    ends = np.where((behind == 1) | (behind == 2), 0.0, _NEVER)
    padded = np.full((rows, width + 2), _NEVER)
    ahead = padded[:, :-2]
    barred = np.pad(barred, ((0, 0), (0, 2)), constant_values=_NEVER)[:, 2:]
    now = np.full((rows, width), _NEVER)
    for t in range(time - 1, -1, -1):
        if t + 1 < time:
            ahead[:] = now + seen[t + 1]
            now = _added(ahead, padded[:, 1:-1], padded[:, 2:] + barred)
        last = steps == t + 1
        if last.any():
            now = np.where(last[:, None], ends, now)
        found[t] = now
    return found


def _added(a: Array, b: Array, c: Array) -> Array:
    """Return log(e^a + e^b + e^c); nothing is -infinity here, so that no difference is NaN."""
    top = np.maximum(np.maximum(a, b), c)
    added: Array = top + np.log(np.exp(a - top) + np.exp(b - top) + np.exp(c - top))
    return added


def _classes(logits: Array, *rest: Any, **attrs: Any) -> int:
    return int(logits.shape[2])


register("ctc", infer=_infer, reference=ctc, ranges=(Range(1, check_ids, _classes),))
