"""Timing two sides against each other so that the machine's moods cancel out."""

from __future__ import annotations

import argparse
import gc
import multiprocessing
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

Step = Callable[[], object]
RIVALS = ("torch", "onnxruntime", "openvino")
PROFILED = 20  # runs, of which the best of each step counts
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


class RefusedError(Exception):
    """The two sides did not do the same work, so there is nothing to compare."""


@dataclass
class Timing:
    """Seconds of one side, one value per round."""

    seconds: list[float] = field(default_factory=list)

    @property
    def fastest(self) -> float:
        """Give the least disturbed round."""
        return min(self.seconds)

    @property
    def median(self) -> float:
        """Give the usual round."""
        return statistics.median(self.seconds)


def alternate(
    *sides: Step | Apart,
    rounds: int = 15,
    seconds: float = 0.25,
    warm: int = 3,
    clock: str = "wall",
) -> tuple[Timing, ...]:
    """Time steps in turn: ours, theirs, theirs, ours, ours ...; of more sides, there and back.

    Each turn repeats its step for about `seconds`; a round's value is the time of one step. The
    collector of garbage rests meanwhile. All sides take `warm` steps before. The clock "cpu" counts
    the processor's seconds for all threads of the process: on a busy machine it still tells two
    sides of one thread apart; where threads wait for each other it does not tell the speed.
    """
    timings = tuple(Timing() for _ in sides)
    turns = [
        partial(side.turn, clock=clock)
        if isinstance(side, Apart)
        else partial(turn, side, clock=clock)
        for side in sides
    ]
    repeats = []
    for take in turns:
        take(warm)
        repeats.append(max(1, round(seconds / max(take(1), 1e-7))))
    order = list(range(len(sides)))
    for number in range(rounds):
        for place in order if number % 2 == 0 else reversed(order):
            timings[place].seconds.append(turns[place](repeats[place]) / repeats[place])
    return timings


def turn(step: Step, count: int, clock: str = "wall") -> float:
    """Take so many steps; give the seconds. No garbage is collected meanwhile."""
    now, collecting = CLOCKS[clock], gc.isenabled()
    gc.disable()
    try:
        started = now()
        for _ in range(count):
            step()
        return now() - started
    finally:
        if collecting:
            gc.enable()


class Apart:
    """A side in a process of its own, so that its threads and its memory are its own, too.

    Parameters
    ----------
    make : function
        Makes the side there: an object with `step()` and `loss`. It and its arguments are pickled.
    """

    def __init__(self, make: Callable[..., Any], *arguments: Any) -> None:
        self.loss = float("nan")
        context = multiprocessing.get_context("spawn")
        self.pipe, there = context.Pipe()
        self.process = context.Process(target=_serve, args=(there, make, arguments), daemon=True)
        self.process.start()
        there.close()  # so that the end of the process is the end of the pipe

    def step(self) -> None:
        """Let it take a step; the way there and back is some 50 microseconds of it."""
        self.turn(1)

    def turn(self, count: int, clock: str = "wall") -> float:
        """Let it take so many steps; give the seconds by its own clock."""
        seconds, self.loss = self._ask("turn", count, clock)
        return seconds

    def get(self, name: str) -> Any:
        """Give an attribute of the side."""
        return self._ask("get", name)

    def call(self, name: str, *arguments: Any) -> Any:
        """Call a method of the side."""
        return self._ask("call", name, *arguments)

    def peak(self) -> int:
        """Give the largest resident memory of its process so far, in bytes."""
        return self._ask("memory", "VmHWM")

    def _ask(self, *message: Any) -> Any:
        try:
            self.pipe.send(message)
            return self.pipe.recv()
        except (EOFError, OSError):
            self.process.join()
            raise RefusedError(
                f"a side's process ended (status {self.process.exitcode}); see above."
            ) from None

    def __enter__(self) -> Apart:
        return self

    def __exit__(self, *error: object) -> None:
        """End the process."""
        self.pipe.close()
        self.process.join()


def _serve(pipe: Any, make: Callable[..., Any], arguments: Sequence[Any]) -> None:
    side = make(*arguments)
    with suppress(EOFError):
        while True:
            what, *arguments = pipe.recv()
            if what == "call":
                pipe.send(getattr(side, arguments[0])(*arguments[1:]))
            elif what == "turn":
                pipe.send((turn(side.step, *arguments), getattr(side, "loss", float("nan"))))
            elif what == "get":
                pipe.send(getattr(side, *arguments))
            else:
                pipe.send(memory(*arguments))


def memory(key: str) -> int:
    """Give a figure of /proc/self/status in bytes: "VmRSS" is what is resident, "VmHWM" its peak.

    The kernel's own count, which unlike ru_maxrss does not begin with the parent's; Linux only.
    """
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{key}:"))


def forget_peak() -> None:
    """Count the peak of this process's memory from here on."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def ratio(ours: Timing, theirs: Timing) -> float:
    """Give how many times faster ours is: the median over the rounds of theirs / ours."""
    pairs = zip(ours.seconds, theirs.seconds, strict=True)
    return statistics.median(their / our for our, their in pairs)


def agree(what: str, ours: float, theirs: float, *, tolerance: float = 1e-3) -> None:
    """Refuse a comparison whose two sides computed different things.

    The tolerance is relative: float32 sums in another order move a loss by 1e-6 after one step,
    and training carries that on to about 1e-4 in 20 steps.
    """
    if not abs(ours - theirs) <= tolerance * max(abs(ours), abs(theirs)):
        raise RefusedError(f"{what}: ours {ours:.6f}, theirs {theirs:.6f}; no ratio is given.")


def same_losses(report: Report, what: str, ours: Any, theirs: Any, *, steps: int) -> None:
    """Let two sides take so many steps; refuse to compare them unless their losses agree."""
    for _ in range(steps):
        ours.step()
        theirs.step()
    what = f"{what}: loss after {steps} steps"
    report(f"{what}: ours {ours.loss:.6f}, theirs {theirs.loss:.6f}")
    agree(what, ours.loss, theirs.loss)


def compare_training(
    report: Report, what: str, ours: Any, theirs: Any, *, rounds: int, bar: float | None = None
) -> tuple[Timing, ...]:
    """Time the steps of two sides that have `step()` and `loss`, once 20 of them agree."""
    same_losses(report, what, ours, theirs, steps=20)
    sides = [side if isinstance(side, Apart) else side.step for side in (ours, theirs)]
    times = alternate(*sides, rounds=rounds)
    report.versus(what, *times, bar=bar)
    return times


def mnist_batches(count: int, size: int, seed: int = 0) -> tuple[Any, Any, str]:
    """Draw batches from MNIST's training part, or from what stands in for it.

    Gives images (count, size, 1, 28, 28) float32, labels (count, size) int64, and their source.
    """
    from sandbox.lib.data import mnist

    digits = mnist.load("train")
    rows = np.random.default_rng(seed).integers(0, len(digits.images), (count, size))
    scaled = (digits.images[rows].astype(np.float32) / 255 - mnist.MEAN) / mnist.STD
    images = np.ascontiguousarray(scaled[:, :, None], np.float32)
    return images, digits.labels[rows].astype(np.int64), digits.provenance.describe()


def machine() -> str:
    """Name the machine and what runs on it."""
    name = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                name = line.split(":", 1)[1].strip()
                break
    except OSError:
        pass
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    versions = [f"Python {platform.python_version()}"]
    for package in ("numpy", "onednn-cpu-gomp", "mkl", "pyspark", *RIVALS):
        try:
            versions.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            continue
    return f"{name}, {cores} cores, load {load:.1f} at the start; {', '.join(versions)}"


class Report:
    """What a measurement prints: shown at once, and kept for `save`."""

    def __init__(self, name: str, arguments: Sequence[str] = ()) -> None:
        self.lines: list[str] = []
        self.missed: list[str] = []
        self(" ".join(["bench", name, *arguments]))
        self(f"machine: {machine()}")

    def __call__(self, text: str = "") -> None:
        """Print a line."""
        self.lines.append(text)
        print(text, flush=True)

    def versus(self, what: str, ours: Timing, theirs: Timing, *, bar: float | None = None) -> float:
        """Print the two sides of a measurement, their ratio and what was asked for."""
        faster = ratio(ours, theirs)
        self(
            f"{what:<34} ours {_time(ours.median)} (min {_time(ours.fastest)})   "
            f"theirs {_time(theirs.median)} (min {_time(theirs.fastest)})   "
            f"{faster:.2f}x{self._verdict(what, faster, bar)}"
        )
        return faster

    def value(
        self,
        what: str,
        value: float,
        unit: str = "",
        *,
        at_least: float | None = None,
        at_most: float | None = None,
    ) -> None:
        """Print one number and what was asked for."""
        bar = at_least if at_least is not None else at_most
        verdict = self._verdict(what, value, bar, up=at_least is not None)
        self(f"{what:<34} {value:.4g} {unit}".rstrip() + verdict)

    def _verdict(self, what: str, value: float, bar: float | None, *, up: bool = True) -> str:
        if bar is None:
            return ""
        good = value >= bar if up else value <= bar
        if not good:
            self.missed.append(what)
        return f"   (bar {'>=' if up else '<='} {bar:g}: {'met' if good else 'MISSED'})"

    def close(self) -> int:
        """Print the verdict over all bars; give the status of the process."""
        if self.missed:
            self(f"missed: {', '.join(self.missed)}")
        return 1 if self.missed else 0

    def save(self, path: Path) -> Path:
        """Write what was printed."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(self.lines) + "\n")
        return path


class _Help(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """The docstring as it stands, and the defaults."""


def options(name: str, text: str | None, *, rounds: int | None = None) -> argparse.ArgumentParser:
    """Make the parser of a measurement's own options, `--rounds` among them if it has rounds."""
    parser = argparse.ArgumentParser(prog=f"bench {name}", description=text, formatter_class=_Help)
    if rounds is not None:
        parser.add_argument("--rounds", type=int, default=rounds, help="turns of each side")
    return parser


@contextmanager
def environment(name: str, value: str) -> Iterator[None]:
    """Set a variable within the block, also for processes that are started there."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def add_clock(parser: argparse.ArgumentParser) -> None:
    """Add the option of the clock."""
    text = "cpu: seconds of the processor, for one thread on a busy machine"
    parser.add_argument("--clock", choices=list(CLOCKS), default="wall", help=text)


def _time(seconds: float) -> str:
    for unit, factor in (("s", 1.0), ("ms", 1e3)):
        if seconds * factor >= 1:
            return f"{seconds * factor:.3f} {unit}"
    return f"{seconds * 1e6:.1f} us"
