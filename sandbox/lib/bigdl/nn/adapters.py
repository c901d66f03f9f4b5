"""Modules that turn shapes for the front: one sample without a batch axis, BigDL's dimensions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ... import nn
from ...core import ops
from ...core.errors import ShapeError


@nn.register("bigdl.Batched")
class Batched(nn.Module):
    """Let a module take one sample too: `axes` axes with the batch, one less without it."""

    def __init__(self, module: nn.Module, axes: int, *, name: str | None = None) -> None:
        super().__init__(name=name)
        self.module, self.axes = module, axes

    def call(self, x: Any) -> Any:
        """Call the module; without a batch axis put one in front, and take it away behind."""
        if len(x.shape) != self.axes - 1:
            return nn.calls.run(self.module, (x,), "module")
        y = nn.calls.run(self.module, (ops.reshape(x, (1, *x.shape)),), "module")
        return ops.reshape(y, y.shape[1:])

    def extra(self) -> str:
        """Give what the module says of itself."""
        return self.module.extra()


@nn.register("bigdl.Reshape")
class ReshapeTo(nn.Module):
    """BigDL's Reshape: with the batch axis kept, or over all of the input."""

    def __init__(
        self, size: Sequence[int], batch_mode: bool | None = None, *, name: str | None = None
    ) -> None:
        super().__init__(name=name)
        self.size, self.batch_mode = tuple(size), batch_mode

    def call(self, x: Any) -> Any:
        """Reshape."""
        count = math.prod(self.size)
        total = math.prod(x.shape)
        whole = self.batch_mode is False or (
            self.batch_mode is None and total == count and x.shape[0] != 1
        )
        if whole and total == count:
            return ops.reshape(x, self.size)
        if not whole and total == count * x.shape[0]:
            return ops.reshape(x, (x.shape[0], *self.size))
        raise ShapeError(f"input must have {count} elements a sample {self.size}; got {x.shape}.")


@nn.register("bigdl.View")
class ViewAs(nn.Module):
    """BigDL's View: a batch axis is kept if there is more than one sample's elements."""

    def __init__(
        self, sizes: Sequence[int], num_input_dims: int = 0, *, name: str | None = None
    ) -> None:
        super().__init__(name=name)
        self.sizes, self.num_input_dims = tuple(sizes), num_input_dims

    def call(self, x: Any) -> Any:
        """View."""
        known = math.prod(size for size in self.sizes if size != -1)
        axes = len(x.shape)
        if self.num_input_dims and axes <= self.num_input_dims:
            return ops.reshape(x, self.sizes)
        total = math.prod(x.shape)
        if not self.num_input_dims and (total == known or -1 in self.sizes):
            return ops.reshape(x, self.sizes)
        if total % known:
            raise ShapeError(f"input must have a multiple of {known} elements; got {x.shape}.")
        rows = math.prod(x.shape[: axes - self.num_input_dims]) if self.num_input_dims else None
        return ops.reshape(x, (rows or total // known, *self.sizes))


@nn.register("bigdl.AlongLast")
class AlongLast(nn.Module):
    """A module made for the last axis, whatever the number of axes."""

    def __init__(self, module: nn.Module, *, name: str | None = None) -> None:
        super().__init__(name=name)
        self.module = module

    def call(self, x: Any) -> Any:
        """Fold all but the last axis, call, unfold."""
        y = nn.calls.run(self.module, (ops.reshape(x, (-1, x.shape[-1])),), "module")
        return ops.reshape(y, (*x.shape[:-1], y.shape[-1]))

    def extra(self) -> str:
        """Give what the module says of itself."""
        return self.module.extra()


@nn.register("bigdl.Cut")
class Cut(nn.Module):
    """Select (`length` None) or narrow a dimension; both counted from 1 or from the end."""

    def __init__(
        self, dimension: int, index: int, length: int | None, *, name: str | None = None
    ) -> None:
        super().__init__(name=name)
        self.dimension, self.index, self.length = dimension, index, length

    def call(self, x: Any) -> Any:
        """Cut."""
        axes = len(x.shape)
        axis = self.dimension - 1 if self.dimension > 0 else axes + self.dimension
        if not 0 <= axis < axes:
            raise ShapeError(
                f"the dimension must be one of 1 to {axes}, or -1 from the end; got "
                f"{self.dimension} for shape {x.shape}."
            )
        size = x.shape[axis]
        start = self.index - 1 if self.index > 0 else size + self.index
        if not 0 <= start < size:
            raise ShapeError(
                f"the index must be one of 1 to {size}, or -1 from the end; got {self.index}."
            )
        before = (slice(None),) * axis
        if self.length is None:
            return x[(*before, start)]
        length = size - start + self.length + 1 if self.length < 0 else self.length
        if not 0 < length <= size - start:
            raise ShapeError(f"the length must be one of 1 to {size - start}; got {self.length}.")
        return x[(*before, slice(start, start + length))]


@nn.register("bigdl.InferredShape")
class InferredShape(nn.Module):
    """BigDL's InferReshape: 0 keeps the size at this place, -1 is found out."""

    def __init__(
        self, size: Sequence[int], batch_mode: bool = False, *, name: str | None = None
    ) -> None:
        super().__init__(name=name)
        self.size, self.batch_mode = tuple(size), batch_mode

    def call(self, x: Any) -> Any:
        """Reshape."""
        own = x.shape[1:] if self.batch_mode else x.shape
        sizes = [own[k] if size == 0 else size for k, size in enumerate(self.size)]
        return ops.reshape(x, (x.shape[0], *sizes) if self.batch_mode else tuple(sizes))


@nn.register("bigdl.Joined")
class Joined(nn.Module):
    """BigDL's JoinTable: a dimension of `axes` ones, behind the batch axis if there is one more."""

    def __init__(self, dimension: int, axes: int, *, name: str | None = None) -> None:
        super().__init__(name=name)
        self.dimension, self.axes = dimension, axes

    def call(self, *inputs: Any) -> Any:
        """Join."""
        parts = inputs[0] if len(inputs) == 1 and isinstance(inputs[0], tuple) else inputs
        batched = self.axes > 0 and len(parts[0].shape) > self.axes
        return ops.concat(list(parts), self.dimension - 1 + int(batched))


@nn.register("bigdl.SoftMaxed")
class SoftMaxed(nn.Module):
    """BigDL 0.13's choice of the softmax's axis."""

    def call(self, x: Any) -> Any:
        """Compute the softmax."""
        return ops.softmax(x, {3: 0, 4: 1}.get(len(x.shape), len(x.shape) - 1))


@nn.register("bigdl.Swapped")
class Swapped(nn.Module):
    """Pairs of dimensions, counted from 1, swapped one after the other."""

    def __init__(self, pairs: Sequence[Sequence[int]], *, name: str | None = None) -> None:
        super().__init__(name=name)
        self.pairs = tuple(tuple(pair) for pair in pairs)

    def call(self, x: Any) -> Any:
        """Swap."""
        axes = list(range(len(x.shape)))
        for one, two in self.pairs:
            axes[one - 1], axes[two - 1] = axes[two - 1], axes[one - 1]
        return ops.transpose(x, tuple(axes))
