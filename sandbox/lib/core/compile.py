"""Compile: a module, for fixed shapes, becomes a program, or what stands in for one.

What cannot be traced, or everything with SANDBOX_EAGER=1, gets an eager stand-in with the same
`run`; its `reason` says why.
"""

from __future__ import annotations

import logging
import os
from typing import Any

from .. import engine
from ..engine.oplist import Spec
from . import tree, validate
from .checks import moved
from .eager_programs import EagerPredictProgram, EagerTrainProgram
from .errors import ArgumentError, SandboxError, TraceError
from .flat import FlatParameters
from .program import PredictProgram, TrainProgram
from .segments import Segments
from .trace import ModuleLike, check_module
from .tracing import CriterionLike, check_criterion, check_specs, inference, training

_log = logging.getLogger("sandbox.core")


def train_program(
    module: ModuleLike,
    criterion: CriterionLike,
    flat: FlatParameters,
    input_specs: tree.Tree,
    target_spec: tree.Tree,
    *,
    threads: int = 1,
    plan: Any = None,
    precision: str = "f32",
    checkpointing: str = "off",
) -> TrainProgram | EagerTrainProgram:
    """Trace and compile one training step for fixed shapes.

    Parameters
    ----------
    module, criterion
        What is trained, and its loss.
    flat : FlatParameters
        Of this module; gradients and running statistics are written into it.
    input_specs : tree of Spec
        How the module is called: a tuple's parts by place, a dict's by name, anything else is the
        one argument. None is an optional input that is absent.
    target_spec : tree of Spec
        What the criterion gets. Integer targets are taken in any integer dtype.
    threads : int > 0
        Of the engine; baked into the program.
    plan : KernelPlan, optional
        The engine's choices; by default those of this machine.
    precision : "f32" or "bf16"
        bf16: products of matrices and convolutions take bfloat16, which has 8 significant bits, and
        add up in float32; parameters, gradients, statistics and losses stay float32.
    checkpointing : "off", "light" or "full"
        Forget what the backward pass needs and compute it again, by the same kernels, from what is
        kept: less memory, the same bits. "light" computes norms, activations, pooling and dropout
        again, which takes little time; "full" nearly the whole forward pass.

    Raises
    ------
    ArgumentError : bf16 or checkpointing is asked for a model that runs eagerly, or the module
        uses a parameter that is not among its own.
    ShapeError : the loss is no scalar, or a module inside refuses its input.
    EngineError : the processor has no instructions for bf16.
    """
    check_module(module)
    check_criterion(criterion)
    _check_settings(threads, plan, precision)
    validate.one_of("checkpointing", checkpointing, engine.CHECKPOINTING)
    validate.instance("flat", flat, FlatParameters)
    inputs = tree.lone(check_specs("input_specs", input_specs))
    goal = tree.map(_wide, check_specs("target_spec", target_spec))
    if flat.retired:
        raise moved()
    try:
        _not_forced()
        traced = training(module, criterion, inputs, goal)
    except Exception as error:
        reason = _reason(error, precision, checkpointing)
        segments = _segments(module, flat, threads, plan)
        return EagerTrainProgram(module, criterion, flat, reason, inputs, goal, segments)
    executable = engine.compile(
        traced.oplist,
        flat.storage(),
        threads=threads,
        plan=plan,
        precision=precision,
        checkpointing=checkpointing,
    )
    return TrainProgram(traced, executable, criterion, flat, inputs, goal)


def predict_program(
    module: ModuleLike,
    flat_or_module: FlatParameters | ModuleLike | None,
    input_specs: tree.Tree,
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
    input_specs : tree of Spec
        As for `train_program`.
    """
    check_module(module)
    if flat_or_module is not None and not isinstance(flat_or_module, FlatParameters):
        check_module(flat_or_module, "flat_or_module")
    _check_settings(threads, plan, precision)
    inputs = tree.lone(check_specs("input_specs", input_specs))
    flat = flat_or_module if isinstance(flat_or_module, FlatParameters) else None
    try:
        _not_forced()
        traced = inference(module, inputs)
    except Exception as error:
        reason = _reason(error, precision)
        return EagerPredictProgram(module, reason, inputs, _segments(module, flat, threads, plan))
    return PredictProgram(traced, module, flat, inputs, threads, plan, precision)


def _check_settings(threads: int, plan: Any, precision: str) -> None:
    validate.positive_int("threads", threads)
    validate.one_of("precision", precision, engine.PRECISIONS)
    if plan is not None:
        validate.instance("plan", plan, engine.KernelPlan)


def _wide(spec: Spec) -> Spec:
    return Spec(spec.shape, "int64") if spec.dtype[:3] in ("int", "uin") else spec


def _segments(
    module: ModuleLike, flat: FlatParameters | None, threads: int, plan: Any
) -> Segments | None:
    """Return what compiles the parts of a module that runs eagerly, unless all is to."""
    return None if _is_forced() else Segments(module, flat, threads, plan)


def _is_forced() -> bool:
    return os.environ.get("SANDBOX_EAGER", "0") not in ("", "0")


def _not_forced() -> None:
    if _is_forced():
        raise TraceError("SANDBOX_EAGER=1 asks for it")


def _reason(error: Exception, precision: str, checkpointing: str = "off") -> str:
    """Return why a module runs eagerly; errors the eager run would show as well are raised."""
    if isinstance(error, SandboxError) and not isinstance(error, TraceError):
        raise error
    reason = str(error)
    if not isinstance(error, TraceError):
        # Python code that cannot deal with symbols; if it is simply wrong, the eager run says so.
        reason = f"{type(error).__name__} while tracing: {error}"
        notes = getattr(error, "__notes__", [])
        reason += f" ({'; '.join(notes)})" if notes else ""
    for name, value, eager in (
        ("precision", precision, "f32"),
        ("checkpointing", checkpointing, "off"),
    ):
        if value != eager:
            raise ArgumentError(
                f"`{name}` must be {eager!r} for a model that runs eagerly; got {value!r}. "
                f"It runs eagerly because: {reason}"
            ) from None
    _log.info("runs eagerly: %s", reason)
    return reason
