"""Rows read by ranks: Parquet against pyarrow alone, in bounded memory; a DataFrame to the ranks.

Parquet: a column of bytes (3,072 a row, as pictures of 32 x 32 x 3), read row group by row group;
pyarrow alone reads the same columns. Bars: 1 GB a second, 0.8 of pyarrow. Then an epoch in batches
by `BlockOrder`, whose own memory is counted: the files are larger than what may stay.
DataFrame (`--spark`): a cached one of 1,024 floats a row is packed and dealt to two ranks; the bar
is 150 MB a second and core, the starts of Spark's Python processes included: give it gigabytes.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from . import harness

ROW, GROUP, BATCH = 3072, 8192, 256
FLOATS = 1024


def written(folder: Path, megabytes: int) -> Path:
    """Write a file of random bytes and ten classes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng, path = np.random.default_rng(0), folder / "rows.parquet"
    schema = pa.schema([("image", pa.binary()), ("y", pa.int64())])
    options = {"compression": "none", "use_dictionary": False}
    with pq.ParquetWriter(path, schema, **options) as writer:
        for _ in range(max(2, megabytes * 1_000_000 // (ROW * GROUP))):
            pixels = rng.integers(0, 256, (GROUP, ROW), np.uint8)
            ends = pa.py_buffer(np.arange(0, (GROUP + 1) * ROW, ROW, dtype=np.int32))
            images = pa.Array.from_buffers(pa.binary(), GROUP, [None, ends, pa.py_buffer(pixels)])
            labels = rng.integers(0, 10, GROUP)
            writer.write_table(pa.table([images, pa.array(labels)], schema), row_group_size=GROUP)
    return path


class Ours:
    """Blocks of a data set, read one after the other; nothing stays."""

    def __init__(self, path: Path) -> None:
        from sandbox.lib.data import ParquetBlocks

        self.data = ParquetBlocks(
            path, features="image", label="y", shape=(3, 32, 32), dtype=None, memory=1
        )

    def step(self) -> None:
        self.sum = sum(int(self.data.read(p)[1].sum()) for p in range(len(self.data.blocks)))

    def epoch(self, clock: str) -> float:
        """Read all batches of an epoch in random order; return the seconds."""
        order = self.data.order(BATCH, seed=0)
        out = (np.empty((BATCH, 3, 32, 32), np.uint8), np.empty(BATCH, np.int64))
        now = time.process_time if clock == "cpu" else time.perf_counter
        began = now()
        for k in range(order.steps_per_epoch):
            share = order.batch(0, k)
            room = tuple(part[: share.rows] for part in out)
            self.data.batch(share, out=room)
        return now() - began


class Theirs:
    """The same columns by pyarrow alone."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def step(self) -> None:
        import pyarrow.compute as pc
        import pyarrow.parquet as pq

        self.sum = 0
        for group in range(pq.ParquetFile(self.path).num_row_groups):
            with pq.ParquetFile(self.path) as file:
                table = file.read_row_group(group, columns=["image", "y"])
            self.sum += pc.sum(table.column("y")).as_py()


def parquet(asked: Any, report: harness.Report) -> None:
    """Measure reading by one process."""
    folder = Path(tempfile.mkdtemp(prefix="sandbox-reading-"))
    try:
        path = written(folder, asked.megabytes)
        size = path.stat().st_size
        ours, theirs = Ours(path), Theirs(path)
        ours.step()
        theirs.step()
        harness.agree("sum of the labels", ours.sum, theirs.sum)
        times = harness.alternate(
            ours.step, theirs.step, rounds=asked.rounds, warm=1, clock=asked.clock
        )
        report(f"{size / 1e6:.0f} MB in {len(ours.data.blocks)} row groups, by the {asked.clock}")
        report.versus("Parquet, bytes, against pyarrow", *times, bar=0.8)
        report.value("Parquet, bytes", size / 1e9 / times[0].fastest, "GB/s", at_least=1.0)
        harness.forget_peak()
        before = harness.memory("RssAnon")
        seconds = ours.epoch(asked.clock)
        window = ours.data.order(BATCH, seed=0).window
        allowed = (2 * window + 2) * GROUP * ROW / 1e6
        peak = (harness.memory("VmHWM") - before) / 1e6
        report.value("an epoch of random batches", size / 1e9 / seconds, "GB/s")
        report.value(f"its memory, two windows of {window}", peak, "MB", at_most=allowed + 64)
    finally:
        shutil.rmtree(folder)


def frames(asked: Any, report: harness.Report) -> None:
    """Measure packing and dealing a cached DataFrame."""
    from sandbox.lib import criterion, nn, optim
    from sandbox.lib.spark import SparkBackend, SparkDataset, spark_session
    from sandbox.lib.train import Trainer

    from ._cluster_rows import generated

    spark = spark_session("local[3]", conf={"spark.driver.memory": "4g"})  # the rows are cached
    spark.sparkContext.setLogLevel("ERROR")
    try:
        frame = generated(spark, asked.megabytes / 1000, 4).cache()
        rows = frame.count()
        size = rows * 4 * FLOATS
        for number in range(asked.rounds):
            data = SparkDataset(frame, bytes_dtype="float32")
            began = time.perf_counter()
            data.packed()
            packed = time.perf_counter() - began
            told: list[str] = []
            trainer = Trainer(
                nn.zoo.mlp([FLOATS, 8, 10], rng=0),
                criterion.CrossEntropy(),
                optim.SGD(0.01),
                batch_size=512,
                threads=1,
                progress=None,
                backend=SparkBackend(spark, ranks=2),
            )
            trainer.subscribe(
                lambda event, told=told: event["type"] == "stage" and told.append(event["text"])
            )
            began = time.perf_counter()
            trainer.fit(data, steps=1)
            dealt = time.perf_counter() - began
            data.unpersist()
            report(f"round {number}: packing {packed:.1f} s, to the first iteration {dealt:.1f} s")
            report(f"  {next((t for t in reversed(told) if 'loading' in t), 'loaded at once')}")
        cores = min(2, os.cpu_count() or 1)
        report.value(
            "cached DataFrame to ranks", size / 1e6 / packed / cores, "MB/s a core", at_least=150
        )
    finally:
        spark.stop()


def main(arguments: list[str], report: harness.Report) -> int:
    """Measure."""
    parser = harness.options("reading", __doc__, rounds=5)
    parser.add_argument("--megabytes", type=int, default=1000, help="of the files")
    parser.add_argument("--spark", action="store_true", help="the DataFrame, in place of Parquet")
    harness.add_clock(parser)
    asked = parser.parse_args(arguments)
    (frames if asked.spark else parquet)(asked, report)
    return report.close()
