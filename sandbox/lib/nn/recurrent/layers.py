"""Recurrent layers: LSTM, GRU and the plain RNN."""

from __future__ import annotations

from typing import ClassVar

from ...core.validate import one_of
from .. import init
from ..case import Case
from ..registry import register
from .cells import GRUCell, LSTMCell, RNNCell
from .stack import RecurrentStack


@register("nn.LSTM")
class LSTM(RecurrentStack):
    """Read a sequence step by step with a long short-term memory.

    i, f, o = sigmoid(w · x[n, t] + u · h + b), g = tanh(w · x[n, t] + u · h + b)
    c = f · c + i · g, h = o · tanh(c), y[n, t] = h

    With peepholes i and f also see p · c before the step, o sees p · c behind it. With a projection
    h = q · (o · tanh(c)).

    Parameters
    ----------
    in_features : int > 0
        Features of a step of the input.
    hidden_features : int > 0
        Features of the cell c.
    peephole : bool
        Whether the gates see the cell.
    projected_features : int > 0, optional
        Features of the state h, if it is a projection.
    num_layers : int > 0
        Layers above each other; each reads the ys of the one below.
    bidirectional : bool
        Whether a second set of weights reads backwards; the features of both are put side by side.
    return_sequences : bool
        Whether to give the ys of all steps, or the last one only.
    return_state : bool
        Whether to give the last states too: those of each layer and direction.
    dropout : float in [0, 1)
        How likely an element between two layers is switched off in training.
    weight_init : str
        Rule of the first weights, see `nn.init`; biases start at 0, those of the forget gate at 1,
        peepholes at 0.
    rng : Generator, int or None
        Where the first weights are drawn from; None takes fresh entropy.

    Shapes
    ------
    input : (batch, time, in_features) float32
    lengths : (batch,) integers in [1, time], optional: steps behind them are padding. They give
        0, and the last state is the one at the length.
    state : tuple of the first (h, c) of each layer and direction, optional: zeros
    output : (batch, time, hidden), or (batch, hidden) without `return_sequences`; projected
        features if so; twice as many if bidirectional; with `return_state` that and the last
        states, as `state`
    layers.0.weight_input : (4 · hidden, in_features), gates i, f, g, o
    layers.0.weight_hidden : (4 · hidden, hidden), or (4 · hidden, projected)
    layers.0.bias : (4 · hidden,)
    layers.0.weight_peephole : (3 · hidden,), of i, f, o, if there are peepholes
    layers.0.weight_projection : (projected, hidden), if there is a projection

    Raises
    ------
    ArgumentError : a size is not positive, an argument is not among the legal ones, or in `call`
        there is not one state for each layer and direction.
    ShapeError : in `call`, the input has not three axes, no steps, or another number of features.
    DataError : in `call`, a length is out of range.

    Notes
    -----
    Same as Keras `LSTM` and PyTorch `LSTM`, which has a second bias and whose lengths are those of
    a packed sequence; ONNX `LSTM`-14, whose gates are i, o, f, c; with BigDL (0.13) it is
    `Recurrent` with `LSTM` or `LSTMPeephole`, whose gates are i, g, f, o.
    Layer l in direction d is `layers[2 · l + d]` if bidirectional.
    Source: Hochreiter, Schmidhuber 1997; peepholes: Gers, Schmidhuber 2000; projection: Sak et al.
    2014; forget bias: Jozefowicz et al. 2015.
    Native kernel: oneDNN LSTM; reference: `engine.ops.recurrent_numpy`.

    Examples
    --------
    >>> import numpy as np
    >>> layer = LSTM(8, 16, return_sequences=False, rng=0)
    >>> layer
    LSTM(8 -> 16, return_sequences=False)
    >>> layer(np.ones((2, 5, 8), "f4"), np.array([5, 3])).shape
    (2, 16)
    >>> encoder, decoder = LSTM(8, 16, return_state=True, rng=0), LSTM(4, 16, rng=1)
    >>> _, state = encoder(np.ones((2, 5, 8), "f4"))
    >>> decoder(np.ones((2, 3, 4), "f4"), state=state).shape
    (2, 3, 16)
    """

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
            lambda rng: LSTM(
                2,
                3,
                peephole=True,
                projected_features=2,
                return_sequences=False,
                return_state=True,
                rng=rng,
            ),
            inputs=((3, 4, 2), None, (((3, 2), (3, 3)),)),
            output=((3, 2), (((3, 2), (3, 3)),)),
            wrong=((3, 4, 2), None, (((3, 2), (3, 2)),)),
            sizes=("2 -> 2", "return_sequences=False", "peephole=True", "return_state=True"),
        ),
        Case(
            lambda rng: LSTM(2, 3, num_layers=2, dropout=0.5, rng=rng),
            inputs=((3, 4, 2),),
            output=(3, 4, 3),
            stochastic=True,
            sizes=("dropout=0.5",),
        ),
    )

    def __init__(
        self,
        in_features: int,
        hidden_features: int,
        *,
        peephole: bool = False,
        projected_features: int | None = None,
        num_layers: int = 1,
        bidirectional: bool = False,
        return_sequences: bool = True,
        return_state: bool = False,
        dropout: float = 0.0,
        weight_init: str = "xavier_uniform",
        rng: init.Rng = None,
        name: str | None = None,
    ) -> None:
        super().__init__(
            LSTMCell,
            in_features,
            hidden_features,
            peephole=peephole,
            projected_features=projected_features,
            num_layers=num_layers,
            bidirectional=bidirectional,
            return_sequences=return_sequences,
            return_state=return_state,
            dropout=dropout,
            weight_init=weight_init,
            rng=rng,
            name=name,
        )
        self.peephole = peephole

    def extra(self) -> str:
        """Give the sizes, then what differs from the defaults."""
        return super().extra() + (", peephole=True" if self.peephole else "")


@register("nn.GRU")
class GRU(RecurrentStack):
    """Read a sequence step by step with a gated recurrent unit.

    u, r = sigmoid(w · x[n, t] + v · h + b), o = tanh(w · x[n, t] + b + r · (v · h + b'))
    h = u · h + (1 - u) · o, y[n, t] = h

    Without `reset_after` the reset comes before the product: o = tanh(w · x + b + v · (r · h)).

    Parameters
    ----------
    in_features : int > 0
        Features of a step of the input.
    hidden_features : int > 0
        Features of the state h.
    reset_after : bool
        Whether the reset gate works behind the product with the state, or on the state.
    num_layers : int > 0
        Layers above each other; each reads the ys of the one below.
    bidirectional : bool
        Whether a second set of weights reads backwards; the features of both are put side by side.
    return_sequences : bool
        Whether to give the ys of all steps, or the last one only.
    return_state : bool
        Whether to give the last states too: those of each layer and direction.
    dropout : float in [0, 1)
        How likely an element between two layers is switched off in training.
    weight_init : str
        Rule of the first weights, see `nn.init`; biases start at 0.
    rng : Generator, int or None
        Where the first weights are drawn from; None takes fresh entropy.

    Shapes
    ------
    input : (batch, time, in_features) float32
    lengths : (batch,) integers in [1, time], optional: steps behind them are padding. They give
        0, and the last state is the one at the length.
    state : tuple of the first h of each layer and direction, optional: zeros
    output : (batch, time, hidden), or (batch, hidden) without `return_sequences`; twice as many
        features if bidirectional; with `return_state` that and the last states, as `state`
    layers.0.weight_input : (3 · hidden, in_features), gates u (update), r (reset), o (output)
    layers.0.weight_hidden : (3 · hidden, hidden)
    layers.0.bias : (4 · hidden,), of u, r, o and of o's hidden part; (3 · hidden,) without
        `reset_after`

    Raises
    ------
    ArgumentError : a size is not positive, an argument is not among the legal ones, or in `call`
        there is not one state for each layer and direction.
    ShapeError : in `call`, the input has not three axes, no steps, or another number of features.
    DataError : in `call`, a length is out of range.

    Notes
    -----
    Same as Keras `GRU`, whose gates are u, r, o too, and PyTorch `GRU`, whose gates are r, u, o and
    which has a second bias of all gates; ONNX `GRU`-14, whose linear_before_reset is `reset_after`;
    with BigDL (0.13) it is `Recurrent` with `GRU`, whose reset comes before the product.
    Layer l in direction d is `layers[2 · l + d]` if bidirectional. Source: Cho et al. 2014.
    Native kernel: oneDNN lbr_gru and gru; reference: `engine.ops.recurrent_numpy`.

    Examples
    --------
    >>> import numpy as np
    >>> GRU(8, 16, bidirectional=True, rng=0)(np.ones((2, 5, 8), "f4")).shape
    (2, 5, 32)
    """

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
        Case(
            lambda rng: GRU(
                2, 3, reset_after=False, bidirectional=True, return_state=True, rng=rng
            ),
            inputs=((2, 4, 2), (2,), ((2, 3), (2, 3))),
            integers=(None, (1, 5)),
            output=((2, 4, 6), ((2, 3), (2, 3))),
            wrong=((2, 4, 2), (2,), ((2, 3), (2, 4))),
            sizes=("2 -> 6", "reset_after=False"),
        ),
    )

    def __init__(
        self,
        in_features: int,
        hidden_features: int,
        *,
        reset_after: bool = True,
        num_layers: int = 1,
        bidirectional: bool = False,
        return_sequences: bool = True,
        return_state: bool = False,
        dropout: float = 0.0,
        weight_init: str = "xavier_uniform",
        rng: init.Rng = None,
        name: str | None = None,
    ) -> None:
        super().__init__(
            GRUCell,
            in_features,
            hidden_features,
            reset_after=reset_after,
            num_layers=num_layers,
            bidirectional=bidirectional,
            return_sequences=return_sequences,
            return_state=return_state,
            dropout=dropout,
            weight_init=weight_init,
            rng=rng,
            name=name,
        )
        self.reset_after = reset_after

    def extra(self) -> str:
        """Give the sizes, then what differs from the defaults."""
        return super().extra() + ("" if self.reset_after else ", reset_after=False")


@register("nn.RNN")
class RNN(RecurrentStack):
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
        Layers above each other; each reads the ys of the one below.
    bidirectional : bool
        Whether a second set of weights reads backwards; the features of both are put side by side.
    return_sequences : bool
        Whether to give the ys of all steps, or the last one only.
    return_state : bool
        Whether to give the last states too: those of each layer and direction.
    dropout : float in [0, 1)
        How likely an element between two layers is switched off in training.
    weight_init : str
        Rule of the first weights, see `nn.init`; biases start at 0.
    rng : Generator, int or None
        Where the first weights are drawn from; None takes fresh entropy.

    Shapes
    ------
    input : (batch, time, in_features) float32
    lengths : (batch,) integers in [1, time], optional: steps behind them are padding. They give
        0, and the last state is the one at the length.
    state : tuple of the first h of each layer and direction, optional: zeros
    output : (batch, time, hidden), or (batch, hidden) without `return_sequences`; twice as many
        features if bidirectional; with `return_state` that and the last states, as `state`
    layers.0.weight_input : (hidden, in_features)
    layers.0.weight_hidden : (hidden, hidden)
    layers.0.bias : (hidden,)

    Raises
    ------
    ArgumentError : a size is not positive, an argument is not among the legal ones, or in `call`
        there is not one state for each layer and direction.
    ShapeError : in `call`, the input has not three axes, no steps, or another number of features.
    DataError : in `call`, a length is out of range.

    Notes
    -----
    Same as Keras `SimpleRNN`, PyTorch `RNN`, which has a second bias, and ONNX `RNN`-14; with BigDL
    (0.13) it is `Recurrent` with `RnnCell`. Layer l in direction d is `layers[2 · l + d]` if
    bidirectional. Source: Elman 1990.
    Native kernel: oneDNN vanilla RNN; reference: `engine.ops.recurrent_numpy`.

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
        return_state: bool = False,
        dropout: float = 0.0,
        weight_init: str = "xavier_uniform",
        rng: init.Rng = None,
        name: str | None = None,
    ) -> None:
        super().__init__(
            RNNCell,
            in_features,
            hidden_features,
            activation=activation,
            num_layers=num_layers,
            bidirectional=bidirectional,
            return_sequences=return_sequences,
            return_state=return_state,
            dropout=dropout,
            weight_init=weight_init,
            rng=rng,
            name=name,
        )
        self.activation = one_of("activation", activation, ("tanh", "relu"))

    def extra(self) -> str:
        """Give the sizes, then what differs from the defaults."""
        return super().extra() + ("" if self.activation == "tanh" else ", activation=relu")
