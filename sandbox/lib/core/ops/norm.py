"""Normalisation by statistics of the batch, of a row, of neighbours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from .. import validate
from ..errors import GradientError, ShapeError
from ..function import TapeEntry, as_operand, function
from ..parameter import Buffer
from ..state import STATE
from ..value import Input, Value
from . import arithmetic, shape

__all__ = [
    "batch_norm",
    "batch_norm_inference",
    "group_norm",
    "layer_norm",
    "local_response_norm",
    "normalize",
    "rms_norm",
    "update_running",
]

Gradients = Sequence[Input | None]


_batch_norm = function("batch_norm")
_batch_norm_inference = function("batch_norm_inference")
_batch_norm_grad = function("batch_norm_grad")


def batch_norm(
    x: Input, gamma: Input, beta: Input, *, epsilon: float = 1e-5
) -> tuple[Value, Value, Value]:
    """Normalise each channel (axis 1) by the batch's own mean and variance.

    y = gamma · (x - mean) / sqrt(variance + epsilon) + beta

    Returns
    -------
    (y, mean, variance); the variance is the biased one. No gradient flows through mean and variance
    when they are used by themselves.
    """
    inputs = (as_operand(x), as_operand(gamma), as_operand(beta))
    y, mean, variance = _batch_norm.apply(inputs, {"epsilon": validate.number("epsilon", epsilon)})
    return y, mean, variance


def batch_norm_inference(
    x: Input, gamma: Input, beta: Input, mean: Input, variance: Input, *, epsilon: float = 1e-5
) -> Value:
    """Normalise each channel (axis 1) by a given mean and variance."""
    inputs = tuple(as_operand(item) for item in (x, gamma, beta, mean, variance))
    return _batch_norm_inference.apply(inputs, {"epsilon": validate.number("epsilon", epsilon)})[0]


def update_running(
    mean: Buffer,
    variance: Buffer,
    batch_mean: Value,
    batch_variance: Value,
    *,
    momentum: float,
    count: int,
) -> None:
    """Move running statistics towards those of a batch.

    running = (1 - momentum) · running + momentum · batch; the batch's variance is made unbiased
    first: `count` is the number of elements per channel that it was taken over. No gradient flows
    through running statistics, whoever reads them afterwards.
    """
    validate.instance("mean", mean, Buffer)
    validate.instance("variance", variance, Buffer)
    momentum, count = validate.number("momentum", momentum), validate.positive_int("count", count)
    with _unrecorded():
        unbiased = momentum * (count / (count - 1) if count > 1 else 1.0)
        mean.update(arithmetic.scale_add(mean, batch_mean, 1.0 - momentum, momentum))
        variance.update(arithmetic.scale_add(variance, batch_variance, 1.0 - momentum, unbiased))


@contextmanager
def _unrecorded() -> Iterator[None]:
    """Record nothing for a gradient, neither eagerly nor in a trace."""
    trace, tape = STATE.trace, STATE.tape
    entries = None if trace is None else trace.entries
    STATE.tape = None
    if trace is not None:
        trace.entries = None
    try:
        yield
    finally:
        STATE.tape = tape
        if trace is not None:
            trace.entries = entries


@_batch_norm.gradient
def _batch_norm_gradient(
    entry: TapeEntry, dy: Value | None, dmean: Value | None, dvariance: Value | None
) -> Gradients:
    if dmean is not None or dvariance is not None or dy is None:
        raise GradientError(
            "gradient of batch_norm is defined for y only, not for its mean and variance. "
            "Compute them with core.ops.mean if the loss needs them."
        )
    x, gamma, _ = entry.inputs
    _, mean, variance = entry.outputs
    return _batch_norm_grad.apply((dy, x, gamma, mean, variance), dict(entry.attrs))


@_batch_norm_inference.gradient
def _inference_gradient(entry: TapeEntry, dy: Value) -> Gradients:
    x, gamma, _, mean, variance = entry.inputs
    column = (1, -1) + (1,) * (x.ndim - 2)
    axes = (0, *range(2, x.ndim))
    inverse = arithmetic.power(arithmetic.add(variance, entry.attrs["epsilon"]), -0.5)
    centred = arithmetic.subtract(x, shape.reshape(mean, column))
    from . import reduce

    dgamma_raw = reduce.sum(arithmetic.multiply(dy, centred), axes)
    dbeta = reduce.sum(dy, axes)
    slope = arithmetic.multiply(gamma, inverse)
    dx = arithmetic.multiply(dy, shape.reshape(slope, column)) if entry.needs[0] else None
    dmean = arithmetic.negative(arithmetic.multiply(dbeta, slope)) if entry.needs[3] else None
    dvariance = None
    if entry.needs[4]:
        cubed = arithmetic.multiply(arithmetic.multiply(slope, arithmetic.square(inverse)), -0.5)
        dvariance = arithmetic.multiply(dgamma_raw, cubed)
    return dx, arithmetic.multiply(dgamma_raw, inverse), dbeta, dmean, dvariance


_layer_norm = function("layer_norm")
_layer_norm_grad = function("layer_norm_grad")


def layer_norm(x: Input, gamma: Input, beta: Input, *, epsilon: float = 1e-5) -> Value:
    """Normalise each row over its last axes, those that gamma and beta have.

    y = gamma · (x - mean) / sqrt(variance + epsilon) + beta
    """
    operand, scale = as_operand(x), as_operand(gamma)
    if not 0 < scale.ndim <= operand.ndim:
        raise ShapeError(
            f"gamma must have 1 to {operand.ndim} axes, the last ones of input {operand.shape}; "
            f"got {scale.shape}."
        )
    attrs = {"epsilon": validate.number("epsilon", epsilon), "axes_from": operand.ndim - scale.ndim}
    return _layer_norm.apply((operand, scale, as_operand(beta)), attrs)[0]


@_layer_norm.gradient
def _layer_norm_gradient(
    entry: TapeEntry, dy: Value | None, dmean: Value | None, dvariance: Value | None
) -> Gradients:
    if dy is None:
        return None, None, None
    x, gamma, _ = entry.inputs
    _, mean, variance = entry.outputs
    return _layer_norm_grad.apply((dy, x, gamma, mean, variance), dict(entry.attrs))


_group_norm = function("group_norm")
_group_norm_grad = function("group_norm_grad")
_rms_norm = function("rms_norm")
_rms_norm_grad = function("rms_norm_grad")
_normalize = function("normalize")
_normalize_grad = function("normalize_grad")
_local_response_norm = function("local_response_norm")
_local_response_norm_grad = function("local_response_norm_grad")


def group_norm(
    x: Input, gamma: Input, beta: Input, *, groups: int = 1, epsilon: float = 1e-5
) -> Value:
    """Normalise each row's groups of channels (axis 1); gamma and beta have one number a channel.

    y = gamma · (x - mean) / sqrt(variance + epsilon) + beta
    """
    operand = as_operand(x)
    attrs = {
        "groups": validate.positive_int("groups", groups),
        "epsilon": validate.number("epsilon", epsilon),
    }
    return _group_norm.apply((operand, as_operand(gamma), as_operand(beta)), attrs)[0]


def rms_norm(x: Input, gamma: Input, *, epsilon: float = 1e-5) -> Value:
    """Divide each row by the root mean square over its last axes, those that gamma has.

    y = gamma · x / sqrt(mean(x²) + epsilon)
    """
    attrs = {"epsilon": validate.number("epsilon", epsilon)}
    return _rms_norm.apply((as_operand(x), as_operand(gamma)), attrs)[0]


def normalize(x: Input, axis: int = -1, *, epsilon: float = 1e-12) -> Value:
    """Return x / max(length, epsilon): vectors along an axis get length 1."""
    operand = as_operand(x)
    attrs = {
        "axis": validate.axis("axis", axis, operand.ndim),
        "epsilon": validate.number("epsilon", epsilon),
    }
    return _normalize.apply((operand,), attrs)[0]


def local_response_norm(
    x: Input,
    size: int = 5,
    *,
    alpha: float = 1e-4,
    beta: float = 0.75,
    k: float = 1.0,
    axes: Sequence[int] = (1,),
) -> Value:
    """Return x / (k + alpha · mean of x² over windows of `size` along `axes`)^beta.

    A window has size // 2 elements before and (size - 1) // 2 behind; what lies outside counts as
    0, also in the mean.
    """
    operand = as_operand(x)
    chosen = validate.integers("axes", axes, "axes, a list of ints")
    if not chosen:
        raise validate.refuse("axes", "axes, a list of ints", axes)
    attrs = {
        "size": validate.positive_int("size", size),
        "alpha": validate.number("alpha", alpha),
        "beta": validate.number("beta", beta),
        "k": validate.number("k", k),
        "axes": tuple(sorted({validate.axis("axes", axis, operand.ndim) for axis in chosen})),
    }
    return _local_response_norm.apply((operand,), attrs)[0]


@_group_norm.gradient
def _group_norm_gradient(
    entry: TapeEntry, dy: Value | None, dmean: Value | None, dvariance: Value | None
) -> Gradients:
    if dy is None:
        return None, None, None
    x, gamma, _ = entry.inputs
    _, mean, variance = entry.outputs
    return _group_norm_grad.apply((dy, x, gamma, mean, variance), dict(entry.attrs))


@_rms_norm.gradient
def _rms_norm_gradient(entry: TapeEntry, dy: Value | None, dinverse: Value | None) -> Gradients:
    if dy is None:
        return None, None
    return _rms_norm_grad.apply((dy, *entry.inputs, entry.outputs[1]), dict(entry.attrs))


@_normalize.gradient
def _normalize_gradient(entry: TapeEntry, dy: Value | None, dlength: Value | None) -> Gradients:
    return (
        None if dy is None else _normalize_grad.apply((dy, *entry.outputs), dict(entry.attrs))[0],
    )


@_local_response_norm.gradient
def _local_response_norm_gradient(
    entry: TapeEntry, dy: Value | None, dscale: Value | None
) -> Gradients:
    if dy is None:
        return (None,)
    inputs = (dy, entry.inputs[0], entry.outputs[1])
    return (_local_response_norm_grad.apply(inputs, dict(entry.attrs))[0],)
