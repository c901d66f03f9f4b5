"""A model that scores: sent to the workers once, held there, run in batches of one size."""

from __future__ import annotations

import hashlib
import io
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from ... import engine, nn
from ...core import predict_program, tree
from ...core.errors import ShapeError
from ...core.parameter import without_values
from ...engine.oplist import Spec
from ...engine.plan import KernelPlan
from ...train.batches import rows_at_once
from ...train.model_io import fill
from ...train.tensors import Reader, write
from ..rows.travel import pack, unpack

__all__ = ["Runner", "Sent", "planned", "send", "take"]

logger = logging.getLogger("sandbox.spark")

_KEPT = 4  # models that a process holds, and that a context has broadcast
_KIND = "model"


class Runner:
    """Runs a model forward in batches of one size, the last one padded.

    A row's outputs then depend on nothing but the row: kernels round differently for other numbers
    of rows, but do the same for each row of a batch.

    Parameters
    ----------
    model : Module
    plan : str
        The kernel plan as JSON: all processes go by the same.
    batch_size : int or None
        Rows that are run at once; None for as many as suit the size of a row.
    precision : "f32" or "bf16"
    """

    def __init__(self, model: nn.Module, plan: str, batch_size: int | None, precision: str) -> None:
        self.model = model
        self.batch_size, self.precision = batch_size, precision
        self._plan = KernelPlan.from_json(plan)
        self._parts: list[Any] = model.parts()
        self._programs: dict[Any, Any] = {}

    def fits(self) -> bool:
        """Tell whether the model still has the parts that the programs were made of."""
        return list(map(id, self.model.parts())) == list(map(id, self._parts))

    def __call__(self, x: Any) -> Any:
        """Return the outputs for an array or a tree of arrays, one row each."""
        leaves, form = tree.flatten(x)
        rows = len(leaves[0])
        size = self.batch_size or fitting_rows(x)
        batch = [Spec((size, *array.shape[1:]), array.dtype.name) for array in leaves]
        parts = []
        with engine.threads.limit(1):  # a task has one core
            run = self._program(form, batch).run
            for start in range(0, rows, size):
                piece = [_padded(array[start : start + size], size) for array in leaves]
                count = min(size, rows - start)
                parts.append(tree.map(partial(_rows, count, size), run(form.unflatten(piece))))
        return parts[0] if len(parts) == 1 else tree.map(lambda *p: np.concatenate(p), *parts)

    def _program(self, form: tree.Structure, batch: list[Spec]) -> Any:
        """Return the program for such batches; to look it up by the model's parts costs more."""
        key = (form, *batch)
        if key not in self._programs:
            self._programs[key] = predict_program(
                self.model,
                None,
                form.unflatten(batch),
                threads=1,
                plan=self._plan,
                precision=self.precision,
            )
        return self._programs[key]


def fitting_rows(x: Any) -> int:
    """Return how many rows are run at once, from how large the rows of a tree of arrays are."""
    return rows_at_once(sum(int(np.prod(a.shape[1:])) for a in tree.leaves(x)), least=1)


def _padded(array: NDArray[Any], size: int) -> NDArray[Any]:
    """Return an array of so many rows; those that are missing are like the first."""
    missing = size - len(array)
    if not missing:
        return array
    more = np.broadcast_to(array[:1], (missing, *array.shape[1:]))
    return np.concatenate([array, more])


def _rows(count: int, size: int, output: Any) -> NDArray[Any]:
    array = np.asarray(output)
    if array.ndim < 1 or len(array) != size:
        raise ShapeError(
            f"scoring: the model must give one row of output for each of {size} rows of input; got "
            f"an output of shape {array.shape}."
        )
    return np.array(array[:count])


_plans: WeakKeyDictionary[nn.Module, dict[Any, str]] = WeakKeyDictionary()


def planned(model: nn.Module, row: Any, batch_size: int | None, precision: str) -> str:
    """Return a kernel plan for a model, timed where rows are known, as JSON; always the same.

    Parameters
    ----------
    row : tree of Spec, or None
        What one row of the model's inputs is. Of rows that nobody knows nothing is timed: each
        kernel is then the first that can do it.
    """
    key = str(row), batch_size, precision
    known = _plans.setdefault(model, {})
    if key in known:
        return known[key]
    plan = KernelPlan(behind=engine.default_plan())
    if row is not None:
        numbers = sum(spec.size for spec in tree.leaves(row))
        size = batch_size or rows_at_once(numbers, least=1)
        batch = tree.map(lambda spec: Spec((size, *spec.shape), spec.dtype), row)
        predict_program(model, None, batch, threads=1, plan=plan, precision=precision)
        engine.default_plan().merge(plan)
    known[key] = plan.to_json()
    return known[key]


# On the way ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sent:
    """A model on its way: what a task holds of it.

    Parameters
    ----------
    digest : str
        Tells this model, with these weights, from all others.
    parcel : Broadcast of (structure, weights, plan)
    batch_size, precision : see `Runner`.
    """

    digest: str
    parcel: Any
    batch_size: int | None
    precision: str


_broadcasts: WeakKeyDictionary[Any, OrderedDict[str, Any]] = WeakKeyDictionary()
_sending = threading.Lock()


def send(context: Any, model: nn.Module, plan: str, batch_size: int | None, precision: str) -> Sent:
    """Broadcast a model as it is now; one that has been broadcast already is not sent again."""
    variables: dict[str, Any] = {f"parameter/{k}": v for k, v in model.named_parameters()}
    variables |= {f"buffer/{k}": v for k, v in model.named_buffers()}
    with without_values(variables.values()):
        structure = pack(model, what="the model")
    file = io.BytesIO()
    write(file, {}, {name: v.data for name, v in variables.items()}, _KIND)
    whole = hashlib.blake2b(digest_size=16)
    for part in (structure, file.getbuffer(), plan.encode(), f"{batch_size} {precision}".encode()):
        whole.update(part)
    digest = whole.hexdigest()
    with _sending:
        known = _broadcasts.setdefault(context, OrderedDict())
        if digest not in known:
            known[digest] = context.broadcast((structure, file.getvalue(), plan))
            if len(known) > _KEPT:
                known.popitem(last=False)  # what still scores holds its own
        known.move_to_end(digest)
        return Sent(digest, known[digest], batch_size, precision)


_held: OrderedDict[str, Runner] = OrderedDict()
_holding = threading.Lock()


def take(sent: Sent) -> Runner:
    """Return what runs a model that was sent; it is loaded once in each process."""
    return _kept(sent.digest, lambda: _load(sent))


def _kept(digest: str, load: Callable[[], Runner]) -> Runner:
    with _holding:
        if digest not in _held:
            _held[digest] = load()
            if len(_held) > _KEPT:
                _held.popitem(last=False)
        _held.move_to_end(digest)
        return _held[digest]


def _load(sent: Sent) -> Runner:
    structure, weights, plan = sent.parcel.value
    model: nn.Module = unpack(structure)
    reader = Reader(io.BytesIO(weights), _KIND, "the broadcast model")
    fill(model, {name: reader.read(name) for name in reader.places}, "the broadcast model")
    logger.info("model %s is loaded for scoring", sent.digest)
    return Runner(model, plan, sent.batch_size, sent.precision)
