"""The harness: turns, ratios, refusals, verdicts."""

from __future__ import annotations

import ast
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
from bench import harness, our_side, plan, subjects  # noqa: E402

pytestmark = pytest.mark.processes


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
    assert ours.fastest >= 0.002  # the sleep of one step, however busy the machine
    assert theirs.fastest >= 0.006
    known = harness.Timing([1.0, 2.0, 4.0]), harness.Timing([2.0, 6.0, 4.0])
    assert harness.ratio(*known) == 2.0


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
        assert len(here.programs) == 1 == len(here.inputs)
        assert np.array_equal(here.labels, side.get("labels"))
        assert 1 << 20 < side.peak() < 1 << 34
    assert side.process.exitcode == 0


class Dying:
    def step(self):
        os._exit(7)


def test_a_side_whose_process_dies_is_refused_with_its_status():
    with (
        harness.Apart(Dying) as side,
        pytest.raises(harness.RefusedError, match=r"ended \(status 7\)"),
    ):
        side.step()


def test_sides_apart_take_turns_by_their_own_clocks_and_there_may_be_three():
    with harness.Apart(our_side.Training, *training()) as side:
        spent = []
        times = harness.alternate(
            lambda: spent.append("a"),
            side,
            lambda: time.sleep(0.002),
            rounds=3,
            seconds=0.001,
            clock="cpu",
        )
        assert [len(timing.seconds) for timing in times] == [3, 3, 3]
        assert 0 < side.loss < 1
    # Who sleeps spends nothing of the processor: 2 ms by a clock on the wall.
    assert times[2].fastest < 0.001
    assert times[1].fastest > 0


def test_a_variable_is_set_within_the_block_only(monkeypatch):
    monkeypatch.setenv("BENCH_DEMO", "before")
    with harness.environment("BENCH_DEMO", "within"):
        assert os.environ["BENCH_DEMO"] == "within"
    assert os.environ["BENCH_DEMO"] == "before"
    monkeypatch.delenv("BENCH_DEMO")
    with harness.environment("BENCH_DEMO", "within"):
        assert os.environ["BENCH_DEMO"] == "within"
    assert "BENCH_DEMO" not in os.environ


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
    expected = {"lenet", "mnist99", "eager", "networks", "sequences", "spark", "start"}
    assert expected | {"inference", "large", "plan"} <= set(found)
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


def test_networks_are_drawn_alike_in_every_process_and_settled_to_be_told_apart():
    for name, subject in subjects.SUBJECTS.items():
        (row,) = subjects.rows(name, 2)
        assert np.array_equal(row, subjects.rows(name, 2)[0])
        assert len(row) == 2
        assert subject.training in (8, 32, 64, 128, 256)
    inputs, labels = subjects.batches("lenet", 3, 2)
    assert [len(rows[0]) for rows in inputs] == [3, 3] == [len(target) for target in labels]
    assert not np.array_equal(inputs[0][0], inputs[1][0])
    model = subjects.settled(nn.Sequential(bn=nn.BatchNorm(4)))
    x = np.random.default_rng(0).normal(size=(3, 4)).astype("f4")
    assert not np.allclose(x, model(x), atol=0.05)
    assert np.array_equal(model(x), subjects.settled(nn.Sequential(bn=nn.BatchNorm(4)))(x))


def test_every_network_has_a_twin():
    # Read, not imported: PyTorch is not here.
    (table,) = [
        node.value
        for node in ast.parse((ROOT / "bench" / "torch_networks.py").read_text()).body
        if isinstance(node, ast.Assign) and node.targets[0].id == "TWINS"
    ]
    assert list(subjects.SUBJECTS) == [key.value for key in table.keys]


def test_networks_are_chosen_by_name_and_others_refused():
    assert subjects.chosen("all", ("a", "b")) == ["a", "b"]
    assert subjects.chosen("b,a", ("a", "b")) == ["b", "a"]
    with pytest.raises(SystemExit, match="must be one of a, b; got 'c'"):
        subjects.chosen("a,c", ("a", "b"))
    assert set(plan.NETWORKS) <= set(subjects.SUBJECTS)
    assert len(plan.NETWORKS) == 8


def test_our_inference_gives_the_models_logits_and_its_steps():
    side = our_side.inference("fraud", 4, 1)
    side.step()
    expected = subjects.SUBJECTS["fraud"].make()(subjects.rows("fraud", 4)[0])
    assert np.allclose(expected, side.output, atol=1e-6)
    assert any("fc3" in label for label, _ in side.profile)


def test_the_first_step_is_planned_anew_and_told_beside_the_usual_one(capsys, monkeypatch):
    monkeypatch.setenv("SANDBOX_CACHE", "/nowhere")
    report = harness.Report("plan")
    for trains in (True, False):
        plan.measure(report, "fraud", 16, 1, trains, 2)
    said = capsys.readouterr().out
    assert os.environ["SANDBOX_CACHE"] == "/nowhere"
    assert "fraud train, batch 16, 1 thread(s): usual step" in said
    assert said.count("first step") == 2
    assert said.count("(bar <= ") == 2


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
