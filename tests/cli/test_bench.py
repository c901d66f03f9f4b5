"""The harness: turns, ratios, refusals, verdicts."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from sandbox.lib import nn

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from bench import __main__ as command  # noqa: E402
from bench import harness, our_side  # noqa: E402


def test_sides_take_turns_and_the_ratio_is_that_of_the_rounds():
    order = []
    ours, theirs = harness.alternate(
        lambda: (order.append("o"), time.sleep(0.002)),
        lambda: (order.append("t"), time.sleep(0.006)),
        rounds=4,
        seconds=0.001,
    )
    assert "".join(order)[-8:] == "ottootto"
    assert len(ours.seconds) == len(theirs.seconds) == 4
    assert 1.5 < harness.ratio(ours, theirs) < 4


def test_sides_that_computed_different_things_are_not_compared():
    harness.agree("loss", 0.5, 0.50001)
    with pytest.raises(harness.RefusedError, match=r"ours 0\.5.*theirs 0\.6"):
        harness.agree("loss", 0.5, 0.6)
    with pytest.raises(harness.RefusedError):
        harness.agree("loss", float("nan"), 0.6)


def training():
    model = nn.Sequential(fc=nn.Linear(4, 2, rng=0))
    x = np.random.default_rng(0).normal(size=(8, 4)).astype("f4")
    return model, 0.1, [(x,)], [np.arange(8) % 2]


def test_a_side_apart_does_the_same_in_a_process_that_ends_with_the_block():
    here = our_side.Training(*training())
    with harness.Apart(our_side.Training, *training()) as side:
        assert side.process.pid != os.getpid()
        for _ in range(3):
            side.step()
            here.step()
            assert side.loss == here.loss
    assert side.process.exitcode == 0


def test_a_missed_bar_is_told_and_is_the_status(capsys, tmp_path):
    report = harness.Report("demo")
    report.value("start", 3.0, "s", at_most=5)
    assert report.close() == 0
    report.versus("step", harness.Timing([2.0]), harness.Timing([1.0]), bar=1.5)
    assert report.close() == 1
    said = capsys.readouterr().out
    assert "bar <= 5: met" in said
    assert "0.50x   (bar >= 1.5: MISSED)" in said
    assert "missed: step" in report.save(tmp_path / "new" / "demo.txt").read_text()


def test_every_measurement_is_listed_with_a_line():
    found = command.summaries()
    assert {"lenet", "mnist99", "eager", "networks", "sequences", "spark", "start"} <= set(found)
    assert all(len(text) > 20 for text in found.values())


def test_what_is_listed_can_be_run_and_helpers_are_not_listed():
    found = set(command.summaries())
    for path in (ROOT / "bench").glob("[!_]*.py"):
        assert (path.stem in found) == ("\ndef main(" in path.read_text()), path


def test_two_sides_are_timed_once_their_losses_agree(capsys):
    class Side:
        def __init__(self, loss):
            self.steps, self.loss = 0, loss

        def step(self):
            self.steps += 1

    report = harness.Report("demo")
    same = Side(0.5), Side(0.5)
    harness.compare_training(report, "alike", *same, rounds=2, bar=0.0)
    assert min(side.steps for side in same) > 20
    assert "alike: loss after 20 steps: ours 0.500000" in capsys.readouterr().out
    other = Side(0.5), Side(0.6)
    with pytest.raises(harness.RefusedError, match="alike: loss after 20 steps"):
        harness.compare_training(report, "alike", *other, rounds=2)
    assert [side.steps for side in other] == [20, 20]


def test_help_needs_no_opponent():
    answer = subprocess.run(
        [sys.executable, "-m", "bench", "start", "--help"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        timeout=60,
    )
    assert answer.returncode == 0
    assert "--starts STARTS  how many (default: 5)" in answer.stdout
    assert answer.stdout.startswith("usage:")


def test_help_of_a_comparison_does_not_set_the_opponent_up(tmp_path, monkeypatch, capsys):
    place = tmp_path / "venv"
    monkeypatch.setenv("SANDBOX_VENV_BENCH", str(place))
    monkeypatch.setattr(command.opponent, "is_here", lambda: False)
    assert command.main(["networks", "--help"]) == 0
    assert capsys.readouterr().out.startswith("ResNet-20, VGG")
    assert not place.exists()
