"""Other colours; boxes stay where they are."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np

from ...core import validate
from ...core.errors import DataError
from ..transforms import Array
from .base import ImageTransform
from .draws import Draws
from .opencv import cv
from .picture import Picture, with_fields
from .resize import whole

__all__ = [
    "Brightness",
    "ChannelShuffle",
    "Contrast",
    "Grayscale",
    "Hue",
    "Saturation",
    "SwapChannels",
]

_LUMA = (0.299, 0.587, 0.114)


class Colors(ImageTransform):
    """Changes pixels and moves none."""

    def shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the same shape."""
        return shape

    def apply(self, picture: Picture, draws: Draws) -> Picture:
        """Return the picture in other colours."""
        image = picture.pixels(type(self).__name__)
        made = self.colored(image, picture, draws)
        return picture if made is image else picture.changed(whole(made))

    @abstractmethod
    def colored(self, image: Array, picture: Picture, draws: Draws) -> Array:
        """Return the changed pixels."""


class _Drawn(Colors):
    """Draws one number from a range."""

    words = 1
    _least: float = -np.inf

    def __init__(self, low: float, high: float) -> None:
        self.low = validate.in_range("low", low, max(self._least, -1e9), 1e9)
        self.high = validate.in_range("high", high, self.low, 1e9)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.low:g}, {self.high:g})"


def linear(image: Array, factor: Any, shift: Any) -> Array:
    """Return factor · image + shift; bytes are rounded and stay in 0 .. 255."""
    factor, shift = np.float32(factor), np.float32(shift)
    if image.dtype == np.uint8:
        table = np.arange(256, dtype=np.float32) * factor + shift
        return whole(cv.LUT(image, np.clip(np.rint(table), 0, 255).astype(np.uint8)))
    made: Array = image * factor
    made += shift
    return made


class Brightness(_Drawn):
    """Add a number drawn for each picture to all its pixels.

    y = x + d, d from [low, high); bytes stay in 0 .. 255

    Parameters
    ----------
    low, high : float
        In the units of the pixels.

    Notes
    -----
    Same as BigDL `Brightness`.

    Examples
    --------
    >>> Brightness(10, 10)(np.array([[[0, 100, 250]]], "u1")).ravel().tolist()
    [10, 110, 255]
    """

    def colored(self, image: Array, picture: Picture, draws: Draws) -> Array:
        """Return the brighter or darker pixels."""
        shift = draws.uniform(self.low, self.high)
        return image if shift == 0 else linear(image, 1.0, shift)


class Contrast(_Drawn):
    """Multiply all pixels with a number drawn for each picture.

    y = a · x, a from [low, high); bytes stay in 0 .. 255

    Parameters
    ----------
    low, high : float >= 0
        Range of the factor.

    Notes
    -----
    Same as BigDL `Contrast`; others (PyTorch `ColorJitter(contrast=)`) keep the mean brightness.

    Examples
    --------
    >>> Contrast(2, 2)(np.array([[[0, 100, 250]]], "u1")).ravel().tolist()
    [0, 200, 255]
    """

    _least = 0.0

    def colored(self, image: Array, picture: Picture, draws: Draws) -> Array:
        """Return the pixels with more or less contrast."""
        factor = draws.uniform(self.low, self.high)
        return image if factor == 1 else linear(image, factor, 0.0)


def _hsv(owner: object, picture: Picture) -> Array:
    name = type(owner).__name__
    image = picture.pixels(name, dtype="uint8")
    if image.shape[2] != 3:
        raise DataError(
            f"{name}: a picture must have 3 channels; got {image.shape[2]}. Decode gray files with "
            'Decode("RGB").'
        )
    code = cv.COLOR_BGR2HSV if picture.order == "BGR" else cv.COLOR_RGB2HSV
    made: Array = cv.cvtColor(image, code)
    return made


def _from_hsv(hsv: Array, picture: Picture) -> Array:
    code = cv.COLOR_HSV2BGR if picture.order == "BGR" else cv.COLOR_HSV2RGB
    made: Array = cv.cvtColor(hsv, code)
    return made


class Saturation(_Drawn):
    """Multiply how colourful a picture is with a number drawn for it.

    (h, s, v) = HSV of a pixel; s' = min(a · s, 255), a from [low, high)

    Parameters
    ----------
    low, high : float >= 0
        Range of the factor; 0 makes gray of it.

    Raises
    ------
    DataError : a picture is not uint8 with 3 channels.

    Notes
    -----
    Same as BigDL `Saturation`. Source: HSV of Smith 1978, in 8 bits.

    Examples
    --------
    >>> Saturation(0, 0)(np.array([[[200, 100, 50]]], "u1")).ravel().tolist()
    [200, 200, 200]
    """

    _least = 0.0

    def colored(self, image: Array, picture: Picture, draws: Draws) -> Array:
        """Return the pixels in stronger or weaker colours."""
        hsv = _hsv(self, picture)
        factor = draws.uniform(self.low, self.high)
        if factor == 1:
            return image
        hsv[:, :, 1:2] = linear(np.ascontiguousarray(hsv[:, :, 1:2]), factor, 0.0)
        return _from_hsv(hsv, picture)


class Hue(_Drawn):
    """Turn all colours of a picture by an angle drawn for it.

    (h, s, v) = HSV of a pixel; h' = (h + d) mod 360 degrees, d from [low, high); h is kept in
    steps of two degrees

    Parameters
    ----------
    low, high : float
        Range of the angle, in degrees: 120 makes red of blue, green of red.

    Raises
    ------
    DataError : a picture is not uint8 with 3 channels.

    Notes
    -----
    Like BigDL `Hue`: that counts half degrees (18 there is 36 here) and stops at the ends of the
    circle, where this goes round.

    Examples
    --------
    >>> Hue(120, 120)(np.array([[[200, 0, 0]]], "u1")).ravel().tolist()
    [0, 200, 0]
    """

    def colored(self, image: Array, picture: Picture, draws: Draws) -> Array:
        """Return the pixels in other colours."""
        hsv = _hsv(self, picture)
        steps = round(draws.uniform(self.low, self.high) / 2) % 180
        if steps == 0:
            return image
        table = np.arange(256, dtype=np.uint16)
        table[:180] = (table[:180] + steps) % 180
        hsv[:, :, 0] = cv.LUT(np.ascontiguousarray(hsv[:, :, 0]), table.astype(np.uint8))
        return _from_hsv(hsv, picture)


class ChannelShuffle(Colors):
    """Put the channels of a picture into a random order.

    Notes
    -----
    Same as BigDL `ChannelOrder`; in `RandomApply` it happens now and then.

    Examples
    --------
    >>> ChannelShuffle()(np.array([[[1, 2, 3]]], "u1")).ravel().tolist()
    [1, 2, 3]
    """

    words = 3

    def colored(self, image: Array, picture: Picture, draws: Draws) -> Array:
        """Return the pixels with their channels in another order."""
        order = draws.order(image.shape[2])
        if order == sorted(order):
            return image
        return np.ascontiguousarray(image[:, :, order])

    def __repr__(self) -> str:
        return "ChannelShuffle()"


class Grayscale(Colors):
    """Take the colours away.

    y = 0.299 · red + 0.587 · green + 0.114 · blue, in all channels

    Parameters
    ----------
    channels : 1 or 3
        Of the result.

    Notes
    -----
    Same as PyTorch `Grayscale`. Source: ITU-R BT.601.

    Examples
    --------
    >>> Grayscale(1)(np.array([[[100, 200, 50]]], "u1")).ravel().tolist()
    [153]
    """

    def __init__(self, channels: int = 3) -> None:
        self.channels = validate.one_of("channels", channels, (1, 3))

    def shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape with so many channels."""
        return (*shape[:2], self.channels)

    def apply(self, picture: Picture, draws: Draws) -> Picture:
        """Return the gray picture."""
        made = super().apply(picture, draws)
        return with_fields(made, order="GRAY") if self.channels == 1 else made

    def colored(self, image: Array, picture: Picture, draws: Draws) -> Array:
        """Return the gray pixels."""
        if image.shape[2] not in (1, 3):
            raise DataError(
                f"Grayscale: a picture must have 1 or 3 channels; got {image.shape[2]}."
            )
        if image.shape[2] == 3:
            code = cv.COLOR_BGR2GRAY if picture.order == "BGR" else cv.COLOR_RGB2GRAY
            image = whole(cv.cvtColor(image, code))
        return image if self.channels == 1 else cv.merge([image] * 3)

    def __repr__(self) -> str:
        return f"Grayscale({self.channels})"


class SwapChannels(ImageTransform):
    """Turn the order of the channels round: BGR becomes RGB, and RGB becomes BGR.

    Notes
    -----
    Same as BigDL `MatToTensor` with `to_rgb`, as a step of its own.

    Examples
    --------
    >>> SwapChannels()(np.array([[[1, 2, 3]]], "u1")).ravel().tolist()
    [3, 2, 1]
    """

    def shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the same shape."""
        return shape

    def apply(self, picture: Picture, draws: Draws) -> Picture:
        """Return the picture with its channels turned round."""
        image = np.ascontiguousarray(picture.pixels("SwapChannels")[:, :, ::-1])
        other = {"RGB": "BGR", "BGR": "RGB", "GRAY": "GRAY"}[picture.order]
        return with_fields(picture, image=image, order=other)

    def __repr__(self) -> str:
        return "SwapChannels()"
