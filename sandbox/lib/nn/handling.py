"""What is asked of a finished module: weights as a list, new ones, predictions of many rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..core import tree, using, validate
from ..core.errors import ArgumentError, ShapeError
from . import calls, init, records, registry

if TYPE_CHECKING:
    from .module import Module

Array: TypeAlias = NDArray[Any]


def set_weights(module: Module, weights: Any) -> None:
    """Do what `Module.set_weights` does."""
    named = dict(module.named_parameters())
    given = validate.several("weights", weights, "a list of arrays")
    if len(given) != len(named):
        raise ArgumentError(
            f"{calls.label(module)}: `weights` must hold {len(named)} arrays "
            f"({', '.join(named) or 'none'}); got {len(given)}."
        )
    arrays = [validate.numbers("weights", array) for array in given]
    for (name, parameter), array in zip(named.items(), arrays, strict=True):
        if array.shape != parameter.shape:
            raise ShapeError(
                f"{calls.label(module)}: weight {name!r} must have shape {parameter.shape}; got "
                f"{array.shape}. None was changed."
            )
    for parameter, array in zip(named.values(), arrays, strict=True):
        parameter.set(array)


def update_parameters(module: Module, learning_rate: float) -> None:
    """Do what `Module.update_parameters` does."""
    rate = validate.finite("learning_rate", learning_rate)
    gradients = records.gradients(module)
    for name, parameter in module.named_parameters():
        if parameter.trainable and parameter.dtype.kind == "f":
            step = np.asarray(rate, parameter.dtype) * gradients[name]
            parameter.set(parameter.data - step)


def reset(module: Module, rng: init.Rng) -> None:
    """Do what `Module.reset` does."""
    with init.drawing(rng):
        fresh = registry.deserialize(registry.serialize(module))
    for kind in ("named_parameters", "named_buffers"):
        begun = dict(getattr(fresh, kind)())
        for name, variable in getattr(module, kind)():
            if name not in begun:
                raise ArgumentError(
                    f"{calls.label(module)}: {name!r} must be made by the module's own arguments "
                    "to begin anew; it was put there later."
                )
            variable.set(begun[name].data)


def predict(module: Module, inputs: tuple[Any, ...], named: dict[str, Any], batch_size: int) -> Any:
    """Do what `Module.predict` does."""
    size = validate.positive_int("batch_size", batch_size)
    given = tree.map(lambda x: validate.numbers("x", x), tree.with_arrays((inputs, named)))
    arrays = tree.leaves(given)
    rows = {x.shape[0] if x.ndim else -1 for x in arrays}
    if len(rows) != 1 or -1 in rows:
        shapes = ", ".join(str(x.shape) for x in arrays) or "none"
        raise ShapeError(
            f"{calls.label(module)}: inputs must be arrays of as many rows each; got {shapes}."
        )
    (count,) = rows
    parts = []
    with using(training=False):
        for start in range(0, max(count, 1), size):
            args, kwargs = tree.map(lambda x, at=start: x[at : at + size], given)
            parts.append(module(*args, **kwargs))
    if len(parts) == 1:
        return parts[0]
    return tree.map(lambda *pieces: np.concatenate(pieces), *parts)


def predict_class(output: Any, label: str) -> Array:
    """Do what `Module.predict_class` does with outputs."""
    shape = getattr(output, "shape", None)
    if shape is None or len(shape) < 2 or shape[-1] < 2:
        raise ShapeError(
            f"{label}: the output must be (batch, ..., classes), two or more; got "
            f"{tree.kind(output)}. Of one number per row decide by yourself: predict(x) > 0.5."
        )
    found: Array = output.argmax(-1)
    return found
