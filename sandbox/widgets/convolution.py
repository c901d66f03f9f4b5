"""A convolution by hand: a filter of your own over a digit, product by product."""

from __future__ import annotations

from typing import Any

import numpy as np
import traitlets
from numpy.typing import ArrayLike, NDArray

from .assets import bundle
from .figures import side_by_side
from .live import LiveWidget
from .picture import Picture

__all__ = ["ConvolutionExplorer"]

_VERTICAL = ((-1, 0, 1), (-2, 0, 2), (-1, 0, 1))


class ConvolutionExplorer(LiveWidget):
    """Slide a hand-set filter over an image and look at every sum.

    Point at a pixel of the result (or use the arrow keys) to see the patch and the products it
    is made of. Works without a kernel too.

    Parameters
    ----------
    image : array of shape (height, width)
        uint8, or floats from 0 to 1; rounded to hundredths, so that the sums shown add up.
    kernel : array of shape (k, k), default: the vertical edges of Sobel
        The filter to begin with, rounded to thousandths.

    Raises
    ------
    ValueError : the image has not two axes, or the kernel is not square or does not fit on it.

    Examples
    --------
    >>> explorer = ConvolutionExplorer(np.eye(4), [[1, 0], [0, 1]])
    >>> explorer.result().tolist()
    [[2.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 2.0]]
    """

    _esm = bundle("convolution.js")
    image = traitlets.Bytes(help="float32 pixels").tag(sync=True)
    shape = traitlets.List(traitlets.Int()).tag(sync=True)
    kernel = traitlets.List(traitlets.Float()).tag(sync=True)

    def __init__(self, image: ArrayLike, kernel: ArrayLike = _VERTICAL) -> None:
        super().__init__()
        pixels, weights = np.asarray(image), np.asarray(kernel, np.float64)
        if pixels.ndim != 2:
            raise ValueError(
                f"ConvolutionExplorer: `image` must have two axes (height, width); got shape"
                f" {pixels.shape}. Take one image of a batch: images[0]."
            )
        if weights.ndim != 2 or len(set(weights.shape)) != 1 or len(weights) > min(pixels.shape):
            raise ValueError(
                "ConvolutionExplorer: `kernel` must be square and not larger than the image;"
                f" got shape {weights.shape} on an image {pixels.shape}."
            )
        scaled = pixels / 255 if pixels.dtype == np.uint8 else pixels
        self.image = np.round(scaled, 2).astype(np.float32).tobytes()
        self.shape = list(pixels.shape)
        self.kernel = np.round(weights, 3).ravel().tolist()
        self.summary = f"An image of {' by '.join(map(str, pixels.shape))} and a filter to change."

    def arrays(self) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Return the image and the filter as it stands now."""
        size = round(len(self.kernel) ** 0.5)
        image = np.frombuffer(self.image, np.float32).reshape(self.shape)
        return image, np.array(self.kernel).reshape(size, size)

    def result(self) -> NDArray[np.float64]:
        """Return what the filter makes of the image."""
        image, kernel = self.arrays()
        windows = np.lib.stride_tricks.sliding_window_view(image, kernel.shape)
        return np.einsum("ijkl,kl->ij", windows, kernel)

    def take(self, events: list[Any]) -> None:
        """Pass over events: this widget follows nobody."""

    def publish(self) -> None:
        """Write nothing: the traits are the state."""

    def picture(self) -> Picture:
        """Draw image, filter and result side by side."""
        image, kernel = self.arrays()
        return side_by_side(image, kernel, self.result())
