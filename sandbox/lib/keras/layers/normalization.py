"""Normalisation over the batch and over features."""

from __future__ import annotations

from typing import Any

from ... import nn
from ...core.errors import ArgumentError
from ...core.validate import in_range, positive
from .base import Layer, Shape

__all__ = ["BatchNormalization", "LayerNormalization"]


class BatchNormalization(Layer):
    """Normalise each channel over the batch, then scale and shift it.

    Parameters
    ----------
    axis : int, default=-1
        That of the channels: the last one, or 1.
    momentum : float, default=0.99
        How much of the running statistics stays at each step.
    epsilon : float, default=1e-3
        Keeps the division away from 0.

    Notes
    -----
    As `keras.layers.BatchNormalization`, but that the running variance is the unbiased one, as in
    `nn.BatchNorm`. Weights: gamma, beta, moving mean, moving variance.

    Examples
    --------
    >>> from sandbox.lib.keras import Input
    >>> layer = BatchNormalization()
    >>> layer(Input((4, 4, 3))).shape, layer.count_params()
    ((None, 4, 4, 3), 12)
    """

    handles = "spatial"

    def __init__(
        self, axis: int = -1, momentum: float = 0.99, epsilon: float = 1e-3, **options: Any
    ) -> None:
        super().__init__(**options)
        if axis not in (-1, 1, 2, 3, 4):
            raise ArgumentError(f"BatchNormalization: `axis` must be -1 or 1; got {axis!r}.")
        self.axis = axis
        self.momentum = in_range("momentum", momentum, 0.0, 1.0)
        self.epsilon = positive("epsilon", epsilon)
        self.data_format = "channels_first" if axis == 1 else "channels_last"

    def make(self, *shapes: Shape) -> nn.Module:
        """Make the core's batch norm."""
        if self.axis > 1 and self.axis != len(shapes[0]) - 1:
            raise ArgumentError(f"`axis` must be that of the channels, -1 or 1; got {self.axis}.")
        return nn.BatchNorm(
            int(shapes[0][1] or 0), momentum=1.0 - self.momentum, epsilon=self.epsilon
        )


class LayerNormalization(Layer):
    """Normalise each row over its last axis, then scale and shift it.

    Parameters
    ----------
    epsilon : float, default=1e-3
        Keeps the division away from 0.
    """

    def __init__(self, epsilon: float = 1e-3, **options: Any) -> None:
        super().__init__(**options)
        self.epsilon = positive("epsilon", epsilon)

    def make(self, *shapes: Shape) -> nn.Module:
        """Make the core's layer norm."""
        return nn.LayerNorm(int(shapes[0][-1] or 0), epsilon=self.epsilon)
