"""Programs: a module made into a list of native calls for fixed shapes, and what stands in for one.

`train_program` and `predict_program` trace and compile. What cannot be traced, or everything with
SANDBOX_EAGER=1, gets an eager stand-in with the same `run`; its `reason` says why.
"""

from __future__ import annotations

import logging
import math
import os
import threading
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from .. import engine
from ..engine.oplist import OpList, Spec
from ..engine.random import RandomKey
from .checks import Inputs, bad_loss, classes_of, moved
from .eager import EagerPredictProgram, EagerTrainProgram
from .errors import ArgumentError, SandboxError, TraceError
from .flat import FlatParameters
from .ops.loss import check_labels
from .parameter import Buffer, Parameter, Version
from .trace import CriterionLike, ModuleLike, trace_inference, trace_training
from .value import Array

Specs = Spec | Sequence[Spec]

_log = logging.getLogger("sandbox.core")


class TrainProgram:
    """One step's forward pass, loss and backward pass, for fixed shapes.

    Made by `train_program`. Belongs to one thread at a time; `clone` makes one for another thread.
    """

    reason: str | None = None

    def __init__(
        self,
        oplist: OpList,
        executable: engine.Executable,
        criterion: CriterionLike,
        flat: FlatParameters,
        input_specs: tuple[Spec, ...],
        target_spec: Spec,
    ) -> None:
        self.oplist = oplist
        self.executable = executable
        self.flat = flat
        self._criterion = criterion
        names = [f"input {name!r}" for name, _ in oplist.inputs[:-1]]
        self._inputs = Inputs(input_specs, names, oplist)
        self._target = Inputs((target_spec,), ["target"])
        self._classes = classes_of(oplist)
        reached = {name for name, _ in oplist.gradients}
        self._unreached = [flat.gradient(name) for name in flat.views if name not in reached]
        self._many = len(oplist.outputs) > 2

    def run(
        self, inputs: Any, target: Any, random: RandomKey | None = None
    ) -> tuple[float, float, Any]:
        """Compute the loss and fill `flat.gradients` and `flat.buffers`.

        Parameters
        ----------
        inputs : array or tuple of arrays
        target : array
        random : RandomKey, optional
            Needed if the module has dropout.

        Returns
        -------
        (loss_sum, weight_sum, output): the gradients are those of loss_sum. `output` is valid until
        the next run.

        Raises
        ------
        ShapeError : shape or dtype of an input differ from the program's.
        DataError : a label is out of range, or an input holds NaN.
        TrainingError : the loss is not a finite number.
        """
        arrays = self.check(inputs, target)
        labels = arrays[-1]
        for gradient in self._unreached:
            gradient.fill(0)
        results = self.executable.run(arrays, random=random)
        loss = float(results[0])
        output = tuple(results[1:]) if self._many else results[1]
        if not math.isfinite(loss):
            look = partial(self._criterion.check_output, output)
            raise bad_loss(loss, arrays[:-1], labels, self.flat, look)
        return loss, self._criterion.weight(labels), output

    def check(self, inputs: Any, target: Any) -> list[Array]:
        """Return inputs and target as the executable takes them, or raise as `run` does."""
        arrays = self._inputs.check(inputs)
        labels = self._target.one(0, target)
        if self._classes is not None:
            check_labels(labels, self._classes)
        if self.flat.retired:
            raise moved()
        arrays.append(labels)
        return arrays

    def clone(self, flat: FlatParameters) -> TrainProgram:
        """Return a program for another thread, bound to `flat` (see `FlatParameters.replica`)."""
        return TrainProgram(
            self.oplist,
            self.executable.clone(flat.storage()),
            self._criterion,
            flat,
            self._inputs.specs,
            self._target.specs[0],
        )


class PredictProgram:
    """A module's inference for fixed shapes; any number of threads may run it.

    Made by `predict_program`. Changed parameters are taken over by themselves.
    """

    reason: str | None = None

    def __init__(
        self,
        oplist: OpList,
        module: ModuleLike,
        flat: FlatParameters | None,
        input_specs: tuple[Spec, ...],
        threads: int,
        plan: Any,
        precision: str,
    ) -> None:
        self.oplist = oplist
        names = [f"input {name!r}" for name, _ in oplist.inputs]
        self._inputs = Inputs(input_specs, names, oplist)
        self._module = module
        self._flat = flat
        self._threads = threads
        self._plan = plan
        self._precision = precision
        self._many = len(oplist.outputs) > 1
        self._lock = threading.Lock()
        self._local = threading.local()
        self._bind()

    @property
    def executable(self) -> engine.Executable:
        """The compiled list of the thread that made the program."""
        return self._first

    def _bind(self) -> None:
        storage, versions = _storage(self._module, self._flat)
        self._versions = versions
        self._count = sum(version.count for version in versions)
        self._first = engine.compile(
            self.oplist,
            storage,
            threads=self._threads,
            plan=self._plan,
            precision=self._precision,
            owner=_this_thread(),
        )
        self._local = threading.local()
        self._local.own = self._first
        self._local.count = self._count

    def _mine(self) -> engine.Executable:
        """Return this thread's executable, with the present parameters."""
        versions = self._versions
        count = versions[0].count if len(versions) == 1 else sum([v.count for v in versions])
        local = self._local
        own: engine.Executable | None = getattr(local, "own", None)
        if own is not None and local.count == count:
            return own
        with self._lock:
            if any(version.retired for version in self._versions):
                self._bind()
            count = sum([version.count for version in self._versions])
            local = self._local
            own = getattr(local, "own", None)
            if own is None:
                own = self._first.clone(owner=_this_thread())
            own.refresh_parameters()
            local.own, local.count = own, count
        return own

    def run(self, inputs: Any) -> Any:
        """Return the module's output, valid until this thread's next run; a tuple for several."""
        results = self._mine().run(self._inputs.check(inputs))
        return tuple(results) if self._many else results[0]

    def check(self, inputs: Any, target: None = None) -> list[Array]:
        """Return inputs as the executable takes them, or raise as `run` does."""
        return self._inputs.check(inputs)


def _this_thread() -> tuple[str, int]:
    """Return the owner of the memory in which all inference of this thread is done."""
    return "inference", threading.get_ident()


def train_program(
    module: ModuleLike,
    criterion: CriterionLike,
    flat: FlatParameters,
    input_specs: Specs,
    target_spec: Spec,
    *,
    threads: int = 1,
    plan: Any = None,
    precision: str = "f32",
) -> TrainProgram | EagerTrainProgram:
    """Trace and compile one training step for fixed shapes.

    Parameters
    ----------
    module, criterion
        What is trained, and its loss.
    flat : FlatParameters
        Of this module; gradients and running statistics are written into it.
    input_specs : Spec or sequence of Spec
    target_spec : Spec
        Integer targets are taken in any integer dtype.
    threads : int > 0
        Of the engine; baked into the program.
    plan : KernelPlan, optional
        The engine's choices; by default those of this machine.
    precision : "f32" or "bf16"
        bf16: products of matrices and convolutions take bfloat16, which has 8 significant bits, and
        add up in float32; parameters, gradients, statistics and losses stay float32.

    Raises
    ------
    ArgumentError : bf16 is asked for a model that runs eagerly.
    EngineError : the processor has no instructions for bf16.
    """
    inputs = _tuple(input_specs)
    if target_spec.dtype[:3] in ("int", "uin"):
        target_spec = Spec(target_spec.shape, "int64")
    if flat.retired:
        raise moved()
    try:
        _not_forced()
        oplist = trace_training(module, criterion, inputs, target_spec)
    except Exception as error:
        return EagerTrainProgram(module, criterion, flat, _reason(error, precision))
    executable = engine.compile(
        oplist, flat.storage(), threads=threads, plan=plan, precision=precision
    )
    return TrainProgram(oplist, executable, criterion, flat, inputs, target_spec)


def predict_program(
    module: ModuleLike,
    flat_or_module: FlatParameters | ModuleLike | None,
    input_specs: Specs,
    *,
    threads: int = 1,
    plan: Any = None,
    precision: str = "f32",
) -> PredictProgram | EagerPredictProgram:
    """Trace and compile a module's inference for fixed shapes.

    Parameters
    ----------
    module : ModuleLike
    flat_or_module : FlatParameters or module
        Where the numbers are read: a replica's vectors, or wherever the module keeps them.
    """
    inputs = _tuple(input_specs)
    flat = flat_or_module if isinstance(flat_or_module, FlatParameters) else None
    try:
        _not_forced()
        oplist = trace_inference(module, inputs)
    except Exception as error:
        return EagerPredictProgram(module, _reason(error, precision))
    return PredictProgram(oplist, module, flat, inputs, threads, plan, precision)


def _tuple(specs: Specs) -> tuple[Spec, ...]:
    given = (specs,) if isinstance(specs, Spec) else specs
    if not isinstance(given, tuple | list) or not all(isinstance(spec, Spec) for spec in given):
        raise ArgumentError(
            f"`input_specs` must be a Spec for each input; got {type(specs).__name__}. "
            "For an array x it is Spec.of(x)."
        )
    return tuple(given)


def _not_forced() -> None:
    if os.environ.get("SANDBOX_EAGER", "0") not in ("", "0"):
        raise TraceError("SANDBOX_EAGER=1 asks for it")


def _reason(error: Exception, precision: str) -> str:
    """Return why a module runs eagerly; errors the eager run would show as well are raised."""
    if isinstance(error, SandboxError) and not isinstance(error, TraceError):
        raise error
    reason = str(error)
    if not isinstance(error, TraceError):
        # Python code that cannot deal with symbols; if it is simply wrong, the eager run says so.
        reason = f"{type(error).__name__} while tracing: {error}"
        notes = getattr(error, "__notes__", [])
        reason += f" ({'; '.join(notes)})" if notes else ""
    if precision != "f32":
        raise ArgumentError(
            f"`precision` must be 'f32' for a model that runs eagerly; got {precision!r}. "
            f"It runs eagerly because: {reason}"
        ) from None
    _log.info("runs eagerly: %s", reason)
    return reason


def _storage(
    module: ModuleLike, flat: FlatParameters | None
) -> tuple[dict[str, Array], list[Version]]:
    if flat is not None:
        return flat.storage(), [flat._version]
    storage: dict[str, Array] = {}
    versions: dict[int, Version] = {}

    def holders() -> Iterator[tuple[str, Parameter | Buffer]]:
        for name, parameter in module.named_parameters():
            yield f"parameter:{name}", parameter
        for name, buffer in module.named_buffers():
            yield f"buffer:{name}", buffer

    for key, holder in holders():
        storage[key] = holder._data
        versions[id(holder._version)] = holder._version
    return storage, list(versions.values())
