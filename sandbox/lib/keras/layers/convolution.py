"""Convolutions, with channels last or first; kernels as Keras has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ... import nn
from ...core.validate import one_of
from ..random import generator
from .base import FORMATS, Layer, Shape, Turn
from .core import ACTIVATIONS, INITIALIZERS, activated

_TURN = (2, 3, 1, 0)  # (out, in, height, width) -> (height, width, in, out)


class Conv2D(Layer):
    """Slide `filters` windows over images.

    Parameters
    ----------
    filters : int > 0
        Channels of the output; `nb_filter` in Keras 1.
    kernel_size : int or (height, width)
        Size of the window.
    padding : "valid" or "same"
        Zeros around; `border_mode` in Keras 1.
    data_format : "channels_last" or "channels_first"
        Where the channels are.

    Examples
    --------
    >>> from sandbox.lib.keras import Input
    >>> layer = Conv2D(6, 5, activation="relu")
    >>> layer(Input((28, 28, 1))).shape
    (None, 24, 24, 6)
    >>> [w.shape for w in layer.get_weights()]
    [(5, 5, 1, 6), (6,)]
    """

    aliases: ClassVar[Mapping[str, str]] = {
        "nb_filter": "filters",
        "subsample": "strides",
        "border_mode": "padding",
        "init": "kernel_initializer",
        "bias": "use_bias",
    }
    turns: ClassVar[Mapping[str, Turn]] = {"weight": _TURN, "inner.weight": _TURN}
    handles = "spatial"

    def __init__(
        self,
        filters: int,
        kernel_size: int | tuple[int, int],
        strides: int | tuple[int, int] = 1,
        padding: str = "valid",
        data_format: str = "channels_last",
        activation: str | None = None,
        use_bias: bool = True,
        kernel_initializer: str = "glorot_uniform",
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.filters, self.kernel_size, self.strides = filters, kernel_size, strides
        self.padding = one_of("padding", padding, ("valid", "same"))
        self.data_format = one_of("data_format", data_format, FORMATS)
        if activation is not None:  # a softmax would go along the wrong axis
            one_of(
                "activation",
                activation,
                [*(a for a in ACTIVATIONS if "softmax" not in a), "linear"],
            )
        self.activation, self.use_bias = activation, use_bias
        self.rule = INITIALIZERS[one_of("kernel_initializer", kernel_initializer, INITIALIZERS)]

    def make(self, *shapes: Shape) -> nn.Module:
        """Make the core's Conv2d."""
        convolution = nn.Conv2d(
            int(shapes[0][1] or 0),
            self.filters,
            self.kernel_size,
            stride=self.strides,
            padding=self.padding,
            bias=self.use_bias,
            weight_init=self.rule,
            rng=generator(),
        )
        return activated(convolution, self.activation)
