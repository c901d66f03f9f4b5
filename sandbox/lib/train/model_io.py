"""Models as files: the weights as safetensors, the structure as registry names. No code inside."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import nn
from ..core.errors import ArgumentError, CheckpointError, DataError, ShapeError
from .checkpoint import pack, unpack, write_atomic

__all__ = ["fill", "load_model", "model_tensors", "save_model"]


def save_model(model: nn.Module, path: str | os.PathLike[str]) -> Path:
    """Write a model: weights, running statistics and the names of its modules.

    Parameters
    ----------
    model : Module
        Made of registered modules (`nn.register`).
    path : path
        By custom `something.safetensors`. An older file is replaced in one go.

    Raises
    ------
    ArgumentError : a module is not registered.
    CheckpointError : the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> model = nn.Sequential(fc=nn.Linear(3, 2, rng=0))
    >>> path = save_model(model, tempfile.mkdtemp() + "/model.safetensors")
    >>> np.array_equal(load_model(path)(np.ones((1, 3), "f4")), model(np.ones((1, 3), "f4")))
    True
    """
    data = pack({"model": nn.serialize(model)}, model_tensors(model), "model")
    target = Path(path)
    try:
        write_atomic(target, data)
    except OSError as error:
        raise CheckpointError(
            f"{target}: a model of {len(data)} bytes must be written there; got {error}."
            " Free space or give another place."
        ) from error
    return target


def load_model(path: str | os.PathLike[str]) -> nn.Module:
    """Read a model that `save_model` wrote.

    Raises
    ------
    CheckpointError : there is no such file, it is damaged, or it names a module that is not
        registered (import the file which registers it, then load).
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path}: must be a model file; got {error}.") from None
    file = unpack(data, "model", str(path))
    try:
        model: nn.Module = nn.deserialize(file.meta["model"])
    except (ArgumentError, ShapeError, DataError, KeyError) as error:
        raise CheckpointError(f"{path}: the model cannot be built: {error}") from error
    fill(model, file.tensors, str(path))
    return model


def model_tensors(model: nn.Module) -> dict[str, NDArray[np.float32]]:
    """Return copies of all parameters and buffers by name."""
    tensors = {f"parameter/{k}": np.array(v.data) for k, v in model.named_parameters()}
    return tensors | {f"buffer/{k}": np.array(v.data) for k, v in model.named_buffers()}


def fill(model: nn.Module, tensors: Mapping[str, NDArray[Any]], place: str) -> None:
    """Set all parameters and buffers of a model from tensors by name.

    Raises
    ------
    CheckpointError : one is missing or has another shape; names it and the place.
    """
    holders: dict[str, Any] = {f"parameter/{k}": v for k, v in model.named_parameters()}
    holders |= {f"buffer/{k}": v for k, v in model.named_buffers()}
    for name, holder in holders.items():
        if name not in tensors:
            raise CheckpointError(f"{place}: must hold {name}, which the model has; it does not.")
        if tensors[name].shape != holder.shape:
            raise CheckpointError(
                f"{place}: {name} must have the model's shape {holder.shape};"
                f" got {tensors[name].shape}. It belongs to another model."
            )
    extra = [k for k in tensors if k.startswith(("parameter/", "buffer/")) and k not in holders]
    if extra:
        raise CheckpointError(
            f"{place}: must belong to this model; got {extra[0]}, which it does not have."
        )
    for name, holder in holders.items():
        holder.set(tensors[name])
