"""Dropout: switch elements off at random while training."""

from __future__ import annotations

from typing import Any, ClassVar

from ...core import ops
from ...core.validate import in_range
from ..case import Case
from ..checks import floating
from ..module import Module
from ..registry import register


@register("nn.Dropout")
class Dropout(Module):
    """Switch each element off with probability p while training; do nothing in inference.

    y = x · m / (1 - p), m = 0 with probability p, else 1

    Parameters
    ----------
    p : float in [0, 1)
        Probability of an element to be switched off.

    Shapes
    ------
    input : (batch, ...) float32
    output : same

    Raises
    ------
    ArgumentError : p is not in [0, 1).
    ArgumentError : in `call`, the input is no array of numbers.

    Notes
    -----
    The mask depends on (seed, path of the module, step, position of the row in the global batch)
    and on nothing else: not on threads, not on how many ranks share the batch.
    Same as BigDL `Dropout(initP=p)` (0.13) and ONNX `Dropout`-13.
    Source: Srivastava et al. 2014. Kernel: `engine.random.dropout_mask` (Philox).

    Examples
    --------
    >>> import numpy as np
    >>> layer = Dropout(0.5)
    >>> layer(np.ones((1, 3), "f4"))
    array([[1., 1., 1.]], dtype=float32)
    >>> sorted(set(layer.train()(np.ones((1, 99), "f4")).ravel().tolist()))
    [0.0, 2.0]
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: Dropout(0.4),
            inputs=((4, 3, 2, 5),),
            output=(4, 3, 2, 5),
            stochastic=True,
            sizes=("0.4",),
        ),
        Case(
            lambda rng: Dropout(0.5),
            inputs=((4, 7),),
            output=(4, 7),
            stochastic=True,
            sizes=("0.5",),
        ),
    )

    def __init__(self, p: float = 0.5, *, name: str | None = None) -> None:
        super().__init__(name=name)
        self.p = in_range("p", p, 0.0, 1.0, closed="left", cure="All off? leave the layer out.")

    def call(self, x: Any) -> Any:
        """Switch elements off while training."""
        x = floating(x)
        if not self.training or self.p == 0.0:
            return x
        return ops.dropout(x, p=self.p)

    def extra(self) -> str:
        """Give the probability."""
        return f"{self.p:g}"
