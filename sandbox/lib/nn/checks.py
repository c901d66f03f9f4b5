"""Checks of inputs that the layers share: one wording, with the axis, the value and the cure."""

from __future__ import annotations

import math
from typing import Any

from ..core import ops
from ..core.errors import ShapeError
from ..core.validate import integer, refuse


def check_rank(x: Any, layout: str, *ranks: int, cure: str = "") -> None:
    """Refuse a value whose number of axes is not among `ranks`.

    Parameters
    ----------
    x : value
        The input.
    layout : str
        What the axes mean: "(batch, channels, height, width)".
    ranks : int
        Legal numbers of axes.
    cure : str
        What to do about it.
    """
    if len(x.shape) not in ranks:
        wanted = " or ".join(str(rank) for rank in ranks)
        raise ShapeError(
            f"input must have {wanted} axes {layout}; got {len(x.shape)} in shape {x.shape}."
            + (f" {cure}" if cure else "")
        )


def check_axis(x: Any, axis: int, size: int, meaning: str, cure: str = "") -> None:
    """Refuse a value whose `axis` has not `size` elements."""
    if x.shape[axis] != size:
        raise ShapeError(
            f"input axis {axis % len(x.shape)} must be {size} ({meaning}); got {x.shape[axis]} "
            f"in shape {x.shape}." + (f" {cure}" if cure else "")
        )


def check_features(x: Any, size: int, meaning: str = "in_features") -> None:
    """Refuse a value that is not (batch, ..., size), features last."""
    if len(x.shape) < 2:
        cure = "Is the batch axis missing?"
        raise ShapeError(
            f"input must have 2 axes (batch, {meaning}) or more; got {len(x.shape)} in shape "
            f"{x.shape}. {cure}"
        )
    flat = len(x.shape) > 2 and math.prod(x.shape[1:]) == size
    check_axis(x, -1, size, meaning, "Put a Flatten() before it." if flat else "")


def check_inner_axis(x: Any, axis: int) -> int:
    """Refuse a value that has no such axis behind the batch axis; give it counted from 0."""
    rank = len(x.shape)
    if not -rank < axis < rank:
        raise ShapeError(
            f"input must have an axis {axis} (axis) behind the batch axis; got {rank} axes in "
            f"shape {x.shape}."
        )
    return axis % rank


def inner_axis(value: Any) -> int:
    """Refuse an argument `axis` that is no int, or the batch axis."""
    axis = integer("axis", value)
    if axis == 0:
        raise refuse("axis", "another axis than 0 (the batch axis)", value)
    return axis


def floating(x: Any, like: Any = None) -> Any:
    """Give a value as floats: integers and booleans count as numbers wherever a layer multiplies.

    Parameters
    ----------
    x : value
        The input.
    like : Parameter, optional
        Whose dtype they take; float32 without one, as data sets make of them.
    """
    if str(x.dtype) in ("float32", "float64"):
        return x
    return ops.cast(x, "float32" if like is None else like.dtype)


def check_integers(ids: Any) -> None:
    """Refuse ids that are no integers."""
    if str(ids.dtype)[:3] not in ("int", "uin"):
        raise ShapeError(
            f"input must be integer ids; got {ids.dtype} in shape {ids.shape}. "
            "Turn it with x.astype('int64'); a data set keeps ids with dtype=None."
        )


def check_window(x: Any, kernel: tuple[int, ...], padding: Any, dilation: tuple[int, ...]) -> None:
    """Refuse an image or series that is smaller than the window that slides over it."""
    for axis, (k, (before, after), d) in enumerate(
        zip(kernel, padding, dilation, strict=True), start=2
    ):
        reach = (k - 1) * d + 1
        if x.shape[axis] + before + after < reach:
            raise ShapeError(
                f"input axis {axis} must be >= {reach - before - after} (the window covers {reach}"
                f" with padding {before + after}); got {x.shape[axis]} in shape {x.shape}. "
                "Use a smaller kernel_size or more padding."
            )


def window_text(size: tuple[int, ...]) -> str:
    """Write (5, 3) as 5x3."""
    return "x".join(map(str, size))
