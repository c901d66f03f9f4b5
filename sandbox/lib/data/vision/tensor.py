"""From pixels to what models take: floats, normalised, channels in front."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...core import validate
from ...core.errors import DataError
from ..transforms import Array
from .base import ImageTransform
from .draws import Draws
from .opencv import cv
from .picture import Picture, with_fields

__all__ = ["ChannelNormalize", "ChannelsLast", "PixelNormalize", "ToFloat", "ToTensor"]

Numbers = float | Sequence[float]


class _Floats(ImageTransform):
    """Makes floats of pixels."""

    def shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the same shape."""
        return shape

    def dtype(self, dtype: np.dtype[Any]) -> np.dtype[Any]:
        """Return float32."""
        return np.dtype(np.float32)


class _Affine:
    """y = (x · scale - mean) / std for each channel, by a table where x are bytes."""

    def __init__(self, scale: float, mean: Numbers, std: Numbers) -> None:
        self.scale = validate.in_range("scale", scale, -np.inf, np.inf, closed="none")
        self.mean = validate.numbers("mean", mean).astype(np.float64)
        self.std = validate.numbers("std", std).astype(np.float64)
        if self.mean.ndim > 1 or not np.isfinite(self.mean).all():
            raise validate.refuse("mean", "a finite number, or one for each channel", mean)
        if self.std.ndim > 1 or not (np.isfinite(self.std).all() and (self.std > 0).all()):
            raise validate.refuse("std", "a number > 0, or one for each channel", std)
        try:
            factor, shift = np.broadcast_arrays(self.scale / self.std, -self.mean / self.std)
        except ValueError:
            raise validate.refuse(
                "std", f"a number, or as many as `mean`, {self.mean.size}", std
            ) from None
        self.channels = factor.size if factor.ndim else None
        self._factor, self._shift = np.atleast_1d(factor), np.atleast_1d(shift)
        known = np.arange(256.0) * self._factor[:, None] + self._shift[:, None]
        self._tables = known.astype(np.float32)  # of bytes

    def __call__(
        self, image: Array, picture: Picture, owner: object, out: Array | None = None
    ) -> NDArray[np.float32]:
        """Return (channels, height, width) float32, in `out` if it is such an array."""
        count: int = image.shape[2]
        if self.channels not in (None, count):
            raise DataError(
                f"{type(owner).__name__}: a picture must have {self.channels} channels, one for "
                f"each mean and std; got {count}."
            )
        shape = (count, *image.shape[:2])
        fits = out is not None and out.shape == shape and out.dtype == np.float32
        made: NDArray[np.float32] = out if fits and out is not None else np.empty(shape, np.float32)
        channels = cv.split(image) if count > 1 else [image[:, :, 0]]
        for k, (numbers, plane) in enumerate(zip(channels, made, strict=True)):
            # means and deviations are said as red, green, blue
            own = 0 if self.channels is None else count - 1 - k if picture.order == "BGR" else k
            if image.dtype == np.uint8:
                cv.LUT(numbers, self._tables[own], dst=plane)
            else:
                np.multiply(numbers, self._factor[own], out=plane, casting="unsafe")
                plane += self._shift[own]
        return made

    def __repr__(self) -> str:
        return f"mean={self.mean.tolist()!r}, std={self.std.tolist()!r}"


class ChannelNormalize(_Floats):
    """Shift and scale each channel.

    y[i, j, c] = (x[i, j, c] - mean[c]) / std[c]

    Parameters
    ----------
    mean, std : float, or one for each channel (red, green, blue)
        In the units of the pixels; std > 0.

    Shapes
    ------
    input : (height, width, channels) uint8 or float32
    output : (height, width, channels) float32

    Notes
    -----
    Same as BigDL `ChannelNormalize`, and `ChannelScaledNormalizer` with std = 1 / scale. `ToTensor`
    does it in one pass with moving the channels to the front.

    Examples
    --------
    >>> ChannelNormalize(100, 50)(np.array([[[100, 150, 50]]], "u1")).ravel().tolist()
    [0.0, 1.0, -1.0]
    """

    def __init__(self, mean: Numbers, std: Numbers = 1.0) -> None:
        self._affine = _Affine(1.0, mean, std)

    def apply(self, picture: Picture, draws: Draws) -> Picture:
        """Return the normalised picture."""
        image = picture.pixels("ChannelNormalize")
        return picture.changed(self._affine(image, picture, self).transpose(1, 2, 0).copy())

    def __repr__(self) -> str:
        return f"ChannelNormalize({self._affine!r})"


class PixelNormalize(_Floats):
    """Subtract a mean picture.

    y = x - mean

    Parameters
    ----------
    mean : (height, width, channels)
        The mean of the training pictures.

    Raises
    ------
    DataError : a picture has another size.

    Notes
    -----
    Same as BigDL `PixelNormalize`.

    Examples
    --------
    >>> PixelNormalize(np.full((1, 1, 3), 10))(np.array([[[11, 10, 9]]], "u1")).ravel().tolist()
    [1.0, 0.0, -1.0]
    """

    def __init__(self, mean: ArrayLike) -> None:
        self.mean = validate.numbers("mean", mean).astype(np.float32)
        if self.mean.ndim != 3:
            raise validate.refuse("mean", "an array (height, width, channels)", self.mean.shape)

    def apply(self, picture: Picture, draws: Draws) -> Picture:
        """Return the picture without the mean."""
        image = picture.pixels("PixelNormalize")
        if image.shape != self.mean.shape:
            raise DataError(
                f"PixelNormalize: a picture must have the mean's shape {self.mean.shape}; got "
                f"{image.shape}."
            )
        return picture.changed(image - self.mean)

    def __repr__(self) -> str:
        return f"PixelNormalize({'x'.join(map(str, self.mean.shape))}, {float(self.mean.mean()):g})"


class ToFloat(_Floats):
    """Make float32 of the pixels, with the same values.

    Notes
    -----
    Same as BigDL `MatToFloats`.

    Examples
    --------
    >>> ToFloat()(np.array([[[0, 128, 255]]], "u1")).ravel().tolist()
    [0.0, 128.0, 255.0]
    """

    def apply(self, picture: Picture, draws: Draws) -> Picture:
        """Return the picture in floats."""
        return picture.changed(picture.pixels("ToFloat").astype(np.float32))

    def __repr__(self) -> str:
        return "ToFloat()"


class ToTensor(_Floats):
    """Put the channels in front, scale and normalise, in one pass: what convolutions take.

    y[c, i, j] = (x[i, j, c] · scale - mean[c]) / std[c]

    Parameters
    ----------
    mean, std : float, or one for each channel (red, green, blue)
        In units of scaled numbers; std > 0.
    scale : float
        Factor on the pixels: 1/255 makes [0, 1] of bytes.

    Shapes
    ------
    input : (height, width, channels) uint8 or float32
    output : (channels, height, width) float32

    Notes
    -----
    Same as BigDL `MatToTensor` with scale=1; PyTorch `ToTensor` with `Normalize`.

    Examples
    --------
    >>> ToTensor(0.5, 0.5)(np.array([[[0, 255, 51]]], "u1")).ravel().tolist()
    [-1.0, 1.0, -0.6000000238418579]
    """

    def __init__(self, mean: Numbers = 0.0, std: Numbers = 1.0, *, scale: float = 1 / 255) -> None:
        self._affine = _Affine(scale, mean, std)

    def shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape with the channels in front."""
        return (shape[2], *shape[:2])

    def apply(self, picture: Picture, draws: Draws) -> Picture:
        """Return the picture with its channels in front."""
        image = picture.pixels("ToTensor")
        planes = self._affine(image, picture, self, picture.room)
        return with_fields(picture, image=planes, channels_first=True)

    def __repr__(self) -> str:
        return f"ToTensor({self._affine!r}, scale={self._affine.scale!r})"


class ChannelsLast(ImageTransform):
    """Put the channels last: pictures that are stored channels first come to the other transforms.

    Shapes
    ------
    input : (channels, height, width)
    output : (height, width, channels)

    Examples
    --------
    >>> ChannelsLast()(np.zeros((5, 3, 8, 6), "u1")).shape
    (5, 8, 6, 3)
    """

    def shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape with the channels last."""
        return (*shape[1:], shape[0])

    def apply(self, picture: Picture, draws: Draws) -> Picture:
        """Return the picture with its channels last."""
        image = picture.image
        if image is None or image.shape[0] > 4:
            got = "bytes" if image is None else f"shape {image.shape}"
            raise DataError(
                "ChannelsLast: a picture must be (channels, height, width) with 1 to 4 channels; "
                f"got {got}."
            )
        turned = np.ascontiguousarray(image.transpose(1, 2, 0))
        return with_fields(picture, image=turned, channels_first=False)

    def __repr__(self) -> str:
        return "ChannelsLast()"
