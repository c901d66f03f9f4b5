"""One rank of a group as a plain process: `rank_process.py SCENARIO RANK SIZE JSON_OPTIONS`.

Prints its port, reads all addresses from stdin as JSON, runs the scenario, prints one JSON answer.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import resource
import sys
import time
from dataclasses import dataclass

import numpy as np

from sandbox.lib.spark.exchange.door import Listener
from sandbox.lib.spark.exchange.group import Group


@dataclass
class Bucket:
    start: int
    stop: int


def buckets_of(n: int, size: int, count: int) -> list[Bucket]:
    """Cut n floats into buckets of uneven lengths, each divisible by the ranks."""
    rest = n // size
    edges = sorted({0, rest, *np.random.default_rng(7).integers(0, rest + 1, count - 1).tolist()})
    return [Bucket(a * size, b * size) for a, b in itertools.pairwise(edges)]


def digest(*arrays: np.ndarray) -> str:
    return hashlib.sha256(b"".join(a.tobytes() for a in arrays)).hexdigest()


def verbs(group: Group, n: int = 12_000, steps: int = 3, count: int = 4, **_: object) -> dict:
    """Like a training loop: sum gradients, update the own slices, gather; returns all results."""
    values, gradients = group.allocate(n), group.allocate(n)
    buckets = buckets_of(n, group.size, count)
    reference = np.zeros(n, np.float32)
    small, wrong = [], 0
    for step in range(steps):
        shares = [
            np.random.default_rng((step, r)).standard_normal(n).astype(np.float32) * 10.0**r
            for r in range(group.size)
        ]
        gradients[:] = shares[group.rank]
        group.reduce_scatter(gradients, buckets)
        total = shares[0].copy()
        for share in shares[1:]:
            total += share
        reference += total * np.float32(0.5)
        local = np.zeros(3)
        for bucket in buckets:
            length = (bucket.stop - bucket.start) // group.size
            own = slice(
                bucket.start + group.rank * length, bucket.start + (group.rank + 1) * length
            )
            values[own] += gradients[own] * np.float32(0.5)
            local[0] += float(np.abs(values[own]).sum(dtype=np.float64))
        local[1] = group.rank + 0.1
        small.append(group.all_reduce(local))
        slowest = step % group.size
        record = [1.0, 2.0 if group.rank == slowest else 0.5, group.rank]
        told = group.all_reduce(np.array(record), record=2)
        wrong += told.tolist() != [group.size, 2.0, slowest]
        group.all_gather(values, buckets)
        last = buckets[-1].stop
        wrong += int((values[:last] != reference[:last]).sum())
    big = group.all_reduce(np.arange(10_000) * (group.rank + 1.0))
    sent = np.full(1001, group.rank, np.int64)
    group.broadcast(sent, root=group.size - 1)
    group.broadcast(values, root=0)
    group.barrier()
    group.barrier()
    return {
        "digest": digest(values, *small, big, sent),
        "wrong": wrong,
        "sent": int(sent[-1]),
        "how": group.describe(),
        "notes": group.notes,
        "bytes": group.timings.bytes,
    }


def trains(group: Group, **_: object) -> dict:
    """Train by optimisers that see parameters whole, each batch in two pieces."""
    from sandbox.lib import criterion, nn, optim
    from sandbox.lib.train import Trainer, loop

    random = np.random.default_rng(0)
    x = random.standard_normal((192, 6)).astype(np.float32)
    model = nn.zoo.mlp([6, 32, 3], rng=0)
    trainer = Trainer(
        model,
        criterion.CrossEntropy(),
        optim.EMA(optim.by_name({"*.weight": optim.Muon(0.05), "*": optim.Adafactor(0.05)})),
        batch_size=48,
        accumulate=2,
        threads=1,
        progress=None,
    )
    data = (x, x[:, :3].argmax(1))
    job = trainer._job(data, None, 8, None, data, "epoch", None)
    loop.run(job, group, lambda event: None, lambda: None)
    weights = [np.asarray(p.data) for _, p in model.named_parameters()]
    return {"digest": digest(*weights), "weights": np.concatenate(weights, None).tolist()}


def parts(group: Group, slow: int = 3, **_: object) -> dict:
    """All meet and leave; one rank takes its time between two rounds of the meeting."""
    if group.rank == slow:
        step = group._step

        def slowly(*arguments: int) -> None:
            step(*arguments)
            time.sleep(0.3)

        group._step = slowly
    group.barrier()
    return {"left": True}


def dies(group: Group, victim: int = 1, after: int = 20, **_: object) -> dict:
    """The victim kills itself in the middle; the others tell what they saw and when."""
    gradients = group.allocate(4096)
    buckets = buckets_of(4096, group.size, 2)
    for step in range(10_000):
        if group.rank == victim and step == after:
            print(json.dumps({"died": time.time()}), flush=True)
            os.kill(os.getpid(), 9)
        group.reduce_scatter(gradients, buckets)
        group.all_reduce(np.ones(2))
    return {}


def leaves(group: Group, **_: object) -> dict:
    """Rank 1 has an error of its own."""
    group.barrier()
    with group:
        if group.rank == 1:
            raise ValueError("the loss is NaN")
        group.barrier()
    return {}


def hangs(group: Group, **_: object) -> dict:
    """Rank 1 does not come."""
    group.barrier()
    if group.rank == 1:
        time.sleep(4)
        return {}
    group.barrier()
    return {}


def disagrees(group: Group, **_: object) -> dict:
    """Rank 1 calls another verb."""
    if group.rank == 1:
        group.all_reduce(np.ones(4))
    else:
        group.barrier()
    return {}


def waits(group: Group, seconds: float = 1.0, **_: object) -> dict:
    """The others wait for rank 0; returns the processor seconds that cost."""
    group.barrier()
    used = resource.getrusage(resource.RUSAGE_SELF)
    if group.rank == 0:
        time.sleep(seconds)
    group.timings.reset()
    group.barrier()
    now = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "cpu": now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime,
        "wait": group.timings.wait,
        "exchange": group.timings.exchange,
    }


def speed(group: Group, n: int = 60_000, repeats: int = 200, **_: object) -> dict:
    """Median milliseconds of reduce-scatter + all-gather, and of a small all-reduce."""
    values, gradients = group.allocate(n), group.allocate(n)
    bucket = [Bucket(0, n - n % group.size)]
    gradients[:] = 1
    took, small = [], []
    for _repeat in range(repeats):
        group.barrier()
        begin = time.perf_counter()
        group.reduce_scatter(gradients, bucket)
        group.all_gather(values, bucket)
        took.append(time.perf_counter() - begin)
        group.barrier()
        begin = time.perf_counter()
        group.all_reduce(np.ones(8))
        small.append(time.perf_counter() - begin)
    return {"ms": float(np.median(took)) * 1e3, "small_us": float(np.median(small)) * 1e6}


def main() -> None:
    scenario, rank, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    options = json.loads(sys.argv[4])
    listener = Listener("127.0.0.1", 0)
    print(json.dumps(listener.address), flush=True)
    addresses = [(host, port) for host, port in json.loads(sys.stdin.readline())]
    modes = options.pop("exchange", "auto")
    if options.pop("no_memory", None) == rank:
        from sandbox.lib.spark.exchange import shm

        original = shm.Segment.__init__

        def refuse(self: shm.Segment, count: int) -> None:
            if count > 100_000:
                raise OSError(28, "No space left on device")
            original(self, count)

        shm.Segment.__init__ = refuse
    hosts = options.pop("hosts", None)
    if hosts is not None:  # ranks of another host cannot open our segments
        from sandbox.lib.spark.exchange import shm

        real = shm.open_segment
        near = [i for i in range(size) if hosts[i] == hosts[rank]]
        pids = json.loads(sys.stdin.readline())

        def open_near(announcement: bytes, count: int) -> np.ndarray:
            if shm.ANNOUNCEMENT.unpack(announcement)[0] not in [pids[i] for i in near]:
                raise OSError(2, "another host")
            return real(announcement, count)

        shm.open_segment = open_near
    try:
        group = Group(
            rank,
            size,
            addresses,
            options.pop("tokens", {}).get(str(rank), "secret").encode(),
            listener=listener,
            exchange=modes if isinstance(modes, str) else modes[rank],
            deadline_s=options.pop("deadline_s", 20.0),
        )
        answer = globals()[scenario](group, **options)
        group.close()
    except Exception as error:
        answer = {"error": f"{type(error).__name__}: {error}", "at": time.time()}
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
