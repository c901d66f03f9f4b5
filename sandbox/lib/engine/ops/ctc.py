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

_NEVER = -np.inf


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
    return Spec((), logits.dtype), logits


_WHOLE = ("int", "uin")


def ctc(logits: Array, labels: Array, steps: Array, *, blank: int) -> tuple[Array, Array]:
    """Return the sum of -log p(labels) and its gradient by the logits.

    A row whose labels do not fit into its steps gives infinity, and no gradient.
    """
    rows, time, classes = logits.shape
    logs = log_softmax(logits.astype(np.float64), axis=2)
    states, count, jumps = _states(labels.astype(np.int64), blank)
    seen = np.take_along_axis(
        logs, np.broadcast_to(states[:, None], (rows, time, states.shape[1])), 2
    )
    forth, total = _forward(seen, count, jumps, steps)
    back = _backward(seen, count, jumps, steps)
    with np.errstate(invalid="ignore"):
        shares = np.exp(forth + back - total[:, None, None])
    shares[~np.isfinite(total)] = 0.0
    onehot = (states[:, :, None] == np.arange(classes)).astype(np.float64)
    inside = np.arange(time) < steps[:, None]
    inside &= np.isfinite(total)[:, None]
    gradient = np.where(inside[:, :, None], np.exp(logs) - shares @ onehot, 0.0)
    loss = np.asarray(-total.sum() if rows else 0.0, logits.dtype)
    return loss, gradient.astype(logits.dtype, copy=False)


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


def _forward(seen: Array, count: Array, jumps: Array, steps: Array) -> tuple[Array, Array]:
    """Return log p(labels up to a state, up to a time), and log p(all labels)."""
    rows, time, width = seen.shape
    found = np.full(seen.shape, _NEVER)
    now = np.full((rows, width), _NEVER)
    now[:, :2] = seen[:, 0, :2]
    total = np.full(rows, _NEVER)
    for t in range(time):
        if t:
            one, two = _shifted(now, 1), np.where(jumps, _shifted(now, 2), _NEVER)
            now = np.logaddexp(np.logaddexp(now, one), two) + seen[:, t]
        found[:, t] = now
        last = np.flatnonzero(steps == t + 1)
        ends = now[last, count[last] - 1]
        before = np.where(count[last] > 1, now[last, np.maximum(count[last] - 2, 0)], _NEVER)
        total[last] = np.logaddexp(ends, before)
    return found, total


def _backward(seen: Array, count: Array, jumps: Array, steps: Array) -> Array:
    """Return log p(the labels behind a state, after a time)."""
    rows, time, width = seen.shape
    found = np.full(seen.shape, _NEVER)
    place = np.arange(width)
    ends = (place == count[:, None] - 1) | (place == count[:, None] - 2)
    now = np.full((rows, width), _NEVER)
    for t in range(time - 1, -1, -1):
        if t + 1 < time:
            ahead = now + seen[:, t + 1]
            two = _shifted(np.where(jumps, ahead, _NEVER), -2)
            now = np.logaddexp(np.logaddexp(ahead, _shifted(ahead, -1)), two)
        now = np.where((steps == t + 1)[:, None], np.where(ends, 0.0, _NEVER), now)
        found[:, t] = now
    return found


def _shifted(x: Array, places: int) -> Array:
    """Return x moved to the right, or to the left, along the states."""
    moved = np.full_like(x, _NEVER)
    if places > 0:
        moved[:, places:] = x[:, :-places]
    else:
        moved[:, :places] = x[:, -places:]
    return moved


def _classes(logits: Array, *rest: Any, **attrs: Any) -> int:
    return int(logits.shape[2])


register("ctc", infer=_infer, reference=ctc, ranges=(Range(1, check_ids, _classes),))
