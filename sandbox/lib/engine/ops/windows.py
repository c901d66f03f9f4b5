"""Windows over images, as views: what NumPy's convolutions and poolings are made of.

Images have one to three axes behind batch and channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .rules import window_length

Array = NDArray[Any]
Sizes = tuple[int, ...]  # one for each axis of the images
Pair = tuple[int, int]
Pads = tuple[Pair, ...]


def pad_images(x: Array, padding: Pads, fill: float = 0.0) -> Array:
    """Return images with a border; the input itself if there is none."""
    if not any(map(any, padding)):
        return x
    return np.pad(x, ((0, 0), (0, 0), *padding), constant_values=fill)


def windows(x: Array, kernel: Sizes, stride: Sizes, dilation: Sizes | None = None) -> Array:
    """Return a view (N, C, *places, *kernel) of padded images."""
    steps = dilation or (1,) * len(kernel)
    places = [
        window_length(size, k, s, (0, 0), d)
        for size, k, s, d in zip(x.shape[2:], kernel, stride, steps, strict=True)
    ]
    spatial = x.strides[2:]
    return np.lib.stride_tricks.as_strided(
        x,
        (*x.shape[:2], *places, *kernel),
        (
            *x.strides[:2],
            *(step * s for step, s in zip(spatial, stride, strict=True)),
            *(step * d for step, d in zip(spatial, steps, strict=True)),
        ),
        writeable=False,
    )


def inside(sizes: Sequence[int], padding: Pads) -> tuple[slice, ...]:
    """Return where the images lie in padded ones (N, C, ...)."""
    cut = (slice(before, before + size) for size, (before, _) in zip(sizes, padding, strict=True))
    return (slice(None), slice(None), *cut)


def taps(tap: Sizes, places: Sizes, stride: Sizes, dilation: Sizes) -> tuple[slice, ...]:
    """Return where the element `tap` of all windows lies in padded images (N, C, ...)."""
    found = [slice(None), slice(None)]
    for at, count, s, d in zip(tap, places, stride, dilation, strict=True):
        found.append(slice(at * d, at * d + (count - 1) * s + 1, s))
    return tuple(found)
