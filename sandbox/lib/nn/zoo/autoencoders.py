"""Autoencoders: networks that give back their input through a narrow place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...core.errors import ArgumentError
from ...core.validate import integers, positive_int
from .. import init
from ..activation.elementwise import ReLU
from ..container.graph import Graph
from ..container.sequential import Sequential
from ..convolution.plain import Conv2d
from ..convolution.transposed import ConvTranspose2d
from ..linear.dense import Linear
from ..node import Input
from ..noise.gaussian import GaussianSampler
from ..shape.views import Flatten, Reshape


def autoencoder(
    rng: init.Rng = None, *, image: Sequence[int] = (1, 28, 28), hidden: int = 32
) -> Sequential:
    """Build an autoencoder of two linear layers.

    Parameters
    ----------
    rng : Generator, int or None
        Where the first weights are drawn from.
    image : sequence of int > 0
        Shape of what it gives back.
    hidden : int > 0
        Width of the narrow place.

    Shapes
    ------
    input : (batch, *image) float32
    output : same, logits: for `criterion.BCEWithLogits` and pixels in [0, 1]

    Notes
    -----
    Like BigDL `Autoencoder`, whose sigmoid at the end is in the criterion here.
    Source: Hinton, Salakhutdinov 2006.

    Examples
    --------
    >>> import numpy as np
    >>> autoencoder(0)(np.zeros((2, 1, 28, 28), "f4")).shape
    (2, 1, 28, 28)
    """
    shape, size = _sizes(image)
    hidden, rng = positive_int("hidden", hidden), init.generator(rng)
    return Sequential(
        flatten=Flatten(),
        encode=Linear(size, hidden, rng=rng),
        relu=ReLU(),
        decode=Linear(hidden, size, rng=rng),
        image=Reshape(shape),
    )


def conv_autoencoder(
    rng: init.Rng = None, *, channels: int = 1, widths: Sequence[int] = (16, 8)
) -> Sequential:
    """Build an autoencoder of convolutions, each of which halves the image.

    Parameters
    ----------
    rng : Generator, int or None
        Where the first weights are drawn from.
    channels : int > 0
        Channels of the images.
    widths : sequence of int > 0
        Channels behind each convolution.

    Shapes
    ------
    input : (batch, channels, height, width) float32, multiples of 2^(number of widths)
    output : same, logits

    Raises
    ------
    ArgumentError : there is no width.

    Notes
    -----
    Source: Masci et al. 2011, with strides in place of pools.

    Examples
    --------
    >>> import numpy as np
    >>> conv_autoencoder(0)(np.zeros((2, 1, 28, 28), "f4")).shape
    (2, 1, 28, 28)
    """
    widths = integers("widths", widths, "a list of ints > 0", 1)
    if not widths:
        raise ArgumentError("`widths` must name at least one width; got none.")
    channels, rng = positive_int("channels", channels), init.generator(rng)
    sizes = [channels, *widths]
    modules: dict[str, Any] = {}
    for number, (before, after) in enumerate(zip(sizes, widths, strict=False), start=1):
        modules[f"conv{number}"] = Conv2d(before, after, 3, stride=2, padding=1, rng=rng)
        modules[f"relu{number}"] = ReLU()
    for number in range(len(widths), 0, -1):
        modules[f"up{number}"] = ConvTranspose2d(
            sizes[number], sizes[number - 1], 2, stride=2, rng=rng
        )
        if number > 1:
            modules[f"relu_up{number}"] = ReLU()
    return Sequential(**modules)


def variational_autoencoder(
    rng: init.Rng = None,
    *,
    image: Sequence[int] = (1, 28, 28),
    hidden: int = 400,
    codes: int = 20,
) -> Graph:
    """Build a variational autoencoder: codes are normal distributions, from which one may draw.

    Parameters
    ----------
    rng : Generator, int or None
        Where the first weights are drawn from.
    image : sequence of int > 0
        Shape of what it gives back.
    hidden : int > 0
        Width of the layers before and behind the codes.
    codes : int > 0
        Numbers of a code.

    Shapes
    ------
    input : (batch, *image) float32
    output : (image, (mean, log_variance)): logits of the image's shape, and (batch, codes) twice;
        for `criterion.Parallel((BCEWithLogits(), GaussianKL()))` with the target (x, x), where
        the first loss is a mean over pixels: weights=(pixels, 1) make it the paper's

    Notes
    -----
    Same as Analytics Zoo's app "variational-autoencoder". Source: Kingma, Welling 2014. To make new
    images: `decoder(codes)` with `decoder = model["decoder"]` and normal numbers.

    Examples
    --------
    >>> import numpy as np
    >>> model = variational_autoencoder(0, hidden=16, codes=3)
    >>> image, (mean, log_variance) = model(np.zeros((2, 1, 28, 28), "f4"))
    >>> image.shape, mean.shape
    ((2, 1, 28, 28), (2, 3))
    >>> model["decoder"](np.random.default_rng(0).normal(size=(5, 3)).astype("f4")).shape
    (5, 1, 28, 28)
    """
    shape, size = _sizes(image)
    hidden, codes = positive_int("hidden", hidden), positive_int("codes", codes)
    rng = init.generator(rng)
    x = Input("image")
    encoder = Sequential(
        flatten=Flatten(), fc=Linear(size, hidden, rng=rng), relu=ReLU(), name="encoder"
    )
    y = encoder(x)
    mean = Linear(hidden, codes, rng=rng, name="mean")(y)
    log_variance = Linear(hidden, codes, rng=rng, name="log_variance")(y)
    decoder = Sequential(
        fc=Linear(codes, hidden, rng=rng),
        relu=ReLU(),
        pixels=Linear(hidden, size, rng=rng),
        image=Reshape(shape),
        name="decoder",
    )
    drawn = GaussianSampler(name="code")(mean, log_variance)
    return Graph(x, (decoder(drawn), (mean, log_variance)))


def _sizes(image: Sequence[int]) -> tuple[tuple[int, ...], int]:
    """Return an image's shape and how many numbers it has."""
    shape = integers("image", image, "a list of ints > 0", 1)
    size = 1
    for n in shape:
        size *= n
    return shape, size
