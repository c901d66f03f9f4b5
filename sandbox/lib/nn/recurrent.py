"""Recurrent layers: LSTM, GRU and the plain RNN."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ..core import Parameter, ops
from ..core.errors import ShapeError
from ..core.validate import one_of, positive_int
from . import init
from .case import Case
from .module import Module
from .registry import register
from .shapes import check_axis, check_floating, check_rank

Rng = np.random.Generator | int | None


class Recurrence(Module):
    """The weights of one layer in one direction; `Recurrent` makes and calls it."""

    def __init__(
        self, kind: type[Recurrent], in_features: int, hidden: int, weight_init: str, rng: Rng
    ) -> None:
        super().__init__()
        rows = kind.gates * hidden
        self.weight_input = Parameter(
            init.draw(weight_init, (rows, in_features), rng), "weight_input"
        )
        self.weight_hidden = Parameter(init.draw(weight_init, (rows, hidden), rng), "weight_hidden")
        self.bias = Parameter(kind.first_bias(hidden), "bias")


class Recurrent(Module):
    """What recurrent layers share: layers above each other, directions, lengths of rows."""

    gates: ClassVar[int] = 1

    def __init__(
        self,
        in_features: int,
        hidden_features: int,
        *,
        num_layers: int = 1,
        bidirectional: bool = False,
        return_sequences: bool = True,
        weight_init: str = "xavier",
        rng: Rng = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self.in_features = positive_int("in_features", in_features)
        self.hidden_features = positive_int("hidden_features", hidden_features)
        self.num_layers = positive_int("num_layers", num_layers)
        self.bidirectional = bool(bidirectional)
        self.return_sequences = bool(return_sequences)
        self.out_features = self.hidden_features * (2 if self.bidirectional else 1)
        rng = init.generator(rng)
        sizes = [self.in_features] + [self.out_features] * (self.num_layers - 1)
        self.layers = tuple(
            Recurrence(type(self), size, self.hidden_features, weight_init, rng)
            for size in sizes
            for _ in range(2 if self.bidirectional else 1)
        )

    @classmethod
    def first_bias(cls, hidden: int) -> Any:
        """Give the first bias of one layer."""
        return init.zeros((cls.gates * hidden,))

    def step_through(
        self, x: Any, layer: Recurrence, lengths: Any | None, reverse: bool
    ) -> tuple[Any, Any]:
        """Run one layer in one direction: all states and the last one."""
        raise NotImplementedError(f"{type(self).__name__} must define step_through.")

    def call(self, x: Any, lengths: Any | None = None) -> Any:
        """Run all layers over the time axis."""
        check_floating(x)
        check_rank(x, "(batch, time, in_features)", 3)
        check_axis(x, 2, self.in_features, "in_features")
        if x.shape[1] == 0:
            raise ShapeError(f"input axis 1 must be >= 1 (time); got 0 in shape {x.shape}.")
        directions = (False, True) if self.bidirectional else (False,)
        last = x
        for level in range(self.num_layers):
            parts = [
                self.step_through(x, self.layers[level * len(directions) + place], lengths, reverse)
                for place, reverse in enumerate(directions)
            ]
            x, last = (
                parts[0]
                if len(parts) == 1
                else (ops.concat([p[0] for p in parts], 2), ops.concat([p[1] for p in parts], 1))
            )
        return x if self.return_sequences else last

    def extra(self) -> str:
        """Give the sizes, then what differs from the defaults."""
        parts = [f"{self.in_features} -> {self.out_features}"]
        if self.num_layers != 1:
            parts.append(f"num_layers={self.num_layers}")
        if self.bidirectional:
            parts.append("bidirectional=True")
        if not self.return_sequences:
            parts.append("return_sequences=False")
        return ", ".join(parts)

    def __repr__(self) -> str:
        """Give class and sizes; the layers inside hold nothing else to tell."""
        return f"{type(self).__name__}({self.extra()})"


@register("nn.LSTM")
class LSTM(Recurrent):
    """Read a sequence step by step with a long short-term memory.

    i, f, o = sigmoid(w · x[n, t] + u · h + b), g = tanh(w · x[n, t] + u · h + b)
    c = f · c + i · g, h = o · tanh(c), y[n, t] = h

    Parameters
    ----------
    in_features : int > 0
        Features of a step of the input.
    hidden_features : int > 0
        Features of the state h.
    num_layers : int > 0
        Layers above each other; each reads the states of the one below.
    bidirectional : bool
        Whether a second set of weights reads backwards; the features of both are put side by side.
    return_sequences : bool
        Whether to give the states of all steps, or the last one only.
    weight_init : str
        Rule of the first weights, see `nn.init`; biases start at 0, those of the forget gate at 1.
    rng : Generator, int or None
        Where the first weights are drawn from; None takes fresh entropy.

    Shapes
    ------
    input : (batch, time, in_features) float32
    lengths : (batch,) integers in [1, time], optional: steps behind them are padding. They give
        0, and the last state is the one at the length.
    output : (batch, time, hidden), or (batch, hidden) without `return_sequences`; twice as many
        features if bidirectional
    layers.0.weight_input : (4 · hidden, in_features), gates i, f, g, o
    layers.0.weight_hidden : (4 · hidden, hidden)
    layers.0.bias : (4 · hidden,)

    Raises
    ------
    ArgumentError : a size is not positive, or there is no such `weight_init`.
    ShapeError : in `call`, the input has not three axes, no steps, or another number of features.
    DataError : in `call`, a length is out of range.

    Notes
    -----
    The state starts at 0. Layer l in direction d is `layers[2 · l + d]` if bidirectional.
    Same as BigDL `Recurrent(LSTM)` (0.13) and ONNX `LSTM`-14 (whose gates are i, o, f, c).
    Source: Hochreiter, Schmidhuber 1997; forget bias: Jozefowicz et al. 2015.
    Native kernel: oneDNN LSTM; reference: `engine.reference.recurrent`.

    Examples
    --------
    >>> layer = LSTM(8, 16, return_sequences=False, rng=0)
    >>> layer
    LSTM(8 -> 16, return_sequences=False)
    >>> layer(np.ones((2, 5, 8), "f4"), np.array([5, 3])).shape
    (2, 16)
    """

    gates: ClassVar[int] = 4
    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: LSTM(3, 4, rng=rng),
            inputs=((5, 6, 3),),
            output=(5, 6, 4),
            wrong=((5, 6, 2), (5, 3), (5, 0, 3)),
            wrong_axis=2,
            sizes=("3 -> 4",),
        ),
        Case(
            lambda rng: LSTM(3, 4, num_layers=2, bidirectional=True, rng=rng),
            inputs=((2, 5, 3), (2,)),
            integers=(None, (1, 6)),
            output=(2, 5, 8),
            wrong=((2, 5, 3), (3,)),
            sizes=("3 -> 8", "num_layers=2", "bidirectional=True"),
        ),
        Case(
            lambda rng: LSTM(2, 3, bidirectional=True, return_sequences=False, rng=rng),
            inputs=((3, 4, 2),),
            output=(3, 6),
            wrong=((3, 4, 3),),
            wrong_axis=2,
            sizes=("2 -> 6", "return_sequences=False"),
        ),
    )

    @classmethod
    def first_bias(cls, hidden: int) -> Any:
        """Give zeros, and ones for the forget gate: at first the memory keeps what it has."""
        bias = init.zeros((4 * hidden,))
        bias[hidden : 2 * hidden] = 1
        return bias

    def step_through(
        self, x: Any, layer: Recurrence, lengths: Any | None, reverse: bool
    ) -> tuple[Any, Any]:
        """Run one layer in one direction."""
        weights = (layer.weight_input, layer.weight_hidden, layer.bias)
        y, h, _ = ops.lstm(x, *weights, lengths, reverse=reverse)
        return y, h


@register("nn.GRU")
class GRU(Recurrent):
    """Read a sequence step by step with a gated recurrent unit.

    u, r = sigmoid(w · x[n, t] + v · h + b), o = tanh(w · x[n, t] + b + r · (v · h + b'))
    h = u · h + (1 - u) · o, y[n, t] = h

    Parameters
    ----------
    in_features : int > 0
        Features of a step of the input.
    hidden_features : int > 0
        Features of the state h.
    num_layers : int > 0
        Layers above each other; each reads the states of the one below.
    bidirectional : bool
        Whether a second set of weights reads backwards; the features of both are put side by side.
    return_sequences : bool
        Whether to give the states of all steps, or the last one only.
    weight_init : str
        Rule of the first weights, see `nn.init`; biases start at 0.
    rng : Generator, int or None
        Where the first weights are drawn from; None takes fresh entropy.

    Shapes
    ------
    input : (batch, time, in_features) float32
    lengths : (batch,) integers in [1, time], optional: steps behind them are padding. They give
        0, and the last state is the one at the length.
    output : (batch, time, hidden), or (batch, hidden) without `return_sequences`; twice as many
        features if bidirectional
    layers.0.weight_input : (3 · hidden, in_features), gates u (update), r (reset), o (output)
    layers.0.weight_hidden : (3 · hidden, hidden)
    layers.0.bias : (4 · hidden,), of u, r, o and of o's hidden part

    Raises
    ------
    ArgumentError : a size is not positive, or there is no such `weight_init`.
    ShapeError : in `call`, the input has not three axes, no steps, or another number of features.
    DataError : in `call`, a length is out of range.

    Notes
    -----
    The state starts at 0. The reset gate works behind the product ("linear before reset"), as in
    ONNX `GRU`-14 with linear_before_reset=1; BigDL's `Recurrent(GRU)` (0.13) puts it before.
    Source: Cho et al. 2014.
    Native kernel: oneDNN lbr_gru; reference: `engine.reference.recurrent`.

    Examples
    --------
    >>> GRU(8, 16, bidirectional=True, rng=0)(np.ones((2, 5, 8), "f4")).shape
    (2, 5, 32)
    """

    gates: ClassVar[int] = 3
    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: GRU(3, 4, return_sequences=False, rng=rng),
            inputs=((5, 6, 3), (5,)),
            integers=(None, (1, 7)),
            output=(5, 4),
            wrong=((5, 6, 3), (4,)),
            sizes=("3 -> 4", "return_sequences=False"),
        ),
        Case(
            lambda rng: GRU(2, 3, num_layers=2, bidirectional=True, rng=rng),
            inputs=((2, 4, 2),),
            output=(2, 4, 6),
            wrong=((2, 4, 3), (2, 4)),
            wrong_axis=2,
            sizes=("2 -> 6", "num_layers=2", "bidirectional=True"),
        ),
    )

    @classmethod
    def first_bias(cls, hidden: int) -> Any:
        """Give zeros: three gates and the hidden part of the third."""
        return init.zeros((4 * hidden,))

    def step_through(
        self, x: Any, layer: Recurrence, lengths: Any | None, reverse: bool
    ) -> tuple[Any, Any]:
        """Run one layer in one direction."""
        weights = (layer.weight_input, layer.weight_hidden, layer.bias)
        return ops.gru(x, *weights, lengths, reverse=reverse)


@register("nn.RNN")
class RNN(Recurrent):
    """Read a sequence step by step with the plain recurrent layer of Elman.

    h = activation(w · x[n, t] + u · h + b), y[n, t] = h

    Parameters
    ----------
    in_features : int > 0
        Features of a step of the input.
    hidden_features : int > 0
        Features of the state h.
    activation : "tanh" or "relu"
        The function of the state.
    num_layers : int > 0
        Layers above each other; each reads the states of the one below.
    bidirectional : bool
        Whether a second set of weights reads backwards; the features of both are put side by side.
    return_sequences : bool
        Whether to give the states of all steps, or the last one only.
    weight_init : str
        Rule of the first weights, see `nn.init`; biases start at 0.
    rng : Generator, int or None
        Where the first weights are drawn from; None takes fresh entropy.

    Shapes
    ------
    input : (batch, time, in_features) float32
    lengths : (batch,) integers in [1, time], optional: steps behind them are padding. They give
        0, and the last state is the one at the length.
    output : (batch, time, hidden), or (batch, hidden) without `return_sequences`; twice as many
        features if bidirectional
    layers.0.weight_input : (hidden, in_features)
    layers.0.weight_hidden : (hidden, hidden)
    layers.0.bias : (hidden,)

    Raises
    ------
    ArgumentError : a size is not positive, or an argument is not among the legal ones.
    ShapeError : in `call`, the input has not three axes, no steps, or another number of features.
    DataError : in `call`, a length is out of range.

    Notes
    -----
    Same as BigDL `Recurrent(RnnCell)` (0.13) and ONNX `RNN`-14. Source: Elman 1990.
    Native kernel: oneDNN vanilla RNN; reference: `engine.reference.recurrent`.

    Examples
    --------
    >>> RNN(8, 16, activation="relu", rng=0)
    RNN(8 -> 16, activation=relu)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: RNN(3, 4, bidirectional=True, rng=rng),
            inputs=((5, 6, 3), (5,)),
            integers=(None, (1, 7)),
            output=(5, 6, 8),
            wrong=((5, 6, 3), (4,)),
            sizes=("3 -> 8",),
        ),
        Case(
            lambda rng: RNN(3, 4, activation="relu", num_layers=2, rng=rng),
            inputs=((2, 4, 3),),
            output=(2, 4, 4),
            wrong=((2, 4, 2),),
            wrong_axis=2,
            sizes=("3 -> 4", "activation=relu", "num_layers=2"),
        ),
    )

    def __init__(
        self,
        in_features: int,
        hidden_features: int,
        *,
        activation: str = "tanh",
        num_layers: int = 1,
        bidirectional: bool = False,
        return_sequences: bool = True,
        weight_init: str = "xavier",
        rng: Rng = None,
        name: str | None = None,
    ) -> None:
        super().__init__(
            in_features,
            hidden_features,
            num_layers=num_layers,
            bidirectional=bidirectional,
            return_sequences=return_sequences,
            weight_init=weight_init,
            rng=rng,
            name=name,
        )
        self.activation = one_of("activation", activation, ("tanh", "relu"))

    def step_through(
        self, x: Any, layer: Recurrence, lengths: Any | None, reverse: bool
    ) -> tuple[Any, Any]:
        """Run one layer in one direction."""
        weights = (layer.weight_input, layer.weight_hidden, layer.bias)
        return ops.rnn(x, *weights, lengths, activation=self.activation, reverse=reverse)

    def extra(self) -> str:
        """Give the sizes, then what differs from the defaults."""
        return super().extra() + ("" if self.activation == "tanh" else ", activation=relu")
