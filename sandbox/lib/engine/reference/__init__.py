"""NumPy kernels: slow, clear, float64-capable. The oracle of the native kernels.

`KERNELS[name](*arrays, **attrs)` gives an array or a tuple of arrays. Kernels never write into
their inputs; results may be views of them. They are silent about NaN and infinity, as native
kernels are: whoever looks at the loss says it better.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import (
    activation,
    conv,
    elementwise,
    linear,
    loss,
    math,
    norm,
    pooling,
    random,
    recurrent,
    reduce,
    sequence,
    shape,
)

KERNELS: dict[str, Callable[..., Any]] = {
    kernel.__name__: np.errstate(all="ignore")(kernel)
    for kernel in (
        conv.conv2d,
        conv.conv2d_grad_input,
        conv.conv2d_grad_weight,
        pooling.max_pool2d,
        pooling.max_pool2d_grad,
        pooling.avg_pool2d,
        pooling.avg_pool2d_grad,
        linear.linear,
        linear.linear_grad_input,
        linear.linear_grad_weight,
        linear.matmul,
        norm.batch_norm,
        norm.batch_norm_inference,
        norm.batch_norm_grad,
        activation.relu,
        activation.relu_grad,
        activation.tanh,
        activation.tanh_grad,
        activation.sigmoid,
        activation.sigmoid_grad,
        activation.softmax,
        activation.softmax_grad,
        activation.log_softmax,
        activation.log_softmax_grad,
        math.add,
        math.subtract,
        math.multiply,
        math.divide,
        math.maximum,
        math.minimum,
        math.greater,
        math.scale_add,
        math.exp,
        math.log,
        math.sqrt,
        math.square,
        math.abs,
        math.negative,
        math.sign,
        math.power,
        loss.softmax_cross_entropy,
        loss.softmax_cross_entropy_grad,
        loss.nll,
        loss.nll_grad,
        shape.reshape,
        shape.transpose,
        shape.broadcast_to,
        shape.sum_to,
        shape.concat,
        shape.slice,
        shape.slice_grad,
        reduce.sum,
        reduce.mean,
        reduce.max,
        random.dropout,
        norm.layer_norm,
        norm.layer_norm_grad,
        sequence.embedding,
        sequence.embedding_grad,
        sequence.max_over,
        sequence.max_over_grad,
        sequence.mask_sequence,
        sequence.sequence_lengths,
        sequence.conv2d_over_grad_input,
        sequence.conv2d_over_grad_weight,
        recurrent.lstm,
        recurrent.lstm_grad,
        recurrent.gru,
        recurrent.gru_grad,
        recurrent.rnn,
        recurrent.rnn_grad,
        conv.conv_transpose2d,
        conv.conv_transpose2d_grad_input,
        conv.conv_transpose2d_grad_weight,
        loss.bce_with_logits,
        loss.bce_with_logits_grad,
        *elementwise.KERNELS,
    )
}

__all__ = ["KERNELS"]
