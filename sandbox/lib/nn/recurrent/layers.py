"""Recurrent layers: LSTM, GRU and the plain RNN."""

from __future__ import annotations

from typing import Any, ClassVar

from ...core import ops
from ...core.validate import one_of
from .. import init
from ..case import Case
from ..registry import register
from .cell import Recurrence, Recurrent


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
    Native kernel: oneDNN LSTM; reference: `engine.ops.recurrent`.

    Examples
    --------
    >>> import numpy as np
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

    def read(
        self, x: Any, layer: Recurrence, lengths: Any | None, reverse: bool
    ) -> tuple[Any, Any]:
        """Run one layer in one direction."""
        y, h, _ = ops.lstm(x, *layer.weights, lengths, reverse=reverse)
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
    Native kernel: oneDNN lbr_gru; reference: `engine.ops.recurrent`.

    Examples
    --------
    >>> import numpy as np
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

    def read(
        self, x: Any, layer: Recurrence, lengths: Any | None, reverse: bool
    ) -> tuple[Any, Any]:
        """Run one layer in one direction."""
        return ops.gru(x, *layer.weights, lengths, reverse=reverse)


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
    Native kernel: oneDNN vanilla RNN; reference: `engine.ops.recurrent`.

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
        weight_init: str = "xavier_uniform",
        rng: init.Rng = None,
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

    def read(
        self, x: Any, layer: Recurrence, lengths: Any | None, reverse: bool
    ) -> tuple[Any, Any]:
        """Run one layer in one direction."""
        return ops.rnn(x, *layer.weights, lengths, activation=self.activation, reverse=reverse)

    def extra(self) -> str:
        """Give the sizes, then what differs from the defaults."""
        return super().extra() + ("" if self.activation == "tanh" else ", activation=relu")
