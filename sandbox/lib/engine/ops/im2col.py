"""Convolution where the library has no kernel for this processor: im2col and sgemm."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import dnnl
from ..operation import operands
from ..oplist import Op
from ..steps import Array
from .common import Dims, finish_in_numpy
from .windows import inside, pad_images, taps

if TYPE_CHECKING:
    from ..builder import Builder


class _Columns:
    """Unfold and fold images for one convolution; (N, C, *sizes) <-> (G, C/G·kernel, N·places)."""

    def __init__(self, x_shape: Dims, w_shape: Dims, y_shape: Dims, attrs: dict[str, Any]) -> None:
        self.x_shape, self.kernel = x_shape, w_shape[2:]
        axes = len(self.kernel)
        self.stride = attrs.get("stride") or (1,) * axes
        self.dilation = attrs.get("dilation") or (1,) * axes
        self.padding = attrs.get("padding") or ((0, 0),) * axes
        self.groups = attrs.get("groups", 1)
        self.rows = w_shape[0] // self.groups
        self.inner = math.prod(w_shape[1:])
        self.out = y_shape[2:]
        self.columns = y_shape[0] * math.prod(self.out)

    def _taps(self, padded: Array) -> Iterator[tuple[Any, Array]]:
        for tap in np.ndindex(*self.kernel):
            yield (slice(None), *tap), padded[taps(tap, self.out, self.stride, self.dilation)]

    def unfold(self, x: Array) -> Array:
        n, c = self.x_shape[:2]
        padded = pad_images(x, self.padding)
        columns: Array = np.empty((c, *self.kernel, n, *self.out), np.float32)
        for tap, elements in self._taps(padded):
            columns[tap] = elements.swapaxes(0, 1)
        return columns.reshape(self.groups, self.inner, self.columns)

    def fold(self, columns: Array) -> Array:
        n, c, *sizes = self.x_shape
        padded_sizes = [size + sum(ends) for size, ends in zip(sizes, self.padding, strict=True)]
        padded: Array = np.zeros((n, c, *padded_sizes), np.float32)
        parts = columns.reshape(c, *self.kernel, n, *self.out)
        for tap, elements in self._taps(padded):
            elements += parts[tap].swapaxes(0, 1)
        return padded[inside(sizes, self.padding)]

    def to_rows(self, y: Array) -> Array:
        """(N, O, *places) -> (G, O/G, N·places)."""
        return np.ascontiguousarray(y.swapaxes(0, 1)).reshape(self.groups, self.rows, self.columns)


def lower_forward(builder: Builder, op: Op) -> None:
    """Lower `conv2d` and `conv3d`."""
    x, w = op.inputs[:2]
    has_bias = len(op.inputs) - len(operands(op)) > 2
    y_shape = builder.shape(op.outputs[0])
    unfolder = _Columns(builder.shape(x), builder.shape(w), y_shape, op.attrs)

    def run(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
        columns = unfolder.unfold(reads[0])
        weights = reads[1].reshape(unfolder.groups, unfolder.rows, unfolder.inner)
        rows = np.empty((unfolder.groups, unfolder.rows, unfolder.columns), np.float32)
        for g in range(unfolder.groups):
            dnnl.sgemm(weights[g], columns[g], rows[g])
        n, o, *places = y_shape
        y = writes[0]
        y[...] = rows.reshape(o, n, *places).swapaxes(0, 1)
        if has_bias:
            y += reads[2].reshape(-1, *(1,) * len(places))
        if op.attrs.get("post_ops"):
            finish_in_numpy(op, y, reads)

    reads = [builder.plain(value) for value in op.inputs]
    builder.python(op, run, reads, [builder.define(op.outputs[0])], "im2col+sgemm")


def lower_grad_input(builder: Builder, op: Op) -> None:
    """Lower `conv2d_grad_input` and `conv3d_grad_input`."""
    dy, w = op.inputs
    dx = op.outputs[0]
    folder = _Columns(builder.shape(dx), builder.shape(w), builder.shape(dy), op.attrs)

    def run(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
        rows = folder.to_rows(reads[0])
        weights = reads[1].reshape(folder.groups, folder.rows, folder.inner)
        columns = np.empty((folder.groups, folder.inner, folder.columns), np.float32)
        for g in range(folder.groups):
            dnnl.sgemm(weights[g], rows[g], columns[g], transpose_a=True)
        writes[0][...] = folder.fold(columns)

    reads = [builder.plain(dy), builder.plain(w)]
    builder.python(op, run, reads, [builder.define(dx)], "sgemm+col2im")


def lower_grad_weight(builder: Builder, op: Op) -> None:
    """Lower `conv2d_grad_weight` and `conv3d_grad_weight`."""
    x, dy = op.inputs
    w_shape = builder.shape(op.outputs[0])
    unfolder = _Columns(builder.shape(x), w_shape, builder.shape(dy), op.attrs)

    def run(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
        columns = unfolder.unfold(reads[0])
        rows = unfolder.to_rows(reads[1])
        weights = writes[0].reshape(unfolder.groups, unfolder.rows, unfolder.inner)
        for g in range(unfolder.groups):
            dnnl.sgemm(rows[g], columns[g], weights[g], transpose_b=True)
        if len(writes) > 1:
            np.sum(reads[1], axis=(0, *range(2, reads[1].ndim)), out=writes[1])

    reads = [builder.plain(x), builder.plain(dy)]
    writes = [builder.define(value) for value in op.outputs]
    builder.python(op, run, reads, writes, "im2col+sgemm")
