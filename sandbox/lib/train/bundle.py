"""What comes before a model, the model, and what its outputs mean: kept in one folder."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from operator import itemgetter
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .. import nn
from ..core import tree
from ..core import validate as check
from ..core.errors import ArgumentError, CheckpointError, DataError
from ..data import Scaler, TextEncoder
from ..data.sequences import SequenceDataset
from ..data.trees import arrays
from ..engine.files import Place, locate, write_atomic
from ..engine.oplist import Spec
from ..metrics.metric import part_at
from .batches import rows_at_once
from .model_io import load_model, save_model

__all__ = ["ModelBundle"]

Before: TypeAlias = TextEncoder | Scaler | dict[str, TextEncoder | Scaler | None] | None

_KINDS: dict[str, Any] = {"text": TextEncoder, "scaler": Scaler}
_FILE = "pipeline.json"
_GIVES = ("logits", "probabilities", "logarithms")
_ROUNDING = 1e-6
_LEAST_ROWS = 16  # at once, however long they are


class ModelBundle:
    """A trained model with the encoder or scaler it was trained behind.

    Parameters
    ----------
    before : TextEncoder, Scaler or None, or dict of them
        Turns texts or a table into the model's inputs. A dict for a model of several inputs: data
        are then a dict with the same keys, and what it does not name goes in as it is.
    model : Module
        Gives logits or probabilities: (rows, classes), or (rows, 1) for one yes or no.
    output : str, default=""
        Path of the logits where the model gives several outputs: a key, a place in a tuple.
    labels : list of str, optional
        What the classes are called.
    threshold : float in [0, 1], default=0.5
        From which probability on class 1 is chosen, where there are two.
    gives : "logits", "probabilities" or "logarithms", optional
        What the model's outputs are. By default what its last operations tell
        (`nn.output_meanings`): probabilities behind a softmax or sigmoid, which are taken as they
        are; logits where they tell nothing.

    Raises
    ------
    ArgumentError : an argument is of another kind.

    Notes
    -----
    `save` writes a folder: `pipeline.json`, `model.safetensors`, and the files of `before`. No
    pickle and no code is in it.

    Examples
    --------
    >>> from sandbox.lib.data import Scaler
    >>> import tempfile
    >>> scaler = Scaler.fit({"age": [20, 40], "amount": [1.0, 9.0]}, log=["amount"])
    >>> model = nn.Sequential(fc=nn.Linear(2, 2, rng=0))
    >>> bundle = ModelBundle(scaler, model, labels=["no", "yes"])
    >>> folder = bundle.save(tempfile.mkdtemp() + "/fraud")
    >>> again = ModelBundle.load(folder)
    >>> table = {"amount": [3.0], "age": [25]}
    >>> bool((again.probabilities(table) == bundle.probabilities(table)).all())
    True
    """

    def __init__(
        self,
        before: Before,
        model: nn.Module,
        *,
        labels: Sequence[str] | None = None,
        threshold: float = 0.5,
        output: str = "",
        gives: str | None = None,
    ) -> None:
        for key, step in before.items() if isinstance(before, dict) else [("", before)]:
            if step is not None and not isinstance(step, TextEncoder | Scaler):
                raise ArgumentError(
                    f"ModelBundle: `before` must be a TextEncoder, a Scaler or None; got {step!r}."
                )
            if key and not key.isidentifier():  # it becomes the name of a folder
                raise ArgumentError(
                    f"ModelBundle: `before` must have names of arguments as keys; got {key!r}."
                )
        if not isinstance(model, nn.Module):
            raise ArgumentError(
                f"ModelBundle: `model` must be a Module; got {model!r}. The order is "
                "ModelBundle(encoder_or_scaler, model)."
            )
        if not isinstance(output, str):
            raise ArgumentError(f"ModelBundle: `output` must be text; got {output!r}.")
        try:
            self.threshold = check.in_range("threshold", threshold, 0, 1)
        except ArgumentError:
            raise ArgumentError(
                f"ModelBundle: `threshold` must be in [0, 1]; got {threshold!r}."
            ) from None
        try:
            if labels is not None:
                labels = check.several("labels", labels, "a list of names, one for each class")
        except ArgumentError as error:
            raise ArgumentError(f"ModelBundle: {error}") from None
        self.before, self.model = before, model
        self.labels = None if labels is None else tuple(map(str, labels))
        self.output = output
        self.gives = None if gives is None else check.one_of("gives", gives, _GIVES)
        self._known: tuple[list[Any], Any] | None = None  # parts of the model, its meanings

    def outputs(self, data: Any, *, batch_size: int | None = None) -> Any:
        """Return the model's outputs for texts, a table, an array or a tree of arrays.

        One row each; several outputs in the model's own structure.

        Texts are put into batches of about the same length, and come back in their own order.
        Without `batch_size` 256 rows are run at once, fewer if they are long.
        """
        return self._run(data, batch_size)[0]

    def _run(self, data: Any, batch_size: int | None) -> tuple[Any, Any]:
        """Return the outputs, and what one row of the model's inputs is."""
        if isinstance(self.before, TextEncoder):
            return self._of_texts(self.before, data, batch_size)
        x = self._inputs(data)
        leaves = tree.leaves(x)
        rows = len(leaves[0]) if leaves else 0
        for array in leaves:
            if len(array) != rows:
                raise DataError(
                    "ModelBundle: all inputs must have the same number of rows; got "
                    f"{', '.join(str(len(a)) for a in leaves)}."
                )
        if not rows:
            raise DataError("ModelBundle: there must be at least one row; got 0.")
        size = _rows(batch_size, sum(array[0].size for array in leaves))
        parts = [
            tree.map(
                np.asarray, tree.call(self.model, tree.map(itemgetter(slice(at, at + size)), x))
            )
            for at in range(0, rows, size)
        ]
        row = tree.map(lambda array: Spec(array.shape[1:], array.dtype.name), x)
        return tree.map(lambda *pieces: np.concatenate(pieces), *parts), row

    def _inputs(self, data: Any) -> Any:
        """Return what the model takes: an array or a tree of arrays."""
        if isinstance(self.before, Scaler):
            return self.before.table(data)
        if isinstance(self.before, dict):
            if not isinstance(data, dict) or not set(self.before) <= set(data):
                got = ", ".join(data) if isinstance(data, dict) else type(data).__name__
                raise DataError(
                    f"ModelBundle: data must be a dict with {', '.join(self.before)}; got {got}."
                )
            return {key: _prepared(self.before.get(key), item, key) for key, item in data.items()}
        return _prepared(None, data, "")

    def _of_texts(self, encoder: TextEncoder, texts: Any, size: int | None) -> tuple[Any, Any]:
        ids = encoder.encode(texts)
        if not ids:
            raise DataError("ModelBundle: there must be at least one text; got 0.")
        rows = SequenceDataset(ids, np.zeros(len(ids), np.int64), ids=len(encoder.vocabulary))
        order = rows.order(_rows(size, rows.spec.x.size), seed=0, shuffle=False)
        found: NDArray[np.float32] | None = None
        for k in range(order.steps_per_epoch):
            share = order.batch(0, k)
            made = np.asarray(self.model(rows.batch(share)[0]))
            if found is None:
                found = np.empty((len(ids), *made.shape[1:]), made.dtype)
            found[share[0][1]] = made
        return np.asarray(found), rows.spec.x

    def meaning(self, row: Any) -> str:
        """Return what the outputs are: `gives`, else what the model tells for rows of this form.

        The model is looked at again when it has other parts.
        """
        if self.gives is not None:
            return str(self.gives)
        parts: list[Any] = self.model.parts()
        known = self._known
        if known is None or list(map(id, parts)) != list(map(id, known[0])):
            known = self._known = parts, nn.output_meanings(self.model, row)
        meanings = known[1]
        found = meanings if isinstance(meanings, str) else part_at(meanings, self.output, "output")
        return str(found)

    def probabilities(self, data: Any, *, batch_size: int | None = None) -> NDArray[np.float64]:
        """Return the probability of each class, shape (rows, classes).

        Behind sigmoids of several classes each is by itself, and they do not add up to 1.

        Raises
        ------
        DataError : `gives` says that there are probabilities, and there are none.
        """
        outputs, row = self._run(data, batch_size)
        found = part_at(outputs, self.output, "ModelBundle: output").astype(np.float64)
        meaning = self.meaning(row)
        if meaning in ("probabilities", "logarithms"):
            return _shares(np.exp(found) if meaning == "logarithms" else found)
        if found.ndim == 1 or found.shape[1] == 1:
            column = found.reshape(-1, 1)
            found = np.concatenate((np.zeros_like(column), column), axis=1)
        odds = np.exp(found - found.max(axis=1, keepdims=True))
        return np.asarray(odds / odds.sum(axis=1, keepdims=True))

    def predict(self, data: Any, *, batch_size: int | None = None) -> NDArray[Any]:
        """Return the class of each row: its label if there are any, else its number."""
        found = self.probabilities(data, batch_size=batch_size)
        if found.shape[1] == 2:
            whole = found.sum(axis=1)  # of two sigmoids it is not 1
            whole[np.abs(whole - 1) < _ROUNDING] = 1.0
            chosen = (found[:, 1] >= self.threshold * whole).astype(np.int64)
        else:
            chosen = found.argmax(axis=1)
        named: NDArray[Any] = chosen if self.labels is None else np.array(self.labels)[chosen]
        return named

    def save(self, folder: str | os.PathLike[str]) -> Place:
        """Write everything into a folder, `pipeline.json` last, and return it."""
        place = locate(check.path_like("folder", folder))
        try:
            place.mkdir(parents=True, exist_ok=True)
            (place / _FILE).unlink(missing_ok=True)
            save_model(self.model, place / "model.safetensors")
            if isinstance(self.before, dict):
                for key, step in self.before.items():
                    if step is not None:
                        step.save(place / key)
                kind: Any = {key: _kind(step) for key, step in self.before.items()}
            else:
                kind = _kind(self.before)
                if self.before is not None:
                    self.before.save(place)
            settings = {
                "format": "pipeline 1",
                "before": kind,
                "output": self.output,
                "labels": self.labels,
                "threshold": self.threshold,
                "gives": self.gives,
            }
            write_atomic(place / _FILE, (json.dumps(settings, indent=1) + "\n").encode())
        except OSError as error:
            raise CheckpointError(
                f"{place}: the bundle must be written there; got {error}."
            ) from error
        return place

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> ModelBundle:
        """Read what `save` wrote.

        Raises
        ------
        CheckpointError : a file is missing, damaged or of another kind.
        """
        place = locate(check.path_like("folder", folder))
        try:
            found = json.loads((place / _FILE).read_text(encoding="utf-8"))
            kind = found["before"]
            steps = kind if isinstance(kind, dict) else {"": kind}
            if found["format"] != "pipeline 1" or not all(
                step in (None, *_KINDS) and (key.isidentifier() or steps is not kind)
                for key, step in steps.items()
            ):
                raise KeyError("format")
            labels, threshold = found["labels"], found["threshold"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CheckpointError(
                f"{place}: must be a folder that ModelBundle.save wrote; got {error!r}."
            ) from None
        try:
            read = {k: None if s is None else _KINDS[s].load(place / k) for k, s in steps.items()}
        except DataError as error:
            raise CheckpointError(f"{place}: {error}") from None
        model = load_model(place / "model.safetensors")
        before = read if steps is kind else read[""]
        more = {"output": found.get("output", ""), "gives": found.get("gives")}
        return cls(before, model, labels=labels, threshold=threshold, **more)

    def __repr__(self) -> str:
        return (
            f"ModelBundle({self.before!r}, {type(self.model).__name__}, labels={self.labels}, "
            f"threshold={self.threshold})"
        )


def _kind(step: Any) -> str | None:
    return next((name for name, made in _KINDS.items() if isinstance(step, made)), None)


def _shares(found: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return probabilities of each class; one a row is that of class 1 of two."""
    wrong = ~((found >= -_ROUNDING) & (found <= 1 + _ROUNDING))
    if wrong.any():
        place = tuple(int(k) for k in np.argwhere(wrong)[0])
        raise DataError(
            f"ModelBundle: outputs must be probabilities, in 0..1; got {found[place]:.6g} in row "
            f"{place[0]}. Does the model give logits? use gives='logits'."
        )
    if found.ndim > 1 and found.shape[1] != 1:
        return found
    column = found.reshape(-1, 1)
    return np.concatenate((1 - column, column), axis=1)


def _prepared(step: TextEncoder | Scaler | None, data: Any, key: str) -> Any:
    """Return what one input of several is for the model; integers stay integers."""
    if isinstance(step, TextEncoder):
        return step.padded(data)[0]
    if isinstance(step, Scaler):
        return step.table(data)
    found = arrays(data, f"ModelBundle: data.{key}" if key else "ModelBundle: data")
    return tree.map(lambda a: a.astype(np.float32) if a.dtype.kind == "f" else a, found)


def _rows(asked: int | None, numbers: int) -> int:
    if asked is None:
        return rows_at_once(numbers, least=_LEAST_ROWS)
    return check.positive_int("batch_size", asked)
