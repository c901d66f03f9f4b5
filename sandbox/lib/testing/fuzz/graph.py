"""A random model as plain data: what it starts from and its steps; and the module made of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ... import core
from ...core import Buffer, Parameter, ops, tree

Array: TypeAlias = NDArray[Any]


@dataclass(frozen=True)
class Ref:
    """The value of this number, as an argument of a step."""

    number: int


@dataclass(frozen=True)
class Source:
    """A value that no step makes.

    `kind` is "input", "parameter", "frozen" (a parameter that is not trained), "buffer" or
    "constant".
    """

    kind: str
    data: Array


@dataclass(frozen=True)
class Step:
    """One call of `core.ops.<name>` (or of `norm`, below).

    `outputs` are the numbers of what it returns (the first results), none for an update of buffers.
    """

    name: str
    args: tuple[Any, ...]
    attrs: dict[str, Any]
    outputs: tuple[int, ...]

    @property
    def reads(self) -> list[int]:
        """Numbers of the values it takes."""
        return list(_refs((self.args, tuple(self.attrs.values()))))


@dataclass(frozen=True)
class Graph:
    """A model, its inputs, parameters and target.

    Attributes
    ----------
    numbers : dict of number -> array
        What each value is while training, by the reference; shrinking puts them in place of steps.
    outputs : what the model returns: one number, or a tuple
    labels : None or integers (batch,)
        The target if the first output is scored by cross entropy; else it is an array like it.
    timed : bool
        Whether native programs choose their kernels by timing.
    threads : of the native kernels
    forms : str and str
        What trees inputs and outputs are, see `arranged`.
    """

    seed: int
    sources: dict[int, Source]
    steps: tuple[Step, ...]
    outputs: tuple[int, ...]
    labels: Array | None = None
    timed: bool = False
    threads: int = 1
    forms: tuple[str, str] = ("places", "places")
    numbers: dict[int, Array] = field(default_factory=dict, repr=False)

    def of_kind(self, kind: str) -> dict[int, Array]:
        """Return the sources of a kind."""
        return {n: source.data for n, source in self.sources.items() if source.kind == kind}

    @property
    def inputs(self) -> tree.Tree:
        """What the model is called with."""
        return arranged(list(self.of_kind("input").values()), self.forms[0])

    @property
    def target(self) -> tree.Tree:
        """What the loss takes beside the output: one array, in a dict if there are several outputs.

        An absent part stands beside it then.
        """
        first = self.numbers[self.outputs[0]]
        goal = numbers_like(first, self.seed).astype(np.float32)
        goal = goal if self.labels is None else self.labels
        return goal if self.forms[1] == "places" else {"goal": goal, "other": None}

    def module(self) -> Module:
        """Make the model."""
        return Module(self)

    def pruned(self) -> Graph:
        """Return the graph without steps and sources that no output depends on."""
        needed = set(self.outputs)
        steps = []
        for step in reversed(self.steps):
            if not step.outputs or needed.intersection(step.outputs):
                needed.update(step.reads)
                steps.append(step)
        inputs = [n for n, source in self.sources.items() if source.kind == "input"]
        sources = {
            n: source
            for n, source in self.sources.items()
            if n in needed or (n == inputs[0] and not needed.intersection(inputs))
        }
        return replace(self, sources=sources, steps=tuple(reversed(steps)))

    def listing(self) -> str:
        """Return the graph as text: one line per source and step."""
        kernels = ", kernels timed" if self.timed else ""
        lines = [f"seed {self.seed}{kernels}, threads {self.threads}"]
        for n, source in self.sources.items():
            data = source.data
            shown = f" = {data.tolist()}" if data.dtype.kind != "f" or data.size <= 4 else ""
            lines.append(f"v{n}: {source.kind} {data.dtype} {data.shape}{shown}")
        for step in self.steps:
            words = [_text(arg) for arg in step.args]
            words += [f"{name}={_text(value)}" for name, value in step.attrs.items()]
            made = ", ".join(f"v{n} {self.numbers[n].shape}" for n in step.outputs)
            lines.append(f"{made} = {step.name}({', '.join(words)})".lstrip(" ="))
        kept = ", ".join(f"v{n}" for n in self.outputs)
        loss = "squares" if self.labels is None else f"cross entropy with {self.labels.tolist()}"
        lines.append(f"outputs {kept}; loss: {loss}; inputs and outputs by {self.forms}")
        return "\n".join(lines)


def merged(graphs: Sequence[Graph]) -> Graph:
    """Return one graph that does what several do, side by side, with an output of each."""
    sources: dict[int, Source] = {}
    steps: list[Step] = []
    outputs: list[int] = []
    numbers: dict[int, Array] = {}
    first = 0
    for graph in graphs:
        sources |= {first + n: source for n, source in graph.sources.items()}
        numbers |= {first + n: array for n, array in graph.numbers.items()}
        outputs += [first + n for n in graph.outputs]
        for step in graph.steps:
            made = tuple(first + n for n in step.outputs)
            args = tuple(_moved(arg, first) for arg in step.args)
            attrs = {name: _moved(value, first) for name, value in step.attrs.items()}
            steps.append(Step(step.name, args, attrs, made))
        first += 1 + max(graph.numbers)
    return Graph(graphs[0].seed, sources, tuple(steps), tuple(outputs), numbers=numbers)


def _moved(value: Any, by: int) -> Any:
    if isinstance(value, Ref):
        return Ref(value.number + by)
    return [_moved(item, by) for item in value] if isinstance(value, list) else value


def _text(value: Any) -> str:
    if isinstance(value, Ref):
        return f"v{value.number}"
    if isinstance(value, list):
        return f"[{', '.join(_text(item) for item in value)}]"
    return f"{value:.4g}" if isinstance(value, float) else repr(value)


def _refs(value: Any) -> Iterator[int]:
    if isinstance(value, Ref):
        yield value.number
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _refs(item)


def arranged(items: Sequence[Any], form: str) -> tree.Tree:
    """Return items as a tree whose leaves are in their order.

    "places": one by itself, several as a tuple; "names": a dict; "nested": tuples, dicts and lists
    within each other, with an absent part.
    """
    if form == "names":
        return {f"item{k:02}": item for k, item in enumerate(items)}
    if form == "nested":
        first, *rest = items
        return (first, {"absent": None, "rest": [tuple(rest[:1]), *rest[1:]]})
    return tuple(items) if len(items) > 1 else items[0]


def numbers_like(array: Array, seed: int) -> Array:
    """Draw numbers in an array's shape; they depend on the seed and the shape only."""
    rng = np.random.Generator(np.random.PCG64([seed, *array.shape]))
    return np.asarray(rng.normal(size=array.shape))


def norm(x: Any, gamma: Any, beta: Any, mean: Buffer, variance: Buffer) -> Any:
    """Normalise as `nn.BatchNorm` does: batch statistics while training, else running ones."""
    if not core.context().training:
        return ops.batch_norm_inference(x, gamma, beta, mean, variance)
    y, batch_mean, batch_variance = ops.batch_norm(x, gamma, beta)
    count = y.size // y.shape[1]
    ops.update_running(mean, variance, batch_mean, batch_variance, momentum=0.25, count=count)
    return y


def update(mean: Buffer, variance: Buffer, first: Any, second: Any) -> tuple[()]:
    """Move running statistics towards any two values; while training only, as modules do."""
    if core.context().training:
        first, second = core.as_value(first), core.as_value(second)
        ops.update_running(mean, variance, first, second, momentum=0.5, count=3)
    return ()


OWN = {"norm": norm, "update": update}


def run_step(step: Step, values: dict[int, Any]) -> None:
    """Run one step and add what it makes to `values`."""

    def fill(item: Any) -> Any:
        if isinstance(item, Ref):
            return values[item.number]
        return [fill(one) for one in item] if isinstance(item, list) else item

    function: Any = OWN.get(step.name) or getattr(ops, step.name)
    attrs = {name: fill(value) for name, value in step.attrs.items()}
    with core.scope(f"{step.name}{min(step.outputs, default=0)}"):
        result = function(*[fill(arg) for arg in step.args], **attrs)
    results = result if isinstance(result, tuple) else (result,)
    values.update(zip(step.outputs, results, strict=False))


class Module:
    """The module of a graph, of the smallest kind that core knows."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        trained = graph.of_kind("parameter")
        both = {**trained, **graph.of_kind("frozen")}
        self.parameters = {n: Parameter(data, f"p{n}") for n, data in both.items()}
        for n, parameter in self.parameters.items():
            parameter.trainable = n in trained
        self.buffers = {n: Buffer(data, f"b{n}") for n, data in graph.of_kind("buffer").items()}

    def __call__(self, *places: Any, **names: Any) -> Any:
        """Run all steps."""
        inputs = tree.leaves((places, names))
        graph = self.graph
        values: dict[int, Any] = {**self.parameters, **self.buffers, **graph.of_kind("constant")}
        values.update(zip(graph.of_kind("input"), inputs, strict=True))
        for step in graph.steps:
            run_step(step, values)
        return arranged([core.as_value(values[n]) for n in graph.outputs], graph.forms[1])

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """Give all parameters."""
        return ((p.name, p) for p in self.parameters.values())

    def named_buffers(self) -> Iterator[tuple[str, Buffer]]:
        """Give all buffers."""
        return ((b.name, b) for b in self.buffers.values())


class Loss:
    """Every output times numbers of its own, summed; and the first one against the target."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    def call(self, output: Any, target: Any) -> Any:
        """Return the loss."""
        outputs = tree.leaves(output)
        first = outputs[0]
        (target,) = tree.leaves(target)
        if self.graph.labels is not None:
            total = ops.softmax_cross_entropy(first, target)
        else:
            total = ops.multiply(ops.sum(ops.square(ops.subtract(first, target))), 0.25)
        for value, n in zip(outputs, self.graph.outputs, strict=True):
            numbers = self.graph.numbers[n]
            if numbers.dtype.kind == "f":
                factors = numbers_like(numbers, self.graph.seed + 1).astype(np.float32)
                total = ops.add(total, ops.sum(ops.multiply(value, factors)))
        return total

    def weight(self, target: Any) -> float:
        """Return 1: sums are compared as they are."""
        return 1.0

    def check_output(self, output: Any) -> None:
        """Take anything."""
