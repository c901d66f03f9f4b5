"""Dense and what has no window: activations, flattening, reshaping, dropout."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from ... import nn
from ...core.errors import ArgumentError, ShapeError
from ...core.validate import one_of, positive_int
from ..random import generator
from .base import Layer, Shape, Turn

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "elu": nn.ELU,
    "exponential": nn.Exp,
    "gelu": nn.GELU,
    "leaky_relu": lambda: nn.LeakyReLU(0.2),
    "log_softmax": lambda: nn.LogSoftmax(-1),
    "mish": nn.Mish,
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "selu": nn.SELU,
    "sigmoid": nn.Sigmoid,
    "silu": nn.SiLU,
    "softmax": lambda: nn.Softmax(-1),
    "softplus": nn.Softplus,
    "softsign": nn.Softsign,
    "swish": nn.SiLU,
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


class Reshape(Layer):
    """Give each row another shape; one size may be -1.

    Examples
    --------
    >>> from sandbox.lib.keras import Input
    >>> Reshape((2, -1))(Input((3, 4))).shape
    (None, 2, 6)
    """

    def __init__(self, target_shape: Sequence[int], **options: Any) -> None:
        super().__init__(**options)
        self.target_shape = tuple(target_shape)

    def make(self, *shapes: Shape) -> nn.Module:
        """Make the core's Reshape, with -1 worked out."""
        size = math.prod(int(n or 0) for n in shapes[0][1:])
        others = math.prod(n for n in self.target_shape if n != -1)
        target = tuple(size // others if n == -1 and others else n for n in self.target_shape)
        if math.prod(target) != size:
            raise ShapeError(
                f"`target_shape` must hold the {size} elements of a row; got {self.target_shape}."
            )
        return nn.Reshape(target)


class Permute(Layer):
    """Change the order of a row's axes, which are counted from 1.

    Examples
    --------
    >>> from sandbox.lib.keras import Input
    >>> Permute((2, 1))(Input((5, 3))).shape
    (None, 3, 5)
    """

    def __init__(self, dims: Sequence[int], **options: Any) -> None:
        super().__init__(**options)
        self.dims = tuple(dims)
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            raise ArgumentError(
                f"Permute: `dims` must be the axes 1..{len(self.dims)} in any order; got {dims!r}."
            )

    def make(self, *shapes: Shape) -> nn.Module:
        """Make the core's Transpose."""
        return nn.Transpose((0, *self.dims))


class RepeatVector(Layer):
    """Repeat a vector n times: (batch, features) becomes (batch, n, features)."""

    def __init__(self, n: int, **options: Any) -> None:
        super().__init__(**options)
        self.n = positive_int("n", n)

    def make(self, *shapes: Shape) -> nn.Module:
        """Make the core's Replicate."""
        if len(shapes[0]) != 2:
            raise ShapeError("input must have 2 axes (batch, features).")
        return nn.Replicate(self.n, 1)
