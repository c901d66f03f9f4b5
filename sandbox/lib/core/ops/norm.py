"""Batch and layer normalisation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...engine.oplist import Spec
from ..errors import GradientError, ShapeError
from ..parameter import Buffer
from ..primitive import Node, Primitive, as_operand
from ..state import STATE
from ..value import Input, Value
from . import math, shape
from ._rules import floating

Gradients = Sequence[Input | None]


def _check(x: Spec, **vectors: Spec) -> None:
    floating(x)
    if len(x.shape) not in (2, 4):
        raise ShapeError(
            "input must have 2 axes (batch, features) or 4 axes (batch, channels, height, width); "
            f"got {len(x.shape)} in shape {x.shape}."
        )
    for name, vector in vectors.items():
        if len(vector.shape) != 1:
            raise ShapeError(f"{name} must have 1 axis; got shape {vector.shape}.")
        if vector.shape[0] != x.shape[1]:
            raise ShapeError(
                f"input axis 1 must be {vector.shape[0]} (num_features); got {x.shape[1]} in shape "
                f"{x.shape}."
            )


def _train_infer(x: Spec, gamma: Spec, beta: Spec, **attrs: Any) -> tuple[Spec, ...]:
    _check(x, gamma=gamma, beta=beta)
    if x.size == 0:
        raise ShapeError(
            "input must hold at least one row while training (batch statistics); got shape "
            f"{x.shape}."
        )
    vector = Spec(gamma.shape, x.dtype)
    return x, vector, vector


def _inference_infer(
    x: Spec, gamma: Spec, beta: Spec, mean: Spec, variance: Spec, **attrs: Any
) -> tuple[Spec, ...]:
    _check(x, gamma=gamma, beta=beta, mean=mean, variance=variance)
    return (x,)


def _grad_infer(
    dy: Spec, x: Spec, gamma: Spec, mean: Spec, variance: Spec, *rest: Spec, **attrs: Any
) -> tuple[Spec, ...]:
    vector = Spec(gamma.shape, x.dtype)
    return x, vector, vector


_batch_norm = Primitive("batch_norm", _train_infer)
_batch_norm_inference = Primitive("batch_norm_inference", _inference_infer)
_batch_norm_grad = Primitive("batch_norm_grad", _grad_infer)


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
    y, mean, variance = _batch_norm.apply(inputs, {"epsilon": float(epsilon)})
    return y, mean, variance


def batch_norm_inference(
    x: Input, gamma: Input, beta: Input, mean: Input, variance: Input, *, epsilon: float = 1e-5
) -> Value:
    """Normalise each channel (axis 1) by a given mean and variance."""
    inputs = tuple(as_operand(item) for item in (x, gamma, beta, mean, variance))
    return _batch_norm_inference.apply(inputs, {"epsilon": float(epsilon)})[0]


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
    first: `count` is the number of elements per channel that it was taken over.
    """
    before, STATE.tape = STATE.tape, None
    try:
        unbiased = momentum * (count / (count - 1) if count > 1 else 1.0)
        mean.update(math.scale_add(mean, batch_mean, 1.0 - momentum, momentum))
        variance.update(math.scale_add(variance, batch_variance, 1.0 - momentum, unbiased))
    finally:
        STATE.tape = before


@_batch_norm.gradient
def _batch_norm_gradient(
    node: Node, dy: Value | None, dmean: Value | None, dvariance: Value | None
) -> Gradients:
    if dmean is not None or dvariance is not None or dy is None:
        raise GradientError(
            "gradient of batch_norm is defined for y only, not for its mean and variance. "
            "Compute them with core.ops.mean if the loss needs them."
        )
    x, gamma, _ = node.inputs
    _, mean, variance = node.outputs
    return _batch_norm_grad.apply((dy, x, gamma, mean, variance), dict(node.attrs))


@_batch_norm_inference.gradient
def _inference_gradient(node: Node, dy: Value) -> Gradients:
    x, gamma, _, mean, variance = node.inputs
    column = (1, -1) + (1,) * (x.ndim - 2)
    axes = (0, *range(2, x.ndim))
    inverse = math.power(math.add(variance, node.attrs["epsilon"]), -0.5)
    centred = math.subtract(x, shape.reshape(mean, column))
    from . import reduce

    dgamma_raw = reduce.sum(math.multiply(dy, centred), axes)
    dbeta = reduce.sum(dy, axes)
    slope = math.multiply(gamma, inverse)
    dx = math.multiply(dy, shape.reshape(slope, column)) if node.needs[0] else None
    dmean = math.negative(math.multiply(dbeta, slope)) if node.needs[3] else None
    dvariance = None
    if node.needs[4]:
        cubed = math.multiply(math.multiply(slope, math.square(inverse)), -0.5)
        dvariance = math.multiply(dgamma_raw, cubed)
    return dx, math.multiply(dgamma_raw, inverse), dbeta, dmean, dvariance


def _layer_infer(
    x: Spec, gamma: Spec, beta: Spec, *, epsilon: float, axes_from: int
) -> tuple[Spec, ...]:
    floating(x)
    for name, spec in (("gamma", gamma), ("beta", beta)):
        if spec.shape != x.shape[axes_from:]:
            raise ShapeError(
                f"{name} must have the shape of the normalised axes, {x.shape[axes_from:]} of "
                f"input {x.shape}; got {spec.shape}."
            )
    statistics = Spec(x.shape[:axes_from], x.dtype)
    return x, statistics, statistics


def _layer_grad_infer(
    dy: Spec, x: Spec, gamma: Spec, mean: Spec, variance: Spec, **attrs: Any
) -> tuple[Spec, ...]:
    return x, gamma, gamma


_layer_norm = Primitive("layer_norm", _layer_infer)
_layer_norm_grad = Primitive("layer_norm_grad", _layer_grad_infer)


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
    attrs = {"epsilon": float(epsilon), "axes_from": operand.ndim - scale.ndim}
    return _layer_norm.apply((operand, scale, as_operand(beta)), attrs)[0]


@_layer_norm.gradient
def _layer_norm_gradient(
    node: Node, dy: Value | None, dmean: Value | None, dvariance: Value | None
) -> Gradients:
    if dy is None:
        return None, None, None
    x, gamma, _ = node.inputs
    _, mean, variance = node.outputs
    return _layer_norm_grad.apply((dy, x, gamma, mean, variance), dict(node.attrs))
