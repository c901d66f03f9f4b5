"""The contract of criterions: one function per clause."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from .. import core, engine, nn
from ..core import RandomKey, Spec, Tape, Value, tree, using
from ..core.errors import SandboxError
from ..criterion import Criterion, CriterionCase
from ..criterion.base import row_count
from ..engine.threads import limit
from ..nn.case import map_shapes
from .tools import SLOPE_TOLERANCE, STEP, Array, cases_of, close, generator, require, shapes_of


def check_criterion(cls: type[Criterion], cases: tuple[CriterionCase, ...] | None = None) -> None:
    """Check the whole contract of a criterion over its cases.

    Raises
    ------
    AssertionError : a clause does not hold, or there are no cases.

    Examples
    --------
    >>> from sandbox.lib.criterion import MSE
    >>> check_criterion(MSE)
    """
    for case in cases_of(cls, Criterion, cases, CriterionCase):
        for clause in CRITERION_CLAUSES.values():
            clause(cls, case)


def _draw(case: CriterionCase, dtype: str = "float32", rows: int | None = None) -> tuple[Any, Any]:
    rng = generator(5)

    def draw(shape: tuple[int, ...]) -> Array:
        output = rng.normal(size=shape if rows is None else (rows, *shape[1:]))
        if case.logarithms:
            output -= np.log(np.exp(output).sum(axis=1, keepdims=True))
        if case.probabilities:
            output = 1 / (1 + np.exp(-output))
        return output.astype(dtype)

    count = shapes_of(case.output)[0][0] if rows is None else rows
    return map_shapes(draw, case.output), case.target(count, rng)


def _loss(criterion: Criterion, output: Any, target: Any) -> tuple[float, Any]:
    value = tree.map(Value, output)
    with Tape() as tape:
        total = criterion.call(value, tree.map(Value, target))
    require(total.shape == (), f"{criterion!r}: call must give one number; got {total.shape}")
    leaves, structure = tree.flatten(value)
    return float(total), structure.unflatten(tape.gradients(total, leaves))


def _rows(items: Any, part: slice) -> Any:
    return tree.map(lambda x: x[part], items)


def mean_is_sum_by_weight(cls: type[Criterion], case: CriterionCase) -> None:
    """Check that the mean is call / weight: a float by itself, a value on a tape."""
    criterion: Criterion = case.make()
    output, target = _draw(case)
    mean = criterion(output, target)
    require(isinstance(mean, float), f"{criterion!r}: must give a float; got {type(mean)}")
    expected = _loss(criterion, output, target)[0] / criterion.weight(target)
    close(np.array(expected), np.array(mean), 1e-6, f"{criterion!r}: mean")
    with Tape():
        value = criterion(tree.map(Value, output), target)
    require(isinstance(value, Value), f"{criterion!r}: must give a value on a tape")
    close(np.array(expected), np.array(float(value)), 1e-6, f"{criterion!r}: mean on a tape")


def loss_gradient_matches_differences(cls: type[Criterion], case: CriterionCase) -> None:
    """Check that the gradient equals central differences along a random direction, in float64."""
    criterion: Criterion = case.make()
    output, target = _draw(case, "float64")
    _, gradient = _loss(criterion, output, target)
    rng = generator(11)
    direction = tree.map(lambda x: rng.normal(size=x.shape), output)

    def side(sign: float) -> float:
        moved = tree.map(lambda x, d: x + sign * STEP * d, output, direction)
        return _loss(criterion, moved, target)[0]

    products = tree.map(lambda g, d: (g * d).sum(), gradient, direction)
    numeric, analytic = (side(1) - side(-1)) / (2 * STEP), float(sum(tree.leaves(products)))
    error = abs(numeric - analytic) / max(abs(numeric), 1.0)
    require(error <= SLOPE_TOLERANCE, f"{criterion!r}: {analytic:.9g} must be {numeric:.9g}")


def sums_add_over_parts(cls: type[Criterion], case: CriterionCase) -> None:
    """Check that sums, weights and gradients of parts of a batch add up."""
    criterion: Criterion = case.make()
    output, target = _draw(case)
    whole, gradient = _loss(criterion, output, target)
    pieces = (slice(0, 1), slice(1, None))
    parts = [_loss(criterion, _rows(output, part), _rows(target, part)) for part in pieces]
    weights = [criterion.weight(_rows(target, part)) for part in pieces]
    joined = tree.map(lambda a, b: np.concatenate([a, b]), parts[0][1], parts[1][1])
    close(np.array(whole), np.array(parts[0][0] + parts[1][0]), 1e-5, f"{criterion!r}: sums")
    close(gradient, joined, 1e-5, f"{criterion!r}: gradients")
    total = np.array(criterion.weight(target))
    close(total, np.array(sum(weights)), 1e-6, f"{criterion!r}: weights")


def rows_add_up_to_the_sum(cls: type[Criterion], case: CriterionCase) -> None:
    """Check that losses and weights of single rows add up to those of the batch, slopes as well."""
    criterion: Criterion = case.make()
    output, target = _draw(case)
    whole, gradient = _loss(criterion, output, target)
    value = tree.map(Value, output)
    with Tape() as tape:
        rows = criterion.rows(value, tree.map(Value, target))
        total = core.ops.sum(rows)
    leaves, structure = tree.flatten(value)
    count = row_count(target)
    require(rows.shape == (count,), f"{criterion!r}: rows must give {count} losses")
    close(np.array(whole), total.data, 1e-5, f"{criterion!r}: sum of the rows")
    of_rows = structure.unflatten(tape.gradients(total, leaves))
    close(gradient, of_rows, 1e-5, f"{criterion!r}: gradient of the rows")
    first = _loss(criterion, _rows(output, slice(0, 1)), _rows(target, slice(0, 1)))[0]
    close(np.array(first), rows.data[0], 1e-5, f"{criterion!r}: loss of the first row")
    weights = criterion.row_weights(target)
    require(weights.shape == (count,), f"{criterion!r}: row_weights must give {count} numbers")
    close(np.array(criterion.weight(target)), weights.sum(), 1e-6, f"{criterion!r}: weights")


def loss_native_equals_reference(cls: type[Criterion], case: CriterionCase) -> None:
    """Check that native kernels give what the NumPy kernels give."""
    criterion: Criterion = case.make()
    output, target = _draw(case)
    native, gradient = _loss(criterion, output, target)
    with engine.use_reference():
        expected, expected_gradient = _loss(criterion, output, target)
    # 1e-5: exp of the native softmax is a polynomial.
    close(np.array(expected), np.array(native), 1e-5, f"{criterion!r}: loss")
    close(expected_gradient, gradient, 1e-5, f"{criterion!r}: gradient")


def criterion_config_comes_back(cls: type[Criterion], case: CriterionCase) -> None:
    """Check that config as JSON and pickle make an equal criterion."""
    criterion: Criterion = case.make()
    output, target = _draw(case)
    expected = criterion(output, target)
    config = json.loads(json.dumps(nn.serialize(criterion)))
    for twin in (nn.deserialize(config), pickle.loads(pickle.dumps(criterion))):
        require(type(twin) is cls, f"{criterion!r}: came back as {twin!r}")
        require(twin(output, target) == expected, f"{criterion!r}: another loss after loading")


def wrong_targets_are_refused(cls: type[Criterion], case: CriterionCase) -> None:
    """Check that wrong targets raise a clear error that begins with the criterion's name."""
    criterion: Criterion = case.make()
    for target, error_class in case.wrong:
        wrong = tree.with_arrays(target)
        output = _draw(case, rows=3)[0]
        try:
            criterion(output, wrong)
        except SandboxError as error:
            text = str(error)
            require(isinstance(error, error_class), f"{criterion!r}: wrong class: {error!r}")
        else:
            raise AssertionError(f"{criterion!r}: must refuse {target}")
        begin = (f"{cls.__name__}: ", f"{cls.__name__}/")
        require(text.startswith(begin) and "; got " in text, f"bad message: {text}")


def no_rows_give_no_loss(cls: type[Criterion], case: CriterionCase) -> None:
    """Check that a part without rows adds nothing; a mean over no rows is refused."""
    criterion: Criterion = case.make()
    output, target = _draw(case, rows=0)
    total, gradient = _loss(criterion, output, target)
    require(total == 0.0, f"{criterion!r}: no rows must give 0; got {total}")
    for a, b in zip(tree.leaves(gradient), tree.leaves(output), strict=True):
        require(a.shape == b.shape, f"{criterion!r}: gradient shape of no rows")
    require(criterion.weight(target) == 0.0, f"{criterion!r}: no rows must weigh 0")
    try:
        criterion(output, target)
    except SandboxError:
        return
    raise AssertionError(f"{criterion!r}: the mean over no rows must be refused")


class Heads(nn.Module):
    """Gives its input to each module of a tree, and the tree of what they give."""

    def __init__(self, heads: Any) -> None:
        self.heads = heads

    def call(self, x: Any) -> Any:
        """Call the modules."""
        return tree.map(lambda head: head(x), self.heads)


def criterion_program_equals_eager(cls: type[Criterion], case: CriterionCase) -> None:
    """Check that a compiled training step gives the eager loss, weight and gradient."""
    criterion: Criterion = case.make()
    _, target = _draw(case)
    x = generator(6).normal(size=(shapes_of(case.output)[0][0], 3)).astype("f4")

    def head(shape: tuple[int, ...]) -> nn.Sequential:
        features = int(np.prod(shape[1:]))
        model = nn.Sequential(fc=nn.Linear(3, features, rng=0), shape=nn.Reshape(shape[1:]))
        if case.probabilities:
            model.append(nn.Sigmoid(), "sigmoid")
        return model.append(nn.LogSoftmax(), "log") if case.logarithms else model

    model, twin = (Heads(map_shapes(head, case.output)) for _ in range(2))
    with using(training=True), Tape() as tape:
        total = criterion.call(model(Value(x)), tree.map(Value, target))
    gradients = tape.gradients(total, model.parameters())
    flat = core.FlatParameters(twin)
    program = core.train_program(twin, criterion, flat, Spec.of(x), tree.map(Spec.of, target))
    require(program.reason is None, f"{criterion!r}: was not compiled: {program.reason}")
    loss, weight, _ = program.run(x, target, RandomKey(0, 0, 0))
    close(np.array(float(total)), np.array(loss), 1e-5, f"{criterion!r}: loss of the program")
    require(weight == criterion.weight(target), f"{criterion!r}: weight of the program")
    for (name, _), gradient in zip(model.named_parameters(), gradients, strict=True):
        close(gradient, np.array(flat.gradient(name)), 1e-4, f"{criterion!r}: gradient of {name}")


CriterionClause: TypeAlias = Callable[[type[Criterion], CriterionCase], None]
# One core: kernels for another number of cores may add up in another order.
CRITERION_CLAUSES: dict[str, CriterionClause] = {
    clause.__name__: limit(1)(clause)
    for clause in (
        mean_is_sum_by_weight,
        loss_gradient_matches_differences,
        sums_add_over_parts,
        rows_add_up_to_the_sum,
        loss_native_equals_reference,
        criterion_config_comes_back,
        wrong_targets_are_refused,
        no_rows_give_no_loss,
        criterion_program_equals_eager,
    )
}
