"""Rows of bytes made into arrays by a function of the user's; pictures that come as pixels."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError
from ..engine.oplist import Spec
from .arrow import array_of, bytes_of_rows
from .casting import cast

__all__ = ["PixelDecoder", "decoded", "pixel_rows"]

_SIZES = struct.Struct("<iii")  # height, width, channels


def decoded(
    decode: Callable[[bytes], Any], row: bytes, place: str, spec: Spec | None = None
) -> NDArray[Any]:
    """Return the array that a function makes of a row's bytes, of the spec if there is one.

    Raises
    ------
    DataError : it fails, gives no numbers, or another shape than the first row's; names the row.
    """
    try:
        made = np.asarray(decode(row))
    except Exception as error:
        raise DataError(
            f"{place}: its {len(row)} bytes must be what `decode` understands; got "
            f"{type(error).__name__}: {error}"
        ) from error
    if made.dtype.kind not in "biuf" or (spec is not None and made.shape != spec.shape):
        wanted = "numbers" if spec is None else f"numbers of shape {spec.shape}, as the first row's"
        raise DataError(f"{place}: `decode` must give {wanted}; got {made.dtype} {made.shape}.")
    return made if spec is None else cast(made, spec.dtype, place)


class PixelDecoder:
    """Hands a picture's pixels, with red first, to a function; without one they are the array.

    Parameters
    ----------
    decode : function of an array (height, width, channels) uint8, optional

    Examples
    --------
    >>> row = _SIZES.pack(1, 2, 3) + bytes([1, 2, 3, 4, 5, 6])  # blue, green, red
    >>> PixelDecoder()(row).tolist()
    [[[3, 2, 1], [6, 5, 4]]]
    """

    def __init__(self, decode: Callable[[Any], Any] | None = None) -> None:
        self.decode = decode

    def __call__(self, row: bytes) -> Any:
        """Return what becomes of the bytes that `pixel_rows` made."""
        height, width, channels = _SIZES.unpack(row[: _SIZES.size])
        pixels = np.frombuffer(row, np.uint8, offset=_SIZES.size)
        if min(height, width, channels) < 1 or pixels.size != height * width * channels:
            raise DataError(
                f"a picture of {height} x {width} with {channels} channels must have a byte for "
                f"each number; got {pixels.size}. Was its file no picture? Drop such rows."
            )
        image = pixels.reshape(height, width, channels)
        if channels >= 3:
            image = image[..., [2, 1, 0, *range(3, channels)]]
        return image if self.decode is None else self.decode(image)

    def __repr__(self) -> str:
        return f"PixelDecoder({self.decode!r})"


def pixel_rows(
    column: Any, name: str, place: str, first: int = 0
) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Return a column of Spark's pictures as rows of bytes for `PixelDecoder`, and their ends.

    Parameters
    ----------
    column : Arrow structs with height, width, nChannels, data
    name, place, first
        See `arrow.array_of`.

    Raises
    ------
    DataError : a place is empty; names the row.
    """
    parts = [column.field(part) for part in ("height", "width", "nChannels")]
    sizes = [array_of(part, name, place, first).tolist() for part in parts]
    ends, data = bytes_of_rows(column.field("data"), name, place, first)
    rows = []
    for k, shape in enumerate(zip(*sizes, strict=True)):
        rows += [_SIZES.pack(*shape), data[ends[k] : ends[k + 1]].tobytes()]
    places = np.concatenate([[0], np.cumsum(np.diff(ends) + _SIZES.size)]).astype(np.int64)
    return places, np.frombuffer(b"".join(rows), np.uint8)
