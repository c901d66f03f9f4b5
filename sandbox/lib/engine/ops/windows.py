"""Windows over images, as views: what NumPy's convolutions and poolings are made of."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Pair = tuple[int, int]
Pads = tuple[Pair, Pair]


def pad_images(x: Array, padding: Pads, fill: float = 0.0) -> Array:
    """Return images with a border; the input itself if there is none."""
    if not any(padding[0]) and not any(padding[1]):
        return x
    return np.pad(x, ((0, 0), (0, 0), *padding), constant_values=fill)


def windows(x: Array, kernel: Pair, stride: Pair, dilation: Pair = (1, 1)) -> Array:
    """Return a view (N, C, rows, columns, kernel height, kernel width) of padded images."""
    height = (x.shape[2] - dilation[0] * (kernel[0] - 1) - 1) // stride[0] + 1
    width = (x.shape[3] - dilation[1] * (kernel[1] - 1) - 1) // stride[1] + 1
    n, c, sh, sw = x.strides
    return np.lib.stride_tricks.as_strided(
        x,
        (*x.shape[:2], height, width, *kernel),
        (n, c, sh * stride[0], sw * stride[1], sh * dilation[0], sw * dilation[1]),
        writeable=False,
    )
