"""LeNet-5 by Spark on `local[2]` against TorchDistributor (DDP, gloo), 2 processes; exchange share.

Both sides train in the same Spark session's barrier tasks, one thread a process, from the same
weights, on the same global batches of 128 and 512 rows. Images per second are counted after 20
steps; the losses of those 20 steps must agree. The sides take turns: ours, theirs, theirs, ours.
"""

from __future__ import annotations

import os
import statistics
import tempfile
from typing import Any

import numpy as np

from . import harness

NEEDS_TORCH = True
RATE, MOMENTUM, SKIP = 0.05, 0.9, 20


def ours(session: Any, data: Any, batch: int, steps: int) -> tuple[list[dict], list[float]]:
    """Train with the sandbox; give the iteration events and the first losses."""
    from sandbox.lib import criterion, optim
    from sandbox.lib.nn import zoo
    from sandbox.lib.spark import SparkBackend
    from sandbox.lib.train import Trainer

    events: list[dict] = []
    trainer = Trainer(
        zoo.lenet5(0),
        criterion.CrossEntropy(),
        optim.SGD(RATE, momentum=MOMENTUM),
        batch_size=batch,
        seed=0,
        threads=1,
        metrics=(),
        progress=None,
        backend=SparkBackend(session, ranks=2),
    )
    tables: dict[int, list[dict]] = {}

    def hear(event: dict) -> None:
        if event["type"] == "ranks":
            tables[event["step"]] = event["timings"]
        elif event["type"] == "iteration":
            events.append({**event, "timings": tables[event["step"]]})

    trainer.subscribe(hear)
    trainer.fit(data, steps=steps)
    return events, [event["loss"] for event in events[:SKIP]]


def theirs(folder: str, batch: int, steps: int) -> tuple[float, list[float]]:
    """Be one process of TorchDistributor; give the seconds after the first steps and the losses."""
    import time

    import torch
    import torch.distributed as group

    from bench import torch_networks

    torch.set_num_threads(1)
    group.init_process_group("gloo")
    rank, size = group.get_rank(), group.get_world_size()
    images = torch.from_numpy(np.load(f"{folder}/images.npy"))
    labels = torch.from_numpy(np.load(f"{folder}/labels.npy"))
    order = np.load(f"{folder}/order-{batch}.npy")
    share = batch // size
    rows = [torch.from_numpy(step[rank * share : (rank + 1) * share].copy()) for step in order]
    model = torch_networks.lenet5()
    with np.load(f"{folder}/weights.npz") as weights, torch.no_grad():
        for index, parameter in enumerate(model.parameters()):
            parameter.copy_(torch.from_numpy(weights[f"w{index}"]))
    model = torch.nn.parallel.DistributedDataParallel(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE, momentum=MOMENTUM)
    losses = []
    started = 0.0
    for step in range(steps):
        if step == SKIP:
            group.barrier()
            started = time.perf_counter()
        taken = rows[step]
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(images[taken]), labels[taken])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    group.barrier()
    seconds = time.perf_counter() - started
    first = torch.tensor(losses[:SKIP])
    group.all_reduce(first)
    group.destroy_process_group()
    return seconds, (first / size).tolist()


def opponents_data(folder: str, digits: Any, batches: list[int], steps: int) -> None:
    """Write what the opponent reads: pixels, labels, the order of rows, the first weights."""
    from sandbox.lib.data import mnist
    from sandbox.lib.data.order import EpochOrder
    from sandbox.lib.nn import zoo

    scaled = (digits.images.astype(np.float32) / 255 - mnist.MEAN) / mnist.STD
    np.save(f"{folder}/images.npy", scaled[:, None].astype(np.float32))
    np.save(f"{folder}/labels.npy", digits.labels.astype(np.int64))
    for batch in batches:
        order = EpochOrder([len(digits.labels)], batch, seed=0, drop_last=True)
        rows = []
        for step in range(steps):
            epoch, k = divmod(step, order.steps_per_epoch)
            rows.append(np.concatenate([indices for _, indices in order.batch(epoch, k)]))
        np.save(f"{folder}/order-{batch}.npy", np.stack(rows))
    weights = [np.array(value.data) for _, value in zoo.lenet5(0).named_parameters()]
    np.savez(f"{folder}/weights.npz", **{f"w{i}": value for i, value in enumerate(weights)})


def shares(report: harness.Report, events: list[dict]) -> None:
    """Print what the iterations spent on waiting and exchanging, and whether the parts add up."""
    part, gap = [], []
    for event in events:
        ranks = event["timings"]
        spent = [rank["wait"] + rank["exchange"] for rank in ranks]
        sums = [rank["compute"] + rank["wait"] + rank["exchange"] for rank in ranks]
        part.append(100 * statistics.mean(spent) / statistics.mean(sums))
        gap.append(100 * abs(ranks[0]["compute"] + spent[0] - event["seconds"]) / event["seconds"])
    report.value("wait + exchange, batch 512, median", statistics.median(part), "%", at_most=10)
    report.value("parts against wall time, median gap", statistics.median(gap), "%", at_most=2)


def main(arguments, report):
    """Run the comparison."""
    from pyspark.ml.torch.distributor import TorchDistributor

    from sandbox.lib.data import mnist
    from sandbox.lib.spark import spark_session

    parser = harness.options("spark", __doc__, rounds=3)
    parser.add_argument("--steps", type=int, default=120, help="of a run")
    parser.add_argument(
        "--batches", type=int, nargs="+", default=[128, 512], help="rows of all ranks together"
    )
    chosen = parser.parse_args(arguments)
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    os.environ["OMP_NUM_THREADS"] = "1"
    digits = mnist.load("train")
    report(f"data: {digits.provenance.describe()}")
    session = spark_session("local[2]", app_name="bench")
    steps = min(chosen.steps, max(SKIP + 10, len(digits.labels) // max(chosen.batches)))
    with tempfile.TemporaryDirectory() as folder:
        opponents_data(folder, digits, chosen.batches, steps)
        data = mnist.dataset("train")
        torch_run = TorchDistributor(num_processes=2, local_mode=False, use_gpu=False)
        for batch in chosen.batches:
            compare(report, session, torch_run, data, folder, batch, steps, chosen.rounds)
    session.stop()
    return report.close()


def compare(report, session, torch_run, data, folder, batch, steps, rounds):
    """Compare the sides at one global batch."""
    times = (harness.Timing(), harness.Timing())
    losses: list[list[float]] = [[], []]
    every: list[dict] = []
    counted = steps - SKIP
    for number in range(rounds):
        for side in (0, 1) if number % 2 == 0 else (1, 0):
            if side == 0:
                events, losses[0] = ours(session, data, batch, steps)
                seconds = sum(event["seconds"] for event in events[SKIP:])
                every += events[SKIP:]
            else:
                seconds, losses[1] = torch_run.run(theirs, folder, batch, steps)
            times[side].seconds.append(seconds / counted)
    report(
        f"loss of step {SKIP}, batch {batch}: ours {losses[0][-1]:.6f}, theirs {losses[1][-1]:.6f}"
    )
    harness.agree(f"loss of step {SKIP}", losses[0][-1], losses[1][-1])
    rates = [batch / timing.median for timing in times]
    report(f"images/s, batch {batch}: ours {rates[0]:,.0f}, TorchDistributor {rates[1]:,.0f}")
    report.versus(f"Spark local[2], batch {batch}", *times, bar=1.5)
    if batch == 512:
        shares(report, every)
