"""Run a graph in every mode and tell where two modes differ by more than rounding explains.

Where native kernels and reference differ, a third party judges: the reference in float64, once as
it is and several times with every result of every operation moved by rounding errors drawn at
random (stochastic arithmetic). What these runs differ by is what rounding does to this graph: much,
where a ReLU or a maximum stands on its kink, where numbers cancel.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np

from ... import core, engine
from ...core import DataError, FlatParameters, OpList, Spec, TrainingError, tree
from ...engine.threads import limit
from .graph import Array, Graph, Loss, Module, merged
from .maker import KEY

Results = dict[str, Array]

# Of the largest element. Eight times the rounding of a float32 sum of a thousand numbers: below,
# nobody is asked.
CLOSE = 1e-5
# Relative error of one operation: 16 float32 roundings, which covers the polynomials by which
# oneDNN computes exp, erf and tanh.
NOISE = 1e-6
# Error of one operation where a relative one would be too strict: oneDNN computes these as 1 + e^x,
# so that what is left far below 0 has lost its digits.
ABSOLUTE = dict.fromkeys(("softplus", "elu", "mish", "gelu"), 2e-7)
RUNS = 6
# How many times farther than the runs with rounding errors lie from the one without, native may.
FACTOR = 10.0
# From so many terms on that grows with the root of their number, as the error of a float32 sum does
# whose terms are added one by one (oneDNN's batch normalisation); NumPy adds them in pairs.
TERMS = 1000


@dataclass(frozen=True)
class Difference:
    """What differs: in which mode, of which result, and by how much of its largest element."""

    mode: str
    what: str
    text: str

    def __str__(self) -> str:
        return f"{self.mode}: {self.what}: {self.text}"


class _Case:
    """One graph's module, its storage, and its programs."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.module = Module(graph)
        self.loss = Loss(graph)
        self.flat = FlatParameters(self.module)
        self.start = self.flat.buffers.copy()
        self.specs = tree.map(Spec.of, graph.inputs)
        self.weights = self.flat.values.copy()
        self.restore()

    def restore(self) -> None:
        """Take the graph's own numbers."""
        self.inputs = self.graph.inputs
        np.copyto(self.flat.values, self.weights)
        self.flat.touch()

    def change(self) -> None:
        """Take smaller weights, and inputs whose rows have changed places."""
        self.inputs = tree.map(lambda x: np.roll(x, 1, axis=0) if x.ndim else x, self.inputs)
        np.multiply(self.weights, np.float32(0.75), out=self.flat.values)
        self.flat.touch()

    def trained(self, program: Any) -> Results:
        """Run one training step and return everything it gives."""
        flat = self.flat
        np.copyto(flat.buffers, self.start)
        flat.touch()
        flat.gradients.fill(np.nan)  # so that one which is not written is seen
        loss, _, output = program.run(self.inputs, self.graph.target, KEY)
        found = {"loss": np.asarray(loss), **_outputs(output)}
        found |= {f"gradient of {name}": flat.gradient(name).copy() for name in flat.views}
        found |= {f"buffer {name}": flat.buffer(name).copy() for name in flat.buffer_views}
        np.copyto(flat.buffers, self.start)
        flat.touch()
        return found

    def train_program(self) -> Any:
        """Compile a training step."""
        target = tree.map(Spec.of, self.graph.target)
        options: dict[str, Any] = {"plan": plan_of(self.graph), "threads": self.graph.threads}
        return core.train_program(self.module, self.loss, self.flat, self.specs, target, **options)

    def predict_program(self) -> Any:
        """Compile inference."""
        options: dict[str, Any] = {"plan": plan_of(self.graph), "threads": self.graph.threads}
        return core.predict_program(self.module, self.flat, self.specs, **options)

    def predicted(self, program: Any) -> Results:
        """Run inference."""
        return _outputs(program.run(self.inputs))


def plan_of(graph: Graph) -> engine.KernelPlan:
    """Return a plan of its own: nothing is timed unless the graph asks for it."""
    return engine.KernelPlan(frozen=not graph.timed)


def _outputs(output: Any) -> Results:
    return {f"output {k}": np.array(array) for k, array in enumerate(tree.leaves(output))}


def check(graph: Graph, *, programs_only: bool = False) -> list[Difference]:
    """Run a graph in all modes and return what differs; nothing, if all is well.

    Train and predict, each as a program and eagerly, by native kernels and by the reference. The
    two reference modes must give the same bits. Each program runs twice, and once more with other
    inputs and weights. What a mode raises is a difference, too, unless the reference raises it when
    it runs eagerly: then the graph itself is wrong, and the error goes to the caller.

    Parameters
    ----------
    programs_only : bool
        Compare native programs with the eager reference, and nothing else.
    """
    case = _Case(graph)
    found: list[Difference] = []
    with np.errstate(all="ignore"), limit(graph.threads):
        for job in ("train", "predict"):
            found += _job(case, job, programs_only)
    return found


def check_together(graphs: Sequence[Graph]) -> list[tuple[Graph, list[Difference]]]:
    """Run many graphs side by side in one program, which is quick; return those that differ.

    Where something does, each is run alone. If it is fine then, the whole is what differs.
    """
    if not graphs:
        return []
    whole = merged(graphs)
    try:
        together = check(whole, programs_only=True)
        if not together:
            return []
    except TrainingError:  # side by side, dropout draws other masks: not for every graph
        together = []
    found = [(graph, check(graph, programs_only=True)) for graph in graphs]
    found = [(graph, items) for graph, items in found if items]
    return found or ([(whole, together)] if together else [])


def _job(case: _Case, job: str, programs_only: bool) -> Iterator[Difference]:
    training = job == "train"
    run = case.trained if training else case.predicted
    make = case.train_program if training else case.predict_program
    if training:
        eager: Any = core.EagerTrainProgram(case.module, case.loss, case.flat, "for comparison")
    else:
        eager = core.EagerPredictProgram(case.module, "for comparison")
    with engine.use_reference():
        expected = run(eager)
    ways: list[tuple[str, Any, bool]] = []
    mode = job
    try:
        for by_reference in (False,) if programs_only else (True, False):
            mode = f"{job}, program{' by the reference' if by_reference else ''}"
            with _kernels(by_reference):
                program = make()
            if program.reason is not None:
                yield Difference(mode, "compilation", program.reason)
                return
            ways.append((mode, program, by_reference))
        if not programs_only:
            ways.append((f"{job}, eager", eager, False))
        oplist = program.oplist
        for number in range(1 if programs_only else 3):
            # Again, and then with other inputs and weights: nothing of a run may stay.
            if number == 2:
                case.change()
                try:
                    with engine.use_reference():
                        expected = run(eager)
                except (DataError, TrainingError):  # numbers that the graph does not take
                    break
            for mode, program, by_reference in ways:
                mode += ("", ", run again", ", run with other numbers")[number]
                with _kernels(by_reference):
                    found = run(program)
                if by_reference:
                    yield from _same(mode, expected, found)
                else:
                    yield from _judge(case, oplist, mode, expected, found)
    except Exception as error:
        notes = "; ".join(getattr(error, "__notes__", ()))
        yield Difference(mode, type(error).__name__, f"{error} {notes}".strip())
    finally:
        case.restore()


def _kernels(by_reference: bool) -> AbstractContextManager[None]:
    return engine.use_reference() if by_reference else nullcontext()


def _same(mode: str, expected: Results, found: Results) -> Iterator[Difference]:
    for what, wanted in expected.items():
        got = found[what]
        if wanted.shape != got.shape or wanted.dtype != got.dtype:
            yield Difference(
                mode, what, f"{got.dtype} {got.shape} must be {wanted.dtype} {wanted.shape}"
            )
        elif not np.array_equal(wanted, got, equal_nan=True):
            yield Difference(mode, what, f"other bits, by {_distance(wanted, got):.2e}")


def _distance(wanted: Array, got: Array) -> float:
    """Return the largest difference, as part of the largest element; inf where one is NaN."""
    if not wanted.size:
        return 0.0
    first, second = np.asarray(wanted, np.float64), np.asarray(got, np.float64)
    both = np.isfinite(first) & np.isfinite(second)
    other = ~both & ~((first == second) | (np.isnan(first) & np.isnan(second)))
    if other.any():
        return float("inf")
    largest = max(float(np.abs(first[both]).max(initial=0.0)), 1e-6)
    return float(np.abs(first[both] - second[both]).max(initial=0.0)) / largest


def _judge(
    case: _Case, oplist: OpList | None, mode: str, expected: Results, found: Results
) -> Iterator[Difference]:
    doubtful = []
    for what, wanted in expected.items():
        got = found[what]
        if wanted.shape != got.shape or wanted.dtype != got.dtype:
            yield Difference(
                mode, what, f"{got.dtype} {got.shape} must be {wanted.dtype} {wanted.shape}"
            )
        elif _distance(wanted, got) > CLOSE:
            doubtful.append(what)
    if not doubtful or oplist is None:
        return
    exact = _in_float64(case, oplist)
    largest = max(spec.size for spec in oplist.values)
    factor = FACTOR * max(1.0, largest / TERMS) ** 0.5
    spread = dict.fromkeys(doubtful, 0.0)
    left = doubtful
    for seed in range(4 * RUNS):  # more of them only for what seems wrong
        scale = 1.0 if seed < RUNS else 4.0
        noisy = _in_float64(case, oplist, np.random.Generator(np.random.PCG64(seed)), scale)
        for what in left:
            spread[what] = max(spread[what], _distance(exact[what], noisy[what]))
        if seed >= RUNS - 1:
            left = [what for what in left if _error(exact, found, what) > factor * spread[what]]
        if not left:
            return
    for what in left:
        ours = _distance(exact[what], found[what])
        theirs = _distance(exact[what], expected[what])
        if ours > factor * max(spread[what], theirs):
            yield Difference(
                mode,
                what,
                f"{ours:.2e} off the float64 result; the reference is {theirs:.2e} off it and "
                f"rounding explains {spread[what]:.2e}",
            )


def _error(exact: Results, found: Results, what: str) -> float:
    return _distance(exact[what], found[what])


def _in_float64(
    case: _Case, oplist: OpList, rng: np.random.Generator | None = None, scale: float = 1.0
) -> Results:
    """Run a list of operations by the reference in float64, with rounding errors if `rng` is there.

    Python numbers became float32 constants while tracing, and stay what they are.
    """
    np.copyto(case.flat.buffers, case.start)
    arrays: dict[int, Array] = {}
    given = tree.leaves((case.inputs, case.graph.target))
    for array, (_, value) in zip(given, oplist.inputs, strict=False):
        arrays[value] = array
    arrays |= {value: case.flat.value(name) for name, value in oplist.parameters}
    arrays |= {value: case.flat.buffer(name) for name, value in oplist.buffers}
    arrays |= {value: array for array, value in oplist.constants}
    for value, array in arrays.items():
        if array.dtype == np.float32:
            arrays[value] = array.astype(np.float64)
    with engine.use_reference():
        for op in oplist.ops:
            inputs = [arrays[value] for value in op.inputs]
            results = engine.execute(op.name, inputs, op.attrs, random=KEY)
            errors = _absolute(op.name, inputs, results)
            for value, array, error in zip(op.outputs, results, errors, strict=True):
                arrays[value] = array if rng is None else _rounded(array, error, rng, scale)
    found: Results = {}
    outputs = [value for _, value in oplist.outputs]
    if oplist.gradients or oplist.outputs[0][0] == "loss":
        found["loss"], *outputs = arrays[outputs[0]], *outputs[1:]
    found |= {f"output {k}": arrays[value] for k, value in enumerate(outputs)}
    found |= {f"gradient of {name}": np.zeros(view.shape) for name, view in case.flat.views.items()}
    found |= {f"gradient of {name}": arrays[value] for name, value in oplist.gradients}
    found |= {f"buffer {name}": case.flat.buffer(name) for name in case.flat.buffer_views}
    found |= {f"buffer {name}": arrays[value] for name, value in oplist.updates}
    return found


def _absolute(name: str, inputs: Sequence[Array], results: Sequence[Array]) -> list[Array]:
    """Return the error of each result that does not shrink with the result, to be broadcast.

    A gradient of a normalisation is what is left of terms that cancel, often all of them; its sums
    err by 1.3e-7 of the terms' absolute sum at most (measured), so that FACTOR leaves room for 8.
    Batch normalisation takes the mean by adding one by one, which errs by up to a tenth of 6e-8 a
    term (measured: 239 of them for 2352 terms), and moves a whole channel by it.
    """
    errors = [np.asarray(ABSOLUTE.get(name, 0.0))] * len(results)
    if name in ("batch_norm_grad", "layer_norm_grad"):
        dy, _, gamma, _, variance = inputs[:5]
        slope = np.abs(gamma).max() / (variance.min() + 1e-5) ** 0.5
        total = 0.1 * NOISE * np.abs(dy).sum() / gamma.size
        errors = [NOISE * np.abs(dy).max() * slope, total, total]
    elif name == "batch_norm":
        x, gamma, _ = inputs
        terms = x.size // gamma.size
        error = 6e-10 * terms * np.abs(x).max()
        channels = (1, gamma.size, *[1] * (x.ndim - 2))
        slope = np.abs(gamma) / (results[2] + 1e-5) ** 0.5
        errors = [(error * slope).reshape(channels), error, error * np.abs(x).max()]
    return errors


def _rounded(array: Array, error: Array, rng: np.random.Generator, scale: float) -> Array:
    if array.dtype != np.float64 or not array.size:
        return array
    moved = array * (1 + scale * NOISE * rng.uniform(-1, 1, size=array.shape))
    if np.any(error):
        # An error of a whole channel moves all its elements alike.
        shape = np.shape(error) or array.shape
        moved = moved + scale * error * rng.uniform(-1, 1, size=shape)
    return np.asarray(moved)
