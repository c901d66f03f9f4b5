"""Convolution where the library has no kernel for this processor: im2col and sgemm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import dnnl
from ..operation import operands
from ..oplist import Op
from ..steps import Array
from .common import Dims, finish_in_numpy

if TYPE_CHECKING:
    from ..builder import Builder


class _Columns:
    """Unfold and fold images for one convolution; (N, C, H, W) <-> (G, C/G·kh·kw, N·oh·ow)."""

    def __init__(self, x_shape: Dims, w_shape: Dims, y_shape: Dims, attrs: dict[str, Any]) -> None:
        self.stride = attrs.get("stride") or (1, 1)
        self.dilation = attrs.get("dilation") or (1, 1)
        self.padding = attrs.get("padding") or ((0, 0), (0, 0))
        self.groups = attrs.get("groups", 1)
        self.x_shape, self.kernel = x_shape, w_shape[2:]
        self.rows = w_shape[0] // self.groups
        self.inner = w_shape[1] * w_shape[2] * w_shape[3]
        self.out = y_shape[2:]
        self.columns = y_shape[0] * y_shape[2] * y_shape[3]

    def _taps(self, padded: Array) -> Any:
        height, width = self.out
        for u in range(self.kernel[0]):
            for v in range(self.kernel[1]):
                top, left = u * self.dilation[0], v * self.dilation[1]
                yield (
                    u,
                    v,
                    padded[
                        :,
                        :,
                        top : top + (height - 1) * self.stride[0] + 1 : self.stride[0],
                        left : left + (width - 1) * self.stride[1] + 1 : self.stride[1],
                    ],
                )

    def unfold(self, x: Array) -> Array:
        n, c = self.x_shape[:2]
        padded = np.pad(x, ((0, 0), (0, 0), *self.padding)) if np.any(self.padding) else x
        columns = np.empty((c, *self.kernel, n, *self.out), np.float32)
        for u, v, taps in self._taps(padded):
            columns[:, u, v] = taps.transpose(1, 0, 2, 3)
        return columns.reshape(self.groups, self.inner, self.columns)

    def fold(self, columns: Array) -> Array:
        n, c, h, w = self.x_shape
        (top, bottom), (left, right) = self.padding
        padded = np.zeros((n, c, h + top + bottom, w + left + right), np.float32)
        parts = columns.reshape(c, *self.kernel, n, *self.out)
        for u, v, taps in self._taps(padded):
            taps += parts[:, u, v].transpose(1, 0, 2, 3)
        return padded[:, :, top : top + h, left : left + w]

    def to_rows(self, y: Array) -> Array:
        """(N, O, oh, ow) -> (G, O/G, N·oh·ow)."""
        return np.ascontiguousarray(y.transpose(1, 0, 2, 3)).reshape(
            self.groups, self.rows, self.columns
        )


def lower_forward(builder: Builder, op: Op) -> None:
    """Lower `conv2d`."""
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
        n, o, height, width = y_shape
        y = writes[0]
        y[...] = rows.reshape(o, n, height, width).transpose(1, 0, 2, 3)
        if has_bias:
            y += reads[2].reshape(1, -1, 1, 1)
        if op.attrs.get("post_ops"):
            finish_in_numpy(op, y, reads)

    reads = [builder.plain(value) for value in op.inputs]
    builder.python(op, run, reads, [builder.define(op.outputs[0])], "im2col+sgemm")


def lower_grad_input(builder: Builder, op: Op) -> None:
    """Lower `conv2d_grad_input`."""
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
    """Lower `conv2d_grad_weight`."""
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
            np.sum(reads[1], axis=(0, 2, 3), out=writes[1])

    reads = [builder.plain(x), builder.plain(dy)]
    writes = [builder.define(value) for value in op.outputs]
    builder.python(op, run, reads, writes, "im2col+sgemm")
