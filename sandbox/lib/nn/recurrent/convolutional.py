"""Convolutional LSTM: cells whose products are convolutions, over images and volumes."""

from __future__ import annotations

from typing import Any, ClassVar

from ...core import Parameter, ops
from ...core.errors import ArgumentError
from ...core.validate import boolean, positive_int
from .. import init
from ..case import Case
from ..checks import check_axis, check_rank, floating
from ..registry import register
from .cell import Cell


class ConvLSTMCell(Cell):
    """What convolutional LSTM cells share; `spatial` is the number of axes behind the channels."""

    spatial: ClassVar[int]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        hidden_kernel_size: int | None = None,
        stride: int = 1,
        padding: int | None = None,
        peephole: bool = False,
        weight_init: str = "xavier_uniform",
        rng: init.Rng = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self.in_channels = positive_int("in_channels", in_channels)
        self.out_channels = positive_int("out_channels", out_channels)
        self.kernel_size = positive_int("kernel_size", kernel_size)
        hidden = self.kernel_size if hidden_kernel_size is None else hidden_kernel_size
        self.hidden_kernel_size = positive_int("hidden_kernel_size", hidden)
        if self.hidden_kernel_size % 2 == 0:
            raise ArgumentError(
                "`hidden_kernel_size` must be odd: the state keeps its size; got "
                f"{self.hidden_kernel_size}."
            )
        self.stride = positive_int("stride", stride)
        self.padding = self.kernel_size // 2 if padding is None else padding
        rng = init.generator(rng)
        rows = 4 * self.out_channels
        shape = (rows, self.in_channels, *(self.kernel_size,) * self.spatial)
        drawn = init.draw(weight_init, shape, rng)
        self.weight_input = Parameter(drawn, "weight_input", copy=False)
        shape = (rows, self.out_channels, *(self.hidden_kernel_size,) * self.spatial)
        drawn = init.draw(weight_init, shape, rng)
        self.weight_hidden = Parameter(drawn, "weight_hidden", copy=False)
        bias = init.zeros((rows,))
        bias[self.out_channels : 2 * self.out_channels] = 1
        self.bias = Parameter(bias, "bias")
        self.weight_peephole = None
        if boolean("peephole", peephole):
            self.weight_peephole = Parameter(
                init.zeros((3 * self.out_channels,)), "weight_peephole"
            )

    def convolve(self, x: Any, weight: Any, bias: Any, stride: int, padding: int) -> Any:
        """Convolve over the spatial axes."""
        raise NotImplementedError(f"{type(self).__name__} must define convolve.")

    def prepare(self, x: Any) -> Any:
        """Convolve the input: gates i, f, g, o, without the state's part."""
        x = self._checked(x, "batch", 1)
        return self.convolve(x, self.weight_input, self.bias, self.stride, self.padding)

    def read(
        self, x: Any, lengths: Any = None, state: Any = None, *, reverse: bool = False
    ) -> tuple[Any, Any]:
        """Take all steps."""
        return super().read(self._checked(x, "batch, time", 2), lengths, state, reverse=reverse)

    def _checked(self, x: Any, before: str, axis: int) -> Any:
        """Give the input as floats of the right form; `axis` is that of the channels."""
        x = floating(x, self.bias)
        axes = ("height, width", "depth, height, width")[self.spatial - 2]
        check_rank(x, f"({before}, in_channels, {axes})", axis + 1 + self.spatial)
        check_axis(x, axis, self.in_channels, "in_channels")
        return x

    def first_state(self, z: Any) -> Any:
        """Give h = 0 and c = 0."""
        zeros = self.zeros(z, self.out_channels, *z.shape[2:])
        return zeros, zeros

    def step(self, z: Any, state: Any) -> tuple[Any, Any]:
        """Add the state's part, and open the gates."""
        h, c = state
        padding, channels = self.hidden_kernel_size // 2, self.out_channels
        z = ops.add(z, self.convolve(h, self.weight_hidden, None, 1, padding))
        zi, zf, zg, zo = (z[:, k * channels : (k + 1) * channels] for k in range(4))
        if self.weight_peephole is not None:
            shape = (3, 1, channels, *(1,) * self.spatial)
            peephole = ops.reshape(self.weight_peephole, shape)
            zi, zf = (ops.add(part, peephole[k] * c) for k, part in enumerate((zi, zf)))
        c = ops.add(ops.sigmoid(zf) * c, ops.sigmoid(zi) * ops.tanh(zg))
        if self.weight_peephole is not None:
            zo = ops.add(zo, peephole[2] * c)
        h = ops.sigmoid(zo) * ops.tanh(c)
        return h, (h, c)

    def extra(self) -> str:
        """Give the sizes, then what differs from the defaults."""
        kernel = "x".join([str(self.kernel_size)] * self.spatial)
        parts = [f"{self.in_channels} -> {self.out_channels}", kernel]
        if self.hidden_kernel_size != self.kernel_size:
            parts.append(f"hidden_kernel_size={self.hidden_kernel_size}")
        if self.stride != 1:
            parts.append(f"stride={self.stride}")
        if self.padding != self.kernel_size // 2:
            parts.append(f"padding={self.padding}")
        if self.weight_peephole is not None:
            parts.append("peephole=True")
        return ", ".join(parts)


@register("nn.ConvLSTMCell2d")
class ConvLSTMCell2d(ConvLSTMCell):
    """Take one step of an LSTM over images: its products are convolutions.

    i, f, o = sigmoid(w * x + u * h + b), g = tanh(w * x + u * h + b)
    c' = f · c + i · g, h' = o · tanh(c'), y = h'

    With peepholes i and f also see p · c, and o sees p · c', one p a channel.

    Parameters
    ----------
    in_channels : int > 0
        Channels of the input.
    out_channels : int > 0
        Channels of the state.
    kernel_size : int > 0
        Of the convolution of the input.
    hidden_kernel_size : odd int > 0, optional
        Of the convolution of the state; as `kernel_size` by default.
    stride, padding : int
        Of the convolution of the input; the padding is half the kernel by default.
    peephole : bool
        Whether the gates see the cell.
    weight_init : str
        Rule of the first weights, see `nn.init`; biases start at 0, those of the forget gate at 1,
        peepholes at 0.
    rng : Generator, int or None
        Where the first weights are drawn from; None takes fresh entropy.

    Shapes
    ------
    x : (batch, in_channels, height, width) float32
    state : (h, c), (batch, out_channels, height, width) of the convolved input; optional: zeros
    output : y, as h, and the new state
    weight_input : (4 · out_channels, in_channels, kernel, kernel), gates i, f, g, o
    weight_hidden : (4 · out_channels, out_channels, hidden_kernel, hidden_kernel)
    bias : (4 · out_channels,)
    weight_peephole : (3 · out_channels,), of i, f, o, if there are peepholes

    Raises
    ------
    ArgumentError : a size is not positive, or `hidden_kernel_size` is even.
    ShapeError : in `call`, the input has not four axes or another number of channels.

    Notes
    -----
    In a `Recurrent`: same as BigDL `ConvLSTMPeephole` (0.13) with peepholes, Keras `ConvLSTM2D`
    without. Source: Shi et al. 2015, whose peepholes have a number for each pixel.

    Examples
    --------
    >>> import numpy as np
    >>> from sandbox.lib import nn
    >>> video = np.ones((2, 5, 1, 8, 8), "f4")
    >>> nn.Recurrent(ConvLSTMCell2d(1, 4, 3, rng=0))(video).shape
    (2, 5, 4, 8, 8)
    """

    spatial: ClassVar[int] = 2
    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: ConvLSTMCell2d(2, 3, 3, hidden_kernel_size=1, peephole=True, rng=rng),
            inputs=((2, 2, 4, 3), ((2, 3, 4, 3), (2, 3, 4, 3))),
            output=((2, 3, 4, 3), ((2, 3, 4, 3), (2, 3, 4, 3))),
            wrong=((2, 3, 4, 3), ((2, 3, 4, 3), (2, 3, 4, 3))),
            sizes=("2 -> 3", "3x3", "hidden_kernel_size=1", "peephole=True"),
        ),
        Case(
            lambda rng: ConvLSTMCell2d(1, 2, 3, stride=2, padding=0, rng=rng),
            inputs=((2, 1, 5, 5),),
            output=((2, 2, 2, 2), ((2, 2, 2, 2), (2, 2, 2, 2))),
            wrong=((2, 2, 5, 5), (2, 1, 5)),
            sizes=("1 -> 2", "stride=2", "padding=0"),
        ),
    )

    def convolve(self, x: Any, weight: Any, bias: Any, stride: int, padding: int) -> Any:
        """Convolve over height and width."""
        return ops.conv2d(x, weight, bias, stride=stride, padding=padding)


@register("nn.ConvLSTMCell3d")
class ConvLSTMCell3d(ConvLSTMCell):
    """Take one step of an LSTM over volumes: its products are convolutions.

    i, f, o = sigmoid(w * x + u * h + b), g = tanh(w * x + u * h + b)
    c' = f · c + i · g, h' = o · tanh(c'), y = h'

    With peepholes i and f also see p · c, and o sees p · c', one p a channel.

    Parameters
    ----------
    in_channels : int > 0
        Channels of the input.
    out_channels : int > 0
        Channels of the state.
    kernel_size : int > 0
        Of the convolution of the input.
    hidden_kernel_size : odd int > 0, optional
        Of the convolution of the state; as `kernel_size` by default.
    stride, padding : int
        Of the convolution of the input; the padding is half the kernel by default.
    peephole : bool
        Whether the gates see the cell.
    weight_init : str
        Rule of the first weights, see `nn.init`; biases start at 0, those of the forget gate at 1,
        peepholes at 0.
    rng : Generator, int or None
        Where the first weights are drawn from; None takes fresh entropy.

    Shapes
    ------
    x : (batch, in_channels, depth, height, width) float32
    state : (h, c), (batch, out_channels, depth, height, width) of the convolved input; optional:
        zeros
    output : y, as h, and the new state
    weight_input : (4 · out_channels, in_channels, kernel, kernel, kernel), gates i, f, g, o
    weight_hidden : (4 · out_channels, out_channels, and the hidden kernel three times)
    bias : (4 · out_channels,)
    weight_peephole : (3 · out_channels,), of i, f, o, if there are peepholes

    Raises
    ------
    ArgumentError : a size is not positive, or `hidden_kernel_size` is even.
    ShapeError : in `call`, the input has not five axes or another number of channels.

    Notes
    -----
    In a `Recurrent`: same as BigDL `ConvLSTMPeephole3D` (0.13) with peepholes, Keras `ConvLSTM3D`
    without. Source: Shi et al. 2015, whose peepholes have a number for each pixel.

    Examples
    --------
    >>> import numpy as np
    >>> from sandbox.lib import nn
    >>> volumes = np.ones((2, 5, 1, 4, 8, 8), "f4")
    >>> nn.Recurrent(ConvLSTMCell3d(1, 4, 3, rng=0))(volumes).shape
    (2, 5, 4, 4, 8, 8)
    """

    spatial: ClassVar[int] = 3
    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: ConvLSTMCell3d(2, 1, 3, peephole=True, rng=rng),
            inputs=((2, 2, 2, 3, 2), ((2, 1, 2, 3, 2), (2, 1, 2, 3, 2))),
            output=((2, 1, 2, 3, 2), ((2, 1, 2, 3, 2), (2, 1, 2, 3, 2))),
            wrong=((2, 1, 2, 3, 2), ((2, 1, 2, 3, 2), (2, 1, 2, 3, 2))),
            sizes=("2 -> 1", "3x3x3", "peephole=True"),
        ),
    )

    def convolve(self, x: Any, weight: Any, bias: Any, stride: int, padding: int) -> Any:
        """Convolve over depth, height and width."""
        return ops.conv3d(x, weight, bias, stride=stride, padding=padding)
