"""Criterions around others: over the steps of a series, behind modules; and of the output alone."""

from __future__ import annotations

import copy
from typing import Any, ClassVar

import numpy as np

from ..core import Buffer, Parameter, Value, ops, tree
from ..core.context import using
from ..core.errors import ArgumentError, DataError, ShapeError
from ..core.state import STATE
from ..core.validate import instance
from ..nn import Flatten, Module, Softplus
from ..nn.registry import register
from .base import Array, Criterion, CriterionCase, row_count, row_sums
from .classification import CrossEntropy
from .regression import MSE


@register("criterion.TimeDistributed")
class TimeDistributed(Criterion):
    """Compare each step of a series with a target of its own.

    call = sum_n mean_t call of the criterion, where it counts all rows alike; else the sum over
    all steps, and weight = what they weigh

    Parameters
    ----------
    criterion : Criterion
        Judges each step as a row. `CrossEntropy(ignore_index=0)` leaves steps out.

    Shapes
    ------
    output : (batch, time, ...), what the criterion takes with the first two axes as one
    target : (batch, time, ...), likewise

    Raises
    ------
    ArgumentError : `criterion` is none.
    ShapeError : outputs or targets have no axis of time, or unlike ones.
    ShapeError, DataError : what the criterion raises.

    Notes
    -----
    Same as BigDL `TimeDistributedCriterion`, `TimeDistributedMaskCriterion` (0.13): the latter with
    a criterion that ignores a label, the former with sizeAverage=True (by default it adds up the
    steps of a row).

    Examples
    --------
    >>> steps = TimeDistributed(CrossEntropy(ignore_index=0))
    >>> round(steps(np.zeros((2, 3, 4), "f4"), np.array([[1, 2, 0], [3, 0, 0]])), 4)  # log(4)
    1.3863
    """

    cases: ClassVar[tuple[CriterionCase, ...]] = (
        CriterionCase(
            lambda: TimeDistributed(MSE()),
            output=(4, 2, 3),
            target=lambda rows, rng: rng.normal(size=(rows, 2, 3)).astype(np.float32),
            wrong=(([1.0, 2.0, 3.0], ShapeError), (np.ones((3, 3, 3)), ShapeError)),
        ),
        CriterionCase(
            lambda: TimeDistributed(CrossEntropy([1.0, 2.0, 0.5], ignore_index=0)),
            output=(4, 5, 3),
            target=lambda rows, rng: rng.integers(0, 3, (rows, 5)),
            wrong=((np.full((3, 5), 3), DataError),),
        ),
    )

    def __init__(self, criterion: Criterion) -> None:
        self.criterion = instance("criterion", criterion, Criterion)

    @property
    def counts_rows(self) -> bool:
        """Whether `weight` is the number of rows: where the criterion's is."""
        return self.criterion.counts_rows

    def check(self, output_shape: Any, target: Any) -> None:
        """Refuse unlike axes of time, and what the criterion refuses."""
        found: list[tuple[int, ...]] = []
        folded = _folded_shapes(output_shape, found)
        _steps(found, [t.shape for t in tree.leaves(target)])
        self.criterion.check(folded, tree.map(_fold, target))

    def check_output(self, output: Any) -> None:
        """Refuse what the criterion refuses."""
        if all(np.ndim(x) > 1 for x in tree.leaves(output)):
            self.criterion.check_output(tree.map(_fold, output))

    def meanings(self, found: Any) -> Any:
        """Give what the criterion takes the outputs for."""
        return self.criterion.meanings(found)

    def weight(self, target: Any) -> float:
        """Give the number of rows, or what all steps weigh."""
        if self.counts_rows:
            return float(row_count(target))
        return self.criterion.weight(tree.map(_fold, target))

    def row_weights(self, target: Any) -> Array:
        """Give 1 for each row, or what its steps weigh."""
        if self.counts_rows:
            return np.ones(row_count(target))
        steps = self.criterion.row_weights(tree.map(_fold, target))
        sums: Array = steps.reshape(tree.leaves(target)[0].shape[:2]).sum(axis=1)
        return sums

    def call(self, output: Any, target: Any) -> Any:
        """Compute the sum over the rows."""
        steps = self._steps(output, target)
        total = self.criterion.call(tree.map(_fold, output), tree.map(_fold, target))
        return ops.divide(total, float(steps)) if self.counts_rows else total

    def rows(self, output: Any, target: Any) -> Any:
        """Compute the loss of each row."""
        steps = self._steps(output, target)
        losses = self.criterion.rows(tree.map(_fold, output), tree.map(_fold, target))
        sums = row_sums(ops.reshape(losses, (row_count(target), steps)))
        return ops.divide(sums, float(steps)) if self.counts_rows else sums

    def _steps(self, output: Any, target: Any) -> int:
        """Give the number of steps, after a look at the axes of all."""
        outputs, targets = tree.leaves(output), tree.leaves(target)
        steps = _steps([x.shape for x in outputs], [t.shape for t in targets])
        if not self.criterion.takes_trees and (len(outputs), len(targets)) != (1, 1):
            raise ShapeError(f"output and target must be one array each; got {tree.kind(output)}.")
        return steps


def _steps(outputs: list[tuple[int, ...]], targets: list[tuple[int, ...]]) -> int:
    """Return the number of steps, or refuse shapes without an axis of time, or with unlike ones."""
    for what, shapes in (("output", outputs), ("target", targets)):
        for shape in shapes:
            if len(shape) < 2 or not shape[1]:
                raise ShapeError(
                    f"{what} must have axes (batch, time, ...) and at least one step; got shape "
                    f"{tuple(shape)}."
                )
    first = outputs[0][:2]
    for shape in (*outputs, *targets):
        if shape[:2] != first:
            raise ShapeError(
                f"output and target must have the same batch and time; got {tuple(first)} and "
                f"{tuple(shape[:2])}."
            )
    return int(first[1])


def _folded(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (shape[0] * shape[1], *shape[2:]) if len(shape) > 1 else shape


def _fold(x: Any) -> Any:
    """Make one axis of batch and time."""
    shape = _folded(x.shape)
    return ops.reshape(x, shape) if isinstance(x, Value) else x.reshape(shape)


def _folded_shapes(shapes: Any, found: list[tuple[int, ...]]) -> Any:
    """Fold each shape of a tree; add what was there to the list."""
    if isinstance(shapes, tuple) and all(isinstance(size, int) for size in shapes):
        found.append(shapes)
        return _folded(shapes)
    if isinstance(shapes, dict):
        return {key: _folded_shapes(item, found) for key, item in shapes.items()}
    return type(shapes)(_folded_shapes(item, found) for item in shapes)


@register("criterion.Transformed")
class Transformed(Criterion):
    """Compare what modules make of output and target, such as the features of a trained net.

    call = call of the criterion on (f(x), g(t))

    Parameters
    ----------
    criterion : Criterion
        Compares what the modules give.
    output, target : Module, optional
        What is made of each; nothing by default. Copies are kept, which are called as in
        predictions and whose parameters stay as they are.

    Shapes
    ------
    output : what the module `output` takes
    target : what the module `target` takes, or the criterion

    Raises
    ------
    ArgumentError : `criterion` is none, a module is none; or class weights behind a module.
    ShapeError, DataError : what modules and criterion raise.

    Notes
    -----
    Same as BigDL `TransformerCriterion` (0.13). Its config holds the arguments of the modules, not
    their numbers; a pickle holds both. Source: Johnson et al. 2016.

    Examples
    --------
    >>> from sandbox.lib.nn import ReLU
    >>> sure = Transformed(MSE(), output=ReLU(), target=ReLU())
    >>> sure(np.float32([[-1.0, 2.0]]), np.float32([[-3.0, 1.0]]))
    0.5
    """

    cases: ClassVar[tuple[CriterionCase, ...]] = (
        CriterionCase(
            lambda: Transformed(MSE(), output=Softplus(), target=Softplus()),
            output=(4, 3),
            target=lambda rows, rng: rng.normal(size=(rows, 3)).astype(np.float32),
            wrong=((np.ones((3, 2), "f4"), ShapeError),),
        ),
        CriterionCase(
            lambda: Transformed(CrossEntropy(class_weights=[1, 2, 3]), output=Flatten()),
            output=(4, 3, 1),
            target=lambda rows, rng: rng.integers(0, 3, rows),
            wrong=(([0, 1, 3], DataError),),
        ),
    )

    def __init__(
        self, criterion: Criterion, *, output: Module | None = None, target: Module | None = None
    ) -> None:
        self.criterion = instance("criterion", criterion, Criterion)
        self.output = _constant(None if output is None else instance("output", output, Module))
        self.target = _constant(None if target is None else instance("target", target, Module))
        if target is not None and not criterion.counts_rows:
            raise ArgumentError(
                "`criterion` must have a mean over rows where the targets are transformed; got "
                f"{criterion!r}."
            )

    @property
    def counts_rows(self) -> bool:
        """Whether `weight` is the number of rows: where the criterion's is."""
        return self.criterion.counts_rows

    @property
    def takes_classes(self) -> Any:
        """Whether a target of one number per row is a class: where the criterion says so."""
        return self.criterion.takes_classes if self.target is None else False

    def meanings(self, found: Any) -> Any:
        """Give what the criterion takes the outputs for, where no module is before it."""
        return found if self.output is not None else self.criterion.meanings(found)

    def weight(self, target: Any) -> float:
        """Give the number of rows, or what they weigh."""
        return float(row_count(target)) if self.counts_rows else self.criterion.weight(target)

    def row_weights(self, target: Any) -> Array:
        """Give what each row counts to the criterion."""
        if self.counts_rows:
            return np.ones(row_count(target))
        return self.criterion.row_weights(target)

    def call(self, output: Any, target: Any) -> Any:
        """Compute the sum over the rows."""
        return self.criterion.call(*self._transformed(output, target))

    def rows(self, output: Any, target: Any) -> Any:
        """Compute the loss of each row."""
        return self.criterion.rows(*self._transformed(output, target))

    def _transformed(self, output: Any, target: Any) -> tuple[Any, Any]:
        """Give what the modules make of output and target, checked."""
        given = tree.map(lambda t: t if isinstance(t, Value) else Value(t), target)
        found, goal = _through(self.output, output), _through(self.target, given)
        if STATE.trace is None:
            shapes = tree.map(lambda x: x.shape, found)
            self.criterion.check(shapes, tree.map(lambda t: t.data, goal))
        if not self.criterion.takes_trees and not all(isinstance(x, Value) for x in (found, goal)):
            raise ShapeError(f"output and target must be one array each; got {tree.kind(output)}.")
        return found, goal


def _through(module: Module | None, inputs: Any) -> Any:
    """Call a module as in predictions."""
    if module is None:
        return inputs
    with using(training=False):
        return tree.call(module, inputs)


def _constant(module: Module | None) -> Module | None:
    """Return a copy whose parameters and buffers are constants: a program has no others."""
    if module is None:
        return None
    twin = copy.deepcopy(module)
    for _, part in twin.named_modules():
        for name, item in part.__dict__.items():
            if name != "_arguments":
                part.__dict__[name] = _constants(item)
    return twin


def _constants(item: Any) -> Any:
    if isinstance(item, Parameter | Buffer):
        return Value(item.data)
    if isinstance(item, dict):
        return {key: _constants(value) for key, value in item.items()}
    if type(item) in (list, tuple):
        return type(item)(_constants(value) for value in item)
    return item


@register("criterion.L1Cost")
class L1Cost(Criterion):
    """Make outputs sparse: the sum of their sizes, whatever the target.

    call = sum_n sum_i |x_ni|, weight = number of rows

    Shapes
    ------
    output : (batch, ...) float32
    target : anything with as many rows; it is not looked at

    Raises
    ------
    ShapeError : the output is not one array, or the target has other rows.

    Notes
    -----
    Like BigDL `L1Cost`: that adds up the rows, the mean here is over them.
    Reference: `engine.ops.arithmetic`.

    Examples
    --------
    >>> L1Cost()(np.float32([[1.0, -2.0], [3.0, 0.0]]), np.zeros(2))
    3.0
    """

    cases: ClassVar[tuple[CriterionCase, ...]] = (
        CriterionCase(
            lambda: L1Cost(),
            output=(4, 3),
            target=lambda rows, rng: np.zeros(rows),
            wrong=(([1.0], ShapeError),),
            kinks=True,
        ),
    )

    takes = "values"
    takes_trees = False

    def rows(self, output: Any, target: Any) -> Any:
        """Compute the loss of each row."""
        return row_sums(ops.abs(output))
