"""The layers of a traced model: products with what can be done in one with them.

A layer is a convolution or linear layer with the addition of another map and a ReLU or clipping
behind it. Batch norms have been folded into its weights before (`engine.passes`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..engine.interpreter import call
from ..engine.links import Links
from ..engine.oplist import Op, OpList
from ..engine.ops import find

PRODUCTS = ("conv2d", "linear")
Arrays = Mapping[int, NDArray[Any]]


@dataclass
class Layer:
    """One layer.

    Parameters
    ----------
    op : Op
        The product.
    weight, bias : array
        float64.
    x, y : int
        The values it reads and gives.
    parts : list of Op
        All it stands for, the product first.
    residual : int, optional
        The value it adds.
    low, high : float, optional
        To which it clips.
    """

    op: Op
    weight: NDArray[np.float64]
    bias: NDArray[np.float64]
    x: int
    y: int
    parts: list[Op] = field(default_factory=list)
    residual: int | None = None
    low: float | None = None
    high: float | None = None

    @property
    def path(self) -> str:
        """Path of the module it comes from."""
        return self.op.path or self.op.name


def constants(oplist: OpList, storage: Mapping[str, NDArray[Any]]) -> dict[int, NDArray[Any]]:
    """Return the values that depend on parameters, buffers and constants only."""
    known: dict[int, NDArray[Any]] = {}
    for name, value in oplist.parameters:
        known[value] = storage[f"parameter:{name}"]
    for name, value in oplist.buffers:
        known[value] = storage[f"buffer:{name}"]
    for array, value in oplist.constants:
        known[value] = array
    for op in oplist.ops:
        if op.inputs and all(value in known for value in op.inputs) and find(op.name).pure:
            given = [known[value] for value in op.inputs]
            known.update(zip(op.outputs, call(op.name, given, op.attrs, None), strict=True))
    return known


def find_layers(oplist: OpList, known: Arrays) -> list[Layer]:
    """Return the layers of a list, in the order of their products; each operation is in one."""
    links = Links(oplist)
    taken: set[int] = set()
    found = []
    for op in oplist.ops:
        weights = op.inputs[1:]
        if op.name not in PRODUCTS or op.inputs[0] in known:
            continue
        if not all(value in known for value in weights):
            continue
        w = known[weights[0]].astype(np.float64)
        b = known[weights[1]].astype(np.float64) if len(weights) > 1 else np.zeros(len(w))
        found.append(Layer(op, w, b, op.inputs[0], op.outputs[0], [op]))
    for layer in reversed(found):  # the last product of a sum takes the others on
        _extend(layer, oplist, links, known, taken)
    return found


def _extend(layer: Layer, oplist: OpList, links: Links, known: Arrays, taken: set[int]) -> None:
    """Let a layer take on what alone reads it, as far as that goes."""
    while True:
        op = links.only_reader(layer.y)
        if op is None or id(op) in taken or not _take(layer, op, oplist, known):
            return
        taken.add(id(op))
        layer.parts.append(op)
        layer.y = op.outputs[0]
        if layer.low is not None:
            return


def _take(layer: Layer, op: Op, oplist: OpList, known: Arrays) -> bool:
    """Let a layer take an operation on; False if it cannot."""
    if op.name == "add" and layer.residual is None and op.inputs[0] != op.inputs[1]:
        other = op.inputs[1] if op.inputs[0] == layer.y else op.inputs[0]
        same = oplist.values[other].shape == oplist.values[layer.y].shape
        if other in known or not same or layer.op.name != "conv2d":
            return False
        layer.residual = other
        return True
    if op.name == "relu":
        layer.low = 0.0
        return True
    if op.name == "clip" and op.attrs["low"] <= 0 <= op.attrs["high"]:
        layer.low, layer.high = float(op.attrs["low"]), float(op.attrs["high"])
        return True
    return False


def is_positive(value: int, links: Links) -> bool:
    """Return whether a value holds no negative numbers, by what makes it."""
    op = links.maker.get(value)
    if op is None:
        return False
    if op.name in ("max_pool2d", "reshape"):
        return is_positive(op.inputs[0], links)
    return op.name in ("relu", "sigmoid", "softmax") or (op.name == "clip" and op.attrs["low"] >= 0)
