"""Normalisation: bring features to mean 0 and variance 1."""

from __future__ import annotations

from typing import Any, ClassVar

from ...core import Buffer, Parameter, ops
from ...core.validate import in_range, positive, positive_int
from .. import init
from ..case import Case
from ..checks import check_axis, check_rank, floating
from ..module import Module
from ..registry import register
from .group import check_last_axes, last_axes


@register("nn.BatchNorm")
class BatchNorm(Module):
    """Normalise each channel over the batch, then scale and shift it.

    y[:, c] = gamma[c] · (x[:, c] - mean[c]) / sqrt(variance[c] + epsilon) + beta[c]

    In training, mean and (biased) variance are those of the batch, and the running ones move:
    running = (1 - momentum) · running + momentum · batch (with the unbiased variance). In
    inference the running ones are used; in training, too, for an input with a single value per
    channel (one row, without height and width), which has no variance. A Trainer refuses a run in
    which that is so for every batch.

    Parameters
    ----------
    num_features : int > 0
        Channels, the size of axis 1.
    momentum : float in [0, 1]
        How far the running statistics move towards those of the batch.
    epsilon : float > 0
        Keeps the division away from 0.

    Shapes
    ------
    input : (batch, num_features) or (batch, num_features, and 1 to 3 axes) float32
    output : same
    weight, bias : (num_features,), gamma and beta
    running_mean, running_variance : (num_features,), buffers

    Raises
    ------
    ArgumentError : a size is not positive, or `momentum` is out of range.
    ShapeError : in `call`, the input has not two to five axes, or its axis 1 is not `num_features`.

    Notes
    -----
    Same as BigDL `BatchNormalization`, `SpatialBatchNormalization` (0.13), PyTorch `BatchNorm1d`,
    `BatchNorm2d`, `BatchNorm3d`, Keras `BatchNormalization` and ONNX `BatchNormalization`-15 (in
    the last two momentum is 1 - ours). Source: Ioffe, Szegedy 2015.
    Frozen (`freeze()`), it uses the running statistics in training too and leaves them alone.
    On several ranks each rank uses the statistics of its own rows; the running ones are averaged.
    Native kernel: oneDNN batch normalisation; reference: `engine.ops.norm`.

    Examples
    --------
    >>> import numpy as np
    >>> layer = BatchNorm(2)
    >>> x = np.array([[1.0, 10.0], [3.0, 30.0]], "f4")
    >>> layer.train()(x).round(3)
    array([[-1., -1.],
           [ 1.,  1.]], dtype=float32)
    >>> layer.running_mean.data
    array([0.2, 2. ], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: BatchNorm(3),
            inputs=((4, 3, 2, 3),),
            output=(4, 3, 2, 3),
            wrong=((4, 2, 2, 3), (4, 2, 3)),
            wrong_axis=1,
            batch_statistics=True,
            sizes=("3",),
            # 1e-4: the variance is a difference of large sums where the mean is large.
            tolerance=1e-4,
        ),
        Case(
            lambda rng: BatchNorm(5, momentum=0.3, epsilon=1e-3),
            inputs=((6, 5),),
            output=(6, 5),
            wrong=((6, 4),),
            wrong_axis=1,
            batch_statistics=True,
            sizes=("5", "momentum=0.3", "epsilon=0.001"),
            tolerance=1e-4,
        ),
        *(
            Case(
                lambda rng: BatchNorm(3),
                inputs=(shape,),
                output=shape,
                wrong=((4,), (2, 2, 2, 2, 2, 2)),
                batch_statistics=True,
                tolerance=1e-4,
            )
            for shape in ((4, 3, 5), (2, 3, 2, 3, 2))
        ),
    )

    def __init__(
        self,
        num_features: int,
        *,
        momentum: float = 0.1,
        epsilon: float = 1e-5,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self.num_features = positive_int("num_features", num_features)
        self.momentum = in_range("momentum", momentum, 0.0, 1.0)
        self.epsilon = positive("epsilon", epsilon)
        shape = (self.num_features,)
        self.weight = Parameter(init.ones(shape), "weight")
        self.bias = Parameter(init.zeros(shape), "bias")
        self.running_mean = Buffer(init.zeros(shape), "running_mean")
        self.running_variance = Buffer(init.ones(shape), "running_variance")

    def call(self, x: Any) -> Any:
        """Normalise; in training also move the running statistics."""
        x = floating(x, self.weight)
        check_rank(x, "(batch, features) or (batch, channels, and 1 to 3 axes)", 2, 3, 4, 5)
        check_axis(x, 1, self.num_features, "num_features", f"Use BatchNorm({x.shape[1]}).")
        if not self.training or self.frozen or x.size <= self.num_features:
            return ops.batch_norm_inference(
                x,
                self.weight,
                self.bias,
                self.running_mean,
                self.running_variance,
                epsilon=self.epsilon,
            )
        y, mean, variance = ops.batch_norm(x, self.weight, self.bias, epsilon=self.epsilon)
        ops.update_running(
            self.running_mean,
            self.running_variance,
            mean,
            variance,
            momentum=self.momentum,
            count=x.size // self.num_features,
        )
        return y

    @property
    def frozen(self) -> bool:
        """Whether it uses the running statistics in training as well."""
        return not (self.weight.trainable or self.bias.trainable)

    def extra(self) -> str:
        """Give the size, then what differs from the defaults."""
        parts = [str(self.num_features)]
        if self.momentum != 0.1:
            parts.append(f"momentum={self.momentum:g}")
        if self.epsilon != 1e-5:
            parts.append(f"epsilon={self.epsilon:g}")
        return ", ".join(parts)


@register("nn.LayerNorm")
class LayerNorm(Module):
    """Normalise each row over its last axes, then scale and shift it.

    y = gamma · (x - mean) / sqrt(variance + epsilon) + beta, with mean and (biased) variance over
    the axes of `shape`

    Parameters
    ----------
    shape : int or tuple of int > 0
        Sizes of the last axes, which are normalised together.
    epsilon : float > 0
        Keeps the division away from 0.

    Shapes
    ------
    input : (batch, ..., and then `shape`) float32
    output : same
    weight, bias : `shape`, gamma and beta

    Raises
    ------
    ArgumentError : a size is not positive, or there is none.
    ShapeError : in `call`, the input does not end in `shape`.

    Notes
    -----
    Same as BigDL `LayerNormalization` (0.13), Keras `LayerNormalization`, PyTorch `LayerNorm` and
    ONNX `LayerNormalization`-17. Source: Ba, Kiros, Hinton 2016.
    No row sees another one, so training and inference are the same and batches may be small.
    Native kernel: oneDNN layer normalisation; reference: `engine.ops.norm`.

    Examples
    --------
    >>> import numpy as np
    >>> LayerNorm(2)(np.array([[1.0, 3.0], [10.0, 30.0]], "f4")).round(3)
    array([[-1.,  1.],
           [-1.,  1.]], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: LayerNorm(5),
            inputs=((3, 4, 5),),
            output=(3, 4, 5),
            wrong=((3, 4, 6), (5,)),
            wrong_axis=2,
            sizes=("5",),
            # 1e-4: the variance is a difference of large sums where the mean is large.
            tolerance=1e-4,
        ),
        Case(
            lambda rng: LayerNorm((2, 3), epsilon=1e-3),
            inputs=((4, 2, 3),),
            output=(4, 2, 3),
            wrong=((4, 3, 3), (2, 3)),
            wrong_axis=1,
            sizes=("(2, 3)", "epsilon=0.001"),
            tolerance=1e-4,
        ),
    )

    def __init__(
        self, shape: int | tuple[int, ...], *, epsilon: float = 1e-5, name: str | None = None
    ) -> None:
        super().__init__(name=name)
        self.shape = last_axes(shape)
        self.epsilon = positive("epsilon", epsilon)
        self.weight = Parameter(init.ones(self.shape), "weight")
        self.bias = Parameter(init.zeros(self.shape), "bias")

    def call(self, x: Any) -> Any:
        """Normalise each row."""
        x = floating(x, self.weight)
        check_last_axes(x, self.shape)
        return ops.layer_norm(x, self.weight, self.bias, epsilon=self.epsilon)

    def extra(self) -> str:
        """Give the sizes, then what differs from the defaults."""
        sizes = str(self.shape[0]) if len(self.shape) == 1 else repr(self.shape)
        return sizes + ("" if self.epsilon == 1e-5 else f", epsilon={self.epsilon:g}")
