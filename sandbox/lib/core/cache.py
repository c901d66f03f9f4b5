"""A bounded store of programs, so that odd last batches and varying lengths are compiled once."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from ..engine.oplist import Spec
from . import tree, validate
from .checks import model_dtype, specs_of
from .eager_programs import EagerPredictProgram, EagerTrainProgram
from .flat import FlatParameters
from .program import PredictProgram, TrainProgram, predict_program, train_program
from .trace import CriterionLike, ModuleLike


class ProgramCache:
    """Programs by kind, model, shapes, threads, precision; the one not used longest is dropped.

    Parameters
    ----------
    maxsize : int > 0
        How many programs are kept.

    Examples
    --------
    >>> import numpy as np
    >>> from sandbox.lib import core, nn
    >>> cache, model = core.ProgramCache(), nn.Sequential(fc=nn.Linear(2, 3))
    >>> x = np.ones((4, 2), "float32")
    >>> cache.predict(model, x).run(x).shape
    (4, 3)
    >>> cache.predict(model, x) is cache.predict(model, x)
    True
    """

    def __init__(self, maxsize: int = 16) -> None:
        self.maxsize = validate.positive_int("maxsize", maxsize)
        self._programs: OrderedDict[Any, Any] = OrderedDict()
        self._lock = threading.Lock()

    def train(
        self,
        module: ModuleLike,
        criterion: CriterionLike,
        flat: FlatParameters,
        inputs: Any,
        target: Any,
        *,
        threads: int = 1,
        plan: Any = None,
        precision: str = "f32",
    ) -> TrainProgram | EagerTrainProgram:
        """Return the training program for these arrays' (or specs') shapes."""
        dtype = flat.values.dtype
        specs, target_spec = specs_of(inputs, dtype), specs_of(target, dtype)
        trained = tuple(flat.trainable())
        parts = (id(module), id(criterion), id(flat))
        shapes = _key(specs), _key(target_spec)
        key = ("train", *parts, *shapes, threads, precision, trained)
        program: TrainProgram | EagerTrainProgram = self._get(
            key,
            (module, criterion, flat),
            lambda: train_program(
                module,
                criterion,
                flat,
                specs,
                target_spec,
                threads=threads,
                plan=plan,
                precision=precision,
            ),
        )
        return program

    def predict(
        self,
        module: ModuleLike,
        inputs: Any,
        *,
        flat: FlatParameters | None = None,
        threads: int = 1,
        plan: Any = None,
        precision: str = "f32",
    ) -> PredictProgram | EagerPredictProgram:
        """Return the inference program for these arrays' (or specs') shapes.

        A module whose parts were exchanged (`model.fc = nn.Linear(...)`) gets a new program.
        """
        specs = specs_of(inputs, model_dtype(module))
        parts = _parts(module)
        program: PredictProgram | EagerPredictProgram = self._get(
            (
                "predict",
                id(module),
                id(flat),
                _key(specs),
                threads,
                precision,
                tuple(map(id, parts)),
            ),
            (module, flat, parts),
            lambda: predict_program(
                module, flat, specs, threads=threads, plan=plan, precision=precision
            ),
        )
        return program

    def _get(self, key: Any, owners: tuple[Any, ...], make: Callable[[], Any]) -> Any:
        with self._lock:
            entry = self._programs.get(key)
            if entry is None:
                # The owners are kept with the entry: an id stays theirs while it is in the key.
                entry = (make(), owners)
                self._programs[key] = entry
                if len(self._programs) > self.maxsize:
                    self._programs.popitem(last=False)
            else:
                self._programs.move_to_end(key)
            return entry[0]

    def clear(self) -> None:
        """Drop all programs."""
        with self._lock:
            self._programs.clear()

    def __len__(self) -> int:
        return len(self._programs)


def _parts(module: ModuleLike) -> list[Any]:
    """Return all modules, parameters and buffers inside."""
    walk = getattr(module, "parts", None)
    if walk is not None:
        return list(walk())
    return [part for _, part in (*module.named_parameters(), *module.named_buffers())]


def _key(specs: tree.Tree) -> Any:
    if type(specs) is Spec:
        return specs
    leaves, structure = tree.flatten(specs)
    return (structure, *leaves)
