"""Other colours: ranges are (low, high), each picture draws its own number."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ....core import validate
from ....data import vision
from ....data.transforms import Array
from .transformer import Pixels


class Brightness(Pixels):
    """Add a number from [delta_low, delta_high) to all pixels."""

    def __init__(self, delta_low: float, delta_high: float, bigdl_type: str = "float") -> None:
        super().__init__(vision.Brightness(delta_low, delta_high))


class Contrast(Pixels):
    """Multiply all pixels with a number from [delta_low, delta_high)."""

    def __init__(self, delta_low: float, delta_high: float, bigdl_type: str = "float") -> None:
        super().__init__(vision.Contrast(delta_low, delta_high))


class Saturation(Pixels):
    """Multiply the saturation with a number from [delta_low, delta_high), in bytes."""

    bytes_only = True

    def __init__(self, delta_low: float, delta_high: float, bigdl_type: str = "float") -> None:
        super().__init__(vision.Saturation(delta_low, delta_high))


class Hue(Pixels):
    """Turn the colours by a number from [delta_low, delta_high), in half degrees, as OpenCV has it.

    18 here is 36 in `data.vision.Hue`, which goes round where BigDL stops at 0.
    """

    bytes_only = True

    def __init__(self, delta_low: float, delta_high: float, bigdl_type: str = "float") -> None:
        super().__init__(vision.Hue(2 * delta_low, 2 * delta_high))


class ChannelOrder(Pixels):
    """Put the channels into a random order."""

    def __init__(self, bigdl_type: str = "float") -> None:
        super().__init__(vision.ChannelShuffle())


class ColorJitter(Pixels):
    """Change brightness, contrast, saturation and hue, each with its own probability.

    Contrast comes in front of saturation and hue or, as often, behind them; with `shuffle` the
    order is any. `hue_delta` are half degrees.
    """

    bytes_only = True

    def __init__(
        self,
        brightness_prob: float = 0.5,
        brightness_delta: float = 32.0,
        contrast_prob: float = 0.5,
        contrast_lower: float = 0.5,
        contrast_upper: float = 1.5,
        hue_prob: float = 0.5,
        hue_delta: float = 18.0,
        saturation_prob: float = 0.5,
        saturation_lower: float = 0.5,
        saturation_upper: float = 1.5,
        random_order_prob: float = 0.0,
        shuffle: bool = False,
        bigdl_type: str = "float",
    ) -> None:
        super().__init__(
            vision.ColorJitter(
                brightness_delta,
                (contrast_lower, contrast_upper),
                (saturation_lower, saturation_upper),
                2 * hue_delta,
                p=(brightness_prob, contrast_prob, saturation_prob, hue_prob),
                channels_p=random_order_prob,
                shuffle=shuffle,
            )
        )


class ChannelNormalize(Pixels):
    """y = (x - mean) / std for each channel; numbers are given as red, green, blue."""

    def __init__(
        self,
        mean_r: float,
        mean_g: float,
        mean_b: float,
        std_r: float = 1.0,
        std_g: float = 1.0,
        std_b: float = 1.0,
        bigdl_type: str = "float",
    ) -> None:
        super().__init__(vision.ChannelNormalize((mean_r, mean_g, mean_b), (std_r, std_g, std_b)))


class ChannelScaledNormalizer(Pixels):
    """y = (x - mean) · scale for each channel; means are given as red, green, blue."""

    def __init__(
        self, mean_r: float, mean_g: float, mean_b: float, scale: float, bigdl_type: str = "float"
    ) -> None:
        scale = validate.positive("scale", scale)
        super().__init__(vision.ChannelNormalize((mean_r, mean_g, mean_b), 1 / scale))


class PixelNormalize(Pixels):
    """y = x - mean for each pixel; `means` goes row by row, channels last."""

    def __init__(self, means: Sequence[float], bigdl_type: str = "float") -> None:
        self.means = validate.numbers("means", means).astype(np.float32).ravel()

    def fitted(self, mat: Array) -> vision.ImageTransform:
        """Return the subtraction of a mean picture of this size."""
        if self.means.size != mat.size:
            wanted = f"{mat.size} numbers, one for each of {mat.shape}"
            raise validate.refuse("means", wanted, f"{self.means.size} numbers")
        return vision.PixelNormalize(self.means.reshape(mat.shape))

    def __repr__(self) -> str:
        return f"PixelNormalize({self.means.size} numbers)"
