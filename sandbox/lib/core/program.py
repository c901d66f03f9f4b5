"""Programs: a module made into a list of native calls for fixed shapes (see `compile`)."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any
from weakref import WeakSet

import numpy as np

from .. import engine
from ..engine.random import RandomKey
from . import tree
from .checks import Inputs, bad_loss, borrowed, moved
from .flat import FlatParameters
from .parameter import Buffer, Parameter, Version
from .trace import ModuleLike
from .tracing import CriterionLike, Traced
from .value import Array


class TrainProgram:
    """One step's forward pass, loss and backward pass, for fixed shapes.

    Made by `train_program`. Belongs to one thread at a time; `clone` makes one for another thread.
    """

    reason: str | None = None

    def __init__(
        self,
        traced: Traced,
        executable: engine.Executable,
        criterion: CriterionLike,
        flat: FlatParameters,
        input_specs: tree.Tree,
        target_spec: tree.Tree,
    ) -> None:
        oplist = traced.oplist
        self.oplist = oplist
        self.executable = executable
        self.flat = flat
        self._traced = traced
        self._criterion = criterion
        self._inputs = Inputs(input_specs, "input")
        self._target = Inputs(target_spec, "target")
        reached = {name for name, _ in oplist.gradients}
        self._unreached = [flat.gradient(name) for name in flat.views if name not in reached]
        self._output = _Output(traced, 1)
        # Without gradients the engine takes it for inference and keeps what weights alone give.
        self._is_fixed = not (oplist.gradients or oplist.updates)
        self._version = flat.version

    def run(
        self, inputs: tree.Tree, target: tree.Tree, random: RandomKey | None = None
    ) -> tuple[float, float, tree.Tree]:
        """Compute the loss and fill `flat.gradients` and `flat.buffers`.

        Parameters
        ----------
        inputs : tree of arrays
            A tuple for arguments by place, a dict for arguments by name.
        target : tree of arrays
        random : RandomKey, optional
            Needed if the module has dropout.

        Returns
        -------
        (loss_sum, weight_sum, output): the gradients are those of loss_sum. `output` is what the
        module gives, with arrays that are valid until the next run.

        Raises
        ------
        ShapeError : structure, shape or dtype of an input differ from the program's.
        DataError : a label is out of range, or an input holds NaN.
        TrainingError : the loss is not a finite number.
        """
        arrays, goals = self._checked(inputs, target)
        for gradient in self._unreached:
            gradient.fill(0)
        if self._is_fixed and self._version != self.flat.version:
            self._version = self.flat.version
            self.executable.refresh_parameters()
        results = self.executable.run_checked(arrays + goals, random=random)
        loss = float(results[0])
        output = self._output.of(results)
        if not math.isfinite(loss):
            look = partial(self._criterion.check_output, output)
            named = (*self._inputs.named(arrays), *self._target.named(goals))
            raise bad_loss(loss, named, self.flat, look)
        return loss, self._criterion.weight(self._target.tree_of(goals)), output

    def check(self, inputs: tree.Tree, target: tree.Tree) -> list[Array]:
        """Return inputs and target as the executable takes them, or raise as `run` does."""
        arrays, goals = self._checked(inputs, target)
        return arrays + goals

    def _checked(self, inputs: tree.Tree, target: tree.Tree) -> tuple[list[Array], list[Array]]:
        arrays, goals = self._inputs.check(inputs), self._target.check(target)
        if self.flat.retired:
            raise moved()
        return arrays, goals

    def pieces(self) -> Iterable[tuple[object, int]]:
        """Give what the program holds in memory, with its bytes."""
        return self.executable.pieces()

    def clone(self, flat: FlatParameters) -> TrainProgram:
        """Return a program for another thread, bound to `flat` (see `FlatParameters.replica`)."""
        return TrainProgram(
            self._traced,
            self.executable.clone(flat.storage()),
            self._criterion,
            flat,
            self._inputs.specs,
            self._target.specs,
        )


class _Output:
    """How the module's output is put together from what an executable gives."""

    def __init__(self, traced: Traced, first: int) -> None:
        self._structure = traced.output
        self._first = first
        self._alone = traced.output.is_leaf
        self._copied = [place for place in borrowed(traced.oplist) if place >= first]

    def of(self, results: list[Array]) -> tree.Tree:
        """Return the output; nothing in it is an array that later runs read."""
        first = self._first
        for place in self._copied:
            results[place] = np.array(results[place])
        return results[first] if self._alone else self._structure.unflatten(results[first:])


class _Local(threading.local):
    """What a thread has of a program of inference."""

    own: engine.Executable  # there once `count` has been set
    count = -1  # of all changes of the parameters it has taken over
    latest = -1  # `Version.latest` when this was looked at


class PredictProgram:
    """A module's inference for fixed shapes; any number of threads may run it.

    Made by `predict_program`. Changed parameters are taken over by themselves.
    """

    reason: str | None = None

    def __init__(
        self,
        traced: Traced,
        module: ModuleLike,
        flat: FlatParameters | None,
        input_specs: tree.Tree,
        threads: int,
        plan: Any,
        precision: str,
    ) -> None:
        self.oplist = traced.oplist
        self._inputs = Inputs(input_specs, "input")
        self._output = _Output(traced, 0)
        self._module = module
        self._flat = flat
        self._threads = threads
        self._plan = plan
        self._precision = precision
        self._lock = threading.Lock()
        self._bind()

    @property
    def executable(self) -> engine.Executable:
        """The compiled list of the thread that made the program."""
        return self._first

    def _bind(self) -> None:
        storage, versions = _storage(self._module, self._flat)
        self._versions = list(dict.fromkeys(versions.values()))
        self._count = sum(version.count for version in self._versions)
        self._first = engine.compile(
            self.oplist,
            storage,
            threads=self._threads,
            plan=self._plan,
            precision=self._precision,
            owner=_this_thread(),
            versions=versions,
        )
        self._all = WeakSet([self._first])
        self._local = _Local()
        self._local.own = self._first
        self._local.count = self._count

    def _mine(self) -> engine.Executable:
        """Return this thread's executable, with the present parameters."""
        local = self._local
        if local.latest != Version.latest:
            latest = Version.latest  # before the look: what moves meanwhile is seen next time
            if local.count != sum([version.count for version in self._versions]):
                local = self._refresh()
            local.latest = latest
        return local.own

    def _refresh(self) -> _Local:
        """Take the present parameters over into this thread's executable."""
        with self._lock:
            if any(version.retired for version in self._versions):
                self._bind()
            count = sum([version.count for version in self._versions])
            local = self._local
            if local.count < 0:
                local.own = self._first.clone(owner=_this_thread())
                self._all.add(local.own)
            local.own.refresh_parameters()
            local.count = count
        return local

    def run(self, inputs: tree.Tree) -> tree.Tree:
        """Return what the module gives, valid until this thread's next run.

        Parameters
        ----------
        inputs : tree of arrays
            As for `TrainProgram.run`.
        """
        return self._output.of(self._mine().run_checked(self._inputs.check(inputs)))

    def compute(self, arrays: list[Array], random: RandomKey | None) -> list[Array]:
        """Return what the executable gives for its inputs, unchecked; valid until the next run."""
        return self._mine().run(arrays, random=random)

    def pieces(self) -> Iterator[tuple[object, int]]:
        """Yield what the program holds in memory, in all threads, with its bytes."""
        with self._lock:
            executables = list(self._all)
        for executable in executables:
            yield from executable.pieces()

    def check(self, inputs: tree.Tree, target: None = None) -> list[Array]:
        """Return inputs as the executable takes them, or raise as `run` does."""
        return self._inputs.check(inputs)


def _this_thread() -> tuple[str, int]:
    """Return the owner of the memory in which all inference of this thread is done."""
    return "inference", threading.get_ident()


def _storage(
    module: ModuleLike, flat: FlatParameters | None
) -> tuple[dict[str, Array], dict[str, Version]]:
    if flat is not None:
        storage = flat.storage()
        return storage, dict.fromkeys(storage, flat._version)
    storage = {}
    versions: dict[str, Version] = {}

    def variables() -> Iterator[tuple[str, Parameter | Buffer]]:
        for name, parameter in module.named_parameters():
            yield f"parameter:{name}", parameter
        for name, buffer in module.named_buffers():
            yield f"buffer:{name}", buffer

    for key, variable in variables():
        storage[key] = variable._array
        versions[key] = variable._version
    return storage, versions
