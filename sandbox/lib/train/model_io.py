"""Models as files: the weights as safetensors, the structure as registry names. No code inside."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import nn
from .. import quantize as _quantize  # noqa: F401  registers what files of quantized models name
from ..core import Buffer, Parameter, validate
from ..core.errors import ArgumentError, CheckpointError, DataError, ShapeError
from ..engine.files import Place, locate, write_atomic
from .shards import Tensors, form
from .tensors import Reader, write

__all__ = ["fill", "load_model", "model_tensors", "save_model"]


def save_model(model: nn.Module, path: str | os.PathLike[str]) -> Place:
    """Write a model: weights, running statistics and the names of its modules.

    Parameters
    ----------
    model : Module
        Made of registered modules (`nn.register`).
    path : path or URL
        By custom `something.safetensors`. An older file is replaced in one go.

    Raises
    ------
    ArgumentError : a module is not registered.
    CheckpointError : the file cannot be written.

    Notes
    -----
    Same as BigDL `Layer.saveModel`, `Layer.save` (which writes Java objects).

    Examples
    --------
    >>> import tempfile
    >>> model = nn.Sequential(fc=nn.Linear(3, 2, rng=0))
    >>> path = save_model(model, tempfile.mkdtemp() + "/model.safetensors")
    >>> np.array_equal(load_model(path)(np.ones((1, 3), "f4")), model(np.ones((1, 3), "f4")))
    True
    """
    validate.instance("model", model, nn.Module)
    validate.path_like("path", path)
    meta, tensors = {"model": nn.serialize(model)}, {k: h.data for k, h in _holders(model).items()}
    target = locate(path)
    try:
        write_atomic(target, lambda file: write(file, meta, tensors, "model"))
    except OSError as error:
        size = sum(array.nbytes for array in tensors.values())
        raise CheckpointError(
            f"{target}: a model of {size} bytes must be written there; got {error}."
            " Free space or give another place."
        ) from error
    return target


def load_model(path: str | os.PathLike[str]) -> nn.Module:
    """Read a model that `save_model` wrote.

    Raises
    ------
    CheckpointError : there is no such file, it is damaged, or it names a module that is not
        registered (import the file which registers it, then load).

    Notes
    -----
    Same as BigDL `Model.loadModel`, `Model.load`.
    """
    validate.path_like("path", path)
    try:
        with locate(path).open("rb") as file:
            reader = Reader(file, "model", str(path))
            try:
                with nn.init.skipped():  # the file's numbers take their place
                    model: nn.Module = nn.deserialize(reader.meta["model"])
            except (ArgumentError, ShapeError, DataError, KeyError) as error:
                raise CheckpointError(f"{path}: the model cannot be built: {error}") from error
            shapes = {name: place.shape for name, place in reader.places.items()}
            _check(_holders(model), shapes, str(path))
            for name, variable in _holders(model).items():
                _take(variable, name, reader)
    except OSError as error:
        raise CheckpointError(f"{path}: must be a model file; got {error}.") from None
    return model


def _take(variable: Parameter | Buffer, name: str, reader: Reader) -> None:
    """Read a variable's numbers straight into its memory."""
    dtype = reader.places[name].dtype
    if dtype.kind == variable.dtype.kind == "f" and dtype != variable.dtype:
        variable.astype(dtype)  # a float64 model
    if dtype == variable.dtype:
        variable.write(lambda array: reader.read(name, array))
    else:
        variable.set(reader.read(name))


def model_tensors(model: nn.Module) -> dict[str, NDArray[Any]]:
    """Return copies of all parameters and buffers by name."""
    tensors = {f"parameter/{k}": np.array(v.data) for k, v in model.named_parameters()}
    return tensors | {f"buffer/{k}": np.array(v.data) for k, v in model.named_buffers()}


def _holders(model: nn.Module) -> dict[str, Parameter | Buffer]:
    variables: dict[str, Any] = {f"parameter/{k}": v for k, v in model.named_parameters()}
    return variables | {f"buffer/{k}": v for k, v in model.named_buffers()}


def fill(
    model: nn.Module,
    tensors: Mapping[str, NDArray[Any]],
    place: str,
    leaving: Collection[str] = (),
) -> None:
    """Set all parameters and buffers of a model, but for some, from tensors by name.

    Of files each is read straight into the model's memory.

    Raises
    ------
    CheckpointError : one is missing or has another shape; names it and the place.
    """
    variables = _holders(model)
    _check(variables, {name: form(tensors, name)[1] for name in tensors}, place)
    for name, variable in variables.items():
        if name in leaving:
            continue
        if isinstance(tensors, Tensors) and form(tensors, name)[0] == variable.dtype:
            variable.write(partial(tensors.read, name))
        else:
            variable.set(tensors[name])


def _check(
    variables: Mapping[str, Parameter | Buffer], shapes: Mapping[str, tuple[int, ...]], place: str
) -> None:
    for name, variable in variables.items():
        if name not in shapes:
            raise CheckpointError(f"{place}: must hold {name}, which the model has; it does not.")
        if shapes[name] != variable.shape:
            raise CheckpointError(
                f"{place}: {name} must have the model's shape {variable.shape};"
                f" got {shapes[name]}. It belongs to another model."
            )
    extra = [k for k in shapes if k.startswith(("parameter/", "buffer/")) and k not in variables]
    if extra:
        raise CheckpointError(
            f"{place}: must belong to this model; got {extra[0]}, which it does not have."
        )
