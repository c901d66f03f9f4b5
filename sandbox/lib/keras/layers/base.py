"""The base of all layers: a recipe that makes a core module once the input's shape is known."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ... import nn
from ...core import validate
from ...core.context import using
from ...core.errors import ArgumentError, SandboxError, ShapeError
from ...core.parameter import Variable
from ...core.trace import Trace
from ...engine.oplist import Spec
from ..spelling import Spelled
from ..tensor import KerasTensor

Shape: TypeAlias = tuple[int | None, ...]
Turn: TypeAlias = tuple[int, ...]

FORMATS = ("channels_last", "channels_first")
_counts: dict[str, int] = {}


class Layer(metaclass=Spelled):
    """A named recipe: `make(shape)` gives the core module for an input of this shape.

    Parameters
    ----------
    name : str, optional
        By default the class in small letters with a number: dense, dense_1.
    trainable : bool
        Whether training changes its weights.
    input_shape : tuple of int, optional
        Of one row, for the first layer of a Sequential.
    """

    aliases: ClassVar[Mapping[str, str]] = {}
    """Argument names of Keras 1 and what they are called now."""
    turns: ClassVar[Mapping[str, Turn]] = {}
    """For each parameter whose axes Keras has in another order: core axes in Keras's order."""
    handles: ClassVar[Literal["written", "spatial", "any"]] = "written"
    """What order of axes it takes: as written, channels first, or any (element by element)."""
    shared: ClassVar[tuple[str, ...]] = ("name", "trainable", "input_shape")
    data_format: str = "channels_first"

    def __init__(
        self,
        *,
        name: str | None = None,
        trainable: bool = True,
        input_shape: tuple[int, ...] | None = None,
    ) -> None:
        self.name = name or _free_name(type(self).__name__)
        self._trainable = validate.boolean("trainable", trainable)
        self.row_shape = None if input_shape is None else tuple(input_shape)
        self.module: nn.Module | None = None
        self.input_shape: Any = None
        self.output_shape: Any = None

    def make(self, *shapes: Shape) -> nn.Module:
        """Make the core module for inputs of these shapes (spatial layers: channels first)."""
        raise NotImplementedError(f"{type(self).__name__} must define make(self, *shapes).")

    @property
    def turned(self) -> bool:
        """Whether the core takes the channels at another place than they are written."""
        return self.handles == "spatial" and self.data_format == "channels_last"

    def build(self, *shapes: Shape) -> None:
        """Make the core module, once; later calls must be of shapes it takes."""
        if self.module is None:
            inside = [channels_first(s) if self.turned else s for s in shapes]
            self.module = self._told(lambda: self.make(*inside), shapes)
            self.input_shape = shapes[0] if len(shapes) == 1 else list(shapes)
            if not self._trainable:
                self.module.freeze()

    def compute_output_shape(self, *shapes: Shape) -> Shape:
        """Give the shape of the output for inputs of these shapes, without any data."""
        self.build(*shapes)
        inside = [channels_first(s) if self.turned else s for s in shapes]
        found: Shape = self._told(lambda: (None, *_traced(self.module, inside)[1:]), shapes)
        return channels_last(found) if self.turned and len(found) > 2 else found

    def __call__(self, inputs: Any) -> KerasTensor:
        """Call the layer on symbolic tensors."""
        tensors = tuple(inputs) if isinstance(inputs, (list, tuple)) else (inputs,)
        for tensor in tensors:
            if not isinstance(tensor, KerasTensor):
                raise ArgumentError(
                    f"{self.label}: inputs must be tensors made by Input() or by layers; got "
                    f"{type(tensor).__name__}. Arrays go to the finished model: model.predict(x)."
                )
        shape = self.compute_output_shape(*[tensor.shape for tensor in tensors])
        if self.output_shape is None:
            self.output_shape = shape
        return KerasTensor(shape, self, tensors)

    @property
    def label(self) -> str:
        """Name and class, for messages."""
        return f"{self.name} ({type(self).__name__})"

    def _told(self, action: Any, shapes: tuple[Shape, ...]) -> Any:
        try:
            return action()
        except SandboxError as error:
            text = f"{self.label}: {error} Input shape: {', '.join(map(str, shapes))}."
            raise type(error)(text) from error

    def get_config(self) -> dict[str, Any]:
        """Give the arguments that make an equal layer."""
        return {**self.__dict__["_arguments"], "name": self.name}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Any:
        """Make a layer from what `get_config` gives."""
        return cls(**config)

    @property
    def trainable(self) -> bool:
        """Whether training changes the weights; may be set."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = validate.boolean("trainable", value)
        if self.module is not None:
            self.module.freeze(not value)

    def variables(self) -> list[tuple[Variable, Turn | None]]:
        """List parameters, then running statistics, each with how Keras turns its axes."""
        if self.module is None:
            raise ArgumentError(f"{self.label}: must be built first; call it on an Input.")
        held = [*self.module.named_parameters(), *self.module.named_buffers()]
        return [(variable, self.turns.get(name)) for name, variable in held]

    def get_weights(self) -> list[NDArray[Any]]:
        """List copies of all weights in Keras's order and layouts."""
        return [np.array(v.data if t is None else v.data.transpose(t)) for v, t in self.variables()]

    def set_weights(self, weights: Any) -> None:
        """Replace all weights, given as `get_weights` lists them; all or none."""
        held, given = self.variables(), [np.asarray(w) for w in weights]
        wanted = [w.shape for w in self.get_weights()]
        if wanted != [w.shape for w in given]:
            raise ShapeError(
                f"{self.label}: `weights` must have the shapes {wanted}; got "
                f"{[w.shape for w in given]}."
            )
        for (variable, turn), array in zip(held, given, strict=True):
            variable.set(array if turn is None else array.transpose(np.argsort(turn)))

    def count_params(self) -> int:
        """Count all numbers of the weights."""
        return sum(variable.size for variable, _ in self.variables())


def channels_first(shape: Shape) -> Shape:
    """Put the last axis behind the batch axis."""
    return (shape[0], shape[-1], *shape[1:-1])


def channels_last(shape: Shape) -> Shape:
    """Put axis 1 at the end."""
    return (shape[0], *shape[2:], shape[1])


def clear_names() -> None:
    """Begin the numbers of layers anew."""
    _counts.clear()


def _free_name(kind: str) -> str:
    plain = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", kind).lower()
    number = _counts.get(plain, 0)
    _counts[plain] = number + 1
    return f"{plain}_{number}" if number else plain


def _traced(module: Any, shapes: list[Shape]) -> tuple[int, ...]:
    with using(training=False), Trace(module) as trace:
        inputs = [
            trace.input("x", Spec((1, *[int(size or 1) for size in shape[1:]]), "float32"))
            for shape in shapes
        ]
        found: tuple[int, ...] = module(*inputs).shape
    return found
