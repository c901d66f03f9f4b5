"""The base of all criterions: what training makes small."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..core import Value, add_path, ops, tree
from ..core.errors import ArgumentError, DataError, ShapeError
from ..core.state import STATE
from ..core.value import native
from ..nn.meaning import Meaning, meaning_of
from ..nn.registry import bound_arguments

Array: TypeAlias = NDArray[Any]
C = TypeVar("C", bound="Criterion")

# What to do where a model's output is not what the criterion takes.
_CURES: dict[tuple[Meaning, Meaning], str] = {
    ("logits", "probabilities"): "Leave the softmax or sigmoid at the model's end out: this "
    "criterion has one inside.",
    ("logits", "logarithms"): "Leave the logarithm at the model's end out: this criterion has one "
    "inside.",
    ("probabilities", "logarithms"): "Put nn.Sigmoid at the model's end, or use BCEWithLogits "
    "without it.",
    ("logarithms", "probabilities"): "Put nn.LogSoftmax in place of the softmax, or use "
    "CrossEntropy without it.",
}


@dataclass(frozen=True)
class CriterionCase:
    """One way to make and call a criterion, for `sandbox.lib.testing.check_criterion`.

    Parameters
    ----------
    make : function
        Makes the criterion.
    output : shape, or tree of shapes
        Of the model's output, batch axis first.
    target : function of (rows, Generator)
        Draws a legal target, an array or a tree of arrays, for that many rows.
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
    output: Any
    target: Callable[[int, np.random.Generator], Any]
    wrong: tuple[tuple[Any, type[Exception]], ...] = ()
    kinks: bool = False
    logarithms: bool = False
    probabilities: bool = False


class Criterion(ABC):  # noqa: B024 - `rows` or `call` must be written: `__new__` looks
    """A number that tells how wrong an output is; training makes it small.

    criterion(output, target) = call(output, target) / weight(target), 0 where the weight is 0

    To write one: give the loss of each row in `rows`, or the SUM over the rows in `call`, with
    `core.ops`. Sums can be added up over ranks and uneven batches exactly; means cannot. With
    `rows` its rows can be weighted, too (`RowWeighted`).

    Shapes
    ------
    output : (batch, ...) float32, what the model gives; or a tree of these
    target : (batch, ...), what the data hold; or a tree of these

    Raises
    ------
    ArgumentError : the model ends in what the criterion has inside, see `meanings`.
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
    ...     def rows(self, output, target):
    ...         return ops.sum(ops.abs(ops.subtract(output, target)), axes=1)
    >>> Absolute()(np.float32([[1.0], [4.0]]), np.float32([[2.0], [2.0]]))
    1.5
    """

    cases: ClassVar[tuple[CriterionCase, ...]] = ()
    takes: ClassVar[Meaning] = "unknown"
    """What the output's numbers are to it: "logits", "probabilities", "logarithms", "values"."""
    fits: ClassVar[tuple[Meaning, ...]] = ()
    """What else it takes without harm."""
    takes_trees: bool = True
    """Whether `call` understands several outputs and targets."""

    def __new__(cls: type[C], *args: Any, **kwargs: Any) -> C:
        """Remember the arguments: they are the criterion's config."""
        if cls.call is Criterion.call and cls.rows is Criterion.rows:
            raise TypeError(f"{cls.__name__} is abstract: write its `rows` or `call`.")
        self = super().__new__(cls)
        self.__dict__["_arguments"] = bound_arguments(cls, args, kwargs)
        return self

    def call(self, output: Any, target: Any) -> Any:
        """Compute the sum over the rows, with `core.ops`; output and target may be trees."""
        return ops.sum(self.rows(output, target))

    def rows(self, output: Any, target: Any) -> Any:
        """Compute the loss of each row (rows,), which `call` is the sum of.

        Raises
        ------
        ArgumentError : the criterion gives the sum alone.
        """
        raise ArgumentError(
            f"`criterion` must give the loss of each row; got {self!r}, which gives their sum "
            "alone. Write its `rows(output, target)`."
        )

    def weight(self, target: Any) -> float:
        """Give what the sum is divided by for the mean: the number of rows."""
        return float(row_count(target))

    def row_weights(self, target: Any) -> Array:
        """Give what each row counts in the mean (rows,) float64, which `weight` is the sum of."""
        if not self.counts_rows:
            raise ArgumentError(
                f"`criterion` must tell what each row counts; got {self!r}. Write its "
                "`row_weights(target)`."
            )
        return np.ones(row_count(target))

    @property
    def counts_rows(self) -> bool:
        """Whether `weight` is the number of rows, so that sums of several criterions add up."""
        return type(self).weight is Criterion.weight

    @property
    def takes_classes(self) -> Any:
        """Whether a target of one number per row is a class; for several targets a tree."""
        return False

    def check(self, output_shape: Any, target: Any) -> None:  # noqa: B027 - optional
        """Refuse a target that cannot be, before it goes into a program. Nothing by default.

        `output_shape` is the output's tree with a shape for each array.
        """

    def check_output(self, output: Any) -> None:  # noqa: B027 - optional
        """Refuse an output that cannot be, such as a probability of 2. Nothing by default."""

    def meanings(self, found: Any) -> Any:
        """Give what outputs are, where the model does not tell (`nn.output_meanings`).

        Parameters
        ----------
        found : tree of Meaning
            Of the model's outputs, or "unknown" for all.

        Raises
        ------
        ArgumentError : the model gives something else than the criterion takes, such as the
            probabilities of a softmax where logits belong.
        """
        return tree.map(self._meaning, found)

    def _meaning(self, found: Meaning) -> Meaning:
        if found == "unknown":
            return self.takes
        cure = None if found in self.fits else _CURES.get((self.takes, found))
        if cure is not None:
            raise ArgumentError(f"output must be {self.takes}; got {found}. {cure}")
        return found

    def config(self) -> dict[str, Any]:
        """Give the arguments that make an equal criterion."""
        return dict(self.__dict__["_arguments"])

    def __call__(self, output: Any, target: Any) -> Any:
        """Compute the mean: a value while a tape is recording, else a float."""
        record = STATE.tape if STATE.trace is None else STATE.trace
        try:
            value = tree.map(_value, tree.with_arrays(output))
            goal = tree.map(_goal, tree.with_arrays(target))
            if not self.takes_trees:
                _check_lone(value, goal)
            _check_rows(value, goal)
            if record is not None:
                entries = record.entries or ()
                self.meanings(tree.map(lambda x: meaning_of(x, entries), value))
            goals = tree.leaves(goal)
            if not any(isinstance(leaf, Value) for leaf in goals):
                self.check(tree.map(lambda x: x.shape, value), goal)
            if STATE.trace is None:
                self.check_output(tree.map(lambda x: x.data, value))
            total = self.call(value, goal)
            weight = self.weight(tree.map(_numbers, goal))
        except Exception as error:
            add_path(error, type(self).__name__)
            raise
        weight = weight or 1.0  # rows that do not count: the sum and its gradients are 0 as well
        return float(total) / weight if record is None else ops.divide(total, weight)

    def __repr__(self) -> str:
        """Tell the class and the arguments that are given."""
        given = {key: item for key, item in self.config().items() if item is not None}
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in given.items())})"


def row_count(target: Any) -> int:
    """Return the number of rows of a target: of its first array, if it is a tree.

    Examples
    --------
    >>> row_count(np.zeros((3, 2))), row_count({"digit": [0, 1], "size": np.zeros((2, 1))})
    (3, 2)
    """
    if isinstance(target, dict | tuple | list):
        target = next(iter(tree.leaves(tree.with_arrays(target))), None)
    shape = () if target is None else np.shape(target)
    if not shape:
        raise ShapeError(f"target must have rows; got {tree.kind(target)}.")
    return int(shape[0])


def _value(item: Any) -> Value:
    return item if isinstance(item, Value) else Value(np.asarray(item))


def _goal(item: Any) -> Any:
    return item if isinstance(item, Value) else native(np.asarray(item))


def _numbers(item: Any) -> Array:
    return item.data if isinstance(item, Value) else item


def _check_lone(output: Any, target: Any) -> None:
    for name, given in (("output", output), ("target", target)):
        if not isinstance(given, Value | np.ndarray):
            raise ShapeError(
                f"{name} must be one array; got {tree.kind(given)}. "
                "For several write Parallel((CrossEntropy(), MSE()))."
            )


def _check_rows(output: Any, target: Any) -> None:
    """Refuse outputs and targets without rows; of single ones, different rows."""
    for name, given in (("output", output), ("target", target)):
        if not tree.leaves(given):
            raise ShapeError(f"{name} must hold at least one array; got {tree.kind(given)}.")
    single = isinstance(output, Value) and isinstance(target, Value | np.ndarray)
    if single and (not output.shape or output.shape[:1] != target.shape[:1]):
        raise ShapeError(
            "output and target must have the same number of rows; got shapes "
            f"{output.shape} and {target.shape}."
        )
    for leaf in (*tree.leaves(output), *tree.leaves(target)):
        if leaf.shape and leaf.shape[0] == 0:
            raise DataError("output and target must have at least one row; got none.")


def weights(name: str, value: Any, wanted: str, axes: tuple[int, ...]) -> Array | None:
    """Return weights >= 0 as float32, None for None, or refuse the argument."""
    if value is None:
        return None
    try:
        numbers = np.asarray(value, dtype=np.float32)
    except (TypeError, ValueError):
        numbers = np.full((), np.nan, np.float32)
    if (
        numbers.ndim not in axes
        or not numbers.size
        or not np.isfinite(numbers).all()
        or numbers.min() < 0
    ):
        raise ArgumentError(f"`{name}` must be {wanted}; got {value!r}.")
    return numbers


def check_numbers(output_shape: tuple[int, ...], target: Array | Value) -> None:
    """Refuse a target that is no array of numbers of the output's shape.

    Raises
    ------
    ShapeError : another shape, or no numbers.

    Examples
    --------
    >>> check_numbers((2, 1), np.array([0, 2]))
    Traceback (most recent call last):
    sandbox.lib.core.errors.ShapeError: target must have the output's shape (2, 1); got (2,). \
Use target.reshape(2, 1).
    """
    if target.shape != output_shape:
        fits = target.size == math.prod(output_shape)
        cure = f" Use target.reshape{output_shape}." if fits else ""
        raise ShapeError(
            f"target must have the output's shape {output_shape}; got {target.shape}.{cure}"
        )
    if target.dtype.kind not in "fiub":
        raise ShapeError(f"target must hold numbers; got {target.dtype}.")


def row_sums(x: Any) -> Any:
    """Return the sum of each row's elements (rows,).

    Examples
    --------
    >>> row_sums(Value(np.ones((2, 3, 2)))).data
    array([6., 6.])
    """
    return ops.sum(x, axes=tuple(range(1, x.ndim))) if x.ndim > 1 else x


class ElementwiseCriterion(Criterion):
    """What criterions share whose target has the output's shape; subclasses write `losses`.

    rows_n = sum_i losses(x_n, t_n)_i / size, size = number of elements of a row
    """

    takes_trees = False

    def check(self, output_shape: tuple[int, ...], target: Array) -> None:
        """Refuse a target of another shape than the output."""
        check_numbers(output_shape, target)

    def call(self, output: Any, target: Any) -> Any:
        """Compute the sum over the rows."""
        return self._sized(self.total(output, self.goal(output, target)), output)

    def rows(self, output: Any, target: Any) -> Any:
        """Compute the loss of each row."""
        return self._sized(row_sums(self.losses(output, self.goal(output, target))), output)

    def _sized(self, sums: Any, output: Any) -> Any:
        size = self.size(output.shape)
        return sums if size == 1.0 else ops.divide(sums, size)

    def size(self, shape: tuple[int, ...]) -> float:
        """Give what the sum over a row is divided by: its elements, so that it is their mean."""
        return float(max(math.prod(shape[1:]), 1))

    def goal(self, output: Any, target: Any) -> Any:
        """Give the target as a value that goes with the output, checked."""
        if not isinstance(target, Value):
            numbers = np.asarray(target)
            self.check(output.shape, numbers)
            return Value(numbers.astype(output.dtype, copy=False))
        check_numbers(output.shape, target)
        return ops.cast(target, output.dtype)

    def total(self, output: Any, goal: Any) -> Any:
        """Compute the sum over all elements."""
        return ops.sum(self.losses(output, goal))

    @abstractmethod
    def losses(self, output: Any, goal: Any) -> Any:
        """Compute the losses whose sum is the row's, (rows, ...), with `core.ops`."""
