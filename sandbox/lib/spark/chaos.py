"""Kills workers and executors of a running training on purpose: for the tests and the bench.

One run trains a small net with dropout, batch norm and momentum on uneven partitions while ranks
or executors are killed at iterations drawn beforehand; the weights must come out bit-equal to
those of the undisturbed run.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import psutil

from .. import criterion, nn, optim
from ..data import PartitionedDataset
from ..train import Trainer
from .backend import SparkBackend

__all__ = ["Disturbed", "disturb", "leftovers", "train"]

STEPS = 80
STATE_EVERY = 10
SIZES = (70, 41, 3, 55, 0, 91)  # rows of the partitions, uneven on purpose
PAUSE_S = 0.008
# Processes of all ranks since this module was imported; not bare numbers, which are used again.
SEEN: set[psutil.Process] = set()


def slow(x: Any) -> Any:
    """Return the rows unchanged, late: so that a kill meets a run that still goes on."""
    time.sleep(PAUSE_S)
    return x


def data(*, pause: bool = True) -> PartitionedDataset:
    """Return rows of two classes in uneven partitions."""
    random = np.random.default_rng(11)
    parts = []
    for rows in SIZES:
        x = random.standard_normal((rows, 1, 8, 8)).astype(np.float32)
        parts.append((x, (x[:, 0, :4].sum(axis=(1, 2)) > 0).astype(np.int64)))
    return PartitionedDataset(parts, transform=slow if pause else None)


def net() -> nn.Module:
    """Return a net with all that has state: momentum's slots, running statistics, masks."""
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1, rng=5),
        nn.BatchNorm(4),
        nn.ReLU(),
        nn.Flatten(),
        nn.Dropout(0.3),
        nn.Linear(256, 2, rng=6),
    )


@dataclass
class Disturbed:
    """What one run went through.

    Parameters
    ----------
    digest : of all weights and running statistics.
    kills : list of (step seen, what was killed).
    retries : how often the log says that the ranks start again.
    seconds : wall time.
    slowest : longest time between two events, in seconds.
    """

    digest: str
    kills: list[tuple[int, str]] = field(default_factory=list)
    retries: int = 0
    seconds: float = 0.0
    slowest: float = 0.0


def train(backend: Any, watch: Any = None, *, pause: bool = True) -> str:
    """Train the net; returns the digest of its weights."""
    model = net()
    trainer = Trainer(
        model,
        criterion.CrossEntropy(class_weights=[1.0, 2.5]),
        optim.SGD(0.05, momentum=0.9),
        batch_size=48,
        seed=4,
        threads=1,
        progress=None,
        backend=backend,
    )
    if watch is not None:
        trainer.subscribe(watch)
    trainer.fit(data(pause=pause), steps=STEPS)
    return digest(model)


def digest(model: nn.Module) -> str:
    """Return a digest over parameters and running statistics."""
    whole = hashlib.sha256()
    for _, value in [*model.named_parameters(), *model.named_buffers()]:
        whole.update(np.ascontiguousarray(value.data).tobytes())
    return whole.hexdigest()[:24]


def disturb(
    spark: Any,
    ranks: int,
    exchange: str,
    steps: Sequence[int],
    random: np.random.Generator,
    *,
    executors: bool = False,
) -> Disturbed:
    """Train while something is killed at each of `steps`.

    Parameters
    ----------
    executors : bool
        Kill executors (JVMs) as well as workers, by lot.
    """
    found = Disturbed("")
    plan = sorted(steps)
    pids: list[int] = []
    begin = last = time.monotonic()

    def watch(event: dict[str, Any]) -> None:
        nonlocal last
        now = time.monotonic()
        found.slowest = max(found.slowest, now - last)
        last = now
        if "pids" in event:
            pids[:] = event["pids"]
            SEEN.update(_processes(pids))
        elif event["type"] == "state" and event["state"] == "retrying":
            found.retries += 1
        elif event["type"] == "iteration" and plan and event["step"] >= plan[0] and pids:
            plan.pop(0)
            found.kills.append((event["step"], _kill(pids, random, executors)))
            pids.clear()

    backend = SparkBackend(spark, ranks=ranks, exchange=exchange, state_every=STATE_EVERY)
    found.digest = train(backend, watch)
    found.seconds = time.monotonic() - begin
    return found


def _kill(pids: list[int], random: np.random.Generator, executors: bool) -> str:
    targets = [("worker", pid) for pid in pids]
    if executors:
        targets += [("executor", pid) for pid in executor_pids()]
    what, pid = targets[int(random.integers(len(targets)))]
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return f"{what} {pid}, which had just ended"
    return f"{what} {pid}"


def executor_pids() -> list[int]:
    """Return the executors that are children of this process's JVM."""
    return [p.pid for p in _descendants() if "CoarseGrainedExecutorBackend" in _command(p)]


def _processes(pids: Sequence[int]) -> list[psutil.Process]:
    found = []
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            found.append(psutil.Process(pid))
    return found


def _descendants() -> list[psutil.Process]:
    found: list[psutil.Process] = psutil.Process().children(recursive=True)
    return found


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


# Semaphores and folders of a GridSearchCV in this process, which joblib removes at its end; the
# locks of podman, which tests of the image start beside.
_OF_OTHERS = ("sem.loky-", "joblib_memmapping_folder_", "libpod")


def leftovers(shm_before: set[str], patience_s: float = 10.0) -> list[str]:
    """Return what a stopped session left behind: its processes, files in shared memory.

    The segments of the exchange have no names: they are gone with the processes that map them.
    """
    until = time.monotonic() + patience_s
    while True:
        found = [
            f"process {p.pid}: {_command(p)[:80]}"
            for p in _descendants()
            if "pyspark.worker" in _command(p) or "CoarseGrained" in _command(p)
        ]
        found += [f"rank {p.pid}: {_command(p)[:80]}" for p in SEEN if p.is_running()]
        new = set(os.listdir("/dev/shm")) - shm_before
        found += [f"/dev/shm/{name}" for name in new if not name.startswith(_OF_OTHERS)]
        if not found or time.monotonic() > until:
            return found
        time.sleep(0.2)
