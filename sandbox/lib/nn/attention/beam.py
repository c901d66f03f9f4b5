"""Beam search: the likeliest sequences of a model that tells one word after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...core import ops, tree
from ...core.errors import ShapeError
from ...core.function import as_value
from ...core.validate import function, non_negative, non_negative_int, positive_int

_NEVER = -1e9  # the logarithm of a chance: of what cannot be


def beam_search(
    step: Callable[[Any, Any, Any], tuple[Any, Any]],
    state: Any,
    rows: int,
    steps: int,
    *,
    begin: int,
    end: int,
    beams: int = 4,
    alpha: float = 0.6,
) -> tuple[Any, Any]:
    """Find the likeliest sequences, going on with some candidates at once.

    score = log P(words) / ((5 + length) / 6)^alpha

    At each step the `beams` best unfinished sequences are continued by all words. Those that end
    are kept apart, the best `beams` of them by score.

    Parameters
    ----------
    step : function of (words, state, place) -> (logits, state)
        Tells the scores of the next words: words is (rows · beams,) integers, place the number of
        the step as a value of shape (), logits (rows · beams, vocabulary). It is traced once.
    state : tree of arrays or values, (rows, ...) each
        What the model knows before the first step; each row's is repeated for its beams.
    rows : int > 0
        Sequences to find at once.
    steps : int > 0
        Longest sequence, without the mark of the beginning.
    begin, end : int >= 0
        The marks of the beginning and of the end.
    beams : int > 0
        Candidates of each row.
    alpha : float >= 0
        How much longer sequences are favoured; 0: not at all.

    Returns
    -------
    words : (rows, beams, steps) integers, best first; behind the mark of the end there are zeros
    scores : (rows, beams) float32

    Raises
    ------
    ArgumentError : a number is out of range.
    ShapeError : a state has other rows, or logits another shape.

    Notes
    -----
    Like BigDL `SequenceBeamSearch` (0.13), `ExpandSize` for its state included. Sequences that have
    not ended after `steps` come behind all that have. Source: Wu et al. 2016, equation 14, without
    the coverage penalty.

    Examples
    --------
    Words of a chain: 1 begins, 2 is likely, then 0 (the end):

    >>> chances = np.log(np.array([[1, 1, 1], [1, 1, 8], [8, 1, 1]], "f4") / 10)
    >>> def step(words, state, place):
    ...     return ops.embedding(words, chances), state
    >>> words, scores = beam_search(step, (), 1, 3, begin=1, end=0, beams=2, alpha=0.0)
    >>> words.data[0].tolist(), np.exp(scores.data[0]).round(2)
    ([[2, 0, 0], [0, 0, 0]], array([0.64, 0.1 ], dtype=float32))
    """
    function("step", step)
    rows, steps = positive_int("rows", rows), positive_int("steps", steps)
    begin, end = non_negative_int("begin", begin), non_negative_int("end", end)
    beams, alpha = positive_int("beams", beams), non_negative("alpha", alpha)

    def repeated(x: Any) -> Any:
        x = as_value(x)
        if not x.shape or x.shape[0] != rows:
            raise ShapeError(f"state axis 0 must be {rows} (rows); got shape {x.shape}.")
        return ops.repeat(x, beams, 0)

    # The first step must not see `beams` times the same: all but one of them are impossible.
    first = np.full((rows, beams), _NEVER, np.float32)
    first[:, 0] = 0
    nothing = np.zeros((rows, beams, steps), np.int64)
    alive = np.full((rows, beams), begin), nothing, first
    ended = nothing, np.full((rows, beams), _NEVER, np.float32)
    places = np.arange(steps)

    def body(carry: Any, place: Any) -> tuple[Any, None]:
        (last, words, chances), (done, scores), state = carry
        logits, state = step(ops.reshape(last, (rows * beams,)), state, place)
        if len(logits.shape) != 2 or logits.shape[0] != rows * beams:
            raise ShapeError(
                f"logits must have the shape ({rows * beams}, vocabulary); got {logits.shape}."
            )
        size = logits.shape[1]
        told = ops.reshape(ops.log_softmax(logits, 1), (rows, beams, size))
        total = ops.reshape(ops.add(told, ops.expand_dims(chances, 2)), (rows, beams * size))
        # Twice as many: at most one continuation of each beam is the end.
        best, places_of = ops.top_k(total, min(2 * beams, beams * size), axis=1)
        source, word = ops.floor_divide(places_of, size), ops.remainder(places_of, size)
        now = ops.reshape(ops.equal(places, place), (1, 1, steps))
        longer = ops.where(now, ops.expand_dims(word, 2), _of(words, source))
        over = ops.equal(word, end)
        penalty = ops.power(ops.divide(ops.add(ops.cast(place, "float32"), 6.0), 6.0), -alpha)
        ending = ops.where(over, ops.multiply(best, penalty), 2 * _NEVER)
        scores, chosen = ops.top_k(ops.concat([scores, ending], 1), beams, axis=1)
        done = _of(ops.concat([done, longer], 1), chosen)
        chances, chosen = ops.top_k(ops.where(over, 2 * _NEVER, best), beams, axis=1)
        words, source, last = (_of(x, chosen) for x in (longer, source, word))
        flat = ops.reshape(ops.add(source, beams * np.arange(rows)[:, None]), (rows * beams,))
        state = tree.map(lambda x: ops.take(x, flat, 0), state)
        return ((last, words, chances), (done, scores), state), None

    start = alive, ended, tree.map(repeated, state)
    (_, words, chances), (done, scores), _ = ops.scan(body, start, places)[0]
    # Both are sorted: those that have ended come first, then the others.
    count = ops.sum(ops.cast(ops.greater(scores, _NEVER / 2), "int64"), 1, keepdims=True)
    place = np.arange(beams)[None]
    chosen = ops.where(ops.less(place, count), place, ops.subtract(place + beams, count))
    scores = ops.concat([scores, ops.multiply(chances, ((5 + steps) / 6) ** -alpha)], 1)
    return _of(ops.concat([done, words], 1), chosen), _of(scores, chosen)


def _of(x: Any, chosen: Any) -> Any:
    """Return the chosen candidates of each row."""
    index = chosen
    for size in x.shape[2:]:
        index = ops.repeat(ops.expand_dims(index, index.ndim), size, index.ndim)
    return ops.gather(x, index, 1)
