"""Modules that hand their input on, and add a penalty on it to the loss while training.

The loss that is printed stays the criterion's; the gradients are those of the sum of both
(`core.ops.penalize`). Losses are sums over the rows of a batch, and so are penalties: whoever
trains divides the gradients by the number of rows, so a penalty counts as its mean over the rows,
however many ranks or parts of a batch share them. `penalty(x)` tells what was added.
"""

from __future__ import annotations

from typing import Any, ClassVar

from ...core import ops
from ...core.validate import finite
from ..case import Case
from ..checks import floating
from ..module import Module
from ..registry import register


class Penalty(Module):
    """Hand the input on, and add a penalty to the loss; subclasses give `strengths`."""

    def __init__(self, *, name: str | None = None) -> None:
        super().__init__(name=name)

    def strengths(self) -> dict[str, float]:
        """Give the factors of |x|, x² and x · log(x): l1, l2, entropy."""
        raise NotImplementedError(f"{type(self).__name__} must define strengths(self).")

    def call(self, x: Any) -> Any:
        """Hand the input on."""
        x = floating(x)
        return ops.penalize(x, **self.strengths()) if self.training else x

    def penalty(self, x: Any) -> Any:
        """Compute what a batch adds to the loss: a sum over its rows."""
        return ops.penalty(x, **self.strengths())

    def extra(self) -> str:
        """Give the factors."""
        return ", ".join(f"{name}={number:g}" for name, number in self.strengths().items())


@register("nn.L1Penalty")
class L1Penalty(Penalty):
    """Hand the input on, and add its absolute values to the loss.

    y = x, loss += strength · sum |x|

    Parameters
    ----------
    strength : float
        Factor of the sum over each row.

    Shapes
    ------
    input : (batch, ...) float32
    output : same

    Raises
    ------
    ArgumentError : `strength` is no finite number.
    ArgumentError : in `call`, the input is no array of numbers.

    Notes
    -----
    Like BigDL `L1Penalty` (0.13): there the sum is not divided by the rows of the batch, or with
    `sizeAverage` by all elements. Source: Tibshirani 1996.
    In inference nothing happens. The loss that is printed is the criterion's; see `penalty`.

    Examples
    --------
    >>> import numpy as np
    >>> layer = L1Penalty(0.1).train()
    >>> layer.forward(np.array([[-1.0, 2.0]], "f4"))
    array([[-1.,  2.]], dtype=float32)
    >>> layer.backward(np.zeros((1, 2), "f4"))
    array([[-0.1,  0.1]], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: L1Penalty(0.3),
            inputs=((3, 2, 4),),
            output=(3, 2, 4),
            kinks=True,
            sizes=("l1=0.3",),
        ),
    )

    def __init__(self, strength: float = 0.01, *, name: str | None = None) -> None:
        super().__init__(name=name)
        self.strength = finite("strength", strength)

    def strengths(self) -> dict[str, float]:
        """Give the factor of |x|."""
        return {"l1": self.strength}


@register("nn.ActivityRegularization")
class ActivityRegularization(Penalty):
    """Hand the input on, and add its absolute values and squares to the loss.

    y = x, loss += l1 · sum |x| + l2 · sum x²

    Parameters
    ----------
    l1, l2 : float
        Factors of the sums over each row.

    Shapes
    ------
    input : (batch, ...) float32
    output : same

    Raises
    ------
    ArgumentError : a factor is no finite number.
    ArgumentError : in `call`, the input is no array of numbers.

    Notes
    -----
    Same as Keras `ActivityRegularization`.
    Like BigDL `ActivityRegularization` (0.13): there the sums are not divided by the rows.
    In inference nothing happens. The loss that is printed is the criterion's; see `penalty`.

    Examples
    --------
    >>> ActivityRegularization(l1=0.5, l2=0.25)
    ActivityRegularization(l1=0.5, l2=0.25)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: ActivityRegularization(l1=0.3, l2=0.2),
            inputs=((3, 4),),
            output=(3, 4),
            kinks=True,
            sizes=("l1=0.3", "l2=0.2"),
        ),
    )

    def __init__(self, l1: float = 0.0, l2: float = 0.0, *, name: str | None = None) -> None:
        super().__init__(name=name)
        self.l1, self.l2 = finite("l1", l1), finite("l2", l2)

    def strengths(self) -> dict[str, float]:
        """Give both factors."""
        return {"l1": self.l1, "l2": self.l2}


@register("nn.NegativeEntropyPenalty")
class NegativeEntropyPenalty(Penalty):
    """Hand probabilities on, and add to the loss how sure they are: their negative entropy.

    y = x, loss += strength · sum x · log(x)

    Parameters
    ----------
    strength : float
        Factor of the sum over each row.

    Shapes
    ------
    input : (batch, ...) float32, probabilities
    output : same

    Raises
    ------
    ArgumentError : `strength` is no finite number.
    ArgumentError : in `call`, the input is no array of numbers.

    Notes
    -----
    Like BigDL `NegativeEntropyPenalty` (0.13): there the sum is not divided by the rows.
    Source: Pereyra et al. 2017; policies that go on exploring (Williams, Peng 1991).
    In inference nothing happens. The loss that is printed is the criterion's; see `penalty`.

    Examples
    --------
    >>> import numpy as np
    >>> round(float(NegativeEntropyPenalty(1.0).penalty(np.full((1, 2), 0.5, "f4"))), 4)
    -0.6931
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: NegativeEntropyPenalty(0.3),
            inputs=((3, 4),),
            output=(3, 4),
            kinks=True,
            sizes=("entropy=0.3",),
        ),
    )

    def __init__(self, strength: float = 0.01, *, name: str | None = None) -> None:
        super().__init__(name=name)
        self.strength = finite("strength", strength)

    def strengths(self) -> dict[str, float]:
        """Give the factor of x · log(x)."""
        return {"entropy": self.strength}
