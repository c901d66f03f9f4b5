"""Models with branches: call modules on nodes, then make a module of the nodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from ...core import tree
from ...core.errors import ArgumentError, ShapeError
from ...core.validate import instance
from .. import calls
from ..activation.elementwise import ReLU
from ..case import Case
from ..convolution.plain import Conv2d
from ..linear.dense import Linear
from ..module import Module
from ..node import Input, Node
from ..registry import register
from ..shape.views import Flatten
from ..table.merge import Concat
from ..table.pairwise import Add
from .sequential import Container, Sequential


@register("nn.Graph")
class Graph(Container):
    """A model of any shape without loops: branches, several inputs and outputs, shared modules.

    Parameters
    ----------
    inputs : Node, sequence of Node, or dict of Node
        Made by `Input()`; the order is that of the arguments of a call. Named ones,
        `Input("image")` or all of a dict, can be given by name.
    outputs : Node, or tree of Node
        What comes out: a dict of nodes gives a dict, a sequence a tuple, and so on inside.

    Shapes
    ------
    inputs : what the modules behind the input nodes take
    output : what the module of the output node gives, or a tree of these

    Raises
    ------
    ArgumentError : a node is missing among the inputs, is not used, or is no node.
    ShapeError : in `call`, wrong number or names of inputs, or raised by a module (with its path).

    Notes
    -----
    A module that is called on two nodes is one module with one set of weights; its gradients add.
    Names of modules: their own, else class and number ("conv2d_1") in the order of the calls.
    Same as BigDL `Model(inputs, outputs)` (0.13) and Keras `Model`. BigDL's
    `Model.set_input_formats` and `Model.set_output_formats` have no counterpart to be called: the
    engine chooses layouts, arrays are plain.

    Examples
    --------
    >>> x = Input()
    >>> h = Linear(4, 4, rng=0, name="fc")(x)
    >>> model = Graph(x, Add()(ReLU()(h), x))
    >>> model
    Graph(
      fc: Linear(4 -> 4)
      relu_1: ReLU()
      add_1: Add()
    )
    >>> model(np.ones((2, 4), "f4")).shape
    (2, 4)
    >>> left, right = Input("left"), Input("right")
    >>> both = Graph((left, right), {"sum": Add()(left, right), "joined": Concat()([left, right])})
    >>> both(right=np.ones((1, 2), "f4"), left=np.zeros((1, 2), "f4"))["joined"]
    array([[0., 0., 1., 1.]], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: _residual(rng),
            inputs=((2, 3, 4, 4),),
            output=(2, 2),
            wrong=((2, 2, 4, 4),),
            wrong_axis=1,
            kinks=True,
            sizes=("3 -> 3", "48 -> 2"),
        ),
        Case(
            lambda rng: _twins(rng),
            inputs=((3, 4), (3, 4)),
            output=(3, 1),
            wrong=((3, 4), (3, 5)),
            wrong_axis=1,
            sizes=("4 -> 3",),
        ),
        Case(
            lambda rng: _forked(rng),
            inputs={"left": (3, 4), "right": (3, 2)},
            output={"sum": (3, 2), "rest": ((3, 6), [(3, 2)])},
            wrong={"left": (3, 4), "right": (3, 3)},
            wrong_axis=1,
            sizes=("4 -> 2",),
        ),
    )

    def __init__(self, inputs: Any, outputs: Any, *, name: str | None = None) -> None:
        super().__init__(name=name)
        sources, at = _nodes("inputs", inputs)
        results = tuple(outputs) if isinstance(outputs, list) else outputs
        sinks, self._output = _nodes("outputs", results)
        if any("." in path for path in at.paths):
            raise ArgumentError(
                f"Graph: `inputs` must be a node, or a flat sequence or dict of them; got {at}."
            )
        for node in sources:
            if node.module is not None or sources.count(node) > 1:
                raise ArgumentError(
                    f"Graph: `inputs` must be different nodes made by Input(); got {node!r}."
                )
        order = _sorted(sinks)
        for node in order:
            if node.module is None and node not in sources:
                raise ArgumentError(
                    f"Graph: `inputs` must hold all input nodes that the outputs need; got "
                    f"{len(sources)} without {node!r}."
                )
        for place, node in enumerate(sources):
            if node not in order:
                raise ArgumentError(
                    f"Graph: input {place} must be used by an output; got {node!r}."
                )
        names = at.paths if isinstance(inputs, dict) else [node.name for node in sources]
        self.inputs: tuple[str | None, ...] = tuple(names)
        place_of = {node: place for place, node in enumerate(sources)}
        steps: list[tuple[str, tuple[int, ...]]] = []
        self._trees: dict[int, tree.Structure] = {}
        known: dict[int, str] = {}
        counts: dict[str, int] = {}
        for node in order:
            if node.module is None:
                continue
            if id(node.module) not in known:
                known[id(node.module)] = self._free_name(node.module, counts)
                self.add(known[id(node.module)], node.module)
            place_of[node] = len(sources) + len(steps)
            if node.structure is not None:
                self._trees[len(steps)] = node.structure
            steps.append((known[id(node.module)], tuple(place_of[n] for n in node.inputs)))
        self.steps = tuple(steps)
        self.outputs = tuple(place_of[node] for node in sinks)

    def _free_name(self, module: Module, counts: dict[str, int]) -> str:
        if module.name is not None and module.name not in self.__dict__:
            return module.name
        kind = module.name or type(module).__name__.lower()
        while True:
            counts[kind] = counts.get(kind, 0) + 1
            if f"{kind}_{counts[kind]}" not in self.__dict__:
                return f"{kind}_{counts[kind]}"

    @classmethod
    def of(cls, model: Sequential) -> Graph:
        """Make a Graph of the modules of a Sequential, which keep their names.

        Same as BigDL `Sequential.to_graph`. For what stands in a row and hands on one value.

        Raises
        ------
        ArgumentError : it is no Sequential, or it is empty.

        Examples
        --------
        >>> row = Sequential(fc=Linear(3, 2, rng=0), relu=ReLU())
        >>> Graph.of(row).up_to("fc")(np.ones((1, 3), "f4")).shape
        (1, 2)
        """
        instance("model", model, Sequential)
        if not model.names:
            raise ArgumentError("`model` must hold at least one module; got none.")
        return cls.from_config(
            {
                "inputs": [None],
                "modules": [[name, model[name]] for name in model.names],
                "steps": [[name, [place]] for place, name in enumerate(model.names)],
                "outputs": [len(model.names)],
                "output": "leaf",
                "name": model.name,
            }
        )

    def up_to(self, *names: str) -> Graph:
        """Make a Graph that ends where these modules end, of the same modules: weights are shared.

        For features of a trained model, and for another head on them.

        Parameters
        ----------
        names : str
            Of modules, as in `graph.names`; of one that is called several times the last call
            counts. One name gives one value, several a tuple.

        Raises
        ------
        ArgumentError : no such module is called.

        Notes
        -----
        Same as BigDL `Model.node` (0.13), to make another `Model` of, and `new_graph` of Analytics
        Zoo. Inputs that are not needed are left out.

        Examples
        --------
        >>> x = Input("image")
        >>> features = Linear(4, 3, rng=0, name="features")(x)
        >>> model = Graph(x, Linear(3, 2, rng=0, name="head")(features))
        >>> model.up_to("features")(np.ones((1, 4), "f4")).shape
        (1, 3)
        """
        called = [name for name, _ in self.steps]
        for name in names or [""]:
            if not isinstance(name, str) or name not in called:
                raise ArgumentError(
                    f"{calls.label(self)}: `names` must be among {', '.join(called)}; got {name!r}."
                )
        count = len(self.inputs)
        ends = [count + len(called) - 1 - called[::-1].index(name) for name in names]
        needed, pending = set[int](), list(ends)
        while pending:
            place = pending.pop()
            if place not in needed:
                needed.add(place)
                pending += self.steps[place - count][1] if place >= count else ()
        kept = sorted(needed)
        new = {place: k for k, place in enumerate(kept)}
        steps = [self._step(place - count) for place in kept if place >= count]
        for step in steps:
            step[1] = [new[place] for place in step[1]]
        inside = dict.fromkeys(step[0] for step in steps)
        return type(self).from_config(
            {
                "inputs": [self.inputs[place] for place in kept if place < count],
                "modules": [[name, self[name]] for name in inside],
                "steps": steps,
                "outputs": [new[place] for place in ends],
                "output": "leaf" if len(ends) == 1 else {"tuple": ["leaf"] * len(ends)},
            }
        )

    def call(self, *inputs: Any, **named: Any) -> Any:
        """Call the modules in order."""
        values = self._values(inputs, named)
        now = calls.segmented()
        if now is None:
            for number in range(len(self.steps)):
                values.append(self._run_step(number, values))
        else:
            reads = [places for _, places in self.steps]
            now.steps(self, values, reads, self.outputs, self._run_step)
        return self._output.unflatten([values[place] for place in self.outputs])

    def _run_step(self, number: int, values: list[Any]) -> Any:
        """Call the module of one step."""
        name, places = self.steps[number]
        structure = self._trees.get(number)
        given: tuple[Any, ...] = tuple([values[place] for place in places])
        by_name: dict[str, Any] = {}
        if structure is not None:
            given, by_name = structure.unflatten(given)
        return calls.run(self.__dict__[name], given, name, by_name)

    def _values(self, inputs: tuple[Any, ...], named: dict[str, Any]) -> list[Any]:
        """Return the inputs in the order of the nodes."""
        waiting = self.inputs[len(inputs) :]
        if len(inputs) > len(self.inputs) or {*waiting} != {*named} or len(waiting) != len(named):
            names = ", ".join(name or f"input {i}" for i, name in enumerate(self.inputs))
            got = f"{len(inputs)}{''.join([f' and {name!r}' for name in named])}"
            raise ShapeError(f"inputs must be {len(self.inputs)} ({names}); got {got}.")
        return [*inputs, *[named[str(name)] for name in waiting]]

    def config(self) -> dict[str, Any]:
        """Give modules by name, the steps and which values come out."""
        return {
            "inputs": list(self.inputs),
            "modules": [[name, self[name]] for name in self.names],
            "steps": [self._step(number) for number in range(len(self.steps))],
            "outputs": list(self.outputs),
            "output": self._output.to_json(),
        }

    def _step(self, number: int) -> list[Any]:
        name, places = self.steps[number]
        structure = self._trees.get(number)
        return [name, list(places), *([structure.to_json()] if structure is not None else [])]

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Graph:
        """Make a Graph from what `config` gives.

        Raises
        ------
        ArgumentError : a step names a module or a value that does not exist.
        """
        made = cls.__new__(cls)
        Container.__init__(made, name=config.get("name"))
        made.inputs = tuple(config["inputs"])
        made.steps = made.outputs = ()  # so that no module can take these names
        made._trees = {}
        for name, module in config["modules"]:
            made.add(name, module)
        steps: list[tuple[str, tuple[int, ...]]] = []
        for name, places, *structure in config["steps"]:
            _check_places(places, len(made.inputs) + len(steps))
            if name not in made.names:
                raise ArgumentError(
                    f"Graph: a step must name one of {', '.join(made.names)}; got {name!r}."
                )
            if structure:
                made._trees[len(steps)] = _structure(structure[0], len(places))
            steps.append((name, tuple(places)))
        made.steps = tuple(steps)
        made.outputs = tuple(config["outputs"])
        _check_places(made.outputs, len(made.inputs) + len(steps))
        kind = config.get("output")
        if kind is None:  # a file from before outputs were trees
            kind = "leaf" if config["single"] else {"tuple": ["leaf"] * len(made.outputs)}
        made._output = _structure(kind, len(made.outputs))
        return made


def _structure(data: Any, size: int) -> tree.Structure:
    structure = tree.Structure.from_json(data)
    if structure.size != size:
        raise ArgumentError(f"Graph: a tree must have {size} leaves; got {structure.size}.")
    return structure


def _check_places(places: Sequence[int], known: int) -> None:
    for place in places:
        if not isinstance(place, int) or not 0 <= place < known:
            raise ArgumentError(
                f"Graph: a step must use values that are computed before it (0..{known - 1}); "
                f"got {place!r}."
            )


def _nodes(argument: str, nodes: Any) -> tuple[list[Node], tree.Structure]:
    found, structure = tree.flatten(nodes)
    if not found or not all(isinstance(node, Node) for node in found):
        raise ArgumentError(
            f"Graph: `{argument}` must be a node or a sequence of nodes; got {nodes!r}. "
            "Nodes are made by Input() and by calling modules on nodes."
        )
    return found, structure


def _sorted(sinks: list[Node]) -> list[Node]:
    """Put nodes behind what they need (iteratively: graphs may be thousands of layers deep)."""
    done: dict[Node, None] = {}
    pending = [(node, False) for node in reversed(sinks)]
    while pending:
        node, ready = pending.pop()
        if node in done:
            continue
        if ready:
            done[node] = None
            continue
        pending.append((node, True))
        pending.extend((before, False) for before in reversed(node.inputs))
    return list(done)


def _residual(rng: np.random.Generator) -> Graph:
    x = Input("image")
    h = ReLU()(Conv2d(3, 3, 3, padding=1, rng=rng)(x))
    h = ReLU()(Add()(Conv2d(3, 3, 3, padding=1, rng=rng)(h), x))
    return Graph(x, Linear(48, 2, rng=rng)(Flatten()(h)))


def _forked(rng: np.random.Generator) -> Graph:
    left, right = Input("left"), Input("right")
    low = Linear(4, 2, rng=rng)(left)
    return Graph((left, right), {"sum": Add()([low, right]), "rest": (Concat()(left, low), [low])})


def _twins(rng: np.random.Generator) -> Graph:
    left, right, shared = Input("left"), Input("right"), Linear(4, 3, rng=rng)
    return Graph((left, right), Linear(6, 1, rng=rng)(Concat()(shared(left), shared(right))))
