"""Ctrl-C at any moment, and the user's own queries beside a training."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from sandbox.lib import criterion, nn, optim
from sandbox.lib.spark import SparkBackend, spark_session
from sandbox.lib.train import Trainer

CHILD = Path(__file__).parents[1] / "tests" / "spark" / "interrupted_process.py"
MASTER, RANKS = "local[3]", 2
INTERRUPTS = 30
WITHIN_S = 3.0  # after the begin of a fit: from submission to the middle of the training
QUERIES = 10


def run(asked, report):
    """Interrupt, then count."""
    interrupts(report)
    queries(report)


def interrupts(report, rounds=INTERRUPTS):
    """Send SIGINT at random moments of fits in one process, and look what is left each time."""
    seed = secrets.randbits(32)
    random = np.random.default_rng(seed)
    report(f"seed {seed}: {rounds} fits by {RANKS} ranks on {MASTER}, SIGINT within {WITHIN_S} s")
    folder = tempfile.TemporaryDirectory()  # of its own: others may train here too
    child = subprocess.Popen(
        [sys.executable, str(CHILD), MASTER, str(RANKS), str(rounds)],
        env={**os.environ, "TMPDIR": folder.name},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    clean = worked = 0
    digests = set()
    slowest = 0.0
    try:
        for line in child.stdout:
            word = json.loads(line)
            if "begins" in word:
                at = float(random.uniform(0.0, WITHIN_S))
                time.sleep(at)
                child.send_signal(signal.SIGINT)
                sent = time.monotonic()
            elif "ended" in word:
                took = time.monotonic() - sent
                slowest = max(slowest, took)
                clean += not word["left"] and word["ended"] in ("stopped", "idle", "done")
                worked += 1
                digests.add(word["next"])
                rest = word["left"] or "nothing"
                report(
                    f"{word['number'] + 1:>2}/{rounds} SIGINT after {at:.2f} s: "
                    f"{word['ended']} after {word['steps']} steps, left {rest}; "
                    f"the next fit was through {took:.1f} s after the signal"
                )
    finally:
        child.kill()
        child.wait()
        folder.cleanup()
    report.value("interrupts that left nothing", clean, f"of {rounds}", at_least=rounds)
    report.value("next fits that worked", worked, f"of {rounds}", at_least=rounds)
    report.value("different results of those", len(digests), at_most=1)
    report.value("slowest way from signal to the end of the next fit", slowest, "s")


def queries(report):
    """Count rows while two ranks train."""
    spark = spark_session(MASTER)
    frame = spark.range(1_000_000).selectExpr("id % 7 AS k")
    frame.count()
    random = np.random.default_rng(0)
    x = random.standard_normal((4096, 1, 28, 28)).astype(np.float32)
    trainer = Trainer(
        nn.zoo.lenet5(rng=0),
        criterion.CrossEntropy(),
        optim.SGD(0.01),
        progress=None,
        backend=SparkBackend(spark),
    )
    trainer.fit((x, random.integers(0, 10, 4096)), steps=1_000_000, background=True)
    while len(trainer.history) < 50:
        time.sleep(0.05)
    took = []
    for _ in range(QUERIES):
        begin = time.monotonic()
        frame.groupBy("k").count().collect()
        frame.count()
        took.append(time.monotonic() - begin)
    steps = len(trainer.history)
    trainer.stop()
    trainer.wait(60)
    spark.stop()
    report(
        f"{QUERIES} times groupBy and count beside {steps} steps: {np.round(took, 2).tolist()} s"
    )
    report.value("slowest groupBy and count beside a training", max(took), "s", at_most=2.0)
