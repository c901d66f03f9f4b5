"""Arrays as PNG files: 8-bit gray, RGB or RGBA."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError

_CHANNELS = (1, 3, 4)


def as_pixels(image: NDArray[Any]) -> NDArray[np.uint8]:
    """Return an image as (height, width, channels) bytes.

    Floats are taken as 0..1 and clipped; a channel axis of 1, 3 or 4 may come first or last.

    Raises
    ------
    DataError : it has another shape, or holds NaN.
    """
    pixels = np.asarray(image)
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    elif pixels.ndim == 3 and pixels.shape[2] not in _CHANNELS:
        pixels = pixels.transpose(1, 2, 0)
    if pixels.ndim != 3 or pixels.shape[2] not in _CHANNELS or not pixels.size:
        raise DataError(
            "image: must have shape (height, width), or with 1, 3 or 4 channels first or last; "
            f"got {np.shape(image)}."
        )
    if pixels.dtype.kind == "f":
        if not np.isfinite(pixels).all():
            raise DataError("image: must hold finite numbers; got NaN or infinity.")
        pixels = np.rint(np.clip(pixels, 0, 1) * 255)
    return np.ascontiguousarray(np.clip(pixels, 0, 255), np.uint8)


def encode_png(pixels: NDArray[np.uint8]) -> bytes:
    r"""Return the PNG file of (height, width, channels) bytes.

    Examples
    --------
    >>> encode_png(np.zeros((1, 1, 1), "u1"))[:8]
    b'\x89PNG\r\n\x1a\n'
    """
    from PIL import Image  # here, so that only who writes images waits for it

    file = io.BytesIO()
    Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).save(file, "PNG")
    return file.getvalue()
