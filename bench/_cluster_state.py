"""A large state: 100 million parameters with Adam, two ranks on Spark, a checkpoint at each step.

The time of a checkpoint is what the ranks hold the training for: packing, checks, fsync of every
file and of the folder. Beside it, while the training pauses, a file of the same size is copied in
the same folder (`shutil.copyfile`, then fsync of the copy and of the folder). The driver's memory
is the peak of its resident memory, the kernel's count, less what it held with model and session up.
"""

from __future__ import annotations

import gc
import os
import queue
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from sandbox.lib import nn
from sandbox.lib.criterion import CrossEntropy
from sandbox.lib.optim import Adam
from sandbox.lib.spark import SparkBackend, spark_session
from sandbox.lib.train import Checkpoints, EverySteps, Trainer

from . import harness

MASTER, RANKS, WIDTH, LAYERS = "local[3]", 2, 4472, 6
WRITE_BAR, MEMORY_BAR_MB = 1.5, 300


def run(asked, report):
    """Train a few steps, copy between them."""
    spark = spark_session(MASTER)
    model = nn.zoo.mlp([64, *[WIDTH] * LAYERS, 10], rng=0)
    numbers = sum(parameter.data.size for parameter in model.parameters())
    x = np.random.default_rng(0).normal(size=(64, 64)).astype("f4")
    y = np.arange(64) % 10
    with tempfile.TemporaryDirectory() as folder:
        kept = Checkpoints(folder, every=EverySteps(1), keep=1)
        trainer = Trainer(
            model,
            CrossEntropy(),
            Adam(1e-4),
            batch_size=16,
            threads=1,
            progress=None,
            checkpoint=kept,
            backend=SparkBackend(spark, ranks=RANKS),
        )
        events = queue.SimpleQueue()
        trainer.subscribe(events.put)
        gc.collect()
        harness.forget_peak()
        idle = harness.memory("VmRSS")
        began = time.perf_counter()
        trainer.fit((x, y), steps=100_000, background=True)
        writes, copies = [], []
        while len(copies) < asked.rounds + 1:
            event = events.get(timeout=300)
            if event["type"] == "iteration" and event["step"] == 1:
                report(f"first iteration after {time.perf_counter() - began:.1f} s")
            if event["type"] != "checkpoint":
                continue
            trainer.pause()
            while event["type"] != "state" or event["state"] != "paused":
                if event["type"] == "checkpoint":
                    writes.append(event["seconds"])
                event = events.get(timeout=300)
            copies.append(_copy(Path(folder)))
            trainer.resume_training()
        trainer.stop()
        trainer.wait()
        grown = (harness.memory("VmHWM") - idle) / 1e6
        size = sum(path.stat().st_size for path in Path(folder).iterdir())
        files = sorted(path.name for path in Path(folder).iterdir())
        _check(trainer, files, report)
    del trainer
    report(f"{numbers / 1e6:.1f} M parameters with Adam: {size / 1e6:.0f} MB in {len(files)} files")
    writes, copies = writes[1:], copies[1:]  # the first ones make folders and warm caches
    report("written in " + ", ".join(f"{s:.2f}" for s in writes) + " s")
    report("copied in " + ", ".join(f"{s:.2f}" for s in copies) + " s")
    share = statistics.median(writes) / statistics.median(copies)
    report.value("state written / plain copy", share, f"of {len(writes)}", at_most=WRITE_BAR)
    report.value("driver's memory above idle", grown, "MB", at_most=MEMORY_BAR_MB)
    spark.stop()


def _copy(folder):
    """Copy what the newest state takes, as one file; give the seconds."""
    source, target = folder / "one-file", folder / "its-copy"
    names = sorted(folder.glob("run*"), key=lambda path: path.stat().st_mtime)[-RANKS - 1 :]
    with source.open("wb") as file:
        for path in names:
            with path.open("rb") as part:
                shutil.copyfileobj(part, file, 1 << 20)
        file.flush()
        os.fsync(file.fileno())
    began = time.perf_counter()
    shutil.copyfile(source, target)
    for path in (target, folder):
        opened = os.open(path, os.O_RDONLY)
        os.fsync(opened)
        os.close(opened)
    seconds = time.perf_counter() - began
    source.unlink()
    target.unlink()
    return seconds


def _check(trainer, files, report):
    """Refuse figures of a state that is not what the model holds."""
    state = trainer.result.state.open()
    for name, parameter in trainer.model.named_parameters():
        if not np.array_equal(state.tensors[f"parameter/{name}"], parameter.data):
            raise harness.RefusedError(f"{name} of the state is not the model's")
    report(f"the state of step {state.step}, in {', '.join(files)}, holds the model's numbers")
