"""The cells of RNN, LSTM and GRU, which the engine's kernels read whole sequences with."""

from __future__ import annotations

from typing import Any, ClassVar

from ...core import Parameter, ops
from ...core.validate import boolean, one_of, positive_int
from .. import init
from ..case import Case
from ..checks import check_axis, check_rank, floating
from ..registry import register
from .cell import StepwiseCell


class GatedCell(StepwiseCell):
    """What these cells share: sizes, weights with the gates below each other, the first state."""

    gates: ClassVar[int] = 1

    def __init__(
        self,
        in_features: int,
        hidden_features: int,
        *,
        weight_init: str,
        rng: init.Rng,
        name: str | None,
        biases: int | None = None,
        out_features: int | None = None,
    ) -> None:
        super().__init__(name=name)
        self.in_features = positive_int("in_features", in_features)
        self.hidden_features = positive_int("hidden_features", hidden_features)
        self.out_features = out_features or self.hidden_features
        rng = init.generator(rng)
        rows = self.gates * self.hidden_features
        drawn = init.draw(weight_init, (rows, self.in_features), rng)
        self.weight_input = Parameter(drawn, "weight_input", copy=False)
        drawn = init.draw(weight_init, (rows, self.out_features), rng)
        self.weight_hidden = Parameter(drawn, "weight_hidden", copy=False)
        self.bias = Parameter(
            self.first_bias((biases or self.gates) * self.hidden_features), "bias"
        )

    def first_bias(self, size: int) -> Any:
        """Give the first bias."""
        return init.zeros((size,))

    @property
    def weights(self) -> tuple[Parameter, Parameter, Parameter]:
        """Those that all cells have, in the order in which the operations take them."""
        return self.weight_input, self.weight_hidden, self.bias

    def call(self, x: Any, state: Any = None) -> tuple[Any, Any]:
        """Take one step."""
        check_rank(x, "(batch, in_features)", 2)
        check_axis(x, 1, self.in_features, "in_features")
        return self.step(x, state)

    def checked(self, x: Any) -> Any:
        """Give a sequence as floats of the right form."""
        x = floating(x, self.bias)
        check_rank(x, "(batch, time, in_features)", 3)
        check_axis(x, 2, self.in_features, "in_features")
        return x

    def first_state(self, z: Any) -> Any:
        """Give h = 0."""
        return self.zeros(floating(z, self.bias), self.out_features)

    def extra(self) -> str:
        """Give the sizes."""
        return f"{self.in_features} -> {self.out_features}"


@register("nn.RNNCell")
class RNNCell(GatedCell):
    """Take one step of the plain recurrent layer of Elman.

    h' = activation(w · x + u · h + b), y = h'

    Parameters
    ----------
    in_features : int > 0
        Features of the input.
    hidden_features : int > 0
        Features of the state h.
    activation : "tanh" or "relu"
        The function of the state.
    weight_init : str
        Rule of the first weights, see `nn.init`; biases start at 0.
    rng : Generator, int or None
        Where the first weights are drawn from; None takes fresh entropy.

    Shapes
    ------
    x : (batch, in_features) float32
    state : h, (batch, hidden), optional: zeros
    output : y and the new state, both (batch, hidden)
    weight_input : (hidden, in_features)
    weight_hidden : (hidden, hidden)
    bias : (hidden,)

    Raises
    ------
    ArgumentError : a size is not positive, or an argument is not among the legal ones.
    ShapeError : in `call`, the input has not two axes, or another number of features.

    Notes
    -----
    Like BigDL `RnnCell` (0.13), Keras `SimpleRNNCell` and PyTorch `RNNCell`: they give the state
    alone; PyTorch adds two biases. Source: Elman 1990. Kernel: as `RNN`.

    Examples
    --------
    >>> import numpy as np
    >>> y, state = RNNCell(3, 4, rng=0)(np.ones((2, 3), "f4"))
    >>> y.shape, state.shape
    ((2, 4), (2, 4))
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: RNNCell(3, 4, rng=rng),
            inputs=((5, 3), (5, 4)),
            output=((5, 4), (5, 4)),
            wrong=((5, 3), (5, 3)),
            sizes=("3 -> 4",),
        ),
        Case(
            lambda rng: RNNCell(3, 4, activation="relu", rng=rng),
            inputs=((5, 3),),
            output=((5, 4), (5, 4)),
            wrong=((5, 2), (5, 1, 3)),
            sizes=("activation=relu",),
        ),
    )

    def __init__(
        self,
        in_features: int,
        hidden_features: int,
        *,
        activation: str = "tanh",
        weight_init: str = "xavier_uniform",
        rng: init.Rng = None,
        name: str | None = None,
    ) -> None:
        super().__init__(in_features, hidden_features, weight_init=weight_init, rng=rng, name=name)
        self.activation = one_of("activation", activation, ("tanh", "relu"))

    def read(
        self, x: Any, lengths: Any = None, state: Any = None, *, reverse: bool = False
    ) -> tuple[Any, Any]:
        """Read a sequence."""
        inputs = (self.checked(x), *self.weights, lengths)
        return ops.rnn(*inputs, state=state, activation=self.activation, reverse=reverse)

    def extra(self) -> str:
        """Give the sizes, and the activation if it is not tanh."""
        return super().extra() + ("" if self.activation == "tanh" else ", activation=relu")


@register("nn.LSTMCell")
class LSTMCell(GatedCell):
    """Take one step of a long short-term memory.

    i, f, o = sigmoid(w · x + u · h + b), g = tanh(w · x + u · h + b)
    c' = f · c + i · g, h' = o · tanh(c'), y = h'

    With peepholes i and f also see p · c, and o sees p · c'. With a projection h' = q · (o ·
    tanh(c')).

    Parameters
    ----------
    in_features : int > 0
        Features of the input.
    hidden_features : int > 0
        Features of the cell c.
    peephole : bool
        Whether the gates see the cell.
    projected_features : int > 0, optional
        Features of the state h, if it is a projection.
    weight_init : str
        Rule of the first weights, see `nn.init`; biases start at 0, those of the forget gate at 1,
        peepholes at 0.
    rng : Generator, int or None
        Where the first weights are drawn from; None takes fresh entropy.

    Shapes
    ------
    x : (batch, in_features) float32
    state : (h, c), (batch, hidden) each, optional: zeros; h is (batch, projected) with a projection
    output : y, as h, and the new state
    weight_input : (4 · hidden, in_features), gates i, f, g, o
    weight_hidden : (4 · hidden, hidden), or (4 · hidden, projected)
    bias : (4 · hidden,)
    weight_peephole : (3 · hidden,), of i, f, o, if there are peepholes
    weight_projection : (projected, hidden), if there is a projection

    Raises
    ------
    ArgumentError : a size is not positive, or there is no such `weight_init`.
    ShapeError : in `call`, the input has not two axes, or another number of features.

    Notes
    -----
    Like BigDL `LSTM` and `LSTMPeephole` (0.13), Keras `LSTMCell` and PyTorch `LSTMCell`: the latter
    two give the state alone; BigDL's gates are i, g, f, o; PyTorch adds two biases.
    Source: Hochreiter, Schmidhuber 1997; peepholes: Gers, Schmidhuber 2000; projection: Sak et al.
    2014; forget bias: Jozefowicz et al. 2015. Kernel: as `LSTM`.

    Examples
    --------
    >>> import numpy as np
    >>> y, (h, c) = LSTMCell(3, 4, projected_features=2, rng=0)(np.ones((5, 3), "f4"))
    >>> y.shape, h.shape, c.shape
    ((5, 2), (5, 2), (5, 4))
    """

    gates: ClassVar[int] = 4
    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: LSTMCell(3, 4, peephole=True, projected_features=2, rng=rng),
            inputs=((5, 3), ((5, 2), (5, 4))),
            output=((5, 2), ((5, 2), (5, 4))),
            wrong=((5, 3), ((5, 4), (5, 2))),
            sizes=("3 -> 2", "peephole=True", "hidden_features=4"),
        ),
        Case(
            lambda rng: LSTMCell(3, 4, rng=rng),
            inputs=((5, 3),),
            output=((5, 4), ((5, 4), (5, 4))),
            wrong=((5, 2), (5, 1, 3)),
            sizes=("3 -> 4",),
        ),
    )

    def __init__(
        self,
        in_features: int,
        hidden_features: int,
        *,
        peephole: bool = False,
        projected_features: int | None = None,
        weight_init: str = "xavier_uniform",
        rng: init.Rng = None,
        name: str | None = None,
    ) -> None:
        rng = init.generator(rng)
        if projected_features is not None:
            projected_features = positive_int("projected_features", projected_features)
        super().__init__(
            in_features,
            hidden_features,
            weight_init=weight_init,
            rng=rng,
            name=name,
            out_features=projected_features,
        )
        hidden = self.hidden_features
        self.weight_peephole = self.weight_projection = None
        if boolean("peephole", peephole):
            self.weight_peephole = Parameter(init.zeros((3 * hidden,)), "weight_peephole")
        if projected_features is not None:
            projection = init.draw(weight_init, (projected_features, hidden), rng)
            self.weight_projection = Parameter(projection, "weight_projection", copy=False)

    def first_bias(self, size: int) -> Any:
        """Give zeros, and ones for the forget gate: at first the memory keeps what it has."""
        bias = init.zeros((size,))
        bias[size // 4 : size // 2] = 1
        return bias

    def first_state(self, z: Any) -> Any:
        """Give h = 0 and c = 0."""
        return super().first_state(z), self.zeros(floating(z, self.bias), self.hidden_features)

    def read(
        self, x: Any, lengths: Any = None, state: Any = None, *, reverse: bool = False
    ) -> tuple[Any, Any]:
        """Read a sequence."""
        w_input, w_hidden, bias = self.weights
        y, h, c = ops.lstm(
            self.checked(x),
            w_input,
            w_hidden,
            bias,
            lengths,
            state=state,
            peephole=self.weight_peephole,
            projection=self.weight_projection,
            reverse=reverse,
        )
        return y, (h, c)

    def extra(self) -> str:
        """Give the sizes, then what differs from the defaults."""
        parts = [super().extra()]
        if self.weight_projection is not None:
            parts.append(f"hidden_features={self.hidden_features}")
        if self.weight_peephole is not None:
            parts.append("peephole=True")
        return ", ".join(parts)


@register("nn.GRUCell")
class GRUCell(GatedCell):
    """Take one step of a gated recurrent unit.

    u, r = sigmoid(w · x + v · h + b), o = tanh(w · x + b + r · (v · h + b'))
    h' = u · h + (1 - u) · o, y = h'

    Without `reset_after` the reset comes before the product: o = tanh(w · x + b + v · (r · h)).

    Parameters
    ----------
    in_features : int > 0
        Features of the input.
    hidden_features : int > 0
        Features of the state h.
    reset_after : bool
        Whether the reset gate works behind the product with the state, or on the state.
    weight_init : str
        Rule of the first weights, see `nn.init`; biases start at 0.
    rng : Generator, int or None
        Where the first weights are drawn from; None takes fresh entropy.

    Shapes
    ------
    x : (batch, in_features) float32
    state : h, (batch, hidden), optional: zeros
    output : y and the new state, both (batch, hidden)
    weight_input : (3 · hidden, in_features), gates u (update), r (reset), o (output)
    weight_hidden : (3 · hidden, hidden)
    bias : (4 · hidden,), of u, r, o and of o's hidden part; (3 · hidden,) without `reset_after`

    Raises
    ------
    ArgumentError : a size is not positive, or there is no such `weight_init`.
    ShapeError : in `call`, the input has not two axes, or another number of features.

    Notes
    -----
    Like BigDL `GRU` (0.13), Keras `GRUCell` and PyTorch `GRUCell`: these give the state alone;
    BigDL's reset comes before the product, Keras' where its `reset_after` says; PyTorch's gates are
    r, u, o, with two biases. Source: Cho et al. 2014. Kernel: as `GRU`.

    Examples
    --------
    >>> import numpy as np
    >>> GRUCell(3, 4, reset_after=False, rng=0)(np.ones((2, 3), "f4"))[0].shape
    (2, 4)
    """

    gates: ClassVar[int] = 3
    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: GRUCell(3, 4, rng=rng),
            inputs=((5, 3), (5, 4)),
            output=((5, 4), (5, 4)),
            wrong=((5, 3), (5, 3)),
            sizes=("3 -> 4",),
        ),
        Case(
            lambda rng: GRUCell(3, 4, reset_after=False, rng=rng),
            inputs=((5, 3), (5, 4)),
            output=((5, 4), (5, 4)),
            wrong=((5, 3), (4, 4)),
            sizes=("reset_after=False",),
        ),
    )

    def __init__(
        self,
        in_features: int,
        hidden_features: int,
        *,
        reset_after: bool = True,
        weight_init: str = "xavier_uniform",
        rng: init.Rng = None,
        name: str | None = None,
    ) -> None:
        self.reset_after = boolean("reset_after", reset_after)
        super().__init__(
            in_features,
            hidden_features,
            weight_init=weight_init,
            rng=rng,
            name=name,
            biases=4 if self.reset_after else 3,
        )

    def read(
        self, x: Any, lengths: Any = None, state: Any = None, *, reverse: bool = False
    ) -> tuple[Any, Any]:
        """Read a sequence."""
        inputs = (self.checked(x), *self.weights, lengths)
        return ops.gru(*inputs, state=state, reset_after=self.reset_after, reverse=reverse)

    def extra(self) -> str:
        """Give the sizes, and where the reset is if not behind the product."""
        return super().extra() + ("" if self.reset_after else ", reset_after=False")
