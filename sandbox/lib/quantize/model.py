"""A model of whole numbers: a list of operations with its arrays, as a module."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .. import nn
from ..core import Buffer, Parameter, Value, ops, tree
from ..core.errors import ArgumentError, SandboxError
from ..core.function import FUNCTIONS
from ..nn import calls

Attrs = Mapping[str, Any]


class Step(nn.Module):
    """One operation of a quantized model, with the arrays it reads.

    Parameters
    ----------
    op : str
        Its name.
    attrs : dict
        `{"batch": (a, b)}` in it stands for a · rows + b.
    operands : sequence of int or str
        Place among the inputs, or name of an array.
    """

    def __init__(self, op: str, attrs: Attrs, operands: Sequence[int | str]) -> None:
        self.op = op
        self._attrs = _Hidden(dict(attrs))
        self._operands = tuple(operands)

    def call(self, *inputs: Any, rows: int = 1) -> Any:
        """Run it for so many rows of the batch."""
        operands = [
            inputs[item] if isinstance(item, int) else getattr(self, item)
            for item in self._operands
        ]
        attrs = {key: _for_rows(item, rows) for key, item in self._attrs.item.items()}
        outputs = FUNCTIONS[self.op].apply(tuple(operands), attrs)
        return outputs[0] if len(outputs) == 1 else outputs

    def extra(self) -> str:
        """Tell the operation and its weights."""
        shapes = [f"{v.dtype} {v.shape}" for _, v in self._members() if hasattr(v, "dtype")]
        return ", ".join([self.op, *shapes[:1]])


class _Hidden:
    """Holds something that is no part of the tree of modules."""

    def __init__(self, item: Any) -> None:
        self.item = item


def _for_rows(item: Any, rows: int) -> Any:
    if isinstance(item, Mapping):
        factor, rest = item["batch"]
        return factor * rows + rest
    if isinstance(item, (list, tuple)):
        return tuple([_for_rows(part, rows) for part in item])
    return item


@nn.register("quantize.QuantizedModel")
class QuantizedModel(nn.Module):
    """A model whose layers multiply bytes; made by `quantize`, or read from a file.

    Its steps are modules under the paths of the layers they come from, so that feature maps,
    profiles and errors name them. Layers in bytes give the same numbers on every processor.

    Parameters
    ----------
    inputs, output : JSON of `core.tree.Structure`
        What it is called with, and what comes out.
    arrays : sequence of (name, dtype, shape, trainable)
        Its numbers; a model file fills them in.
    steps : sequence of dict
        `op`, `path`, `attrs`, `inputs` and `outputs`: numbers of values, inputs of the model
        first; `inputs` may hold names of arrays.
    results : sequence of int
        The values that come out.

    Shapes
    ------
    input, output : those of the model it was made of

    Raises
    ------
    ArgumentError : a step names an unknown operation, array or value.

    Notes
    -----
    Source: Jacob et al. 2018, "Quantization and training of neural networks for efficient
    integer-arithmetic-only inference". BigDL 0.13: `model.quantize()`.
    """

    report: Any = None
    """What `quantize` found out; not in the file."""

    def __init__(
        self,
        inputs: Any,
        output: Any,
        arrays: Sequence[Sequence[Any]],
        steps: Sequence[Attrs],
        results: Sequence[int],
        *,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        for key, item in (
            ("inputs", inputs),
            ("output", output),
            ("arrays", arrays),
            ("steps", steps),
            ("results", results),
        ):
            if not _is_plain(item):
                raise ArgumentError(f"quantized model: `{key}` must be plain data; got {item!r}.")
        try:
            self._build(inputs, output, arrays, steps, results)
        except (TypeError, ValueError, KeyError, IndexError, AttributeError, MemoryError) as error:
            if isinstance(error, SandboxError):
                raise
            raise ArgumentError(
                f"quantized model: its description must be one that `quantize` made; got {error!r}."
            ) from None

    def _build(self, inputs: Any, output: Any, arrays: Any, steps: Any, results: Any) -> None:
        self._form = _Hidden((tree.Structure.from_json(inputs), tree.Structure.from_json(output)))
        held = {str(item[0]): _variable(*item[1:]) for item in arrays}
        self._variables = _Hidden(held)
        known = set(range(self._form.item[0].size))
        plan: list[tuple[str, Step, tuple[int, ...], tuple[int, ...]]] = []
        for step in steps:
            path, made, reads = _step(step, held, known)
            known.update(step["outputs"])
            self._place(path, made)
            plan.append((path, made, reads, tuple(step["outputs"])))
        if len(results) != self._form.item[1].size or not known.issuperset(results):
            raise ArgumentError(
                f"quantized model: `results` must be {self._form.item[1].size} values that steps "
                f"make; got {results!r}."
            )
        self._plan = _Hidden(plan)
        self._results = tuple(results)

    def _place(self, path: str, step: Step) -> None:
        """Hold a step under a path: in dicts below an attribute."""
        first, *rest = path.split(".")
        if hasattr(type(self), first) or first.startswith("_"):
            raise ArgumentError(f"quantized model: path must not be a name of its own; got {path}.")
        if not rest:
            self.__dict__[first] = step
            return
        inside = self.__dict__.setdefault(first, {})
        for part in rest[:-1]:
            inside = inside.setdefault(part, {})
        inside[rest[-1]] = step

    @property
    def arrays(self) -> dict[str, Parameter | Buffer]:
        """Its numbers by name."""
        return dict(self._variables.item)

    def call(self, *inputs: Any, **named: Any) -> Any:
        """Run the steps in order."""
        structure, output = self._form.item
        given = dict(named) if named else inputs[0] if len(inputs) == 1 else inputs
        values = dict(enumerate(structure.match(given, "input")))
        rows = values[0].shape[0] if values[0].shape else 1
        for place, value in values.items():
            if isinstance(value, Value) and value.dtype == np.float64:
                values[place] = ops.cast(value, "float32")
        for path, step, reads, writes in self._plan.item:
            found = calls.run(step, tuple([values[k] for k in reads]), path, {"rows": rows})
            values.update(zip(writes, found if len(writes) > 1 else (found,), strict=True))
        return output.unflatten([values[k] for k in self._results])

    def extra(self) -> str:
        """Tell how many of the steps multiply bytes."""
        products = [step.op for _, step, *_ in self._plan.item if "_int8" in step.op]
        return f"{len(self._plan.item)} steps, {len(products)} in bytes"


def _is_plain(item: Any) -> bool:
    """Return whether something is what JSON gives, with tuples for lists."""
    if isinstance(item, Mapping):
        return all(isinstance(key, str) and _is_plain(part) for key, part in item.items())
    if isinstance(item, (list, tuple)):
        return all(_is_plain(part) for part in item)
    return item is None or isinstance(item, (bool, int, float, str))


def _variable(dtype: str, shape: Sequence[int], trainable: bool) -> Parameter | Buffer:
    zeros = np.zeros(tuple(shape), dtype)
    return Parameter(zeros, copy=False) if trainable else Buffer(zeros, copy=False)


def _step(
    step: Attrs, held: Mapping[str, Parameter | Buffer], known: set[int]
) -> tuple[str, Step, tuple[int, ...]]:
    """Make one step and return it with its path and the values it reads."""
    if step["op"] not in FUNCTIONS:
        raise ArgumentError(f"quantized model: operation must be known; got {step['op']!r}.")
    reads: list[int] = []
    operands: list[int | str] = []
    arrays: dict[str, Parameter | Buffer] = {}
    for item in step["inputs"]:
        if isinstance(item, str):
            if item not in held:
                raise ArgumentError(f"quantized model: array must be one of its own; got {item!r}.")
            local = item.rsplit(".", 1)[-1]
            local = local if local not in (*arrays, "op") else f"{local}_{len(arrays)}"
            arrays[local] = held[item]
            operands.append(local)
        else:
            if item not in known:
                raise ArgumentError(f"quantized model: value must be made before; got {item!r}.")
            operands.append(len(reads))
            reads.append(item)
    made = Step(step["op"], step["attrs"], operands)
    for local, variable in arrays.items():
        setattr(made, local, variable)
    return step["path"], made, tuple(reads)
