"""From one input to a sequence: a cell that is fed with what it gave."""

from __future__ import annotations

from typing import Any, ClassVar

from ...core import ops
from ...core.errors import ShapeError
from ...core.validate import boolean, instance, positive_int
from .. import calls
from ..case import Case
from ..checks import floating
from ..linear.dense import Linear
from ..module import Module
from ..registry import register
from .cell import Cell
from .cells import GRUCell, LSTMCell


@register("nn.RecurrentDecoder")
class RecurrentDecoder(Module):
    """Run a cell that is fed with what it gave: from one input to a sequence.

    y[n, 0], state = cell(x[n], state), y[n, t], state = cell(y[n, t-1], state)

    Parameters
    ----------
    cell : Cell
        Its y must have the form of its input, or `output` must make it so.
    steps : int > 0
        How many steps to take.
    output : Module, optional
        Applied to each y, before it is given out and fed back.
    return_state : bool
        Whether to give the last state too.

    Shapes
    ------
    input : (batch, ...), the first step
    state : the state to begin with, optional
    output : (batch, steps, ...); with `return_state` that and the last state

    Raises
    ------
    ArgumentError : `cell` is no cell, or `steps` is not positive.
    ShapeError : in `call`, what is fed back has not the form of the input.

    Notes
    -----
    Same as BigDL `RecurrentDecoder` (0.13).

    Examples
    --------
    >>> import numpy as np
    >>> decoder = RecurrentDecoder(LSTMCell(3, 3, rng=0), 4)
    >>> decoder(np.ones((2, 3), "f4")).shape
    (2, 4, 3)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: RecurrentDecoder(
                LSTMCell(3, 4, rng=rng), 3, output=Linear(4, 3, rng=rng), return_state=True
            ),
            inputs=((5, 3), ((5, 4), (5, 4))),
            output=((5, 3, 3), ((5, 4), (5, 4))),
            wrong=((5, 3), ((5, 3), (5, 3))),
            sizes=("3 -> 4", "4 -> 3"),
        ),
        Case(
            lambda rng: RecurrentDecoder(GRUCell(3, 3, rng=rng), 4),
            inputs=((5, 3),),
            output=(5, 4, 3),
            wrong=((5, 2),),
        ),
    )

    def __init__(
        self,
        cell: Cell,
        steps: int,
        *,
        output: Module | None = None,
        return_state: bool = False,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self.cell = instance("cell", cell, Cell)
        self.steps = positive_int("steps", steps)
        self.output = None if output is None else instance("output", output, Module)
        self.return_state = boolean("return_state", return_state)

    def call(self, x: Any, state: Any = None) -> Any:
        """Take the steps."""
        x = floating(x)
        if not x.shape:
            raise ShapeError("input must be rows of a batch; got a single number.")
        if state is None:
            state = calls.run(self.cell, (x,), "cell", method="begin")

        def body(carry: Any, _: None) -> tuple[Any, Any]:
            y, after = calls.run(self.cell, carry, "cell")
            if self.output is not None:
                y = calls.run(self.output, (y,), "output")
            return (y, after), y

        (_, state), ys = ops.scan(body, (x, state), length=self.steps, axis=1)
        return (ys, state) if self.return_state else ys
