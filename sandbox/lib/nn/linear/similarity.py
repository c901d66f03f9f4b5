"""Layers that compare the input with learned vectors, and two inputs with each other."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ...core import Parameter, ops
from ...core.errors import ShapeError
from ...core.validate import boolean, positive_int
from .. import init
from ..case import Case
from ..checks import check_features, floating
from ..module import Module
from ..registry import register

_LEAST = 1e-16  # of a squared length that is divided by


def unit(x: Any) -> Any:
    """Return vectors (last axis) divided by their lengths; 0 stays 0."""
    squared = ops.sum(ops.square(x), -1, keepdims=True)
    return ops.divide(x, ops.sqrt(ops.maximum(squared, _LEAST)))


class Compared(Module):
    """What layers share that compare the input with one learned vector per output.

    Subclasses write `compare(x)`.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        weight_init: str = "uniform",
        rng: np.random.Generator | int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self.in_features = positive_int("in_features", in_features)
        self.out_features = positive_int("out_features", out_features)
        shape = (self.out_features, self.in_features)
        self.weight = Parameter(init.draw(weight_init, shape, rng), "weight", copy=False)

    def call(self, x: Any) -> Any:
        """Check the input and compare it."""
        x = floating(x, self.weight)
        check_features(x, self.in_features)
        return self.compare(x)

    def compare(self, x: Any) -> Any:
        """Compute (batch, ..., out_features) with `core.ops`."""
        raise NotImplementedError(f"{type(self).__name__} must define compare(self, x).")

    def extra(self) -> str:
        """Give the sizes."""
        return f"{self.in_features} -> {self.out_features}"


@register("nn.Cosine")
class Cosine(Compared):
    """Give the cosine of the angle between the input and each of some learned vectors.

    y[..., o] = x · w[o] / (|x| · |w[o]|)

    Parameters
    ----------
    in_features : int > 0
        Features of the input.
    out_features : int > 0
        Learned vectors.
    weight_init : str
        Rule of the first vectors, see `nn.init`.
    rng : Generator, int or None
        Where the first weights are drawn from; None takes fresh entropy.

    Shapes
    ------
    input : (batch, ..., in_features) float32
    output : (batch, ..., out_features), in -1..1
    weight : (out_features, in_features)

    Raises
    ------
    ArgumentError : a size is not positive, or there is no such `weight_init`.
    ShapeError : in `call`, the input has one axis only or its last one is not `in_features`.

    Notes
    -----
    Same as BigDL `Cosine` and Torch7 `Cosine`; of two inputs: `nn.Dot(normalize=True)`. Vectors of
    length 0 have cosine 0.
    Native kernel: oneDNN inner product; reference: `engine.ops.linear`.

    Examples
    --------
    >>> float(Cosine(2, 1, weight_init="ones")(np.ones((1, 2), "f4"))[0, 0].round(4))
    1.0
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: Cosine(4, 3, rng=rng),
            inputs=((5, 4),),
            output=(5, 3),
            wrong=((5, 3), (4,)),
            wrong_axis=1,
            sizes=("4 -> 3",),
        ),
    )

    def compare(self, x: Any) -> Any:
        """Multiply unit vectors."""
        return ops.linear(unit(x), unit(self.weight))


@register("nn.Euclidean")
class Euclidean(Compared):
    """Give the distance of the input to each of some learned points.

    y[..., o] = |x - w[o]|

    Parameters
    ----------
    in_features : int > 0
        Features of the input.
    out_features : int > 0
        Learned points.
    weight_init : str
        Rule of the first points, see `nn.init`.
    rng : Generator, int or None
        Where the first weights are drawn from; None takes fresh entropy.

    Shapes
    ------
    input : (batch, ..., in_features) float32
    output : (batch, ..., out_features)
    weight : (out_features, in_features)

    Raises
    ------
    ArgumentError : a size is not positive, or there is no such `weight_init`.
    ShapeError : in `call`, the input has one axis only or its last one is not `in_features`.

    Notes
    -----
    Same as BigDL `Euclidean`, Torch7 `Euclidean` and PyTorch `cdist`. Differences
    are taken one by one: |x|² - 2 x · w + |w|² would lose what small distances are made of. At a
    distance of 0 the gradient is 0. Reference: `engine.ops.reduce`.

    Examples
    --------
    >>> Euclidean(2, 1, weight_init="zeros")(np.float32([[3.0, 4.0]]))
    array([[5.]], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: Euclidean(4, 3, rng=rng),
            inputs=((5, 4),),
            output=(5, 3),
            wrong=((5, 3), (4,)),
            wrong_axis=1,
            sizes=("4 -> 3",),
        ),
        Case(lambda rng: Euclidean(2, 3, rng=rng), inputs=((2, 4, 2),), output=(2, 4, 3)),
    )

    def compare(self, x: Any) -> Any:
        """Take the lengths of the differences."""
        rows = ops.reshape(x, (*x.shape[:-1], 1, self.in_features))
        return ops.norm(ops.subtract(rows, self.weight), axes=-1)


@register("nn.Bilinear")
class Bilinear(Module):
    """Multiply every feature of one input with every feature of another.

    y[..., o] = b[o] + sum_{i,j} x1[..., i] · w[o, i, j] · x2[..., j]

    Parameters
    ----------
    in1_features, in2_features : int > 0
        Features of the inputs.
    out_features : int > 0
        Features of the output.
    bias : bool
        Whether to add b.
    weight_init : str
        Rule of the first weights, see `nn.init`; biases start at 0.
    rng : Generator, int or None
        Where the first weights are drawn from; None takes fresh entropy.

    Shapes
    ------
    inputs : (batch, ..., in1_features) and (batch, ..., in2_features) float32
    output : (batch, ..., out_features)
    weight : (out_features, in1_features, in2_features)
    bias : (out_features,)

    Raises
    ------
    ArgumentError : a size is not positive, or there is no such `weight_init`.
    ShapeError : in `call`, a last axis has another size, or the others differ.

    Notes
    -----
    Same as BigDL `Bilinear` (0.13) and PyTorch `Bilinear`. The products of all pairs are one input
    of a linear layer.
    Native kernel: oneDNN inner product; reference: `engine.ops.linear`.

    Examples
    --------
    >>> layer = Bilinear(3, 4, 2, rng=0)
    >>> layer(np.ones((5, 3), "f4"), np.ones((5, 4), "f4")).shape
    (5, 2)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: Bilinear(3, 4, 2, rng=rng),
            inputs=((5, 3), (5, 4)),
            output=(5, 2),
            wrong=((5, 3), (5, 5)),
            wrong_axis=1,
            sizes=("3, 4 -> 2",),
        ),
        Case(
            lambda rng: Bilinear(2, 3, 1, bias=False, rng=rng),
            inputs=((2, 3, 2), (2, 3, 3)),
            output=(2, 3, 1),
            wrong=((2, 3, 2), (2, 4, 3)),
            sizes=("bias=False",),
        ),
    )

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        *,
        bias: bool = True,
        weight_init: str = init.DEFAULT,
        rng: np.random.Generator | int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self.in1_features = positive_int("in1_features", in1_features)
        self.in2_features = positive_int("in2_features", in2_features)
        self.out_features = positive_int("out_features", out_features)
        shape = (self.out_features, self.in1_features, self.in2_features)
        self.weight = Parameter(init.draw(weight_init, shape, rng), "weight", copy=False)
        self.bias = Parameter(init.zeros(shape[:1]), "bias") if boolean("bias", bias) else None

    def call(self, x1: Any, x2: Any) -> Any:
        """Multiply all pairs and add them up, weighted."""
        x1, x2 = floating(x1, self.weight), floating(x2, self.weight)
        check_features(x1, self.in1_features, "in1_features")
        check_features(x2, self.in2_features, "in2_features")
        leading = x1.shape[:-1]
        if x2.shape[:-1] != leading:
            raise ShapeError(
                f"inputs must have the same axes but for the last; got {x1.shape} and {x2.shape}."
            )
        pairs = ops.multiply(
            ops.reshape(x1, (*leading, self.in1_features, 1)),
            ops.reshape(x2, (*leading, 1, self.in2_features)),
        )
        count = self.in1_features * self.in2_features
        return ops.linear(
            ops.reshape(pairs, (*leading, count)),
            ops.reshape(self.weight, (self.out_features, count)),
            self.bias,
        )

    def extra(self) -> str:
        """Give the sizes."""
        sizes = f"{self.in1_features}, {self.in2_features} -> {self.out_features}"
        return sizes + ("" if self.bias is not None else ", bias=False")
