"""Feature pyramids: maps of several sizes that all know what the coarsest one knows."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ...core import ops
from ...core.errors import ShapeError
from ...core.validate import integers, one_of, positive_int, refuse
from .. import init
from ..case import Case
from ..convolution import Conv2d
from ..module import Module
from ..registry import register

TOPS = ("none", "pool", "conv", "conv of input")


@register("nn.FPN")
class FPN(Module):
    """Add to the maps of each level what the coarser levels found, the coarsest one first.

    p_k = outer_k(m_k), m_k = inner_k(x_k) + m_{k+1} in the size of x_k

    Parameters
    ----------
    in_channels : sequence of ints > 0
        Channels of each level's maps, from the finest level on.
    out_channels : int > 0
        Channels of all results.
    top : "none", "pool", "conv" or "conv of input"
        What follows behind the coarsest level: nothing, every second pixel of it, or two levels by
        convolutions of stride 2, of the coarsest result or of the coarsest input.
    weight_init : str
        Rule of the first weights, see `nn.init`; biases start at 0.
    rng : Generator, int or None
        Where the first weights are drawn from; None takes fresh entropy.

    Shapes
    ------
    inputs : (batch, in_channels[k], height_k, width_k) float32, from the finest level on
    outputs : tuple of (batch, out_channels, height_k, width_k), and of what `top` adds

    Raises
    ------
    ArgumentError : a number is not positive, or there is no such `top`.
    ShapeError : in `call`, there are not as many inputs as `in_channels`, or one has others.

    Notes
    -----
    Same as BigDL `FPN` (0.13): its topBlocks 0, 1 and 2 are "none", "pool" and "conv" (or "conv of
    input", where inChannelsOfP6P7 is not outChannels).
    Sources: Lin et al. 2017; "conv" is that of RetinaNet, Lin et al. 2017 (focal loss).
    Maps of a level twice as large are made by repeating. Native kernel: oneDNN convolution.

    Examples
    --------
    >>> import numpy as np
    >>> fine, coarse = np.ones((1, 8, 16, 16), "f4"), np.ones((1, 16, 8, 8), "f4")
    >>> [y.shape for y in FPN((8, 16), 4, top="pool", rng=0)(fine, coarse)]
    [(1, 4, 16, 16), (1, 4, 8, 8), (1, 4, 4, 4)]
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: FPN((2, 3), 4, top="pool", rng=rng),
            inputs=((2, 2, 6, 4), (2, 3, 3, 2)),
            output=((2, 4, 6, 4), (2, 4, 3, 2), (2, 4, 2, 1)),
            wrong=((2, 2, 6, 4), (2, 2, 3, 2)),
            sizes=("inner.1: Conv2d(3 -> 4", "outer.0: Conv2d(4 -> 4, 3x3"),
        ),
        Case(
            lambda rng: FPN((2, 3), 2, top="conv of input", rng=rng),
            inputs=((2, 2, 5, 4), (2, 3, 3, 2)),
            output=((2, 2, 5, 4), (2, 2, 3, 2), (2, 2, 2, 1), (2, 2, 1, 1)),
            kinks=True,
            sizes=("above.1: Conv2d(2 -> 2, 3x3, stride=2x2",),
        ),
    )

    def __init__(
        self,
        in_channels: tuple[int, ...] | list[int],
        out_channels: int,
        *,
        top: str = "none",
        weight_init: str = init.DEFAULT,
        rng: np.random.Generator | int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self.in_channels = integers("in_channels", in_channels, "a list of ints > 0", 1)
        if not self.in_channels:
            raise refuse("in_channels", "a list of ints > 0", in_channels)
        self.out_channels = out = positive_int("out_channels", out_channels)
        self.top: str = one_of("top", top, TOPS)
        rng = init.generator(rng)

        def conv(channels: int, kernel: int, stride: int = 1) -> Conv2d:
            return Conv2d(
                *(channels, out, kernel),
                stride=stride,
                padding=kernel // 2,
                weight_init=weight_init,
                rng=rng,
            )

        self.inner = [conv(channels, 1) for channels in self.in_channels]
        self.outer = [conv(out, 3) for _ in self.in_channels]
        self.above: list[Conv2d] = []
        if self.top.startswith("conv"):
            below = out if self.top == "conv" else self.in_channels[-1]
            self.above = [conv(below, 3, 2), conv(out, 3, 2)]

    def call(self, *inputs: Any) -> Any:
        """Go from the coarsest level to the finest one."""
        if len(inputs) != len(self.inner):
            raise ShapeError(
                f"inputs must be {len(self.inner)} levels (in_channels); got {len(inputs)}, the "
                f"last in shape {inputs[-1].shape if inputs else ()}."
            )
        merged = self.inner[-1](inputs[-1])
        found = [self.outer[-1](merged)]
        for inner, outer, x in reversed(
            list(zip(self.inner[:-1], self.outer[:-1], inputs[:-1], strict=True))
        ):
            side = inner(x)
            merged = side + ops.resize(
                merged, side.shape[2:], mode="nearest", coordinates="asymmetric", rounding="floor"
            )
            found.insert(0, outer(merged))
        if self.top == "pool":
            found.append(ops.max_pool2d(found[-1], 1, stride=2))
        elif self.above:
            first, second = self.above
            found.append(first(found[-1] if self.top == "conv" else inputs[-1]))
            found.append(second(ops.relu(found[-1])))
        return tuple(found)
