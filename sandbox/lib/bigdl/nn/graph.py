"""Graphs: layers called on nodes, and a model of the nodes."""

from __future__ import annotations

from typing import Any

from ... import nn
from ...core.errors import ArgumentError
from ..util.common import to_list
from .base import Layer


class Node:
    """The promise of what a layer gives; made by calling a layer on nodes."""

    def __init__(self, layer: Layer, before: list[Node]) -> None:
        self.layer, self.before = layer, before

    def element(self) -> Layer:
        """Give the layer."""
        return self.layer

    def remove_pre_edges(self) -> None:
        """Forget the nodes before this one."""
        self.before = []


def call(layer: Layer, x: Any = None) -> Node:
    """Make a node of a layer and the nodes before it; without any it is an input."""
    before = [] if x is None else to_list(x)
    for node in before:
        if not isinstance(node, Node):
            raise ArgumentError(
                f"{layer.name()}: a layer must be called on nodes; got {type(node).__name__}. "
                "For arrays there is forward(x)."
            )
    return Node(layer, before)


def built(inputs: Any, outputs: Any) -> tuple[nn.Graph, list[Layer]]:
    """Make a graph of nodes, and list its layers in order.

    Raises
    ------
    ArgumentError : a node has nothing before it and is not among the inputs.
    """
    sources, sinks = to_list(inputs), to_list(outputs)
    made: dict[int, nn.Node] = {}
    layers: list[Layer] = []
    begun: dict[int, nn.Node] = {}

    def make(node: Node) -> nn.Node:
        if id(node) in made:
            return made[id(node)]
        if node.before:
            before = [make(one) for one in node.before]
        elif any(node is one for one in sources):
            before = [nn.Input()]
            begun[id(node)] = before[0]
        else:
            raise ArgumentError(
                f"Model: `inputs` must hold all nodes without others before them; got none for "
                f"{node.layer.name()}."
            )
        if not any(node.layer is one for one in layers):
            layers.append(node.layer)
        made[id(node)] = node.layer.core(*before)
        return made[id(node)]

    ends = [make(node) for node in sinks]
    missing = [node.layer.name() for node in sources if id(node) not in begun]
    if missing:
        raise ArgumentError(f"Model: inputs must lead to an output; {', '.join(missing)} does not.")
    starts = [begun[id(node)] for node in sources]
    graph = nn.Graph(tuple(starts), ends[0] if len(ends) == 1 else tuple(ends))
    return graph, layers
