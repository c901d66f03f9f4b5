"""Normalisation within each row: over groups of channels, by the root mean square, by the length.

Batch and layer normalisation are in `norm`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .. import dnnl
from ..blueprint import private
from ..errors import ShapeError
from ..operation import register
from ..oplist import Op, Spec
from .common import Dims, seen
from .pieces import by_rows, rows_of
from .rules import floating

if TYPE_CHECKING:
    from ..builder import Builder

Array = NDArray[Any]


def _infer_group(
    x: Spec, gamma: Spec, beta: Spec, *, groups: int, epsilon: float
) -> tuple[Spec, ...]:
    floating(x)
    if len(x.shape) < 2 or x.shape[1] % groups:
        raise ShapeError(
            f"input axis 1 must be a multiple of {groups} (groups); got shape {x.shape}."
        )
    for name, vector in (("gamma", gamma), ("beta", beta)):
        if vector.shape != x.shape[1:2]:
            raise ShapeError(
                f"{name} must have shape {x.shape[1:2]}, one number per channel of input {x.shape};"
                f" got {vector.shape}."
            )
    if x.size == 0 and 0 in x.shape[1:]:
        raise ShapeError(f"input must have channels and elements in each; got shape {x.shape}.")
    statistics = Spec((x.shape[0], groups), x.dtype)
    return x, statistics, statistics


def _infer_rms(x: Spec, gamma: Spec, *, epsilon: float) -> tuple[Spec, ...]:
    floating(x)
    first = len(x.shape) - len(gamma.shape)
    if first < 1 or x.shape[first:] != gamma.shape:
        raise ShapeError(
            f"gamma must have the shape of the last axes of input {x.shape}; got {gamma.shape}."
        )
    return x, Spec(x.shape[:first], x.dtype)


def _infer_length(x: Spec, *, axis: int, epsilon: float) -> tuple[Spec, ...]:
    floating(x)
    return x, Spec((*x.shape[:axis], 1, *x.shape[axis + 1 :]), x.dtype)


def _infer_response(x: Spec, *, axes: tuple[int, ...], **attrs: Any) -> tuple[Spec, ...]:
    floating(x)
    if max(axes) >= len(x.shape):
        raise ShapeError(f"input must have an axis {max(axes)}; got shape {x.shape}.")
    return x, x


# -- groups of channels ----------------------------------------------------------------------------


def _by_group(x: Array, groups: int) -> Array:
    """Return (batch, groups, channels of each, elements)."""
    rows, channels = x.shape[:2]
    return x.reshape(rows, groups, channels // groups, math.prod(x.shape[2:]))


def _wide(statistic: Array) -> Array:
    return statistic[:, :, None, None]


def group_norm(
    x: Array,
    gamma: Array,
    beta: Array,
    *,
    groups: int,
    epsilon: float,
) -> tuple[Array, Array, Array]:
    """Return y, and mean and biased variance of each group of each row."""
    parts = _by_group(x, groups)
    mean = parts.mean(axis=(2, 3))
    y = parts - _wide(mean)
    variance = np.square(y).mean(axis=(2, 3))
    y *= gamma.reshape(groups, -1, 1) / np.sqrt(_wide(variance) + np.asarray(epsilon, x.dtype))
    y += beta.reshape(groups, -1, 1)
    return y.reshape(x.shape), mean, variance


def group_norm_grad(
    dy: Array,
    x: Array,
    gamma: Array,
    mean: Array,
    variance: Array,
    *,
    groups: int,
    epsilon: float,
) -> tuple[Array, Array, Array]:
    """Return dx, dgamma, dbeta; mean and variance depend on x, which dx accounts for."""
    scale, slope, shift, dgamma, dbeta = _planes(dy, x, gamma, mean, variance, groups, epsilon)
    dx = _by_group(x, groups) * slope
    dx += shift
    dx += _by_group(dy, groups) * scale
    return dx.reshape(x.shape), dgamma, dbeta


def _planes(
    dy: Array,
    x: Array,
    gamma: Array,
    mean: Array,
    variance: Array,
    groups: int,
    epsilon: float,
) -> tuple[Array, Array, Array, Array, Array]:
    """Return of what dx = scale · dy + slope · x + shift is made, and dgamma, dbeta."""
    parts, above = _by_group(x, groups), _by_group(dy, groups)
    inverse = 1 / np.sqrt(variance + np.asarray(epsilon, x.dtype))
    scale = gamma.reshape(groups, -1, 1) * _wide(inverse)
    sums, products = np.empty(parts.shape[:3], x.dtype), np.empty(parts.shape[:3], x.dtype)
    ones = np.ones(parts.shape[3], x.dtype)
    for part in rows_of(x.shape):  # the second time it is read from the cache
        np.matmul(above[part], ones, out=sums[part])
        np.vecdot(above[part], parts[part], out=products[part])
    products -= mean[:, :, None] * sums
    count = np.asarray(math.prod(parts.shape[2:]), x.dtype)
    slope = -(scale[..., 0] * products).sum(axis=2) * np.square(inverse) / count
    shift = -(scale[..., 0] * sums).sum(axis=2) / count - mean * slope
    dgamma = (products * inverse[:, :, None]).sum(axis=0).reshape(-1)
    return scale, _wide(slope), _wide(shift), dgamma, sums.sum(axis=0).reshape(-1)


def lower_group_norm(builder: Builder, op: Op) -> None:
    """Lower `group_norm`: a layer normalisation of the groups, then a line for each channel."""
    x, gamma, beta = op.inputs
    shape, groups = builder.shape(x), op.attrs["groups"]
    rows, size = shape[0] * groups, math.prod(shape[1:]) // groups
    if math.prod(shape[2:]) == 1:  # 3.2 repeats the second number for each channel wrongly
        raise dnnl.RefusedError("group_norm: channels must have several elements.")
    layout, statistics = dnnl.plain((rows, size)), dnnl.plain((rows,))
    normal = dnnl.layer_norm(layout, statistics, op.attrs["epsilon"], training=True, affine=False)
    image = dnnl.plain((*shape[:2], 1, math.prod(shape[2:])))
    column = dnnl.plain((1, shape[1], 1, 1))
    shifted = (dnnl.Binary(dnnl.BINARY["add"], column),)
    line = dnnl.binary(dnnl.BINARY["multiply"], image, column, image, post_ops=shifted)
    source, scale, shift = (builder.plain(value) for value in (x, gamma, beta))
    y, mean, variance = (builder.define(value) for value in op.outputs)
    found = {
        dnnl.DST: seen(y, layout),
        dnnl.MEAN: seen(mean, statistics),
        dnnl.VARIANCE: seen(variance, statistics),
    }
    builder.native(op, normal, {dnnl.SRC: seen(source, layout)}, found)
    given = {
        dnnl.SRC: seen(y, image),
        dnnl.SRC_1: seen(scale, column),
        dnnl.post_op(0): seen(shift, column),
    }
    builder.native(op, line, given, {dnnl.DST: seen(y, image)})


def _channels(shape: Dims) -> tuple[dnnl.Layout, dnnl.Layout]:
    """Return the layouts of a map whose rows count as channels, and of a number for each."""
    rows = shape[0] * shape[1]
    return dnnl.plain((1, rows, 1, math.prod(shape[2:]))), dnnl.plain((1, rows, 1, 1))


def lower_group_norm_grad(builder: Builder, op: Op) -> None:
    """Lower `group_norm_grad`: NumPy's sums, then two passes of oneDNN."""
    layout, column = _channels(builder.shape(op.inputs[1]))
    add, multiply = dnnl.BINARY["add"], dnnl.BINARY["multiply"]
    shifted = (dnnl.Binary(add, column),)
    line = dnnl.binary(multiply, layout, column, layout, post_ops=shifted)
    plane = dnnl.binary(multiply, layout, column, layout, post_ops=(dnnl.Sum(),))
    attrs = op.attrs

    def run(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
        above, source, gamma, mean, variance = reads
        groups, epsilon = attrs["groups"], attrs["epsilon"]
        found = _planes(above, source, gamma, mean, variance, groups, epsilon)
        for target, array in zip(writes[:3], found[:3], strict=True):
            wide = target.reshape(found[0].shape)
            wide[...] = array
        writes[3][...], writes[4][...] = found[3:]

    reads = [builder.plain(value) for value in op.inputs]
    dx, *sums = (builder.define(value) for value in op.outputs)
    scale, slope, shift = private(column), private(column), private(column)
    builder.python(op, run, reads, [scale, slope, shift, *sums])
    dy, x, target = (seen(tensor, layout) for tensor in (*reads[:2], dx))
    given = {dnnl.SRC: x, dnnl.SRC_1: slope, dnnl.post_op(0): shift}
    builder.native(op, line, given, {dnnl.DST: target})
    builder.native(op, plane, {dnnl.SRC: dy, dnnl.SRC_1: scale}, {dnnl.DST: target}, target)


def lower_rms_norm(builder: Builder, op: Op) -> None:
    """Lower `rms_norm`: a layer normalisation whose mean is 0."""
    x, gamma = op.inputs
    y, inverse = op.outputs
    size = builder.spec(gamma).size
    rows = builder.spec(x).size // size
    layout, column = dnnl.plain((rows, size)), dnnl.plain((rows,))
    epsilon = op.attrs["epsilon"]
    primitive = dnnl.layer_norm(layout, column, epsilon, training=False, given=True)

    def run(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
        root, mean, squares = writes
        flat = reads[0].reshape(rows, size)
        np.divide(np.vecdot(flat, flat), np.float32(size), out=squares)
        root[...] = (1 / np.sqrt(squares + np.float32(epsilon))).reshape(root.shape)
        mean.fill(0)

    source, scale = builder.plain(x), builder.plain(gamma)
    target, root = builder.define(y), builder.define(inverse)
    mean, squares = private(column), private(column)
    builder.python(op, run, [source], [root, mean, squares])
    given = {
        dnnl.SRC: seen(source, layout),
        dnnl.SCALE: seen(scale, dnnl.plain((size,))),
        dnnl.MEAN: mean,
        dnnl.VARIANCE: squares,
    }
    builder.native(op, primitive, given, {dnnl.DST: seen(target, layout)})


# -- root mean square, length ----------------------------------------------------------------------


def rms_norm(x: Array, gamma: Array, *, epsilon: float) -> tuple[Array, Array]:
    """Return gamma · x / sqrt(mean(x²) + epsilon), and the inverse of that root."""
    flat = x.reshape(-1, gamma.size)
    squares = np.vecdot(flat, flat) / np.asarray(gamma.size, x.dtype)
    inverse = 1 / np.sqrt(squares + np.asarray(epsilon, x.dtype))
    y = flat * inverse[:, None]
    y *= gamma.reshape(-1)
    return y.reshape(x.shape), inverse.reshape(x.shape[: x.ndim - gamma.ndim])


def rms_norm_grad(
    dy: Array,
    x: Array,
    gamma: Array,
    inverse: Array,
    *,
    epsilon: float,
    out: Array | None = None,
) -> tuple[Array, Array]:
    """Return dx and dgamma; the root depends on x, which dx accounts for."""
    dx = np.empty_like(x) if out is None else out
    size = gamma.size
    above, flat = dy.reshape(-1, size), x.reshape(-1, size)
    scale, column = gamma.reshape(-1), inverse.reshape(-1)
    products = above * flat
    slope = (products @ scale) * column * column / np.asarray(size, x.dtype)
    dgamma = column @ products
    made = np.multiply(above, scale, out=dx.reshape(above.shape))
    made -= np.multiply(flat, slope[:, None], out=products)
    made *= column[:, None]
    return dx, dgamma.reshape(gamma.shape)


def normalize(x: Array, *, axis: int, epsilon: float) -> tuple[Array, Array]:
    """Return x / max(length, epsilon), and that divisor; the length is along an axis."""
    length = np.sqrt(np.square(x).sum(axis=axis, keepdims=True))
    length = np.maximum(length, np.asarray(epsilon, x.dtype))
    return x / length, length


def normalize_grad(dy: Array, y: Array, length: Array, *, axis: int, epsilon: float) -> Array:
    """Return (dy - y · sum(dy · y)) / length, or dy / epsilon where x is shorter than that."""
    products = dy * y
    along = products.sum(axis=axis, keepdims=True)
    along *= length > np.asarray(epsilon, y.dtype)
    np.multiply(y, along, out=products)
    dx: Array = dy - products
    dx /= length
    return dx


# -- local response --------------------------------------------------------------------------------


def _windows(x: Array, before: int, after: int, axes: tuple[int, ...]) -> Array:
    """Return the sums over windows along axes; what lies outside counts as 0."""
    for axis in axes:
        total = x.copy()
        size = x.shape[axis]
        for step in range(1, min(before, size - 1) + 1):
            here = _along(total, axis, slice(step, None))
            here += _along(x, axis, slice(None, size - step))
        for step in range(1, min(after, size - 1) + 1):
            here = _along(total, axis, slice(None, size - step))
            here += _along(x, axis, slice(step, None))
        x = total
    return x


def _along(x: Array, axis: int, part: slice) -> Array:
    return x[(slice(None),) * axis + (part,)]


def _falling(x: Array, beta: float) -> Array:
    """Return x to the power -beta; the usual one by roots, which are quicker."""
    if beta == 0.75:
        root: Array = np.sqrt(x)
        root *= np.sqrt(root)
        return np.divide(1, root, out=root)
    power: Array = np.power(x, np.asarray(-beta, x.dtype))
    return power


def local_response_norm(
    x: Array, *, size: int, alpha: float, beta: float, k: float, axes: tuple[int, ...]
) -> tuple[Array, Array]:
    """Return x · s^-beta and s = k + alpha · (mean of x² over windows of `size`)."""
    scale = _windows(np.square(x), size // 2, (size - 1) // 2, axes)
    scale *= np.asarray(alpha / size ** len(axes), x.dtype)
    scale += np.asarray(k, x.dtype)
    return x * _falling(scale, beta), scale


def local_response_norm_grad(
    dy: Array,
    x: Array,
    scale: Array,
    *,
    size: int,
    alpha: float,
    beta: float,
    k: float,
    axes: tuple[int, ...],
) -> Array:
    """Return dx: x counts for itself, and for all windows it lies in."""
    dx = dy * _falling(scale, beta)
    inner = dx * x
    inner /= scale
    inner = _windows(inner, (size - 1) // 2, size // 2, axes)
    inner *= x
    inner *= np.asarray(2 * alpha * beta / size ** len(axes), x.dtype)
    dx -= inner
    return dx


register(
    "group_norm",
    cheap=True,
    infer=_infer_group,
    reference=group_norm,
    lower=lower_group_norm,
    alone="f",
)
register(
    "group_norm_grad",
    infer=lambda dy, x, gamma, *rest, **attrs: (x, gamma, gamma),
    reference=group_norm_grad,
    lower=lower_group_norm_grad,
    alone="f",
    gradient=True,
    batch_outputs=1,
)
register(
    "rms_norm",
    cheap=True,
    infer=_infer_rms,
    reference=rms_norm,
    lower=lower_rms_norm,
    alone="f",
)
register(
    "rms_norm_grad",
    infer=lambda dy, x, gamma, inverse, **attrs: (x, gamma),
    reference=rms_norm_grad,
    lower=by_rows(0, 1, 3, out=True),
    alone="f",
    gradient=True,
    batch_outputs=1,
)
register(
    "normalize", cheap=True, infer=_infer_length, reference=normalize, lower=by_rows(0), alone="f"
)
register(
    "normalize_grad",
    infer=lambda dy, x, *rest, **attrs: (x,),
    reference=normalize_grad,
    lower=by_rows(0, 1, 2),
    alone="f",
    gradient=True,
)
register(
    "local_response_norm",
    cheap=True,
    infer=_infer_response,
    reference=local_response_norm,
    lower=by_rows(0),
    alone="f",
)
register(
    "local_response_norm_grad",
    infer=lambda dy, x, *rest, **attrs: (x,),
    reference=local_response_norm_grad,
    lower=by_rows(0, 1, 2),
    alone="f",
    gradient=True,
)
