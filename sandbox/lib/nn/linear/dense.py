"""Fully connected layers."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ...core import Parameter, ops
from ...core.validate import boolean, finite, instance, positive_int
from .. import calls, init
from ..activation.elementwise import Tanh
from ..case import Case
from ..checks import check_features, floating
from ..module import Module
from ..registry import register


@register("nn.Linear")
class Linear(Module):
    """Connect every input feature to every output feature.

    y[..., o] = b[o] + sum_i w[o, i] · x[..., i]

    Parameters
    ----------
    in_features : int > 0
        Features of the input.
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
    input : (batch, ..., in_features) float32
    output : (batch, ..., out_features)
    weight : (out_features, in_features)
    bias : (out_features,)

    Raises
    ------
    ArgumentError : a size is not positive, or there is no such `weight_init`.
    ShapeError : in `call`, the input has one axis only or its last one is not `in_features`.

    Notes
    -----
    Same as BigDL `Linear` (0.13), Keras `Dense` (whose weight is turned), PyTorch `Linear`, Torch7
    `nn.Linear` and ONNX `Gemm`-13 with transB=1. BigDL's `Layer.set_init_method` is `weight_init`.
    Native kernel: oneDNN inner product; reference: `engine.ops.linear`.

    Examples
    --------
    >>> layer = Linear(192, 100, rng=0)
    >>> layer
    Linear(192 -> 100)
    >>> layer(np.ones((2, 192), "f4")).shape
    (2, 100)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: Linear(6, 4, rng=rng),
            inputs=((3, 6),),
            output=(3, 4),
            wrong=((3, 5),),
            wrong_axis=1,
            sizes=("6 -> 4",),
        ),
        Case(
            lambda rng: Linear(5, 1, bias=False, weight_init="xavier_uniform", rng=rng),
            inputs=((2, 3, 5),),
            output=(2, 3, 1),
            wrong=((2, 5, 3), (5,)),
            sizes=("5 -> 1", "bias=False"),
        ),
    )

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        bias: bool = True,
        weight_init: str = init.DEFAULT,
        rng: np.random.Generator | int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self.in_features = positive_int("in_features", in_features)
        self.out_features = positive_int("out_features", out_features)
        shape = (self.out_features, self.in_features)
        self.weight = Parameter(init.draw(weight_init, shape, rng), "weight", copy=False)
        self.bias = (
            Parameter(init.zeros((self.out_features,)), "bias") if boolean("bias", bias) else None
        )

    def call(self, x: Any) -> Any:
        """Compute x · wᵀ + b."""
        x = floating(x, self.weight)
        check_features(x, self.in_features)
        return ops.linear(x, self.weight, self.bias)

    def extra(self) -> str:
        """Give the sizes."""
        return f"{self.in_features} -> {self.out_features}" + (
            "" if self.bias is not None else ", bias=False"
        )


@register("nn.Maxout")
class Maxout(Module):
    """Keep, for each output, the largest of several linear functions of the input.

    y[..., o] = max_k (b[k, o] + sum_i w[k, o, i] · x[..., i])

    Parameters
    ----------
    in_features : int > 0
        Features of the input.
    out_features : int > 0
        Features of the output.
    pieces : int > 0
        Linear functions to choose from.
    bias : bool
        Whether to add b.
    weight_init : str
        Rule of the first weights, see `nn.init`; biases start at 0.
    rng : Generator, int or None
        Where the first weights are drawn from; None takes fresh entropy.

    Shapes
    ------
    input : (batch, ..., in_features) float32
    output : (batch, ..., out_features)
    weight : (pieces · out_features, in_features), piece by piece
    bias : (pieces · out_features,)

    Raises
    ------
    ArgumentError : a size is not positive, or there is no such `weight_init`.
    ShapeError : in `call`, the input has one axis only or its last one is not `in_features`.

    Notes
    -----
    Same as BigDL `Maxout` (0.13, with `maxout_number`) and Keras `MaxoutDense` (1.2, with
    `nb_feature`). Where two pieces are equal the gradient goes to the first.
    Source: Goodfellow et al. 2013.
    Native kernel: oneDNN inner product; reference: `engine.ops.linear`.

    Examples
    --------
    >>> layer = Maxout(4, 2, 3, rng=0)
    >>> layer
    Maxout(4 -> 2, pieces=3)
    >>> layer(np.ones((5, 4), "f4")).shape
    (5, 2)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: Maxout(5, 2, 3, rng=rng),
            inputs=((4, 5),),
            output=(4, 2),
            wrong=((4, 6), (5,)),
            wrong_axis=1,
            kinks=True,
            sizes=("5 -> 2", "pieces=3"),
        ),
        Case(
            lambda rng: Maxout(3, 4, 2, bias=False, rng=rng),
            inputs=((2, 3, 3),),
            output=(2, 3, 4),
            kinks=True,
        ),
    )

    def __init__(
        self,
        in_features: int,
        out_features: int,
        pieces: int,
        *,
        bias: bool = True,
        weight_init: str = init.DEFAULT,
        rng: np.random.Generator | int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self.in_features = positive_int("in_features", in_features)
        self.out_features = positive_int("out_features", out_features)
        self.pieces = positive_int("pieces", pieces)
        shape = (self.pieces * self.out_features, self.in_features)
        self.weight = Parameter(init.draw(weight_init, shape, rng), "weight", copy=False)
        self.bias = Parameter(init.zeros(shape[:1]), "bias") if boolean("bias", bias) else None

    def call(self, x: Any) -> Any:
        """Compute all pieces and keep the largest."""
        x = floating(x, self.weight)
        check_features(x, self.in_features)
        y = ops.linear(x, self.weight, self.bias)
        leading = x.shape[:-1]
        pieces = ops.reshape(y, (*leading, self.pieces, self.out_features))
        return ops.max_with_index(pieces, len(leading))[0]

    def extra(self) -> str:
        """Give the sizes."""
        sizes = f"{self.in_features} -> {self.out_features}, pieces={self.pieces}"
        return sizes + ("" if self.bias is not None else ", bias=False")


@register("nn.Highway")
class Highway(Module):
    """Mix a layer's output with its input, by a gate that learns how much of each.

    y = t · g(w_h · x + b_h) + (1 - t) · x, with t = sigmoid(w_t · x + b_t)

    Parameters
    ----------
    features : int > 0
        Features of input and output.
    activation : Module, optional
        g; by default none: the identity.
    bias : bool
        Whether to add b_h and b_t.
    gate_bias : float
        What b_t starts at: below 0 the input passes at first, so that deep stacks learn.
    weight_init : str
        Rule of the first weights, see `nn.init`; b_h starts at 0.
    rng : Generator, int or None
        Where the first weights are drawn from; None takes fresh entropy.

    Shapes
    ------
    input : (batch, ..., features) float32
    output : same
    hidden.weight, gate.weight : (features, features)
    hidden.bias, gate.bias : (features,)

    Raises
    ------
    ArgumentError : `features` is not positive, or `activation` is no module.
    ShapeError : in `call`, the input has one axis only or its last one is not `features`.

    Notes
    -----
    Same as BigDL `Highway` (0.13) and Keras `Highway` (1.2) but for `gate_bias`, there 0 and 1.
    Source: Srivastava, Greff, Schmidhuber 2015.
    Native kernel: oneDNN inner product; reference: `engine.ops.linear`.

    Examples
    --------
    >>> layer = Highway(4, rng=0)
    >>> layer(np.ones((2, 4), "f4")).shape
    (2, 4)
    >>> [name for name, _ in layer.named_parameters()]
    ['hidden.weight', 'hidden.bias', 'gate.weight', 'gate.bias']
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: Highway(4, rng=rng),
            inputs=((3, 4),),
            output=(3, 4),
            wrong=((3, 5), (4,)),
            wrong_axis=1,
            sizes=("4 -> 4",),
        ),
        Case(
            lambda rng: Highway(3, activation=Tanh(), bias=False, rng=rng),
            inputs=((2, 2, 3),),
            output=(2, 2, 3),
            sizes=("Tanh",),
        ),
    )

    def __init__(
        self,
        features: int,
        *,
        activation: Module | None = None,
        bias: bool = True,
        gate_bias: float = -1.0,
        weight_init: str = init.DEFAULT,
        rng: np.random.Generator | int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        size = positive_int("features", features)
        given = init.generator(rng)  # one stream for both: an int would draw the same twice
        self.hidden = Linear(size, size, bias=bias, weight_init=weight_init, rng=given)
        self.gate = Linear(size, size, bias=bias, weight_init=weight_init, rng=given)
        start = finite("gate_bias", gate_bias)
        if self.gate.bias is not None:
            self.gate.bias.set(np.full(size, start, "f4"))
        if activation is not None:
            activation = instance("activation", activation, Module)
        self.activation = activation

    def call(self, x: Any) -> Any:
        """Mix x with what the layer makes of it."""
        x = floating(x, self.gate.weight)
        check_features(x, self.gate.in_features)
        h = calls.run(self.hidden, (x,), "hidden")
        if self.activation is not None:
            h = calls.run(self.activation, (h,), "activation")
        t = ops.sigmoid(calls.run(self.gate, (x,), "gate"))
        return ops.add(x, ops.multiply(t, ops.subtract(h, x)))
