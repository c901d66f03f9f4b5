"""The table of a model: modules, output shapes, parameter counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..core import tree, validate
from ..core.context import using
from ..core.errors import ArgumentError
from . import calls
from .case import map_shapes
from .module import Module


class Table(str):
    """Text that shows itself as it is, in a notebook too."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Give the text."""
        return str(self)


def table(
    module: Module, input_shapes: Sequence[Any], named: Mapping[str, Any] | None = None
) -> Table:
    """Call a module on zeros and write down what comes out of each module inside.

    Parameters
    ----------
    module : Module
        The model.
    input_shapes : sequence of shapes, or trees of shapes
        With the batch axis, one per input; an array stands for itself.
    named : mapping of shapes, or trees of shapes, optional
        Of the inputs that are given by name.

    Raises
    ------
    ArgumentError : there is no shape.

    Examples
    --------
    >>> from sandbox.lib import nn
    >>> table(nn.Linear(3, 2), ((1, 3),))
    module  type    output  parameters
    (self)  Linear  (1, 2)           8
    8 parameters (32 B), 8 trainable
    """
    shapes: dict[str, list[str]] = {}

    def note(path: str, called: Module, inputs: Any, output: Any) -> None:
        results = [str(np.shape(result)) for result in tree.leaves(output)]
        shapes.setdefault(path, []).append(", ".join(results))

    if not input_shapes and not named:
        raise ArgumentError(
            f"{calls.label(module)}: summary() must be given a shape for each input; got none. "
            "For gray images of 28x28: model.summary((1, 1, 28, 28))."
        )
    inputs = [map_shapes(_zeros, shape) for shape in input_shapes]
    by_name = map_shapes(_zeros, dict(named or {}))
    with using(training=False), calls.observe(note):
        module(*inputs, **by_name)
    rows = [("module", "type", "output", "parameters")]
    inside = list(module.named_modules())
    counted: set[int] = set()
    for path, part in inside:
        if part.children() and len(inside) > 1 and not _own(part):
            continue
        own = [p for p in _own(part) if id(p) not in counted]
        counted.update(id(p) for p in own)
        outputs = shapes.get(path, ["not called"])
        text = outputs[0] if len(outputs) == 1 else f"{outputs[0]} ×{len(outputs)}"
        count = f"{sum(p.size for p in own):,}"
        rows.append((path or "(self)", type(part).__name__, text, count))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = [
        "  ".join(
            (*(t.ljust(w) for t, w in zip(row[:3], widths, strict=False)), row[3].rjust(widths[3]))
        )
        for row in rows
    ]
    parameters = module.parameters()
    total = sum(p.size for p in parameters)
    trainable = sum(p.size for p in parameters if p.trainable)
    lines.append(f"{total:,} parameters ({_bytes(4 * total)}), {trainable:,} trainable")
    return Table("\n".join(lines))


def _zeros(shape: Any) -> Any:
    if isinstance(shape, np.ndarray):
        return shape
    return np.zeros(validate.shape("input_shapes", shape), np.float32)


def _own(module: Module) -> list[Any]:
    inside = {id(p) for child in module.children() for p in child.parameters()}
    return [p for p in module.parameters() if id(p) not in inside]


def _bytes(count: float) -> str:
    for unit in ("B", "KB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} GB"
