"""From the bytes of files, or of plain pixels, to pictures."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import numpy as np

from ...core import validate
from ...core.errors import DataError
from .base import ImageTransform
from .draws import Draws
from .opencv import cv
from .picture import Picture, with_fields

__all__ = ["Decode", "FromPixels"]

_SCAN = 0xDA  # the marker of JPEG behind which the pixels come
_DEFLATE = 1032  # times smaller than its result the stream of zlib may be, and no more


def _kind(data: bytes) -> str | None:
    """Return which format the first bytes of a file tell; None for others."""
    if data[:3] == b"\xff\xd8\xff":
        return "JPEG"
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return "PNG"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WebP"
    if data[:6] in (b"GIF87a", b"GIF89a"):
        return "GIF"
    if data[:2] == b"BM":
        return "BMP"
    return "TIFF" if data[:4] in (b"II*\0", b"MM\0*") else None


def _is_cut_off(kind: str, data: bytes) -> bool:
    """Tell whether the end of a file is missing, which decoders fill with gray in silence."""
    if kind == "PNG":
        return not _has_all_chunks(data)
    if kind == "WebP":
        return int.from_bytes(data[4:8], "little") + 8 > len(data)
    if kind != "JPEG" or data.endswith(b"\xff\xd9"):
        return False
    # Behind the pictures' start: thumbnails in front have an end of their own. Phones append films.
    start = next((at for marker, at in jpeg_segments(data) if marker == _SCAN), 0)
    return data.rfind(b"\xff\xd9", start) < 0


def _has_all_chunks(data: bytes) -> bool:
    """Tell whether all chunks of a PNG file are there (ISO 15948, 5.3).

    Some decoders make room for what a chunk claims to be, up to 4 GB, before they look.
    """
    at = 8
    while at + 12 <= len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        if data[at + 4 : at + 8] == b"IEND":
            return end <= len(data)
        at = end
    return False


def _png_bytes(data: bytes) -> int:
    """Return how many bytes the pixels of a PNG file are, as its header tells (ISO 15948, 11.2)."""
    width, height, depth, kind = struct.unpack(">IIBB", data[16:26])
    channels = {2: 3, 4: 2, 6: 4}.get(kind, 1)
    return int(height * (1 + (width * depth * channels + 7) // 8))


class Decode(ImageTransform):
    """Decode the bytes of a picture's file: JPEG, PNG, WebP, GIF (its first picture), BMP, TIFF.

    Pixels come as 8 bit without transparency, turned as the file's EXIF orientation says.

    Parameters
    ----------
    order : "RGB", "BGR" or "GRAY"
        The channels wanted; gray is one channel.
    at_least : int > 0, optional
        JPEG files are decoded at a half, a quarter or an eighth of their size where their shorter
        edge stays at least so long: up to twice as fast where they are made small anyway,
        with slightly other pixels.

    Shapes
    ------
    input : bytes of a file
    output : (height, width, 3 or 1) uint8

    Raises
    ------
    DataError : the bytes are no picture, are cut off or damaged, or claim more than 134 million
        pixels.

    Notes
    -----
    Same as BigDL `BytesToMat`: RGB by default, where BigDL is BGR. Source: OpenCV `imdecode`. A
    JPEG file has no checksums: bytes that are wrong in its middle give wrong pixels.

    Examples
    --------
    >>> file = cv.imencode(".png", np.zeros((2, 3, 3), "u1"))[1].tobytes()
    >>> Decode()(file).shape, Decode("GRAY")(file).shape
    ((2, 3, 3), (2, 3, 1))
    """

    def __init__(self, order: str = "RGB", *, at_least: int | None = None) -> None:
        self.order = validate.one_of("order", order, ("RGB", "BGR", "GRAY"))
        self.at_least = None if at_least is None else validate.positive_int("at_least", at_least)
        self._flags = {
            "RGB": cv.IMREAD_COLOR_RGB,
            "BGR": cv.IMREAD_COLOR,
            "GRAY": cv.IMREAD_GRAYSCALE,
        }[self.order]

    def shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape as it is: what is decoded already stays."""
        return shape

    def apply(self, picture: Picture, draws: Draws) -> Picture:
        """Return the decoded picture; one that is decoded already stays as it is."""
        if picture.image is not None:
            return picture
        data = picture.data or b""
        kind = _kind(data)
        if kind is None:
            raise DataError(
                "Decode: a file must be a JPEG, PNG, WebP, GIF, BMP or TIFF picture; got "
                f"{len(data)} bytes that begin with {data[:12]!r}."
            )
        if _is_cut_off(kind, data):
            raise DataError(
                f"Decode: a {kind} file must be whole; got {len(data)} bytes without its end."
            )
        if kind == "PNG" and _png_bytes(data) > _DEFLATE * len(data):
            raise DataError(
                f"Decode: a PNG file must hold the pixels that it claims; got {len(data)} bytes "
                f"for {_png_bytes(data)}."
            )
        array = np.frombuffer(data, np.uint8)
        image = self._decoded(array, kind, self._flags)
        if image is None:
            raise DataError(
                f"Decode: a {kind} file must be undamaged; got {len(data)} bytes that OpenCV "
                "cannot decode."
            )
        if picture.masks is not None and picture.masks.shape[1:] != image.shape[:2]:
            raise DataError(
                f"Decode: masks must be (n, {image.shape[0]}, {image.shape[1]}) like the picture; "
                f"got shape {picture.masks.shape}."
            )
        return with_fields(
            picture,
            image=image[:, :, None] if image.ndim == 2 else image,
            data=None,
            order=self.order,
        )

    def _decoded(self, array: Any, kind: str, flags: int) -> Any:
        factor = self._factor(array) if self.at_least and kind == "JPEG" else 1
        if factor == 1:
            return cv.imdecode(array, flags)
        gray = self.order == "GRAY"
        image = cv.imdecode(
            array,
            getattr(cv, f"IMREAD_REDUCED_{'GRAYSCALE' if gray else 'COLOR'}_{factor}"),
        )
        if image is not None and self.order == "RGB":
            cv.cvtColor(image, cv.COLOR_BGR2RGB, dst=image)
        return image

    def _factor(self, array: Any) -> int:
        """Return by what a JPEG file's sides may be divided."""
        size = jpeg_size(array.tobytes())
        if size is None:
            return 1
        return next((f for f in (8, 4, 2) if min(size) // f >= (self.at_least or 0)), 1)

    def __repr__(self) -> str:
        words = [] if self.order == "RGB" else [repr(self.order)]
        words += [] if self.at_least is None else [f"at_least={self.at_least}"]
        return f"Decode({', '.join(words)})"


def jpeg_segments(data: bytes) -> Iterator[tuple[int, int]]:
    """Give marker and place of a JPEG file's segments up to the first scan (ITU T.81, B.1)."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # fill bytes are allowed in front of a marker
            at += 1
            continue
        yield marker, at
        if marker == _SCAN:
            return
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")


def jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Return height and width as the frame header of a JPEG file tells (ITU T.81, B.2.2)."""
    for marker, at in jpeg_segments(data):
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = data[at + 5 : at + 7], data[at + 7 : at + 9]
            return int.from_bytes(height, "big"), int.from_bytes(width, "big")
    return None


class FromPixels(ImageTransform):
    """Take bytes as plain pixels, row by row.

    Parameters
    ----------
    height, width : int > 0
        Of the picture.
    channels : int in 1 .. 4
        Numbers of each pixel.
    order : "RGB", "BGR" or "GRAY"
        What they are; Spark's image source and OpenCV store BGR.

    Raises
    ------
    DataError : there are more or fewer bytes.

    Notes
    -----
    Same as BigDL `PixelBytesToMat`.

    Examples
    --------
    >>> FromPixels(1, 2)(bytes(range(6))).tolist()
    [[[0, 1, 2], [3, 4, 5]]]
    """

    def __init__(self, height: int, width: int, channels: int = 3, *, order: str = "RGB") -> None:
        self.height = validate.positive_int("height", height)
        self.width = validate.positive_int("width", width)
        self.channels = validate.one_of("channels", channels, (1, 2, 3, 4))
        self.order = validate.one_of("order", order, ("RGB", "BGR", "GRAY"))

    def shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return (height, width, channels)."""
        return (self.height, self.width, self.channels)

    def apply(self, picture: Picture, draws: Draws) -> Picture:
        """Return the picture of these pixels, as a view of the bytes."""
        if picture.image is not None:
            return picture
        data, shape = picture.data or b"", (self.height, self.width, self.channels)
        if len(data) != self.height * self.width * self.channels:
            raise DataError(
                f"{self!r}: there must be {self.height * self.width * self.channels} bytes; got "
                f"{len(data)}."
            )
        image = np.frombuffer(data, np.uint8).reshape(shape)
        return with_fields(picture, image=image, data=None, order=self.order)

    def __repr__(self) -> str:
        return f"FromPixels({self.height}, {self.width}, {self.channels}, order={self.order!r})"
