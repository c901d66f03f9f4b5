"""What the driver wants reaches the ranks at any moment, and a run that fails leaves nothing."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pytest

from sandbox.lib import criterion, nn, optim
from sandbox.lib.core.errors import ArgumentError
from sandbox.lib.data import ArrayDataset
from sandbox.lib.spark import SparkBackend
from sandbox.lib.spark.line.caller import AHEAD
from sandbox.lib.train import Callback, Trainer

pytestmark = pytest.mark.spark
SCRIPT = Path(__file__).with_name("interrupted_process.py")
PATIENCE_S = 60


def rows(count=256):
    x = np.random.default_rng(0).standard_normal((count, 6)).astype(np.float32)
    return x, (x[:, 0] > 0).astype(np.int64)


def trainer_of(spark, ranks=2, model=None, **options):
    return Trainer(
        model or nn.zoo.mlp([6, 8, 2], rng=0),
        criterion.CrossEntropy(),
        optim.SGD(0.1),
        batch_size=32,
        threads=1,
        progress=None,
        backend=SparkBackend(spark, ranks=ranks, **options),
    )


def until(what):
    deadline = time.monotonic() + PATIENCE_S
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_stop_from_a_slow_callback_comes_within_the_stated_iterations(local):
    trainer = trainer_of(local)

    def slow(event):
        if event["type"] == "iteration":
            time.sleep(0.004)  # the ranks take a fifth of that
            if event["step"] == 50:
                trainer.stop()

    trainer.subscribe(slow)
    trainer.fit(rows(), steps=100_000)
    assert trainer.state == "stopped"
    assert 50 <= trainer.result.step <= 50 + AHEAD
    assert len(trainer.history) == trainer.result.step


def test_what_is_asked_while_a_lost_worker_is_replaced_is_obeyed(local):
    trainer = trainer_of(local)
    pids, asked = [], []

    def watch(event):
        if "pids" in event:
            pids[:] = event["pids"]
        elif event["type"] == "iteration" and event["step"] == 150 and not asked:
            asked.append(len(trainer.history))
            os.kill(pids[1], signal.SIGKILL)
            trainer.set_learning_rate(0.03125)
            trainer.pause()

    trainer.subscribe(watch)
    trainer.fit(rows(), steps=1_000_000, background=True)
    until(lambda: trainer.state == "paused" and len(set(pids)) == 2 and asked)
    assert trainer.history["learning_rate"][-1] == 0.03125
    os.kill(pids[0], signal.SIGKILL)  # rank 0, while they hold
    trainer.stop()
    trainer.wait(PATIENCE_S)
    assert trainer.state == "stopped"
    assert trainer.result.step > 0


def test_a_stop_before_the_ranks_have_met_ends_the_run(local, tmp_path):
    # Someone else's work fills the slots that the ranks need.
    done = tmp_path / "done"

    def wait(_):
        while not done.exists():
            time.sleep(0.05)

    rdd = local.sparkContext.parallelize(range(2), 2)
    with ThreadPoolExecutor(1) as other:
        busy = other.submit(rdd.foreach, wait)
        try:
            trainer, said = trainer_of(local), []
            trainer.subscribe(lambda event: said.append(event.get("text", "")))
            trainer.fit(rows(), steps=10, background=True)
            until(lambda: any("1 of 2 ranks wait for a free slot" in text for text in said))
            trainer.stop()
            trainer.wait(PATIENCE_S)
            assert not busy.done()
        finally:
            done.touch()
        busy.result(PATIENCE_S)
    assert trainer.state == "stopped"
    assert len(trainer.history) == 0


class Heavy(nn.ReLU):
    """A module that cannot travel, found when all else is ready."""

    def __init__(self):
        super().__init__()
        self.lock = threading.Lock()


class Fails(Callback):
    def on_event(self, trainer, event):
        if event.get("text") == "sending the data":
            raise ZeroDivisionError(event["text"])


def resources():
    gc.collect()
    process = psutil.Process()
    listening = sum(c.status == "LISTEN" for c in process.net_connections("tcp"))
    ours = [t.name for t in threading.enumerate() if t.name.startswith("sandbox")]
    return Counter(ours, listening=listening)


def test_a_set_up_that_fails_gives_everything_back(local, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    x = np.zeros((40_000, 1, 16, 16), np.float32)  # 41 MB
    data = ArrayDataset(x, np.zeros(len(x), np.int64))
    model = nn.Sequential(nn.Flatten(), nn.Linear(256, 2, rng=1), Heavy())
    trainer = trainer_of(local, model=model)
    before = resources()
    for _ in range(2):
        with pytest.raises(ArgumentError, match="cannot travel"):
            trainer.fit(data, steps=2)
        assert list(tmp_path.iterdir()) == []
        until(lambda: resources() <= before)  # others' may end meanwhile

    # The same if a callback fails in the middle of the set-up.
    trainer = trainer_of(local)
    trainer.callbacks = (Fails(),)
    with pytest.raises(ZeroDivisionError, match="sending the data"):
        trainer.fit(rows(), steps=2)
    assert list(tmp_path.iterdir()) == []
    until(lambda: resources() <= before)  # others' may end meanwhile


def test_ranks_and_driver_listen_within_the_range_of_ports(local):
    seen = set()

    def watch(event):
        if event["type"] == "iteration" and event["step"] == 1:
            for process in [psutil.Process(), *map(psutil.Process, pids)]:
                seen.update(c.laddr.port for c in process.net_connections("tcp") if c.raddr)

    pids = []
    trainer = trainer_of(local, ports="42200-42240", exchange="tcp")
    trainer.subscribe(lambda event: pids.extend(event.get("pids", ())) or watch(event))
    trainer.fit(rows(), steps=40)
    # The line, and the lower rank's end of the connection between the two.
    assert len([port for port in seen if 42200 <= port <= 42240]) >= 2
    with pytest.raises(ArgumentError, match=r"`ports` must be a range such as"):
        SparkBackend(local, ports="80")


class SlowToLoad(ArrayDataset):
    """Rows that one rank takes longer to load than ranks wait for one another."""

    def __setstate__(self, state):
        from pyspark import TaskContext

        super().__setstate__(state)
        context = TaskContext.get()
        if context is not None and context.partitionId() == 1:
            time.sleep(3.0)


def test_a_rank_that_loads_longer_than_the_deadline_is_no_failure(local):
    said = []
    trainer = trainer_of(local, deadline_s=1.0)
    trainer.subscribe(lambda event: said.append(event.get("state")))
    trainer.fit(SlowToLoad(*rows()), steps=3)
    assert len(trainer.history) == 3
    assert "retrying" not in said


def test_interrupts_at_random_moments_leave_nothing_and_the_next_fit_works():
    random = np.random.default_rng()
    with subprocess.Popen(
        [sys.executable, str(SCRIPT), "local[3]", "2", "3"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as child:
        ended = []
        for line in child.stdout:
            word = json.loads(line)
            if "begins" in word:
                # From the first moment of set-up to the middle of the training.
                time.sleep(random.uniform(0.0, 2.0))
                child.send_signal(signal.SIGINT)
            elif "ended" in word:
                ended.append(word)
    assert [word["left"] for word in ended] == [[]] * 3
    assert len({word["next"] for word in ended}) == 1


@pytest.mark.campaign
def test_a_rank_that_hangs_is_replaced(local):
    trainer = trainer_of(local, deadline_s=3.0)
    pids, stopped = [], []

    def watch(event):
        pids.extend(event.get("pids", ()))
        if event["type"] == "iteration" and event["step"] == 100 and not stopped:
            stopped.append(pids[1])
            os.kill(pids[1], signal.SIGSTOP)

    trainer.subscribe(watch)
    trainer.fit(rows(), steps=300)
    assert len(pids) >= 4
    until(lambda: not psutil.pid_exists(stopped[0]))
