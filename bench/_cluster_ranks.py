"""Many ranks on one machine: how soon they train, and what an iteration costs besides its numbers.

Simulated ranks are processes that the exchange joins over loopback, without Spark; the start is
that of 64 ranks of a Spark session, from `fit` to its first iteration.
"""

from __future__ import annotations

import multiprocessing
import re
import statistics
import threading
import time
from typing import Any

import numpy as np

from . import harness

RANKS = 64
SIZES = (2, 8, 16, 64)
STEPS = 60
ROWS_EACH = 8
PARTITIONS = 200


def run(asked: Any, report: harness.Report) -> None:
    """Measure events, bookkeeping, reading and the start."""
    iterations(report)
    pieces(report)
    reading(report, asked.rounds)
    start(report, asked.rounds)


# -- what an iteration costs ----------------------------------------------------------------------


def iterations(report: harness.Report) -> None:
    """Print the bytes of an iteration's event and the processor time of a rank's iteration."""
    sizes = {}
    for size in SIZES:
        found = simulate(size)
        sizes[size] = found["bytes"]
        report(
            f"{size:3} ranks: event {found['bytes']} bytes; an iteration takes a rank "
            f"{found['cpu_ms']:.2f} ms of processor time, {found['wall_ms']:.1f} ms by the clock "
            f"at best; joined after {found['joined']:.1f} s"
        )
    grown = max(sizes.values()) / min(sizes.values())
    report.value("event of an iteration, largest to smallest of the sizes", grown, "x", at_most=1.1)


def simulate(size: int) -> dict[str, float]:
    """Train a small model by so many processes; give what rank 0 and the clocks say."""
    context = multiprocessing.get_context("fork")
    pipes = [context.Pipe() for _ in range(size)]
    processes = [
        context.Process(target=_rank, args=(rank, size, pipe[1])) for rank, pipe in enumerate(pipes)
    ]
    try:
        for process in processes:
            process.start()
        addresses = [pipe.recv() for pipe, _ in pipes]
        for pipe, _ in pipes:
            pipe.send(addresses)
        answers = [pipe.recv() for pipe, _ in pipes]
    finally:
        for process in processes:
            process.join(10)
            process.kill()
    first = answers[0]
    return {**first, "cpu_ms": statistics.mean(answer["cpu_ms"] for answer in answers)}


def _rank(rank: int, size: int, pipe: Any) -> None:
    from sandbox.lib import criterion, nn, optim
    from sandbox.lib.data import ArrayDataset
    from sandbox.lib.metrics import Top1
    from sandbox.lib.spark.exchange import door
    from sandbox.lib.spark.exchange.group import Group
    from sandbox.lib.spark.line import messages as wire
    from sandbox.lib.train import MaxSteps, TrainJob, loop

    listener = door.Listener("127.0.0.1")
    pipe.send(listener.address)
    addresses = pipe.recv()
    begin = time.perf_counter()
    group = Group(rank, size, addresses, b"bench", listener=listener)
    joined = time.perf_counter() - begin
    rows = ROWS_EACH * size
    x = np.random.default_rng(0).standard_normal((rows * 20, 16)).astype(np.float32)
    job = TrainJob(
        model=nn.Sequential(nn.Linear(16, 32, rng=0), nn.ReLU(), nn.Linear(32, 3, rng=1)),
        criterion=criterion.CrossEntropy(),
        optimizer=optim.SGD(0.1),
        data=ArrayDataset(x, (x[:, 0] > 0).astype(np.int64)),
        batch_size=rows,
        seed=0,
        end=MaxSteps(STEPS),
        threads=1,
        metrics=(Top1(),),
    )
    bytes_, walls, used = [], [], []

    def emit(event: dict[str, Any]) -> None:
        if event["type"] == "iteration":
            bytes_.append(len(wire.encode([event])))
            walls.append(event["seconds"])

    def poll() -> None:
        used.append(time.process_time())

    if rank:  # rank 0 looks for commands in every iteration, the others do not: they count here
        real = group.reduce_scatter

        def reduce_scatter(*arguments: Any) -> None:
            poll()
            real(*arguments)

        group.reduce_scatter = reduce_scatter
    loop.run(job, group, emit, poll)
    group.close()
    later = used[len(used) // 2 :]
    pipe.send(
        {
            "bytes": statistics.median(bytes_) if bytes_ else 0,
            "wall_ms": min(walls, default=0.0) * 1e3,
            "cpu_ms": (later[-1] - later[0]) / (len(later) - 1) * 1e3,
            "joined": joined,
        }
    )


def pieces(report: harness.Report) -> None:
    """Print in how many pieces the gradients of 100 million parameters go between 256 ranks."""
    from sandbox.lib.spark.exchange.slices import Cut
    from sandbox.lib.train.loop import SLICE

    ranks, floats = 256, 100_000_000
    bucket = SLICE * ranks // 4
    begin = time.perf_counter()
    cuts = [Cut(at, bucket // ranks) for at in range(0, floats, bucket)]
    parts = [[cut.of(rank) for cut in cuts] for rank in range(ranks)]
    seconds = time.perf_counter() - begin
    count = sum(map(len, parts))
    report(f"100 M parameters, 256 ranks: {count} slices, laid out in {seconds * 1e3:.2f} ms")


# -- reading --------------------------------------------------------------------------------------


def reading(report: harness.Report, rounds: int) -> None:
    """Compare the reading of a rank's share of a batch from one partition and from 200."""
    one, many = (_reader(count) for count in (1, PARTITIONS))
    times = harness.alternate(one, many, rounds=max(rounds, 5), seconds=0.1)
    report(
        f"a share of 128 rows: {times[0].fastest * 1e6:.0f} us from 1 partition, "
        f"{times[1].fastest * 1e6:.0f} us from {PARTITIONS}"
    )
    ratio = times[1].fastest / times[0].fastest
    report.value(f"reading, {PARTITIONS} partitions to 1", ratio, "x", at_most=1.5)


def _reader(partitions: int) -> Any:
    from sandbox.lib.data import ArrayDataset
    from sandbox.lib.spark.rows.blocks import Form
    from sandbox.lib.spark.rows.loading import Frame, FrameRows
    from sandbox.lib.train import SingleGroup
    from sandbox.lib.train.batches import Batches

    rows = 20_000
    x = np.random.default_rng(0).standard_normal((rows, 32)).astype(np.float32)
    like = ArrayDataset(x, (x[:, 0] > 0).astype(np.int64))
    sizes = (rows // partitions,) * partitions
    starts = np.arange(partitions + 1) * sizes[0]
    owner, none = (0,) * partitions, np.zeros(partitions, np.int64)
    frame = Frame(0, sizes, owner, Form(*like.stored()), starts, none)
    data = FrameRows(frame, like, (like.x, like.y), 0)
    order = data.order(128, seed=0)
    batches = Batches(data, order, SingleGroup())
    at = 0

    def step() -> None:
        nonlocal at
        batches.read(0, at % order.steps_per_epoch)
        at += 1

    return step


# -- the start ------------------------------------------------------------------------------------


def start(report: harness.Report, rounds: int) -> None:
    """Print how long 64 ranks of a session take until their first iteration, and their memory."""
    from sandbox.lib import criterion, nn, optim
    from sandbox.lib.spark import SparkBackend, spark_session
    from sandbox.lib.train import Trainer

    x = np.random.default_rng(0).standard_normal((100 * RANKS, 16)).astype(np.float32)
    data = (x, (x[:, 0] > 0).astype(np.int64))
    session = spark_session(f"local[{RANKS + 1}]", app_name="bench")
    took, memory, rates = [], [], []
    for _ in range(max(rounds, 3)):
        trainer = Trainer(
            nn.Sequential(nn.Linear(16, 32, rng=0), nn.ReLU(), nn.Linear(32, 3, rng=1)),
            criterion.CrossEntropy(),
            optim.SGD(0.1),
            batch_size=10 * RANKS,
            seed=0,
            threads=1,
            progress=None,
            backend=SparkBackend(session, ranks=RANKS),
        )
        first, seconds, pids = threading.Event(), [], []

        def hear(event: dict[str, Any], first=first, seconds=seconds, pids=pids) -> None:
            if event["type"] == "log" and "ranks met" in event["text"]:
                pids += map(int, re.findall(r"\d+", event["text"].partition("process")[2]))
            if event["type"] == "iteration":
                if not first.is_set():
                    seconds.append(time.perf_counter())
                    memory.append(sum(map(_memory, pids)))
                    first.set()
                rates.append(event["seconds"])

        trainer.subscribe(hear)
        begin = time.perf_counter()
        trainer.fit(data, steps=30)
        took.append(seconds[0] - begin)
    session.stop()
    report(f"starts of {RANKS} ranks: {', '.join(f'{s:.1f}' for s in took)} s; the first is cold")
    report(f"memory of all ranks: {max(memory) / 1e9:.1f} GB; iteration {min(rates) * 1e3:.0f} ms")
    report.value(f"start of {RANKS} ranks, median", statistics.median(took), "s", at_most=15)


def _memory(pid: int) -> int:
    """Return what a process holds, shared memory by its share of it."""
    try:
        with open(f"/proc/{pid}/smaps_rollup") as file:
            return next(int(line.split()[1]) << 10 for line in file if line.startswith("Pss:"))
    except OSError:
        return 0
