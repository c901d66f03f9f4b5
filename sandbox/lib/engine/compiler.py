"""From a list of operations to a native executable: passes, layouts, and the choice among them."""

from __future__ import annotations

import contextlib
import gc
import hashlib
import json
import threading
from collections.abc import Hashable, Iterator
from typing import Any

import numpy as np

from . import links, passes, threads
from .blueprint import Blueprint
from .builder import Builder, UntimedError
from .errors import DataError
from .executable import NativeExecutable
from .memory import Workspace
from .oplist import OpList
from .ops import OURS, find
from .plan import KernelPlan
from .precision import F32, Precision
from .random import RandomKey
from .sample import guess, sampled
from .split import SplitExecutable, part_owner, split
from .steps import Array, Storage
from .timing import Timer, share_of
from .weights import Versions

POLICIES = ("", "nhwc", "blocked", "any")  # of forward convolutions; "" is the fastest each
CLOSE = 1.2  # times the best time: told apart by running whole programs
MEETING = 2.5e-5  # seconds a product, by a guess: below it threads lose by waiting for each other
WHOLE = 0.1  # seconds of a program that is run as a whole, at most


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
    *,
    exhaustive: bool = False,
) -> NativeExecutable | SplitExecutable:
    """Return the executable, timing what the plan does not tell (unless it is frozen)."""
    if threads.has_lost_helpers():
        return threads.run_in_worker(
            compile_native,
            *(oplist, storage, count, plan, precision, owner, versions, checkpointing),
            exhaustive=exhaustive,
        )
    count = worthwhile(oplist, count)

    def make(part: OpList, count: int, owner: Hashable) -> NativeExecutable:
        with _COLLECTION.paused():
            if exhaustive:
                tune(part, storage, count, plan, precision)
            blueprint = make_blueprint(part, storage, count, plan, precision, checkpointing)
            return NativeExecutable(blueprint, storage, owner=owner, versions=versions)

    with threads.limit(count):
        parts = split(oplist, count, lambda part, number: make(part, 1, part_owner(owner, number)))
        return make(oplist, count, owner) if parts is None else parts


def worthwhile(oplist: OpList, count: int) -> int:
    """Return how many of these threads a program uses: one, where its products are small.

    LeNet takes 17 microseconds for one image and 27 with two threads, 57 and 53 for eight images.
    Told by shapes alone, so that it is the same in every process.
    """
    products = sum(find(op.name).products == 2 for op in oplist.ops)
    return count if guess(oplist) >= MEETING * max(1, products) else 1


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
        signature, batch = _signature(better, count, precision)
        follows = _follows(better)
        policy = plan.lookup(signature, batch) if follows else ""
        if policy is not None or plan.frozen:
            with contextlib.suppress(UntimedError):
                return Builder(better, count, plan, policy or "", precision).build()
        sample, scale = sampled(oplist, count)
        small = better if sample is oplist else passes.optimise(sample)
        timer = Timer(count, scale, share=share_of(oplist))
        policy = _choose_policy(small, storage, plan, precision, timer)
        if follows:
            plan.record(signature, batch, policy)
        timer.part = len(POLICIES), len(POLICIES) + 1
        timer.scale = 1.0  # what the sample did not have is timed as it is
        return Builder(better, count, plan, policy, precision, timer=timer).build()


def tune(
    oplist: OpList, storage: Storage, count: int, plan: KernelPlan, precision: Precision
) -> None:
    """Put into the plan what a search without a budget finds, at the full batch."""
    better = passes.optimise(oplist)
    found = KernelPlan()
    with threads.limit(count):
        threads.apply(count)
        timer = Timer(count, limited=False)
        policy = _choose_policy(better, storage, found, precision, timer)
        if _follows(better):
            found.record(*_signature(better, count, precision), policy)
    plan.merge(found)


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
        return Builder(oplist, made.threads, plan.freeze(), "", precision, follow=follow).build()


def _follows(oplist: OpList) -> bool:
    """Return whether a policy makes a difference."""
    return any(find(op.name).policies for op in oplist.ops)


def _choose_policy(
    oplist: OpList, storage: Storage, plan: KernelPlan, precision: Precision, timer: Timer
) -> str:
    """Fill the plan with the kernels of a program, and return the policy it is fastest by.

    That is told by the times of its kernels. Programs that come close are run as a whole, if they
    are short enough; those with users' operations are not, which would get made-up numbers.
    """
    timer.part = 0, len(POLICIES) + 1
    if not _follows(oplist):
        Builder(oplist, timer.threads, plan, "", precision, timer=timer).lower_all()
        return ""
    made: dict[str, Builder] = {}
    seconds: dict[str, float] = {}
    for number, name in enumerate(POLICIES):
        timer.part = number, len(POLICIES) + 1
        builder = Builder(oplist, timer.threads, plan, name, precision, timer=timer)
        builder.lower_all()
        total = timer.program(builder.steps)
        if total < float("inf") and total not in seconds.values():  # equal: of the same kernels
            made[name], seconds[name] = builder, total
    if not seconds:
        return ""
    best = min(seconds.values())
    ranked = sorted(seconds, key=seconds.__getitem__)
    close = [name for name in ranked if seconds[name] <= CLOSE * best or not timer.limited]
    rounds = timer.affords(sum(seconds[name] for name in close))
    if rounds < 2 and len(close) > 2:
        close = close[:2]
        rounds = timer.affords(sum(seconds[name] for name in close))
    users = any(op.name not in OURS or find(op.name).effects for op in oplist.ops)
    too_long = rounds < 2 or (best > WHOLE and timer.limited)
    if len(close) == 1 or too_long or users:
        return close[0]
    return _fastest({name: made[name].finish() for name in close}, storage, rounds, timer)


def _fastest(made: dict[str, Blueprint], storage: Storage, rounds: int, timer: Timer) -> str:
    """Run the programs in turns, on copies of everything they write, and return the fastest."""
    names = list(made)
    copies = {key: array.copy() for key, array in storage.items()}
    shared = Workspace(max(made[name].run_bytes for name in names))  # they run in turns
    runs = {name: NativeExecutable(made[name], copies, shared) for name in names}
    best = dict.fromkeys(names, float("inf"))
    for number in (0, 1):  # ids may be 0 only, lengths of sequences may not
        inputs = _made_up_inputs(made[names[0]].oplist, number)
        with np.errstate(all="ignore"), contextlib.suppress(DataError):
            for turn in range(1 + rounds):
                for name in names:
                    start = timer.clock()
                    runs[name].run(inputs, random=RandomKey(0))
                    seconds = timer.clock() - start
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
