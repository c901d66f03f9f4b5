"""Convolutions: direct kernels in the fastest layout, im2col and sgemm where there is none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import dnnl
from ..builder import Builder
from ..choices import Candidate
from ..oplist import Op
from ..steps import Array
from .common import Dims, is_relu, legal_numbers, window_of

Option = tuple[str, dnnl.Wanted, dnnl.Wanted]


def _weight_dims(shape: Dims, groups: int) -> Dims:
    return shape if groups == 1 else (groups, shape[0] // groups, *shape[1:])


def _options(builder: Builder, first: int, second: int, numbers: tuple[str, str]) -> list[Option]:
    """Return pairs of layouts to try, of these types; a value at hand may keep its layout."""
    first_dims, second_dims = builder.shape(first), builder.shape(second)
    free: tuple[dnnl.Wanted, dnnl.Wanted] = (
        dnnl.whatever(first_dims, numbers[0]),
        dnnl.whatever(second_dims, numbers[1]),
    )
    last = (
        dnnl.channels_last(first_dims, numbers[0]),
        dnnl.channels_last(second_dims, numbers[1]),
    )
    blocked = (
        dnnl.tagged(first_dims, "blocked16", numbers[0]),
        dnnl.tagged(second_dims, "blocked16", numbers[1]),
    )
    options: list[Option] = [
        ("any", *free),
        ("nhwc", *last),
        ("any-nhwc", free[0], last[1]),
        ("nhwc-any", last[0], free[1]),
        ("blocked", *blocked),
    ]
    left, right = (
        builder.layouts(value, number=number) if builder.tensors(value) else []
        for value, number in zip((first, second), numbers, strict=True)
    )
    for i, layout in enumerate(left):
        options.append((f"keep{i}-any", layout, free[1]))
        options.append((f"keep{i}-nhwc", layout, last[1]))
        options.append((f"keep{i}-blocked", layout, blocked[1]))
    for j, layout in enumerate(right):
        options.append((f"any-keep{j}", free[0], layout))
        options.append((f"nhwc-keep{j}", last[0], layout))
        options.extend((f"keep{i}-keep{j}", other, layout) for i, other in enumerate(left))
    return options


def conv2d(builder: Builder, op: Op) -> None:
    """Lower `conv2d`."""
    x, w, *bias = op.inputs
    y = op.outputs[0]
    window, relu = window_of(op.attrs), is_relu(op)
    dims = _weight_dims(builder.shape(w), op.attrs.get("groups", 1))
    offsets = dnnl.plain(builder.shape(bias[0])) if bias else None
    reads = {dnnl.SRC: x, dnnl.WEIGHTS: w} | ({dnnl.BIAS: bias[0]} if bias else {})

    def make(name: str, src: dnnl.Wanted, dst: dnnl.Wanted) -> Callable[[], Candidate]:
        def candidate() -> Candidate:
            weights = dnnl.whatever(dims, src.dtype)
            primitive = dnnl.convolution(
                src, weights, offsets, dst, window, training=builder.training, relu=relu
            )
            return Candidate(name, primitive, reads, {dnnl.DST: y}, builder.wanted(dnnl.DST, y))

        return candidate

    def options(number: str) -> list[Callable[[], Candidate]]:
        found = _options(builder, x, y, (number, builder.number_from(number, y)))
        if builder.shape(x)[1] < 16:  # untimed, few channels are best read as they lie
            found.sort(key=lambda option: option[0] != "keep0-any")
        return [make(*option) for option in found]

    try:
        candidates = legal_numbers(builder, options)
    except dnnl.RefusedError:
        _im2col_forward(builder, op)
        return
    choice = builder.choose(op, candidates, builder.shape(x)[0])
    builder.notes["conv", w, builder.shape(x)] = choice.primitive.needs(dnnl.SRC)
    builder.emit(op, choice)


def conv2d_grad_input(builder: Builder, op: Op) -> None:
    """Lower `conv2d_grad_input`."""
    dy, w = op.inputs
    dx = op.outputs[0]
    window = window_of(op.attrs)
    dims = _weight_dims(builder.shape(w), op.attrs.get("groups", 1))
    forward: dnnl.Layout | None = builder.notes.get(("conv", w, builder.shape(dx)))
    if forward is not None:
        forward = dnnl.retyped(forward, builder.number(dx))
    wanted = builder.wanted(dnnl.DIFF_SRC, dx, forward)

    def make(name: str, src: dnnl.Wanted, dst: dnnl.Wanted) -> Callable[[], Candidate]:
        def candidate() -> Candidate:
            weights = dnnl.whatever(dims, dst.dtype)
            primitive = dnnl.convolution_data(src, weights, dst, window)
            reads = {dnnl.DIFF_DST: dy, dnnl.WEIGHTS: w}
            return Candidate(name, primitive, reads, {dnnl.DIFF_SRC: dx}, wanted)

        return candidate

    def options(number: str) -> list[Callable[[], Candidate]]:
        result = builder.number_from(number, dx)
        found = _options(builder, dx, dy, (result, number))
        if forward is not None:
            src = dnnl.retyped(forward, result)
            found.append(("forward-any", src, dnnl.whatever(builder.shape(dy), number)))
            found.extend(
                (f"forward-keep{j}", src, layout)
                for j, layout in enumerate(builder.layouts(dy, number=number))
            )
        return [make(*option) for option in found]

    try:
        candidates = legal_numbers(builder, options)
    except dnnl.RefusedError:
        _im2col_grad_input(builder, op)
        return
    builder.emit(op, builder.choose(op, candidates, builder.shape(dy)[0]))


def conv2d_grad_weight(builder: Builder, op: Op) -> None:
    """Lower `conv2d_grad_weight`."""
    x, dy = op.inputs
    dw, *db = op.outputs
    window = window_of(op.attrs)
    dims = _weight_dims(builder.shape(dw), op.attrs.get("groups", 1))
    weights = dnnl.whatever(dims)
    offsets = dnnl.plain(builder.shape(db[0])) if db else None
    writes = {dnnl.DIFF_WEIGHTS: dw} | ({dnnl.DIFF_BIAS: db[0]} if db else {})

    def make(name: str, src: dnnl.Wanted, dst: dnnl.Wanted) -> Callable[[], Candidate]:
        def candidate() -> Candidate:
            primitive = dnnl.convolution_weights(src, weights, offsets, dst, window)
            reads = {dnnl.SRC: x, dnnl.DIFF_DST: dy}
            return Candidate(name, primitive, reads, writes, {dnnl.DIFF_WEIGHTS: dnnl.plain(dims)})

        return candidate

    def options(number: str) -> list[Callable[[], Candidate]]:
        found = _options(builder, x, dy, (number, number))
        channels = builder.shape(x)[1], builder.shape(dy)[1]
        if channels[0] > 3 and any(count % 16 for count in channels):
            found[:2] = found[1::-1]  # untimed, channels last is the better guess here
        return [make(*option) for option in found]

    try:
        candidates = legal_numbers(builder, options)
    except dnnl.RefusedError:
        _im2col_grad_weight(builder, op)
        return
    builder.emit(op, builder.choose(op, candidates, builder.shape(x)[0]))


# -- where the library has no convolution for this processor: im2col and sgemm -----------------


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


def _im2col_forward(builder: Builder, op: Op) -> None:
    x, w = op.inputs[:2]
    y_shape = builder.shape(op.outputs[0])
    unfolder = _Columns(builder.shape(x), builder.shape(w), y_shape, op.attrs)
    relu = is_relu(op)

    def run(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
        columns = unfolder.unfold(reads[0])
        weights = reads[1].reshape(unfolder.groups, unfolder.rows, unfolder.inner)
        rows = np.empty((unfolder.groups, unfolder.rows, unfolder.columns), np.float32)
        for g in range(unfolder.groups):
            dnnl.sgemm(weights[g], columns[g], rows[g])
        n, o, height, width = y_shape
        y = writes[0]
        y[...] = rows.reshape(o, n, height, width).transpose(1, 0, 2, 3)
        if len(reads) > 2:
            y += reads[2].reshape(1, -1, 1, 1)
        if relu:
            np.maximum(y, 0, out=y)

    reads = [builder.plain(value) for value in op.inputs]
    builder.python(op, run, reads, [builder.define(op.outputs[0])], "im2col+sgemm")


def _im2col_grad_input(builder: Builder, op: Op) -> None:
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


def _im2col_grad_weight(builder: Builder, op: Op) -> None:
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


LOWERINGS = {
    "conv2d": conv2d,
    "conv2d_grad_input": conv2d_grad_input,
    "conv2d_grad_weight": conv2d_grad_weight,
}
