"""Dense and what has no window: activations, flattening, dropout, merging."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from ... import nn
from ...core.errors import ArgumentError, ShapeError
from ...core.validate import one_of
from ..random import generator
from .base import Layer, Shape, Turn

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "sigmoid": nn.Sigmoid,
    "softmax": nn.Softmax,
    "tanh": nn.Tanh,
}
INITIALIZERS = {
    "glorot_uniform": "xavier_uniform",
    "glorot_normal": "xavier_normal",
    "he_normal": "he_normal",
    "he_uniform": "he_uniform",
    "lecun_normal": "lecun_normal",
    "lecun_uniform": "lecun_uniform",
    "zeros": "zeros",
    "ones": "ones",
}


def activated(module: nn.Module, activation: str | None) -> nn.Module:
    """Put an activation behind a module."""
    if activation in (None, "linear"):
        return module
    return nn.Sequential(inner=module, activation=ACTIVATIONS[str(activation)]())


class Dense(Layer):
    """Connect every input feature to every unit: y = activation(x · kernel + bias).

    Parameters
    ----------
    units : int > 0
        Features of the output; `output_dim` in Keras 1.

    Examples
    --------
    >>> from sandbox.lib.keras import Input
    >>> layer = Dense(3, activation="relu", name="fc")
    >>> layer(Input((4,))).shape
    (None, 3)
    >>> [w.shape for w in layer.get_weights()]
    [(4, 3), (3,)]
    """

    aliases: ClassVar[Mapping[str, str]] = {
        "output_dim": "units",
        "init": "kernel_initializer",
        "bias": "use_bias",
    }
    turns: ClassVar[Mapping[str, Turn]] = {"weight": (1, 0), "inner.weight": (1, 0)}

    def __init__(
        self,
        units: int,
        activation: str | None = None,
        use_bias: bool = True,
        kernel_initializer: str = "glorot_uniform",
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.units, self.use_bias = units, use_bias
        if activation is not None:
            one_of("activation", activation, [*ACTIVATIONS, "linear"])
        self.activation = activation
        self.rule = INITIALIZERS[one_of("kernel_initializer", kernel_initializer, INITIALIZERS)]

    def make(self, *shapes: Shape) -> nn.Module:
        """Make the linear layer of the core."""
        if len(shapes[0]) < 2:
            raise ShapeError("input must have features.")
        linear = nn.Linear(
            int(shapes[0][-1] or 0),
            self.units,
            bias=self.use_bias,
            weight_init=self.rule,
            rng=generator(),
        )
        return activated(linear, self.activation)


class Activation(Layer):
    """Apply an activation by its name; softmax goes along the last axis."""

    def __init__(self, activation: str, **options: Any) -> None:
        super().__init__(**options)
        self.activation = one_of("activation", activation, list(ACTIVATIONS))

    def make(self, *shapes: Shape) -> nn.Module:
        """Make the activation of the core."""
        return ACTIVATIONS[self.activation]()


class Flatten(Layer):
    """Put all axes behind the batch axis into one, in the order in which they are written."""

    def make(self, *shapes: Shape) -> nn.Module:
        """Make the core's Flatten."""
        return nn.Flatten()


class Dropout(Layer):
    """Set a share `rate` of the elements to 0 while training; `p` in Keras 1."""

    aliases: ClassVar[Mapping[str, str]] = {"p": "rate"}
    handles = "any"

    def __init__(self, rate: float, **options: Any) -> None:
        super().__init__(**options)
        self.rate = rate

    def make(self, *shapes: Shape) -> nn.Module:
        """Make the core's Dropout."""
        return nn.Dropout(self.rate)


class Add(Layer):
    """Add several tensors of one shape."""

    def make(self, *shapes: Shape) -> nn.Module:
        """Make the core's Add."""
        if len(shapes) < 2:
            raise ArgumentError(f"inputs must be two tensors or more; got {len(shapes)}.")
        return nn.Add()
