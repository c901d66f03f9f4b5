"""Containers."""

from __future__ import annotations

from typing import Any, TypeVar

from .... import nn
from ....core.errors import ArgumentError
from ..base import Layer
from ..graph import Node, built

C = TypeVar("C", bound="Container")


class Container(Layer):
    """What holds other layers."""

    def add(self: C, model: Any) -> C:
        """Append a layer; gives the container back.

        Raises
        ------
        ArgumentError : it is no layer.
        """
        if not isinstance(model, Layer):
            raise ArgumentError(f"{self.name()}: add() must be given a layer; got {model!r}.")
        if model.bigdl_type != self.bigdl_type:
            raise ArgumentError(
                f"{self.name()}: bigdl_type must be {self.bigdl_type!r} as the container's; got "
                f"{model.bigdl_type!r}."
            )
        row: Any = self.core
        name = model.name().replace("/", "_").replace(".", "_") if model.is_named else None
        if name is not None and (name in row.names or hasattr(row, name)):
            name = None
        row.append(model.core, name or str(len(self.inside)))
        self.inside.append(model)
        return self

    @property
    def layers(self) -> list[Layer]:
        """The layers held directly."""
        return list(self.inside)

    def flattened_layers(self, include_container: bool = False) -> list[Layer]:
        """List all layers inside, containers only when asked for."""
        return [
            one for one in self.all_layers() if include_container or not isinstance(one, Container)
        ]


class Sequential(Container):
    """Layers one after the other.

    Examples
    --------
    >>> import numpy as np
    >>> from sandbox.lib.bigdl.nn.layer import Linear, ReLU, Sequential
    >>> Sequential().add(Linear(4, 2)).add(ReLU()).forward(np.ones((3, 4))).shape
    (3, 2)
    """

    def __init__(self, jvalue: Any = None, bigdl_type: str = "float") -> None:
        super().__init__(nn.Sequential(), bigdl_type)


class Concat(Container):
    """Layers side by side, their outputs joined along a dimension (from 1, with the batch)."""

    def __init__(self, dimension: int, bigdl_type: str = "float") -> None:
        super().__init__(nn.Branches(merge=nn.Concat(dimension - 1)), bigdl_type)


class ConcatTable(Container):
    """Layers side by side: a table of what they give."""

    def __init__(self, bigdl_type: str = "float") -> None:
        super().__init__(nn.Branches(), bigdl_type)


class ParallelTable(Container):
    """One layer for each element of a table."""

    def __init__(self, bigdl_type: str = "float") -> None:
        super().__init__(nn.Parallel(), bigdl_type)


class Model(Container):
    """A graph of layers, from input nodes to output nodes.

    Examples
    --------
    >>> import numpy as np
    >>> from sandbox.lib.bigdl.nn.layer import CAddTable, Input, Linear, Model
    >>> x = Input()
    >>> left, right = Linear(3, 2)(x), Linear(3, 2)(x)
    >>> Model([x], [CAddTable()([left, right])]).forward(np.ones((4, 3))).shape
    (4, 2)
    """

    def __init__(self, inputs: Any, outputs: Any, bigdl_type: str = "float") -> None:
        graph, layers = built(inputs, outputs)
        super().__init__(graph, bigdl_type)
        self.inside = layers

    @staticmethod
    def load(path: str, bigdl_type: str = "float") -> Layer:
        """Read a model that `save` wrote; its weights have the library's shapes."""
        from ....train import load_model

        return Layer(load_model(path), bigdl_type)

    @staticmethod
    def loadModel(  # noqa: N802 - BigDL's name
        modelPath: str, weightPath: str | None = None, bigdl_type: str = "float"
    ) -> Layer:
        """Read a model that `saveModel` wrote."""
        return Model.load(modelPath, bigdl_type)

    def add(self: C, model: Any) -> C:
        """Refuse: a graph is made of nodes."""
        raise ArgumentError(f"{self.name()}: a Model must be made of nodes; it takes no add().")


def Input(name: str | None = None, bigdl_type: str = "float") -> Node:  # noqa: N802 - reads as the layer
    """Make the node through which an array enters a `Model`."""
    layer = Layer(nn.Identity(), bigdl_type)
    return Node(layer if name is None else layer.set_name(name), [])


class TimeDistributed(Layer):
    """A layer applied to each step of (batch, time, ...)."""

    def __init__(self, model: Layer, bigdl_type: str = "float") -> None:
        super().__init__(nn.TimeDistributed(model.core), bigdl_type)
        self.inside = [model]
