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
from .pipeline import Pipeline, RandomApply, RandomOrder
from .resize import whole

__all__ = [
    "Brightness",
    "ChannelShuffle",
    "ColorJitter",
    "Contrast",
    "GaussianBlur",
    "GaussianNoise",
    "Grayscale",
    "Hue",
    "Lighting",
    "Saturation",
    "SwapChannels",
]

_LUMA = (0.299, 0.587, 0.114)


class _Colors(ImageTransform):
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


class _Drawn(_Colors):
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


class ChannelShuffle(_Colors):
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


class ColorJitter(Pipeline):
    """Change brightness, contrast, saturation and hue, each with some probability.

    Parameters
    ----------
    brightness : float >= 0
        Pixels get up to so much more or less.
    contrast, saturation : (low, high)
        Range of the factor.
    hue : float >= 0
        Colours turn by up to so many degrees.
    p : float in [0, 1]
        Probability of each change.
    channels_p : float in [0, 1]
        Probability that channels are shuffled at the end.
    shuffle : bool
        Whether the changes come in random order; else brightness, then contrast and saturation
        and hue or, as often, saturation and hue and contrast.

    Raises
    ------
    DataError : a picture is not uint8 with 3 channels.

    Notes
    -----
    Same as BigDL `ColorJitter`, whose hue of 18 are 36 degrees. Source: the photometric distortions
    of Howard 2013 in the order of Liu et al. 2016 (SSD).

    Examples
    --------
    >>> ColorJitter()(np.array([[[1, 2, 3]]], "u1")).ravel().tolist()
    [1, 2, 3]
    """

    def __init__(
        self,
        brightness: float = 32.0,
        contrast: tuple[float, float] = (0.5, 1.5),
        saturation: tuple[float, float] = (0.5, 1.5),
        hue: float = 36.0,
        *,
        p: float = 0.5,
        channels_p: float = 0.0,
        shuffle: bool = False,
    ) -> None:
        brightness = validate.non_negative("brightness", brightness)
        hue = validate.non_negative("hue", hue)
        for name, pair in (("contrast", contrast), ("saturation", saturation)):
            if not isinstance(pair, tuple | list) or len(pair) != 2:
                cure = "0.2 of others is (0.8, 1.2) here."
                raise validate.refuse(name, "a pair (low, high)", pair, cure)
        brighter, contrasting, saturated, turned = (
            RandomApply(one, p)
            for one in (
                Brightness(-brightness, brightness),
                Contrast(*contrast),
                Saturation(*saturation),
                Hue(-hue, hue),
            )
        )
        channels = RandomApply(ChannelShuffle(), channels_p)
        self._said = (
            f"ColorJitter({brightness:g}, {tuple(contrast)}, {tuple(saturation)}, {hue:g}, "
            f"p={p:g}, channels_p={channels_p:g}, shuffle={shuffle})"
        )
        if validate.boolean("shuffle", shuffle):
            changes = RandomOrder(brighter, contrasting, saturated, turned)
            super().__init__(changes, channels)
        else:
            later = _EarlyOrLate(contrasting, Pipeline(saturated, turned))
            super().__init__(brighter, later, channels)

    def shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the same shape."""
        return shape

    def __repr__(self) -> str:
        return self._said


class _EarlyOrLate(Pipeline):
    """One transform in front of others or behind them, as often."""

    def __init__(self, one: ImageTransform, others: ImageTransform) -> None:
        super().__init__(one, others)
        self.words += 1

    def apply(self, picture: Picture, draws: Draws) -> Picture:
        late = draws.chance(0.5)
        own = [(one, draws.take(one.words)) for one in self.transforms]
        for one, words in reversed(own) if late else own:
            picture = one.apply(picture, words)
        return picture


class Grayscale(_Colors):
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


class Lighting(_Colors):
    """Add the same random colour, along the main components of ImageNet's colours, to all pixels.

    y = x + 255 · sum_i p_i · a_i · l_i, a_i ~ N(0, std²); p_i, l_i: eigenvectors and eigenvalues of
    the covariance of red, green and blue in [0, 1]

    Parameters
    ----------
    std : float >= 0
        How strong it is.

    Notes
    -----
    Source: Krizhevsky et al. 2012 (AlexNet), section 4.1; components as published with
    fb.resnet.torch.

    Examples
    --------
    >>> Lighting()(np.array([[[1, 2, 3]]], "u1")).ravel().tolist()
    [1, 2, 3]
    """

    words = 6
    VALUES = np.array([0.2175, 0.0188, 0.0045])
    VECTORS = np.array(
        [[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]]
    )

    def __init__(self, std: float = 0.1) -> None:
        self.std = validate.non_negative("std", std)

    def colored(self, image: Array, picture: Picture, draws: Draws) -> Array:
        """Return the pixels in another light."""
        if image.shape[2] != 3:
            raise DataError(f"Lighting: a picture must have 3 channels; got {image.shape[2]}.")
        alpha = np.array([draws.normal() for _ in range(3)]) * self.std
        shift = 255.0 * (self.VECTORS @ (alpha * self.VALUES))
        if not shift.any():
            return image
        shift = shift[::-1] if picture.order == "BGR" else shift
        made = [
            linear(np.ascontiguousarray(image[:, :, k : k + 1]), 1.0, shift[k]) for k in range(3)
        ]
        return np.concatenate(made, 2)

    def __repr__(self) -> str:
        return f"Lighting({self.std:g})"


class GaussianBlur(_Colors):
    """Blur a picture by a Gaussian of a width drawn for it.

    y = x convolved with g, g[u, v] ~ exp(-(u² + v²) / 2 sigma²), sigma from [low, high); edges are
    mirrored (without the edge pixel itself)

    Parameters
    ----------
    kernel_size : odd int > 0
        Height and width of g, in pixels.
    sigma : (low, high)
        Range of its width, in pixels.

    Notes
    -----
    Same as PyTorch `GaussianBlur`. Source: OpenCV `GaussianBlur`.

    Examples
    --------
    >>> GaussianBlur(3, (9, 9))(np.array([[[0], [90], [0]]], "u1")).ravel().tolist()
    [60, 30, 60]
    """

    words = 1

    def __init__(self, kernel_size: int = 5, sigma: tuple[float, float] = (0.1, 2.0)) -> None:
        self.kernel_size = validate.positive_int("kernel_size", kernel_size)
        if self.kernel_size % 2 == 0:
            raise validate.refuse("kernel_size", "an odd int > 0", kernel_size)
        if not isinstance(sigma, tuple | list) or len(sigma) != 2:
            raise validate.refuse("sigma", "a pair (low, high)", sigma)
        low = validate.positive("sigma", sigma[0])
        self.sigma = (low, validate.in_range("sigma", sigma[1], low, 1e6))

    def colored(self, image: Array, picture: Picture, draws: Draws) -> Array:
        """Return the blurred pixels."""
        width = draws.uniform(*self.sigma)
        made: Array = cv.GaussianBlur(
            image, (self.kernel_size, self.kernel_size), width, borderType=cv.BORDER_REFLECT_101
        )
        return made

    def __repr__(self) -> str:
        return f"GaussianBlur({self.kernel_size}, {self.sigma})"


class GaussianNoise(_Colors):
    """Add a normal number, drawn anew, to each number of a picture.

    y = x + e, e ~ N(0, std²); bytes are rounded and stay in 0 .. 255

    Parameters
    ----------
    std : float >= 0
        In the units of the pixels.

    Notes
    -----
    Like PyTorch `GaussianNoise`: in the units of the pixels.

    Examples
    --------
    >>> GaussianNoise(3)(np.array([[[1, 2, 3]]], "u1")).ravel().tolist()
    [1, 2, 3]
    """

    words = 4

    def __init__(self, std: float = 10.0) -> None:
        self.std = validate.non_negative("std", std)

    def colored(self, image: Array, picture: Picture, draws: Draws) -> Array:
        """Return the noisy pixels."""
        generator = draws.generator()
        if generator is None:
            return image
        noise = generator.standard_normal(image.shape, np.float32)
        noise *= np.float32(self.std)
        noise += image
        if image.dtype == np.uint8:
            noise = np.clip(np.rint(noise, out=noise), 0, 255, out=noise).astype(np.uint8)
        made: Array = noise
        return made

    def __repr__(self) -> str:
        return f"GaussianNoise({self.std:g})"
