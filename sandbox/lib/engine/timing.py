"""How long kernels take: each is run a few times in a process, within a budget, and remembered."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import dnnl
from .blueprint import Step, Tensor
from .oplist import OpList
from .progress import report
from .subnormal import FlushToZero

ROUNDS = 6  # of whole programs
RUNS = 4  # of a kernel at most; the best one counts
LONG = 2e-3  # seconds: from here on two runs must do
BURST = 1e-3  # seconds: shorter ones are run again at once
HOPELESS = 1.5  # times slower than the best: not run again
ARENA = 1 << 26  # bytes that a sample's kernels take turns in: more than the caches of one core
KEPT = 16384  # kernels whose times are remembered
SECONDS = 0.85  # the budget, and steps of the program beside: one of training, whose first step
TRAINING, INFERENCE = 1.0, 2.0  # takes twice as long as later ones, or two of inference

Key = tuple[Any, ...]
Place = tuple[int, dnnl.Layout]  # an argument
Time = tuple[float, int]  # seconds of the best run, runs

_known: OrderedDict[Key, Time] = OrderedDict()
_lock = threading.Lock()


def share_of(oplist: OpList) -> float:
    """Return how many steps of a program planning may take beside `SECONDS`."""
    return TRAINING if oplist.gradients else INFERENCE


def forget() -> None:
    """Forget all times: what is asked for next is run again."""
    with _lock:
        _known.clear()


def runs() -> dict[Key, int]:
    """Return how often each kernel whose time is remembered was run."""
    with _lock:
        return {key: count for key, (_, count) in _known.items()}


class Timer:
    """Times kernels of one compilation on made-up data, as far as its budget goes.

    The budget is what may have passed since the timer was made, for whatever. It grows with the
    program: who has seen operations of so many seconds a step has `share` of that and `SECONDS`
    beside, so that on slow machines, and for large networks, planning stays as long in steps. With
    one thread all is counted in processor time: what else the machine does is nobody's fault here.

    Parameters
    ----------
    threads : int
        Of the program.
    scale : float
        How many times longer a step of the program takes than one of the sample that is timed.
    share : float
        Steps of the program that planning may take.
    limited : bool
        False: no budget, more runs, and nothing that is remembered counts.
    """

    def __init__(
        self,
        threads: int,
        scale: float = 1.0,
        *,
        share: float = TRAINING,
        limited: bool = True,
    ) -> None:
        self.threads = threads
        self.scale = scale
        self.share = share
        self.limited = limited
        self.clock: Callable[[], float] = time.thread_time if threads == 1 else time.perf_counter
        self.step = 0.0  # seconds of the operations seen so far, in the sample
        self.began = self.clock()
        self.part = (0, 1)  # of the work: which one goes on, of how many
        self._known = _known if limited else OrderedDict()
        self._arena = np.zeros(0, np.uint8)
        self._used = 0
        self._stream: Any = None

    @property
    def left(self) -> float:
        """Seconds that may still be spent."""
        budget = SECONDS + self.share * self.step * self.scale
        return budget + self.began - self.clock() if self.limited else np.inf

    def report(self, share: float) -> None:
        """Tell how far this part of the work is."""
        number, count = self.part
        report((number + share) / count)

    def fastest(self, options: Sequence[Sequence[dnnl.Primitive]]) -> int:
        """Return which of the options, each some kernels in turn, takes the shortest.

        The first is taken when there is no time to try others: let it be the likeliest. Its time is
        added to the step. Raises `RefusedError` where none of them runs.
        """
        totals = [self._total(kernels, must=not i) for i, kernels in enumerate(options)]
        if min(totals) == np.inf:  # then there is time to try all of them
            totals = [self._total(kernels, must=True) for kernels in options]
        while True:
            best = min(totals)
            if best == np.inf:
                raise dnnl.RefusedError(f"oneDNN {options[0][0].kind}: no kernel runs.")
            again = [
                primitive
                for total, kernels in zip(totals, options, strict=True)
                if total <= HOPELESS * best and len(options) > 1
                for primitive in kernels
                if self._deserves_more(primitive)
            ]
            if not again or self.left <= 0:
                break
            for primitive in dict.fromkeys(again):
                self._run(primitive)
            totals = [
                total if total == np.inf else self._total(kernels)
                for total, kernels in zip(totals, options, strict=True)
            ]
        self.step += best
        return totals.index(best)

    def program(self, steps: Sequence[Step]) -> float:
        """Return the time of a program's kernels; infinite if there is no time to find it out."""
        total, unknown = 0.0, []
        for step in steps:
            if step.primitive is None:
                continue
            known = self._known.get(step.primitive.meaning)
            if known is None:
                unknown.append(step)
            else:
                total += known[0]
        for step in unknown:
            self.step = max(self.step, total)
            total += self._seconds(step.primitive, step.arguments)
            if total == np.inf:
                return total
        self.step = max(self.step, total)
        return total

    def affords(self, seconds: float) -> int:
        """Return how many rounds of so many seconds are within the budget, behind one more."""
        return int(min(max(self.left / max(seconds, 1e-6) - 1, 0), ROUNDS))

    def _seconds(self, primitive: Any, arguments: Sequence[tuple[int, Tensor]]) -> float:
        if primitive.meaning not in self._known:
            if self.left <= 0:
                return np.inf
            layouts = [(key, tensor.layout) for key, tensor in arguments if tensor.layout]
            self._run(primitive, layouts)
            while self._deserves_more(primitive) and self.left > 0:
                self._run(primitive, layouts)
        return self._known[primitive.meaning][0]

    def _total(self, kernels: Sequence[dnnl.Primitive], *, must: bool = False) -> float:
        total = 0.0
        for primitive in kernels:
            if primitive.meaning not in self._known:
                if not must and self.left <= 0:
                    return np.inf
                self._run(primitive)
            total += self._known[primitive.meaning][0]
        return total

    def _deserves_more(self, primitive: dnnl.Primitive) -> bool:
        seconds, runs = self._known[primitive.meaning]
        return runs < (RUNS if seconds < LONG or not self.limited else 2)

    def _run(self, primitive: dnnl.Primitive, layouts: Sequence[Place] = ()) -> None:
        """Run a kernel: a long one once, a short one in a burst, whose first run warms up."""
        places = layouts or _places(primitive)
        arguments, _keep = self._call(primitive, places)
        execute = dnnl.native().lib.dnnl_primitive_execute
        best, count = self._known.get(primitive.meaning, (np.inf, 0))
        taken = 0.0
        with FlushToZero():
            while True:
                began = self.clock()
                status = execute(*arguments)
                seconds = self.clock() - began
                if status:  # some kernels are made, but refuse to run
                    best, count = np.inf, RUNS
                    break
                best, count, taken = min(best, seconds), count + 1, taken + seconds
                if taken > BURST or count >= RUNS:
                    break
                if self.scale > 1:
                    arguments, _keep = self._call(primitive, places)
        with _lock:
            self._known[primitive.meaning] = best, count
            self._known.move_to_end(primitive.meaning)
            while len(self._known) > KEPT:
                self._known.popitem(last=False)

    def _call(
        self, primitive: dnnl.Primitive, places: Sequence[Place]
    ) -> tuple[tuple[Any, ...], Any]:
        """Return a call on memory that holds what earlier runs left there, and what to keep.

        A sample's memory is another one each time: the whole batch would not be in the caches.
        """
        scratchpad = primitive.layout(dnnl.SCRATCHPAD)
        if scratchpad is not None:
            places = [*places, (dnnl.SCRATCHPAD, scratchpad)]
        sizes = [-(-layout.nbytes // 64) * 64 for _, layout in places]
        needed = sum(sizes) + 64
        if needed > self._arena.size:
            self._arena = np.zeros(max(needed, ARENA if self.scale > 1 else 0), np.uint8)
            self._arena[::4096] = 0  # the pages must exist
            self._used = 0
        if self.scale == 1 or self._used + needed > self._arena.size:
            self._used = 0
        start = self._arena.ctypes.data
        address = -(-(start + self._used) // 64) * 64
        self._used += needed
        pairs = []
        for (argument, layout), size in zip(places, sizes, strict=True):
            if argument == dnnl.WORKSPACE:  # positions, which must not point anywhere
                self._arena[address - start : address - start + size] = 0
            pairs.append((argument, dnnl.new_memory(layout, address)))
            address += size
        self._stream = self._stream or dnnl.new_stream()
        return (primitive.handle, self._stream, len(pairs), dnnl.new_arguments(pairs)), pairs


def _places(primitive: dnnl.Primitive) -> list[Place]:
    found = [
        (argument, layout)
        for argument in dnnl.ARGUMENTS
        if argument != dnnl.SCRATCHPAD and (layout := primitive.layout(argument)) is not None
    ]
    return [*found, *primitive.factors()]
