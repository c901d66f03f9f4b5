"""Other light, blur and noise."""

from __future__ import annotations

import numpy as np

from ...core import validate
from ...core.errors import DataError
from ..transforms import Array
from .color import Colors, linear
from .draws import Draws
from .opencv import cv
from .picture import Picture

__all__ = ["GaussianBlur", "GaussianNoise", "Lighting"]


class Lighting(Colors):
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


class GaussianBlur(Colors):
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


class GaussianNoise(Colors):
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
