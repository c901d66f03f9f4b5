"""Operations that give as many elements as the numbers say: Python runs them, between programs.

A list of operations has fixed shapes, so that none of these can be in one. While a module is
traced they raise a `TraceError`; the part before ends there, what follows begins with what they
gave, and both are programs (see `core.segments`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...engine.operation import Operation
from .. import validate
from ..errors import ShapeError, TraceError
from ..function import Function, TapeEntry, as_operand, function
from ..state import STATE
from ..value import Array, Input, Operand, Value, wrap
from . import arithmetic, comparison
from .cast import cast
from .index import gather_nd, take
from .shape import expand_dims, reshape
from .sort import cum_sum

__all__ = [
    "masked_scatter",
    "masked_select",
    "nms",
    "nms_padded",
    "nonzero",
    "take_first",
    "unique",
]

Gradients = Sequence[Input | None]


class HostStep(Function):
    """A function whose results have sizes that depend on numbers; no gradient goes through.

    Parameters
    ----------
    name : str
    kernel : function of arrays -> tuple of arrays of integers
    """

    __slots__ = ()

    def __init__(self, name: str, kernel: Callable[..., tuple[Array, ...]]) -> None:
        super().__init__(Operation(name, self._refuse, kernel))
        self.gradient(lambda entry, *dys: [None] * len(entry.inputs))

    def _refuse(self, *_: Any, **__: Any) -> Any:
        raise TraceError(
            f"how many elements {self.name} gives depends on numbers: a step of Python, where one "
            "program ends and the next begins"
        )

    def apply(self, inputs: tuple[Operand, ...], attrs: dict[str, Any]) -> tuple[Value, ...]:
        """Run the kernel; in a trace, tell that it cannot be written down."""
        if STATE.trace is not None:
            self._refuse()
        updates = STATE.context.updates
        if updates:
            inputs = tuple([updates.get(x, x) for x in inputs])  # type: ignore[call-overload]
        arrays = self.record.reference(*[x._data for x in inputs])
        outputs = tuple([wrap(np.array(y)) for y in arrays])
        if STATE.tape is not None:
            seen = tuple([x.seen() for x in inputs])
            STATE.tape.entries.append(TapeEntry(self, seen, outputs, attrs, tuple(STATE.path)))
        return outputs


def _unique(x: Array) -> tuple[Array, ...]:
    return np.unique(x.reshape(-1), return_index=True, return_inverse=True, return_counts=True)[1:]


_nonzero = HostStep("nonzero", lambda x: (np.argwhere(x),))
_places = HostStep("unique", _unique)
_up_to = HostStep("take_first", lambda count: (np.arange(int(count)),))


def nonzero(x: Input) -> Value:
    """Return the places of the elements that are not 0, in order.

    Shapes
    ------
    x : any
    output : (how many, axes of x) int64

    Notes
    -----
    Same as PyTorch `nonzero`; ONNX `NonZero`-13 has the axes first.

    Examples
    --------
    >>> nonzero(np.array([[0, 3], [1, 0]])).data
    array([[0, 1],
           [1, 0]])
    """
    return _nonzero.apply((as_operand(x),), {})[0]


def masked_select(x: Input, mask: Input) -> Value:
    """Return the elements of x where the mask is true; their gradients go to their places.

    Shapes
    ------
    x : (n1, ..., nk, ...)
    mask : (n1, ..., nk) of booleans: of all axes, or of the first ones
    output : (how many are true, the other axes of x)

    Notes
    -----
    Same as NumPy `x[mask]`, PyTorch `masked_select` and ONNX `Compress`-11.

    Examples
    --------
    >>> masked_select(np.array([4.0, 5.0, 6.0]), np.array([True, False, True])).data
    array([4., 6.])
    """
    operand, chosen = as_operand(x), _mask(x, mask)
    return gather_nd(operand, nonzero(chosen))


def _mask(x: Input, mask: Input) -> Operand:
    operand, chosen = as_operand(x), as_operand(mask)
    if chosen.dtype != np.bool_:
        raise ShapeError(
            f"mask dtype must be bool; got {chosen.dtype} in shape {chosen.shape}. Compare: x > 0."
        )
    if not chosen.shape or operand.shape[: chosen.ndim] != chosen.shape:
        raise ShapeError(
            f"mask must have the first axes of the input, {operand.shape}; got shape "
            f"{chosen.shape}."
        )
    return chosen


def masked_scatter(x: Input, mask: Input, values: Input) -> Value:
    """Return x with values put where the mask is true, in their order: undoes `masked_select`.

    Its size does not depend on numbers, so it may stand in a program. Of too many values the first
    ones are taken; of too few the last one again.

    Shapes
    ------
    x : (n1, ..., nk, ...)
    mask : (n1, ..., nk) of booleans
    values : (how many are true, the other axes of x)
    output : as x

    Notes
    -----
    Same as PyTorch `masked_scatter`.

    Examples
    --------
    >>> mask = np.array([True, False, True])
    >>> masked_scatter(np.zeros(3), mask, np.array([4.0, 6.0])).data
    array([4., 0., 6.])
    """
    operand, chosen, given = as_operand(x), _mask(x, mask), as_operand(values)
    rest = operand.shape[chosen.ndim :]
    if given.ndim != 1 + len(rest) or given.shape[1:] != rest or not given.shape[0]:
        raise ShapeError(f"values must have shape (how many, {rest}); got {given.shape}.")
    flat = cast(reshape(chosen, (-1,)), "int64")
    places = arithmetic.subtract(cum_sum(flat, 0), 1)
    places = arithmetic.minimum(arithmetic.maximum(places, 0), given.shape[0] - 1)
    spread = reshape(take(given, places, 0), operand.shape)
    wide = expand_dims(chosen, tuple(range(chosen.ndim, operand.ndim))) if rest else chosen
    return comparison.where(wide, spread, operand)


def take_first(x: Input, count: Input) -> Value:
    """Return the first rows of x, as many as a number says that may come from a computation.

    Examples
    --------
    >>> take_first(np.array([7, 8, 9]), np.int64(2)).data
    array([7, 8])
    """
    operand, number = as_operand(x), as_operand(count)
    if not operand.ndim:
        raise ShapeError("input must have an axis; got a scalar.")
    if number.size != 1 or number.dtype.kind not in "iu":
        raise ShapeError(f"count must be one integer; got {number.dtype} of shape {number.shape}.")
    return take(operand, _up_to.apply((reshape(number, ()),), {})[0], 0)


def unique(x: Input) -> tuple[Value, Value, Value, Value]:
    """Return the different elements in order: (values, first places, inverse, counts).

    Shapes
    ------
    x : any
    values : (how many); the gradient of each goes to its first place
    first places, counts : as the values, int64; places in the flat array
    inverse : as x, int64: `values[inverse]` is x

    Notes
    -----
    Same as NumPy and PyTorch `unique`, and ONNX `Unique`-11 without an axis.

    Examples
    --------
    >>> values, first, inverse, counts = unique(np.array([5, 2, 5]))
    >>> values.data, inverse.data, counts.data
    (array([2, 5]), array([1, 0, 1]), array([1, 2]))
    """
    operand = as_operand(x)
    first, inverse, counts = _places.apply((operand,), {})
    values = take(reshape(operand, (-1,)), first, 0)
    return values, first, reshape(inverse, operand.shape), counts


_nms = function("nms")


def nms_padded(
    boxes: Input,
    scores: Input,
    iou_threshold: float = 0.5,
    *,
    max_outputs: int,
    score_threshold: float = -math.inf,
) -> tuple[Value, Value]:
    """Return what `nms` does in a fixed size, for programs: (places, -1 behind the last; count)."""
    first, second = as_operand(boxes), as_operand(scores)
    attrs = {
        "iou_threshold": validate.in_range("iou_threshold", iou_threshold, 0.0, 1.0),
        "score_threshold": validate.number("score_threshold", score_threshold),
        "max_outputs": validate.positive_int("max_outputs", max_outputs),
    }
    places, count = _nms.apply((first, second), attrs)
    return places, count


@_nms.gradient
def _nms_gradient(entry: TapeEntry, *dys: Value | None) -> Gradients:
    return None, None


def nms(
    boxes: Input,
    scores: Input,
    iou_threshold: float = 0.5,
    *,
    max_outputs: int | None = None,
    score_threshold: float = -math.inf,
) -> Value:
    """Return the places of the boxes that overlap no better one (non-maximum suppression).

    Parameters
    ----------
    boxes : (n, 4) floats
        Corners x1, y1, x2, y2.
    scores : (n,) floats
    iou_threshold : float in [0, 1]
        A box is dropped if its intersection over union with a better one is larger.
    max_outputs : int > 0, optional
        At most so many are kept.
    score_threshold : float
        Only boxes of a larger score count.

    Notes
    -----
    Same as TorchVision `nms` and TensorFlow `non_max_suppression`; ONNX `NonMaxSuppression`-11 does
    it for each class. BigDL `Nms` (Scala). Source: Felzenszwalb et al. 2010.

    Examples
    --------
    >>> boxes = np.float32([[0, 0, 2, 2], [0, 0, 2, 1.9], [5, 5, 6, 6]])
    >>> nms(boxes, np.float32([0.8, 0.9, 0.7])).data
    array([1, 2])
    """
    if max_outputs is None:
        max_outputs = max(as_operand(scores).size, 1)
    places, count = nms_padded(
        boxes, scores, iou_threshold, max_outputs=max_outputs, score_threshold=score_threshold
    )
    return take_first(places, count)
