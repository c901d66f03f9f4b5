"""A DataFrame larger than the ranks' memory: rows in mapped files, as fast as in memory.

A frame of `--gigabytes` is generated in Spark (nothing of it in the driver) and trains in two ranks
of 256 MB for rows; a small one, which fits into memory, trains before and after it. Same form of
rows, same batches. Counted is the memory that is a process's own (`RssAnon`): pages of mapped files
are the system's, which drops them when it needs the memory; `VmRSS` with them is printed, too.
"""

from __future__ import annotations

import contextlib
import threading
import time
from pathlib import Path
from typing import Any

import psutil

FEATURES, BATCH, SKIP, WINDOW = 1024, 512, 20, 50
BUDGET, ALLOWED = "256m", 1 << 30
SMALL_BYTES = 200 << 20


def generated(spark: Any, gigabytes: float, partitions: int) -> Any:
    """Return a frame of so many bytes: 1024 floats a row as bytes, ten classes."""
    count = max(1000, int(gigabytes * (1 << 30)) // (4 * FEATURES))

    def make(batches: Any) -> Any:
        import numpy as np
        import pyarrow as pa

        for batch in batches:
            ids = batch.column(0).to_numpy()
            for start in range(0, len(ids), 500):
                some = ids[start : start + 500]
                random = np.random.default_rng(int(some[0]))
                rows = random.standard_normal((len(some), FEATURES), np.float32)
                rows[:, 0] = some % 10
                bytes_of_rows = pa.array([row.tobytes() for row in rows], pa.binary())
                yield pa.RecordBatch.from_arrays(
                    [bytes_of_rows, pa.array(some % 10)], ["features", "label"]
                )

    return spark.range(0, count, 1, partitions).mapInArrow(make, "features binary, label bigint")


class Memory:
    """Watches the Python processes of a session: the largest that each has had."""

    def __init__(self) -> None:
        self.peaks: dict[int, dict[str, int]] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Memory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def peak(self, what: str) -> int:
        """Return the largest of all processes, in bytes."""
        return max(found.get(what, 0) for found in self.peaks.values())

    def _watch(self) -> None:
        while not self._over.wait(0.2):
            for process in psutil.Process().children(recursive=True):
                with contextlib.suppress(psutil.Error, OSError):
                    if "java" not in process.name():
                        self._look(process.pid)

    def _look(self, pid: int) -> None:
        kept = self.peaks.setdefault(pid, {})
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            name, _, value = line.partition(":")
            if name in ("RssAnon", "RssFile", "VmRSS"):
                kept[name] = max(kept.get(name, 0), int(value.split()[0]) << 10)


def train(spark: Any, data: Any, steps: int, memory: str) -> tuple[float, float, float]:
    """Return rows a second in the fastest window and in all, and the seconds of the start."""
    from sandbox.lib import criterion, nn, optim
    from sandbox.lib.spark import SparkBackend
    from sandbox.lib.train import Trainer

    times: list[float] = []
    trainer = Trainer(
        nn.zoo.mlp([FEATURES, 128, 10], rng=0),
        criterion.CrossEntropy(),
        optim.SGD(0.01),
        batch_size=BATCH,
        threads=1,
        metrics=(),
        progress=None,
        backend=SparkBackend(spark, ranks=2, memory_per_rank=memory),
    )
    began, first = time.perf_counter(), 0.0

    def hear(event: dict[str, Any]) -> None:
        nonlocal first
        if event["type"] == "iteration":
            first = first or time.perf_counter() - began
            times.append(event["seconds"])

    trainer.subscribe(hear)
    trainer.fit(data, steps=steps)
    times = times[SKIP:]
    windows = [sum(times[k : k + WINDOW]) for k in range(0, len(times) - WINDOW + 1, WINDOW)]
    return BATCH * WINDOW / min(windows), BATCH * len(times) / sum(times), first


def run(asked: Any, report: Any) -> None:
    """Measure."""
    from sandbox.lib.spark import SparkDataset, spark_session

    spark = spark_session("local[3]")
    spark.sparkContext.setLogLevel("ERROR")
    try:
        small = SparkDataset(generated(spark, SMALL_BYTES / (1 << 30), 4), bytes_dtype="float32")
        large = SparkDataset(generated(spark, asked.gigabytes, 24), bytes_dtype="float32")
        steps = max(400, len(small) // BATCH)
        before = train(spark, small, steps, "2g")
        with Memory() as memory:
            start = time.perf_counter()
            rows = len(large)
            packing = time.perf_counter() - start
            mapped = train(spark, large, max(steps, rows // BATCH), BUDGET)
        after = train(spark, small, steps, "2g")
        report(f"{rows} rows, {rows * 4 * FEATURES / 1e9:.2f} GB; in memory {len(small)} rows")
        report.value("packing", rows * 4 * FEATURES / 1e6 / packing, "MB/s")
        report.value("from fit to the first iteration", mapped[2], "s")
        report.value("a process's own memory, peak", memory.peak("RssAnon") / (1 << 20), "MB",
                     at_most=ALLOWED / (1 << 20))  # fmt: skip
        report.value("with mapped pages (VmRSS), peak", memory.peak("VmRSS") / (1 << 20), "MB")
        for name, place, bar in (("fastest window", 0, 0.75), ("whole run", 1, None)):
            alone = max(before[place], after[place])
            report(f"{name}: mapped {mapped[place]:.0f} rows/s, in memory {alone:.0f} rows/s")
            report.value(f"mapped / in memory, {name}", mapped[place] / alone, "x", at_least=bar)
    finally:
        spark.stop()
