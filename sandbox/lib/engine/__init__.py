"""Native kernels and their NumPy references behind one interface; see README.md of this room."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from . import errors, random, threads
from . import names as _names
from ._load import LibraryMissingError
from .describe import Description
from .describe import describe as _describe
from .errors import EngineError
from .interpreter import ReferenceExecutable, call
from .oplist import Op, OpList, Spec
from .ops import find
from .passes import CHECKPOINTING
from .plan import KernelPlan, load_cached, plan_folder, processor, save_cached, shipped
from .precision import PRECISIONS, precision_of
from .progress import planning
from .random import RandomKey
from .steps import Array, Executable, StepInfo, Storage
from .weights import Versions

__all__ = [
    "CHECKPOINTING",
    "PRECISIONS",
    "Description",
    "EngineError",
    "Executable",
    "KernelPlan",
    "Op",
    "OpList",
    "RandomKey",
    "Spec",
    "StepInfo",
    "compile",
    "default_plan",
    "describe",
    "errors",
    "execute",
    "fingerprint",
    "is_native",
    "plan_folder",
    "planning",
    "random",
    "threads",
    "tune",
    "use_reference",
]

_lock = threading.RLock()
_available: bool | None = None
_default: KernelPlan | None = None
_saved = 0
_execute_single: Callable[..., tuple[Array, ...] | None] | None = None


class _Mode(threading.local):
    reference = 0


_mode = _Mode()


def _native_available() -> bool:
    """Open the native library once; where there is none, say so in one line and use NumPy.

    `SANDBOX_ENGINE` is read here, once: every operation of eager execution asks.
    """
    global _available
    if _available is None:
        with _lock:
            if os.environ.get("SANDBOX_ENGINE") == "reference":
                _available = False
            if _available is None:
                from . import dnnl

                try:
                    dnnl.native()
                    _available = True
                except LibraryMissingError as error:
                    _available = False
                    warnings.warn(
                        f"{error} Until then everything runs by NumPy, slowly.",
                        RuntimeWarning,
                        stacklevel=3,
                    )
    return _available


def is_native() -> bool:
    """Return whether this thread uses native kernels."""
    return not _mode.reference and _native_available()


@contextmanager
def use_reference() -> Iterator[None]:
    """Use the NumPy kernels only, within the block, in this thread."""
    _mode.reference += 1
    try:
        yield
    finally:
        _mode.reference -= 1


def fingerprint() -> str:
    """Return what a kernel plan depends on: processor, instruction sets, library version."""
    if not is_native():
        return "numpy"
    from . import dnnl

    return f"{processor()} | {dnnl.isa()} | oneDNN {dnnl.version()}"


def describe(*, kernels: bool = True) -> Description:
    """Return what runs here and why: processor, libraries, kernels; print it for a table.

    Parameters
    ----------
    kernels : bool, default=True
        Also which implementation serves each operation: this looks at all of them.
    """
    if not isinstance(kernels, bool):
        raise errors.ArgumentError(f"describe: `kernels` must be True or False; got {kernels!r}.")
    return _describe(is_native(), fingerprint(), kernels=kernels)


def default_plan() -> KernelPlan:
    """Return this process's kernel plan, started from the user's cache file.

    What that does not know is looked up in the plans that come with the library, unless
    `SANDBOX_SHIPPED_PLANS=0`.
    """
    global _default, _saved
    with _lock:
        if _default is None or _default.fingerprint != fingerprint():
            _default, _saved = load_cached(fingerprint()), 0
            if is_native() and os.environ.get("SANDBOX_SHIPPED_PLANS", "1") != "0":
                from . import dnnl

                _default.behind = shipped(dnnl.isa(), dnnl.version())
        return _default


def _save(plan: KernelPlan) -> None:
    global _saved
    with _lock:
        if plan is _default and plan.changes != _saved:
            _saved = plan.changes
            save_cached(plan)


def execute(
    name: str,
    inputs: Sequence[Array],
    attrs: dict[str, Any],
    *,
    random: RandomKey | None = None,
) -> tuple[Array, ...]:
    """Run one operation now and return its outputs.

    Parameters
    ----------
    name : str
        Name of the operation, a key of `ops.OPERATIONS`.
    inputs : sequence of arrays
        Never written to.
    attrs : dict
        Attributes of the operation.
    random : RandomKey, optional
        For dropout.

    Examples
    --------
    >>> import numpy as np
    >>> execute("relu", [np.array([-1.0, 2.0], np.float32)], {})[0].tolist()
    [0.0, 2.0]
    """
    alone = find(name).alone
    if alone and _suits(alone, inputs) and is_native():
        run = _execute_single or _load_single()
        outputs = run(name, inputs, attrs)
        if outputs is not None:
            return outputs
    return call(name, inputs, attrs, random)


def _load_single() -> Callable[..., tuple[Array, ...] | None]:
    global _execute_single
    from .single import execute as run

    _execute_single = run
    return run


def _suits(kinds: str, inputs: Sequence[Array]) -> bool:
    """Return whether the inputs are what the native kernel takes; see `Operation.alone`."""
    last = len(kinds) - 1
    for place, array in enumerate(inputs):
        kind = array.dtype.char
        if kind != "f":
            wanted = kinds[place if place < last else last]
            if not (wanted == "i" and array.dtype.kind in "iu") and not (
                wanted == "w" and kind == "B"
            ):
                return False
        elif kinds[place if place < last else last] != "f":
            return False
    return True


def compile(
    oplist: OpList,
    storage: Storage,
    *,
    threads: int = 1,
    plan: KernelPlan | None = None,
    precision: str = "f32",
    owner: Hashable = None,
    versions: Versions | None = None,
    checkpointing: str = "off",
) -> Executable:
    """Turn a list of operations into something that runs.

    Parameters
    ----------
    oplist : OpList
        What to compute.
    storage : dict of str -> array
        Contiguous float32 arrays under "parameter:NAME", "gradient:NAME", "buffer:NAME"; they are
        bound by address.
    threads : int
        Cores a run uses; small networks take one, which is faster there.
    plan : KernelPlan, optional
        Choices to follow; default: this process's plan, which learns by timing.
    precision : "f32" or "bf16"
        bf16: products multiply bfloat16 and add up in float32, activations between them are kept
        in bfloat16. The bound arrays, losses, statistics and gradients of weights stay float32.
    owner : hashable, optional
        Programs of one owner never run at the same time: they share the memory of what lives within
        a run. Those that write the same gradients do so anyway.
    versions : dict of str -> object with a number `count`, optional
        By key of `storage`: a counter that moves when the array's numbers change. Programs share
        weights in the layouts of the kernels as long as array, counter and count are the same;
        without it each has its own.
    checkpointing : "off", "light" or "full"
        What the backward pass reads is forgotten and computed again: less memory, the same bits.
        light: what is quickly computed (norms, activations, pooling); full: everything.

    Raises
    ------
    EngineError : an array is missing or of another kind; the processor has no bf16 instructions.
    """
    return _compile(
        "compile", oplist, storage, threads, plan, precision, owner, versions, checkpointing
    )


def tune(
    oplist: OpList,
    storage: Storage,
    *,
    threads: int = 1,
    plan: KernelPlan | None = None,
    precision: str = "f32",
) -> Executable:
    """Compile after a search without a budget: whole programs are timed, at the full batch.

    What it finds takes the place of what the plan had, and is kept in the user's cache if that is
    this process's plan. A plan of `compile` is usually within some percent of it; the search takes
    some 30 steps of the program.

    Parameters
    ----------
    oplist, storage, threads, plan, precision
        As for `compile`.

    Raises
    ------
    ArgumentError : the plan is frozen.
    EngineError : as `compile`.

    Examples
    --------
    >>> import numpy as np
    >>> oplist = OpList()
    >>> x, y = oplist.new_value(Spec((2,))), oplist.new_value(Spec((2,)))
    >>> oplist.inputs, oplist.outputs = [("x", x)], [("y", y)]
    >>> oplist.ops = [Op("relu", (x,), (y,))]
    >>> tune(oplist, {}, plan=KernelPlan()).run([np.array([-1, 2], "f4")])[0].tolist()
    [0.0, 2.0]
    """
    if isinstance(plan, KernelPlan) and plan.frozen:
        raise errors.ArgumentError(
            "tune: `plan` must not be frozen; got a frozen one. Give a new KernelPlan()."
        )
    return _compile("tune", oplist, storage, threads, plan, precision, None, None)


def _compile(
    what: str,
    oplist: OpList,
    storage: Storage,
    threads: int,
    plan: KernelPlan | None,
    precision: str,
    owner: Hashable,
    versions: Versions | None,
    checkpointing: str = "off",
) -> Executable:
    for key, value, kind, words in (
        ("oplist", oplist, OpList, "an OpList"),
        ("storage", storage, Mapping, "a dict of arrays"),
        ("plan", plan, KernelPlan | None, "a KernelPlan or None"),
        ("versions", versions, Mapping | None, "a dict of counters or None"),
    ):
        if not isinstance(value, kind):
            raise errors.ArgumentError(f"{what}: `{key}` must be {words}; got {value!r}.")
    try:
        hash(owner)
    except TypeError:
        raise errors.ArgumentError(f"{what}: `owner` must be hashable; got {owner!r}.") from None
    if not isinstance(checkpointing, str) or checkpointing not in CHECKPOINTING:
        raise errors.ArgumentError(
            f"{what}: `checkpointing` must be one of {CHECKPOINTING}; got {checkpointing!r}."
        )
    native = is_native()
    policy = precision_of(precision)
    policy.check(native=native)
    if not native:
        return ReferenceExecutable(oplist, storage, policy)
    from .compiler import compile_native

    chosen = default_plan() if plan is None else plan
    executable = compile_native(
        *(oplist, storage, threads, chosen, policy, owner, versions, checkpointing),
        exhaustive=what == "tune",
    )
    _save(chosen)
    return executable


_names.suggest(__name__)
