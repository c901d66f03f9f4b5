"""What a fitted network takes and gives, row by row: written beside it, so that files tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ... import nn
from ...core import tree
from ...core.context import using
from ...core.errors import SandboxError, add_path
from ...criterion import Criterion
from ...data import Preparation
from ...engine.oplist import Spec

__all__ = ["Signature"]


@dataclass(frozen=True)
class Signature:
    """Rows of inputs as they are stored, rows of outputs, and what these are.

    Parameters
    ----------
    stored : tree of Spec
        One row of the features, as the columns hold it.
    made : tree of Spec
        The same as the network takes it.
    outputs : tree of Spec
    gives : tree of str
        "logits", "probabilities", "logarithms" or "values".
    """

    stored: Any
    made: Any
    outputs: Any
    gives: Any

    @classmethod
    def of(cls, model: nn.Module, prepare: Preparation, criterion: Criterion | None) -> Signature:
        """Return the signature of a network for rows that are prepared so.

        Raises
        ------
        ShapeError : it does not take such rows.
        ArgumentError : it gives something else than the criterion takes.
        """
        made = prepare.form.unflatten(prepare.made)
        stored = prepare.form.unflatten(prepare.stored)
        zeros = tree.map(lambda s: np.zeros((1, *s.shape), s.dtype), made)
        with using(training=False):
            found = tree.map(np.asarray, tree.call(model, zeros))
        outputs = tree.map(lambda a: Spec(a.shape[1:], a.dtype.name), found)
        meanings = nn.output_meanings(model, made)
        if criterion is not None:
            try:
                meanings = criterion.meanings(meanings)
            except SandboxError as error:
                add_path(error, type(criterion).__name__)
                raise
        return cls(stored, made, outputs, meanings)

    def state(self) -> dict[str, Any]:
        """Return it as JSON-able data."""
        return {
            "stored": _written(self.stored),
            "made": _written(self.made),
            "outputs": _written(self.outputs),
            "gives": self.gives,
        }

    @classmethod
    def read(cls, state: Mapping[str, Any]) -> Signature:
        """Return what `state` told."""
        stored, made, outputs = (_read(state[name]) for name in ("stored", "made", "outputs"))
        return cls(stored, made, outputs, _plain(state["gives"]))


def _written(specs: Any) -> Any:
    if isinstance(specs, Spec):
        return {"shape": list(specs.shape), "dtype": specs.dtype}
    if isinstance(specs, dict):
        return {"dict": {key: _written(item) for key, item in specs.items()}}
    return {"tuple": [_written(item) for item in specs]}


def _read(written: Any) -> Any:
    if "shape" in written:
        return Spec(tuple(written["shape"]), written["dtype"])
    if "dict" in written:
        return {key: _read(item) for key, item in written["dict"].items()}
    return tuple(_read(item) for item in written["tuple"])


def _plain(gives: Any) -> Any:
    return tuple(map(_plain, gives)) if isinstance(gives, list) else gives
