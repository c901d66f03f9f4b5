"""Shapes and types of the results of the operations that have native kernels of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .errors import EngineError
from .oplist import Spec
from .reference.conv import transposed_shape

SMOOTH = ("leaky_relu", "elu", "softplus", "hard_sigmoid", "silu", "clip", "gelu", "mish")
_SAME = {
    *SMOOTH,
    *(f"{name}_grad" for name in SMOOTH),
    *("relu", "tanh", "sigmoid", "relu_grad", "tanh_grad", "sigmoid_grad", "softmax"),
}


def extent(size: int, kernel: int, stride: int, padding: tuple[int, int], dilation: int) -> int:
    """Return how many positions a window takes along one axis."""
    return (size + sum(padding) - dilation * (kernel - 1) - 1) // stride + 1


def windows(sizes: Sequence[int], kernel: Sequence[int], attrs: dict[str, Any]) -> tuple[int, ...]:
    """Return the spatial sizes behind a convolution or pooling."""
    axes = len(kernel)
    stride = attrs.get("stride") or (1,) * axes
    padding = attrs.get("padding") or ((0, 0),) * axes
    dilation = attrs.get("dilation") or (1,) * axes
    return tuple(
        extent(sizes[i], kernel[i], stride[i], padding[i], dilation[i]) for i in range(axes)
    )


def infer(name: str, specs: Sequence[Spec], attrs: dict[str, Any]) -> list[Spec]:
    """Return the specs of the outputs of a native operation run alone."""
    x = specs[0]
    shape = x.shape
    if name in _SAME:
        return [x]
    if name == "conv2d":
        w = specs[1].shape
        return [Spec((shape[0], w[0], *windows(shape[2:], w[2:], attrs)), x.dtype)]
    if name == "conv_transpose2d":
        return [Spec(transposed_shape(shape, specs[1].shape, **attrs), x.dtype)]
    if name == "conv_transpose2d_grad_input":
        w = specs[1].shape
        return [Spec((shape[0], w[0], *windows(shape[2:], w[2:], attrs)), x.dtype)]
    if name == "conv_transpose2d_grad_weight":
        found = [Spec(tuple(attrs["weight_shape"]), x.dtype)]
        return [*found, Spec((specs[1].shape[1],), x.dtype)] if attrs["with_bias"] else found
    if name in ("conv2d_grad_input", "max_pool2d_grad", "avg_pool2d_grad"):
        return [Spec(tuple(attrs["input_shape"]), x.dtype)]
    if name == "conv2d_grad_weight":
        return _with_bias(tuple(attrs["weight_shape"]), attrs, x.dtype)
    if name == "linear":
        return [Spec((shape[0], specs[1].shape[0]), x.dtype)]
    if name == "linear_grad_input":
        return [Spec((shape[0], specs[1].shape[1]), x.dtype)]
    if name == "linear_grad_weight":
        return _with_bias((specs[1].shape[1], shape[1]), attrs, x.dtype)
    if name == "matmul":
        return [Spec((*shape[:-1], specs[1].shape[-1]), x.dtype)]
    if name in ("max_pool2d", "avg_pool2d"):
        kernel = attrs["kernel"]
        y = Spec((*shape[:2], *windows(shape[2:], kernel, attrs)), x.dtype)
        if name == "avg_pool2d":
            return [y]
        return [y, Spec(y.shape, "uint8")]  # larger windows are the reference kernel's
    if name == "batch_norm":
        statistics = Spec((shape[1],), x.dtype)
        return [x, statistics, statistics]
    if name == "batch_norm_inference":
        return [x]
    if name == "batch_norm_grad":
        return [specs[1], specs[2], specs[2]]
    if name == "softmax_cross_entropy":
        return [Spec((), x.dtype), x]
    if name == "softmax_cross_entropy_grad":
        return [specs[1]]
    raise EngineError(f"engine: {name!r} must be an operation with a native kernel of its own.")


def _with_bias(shape: tuple[int, ...], attrs: dict[str, Any], dtype: str) -> list[Spec]:
    found = [Spec(shape, dtype)]
    if attrs.get("with_bias"):
        found.append(Spec((shape[0],), dtype))
    return found
