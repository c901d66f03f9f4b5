"""The base of all criterions: what training makes small."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..core import Value, add_path, ops
from ..core.errors import DataError, ShapeError
from ..core.state import STATE
from ..nn.registry import bound_arguments

Array: TypeAlias = NDArray[Any]
C = TypeVar("C", bound="Criterion")


@dataclass(frozen=True)
class CriterionCase:
    """One way to make and call a criterion, for `sandbox.lib.testing.check_criterion`.

    Parameters
    ----------
    make : function
        Makes the criterion.
    output : shape
        Of the model's output, batch axis first.
    target : function of (rows, Generator)
        Draws a legal target for that many rows.
    wrong : tuple of (target, error class)
        Targets for the first rows that must be refused.
    kinks : bool
        The function is not differentiable everywhere.
    logarithms : bool
        The output must hold logarithms of probabilities.
    probabilities : bool
        The output must hold probabilities, each by itself.
    """

    make: Callable[[], Any]
    output: tuple[int, ...]
    target: Callable[[int, np.random.Generator], Array]
    wrong: tuple[tuple[Any, type[Exception]], ...] = ()
    kinks: bool = False
    logarithms: bool = False
    probabilities: bool = False


class Criterion:
    """A number that tells how wrong an output is; training makes it small.

    criterion(output, target) = call(output, target) / weight(target)

    To write one: give the SUM over the rows in `call`, with `core.ops`. Sums can be added up over
    ranks and uneven batches exactly; means cannot.

    Shapes
    ------
    output : (batch, ...) float32, what the model gives
    target : (batch, ...), what the data hold

    Raises
    ------
    DataError : the target has no rows, or values which cannot be.
    ShapeError : output and target do not go together.

    Notes
    -----
    A call gives a value while a tape is recording, else a float.
    Equivalent: BigDL `Criterion` (0.13).

    Examples
    --------
    >>> from sandbox.lib import nn
    >>> from sandbox.lib.criterion import Criterion
    >>> from sandbox.lib.core import ops
    >>> @nn.register("doctest.Absolute")
    ... class Absolute(Criterion):
    ...     def call(self, output, target):
    ...         return ops.sum(ops.abs(ops.subtract(output, target)))
    >>> Absolute()(np.float32([[1.0], [4.0]]), np.float32([[2.0], [2.0]]))
    1.5
    """

    cases: ClassVar[tuple[CriterionCase, ...]] = ()

    def __new__(cls: type[C], *args: Any, **kwargs: Any) -> C:
        """Remember the arguments: they are the criterion's config."""
        self = super().__new__(cls)
        self.__dict__["_arguments"] = bound_arguments(cls, args, kwargs)
        return self

    def call(self, output: Any, target: Any) -> Any:
        """Compute the sum over the rows."""
        raise NotImplementedError(
            f"{type(self).__name__} must define call(self, output, target): the sum over the rows."
        )

    def weight(self, target: Any) -> float:
        """Give what the sum is divided by for the mean: the number of rows."""
        return float(np.shape(target)[0])

    def check(self, output_shape: tuple[int, ...], target: Array) -> None:
        """Refuse a target that cannot be, before it goes into a program. Nothing by default."""

    def config(self) -> dict[str, Any]:
        """Give the arguments that make an equal criterion."""
        return dict(self.__dict__["_arguments"])

    def __call__(self, output: Any, target: Any) -> Any:
        """Compute the mean: a value while a tape is recording, else a float."""
        recording = STATE.tape is not None or STATE.trace is not None
        try:
            value = output if isinstance(output, Value) else Value(np.asarray(output))
            goal = target if isinstance(target, Value) else np.asarray(target)
            if not value.shape or not goal.shape or value.shape[0] != goal.shape[0]:
                raise ShapeError(
                    "output and target must have the same number of rows; got shapes "
                    f"{value.shape} and {goal.shape}."
                )
            if value.shape[0] == 0:
                raise DataError("output and target must have at least one row; got none.")
            if isinstance(goal, np.ndarray):
                self.check(value.shape, goal)
            total = self.call(value, goal)
            weight = self.weight(goal.data if isinstance(goal, Value) else goal)
        except Exception as error:
            add_path(error, type(self).__name__)
            raise
        return ops.divide(total, weight) if recording else float(total) / weight

    def __repr__(self) -> str:
        """Tell the class and the arguments that are given."""
        given = {key: item for key, item in self.config().items() if item is not None}
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in given.items())})"
