"""Kills workers, executors and writers of checkpoints at random: every run must end bit-equal.

20 runs over `local[2]`, `local[3]` and `local-cluster[2,1,1024]`, 2 and 3 ranks, shared memory and
TCP; each trains a net with dropout, batch norm and momentum on uneven partitions and takes five
kill -9 at iterations drawn uniformly. Then 50 processes are killed while they write checkpoints.
The seed is printed; `--seed` repeats a campaign.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import tempfile
import time
from typing import Any

import numpy as np

from . import harness

# Master, ranks, exchange; local-cluster runs take executors as well as workers.
CASES = [
    ("local[2]", 2, "shm"),
    ("local[2]", 2, "tcp"),
    ("local[3]", 3, "shm"),
    ("local[3]", 3, "tcp"),
    ("local-cluster[2,1,1024]", 2, "shm"),
    ("local-cluster[2,1,1024]", 2, "tcp"),
    ("local-cluster[3,1,1024]", 3, "shm"),
    ("local-cluster[3,1,1024]", 3, "tcp"),
]
KILLS = 5
HANG_S = 60

WRITER = """
import sys
import numpy as np
from sandbox.lib.train import CheckpointStore
from sandbox.lib.train.checkpoint import pack
store = CheckpointStore(sys.argv[1], keep=2)
print("ready", flush=True)
step = int(sys.argv[2])
while True:
    step += 1
    store.save(pack({"step": step}, {"parameter/w": np.full(500_000, step, "f4")}, "checkpoint"),
               step)
"""


def campaign(report: harness.Report, runs: int, seed: int) -> None:
    """Disturb `runs` trainings and check each against the undisturbed one."""
    from sandbox.lib.spark import SparkBackend, chaos, spark_session

    random = np.random.default_rng(seed)
    chosen = sorted(CASES[i % len(CASES)] for i in range(runs))
    undisturbed: dict[int, str] = {}
    before = set(os.listdir("/dev/shm"))
    equal = retried = finished = kills = 0
    slowest = 0.0
    spark: Any = None
    leftovers: list[str] = []
    running = ""
    for number, (master, ranks, exchange) in enumerate(chosen, 1):
        if master != running:
            if spark is not None:
                spark.stop()
                leftovers += chaos.leftovers(before)
            spark, running = spark_session(master), master
        if ranks not in undisturbed:
            undisturbed[ranks] = chaos.train(SparkBackend(spark, ranks=ranks), pause=False)
        steps = np.sort(random.choice(np.arange(1, chaos.STEPS), KILLS, replace=False)).tolist()
        found = chaos.disturb(spark, ranks, exchange, steps, random, executors="cluster" in master)
        same = found.digest == undisturbed[ranks]
        finished += 1
        equal += same
        retried += found.retries > 0
        kills += len(found.kills)
        slowest = max(slowest, found.slowest)
        done = ", ".join(f"{what.split()[0]} at {step}" for step, what in found.kills)
        report(
            f"{number:>2}/{runs} {master}, {ranks} ranks, {exchange}: drawn {steps}; "
            f"killed {done}; {found.retries} retries, {found.seconds:.1f} s, "
            f"longest silence {found.slowest:.1f} s, {'bit-equal' if same else 'DIFFERENT'}"
        )
    if spark is not None:
        spark.stop()
        leftovers += chaos.leftovers(before)
    for line in leftovers:
        report(f"left behind: {line}")
    report.value("runs finished", finished, f"of {runs}, {kills} kills", at_least=runs)
    report.value("runs bit-equal to the undisturbed", equal, f"of {runs}", at_least=runs)
    report.value("runs whose log shows a retry", retried, f"of {runs}", at_least=runs)
    report.value("longest silence", slowest, "s", at_most=HANG_S)
    report.value("processes and segments left behind", len(leftovers), at_most=0)


def writers(report: harness.Report, count: int, seed: int) -> None:
    """Kill processes while they write checkpoints; the newest or the one before must load."""
    from sandbox.lib.train import CheckpointStore
    from sandbox.lib.train.checkpoint import unpack

    random = np.random.default_rng(seed + 1)
    good = step = 0
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(count):
            process = subprocess.Popen(
                [sys.executable, "-c", WRITER, folder, str(step)], stdout=subprocess.PIPE
            )
            if process.stdout is not None:
                process.stdout.readline()
            time.sleep(float(random.uniform(0.01, 0.25)))
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()
            store = CheckpointStore(folder)
            files, found = store.files(), store.latest()
            if found is None:
                good += not files
                continue
            path, data = found
            kept = unpack(data, "checkpoint")
            whole = bool((kept.tensors["parameter/w"] == kept.step).all())
            good += whole and path in files[-2:] and kept.step >= step - 1
            step = kept.step
        rest = [name for name in os.listdir(folder) if not name.endswith(".safetensors")]
    report(f"{step} checkpoints were written in all; {len(rest)} unfinished file(s)")
    report.value("writers killed, checkpoint loads", good, f"of {count}", at_least=count)


def main(arguments: list[str], report: harness.Report) -> int:
    """Run the campaign."""
    parser = harness.options("faults", __doc__)
    parser.add_argument("--runs", type=int, default=20, help="of the campaign")
    parser.add_argument("--writers", type=int, default=50, help="processes killed")
    parser.add_argument("--seed", type=int, help="of all chances; drawn by default")
    asked = parser.parse_args(arguments)
    seed = secrets.randbits(32) if asked.seed is None else asked.seed
    report(f"seed {seed}")
    if asked.runs:
        campaign(report, asked.runs, seed)
    if asked.writers:
        writers(report, asked.writers, seed)
    return report.close()
