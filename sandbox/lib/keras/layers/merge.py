"""Layers of several inputs: added up, multiplied, joined."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ... import nn
from ...core.errors import ArgumentError
from .base import Layer, Shape

__all__ = ["Add", "Average", "Concatenate", "Maximum", "Minimum", "Multiply", "Subtract"]


class Merge(Layer):
    """Base of layers that are called on a list of tensors."""

    def make(self, *shapes: Shape) -> nn.Module:
        """Make the core's module."""
        if len(shapes) < 2:
            raise ArgumentError(f"inputs must be two tensors or more; got {len(shapes)}.")
        return self.merged(len(shapes[0]))

    def merged(self, rank: int) -> nn.Module:
        """Make the core's module for tensors of so many axes."""
        raise NotImplementedError(f"{type(self).__name__} must define merged(self, rank).")


class Add(Merge):
    """Add several tensors of one shape."""

    def merged(self, rank: int) -> nn.Module:
        """Make the core's Add."""
        return nn.Add()


class Subtract(Merge):
    """Take the second tensor from the first."""

    def merged(self, rank: int) -> nn.Module:
        """Make the core's Subtract."""
        return nn.Subtract()


class Multiply(Merge):
    """Multiply several tensors, element by element."""

    def merged(self, rank: int) -> nn.Module:
        """Make the core's Multiply."""
        return nn.Multiply()


class Average(Merge):
    """Take the mean of several tensors, element by element."""

    def merged(self, rank: int) -> nn.Module:
        """Make the core's Average."""
        return nn.Average()


class Maximum(Merge):
    """Take the largest of several tensors, element by element."""

    def merged(self, rank: int) -> nn.Module:
        """Make the core's Maximum."""
        return nn.Maximum()


class Minimum(Merge):
    """Take the smallest of several tensors, element by element."""

    def merged(self, rank: int) -> nn.Module:
        """Make the core's Minimum."""
        return nn.Minimum()


class Concatenate(Merge):
    """Join several tensors along an axis.

    Parameters
    ----------
    axis : int, default=-1
        The batch counted; `concat_axis` in Keras 1.

    Examples
    --------
    >>> from sandbox.lib.keras import Input
    >>> Concatenate()([Input((2,)), Input((3,))]).shape
    (None, 5)
    """

    aliases: ClassVar[Mapping[str, str]] = {"concat_axis": "axis"}

    def __init__(self, axis: int = -1, **options: Any) -> None:
        super().__init__(**options)
        self.axis = axis

    def merged(self, rank: int) -> nn.Module:
        """Make the core's Concat."""
        if not -rank < self.axis < rank or self.axis == 0:
            raise ArgumentError(f"`axis` must be one of a row's, 1..{rank - 1}; got {self.axis}.")
        return nn.Concat(self.axis % rank)
