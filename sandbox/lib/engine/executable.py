"""A compiled program with memory: a flat list of calls."""

from __future__ import annotations

import threading
import time
from collections.abc import Hashable, Iterator, Sequence
from functools import partial
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from . import dnnl, nan, threads
from .bindings import Bindings, RunState
from .blueprint import Allocation, Blueprint, Step
from .errors import EngineError
from .memory import Workspace, aligned
from .nan import NanNoticed
from .random import RandomKey
from .steps import Array, InputCheck, StepInfo, Storage, bind, stored
from .subnormal import Flushed, FlushToZero
from .weights import STORE, Prepared, Versions

STEP_BYTES = 2 << 10  # of a step's call: arguments, memory objects
_streams: list[Any] = []  # its methods are atomic: a program may die in the midst of them
_workspaces: WeakValueDictionary[Hashable, Workspace] = WeakValueDictionary()
_workspaces_lock = threading.Lock()


def _take_stream() -> Any:
    try:
        return _streams.pop()
    except IndexError:
        return dnnl.new_stream()


def _workspace(blueprint: Blueprint, storage: Storage, owner: Hashable) -> Workspace:
    """Return memory for what lives within a run; programs of the same owner or gradients share it.

    They never run at the same time, and six programs for six lengths of texts, each with memory of
    its own, would drive one another out of the processor's caches: 1.2 times the time.
    """
    if blueprint.oplist.gradients:
        name, _ = blueprint.oplist.gradients[0]
        owner = storage[f"gradient:{name}"].ctypes.data
    if owner is None:
        return Workspace(blueprint.run_bytes)
    with _workspaces_lock:
        return _workspaces.setdefault(owner, Workspace())


class NativeExecutable:
    """A program that runs: primitives are shared with its clones, memory is its own.

    One thread may run it at a time. Outputs are valid until the next run. Weights in the layouts of
    the kernels are shared with all programs that read the same arrays, as far as `versions` tells
    (by key of the storage) when their numbers change.
    """

    def __init__(
        self,
        blueprint: Blueprint,
        storage: Storage,
        workspace: Workspace | None = None,
        owner: Hashable = None,
        versions: Versions | None = None,
    ) -> None:
        self.steps: list[StepInfo] = [step.info() for step in blueprint.steps]
        self._blueprint = blueprint
        self._check_inputs = InputCheck(blueprint.oplist)
        self._storage = dict(storage)
        self._stream = _take_stream()
        self._context = RunState()
        self._flushed = Flushed()
        self._fixed = self._bind(storage)
        self._own: dict[Allocation, Array] = {}
        self._versions = versions
        self._prepared: list[Prepared | None] = [None] * len(blueprint.prologue)
        self._keys: list[Hashable] = [None] * len(blueprint.prologue)
        self._bindings: Bindings | None = None
        self._owner = owner
        self._keeping: NativeExecutable | None = None
        self._by_numbers = blueprint.keeping is not None and blueprint.by_numbers
        self._watched = nan.joined(self._numbers()) if self._by_numbers else []
        self._spoilt = False  # parameters that stay the same until the next refresh hold NaN
        self._workspace = workspace or _workspace(blueprint, storage, owner)
        self._workspace.admit(self, blueprint.run_bytes)
        self.refresh_parameters()

    def __del__(self) -> None:
        if _streams is not None:  # else the interpreter ends
            _streams.append(self._stream)

    # -- memory ------------------------------------------------------------------------------

    def _bind(self, storage: Storage) -> dict[str, Array]:
        oplist = self._blueprint.oplist
        found: dict[str, Array] = {}
        by_value = bind(oplist, storage)
        for kind, pairs in (("parameter", oplist.parameters), ("buffer", oplist.buffers)):
            found |= {f"{kind}:{name}": by_value[value] for name, value in pairs}
        for index, (_, value) in enumerate(oplist.constants):
            found[f"constant:{index}"] = by_value[value]
        for kind, pairs in (("gradient", oplist.gradients), ("buffer", oplist.updates)):
            for name, value in pairs:
                found[f"{kind}:{name}"] = stored(storage, kind, name, oplist.values[value])
        return found

    def _numbers(self) -> list[Array]:
        """Return parameters, buffers and constants."""
        gradients = {f"gradient:{name}" for name, _ in self._blueprint.oplist.gradients}
        return [array for key, array in self._fixed.items() if key not in gradients]

    def _bound(self) -> Bindings:
        """Return the calls, after binding them if the workspace has moved."""
        bindings = self._bindings
        if bindings is None:
            bindings = self._bind_calls()
            if None in self._prepared:
                self._prepare(bindings)
        return bindings

    def _bind_calls(self) -> Bindings:
        bindings = self._bindings = Bindings(
            self._blueprint,
            self._workspace.memory,
            self._own,
            self._fixed,
            self._stream,
            self._context,
        )
        for step, prepared in zip(self._blueprint.prologue, self._prepared, strict=True):
            _place(bindings, step, prepared)
        return bindings

    def leave(self) -> None:
        """Give the workspace's memory up; the next run finds where it is then."""
        self._bindings = None

    # -- running -----------------------------------------------------------------------------

    def run(self, inputs: Sequence[Array], *, random: RandomKey | None = None) -> list[Array]:
        """Run once and return the outputs in the list's order, valid until the next run."""
        self._check_inputs(inputs)
        return self.run_checked(inputs, random=random)

    def run_checked(
        self, inputs: Sequence[Array], *, random: RandomKey | None = None
    ) -> list[Array]:
        """Run on inputs whose shapes and dtypes are known to be the list's."""
        if threads.has_lost_helpers():
            return threads.run_in_worker(self.run_checked, inputs, random=random)
        if self._by_numbers and self._may_lose(inputs):
            return self._keep_nan(inputs, random)
        threads.apply(self._blueprint.threads)
        bindings = self._bindings or self._bound()
        held = [slot.point(array) for slot, array in zip(bindings.inputs, inputs, strict=True)]
        self._context.random = random
        try:
            self._run(bindings)
        except NanNoticed:
            return self._keep_nan(inputs, random)
        del held  # a contiguous copy of an input has to live until here
        return list(bindings.results)

    def _may_lose(self, inputs: Sequence[Array]) -> bool:
        """Return whether NaN or infinity goes into a run."""
        oplist = self._blueprint.oplist
        if (oplist.gradients or oplist.updates) and not nan.finite(self._watched):
            return True
        return self._spoilt or not nan.finite(inputs)

    def _keep_nan(self, inputs: Sequence[Array], random: RandomKey | None) -> list[Array]:
        """Run by kernels that keep NaN; they are slower, and made when NaN first comes up."""
        if self._keeping is None:
            make = self._blueprint.keeping
            if make is None:
                raise EngineError("engine: the program must have a variant that keeps NaN.")
            self._keeping = NativeExecutable(
                make(), self._storage, owner=self._owner, versions=self._versions
            )
        return self._keeping.run(inputs, random=random)

    def run_into(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> None:
        """Run once on checked inputs, writing into the given arrays (eager execution).

        Raises `NanNoticed` where NaN may be lost; then the arrays hold nothing of use.
        """
        if self._by_numbers and not nan.finite(inputs):
            raise NanNoticed
        threads.apply(self._blueprint.threads)
        bindings = self._bound()
        held = [slot.point(array) for slot, array in zip(bindings.inputs, inputs, strict=True)]
        held += [slot.point(array) for slot, array in zip(bindings.outputs, outputs, strict=True)]
        self._run(bindings)
        del held  # a contiguous copy of an input has to live until here

    def _run(self, bindings: Bindings) -> None:
        if bindings.by_numpy:  # kernels are silent about NaN and infinity
            with np.errstate(all="ignore"):
                self._call(bindings)
        else:
            self._call(bindings)

    def _call(self, bindings: Bindings) -> None:
        flushed = self._flushed
        flushed.begin()
        try:
            for call, arguments in bindings.calls:
                if call(*arguments):
                    self._fail(bindings, call, arguments)
        finally:
            flushed.end()

    def _fail(self, bindings: Bindings, call: Any, arguments: Any) -> None:
        position = next(i for i, item in enumerate(bindings.calls) if item[1] is arguments)
        step = bindings.makers[position]
        if step is None or step.primitive is None:
            raise NanNoticed  # a look at the flag, or at the numbers
        shapes = ", ".join(str(tensor.layout or tensor.shape) for _, tensor in step.arguments)
        where = f"{step.path} ({step.name})" if step.path else step.name
        status = call(*arguments)
        dnnl.check(status or 5, where, f"{step.primitive} of {shapes}")

    def clone(self, storage: Storage | None = None, owner: Hashable = None) -> NativeExecutable:
        """Return a copy with its own memory, for another thread; it may have its own storage."""
        if storage is None and owner is None:
            own = Workspace(self._blueprint.run_bytes)
            return NativeExecutable(self._blueprint, self._storage, own, versions=self._versions)
        if storage is None:
            return NativeExecutable(
                self._blueprint, self._storage, owner=owner, versions=self._versions
            )
        return NativeExecutable(self._blueprint, storage, owner=owner)

    def refresh_parameters(self) -> None:
        """Take over changed weights; needed after a change unless the program trains."""
        if threads.has_lost_helpers():
            return threads.run_in_worker(self.refresh_parameters)
        threads.apply(self._blueprint.threads)
        self._context.refreshed += 1
        self._prepare(self._bindings or self._bind_calls())
        self._notice_spoilt()
        if self._keeping is not None:
            self._keeping.refresh_parameters()
        return None

    def _notice_spoilt(self) -> None:
        self._spoilt = bool(self._watched) and not nan.finite(self._watched)

    # -- what is prepared before the first run -----------------------------------------------

    def _prepare(self, bindings: Bindings) -> None:
        """Get what depends on constants and weights from the store, or make it for the store."""
        prologue = self._blueprint.prologue
        makers = {
            allocation: (position, number)
            for position, step in enumerate(prologue)
            for number, allocation in enumerate(step.made)
        }
        tokens: dict[Allocation, Hashable] = {}
        with FlushToZero():
            try:
                for position, step in enumerate(prologue):
                    read = [tensor.allocation for tensor in step.reads]
                    key = (
                        step.recipe,
                        tuple([self._token(allocation, makers, tokens) for allocation in read]),
                    )
                    if self._keys[position] == key and self._prepared[position] is not None:
                        continue
                    # Let go first: the last user of a large weight would else hold it twice.
                    self._prepared[position] = None
                    _place(bindings, step, None)
                    sources = step, [self._fixed.get(allocation.key) for allocation in read]
                    make = partial(self._make, bindings, position)
                    self._keys[position] = key
                    self._prepared[position] = prepared = STORE.get(key, sources, make)
                    _place(bindings, step, prepared)
            except BaseException:
                self._bindings = None  # its calls point at memory that is gone
                self._prepared = [None] * len(prologue)
                raise

    def _token(
        self,
        allocation: Allocation,
        makers: dict[Allocation, tuple[int, int]],
        tokens: dict[Allocation, Hashable],
    ) -> Hashable:
        """Return what stands for an allocation's present contents."""
        if allocation in makers:
            position, number = makers[allocation]
            return self._prepared[position], number
        token = tokens.get(allocation)
        if token is None:
            token = tokens[allocation] = self._source(allocation)
        return token

    def _source(self, allocation: Allocation) -> Hashable:
        if allocation.kind == "constant":
            return self._blueprint.digest(allocation.index)
        version = (self._versions or {}).get(allocation.key)
        if version is None:
            return object()  # nobody tells when it changes: not to be shared
        return self._fixed[allocation.key].ctypes.data, version, version.count

    def _make(self, bindings: Bindings, position: int) -> list[Array]:
        """Run a step that prepares, into blocks of its own."""
        step = self._blueprint.prologue[position]
        blocks = [aligned(allocation.nbytes) for allocation in step.made]
        for allocation, block in zip(step.made, blocks, strict=True):
            bindings.point_kept(allocation, block)
        call, arguments = bindings.prologue(position)
        if call(*arguments):
            dnnl.check(5, step.name, f"{step.primitive}")
        return blocks

    def pieces(self) -> Iterator[tuple[object, int]]:
        """Yield what the program holds in memory, with its bytes; programs share some of it."""
        yield self._workspace, self._workspace.used
        yield from self._blueprint.pieces()
        yield (
            self,
            sum(
                block.nbytes
                for allocation, block in self._own.items()
                if allocation.kind == "output"
            )
            + STEP_BYTES * len(self.steps),
        )
        for prepared in self._prepared:
            if prepared is not None:
                yield prepared, prepared.nbytes

    def profile(self, inputs: Sequence[Array], repeats: int = 5) -> list[StepInfo]:
        """Run a few times and return the steps with their best times."""
        if threads.has_lost_helpers():
            return threads.run_in_worker(self.profile, inputs, repeats)
        self.run(inputs, random=RandomKey(0))
        bindings = self._bound()
        pairs = zip(bindings.calls, bindings.makers, strict=True)
        calls = [call for call, maker in pairs if maker is not None]
        best = [float("inf")] * len(calls)
        with FlushToZero():
            for position, (call, arguments) in repeats * list(enumerate(calls)):
                start = time.perf_counter()
                call(*arguments)
                best[position] = min(best[position], time.perf_counter() - start)
        return [
            StepInfo(step.name, step.path, step.implementation, step.layouts, seconds)
            for step, seconds in zip(self.steps, best, strict=True)
        ]


def _place(bindings: Bindings, step: Step, prepared: Prepared | None) -> None:
    blocks = prepared.blocks if prepared is not None else None
    for number, allocation in enumerate(step.made):
        bindings.point_kept(allocation, blocks[number] if blocks else None)
