"""Channels that become pixels, pixels that become channels, channels in another order."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ...core import ops
from ...core.errors import ShapeError
from ...core.validate import positive_int
from ..case import Case
from ..checks import check_rank
from ..convolution.base import LAYOUTS
from ..module import Module
from ..registry import register


def _divided(x: Any, axis: int, by: int, what: str) -> int:
    """Give how often `by` goes into an axis; refuse what is left over."""
    size = int(x.shape[axis])
    if size % by:
        raise ShapeError(
            f"input axis {axis} must be a multiple of {by} ({what}); got {size} in shape {x.shape}."
        )
    return size // by


@register("nn.PixelShuffle")
class PixelShuffle(Module):
    """Make images larger: of each r·r channels one channel of r times the height and width.

    y[n, c, i·r + u, j·r + v] = x[n, c·r·r + u·r + v, i, j]

    Parameters
    ----------
    factor : int > 0
        r, how many times as high and wide.

    Shapes
    ------
    input : (batch, channels·r·r, height, width) of any dtype
    output : (batch, channels, height·r, width·r)

    Raises
    ------
    ArgumentError : the factor is not positive.
    ShapeError : in `call`, the input has not four axes, or its channels are no multiple of r·r.

    Notes
    -----
    Same as PyTorch `PixelShuffle` and ONNX `DepthToSpace`-13 (mode CRD). Source: Shi et al. 2016.

    Examples
    --------
    >>> import numpy as np
    >>> PixelShuffle(2)(np.arange(4, dtype="f4").reshape(1, 4, 1, 1))
    array([[[[0., 1.],
             [2., 3.]]]], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: PixelShuffle(2),
            inputs=((2, 8, 2, 3),),
            output=(2, 2, 4, 6),
            wrong=((2, 6, 2, 3), (2, 8, 2)),
            wrong_axis=1,
            sizes=("2",),
        ),
    )

    def __init__(self, factor: int, *, name: str | None = None) -> None:
        super().__init__(name=name)
        self.factor = positive_int("factor", factor)

    def call(self, x: Any) -> Any:
        """Let channels become pixels."""
        check_rank(x, LAYOUTS[2], 4)
        r = self.factor
        channels = _divided(x, 1, r * r, "factor · factor")
        rows, _, height, width = x.shape
        parts = ops.reshape(x, (rows, channels, r, r, height, width))
        turned = ops.transpose(parts, (0, 1, 4, 2, 5, 3))
        return ops.reshape(turned, (rows, channels, height * r, width * r))

    def extra(self) -> str:
        """Give the factor."""
        return str(self.factor)


@register("nn.PixelUnshuffle")
class PixelUnshuffle(Module):
    """Make images smaller: of each channel r·r channels of a part of the height and width.

    y[n, c·r·r + u·r + v, i, j] = x[n, c, i·r + u, j·r + v]

    Parameters
    ----------
    factor : int > 0
        r, how many times as high and wide the input is.

    Shapes
    ------
    input : (batch, channels, height·r, width·r) of any dtype
    output : (batch, channels·r·r, height, width)

    Raises
    ------
    ArgumentError : the factor is not positive.
    ShapeError : in `call`, the input has not four axes, or its sizes are no multiples of r.

    Notes
    -----
    Same as PyTorch `PixelUnshuffle`. Like ONNX `SpaceToDepth`-13, which has the channels of one
    place in a window side by side. Undoes `PixelShuffle`.

    Examples
    --------
    >>> import numpy as np
    >>> PixelUnshuffle(2)(np.arange(4, dtype="f4").reshape(1, 1, 2, 2))[0, :, 0, 0]
    array([0., 1., 2., 3.], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: PixelUnshuffle(2),
            inputs=((2, 3, 4, 2),),
            output=(2, 12, 2, 1),
            wrong=((2, 3, 3, 2), (2, 3, 4)),
            wrong_axis=2,
            sizes=("2",),
        ),
    )

    def __init__(self, factor: int, *, name: str | None = None) -> None:
        super().__init__(name=name)
        self.factor = positive_int("factor", factor)

    def call(self, x: Any) -> Any:
        """Let pixels become channels."""
        check_rank(x, LAYOUTS[2], 4)
        r = self.factor
        height, width = (_divided(x, axis, r, "factor") for axis in (2, 3))
        rows, channels = x.shape[:2]
        parts = ops.reshape(x, (rows, channels, height, r, width, r))
        turned = ops.transpose(parts, (0, 1, 3, 5, 2, 4))
        return ops.reshape(turned, (rows, channels * r * r, height, width))

    def extra(self) -> str:
        """Give the factor."""
        return str(self.factor)


@register("nn.ChannelShuffle")
class ChannelShuffle(Module):
    """Deal the channels of groups out: the first one of each group, then the second ones.

    y[n, k·groups + g] = x[n, g·(channels/groups) + k]

    Parameters
    ----------
    groups : int > 0
        Parts the channels are cut in.

    Shapes
    ------
    input : (batch, channels, ...) of any dtype
    output : like the input

    Raises
    ------
    ArgumentError : `groups` is not positive.
    ShapeError : in `call`, the input has not three to five axes, or `groups` does not divide its
        channels.

    Notes
    -----
    Same as PyTorch `ChannelShuffle`. Source: Zhang et al. 2018 (ShuffleNet).

    Examples
    --------
    >>> import numpy as np
    >>> ChannelShuffle(2)(np.arange(6, dtype="f4").reshape(1, 6, 1, 1)).ravel()
    array([0., 3., 1., 4., 2., 5.], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: ChannelShuffle(3),
            inputs=((2, 6, 2, 3),),
            output=(2, 6, 2, 3),
            wrong=((2, 4, 2, 3), (2, 6)),
            wrong_axis=1,
            sizes=("3",),
        ),
    )

    def __init__(self, groups: int, *, name: str | None = None) -> None:
        super().__init__(name=name)
        self.groups = positive_int("groups", groups)

    def call(self, x: Any) -> Any:
        """Deal the channels out."""
        check_rank(x, "(batch, channels, one to three axes)", 3, 4, 5)
        each = _divided(x, 1, self.groups, "groups")
        order = np.arange(x.shape[1]).reshape(self.groups, each).T.ravel()
        return ops.take(x, order, 1)

    def extra(self) -> str:
        """Give the number of groups."""
        return str(self.groups)
