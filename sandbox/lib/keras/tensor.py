"""Symbolic tensors: the promise of a layer's output, with its shape and without numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..core.errors import ArgumentError

if TYPE_CHECKING:
    from .layers.base import Layer

__all__ = ["Input", "KerasTensor"]


class KerasTensor:
    """What comes out when a layer is called on other tensors; an input where no layer is.

    Parameters
    ----------
    shape : tuple
        With the batch axis, which is None.
    layer : Layer, optional
        What makes it.
    inputs : tuple of KerasTensor
        What the layer is called on.
    name : str, optional
        Of an input.
    """

    def __init__(
        self,
        shape: tuple[int | None, ...],
        layer: Layer | None = None,
        inputs: tuple[KerasTensor, ...] = (),
        name: str | None = None,
    ) -> None:
        self.shape = shape
        self.layer = layer
        self.inputs = inputs
        self.name = name

    def __repr__(self) -> str:
        """Tell shape and maker."""
        maker = self.name if self.layer is None else self.layer.name
        return f"<KerasTensor shape={self.shape}, of {maker or 'input'}>"


def Input(shape: Sequence[int], name: str | None = None) -> KerasTensor:  # noqa: N802 - Keras's name
    """Make the tensor through which data enter a functional model.

    Parameters
    ----------
    shape : sequence of int > 0
        Of one row, without the batch axis.

    Raises
    ------
    ArgumentError : a size is not positive.

    Examples
    --------
    >>> Input((28, 28, 1)).shape
    (None, 28, 28, 1)
    """
    sizes = (shape,) if isinstance(shape, int) else tuple(shape)
    if not all(isinstance(size, int) and size > 0 for size in sizes):
        raise ArgumentError(f"Input: `shape` must hold sizes > 0 of one row; got {shape!r}.")
    return KerasTensor((None, *sizes), name=name)
