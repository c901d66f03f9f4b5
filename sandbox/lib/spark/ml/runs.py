"""What the folder of a fit is called: after all that decides which weights come out of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from ... import nn
from ...core.errors import ArgumentError
from ...criterion import Criterion
from ...optim import Optimizer
from .objects import OBJECTS
from .params import Setting

__all__ = ["name_of_run"]

_DECIDE = (
    "batchSize",
    "clipNorm",
    "clipValue",
    "decode",
    "earlyStopping",
    "endTrigger",
    "featureShape",
    "maxEpoch",
    "maxIter",
    "metrics",
    "precision",
    "preprocessing",
    "seed",
    "validationTrigger",
)
"""Params that say how training goes; beside them criterion, optimiser, first weights and rows. Not
names of columns, nor ranks: a fit may go on with fewer of them."""


def name_of_run(stage: Any, criterion: Criterion, optimizer: Optimizer, rows: Sequence[str]) -> str:
    """Return a name that equal fits share, and no others: in this process or a later one.

    Parameters
    ----------
    stage : NNEstimator
    criterion, optimizer
        As the fit uses them.
    rows : sequence of str
        Digests of the rows to train and to validate on.

    Raises
    ------
    ArgumentError : `resume` is set, and a Param holds what has no name in files: in another process
        nobody can tell that it is the same.

    Examples
    --------
    >>> from sandbox.lib import criterion, optim
    >>> from sandbox.lib.spark.ml import NNRegressor
    >>> def name(**params):
    ...     stage = NNRegressor(nn.Linear(3, 1, rng=0), **params)
    ...     return name_of_run(stage, criterion.MSE(), optim.SGD(0.1), ["7 of 100"])
    >>> name(maxEpoch=2) == name(maxEpoch=2, ranks=2), name(maxEpoch=2) == name(maxEpoch=3)
    (True, False)
    """
    told: dict[str, Any] = {"rows": list(rows)}
    model = stage.getModel()
    for name, value, write in (
        ("criterion", criterion, nn.serialize),
        ("optimizer", optimizer, OBJECTS["optimizer"][0]),
        ("model", model, nn.serialize),
        *((name, stage._given(name), _writer(stage.getParam(name))) for name in _DECIDE),
    ):
        try:
            told[name] = None if value is None else write(value)
        except ArgumentError as error:
            if stage.getResume():
                raise ArgumentError(
                    f"{type(stage).__name__}: `{name}` must have a name in files, for `resume` to "
                    f"know an equal fit; {error}"
                ) from None
            told[name] = f"{type(value).__module__}.{type(value).__qualname__}"
    digest = hashlib.blake2b(json.dumps(told, sort_keys=True).encode(), digest_size=6)
    weights = [(name, parameter.data) for name, parameter in model.named_parameters()]
    for name, held in (*weights, *model.named_buffers()):
        array = np.ascontiguousarray(held)
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(array.tobytes())
    return f"fit-{digest.hexdigest()}"


def _writer(param: Any) -> Any:
    """Return what makes JSON-able data of a Param's value."""
    plain = not isinstance(param, Setting) or param.plain
    return (lambda value: value) if plain else OBJECTS[param.name][0]
