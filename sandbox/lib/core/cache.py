"""A bounded store of programs, so that odd last batches and varying lengths are compiled once."""

from __future__ import annotations

import os
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from typing import Any

import numpy as np

from ..engine.oplist import Spec
from . import tree, validate
from .checks import specs_of
from .compile import predict_program, train_program
from .eager_programs import EagerPredictProgram, EagerTrainProgram
from .errors import ArgumentError
from .flat import FlatParameters
from .parameter import Parameter
from .program import PredictProgram, TrainProgram
from .trace import ModuleLike
from .tracing import CriterionLike

VARIABLE = "SANDBOX_PROGRAM_CACHE_MB"
MEGABYTES = 1024
_FLOAT32 = np.dtype(np.float32)


class ProgramCache:
    """Programs by kind, model, shapes, threads, precision; the one not used longest is dropped.

    Parameters
    ----------
    megabytes : int > 0, optional
        How much memory the programs may hold; by default SANDBOX_PROGRAM_CACHE_MB, else 1024.
        What they share (weights, the memory of a run) counts once. The program asked for last is
        kept, however large it is.

    Raises
    ------
    ArgumentError : the size is not a whole number > 0.

    Notes
    -----
    Any number of threads may ask. Of those who ask for the same program one compiles it and the
    others wait; nobody waits for another program. What could not be compiled is tried again.

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

    def __init__(self, megabytes: int | None = None) -> None:
        self.limit = (_megabytes() if megabytes is None else _checked(megabytes)) << 20
        self._programs: OrderedDict[Any, tuple[Any, tuple[Any, ...]]] = OrderedDict()
        self._making: dict[Any, Future[Any]] = {}
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
        checkpointing: str = "off",
    ) -> TrainProgram | EagerTrainProgram:
        """Return the training program for these arrays' (or specs') shapes."""
        dtype = flat.values.dtype
        specs, target_spec = specs_of(inputs, dtype), specs_of(target, dtype)
        trained = tuple(flat.trainable())
        parts = (id(module), id(criterion), id(flat))
        shapes = _key(specs), _key(target_spec)
        key = ("train", *parts, *shapes, threads, precision, checkpointing, trained)
        program: TrainProgram | EagerTrainProgram = self.get(
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
                checkpointing=checkpointing,
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
        parts = _parts(module)
        found = (p.dtype for p in parts if isinstance(p, Parameter) and p.dtype.kind == "f")
        specs = specs_of(inputs, next(found, _FLOAT32))
        program: PredictProgram | EagerPredictProgram = self.get(
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

    def get(self, key: Any, owners: tuple[Any, ...], make: Callable[[], Any]) -> Any:
        """Return what is kept under a key, or make it; the key may hold the owners' ids."""
        while True:
            with self._lock:
                entry = self._programs.get(key)
                if entry is not None:
                    self._programs.move_to_end(key)
                    return entry[0]
                future = self._making.get(key)
                is_maker = future is None
                if future is None:
                    future = self._making[key] = Future()
            if is_maker:
                return self._make(key, owners, make, future)
            try:
                return future.result()
            except CancelledError:
                continue  # the maker was interrupted, which is nobody else's business

    def _make(
        self, key: Any, owners: tuple[Any, ...], make: Callable[[], Any], future: Future[Any]
    ) -> Any:
        try:
            program = make()
        except BaseException as error:
            with self._lock:
                del self._making[key]
            if isinstance(error, Exception):
                future.set_exception(error)
            else:
                future.cancel()
            raise
        with self._lock:
            # The owners are kept with the entry: an id stays theirs while it is in the key.
            self._programs[key] = program, owners
            del self._making[key]
        future.set_result(program)
        self._trim()
        return program

    def _trim(self) -> None:
        """Drop programs, the one not used longest first, until the others hold little enough."""
        with self._lock:
            held = [(key, program) for key, (program, _) in self._programs.items()]
        pieces = [(key, program, _pieces(program)) for key, program in held]
        users = Counter(piece for _, _, found in pieces for piece in found)
        total = sum({piece: n for _, _, found in pieces for piece, n in found.items()}.values())
        for key, program, found in pieces[:-1]:
            if total <= self.limit:
                break
            with self._lock:
                entry = self._programs.get(key)
                if entry is None or entry[0] is not program:
                    continue
                if key == next(reversed(self._programs)):  # asked for in the meantime
                    continue
                del self._programs[key]
            users.subtract(found.keys())
            total -= sum(n for piece, n in found.items() if not users[piece])

    @property
    def nbytes(self) -> int:
        """How much memory the programs hold."""
        with self._lock:
            programs = [program for program, _ in self._programs.values()]
        found: dict[int, int] = {}
        for program in programs:
            found |= _pieces(program)
        return sum(found.values())

    def programs(self) -> list[Any]:
        """Return all that is kept."""
        with self._lock:
            return [program for program, _ in self._programs.values()]

    def clear(self) -> None:
        """Drop all programs."""
        with self._lock:
            self._programs.clear()

    def __len__(self) -> int:
        return len(self._programs)


def _pieces(program: Any) -> dict[int, int]:
    """Return what a program holds: bytes by the identity of what holds them."""
    pieces = getattr(program, "pieces", None)  # what runs eagerly holds nothing
    return {} if pieces is None else {id(piece): nbytes for piece, nbytes in pieces()}


def _checked(megabytes: int) -> int:
    return validate.positive_int("megabytes", megabytes)


def _megabytes() -> int:
    """Return the limit the environment asks for."""
    asked = os.environ.get(VARIABLE, "")
    if not asked:
        return MEGABYTES
    if not asked.isdecimal() or int(asked) < 1:
        raise ArgumentError(
            f"{VARIABLE} must be a whole number of megabytes > 0; got {asked!r}. "
            f"Without it, programs may hold {MEGABYTES} MB."
        )
    return int(asked)


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
