"""What is asked of a finished module: weights as a list, new ones, predictions of many rows.

Methods of `Module`, which names them; they stand here by themselves as they use nothing inside it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..core import tree, using, validate
from ..core.errors import ArgumentError, ShapeError
from . import calls, init, records, registry

if TYPE_CHECKING:
    from .module import Module

Array: TypeAlias = NDArray[Any]
M = TypeVar("M", bound="Module")


def get_weights(self: Module) -> list[Array]:
    """List copies of all parameters' numbers, in the order of `named_parameters`.

    Same as BigDL `Layer.get_weights`, and Keras `get_weights` but for running statistics.

    Examples
    --------
    >>> from sandbox.lib import nn
    >>> [w.shape for w in nn.Linear(2, 3).get_weights()]
    [(3, 2), (3,)]
    """
    return [np.array(parameter.data) for parameter in self.parameters()]


def set_weights(self: Module, weights: Any) -> None:
    """Replace all parameters' numbers, given as `get_weights` lists them; all or none.

    Same as BigDL `Layer.set_weights`, and Keras `set_weights` but for running statistics.

    Raises
    ------
    ArgumentError : there are too many or too few arrays.
    ShapeError : an array has not the shape of its parameter; the message names it.

    Examples
    --------
    >>> from sandbox.lib import nn
    >>> one, two = nn.Linear(2, 3, rng=0), nn.Linear(2, 3, rng=1)
    >>> two.set_weights(one.get_weights())
    >>> bool((one.weight.data == two.weight.data).all())
    True
    """
    named = dict(self.named_parameters())
    given = validate.several("weights", weights, "a list of arrays")
    if len(given) != len(named):
        raise ArgumentError(
            f"{calls.label(self)}: `weights` must hold {len(named)} arrays "
            f"({', '.join(named) or 'none'}); got {len(given)}."
        )
    arrays = [validate.numbers("weights", array) for array in given]
    for (name, parameter), array in zip(named.items(), arrays, strict=True):
        if array.shape != parameter.shape:
            raise ShapeError(
                f"{calls.label(self)}: weight {name!r} must have shape {parameter.shape}; got "
                f"{array.shape}. None was changed."
            )
    for parameter, array in zip(named.values(), arrays, strict=True):
        parameter.set(array)


def reset(self: M, rng: init.Rng = None) -> M:
    """Draw all weights anew and begin with fresh statistics; gives the module back.

    Same as BigDL `Layer.reset`.

    Parameters
    ----------
    rng : Generator, int or None
        Where weights are drawn from; None takes fresh entropy.

    Raises
    ------
    ArgumentError : a module inside is not registered, so that nobody knows how it begins.

    Examples
    --------
    >>> from sandbox.lib import nn
    >>> layer = nn.Linear(2, 3).reset(0)
    >>> bool((layer.weight.data == nn.Linear(2, 3, rng=0).weight.data).all())
    True
    """
    with init.drawing(rng):
        fresh = registry.deserialize(registry.serialize(self))
    begun = dict(fresh.named_parameters()) | dict(fresh.named_buffers())
    own = dict(self.named_parameters()) | dict(self.named_buffers())
    for name in own:
        if name not in begun:
            raise ArgumentError(
                f"{calls.label(self)}: {name!r} must be made by the module's own arguments to "
                "begin anew; it was put there later."
            )
    for name, variable in own.items():
        variable.set(begun[name].data)
    return self


def update_parameters(self: Module, learning_rate: float) -> None:
    """Take one step of plain gradient descent by `gradients()`; frozen parameters stay.

    Same as BigDL `Layer.update_parameters`. For anything more there is `train.Trainer`.

    Raises
    ------
    ArgumentError : there was no `backward` since the last `forward` in this thread.

    Examples
    --------
    >>> from sandbox.lib import nn
    >>> layer = nn.Linear(2, 1, weight_init="zeros")
    >>> _ = layer.forward(np.ones((3, 2), "f4")), layer.backward(np.ones((3, 1), "f4"))
    >>> layer.update_parameters(0.5)
    >>> layer.weight.data, layer.bias.data
    (array([[-1.5, -1.5]], dtype=float32), array([-1.5], dtype=float32))
    """
    rate = validate.finite("learning_rate", learning_rate)
    gradients = records.gradients(self)
    for name, parameter in self.named_parameters():
        if parameter.trainable and parameter.dtype.kind == "f":
            step = np.asarray(rate, parameter.dtype) * gradients[name]
            parameter.set(parameter.data - step)


def predict(self: Module, *inputs: Any, batch_size: int = 1024, **named: Any) -> Any:
    """Compute outputs of many rows in inference mode, some at a time.

    Parameters
    ----------
    inputs, named : trees of arrays
        As of a call, as many rows each.
    batch_size : int > 0
        Rows that are computed at once: bounds the memory.

    Returns
    -------
    what a call gives, of all rows

    Raises
    ------
    ShapeError : an input has other rows than the others, or none at all.

    Notes
    -----
    Same as BigDL `Layer.predict`, `Layer.predict_local` and Keras `predict`. For data sets, a
    transform and compiled speed there is `train.Trainer.predict`.

    Examples
    --------
    >>> from sandbox.lib import nn
    >>> nn.Linear(3, 2, rng=0).predict(np.ones((5, 3), "f4"), batch_size=2).shape
    (5, 2)
    """
    size = validate.positive_int("batch_size", batch_size)
    given = tree.map(lambda x: validate.numbers("x", x), tree.with_arrays((inputs, named)))
    arrays = tree.leaves(given)
    rows = {x.shape[0] if x.ndim else -1 for x in arrays}
    if len(rows) != 1 or -1 in rows:
        shapes = ", ".join(str(x.shape) for x in arrays) or "none"
        raise ShapeError(
            f"{calls.label(self)}: inputs must be arrays of as many rows each; got {shapes}."
        )
    (count,) = rows
    parts = []
    with using(training=False):
        for start in range(0, max(count, 1), size):
            args, kwargs = tree.map(lambda x, at=start: x[at : at + size], given)
            parts.append(self(*args, **kwargs))
    if len(parts) == 1:
        return parts[0]
    return tree.map(lambda *pieces: np.concatenate(pieces), *parts)


def predict_class(self: Module, *inputs: Any, batch_size: int = 1024, **named: Any) -> Array:
    """Give the class of the largest output for each row, counted from 0.

    Same as BigDL `Layer.predict_class`, `Layer.predict_class_local` (from 1), Keras
    `predict_classes`.

    Raises
    ------
    ShapeError : the output is not (batch, ..., classes).

    Examples
    --------
    >>> from sandbox.lib import nn
    >>> nn.ReLU().predict_class(np.float32([[1, 3, 2], [5, 0, 0]]))
    array([1, 0])
    """
    y = predict(self, *inputs, batch_size=batch_size, **named)
    shape = getattr(y, "shape", None)
    if shape is None or len(shape) < 2 or shape[-1] < 2:
        raise ShapeError(
            f"{calls.label(self)}: the output must be (batch, ..., classes), two or more; got "
            f"{tree.kind(y)}. Of one number per row decide by yourself: predict(x) > 0.5."
        )
    found: Array = y.argmax(-1)
    return found
