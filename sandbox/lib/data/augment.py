"""Random changes of training images that follow the global position of a row, not the rank.

The draws are those of dropout masks (`engine.random`): Philox keyed by seed, name and step, and
advanced to the row's position in the global batch. Without a random key rows stay as they are.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import validate
from ..core.errors import DataError
from ..engine import names as _names
from ..engine.random import raw_draws
from .transforms import Array, Transform, into


class RandomShift(Transform):
    """Move each image by up to `pixels` in both directions; what comes in from outside is 0.

    Parameters
    ----------
    pixels : int > 0
        Largest shift; every whole shift from -pixels to pixels is equally likely.
    name : str
        Names the stream of draws; two shifts in one chain need two names.

    Examples
    --------
    >>> from sandbox.lib.core.random import RandomKey
    >>> images = np.ones((2, 3, 3), "u1")
    >>> RandomShift(1)(images, random=RandomKey(seed=0)).shape
    (2, 3, 3)
    """

    needs_random = True

    def __init__(self, pixels: int, *, name: str = "shift") -> None:
        self.pixels = validate.positive_int("pixels", pixels)
        self.name = name

    def call(self, x: Array, *, out: Array | None = None, random: Any = None) -> Array:
        """Return the moved images."""
        if random is None:
            return into(x, out)
        _check_images(self, x)
        reach, (height, width) = self.pixels, x.shape[-2:]
        padded = np.pad(x, [(0, 0)] * (x.ndim - 2) + [(reach, reach)] * 2)
        # 0 .. 2 pixels: the high half of draw x range, without the modulo's bias
        draws = raw_draws((len(x), 2), f"data.{self.name}", random).astype(np.uint64)
        start = ((draws * np.uint64(2 * reach + 1)) >> np.uint64(32)).astype(np.intp)
        down = start[:, :1] + np.arange(height)
        along = start[:, 1:] + np.arange(width)
        middle = [1] * (x.ndim - 3)
        place = np.arange(len(x)).reshape(-1, *middle, 1, 1)
        between = [
            np.arange(n).reshape(-1, *[1] * (x.ndim - 2 - axis))
            for axis, n in enumerate(x.shape[1:-2])
        ]
        rows = down.reshape(-1, *middle, height, 1)
        columns = along.reshape(-1, *middle, 1, width)
        return into(padded[(place, *between, rows, columns)], out)

    def __repr__(self) -> str:
        return f"RandomShift({self.pixels})"


class RandomFlip(Transform):
    """Mirror each image left to right with probability 1/2.

    Parameters
    ----------
    name : str
        Names the stream of draws.
    """

    needs_random = True

    def __init__(self, *, name: str = "flip") -> None:
        self.name = name

    def call(self, x: Array, *, out: Array | None = None, random: Any = None) -> Array:
        """Return the images, some of them mirrored."""
        if random is None:
            return into(x, out)
        _check_images(self, x)
        chosen = raw_draws((len(x),), f"data.{self.name}", random) >= np.uint32(1 << 31)
        if out is None:
            out = x.copy()
        else:
            np.copyto(out, x, casting="unsafe")
        out[chosen] = x[chosen][..., ::-1]
        return out

    def __repr__(self) -> str:
        return "RandomFlip()"


def _check_images(owner: Transform, x: Array) -> None:
    if x.ndim < 3:
        raise DataError(
            f"{type(owner).__name__}: rows must be images (..., height, width); got shape"
            f" {x.shape}."
        )


_names.suggest(__name__)
