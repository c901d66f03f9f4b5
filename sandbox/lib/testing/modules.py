"""The contract of modules: one function per clause."""

from __future__ import annotations

import json
import pickle
import threading
from collections.abc import Callable
from functools import reduce
from typing import Any, TypeAlias

import numpy as np

from .. import core, engine, nn
from ..core import RandomKey, Spec, Tape, Value, ops, tree, using
from ..core.errors import ShapeError
from ..criterion import Criterion
from ..engine.threads import cpu_count, limit
from ..nn import Case, Module, Penalty
from ..nn.case import map_shapes
from .tools import (
    SLOPE_TOLERANCE,
    STEP,
    arranged,
    cases_of,
    close,
    equal,
    feed,
    generator,
    inputs_of,
    integers_of,
    make,
    mode,
    modes,
    names_of,
    projected,
    projection,
    projections,
    require,
    run,
    same,
    shapes_of,
)


def check_module(cls: type[Module], cases: tuple[Case, ...] | None = None) -> None:
    """Check the whole contract of a module over its cases.

    Parameters
    ----------
    cls : class
        A registered module with `cases`.
    cases : tuple of Case, optional
        Other cases than its own.

    Raises
    ------
    AssertionError : a clause does not hold, or there are no cases.

    Examples
    --------
    >>> check_module(nn.Linear)
    """
    for case in cases_of(cls, Module, cases, Case):
        for clause in MODULE_CLAUSES.values():
            clause(cls, case)


def shape_follows_the_rule(cls: type[Module], case: Case) -> None:
    """(1) The output's shape is the declared one; float32 stays float32 where it is no integer."""
    module, inputs = make(case), inputs_of(case)
    for training in modes():
        with mode(training):
            y = feed(module, case, inputs)
        for x in tree.leaves(y):
            require(isinstance(x, np.ndarray), f"{cls.__name__}: arrays must give arrays")
            kept = x.dtype == np.float32 or x.dtype.kind in "iub"  # ids, places, masks
            require(kept, f"{module!r}: float32 became {x.dtype}")
        found = tree.map(lambda x: x.shape, y)
        require(found == case.output, f"{module!r}: got {found}, declared {case.output}")


def gradients_match_differences(cls: type[Module], case: Case) -> None:
    """(2) Gradients equal central differences along a random direction, in float64."""
    for training in () if case.own_gradient else modes():
        module, inputs = make(case, dtype="float64"), inputs_of(case, dtype="float64")
        _, gradients = run(module, inputs, training=training, case=case)
        names = names_of(module, inputs)[1:]
        places = [*inputs, *(p._array for p in module.parameters())]
        for name, place, gradient in zip(names, places, gradients, strict=True):
            if place.dtype.kind != "f":
                continue  # ids and lengths have no neighbours
            direction = generator(11).normal(size=place.shape)
            start = place.copy()
            sides = []
            for sign in (1.0, -1.0):
                np.copyto(place, start + sign * STEP * direction)
                with mode(training):
                    y = feed(module, case, [Value(x) for x in inputs])
                    total = float(projected(y))
                    if training and isinstance(module, Penalty):
                        total += float(module.penalty(*inputs))
                    sides.append(total)
            np.copyto(place, start)
            numeric = (sides[0] - sides[1]) / (2 * STEP)
            analytic = float((gradient * direction).sum())
            error = abs(numeric - analytic) / max(abs(numeric), abs(analytic), 1.0)
            require(
                error <= SLOPE_TOLERANCE,
                f"{module!r}, training={training}, {name}: {analytic:.9g} must be {numeric:.9g}",
            )


def native_equals_reference(cls: type[Module], case: Case) -> None:
    """(3) Native kernels give what the NumPy kernels give, within the stated tolerance."""
    module, inputs = make(case), inputs_of(case)
    for training in modes():
        with engine.use_reference():
            y, gradients = run(module, inputs, training=training, case=case)
        expected = [y, *gradients]
        for cores in {1, cpu_count()}:
            with limit(cores):
                y, gradients = run(module, inputs, training=training, case=case)
            for name, a, b in zip(names_of(module, inputs), expected, [y, *gradients], strict=True):
                what = f"{module!r}, training={training}, {cores} cores, {name}"
                close(a, b, case.tolerance, what)


def inputs_stay_as_they_are(cls: type[Module], case: Case) -> None:
    """(4) Nothing is written into inputs or parameters."""
    module, inputs = make(case), inputs_of(case)
    kept = [array.copy() for array in (*inputs, *(p.data for p in module.parameters()))]
    for training in modes():
        run(module, inputs, training=training, case=case)
    now = (*inputs, *(p.data for p in module.parameters()))
    for before, after in zip(kept, now, strict=True):
        same(before, after, f"{module!r}: an input or parameter was written to")


def gradients_add_when_used_twice(cls: type[Module], case: Case) -> None:
    """(5) A module called twice in one graph gets the sum of both gradients."""
    module = make(case)
    first, second = inputs_of(case, 1), inputs_of(case, 2)
    with using(training=False):
        with Tape() as tape:
            one, two = (feed(module, case, [*map(Value, x)]) for x in (first, second))
            loss = projected(tree.map(ops.add, one, two))
        found = tape.gradients(loss, module.parameters())
    count = len(first)
    parts = [run(module, inputs, case=case)[1][count:] for inputs in (first, second)]
    for a, b, total in zip(*parts, found, strict=True):
        close(a + b, total, 1e-5, f"{module!r}: gradients of two uses must add")


def threads_do_not_disturb(cls: type[Module], case: Case) -> None:
    """(6) Four threads through one module give what one thread gives, bit for bit."""
    module = make(case)
    batches = [inputs_of(case, seed) for seed in range(4)]
    for training in modes():
        expected = [run(module, inputs, training=training, case=case) for inputs in batches]
        actual: dict[int, Any] = {}
        gate = threading.Barrier(len(batches))

        def work(
            place: int,
            training: bool = training,
            gate: threading.Barrier = gate,
            actual: dict[int, Any] = actual,
        ) -> None:
            try:
                gate.wait(10)
                for _ in range(3):
                    actual[place] = run(module, batches[place], training=training, case=case)
            except Exception as error:  # noqa: BLE001, RUF100 - shown by the caller
                actual[place] = error

        threads = [threading.Thread(target=work, args=(i,)) for i in range(len(batches))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for place, (y, gradients) in enumerate(expected):
            got = actual[place]
            require(not isinstance(got, Exception), f"{module!r} in a thread: {got!r}")
            same(y, got[0], f"{module!r}: output in thread {place}")
            for a, b in zip(gradients, got[1], strict=True):
                same(a, b, f"{module!r}: gradient in thread {place}")


def modes_differ_where_declared(cls: type[Module], case: Case) -> None:
    """(7) Training and inference calls differ exactly where the case says so."""
    module, inputs = make(case), inputs_of(case)
    infer, train = (
        run(module, inputs, training=training, case=case)[0] for training in (False, True)
    )
    declared = case.stochastic or case.batch_statistics
    differ = not equal(infer, train)
    require(
        differ == declared,
        f"{module!r}: training and inference differ={differ}, declared={declared}",
    )


def same_seed_same_result(cls: type[Module], case: Case) -> None:
    """(8) The same seed gives the same weights and results; another step draws anew."""
    one, two, inputs = make(case), make(case), inputs_of(case)
    for a, b in zip(one.parameters(), two.parameters(), strict=True):
        same(a.data, b.data, f"{one!r}: weights of one seed")
    first = run(one, inputs, training=True, case=case)[0]
    same(first, run(two, inputs, training=True, case=case)[0], f"{one!r}: outputs of one seed")
    if case.stochastic:
        other = run(one, inputs, training=True, step=2, case=case)[0]
        require(not equal(first, other), f"{one!r}: another step must draw anew")


def config_and_weights_come_back(cls: type[Module], case: Case) -> None:
    """(9) Spec as JSON and weights by name make an equal module, bit for bit."""
    module, inputs = make(case), inputs_of(case)
    config = json.loads(json.dumps(nn.serialize(module)))
    twin = nn.deserialize(config)
    require(type(twin) is type(module), f"{module!r}: came back as {type(twin).__name__}")
    require(json.loads(json.dumps(nn.serialize(twin))) == config, f"{module!r}: config changed")
    require(repr(twin) == repr(module), f"{module!r}: came back as {twin!r}")
    copy_state(module, twin)
    same(
        run(module, inputs, case=case)[0],
        run(twin, inputs, case=case)[0],
        f"{module!r}: output after loading",
    )


def copy_state(source: Module, target: Module) -> None:
    """Copy parameters and buffers by name; the names must be the same."""
    for kind in ("named_parameters", "named_buffers"):
        there, here = dict(getattr(source, kind)()), dict(getattr(target, kind)())
        require(list(there) == list(here), f"{source!r}: names {list(there)} became {list(here)}")
        for name, variable in there.items():
            here[name].set(variable.data)


def pickle_comes_back(cls: type[Module], case: Case) -> None:
    """(10) A pickle (how Spark ships tasks) gives an equal module."""
    module, inputs = make(case), inputs_of(case)
    feed(module, case, inputs, "forward")
    twin = pickle.loads(pickle.dumps(module))
    require(repr(twin) == repr(module), f"{module!r}: came back as {twin!r}")
    expected, actual = run(module, inputs, case=case), run(twin, inputs, case=case)
    same(expected[0], actual[0], f"{module!r}: output after pickling")
    for a, b in zip(expected[1], actual[1], strict=True):
        same(a, b, f"{module!r}: gradient after pickling")


def repr_names_sizes(cls: type[Module], case: Case) -> None:
    """(11) The repr begins with the class and tells the sizes."""
    text = repr(make(case))
    require(text.startswith(f"{cls.__name__}("), f"{text}: must begin with the class name")
    for part in case.sizes:
        require(part in text, f"{text}: must contain {part!r}")


def wrong_shapes_are_refused(cls: type[Module], case: Case) -> None:
    """(12) Wrong shapes raise ShapeError with path, axis and value."""
    if case.wrong is None:
        return
    module = nn.Sequential(layer=make(case), name="model")
    alone = isinstance(case.inputs, tuple) and len(case.inputs) == 1
    calls = [(shape,) for shape in case.wrong] if alone else [case.wrong]
    for place, wrong in enumerate(calls):
        shapes = shapes_of(wrong)
        try:
            tree.call(module, arranged(wrong, wrong_inputs(case, shapes)))
        except ShapeError as error:
            text = str(error)
        else:
            raise AssertionError(f"{module!r}: must refuse {shapes}")
        require(text.startswith("model/layer"), f"the error must begin with the path: {text}")
        require(cls.__name__ in text or module["layer"].children(), f"class is missing: {text}")
        if place == 0 and case.wrong_axis is not None:
            require(f"axis {case.wrong_axis} " in text, f"axis {case.wrong_axis} missing: {text}")
        require(str(shapes[-1]) in text or not shapes[-1], f"shape is missing: {text}")


def wrong_inputs(case: Case, shapes: list[tuple[int, ...]]) -> list[Any]:
    """Make inputs of wrong shapes, of the right kinds of numbers."""
    made: list[Any] = []
    for place, shape in enumerate(shapes):
        limits = integers_of(case, place)
        made.append(np.zeros(shape, "f4") if limits is None else np.full(shape, limits[0]))
    return made


def any_number_of_rows(cls: type[Module], case: Case) -> None:
    """(13) Batches of one row and of none go forward and back."""
    for rows in () if case.data_sized else (1, 0):
        module, inputs = make(case), inputs_of(case, rows=rows)
        for training in modes():
            y, gradients = run(module, inputs, training=training, case=case)
            for shape, x in zip(shapes_of(case.output), tree.leaves(y), strict=True):
                require(x.shape == (rows, *shape[1:]), f"{module!r}, {rows} rows: got {x.shape}")
            for name, gradient in zip(names_of(module, inputs)[1:], gradients, strict=True):
                require(np.isfinite(gradient).all(), f"{module!r}, {rows} rows: {name} not finite")
                if rows == 0:
                    require(not gradient.any(), f"{module!r}, no rows: {name} must be 0")


def rows_do_not_see_each_other(cls: type[Module], case: Case) -> None:
    """Check that in inference a row's output does not depend on the other rows."""
    if case.data_sized:
        return  # rows of the input are no rows of the output
    module, inputs = make(case), inputs_of(case)
    whole = feed(module, case, inputs)
    for row in range(shapes_of(case.output)[0][0]):
        part = slice(row, row + 1)
        alone = feed(module, case, [x[part] for x in inputs])
        of_whole = tree.map(lambda x, part=part: x[part], whole)
        close(of_whole, alone, case.tolerance, f"{module!r}: row {row} alone")


def forward_and_backward_agree(cls: type[Module], case: Case) -> None:
    """Check that `forward`, `backward` and `gradients` give what the tape gives."""
    module, inputs = make(case), inputs_of(case)
    expected, gradients = run(module, inputs, case=case)
    y = feed(module, case, inputs, "forward")
    same(expected, y, f"{module!r}: forward")
    back = module.backward(projections(y))
    found = [*tree.leaves(back), *module.gradients().values()]
    for name, a, b in zip(names_of(module, inputs)[1:], gradients, found, strict=True):
        same(a, b, f"{module!r}: {name} by backward")


def prediction_program_equals_eager(cls: type[Module], case: Case) -> None:
    """Check that a compiled program predicts what eager calls predict."""
    module, inputs = make(case), inputs_of(case)
    expected = feed(module, case, inputs)
    given = arranged(case.inputs, inputs)
    program = core.predict_program(module, None, tree.map(Spec.of, given))
    compiled(case, module, program)
    close(expected, program.run(given), case.tolerance, f"{module!r}: predicted by the program")


def compiled(case: Case, module: Module, program: Any) -> None:
    """Check that a module was compiled, or says that sizes depend on numbers."""
    right = "depends on numbers" in str(program.reason) if case.data_sized else not program.reason
    require(right, f"{module!r}: was not compiled: {program.reason}")


class Projected(Criterion):
    """The sum of the outputs times the targets: gives any gradient to a module's output."""

    def call(self, output: Any, target: Any) -> Any:
        """Compute the sum."""
        products = tree.map(lambda x, t: ops.sum(ops.multiply(x, t)), output, target)
        return reduce(ops.add, tree.leaves(products))


def training_program_equals_eager(cls: type[Module], case: Case) -> None:
    """Check that a compiled training step gives eager output, gradients and statistics."""
    module, inputs = make(case), inputs_of(case)
    target = map_shapes(lambda shape: projection(shape, np.float32), case.output)
    key = RandomKey(3, 1, 0)
    parameters = module.parameters()
    with using(training=True, random=key), Tape() as tape:
        y = feed(module, case, [*map(Value, inputs)])
        loss = Projected().call(y, tree.map(Value, target))
    gradients = tape.gradients(loss, parameters)
    statistics = [buffer.data.copy() for buffer in module.buffers()]
    twin = make(case)
    flat = core.FlatParameters(twin)
    given = arranged(case.inputs, inputs)
    specs = tree.map(Spec.of, given), tree.map(Spec.of, target)
    program = core.train_program(twin, Projected(), flat, *specs)
    compiled(case, module, program)
    total, weight, output = program.run(given, target, key)
    what = f"{module!r}: by the training program"
    close(np.array(float(loss)), np.array(total), max(case.tolerance, 1e-5) * 10, f"{what}, loss")
    rows = shapes_of(case.output)[0][0]
    require(weight == rows, f"{what}: weight {weight} must be {rows}")
    close(tree.map(lambda x: x.data, y), output, case.tolerance, f"{what}, output")
    for (name, _), gradient in zip(module.named_parameters(), gradients, strict=True):
        close(gradient, np.array(flat.gradient(name)), case.tolerance, f"{what}, {name}")
    for before, buffer in zip(statistics, twin.buffers(), strict=True):
        close(before, buffer.data, case.tolerance, f"{what}, running statistics")


ModuleClause: TypeAlias = Callable[[type[Module], Case], None]
# One core: kernels for another number of cores may add up in another order.
MODULE_CLAUSES: dict[str, ModuleClause] = {
    clause.__name__: limit(1)(clause)
    for clause in (
        shape_follows_the_rule,
        gradients_match_differences,
        native_equals_reference,
        inputs_stay_as_they_are,
        gradients_add_when_used_twice,
        threads_do_not_disturb,
        modes_differ_where_declared,
        same_seed_same_result,
        config_and_weights_come_back,
        pickle_comes_back,
        repr_names_sizes,
        wrong_shapes_are_refused,
        any_number_of_rows,
        rows_do_not_see_each_other,
        forward_and_backward_agree,
        prediction_program_equals_eager,
        training_program_equals_eager,
    )
}
