"""From a traced model and ranges to the steps of a quantized one."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..engine.links import Links
from ..engine.oplist import Op, OpList
from ..engine.ops import find
from .calibration import Range, widest
from .layers import Layer, is_positive
from .model import QuantizedModel
from .numbers import REAL, SHARE_BITS, Bytes, Product, product, shortened

Steps = list[dict[str, Any]]
Written = tuple[Steps, dict[str, NDArray[Any]], dict[int, int], Collection[str]]


class Network:
    """Which values of a traced model are bytes, what these stand for, and the steps.

    Parameters
    ----------
    oplist : OpList
        The model, traced.
    known : dict of value -> array
        What does not depend on its inputs.
    names : dict of value -> str
        Names of the parameters and buffers.
    layers : list of Layer
        All that could multiply bytes.
    chosen : collection of str
        Paths of those that shall.
    top : int
        Largest byte: 127, or 255 for processors with VNNI.
    """

    def __init__(
        self,
        oplist: OpList,
        known: Mapping[int, NDArray[Any]],
        names: Mapping[int, str],
        layers: list[Layer],
        chosen: Collection[str],
        top: int,
    ) -> None:
        self.oplist = oplist
        self.known = known
        self.names = names
        self.top = top
        self.links = Links(oplist)
        self.layers = [layer for layer in layers if layer.path in chosen]
        # What belongs to a layer in float32 stays so: its values have no ranges.
        self._kept = {id(op) for layer in layers if layer.path not in chosen for op in layer.parts}
        self._ends = {id(layer.parts[-1]): layer for layer in self.layers}
        self._inside = {id(op) for layer in self.layers for op in layer.parts[:-1]}
        self._wanted: dict[int, bool] = {}
        self.passing: set[int] = set()
        self.bytes: set[int] = set()
        self._parent: dict[int, int] = {}
        self._decide()

    # -- which values are bytes ----------------------------------------------------------------

    def _is_read(self, value: int) -> bool:
        """Return whether a layer in bytes reads a value, directly or through what passes bytes."""
        if value not in self._wanted:
            self._wanted[value] = False
            self._wanted[value] = any(self._reads(op, value) for op in self.links.readers(value))
        return self._wanted[value]

    def _reads(self, op: Op, value: int) -> bool:
        for layer in self.layers:
            if op in layer.parts:
                return value in (layer.x, layer.residual)
        return self._may_pass(op) and self._is_read(op.outputs[0])

    def _may_pass(self, op: Op) -> bool:
        """Return whether an operation could pass bytes on."""
        if id(op) in self._kept:
            return False
        if op.name == "max_pool2d":
            places = op.outputs[1]
            return not self.links.readers(places) and places not in self.links.kept
        if op.name == "concat":
            return not any(value in self.known for value in op.inputs)
        if op.name == "add":
            a, b = (self.oplist.values[value] for value in op.inputs)
            return a.shape == b.shape and not any(value in self.known for value in op.inputs)
        return op.name in ("reshape", "avg_pool2d")

    def _decide(self) -> None:
        for op in self.oplist.ops:
            layer = self._ends.get(id(op))
            if layer is not None:
                self.bytes.add(layer.x)
                if layer.residual is not None:
                    self.bytes.add(layer.residual)
                if layer.residual is not None or self._is_read(layer.y):
                    self.bytes.add(layer.y)
            elif id(op) not in self._inside and self._may_pass(op):
                moves = op.name in ("max_pool2d", "reshape")
                have = [value in self.bytes for value in op.inputs]
                if (moves and all(have)) or (any(have) and self._is_read(op.outputs[0])):
                    self.passing.add(id(op))
                    self.bytes.update((*op.inputs, op.outputs[0]))
                    if op.name != "add":
                        for value in op.inputs:
                            self._tie(value, op.outputs[0])

    def _tie(self, a: int, b: int) -> None:
        self._parent[self._root(a)] = self._root(b)

    def _root(self, value: int) -> int:
        while value in self._parent and self._parent[value] != value:
            value = self._parent[value]
        return value

    # -- what bytes stand for ------------------------------------------------------------------

    def scales(self, ranges: Mapping[int, Range]) -> dict[int, Bytes]:
        """Return what each value's bytes stand for; values that are passed on share it."""
        groups: dict[int, list[Range]] = {}
        for value in sorted(self.bytes):
            groups.setdefault(self._root(value), []).append(ranges[value])
        made = {root: Bytes.over(*widest(found), self.top) for root, found in groups.items()}
        return {value: made[self._root(value)] for value in self.bytes}

    def product(self, layer: Layer, scales: Mapping[int, Bytes]) -> Product:
        """Return a layer in whole numbers."""
        residual = None if layer.residual is None else scales[layer.residual]
        y = scales.get(layer.y, REAL)
        return product(layer.weight, layer.bias, scales[layer.x], y, residual)

    # -- the steps -----------------------------------------------------------------------------

    def steps(self, scales: Mapping[int, Bytes]) -> Written:
        """Return steps, arrays by name, where each value of the list is, names of parameters."""
        return _Writer(self, scales).write()


class _Writer:
    def __init__(self, network: Network, scales: Mapping[int, Bytes]) -> None:
        self.network = network
        self.scales = scales
        self.steps: Steps = []
        self.arrays: dict[str, NDArray[Any]] = {}
        self.parameters: set[str] = set()
        count = len(network.oplist.inputs)
        self.real = {value: place for place, (_, value) in enumerate(network.oplist.inputs)}
        self.whole: dict[int, int] = {}
        self.next = count
        self.paths: set[str] = set()

    def write(self) -> Written:
        net = self.network
        for op in net.oplist.ops:
            layer = net._ends.get(id(op))
            if layer is not None:
                self._layer(layer)
            elif id(op) in net._inside or all(v in net.known for v in op.outputs):
                continue
            elif id(op) in net.passing:
                self._passing(op)
            else:
                self._float(op)
        for _, value in net.oplist.outputs:
            self._as_real(value)
        return self.steps, self.arrays, self.real, self.parameters

    def _add(
        self, op: str, path: str, attrs: Mapping[str, Any], inputs: list[Any], outputs: int = 1
    ) -> list[int]:
        path = self._unique(path or op)
        named = [
            self._array(f"{path}.{item[0]}", item[1]) if isinstance(item, tuple) else item
            for item in inputs
        ]
        made = list(range(self.next, self.next + outputs))
        self.next += outputs
        self.steps.append(
            {"op": op, "path": path, "attrs": dict(attrs), "inputs": named, "outputs": made}
        )
        return made

    def _unique(self, path: str) -> str:
        """Return a path that no step has, nor lies below or above of."""
        if hasattr(QuantizedModel, path.split(".")[0]) or path.startswith("_"):
            path = f"layer_{path}"
        name, number = path, 1
        while name in self.paths or any(
            other.startswith(f"{name}.") or name.startswith(f"{other}.") for other in self.paths
        ):
            number += 1
            name = f"{path}_{number}"
        self.paths.add(name)
        return name

    def _array(self, name: str, array: NDArray[Any]) -> str:
        self.arrays[name] = array
        return name

    def _as_real(self, value: int, path: str = "constants", place: int = 0) -> Any:
        """Return where a value is in real numbers; a name for one that is known."""
        net = self.network
        if value in net.known:
            name = net.names.get(value, f"{path}.{('x', 'weight', 'bias', 'more')[min(place, 3)]}")
            while name in self.arrays and self.arrays[name] is not net.known[value]:
                name += "_"
            if name in net.names.values():
                self.parameters.add(name)
            return self._array(name, net.known[value])
        if value not in self.real:
            scale = self.scales[value]
            factor = "factor", np.array([scale.scale], np.float32)
            path = f"{self._path_of(value)}_real"
            attrs = {"zero": scale.zero}
            inputs = [self.whole[value], factor]
            self.real[value] = self._add("dequantize_int8", path, attrs, inputs)[0]
        return self.real[value]

    def _as_bytes(self, value: int) -> int:
        if value not in self.whole:
            scale = self.scales[value]
            attrs = {
                "zero": scale.zero,
                "top": scale.top,
                "limits": list(scale.limits()),
                "positive": not scale.zero and is_positive(value, self.network.links),
            }
            factor = "factor", np.array([1 / scale.scale], np.float32)
            path = f"{self._path_of(value)}_bytes"
            inputs = [self._as_real(value), factor]
            self.whole[value] = self._add("quantize_int8", path, attrs, inputs)[0]
        return self.whole[value]

    def _path_of(self, value: int) -> str:
        op = self.network.links.maker.get(value)
        return (op.path or op.name) if op is not None else "input"

    def _float(self, op: Op) -> None:
        path = op.path or op.name
        inputs = [self._as_real(value, path, place) for place, value in enumerate(op.inputs)]
        made = self._add(op.name, op.path, op.attrs, inputs, len(op.outputs))
        self.real.update(zip(op.outputs, made, strict=True))

    def _passing(self, op: Op) -> None:
        if op.name == "add":
            self._sum(op)
            return
        name = op.name if find(op.name).view else f"{op.name}_int8"
        inputs: list[Any] = [self._as_bytes(value) for value in op.inputs]
        self.whole[op.outputs[0]] = self._add(name, op.path, op.attrs, inputs)[0]

    def _sum(self, op: Op) -> None:
        y = self.scales[op.outputs[0]]
        inputs: list[Any] = [self._as_bytes(value) for value in op.inputs]
        offset = float(y.zero)
        for name, value in zip(("first", "second"), op.inputs, strict=True):
            share = np.float32(shortened(self.scales[value].scale / y.scale, SHARE_BITS))
            inputs.append((name, np.array([share])))
            offset -= float(share) * self.scales[value].zero
        attrs = {"offset": offset, "low": 0.0, "high": float(y.top)}
        self.whole[op.outputs[0]] = self._add("add_int8", op.path, attrs, inputs)[0]

    def _layer(self, layer: Layer) -> None:
        made = self.network.product(layer, self.scales)
        x, y = self.scales[layer.x], self.scales.get(layer.y)
        attrs: dict[str, Any] = {"limit": x.top, **clipping(layer, y)}
        source = self._as_bytes(layer.x)
        path = layer.path
        if layer.op.name == "conv2d":
            window = dict(layer.op.attrs)
            if x.zero and np.any(window["padding"]):
                border = {"padding": window["padding"], "value": x.zero}
                source = self._add("pad_int8", f"{path}_pad", border, [source])[0]
                window["padding"] = ((0, 0), (0, 0))
            attrs |= window | {"share": made.share}
        inputs: list[Any] = [
            source,
            ("weight", made.weight),
            ("factors", made.factors),
            ("offsets", made.offsets),
        ]
        if layer.residual is not None:
            inputs.append(self._as_bytes(layer.residual))
        where = self.real if y is None else self.whole
        where[layer.y] = self._add(f"{layer.op.name}_int8", path, attrs, inputs)[0]


def clipping(layer: Layer, y: Bytes | None) -> dict[str, Any]:
    """Return how a layer clips, as attributes of its operation."""
    if y is None:
        return {"dtype": "float32", "low": layer.low, "high": layer.high}
    low = 0 if layer.low is None else round(layer.low / y.scale) + y.zero
    high = y.top if layer.high is None else round(layer.high / y.scale) + y.zero
    return {"dtype": "uint8", "low": float(max(low, 0)), "high": float(min(high, y.top))}
