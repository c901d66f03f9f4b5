"""Where gradients end."""

from __future__ import annotations

from typing import Any, ClassVar

from ...core import ops
from ..case import Case
from ..module import Module
from ..registry import register


@register("nn.StopGradient")
class StopGradient(Module):
    """Hand numbers on, and no gradient back: what is in front learns nothing from what is behind.

    y = x, dx = 0

    Shapes
    ------
    input : any float32
    output : same

    Raises
    ------
    ArgumentError : in `call`, the input is no array of numbers.

    Notes
    -----
    Same as BigDL `Model.stop_gradient` (there of layers by name), PyTorch `detach`. To keep
    parameters as they are while gradients go on there is `freeze()`.

    Examples
    --------
    >>> import numpy as np
    >>> layer = StopGradient()
    >>> layer.forward(np.ones((1, 2), "f4"))
    array([[1., 1.]], dtype=float32)
    >>> layer.backward(np.ones((1, 2), "f4"))
    array([[0., 0.]], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(lambda rng: StopGradient(), inputs=((3, 4),), output=(3, 4), own_gradient=True),
    )

    def __init__(self, *, name: str | None = None) -> None:
        super().__init__(name=name)

    def call(self, x: Any) -> Any:
        """Hand x on."""
        return ops.stop_gradient(x)
