"""A node of a functional graph: what comes out when a module is called with nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..core import tree
from ..core.errors import ArgumentError

if TYPE_CHECKING:
    from .module import Module


class Node:
    """The promise of a value: a module that will be called with the values of other nodes.

    Nodes are made by `Input()` and by calling modules on nodes; `Graph(inputs, outputs)` turns
    them into a module. A node holds no numbers.

    Parameters
    ----------
    module : Module or None
        What will be called; None for an input.
    inputs : tuple of trees of Node
        Whose values it will be called with.
    name : str, optional
        For an input: its name in error messages and calls.
    named : dict of trees of Node, optional
        Inputs by name.

    Raises
    ------
    ArgumentError : nodes and arrays are mixed in one call.

    Notes
    -----
    Same as BigDL `Node` (0.13, whose edges can be removed: here a node never changes).

    Examples
    --------
    >>> from sandbox.lib import nn
    >>> x = nn.Input(name="image")
    >>> nn.ReLU()(x)
    <node of ReLU()>
    """

    __slots__ = ("inputs", "module", "name", "structure")

    def __init__(
        self,
        module: Module | None,
        inputs: tuple[Any, ...] = (),
        *,
        name: str | None = None,
        named: dict[str, Any] | None = None,
    ) -> None:
        if not isinstance(inputs, tuple) or not isinstance(named, dict | None):
            raise ArgumentError(
                f"`inputs` must be a tuple of nodes and `named` a dict of them; got {inputs!r} and "
                f"{named!r}. Nodes are made by calling a module: ReLU()(Input())."
            )
        given = (inputs, named or {})
        nodes, structure = tree.flatten(given)
        for path, item in zip(structure.paths, nodes, strict=True):
            if not isinstance(item, Node):
                # "0.2" is the third by place, "1.lengths" the one of this name.
                raise ArgumentError(
                    f"{module!r}: input {path[2:]} must be a graph node like the others; got "
                    f"{type(item).__name__}. Feed arrays to the finished Graph, not to its nodes."
                )
        self.module = module
        self.inputs: tuple[Node, ...] = tuple(nodes)
        plain = not named and all(isinstance(item, Node) for item in inputs)
        self.structure: tree.Structure | None = None if plain else structure
        self.name = name

    def __repr__(self) -> str:
        """Tell which module makes the value."""
        if self.module is None:
            return f"<input node {self.name}>" if self.name else "<input node>"
        return f"<node of {self.module!r}>"


def Input(name: str | None = None) -> Node:  # noqa: N802 - reads as the layer it stands for
    """Make the node through which a value enters a `Graph`.

    Same as BigDL `Input` (0.13) and Keras `Input`.

    Examples
    --------
    >>> from sandbox.lib import nn
    >>> nn.Input("image")
    <input node image>
    """
    return Node(None, (), name=name)
