"""From a list of operations to a native executable: passes, layouts, and the choice among them."""

from __future__ import annotations

import contextlib
import gc
import hashlib
import json
import threading
import time
from collections.abc import Hashable, Iterator
from typing import Any

import numpy as np

from . import links, passes, threads
from .blueprint import Blueprint
from .builder import Builder
from .errors import DataError
from .executable import NativeExecutable
from .memory import Workspace
from .oplist import OpList
from .ops import OURS, find
from .plan import KernelPlan
from .precision import F32, Precision
from .random import RandomKey
from .steps import Array, Storage
from .weights import Versions

POLICIES = ("", "nhwc", "blocked", "any")  # of forward convolutions; "" is the fastest each
ROUNDS = 6  # timing runs of a whole program


class _Collection:
    """Python's search for circular garbage, paused while any thread compiles.

    A program of 17,000 operations is a million objects that live on: looking through them again and
    again took a third of the time.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0
        self._was_on = False

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Pause it within the block."""
        with self._lock:
            if self._count == 0:
                self._was_on = gc.isenabled()
                gc.disable()
            self._count += 1
        try:
            yield
        finally:
            with self._lock:
                self._count -= 1
                if self._count == 0 and self._was_on:
                    gc.enable()


_COLLECTION = _Collection()


def compile_native(
    oplist: OpList,
    storage: Storage,
    count: int,
    plan: KernelPlan,
    precision: Precision = F32,
    owner: Hashable = None,
    versions: Versions | None = None,
    checkpointing: str = "off",
) -> NativeExecutable:
    """Return the executable, timing what the plan does not tell (unless it is frozen)."""
    if threads.has_lost_helpers():
        return threads.run_in_worker(
            compile_native, oplist, storage, count, plan, precision, owner, versions, checkpointing
        )
    with _COLLECTION.paused():
        blueprint = make_blueprint(oplist, storage, count, plan, precision, checkpointing)
        return NativeExecutable(blueprint, storage, owner=owner, versions=versions)


def make_blueprint(
    oplist: OpList,
    storage: Storage,
    count: int,
    plan: KernelPlan,
    precision: Precision = F32,
    checkpointing: str = "off",
) -> Blueprint:
    """Return the program without memory; one that may lose NaN can be made anew such as keeps it.

    What has effects is not run twice: there such kernels are not used to begin with.
    """

    def keeping() -> Blueprint:
        with threads.limit(count):
            threads.apply(count)
            better = passes.optimise(oplist, fused=False)
            if checkpointing != "off":
                better, _ = passes.recompute(better, checkpointing)
            known = plan.freeze()
            return Builder(better, count, known, "", precision, keep_nan=True).build()

    made = _make_blueprint(oplist, storage, count, plan, precision)
    if checkpointing != "off" and made.oplist.gradients:
        made = _forgetting(made, plan, precision, checkpointing)
    if made.loses_nan:
        if any(find(op.name).effects for op in oplist.ops):
            return keeping()
        made.keeping = keeping
    return made


def _make_blueprint(
    oplist: OpList, storage: Storage, count: int, plan: KernelPlan, precision: Precision
) -> Blueprint:
    better = passes.optimise(oplist)
    with threads.limit(count):
        threads.apply(count)
        if not any(find(op.name).policies for op in better.ops):
            return Builder(better, count, plan, "", precision).build()
        signature, batch = _signature(better, count, precision)
        policy = plan.lookup(signature, batch)
        users = any(op.name not in OURS for op in better.ops)
        if policy is not None or plan.frozen or users:  # theirs never run on made-up numbers
            return Builder(better, count, plan, policy or "", precision).build()
        made = {name: Builder(better, count, plan, name, precision).build() for name in POLICIES}
        policy = _fastest(made, storage)
        plan.record(signature, batch, policy)
        return made[policy]


def _forgetting(
    made: Blueprint, plan: KernelPlan, precision: Precision, checkpointing: str
) -> Blueprint:
    """Return the program that computes anew what it forgets, by the same kernels: the same bits."""
    oplist, places = passes.recompute(made.oplist, checkpointing)
    if oplist is made.oplist:
        return made
    follow = {new: made.kernels[old] for new, old in enumerate(places) if old in made.kernels}
    with threads.limit(made.threads):
        threads.apply(made.threads)
        return Builder(oplist, made.threads, plan, "", precision, follow=follow).build()


def _fastest(made: dict[str, Blueprint], storage: Storage) -> str:
    """Run the programs in turns, on copies of everything they write, and return the fastest."""
    distinct: dict[tuple[Any, ...], str] = {}
    for name, blueprint in made.items():
        kernels = tuple((step.name, step.info().layouts) for step in blueprint.steps)
        distinct.setdefault(kernels, name)
    names = list(distinct.values())
    if len(names) == 1:
        return names[0]
    copies = {key: array.copy() for key, array in storage.items()}
    shared = Workspace(max(made[name].run_bytes for name in names))  # they run in turns
    runs = {name: NativeExecutable(made[name], copies, shared) for name in names}
    best = dict.fromkeys(names, float("inf"))
    for number in (0, 1):  # ids may be 0 only, lengths of sequences may not
        inputs = _made_up_inputs(made[names[0]].oplist, number)
        with np.errstate(all="ignore"), contextlib.suppress(DataError):
            for turn in range(1 + ROUNDS):
                for name in names:
                    start = time.perf_counter()
                    runs[name].run(inputs, random=RandomKey(0))
                    seconds = time.perf_counter() - start
                    if turn:
                        best[name] = min(best[name], seconds)
            break
    return min(names, key=lambda name: best[name])


def _made_up_inputs(oplist: OpList, integer: int) -> list[Array]:
    generator = np.random.Generator(np.random.PCG64(0))
    inputs: list[Array] = []
    for _, value in oplist.inputs:
        spec = oplist.values[value]
        if spec.dtype == "float32":
            inputs.append(generator.standard_normal(spec.shape, np.float32))
        else:
            inputs.append(np.full(spec.shape, integer, spec.dtype))
    return inputs


def _signature(oplist: OpList, count: int, precision: Precision) -> tuple[str, int]:
    """Return a name of the program that leaves the batch size out, and the batch size."""
    carriers, batch = links.batch_values(oplist)
    shapes: list[list[Any]] = [list(spec.shape) for spec in oplist.values]
    for value in carriers:
        shapes[value][0] = "N"
    ops = [
        [
            op.name,
            op.inputs,
            op.outputs,
            sorted((k, v) for k, v in op.attrs.items() if "shape" not in k),
        ]
        for op in oplist.ops
    ]
    used = sorted({value for op in oplist.ops for value in (*op.inputs, *op.outputs)})
    text = json.dumps([[(value, shapes[value]) for value in used], ops], default=str)
    digest = hashlib.sha256(text.encode()).hexdigest()[:24]
    mode = "training" if oplist.gradients or oplist.updates else "inference"
    mode += precision.mark
    return f"program {digest} {mode} threads={count}", batch
