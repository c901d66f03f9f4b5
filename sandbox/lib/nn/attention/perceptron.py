"""The perceptron between attentions."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ...core import ops
from ...core.validate import in_range, one_of, positive_int
from .. import init
from ..case import Case
from ..linear.dense import Linear
from ..module import Module
from ..noise.dropout import Dropout
from ..registry import register

ACTIVATIONS = {"gelu": ops.gelu, "relu": ops.relu}


@register("nn.FeedForward")
class FeedForward(Module):
    """Think about each step by itself: two linear layers around an activation.

    y = fc2(dropout(activation(fc1(x))))

    Parameters
    ----------
    features : int > 0
        Features of a step, in and out.
    hidden : int > 0, optional
        Width inside; 4 times `features` by default.
    activation : "gelu" or "relu"
        Between the layers.
    p : float in [0, 1)
        Dropout inside.
    rng : Generator, int or None
        Where the first weights are drawn from; None takes fresh entropy.

    Shapes
    ------
    input : (..., features) float32
    output : same

    Raises
    ------
    ArgumentError : a size is not positive, or there is no such activation.
    ShapeError : in `call`, the last axis has another number of features.

    Notes
    -----
    Same as BigDL `FeedForwardNetwork` (0.13) with activation="relu". Source: Vaswani et al. 2017,
    section 3.3.

    Examples
    --------
    >>> FeedForward(8, 16, rng=0)(np.ones((2, 5, 8), "f4")).shape
    (2, 5, 8)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: FeedForward(4, 6, p=0.3, rng=rng),
            inputs=((2, 3, 4),),
            output=(2, 3, 4),
            wrong=((2, 3, 5),),
            wrong_axis=2,
            stochastic=True,
            sizes=("4", "hidden=6", "p=0.3"),
        ),
        Case(
            lambda rng: FeedForward(4, activation="relu", rng=rng),
            inputs=((3, 4),),
            output=(3, 4),
            kinks=True,
            sizes=("hidden=16", "activation='relu'"),
        ),
    )

    def __init__(
        self,
        features: int,
        hidden: int | None = None,
        *,
        activation: str = "gelu",
        p: float = 0.0,
        rng: np.random.Generator | int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self.features = positive_int("features", features)
        self.hidden = 4 * self.features if hidden is None else positive_int("hidden", hidden)
        self.activation = one_of("activation", activation, ACTIVATIONS)
        self.p, rng = in_range("p", p, 0.0, 1.0, closed="left"), init.generator(rng)
        self.fc1 = Linear(self.features, self.hidden, rng=rng)
        self.dropout = Dropout(self.p)
        self.fc2 = Linear(self.hidden, self.features, rng=rng)

    def call(self, x: Any) -> Any:
        """Apply both layers."""
        return self.fc2(self.dropout(ACTIVATIONS[self.activation](self.fc1(x))))

    def extra(self) -> str:
        """Give the sizes, then what differs from the defaults."""
        parts = [f"{self.features}", f"hidden={self.hidden}"]
        if self.activation != "gelu":
            parts.append(f"activation={self.activation!r}")
        if self.p:
            parts.append(f"p={self.p:g}")
        return ", ".join(parts)

    def __repr__(self) -> str:
        """Give class and sizes; the layers inside follow from them."""
        return f"{type(self).__name__}({self.extra()})"
