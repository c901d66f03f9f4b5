"""Killed workers and executors, interrupts, a dead driver: training goes on or ends cleanly.

A sample; the full campaign is `bench faults`. The seed is drawn anew and printed.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from sandbox.lib.spark import SparkBackend, chaos

pytestmark = [pytest.mark.spark, pytest.mark.faults]
SCRIPT = Path(__file__).with_name("fit_process.py")


def check(spark, ranks, exchange, kills=5, *, executors=False):
    seed = secrets.randbits(32)
    random = np.random.default_rng(seed)
    steps = np.sort(random.choice(np.arange(1, chaos.STEPS - 2), kills, replace=False)).tolist()
    print(f"seed {seed}: {ranks} ranks by {exchange}, kills at {steps}")
    undisturbed = chaos.train(SparkBackend(spark, ranks=ranks), pause=False)
    found = chaos.disturb(spark, ranks, exchange, steps, random, executors=executors)
    print(found)

    assert undisturbed == found.digest
    assert kills == len(found.kills)
    assert found.retries >= 1
    assert found.slowest < 60


@pytest.mark.parametrize(
    ("ranks", "exchange"), [(2, "shm"), pytest.param(3, "tcp", marks=pytest.mark.campaign)]
)
def test_killed_workers_change_no_bit(local, ranks, exchange):
    check(local, ranks, exchange)


@pytest.mark.campaign
def test_where_spark_does_not_try_again_the_driver_submits_the_job_again(sessions):
    spark = sessions("local[2]", spark_stage_maxConsecutiveAttempts=1)
    check(spark, 2, "auto", 3)


@pytest.mark.campaign
@pytest.mark.parametrize("exchange", ["tcp", "shm"])
def test_killed_executors_change_no_bit(cluster, exchange):
    check(cluster, 2, exchange, executors=True)


class Driver:
    """A driver process whose lines are read one by one."""

    def __init__(self, mode):
        self.process = subprocess.Popen(
            [sys.executable, str(SCRIPT), "local[2]", mode],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.pids: list[int] = []
        self.last = {}

    def until(self, word):
        for line in self.process.stdout:
            self.last = json.loads(line)
            self.pids = self.last.get("pids", self.pids)
            if word in self.last:
                return self.last
        raise AssertionError(f"the driver ended before it said {word!r}")

    def gone_within(self, seconds):
        until = time.monotonic() + seconds
        while any(Path(f"/proc/{pid}").exists() for pid in self.pids):
            if time.monotonic() > until:
                return False
            time.sleep(0.05)
        return True

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


@pytest.mark.parametrize("mode", [pytest.param("long", marks=pytest.mark.campaign), "stuck"])
def test_an_interrupt_cancels_the_job_and_its_workers_are_gone_within_five_seconds(mode):
    before = set(os.listdir("/dev/shm"))
    with Driver(mode) as driver:
        driver.until("running")
        time.sleep(0.5)
        driver.process.send_signal(signal.SIGINT)
        begin = time.time()
        assert driver.gone_within(5)
        ended = driver.until("interrupted")
        after = driver.until("rows")  # the session goes on

    assert ended["at"] - begin < 6
    assert ended["state"] == "stopped"
    assert ended["steps"] > 0
    assert after["rows"] == 10
    assert before == set(os.listdir("/dev/shm"))


def test_workers_end_when_the_driver_is_killed():
    with Driver("long") as driver:
        driver.until("running")
        driver.process.kill()

        assert driver.gone_within(10)
