from __future__ import annotations

import itertools
import json
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from train_kit import assert_same, make_data, make_model, make_trainer, weights

from sandbox.lib.core.errors import CheckpointError
from sandbox.lib.data import PartitionedDataset
from sandbox.lib.optim import EMA, SGD, Adam, ClipNorm, Polynomial
from sandbox.lib.train import Checkpoints, EarlyStopping, EverySteps, MaxEpoch, Trainer, load_model
from sandbox.lib.train.checkpoint import pack, unpack

ROWS = 150  # five batches of 32, the last one odd
OPTIMIZERS = {
    "momentum": lambda: SGD(0.05, momentum=0.9, nesterov=True, weight_decay=1e-3),
    "adam, schedule": lambda: Adam(0.01, schedule=Polynomial()),
}


def trainer_with(
    optimizer: str, folder: Path | None = None, every: int = 1, **changes: Any
) -> Trainer:
    kept = None if folder is None else Checkpoints(folder, every=EverySteps(every), keep=2)
    return make_trainer(
        optimizer=OPTIMIZERS[optimizer](), checkpoint=kept, clip=ClipNorm(1.0), **changes
    )


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_resumed_run_ends_with_the_same_bits(optimizer: str, tmp_path: Path) -> None:
    seed = int.from_bytes(os.urandom(4), "little")
    print(f"seed {seed}")
    points = np.random.default_rng(seed).choice(np.arange(1, 20), 3, replace=False)
    data = make_data(ROWS)
    whole = trainer_with(optimizer)
    expected = whole.fit(data, epochs=4, validation=data)
    for point in points:
        folder = tmp_path / f"at{point}"
        first = trainer_with(optimizer, folder)

        def stop(event: dict[str, Any], at: int = point, first: Trainer = first) -> None:
            if event["type"] == "iteration" and event["step"] == at - 1:
                first.stop()

        first.subscribe(stop)
        if point == 1:
            first.fit(data, steps=1, validation=data)
        else:
            first.fit(data, epochs=4, validation=data)
            assert first.state == "stopped"
        assert point - 1 <= len(first.history) <= point  # a validation also hears the stop
        second = trainer_with(optimizer, folder, model=make_model(99))
        actual = second.fit(data, epochs=4, validation=data, resume="auto")
        assert_same(weights(whole.model), weights(second.model))
        for column in ("step", "loss", "top1", "learning_rate", "epoch"):
            np.testing.assert_array_equal(expected[column], actual[column])
        if optimizer == "momentum" and point > 1:
            assert expected.validations == actual.validations


def test_two_runs_with_one_seed_are_equal_and_with_two_are_not() -> None:
    data = make_data(ROWS)
    first, second, third = (make_trainer(seed=seed) for seed in (1, 1, 2))
    for trainer in (first, second, third):
        trainer.fit(data, epochs=2)
    assert_same(weights(first.model), weights(second.model))
    assert (weights(first.model)["fc1.weight"] != weights(third.model)["fc1.weight"]).any()


def test_the_last_state_goes_on_without_files() -> None:
    data = make_data(ROWS)
    whole, parts = make_trainer(), make_trainer()
    whole.fit(data, steps=9)
    parts.fit(data, steps=4)
    history = parts.fit(data, steps=9, resume="auto")
    assert_same(weights(whole.model), weights(parts.model))
    assert len(history) == 9


def test_resume_of_a_finished_run_changes_nothing() -> None:
    data = make_data(ROWS)
    trainer = make_trainer()
    trainer.fit(data, epochs=1)
    before = weights(trainer.model)
    trainer.fit(data, epochs=1, resume="auto")
    assert_same(before, weights(trainer.model))
    assert trainer.state == "done"


def test_auto_without_a_checkpoint_starts(tmp_path: Path) -> None:
    trainer = make_trainer(checkpoint=tmp_path)
    assert len(trainer.fit(make_data(ROWS), steps=3, resume="auto")) == 3


def test_auto_skips_a_damaged_file_and_still_ends_with_the_same_bits(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = make_data(ROWS)
    whole = trainer_with("momentum")
    whole.fit(data, steps=9)
    trainer_with("momentum", tmp_path).fit(data, steps=6)
    last = sorted(tmp_path.iterdir())[-1]
    last.write_bytes(last.read_bytes()[:-100])
    second = trainer_with("momentum", tmp_path)
    with caplog.at_level(logging.WARNING, "sandbox.train"):
        second.fit(data, steps=9, resume="auto")
    assert last.name in caplog.text
    assert_same(weights(whole.model), weights(second.model))


def test_a_path_resumes_from_that_file(tmp_path: Path) -> None:
    data = make_data(ROWS)
    Trainer_ = trainer_with("momentum", tmp_path)
    Trainer_.fit(data, steps=4)
    oldest = sorted(tmp_path.iterdir())[0]
    second = trainer_with("momentum")
    assert len(second.fit(data, steps=4, resume=oldest)) == 4
    assert_same(weights(Trainer_.model), weights(second.model))


def test_a_damaged_path_is_an_error(tmp_path: Path) -> None:
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"no checkpoint")
    trainer = make_trainer()
    with pytest.raises(CheckpointError, match=r"broken\.safetensors.*cut off or damaged"):
        trainer.fit(make_data(ROWS), steps=2, resume=broken)
    assert not trainer.running


@pytest.mark.parametrize(
    ("changes", "data", "message"),
    [
        ({"seed": 8}, make_data(ROWS), "seed must be this run's 8; got 7"),
        ({"batch_size": 16}, make_data(ROWS), "batch size must be this run's 16; got 32"),
        ({"optimizer": Adam()}, make_data(ROWS), "optimizer must be this run's 'optim.Adam'"),
        ({}, make_data(ROWS + 1), r"partitions of \[151\] rows; got \[150\]"),
        ({}, make_data(ROWS, seed=5), "it must be of this run's data, rows that read"),
        ({"model": "wide"}, make_data(ROWS), r"fc.weight has shape \(2, 4\); got fc1.weight"),
        ({"model": "dropout"}, make_data(ROWS), "must be of this model"),
    ],
)
def test_a_checkpoint_of_another_run_is_refused(
    changes: dict[str, Any], data: Any, message: str, tmp_path: Path
) -> None:
    from sandbox.lib import nn

    models = {
        "wide": lambda: nn.Sequential(fc=nn.Linear(4, 2)),
        "dropout": lambda: nn.Sequential(
            fc1=nn.Linear(4, 16),
            norm=nn.BatchNorm(16),
            relu=nn.ReLU(),
            drop=nn.Dropout(0.4),
            fc2=nn.Linear(16, 2),
        ),
    }
    changes = dict(changes)
    if "model" in changes:
        changes["model"] = models[changes["model"]]()
    make_trainer(checkpoint=tmp_path).fit(make_data(ROWS), epochs=1)
    trainer = make_trainer(checkpoint=tmp_path, **changes)
    before = weights(trainer.model)
    with pytest.raises(CheckpointError, match=message):
        trainer.fit(data, epochs=2, resume="auto")
    assert_same(before, weights(trainer.model))


def test_a_new_run_in_the_same_folder_does_not_mix_with_the_old_one(tmp_path: Path) -> None:
    data = make_data(ROWS)
    make_trainer(checkpoint=tmp_path).fit(data, epochs=3)
    make_trainer(checkpoint=tmp_path).fit(data, epochs=1)
    third = make_trainer(checkpoint=tmp_path)
    assert len(third.fit(data, epochs=2, resume="auto")) == 10


def test_a_learning_rate_set_by_hand_and_the_early_stop_survive(tmp_path: Path) -> None:
    data = make_data(ROWS)

    def make(folder: Path | None) -> Trainer:
        kept = None if folder is None else Checkpoints(folder, every=EverySteps(1))
        return make_trainer(checkpoint=kept)

    def slow_down(trainer: Trainer) -> None:
        def listen(event: dict[str, Any]) -> None:
            if event["type"] == "iteration" and event["step"] == 2:
                trainer.set_learning_rate(0.01)

        trainer.subscribe(listen)

    rule = {"validation": data, "validate": EverySteps(2)}
    whole = make(None)
    slow_down(whole)
    expected = whole.fit(
        data, end=MaxEpoch(9), early_stop=EarlyStopping("top1", patience=3, min_delta=0.2), **rule
    )
    assert whole.result.reason == "early_stop"
    assert expected["learning_rate"][3] == 0.01
    first = make(tmp_path)
    slow_down(first)
    first.fit(data, steps=5, early_stop=EarlyStopping("top1", patience=3, min_delta=0.2), **rule)
    second = make(tmp_path)
    actual = second.fit(
        data,
        end=MaxEpoch(9),
        early_stop=EarlyStopping("top1", patience=3, min_delta=0.2),
        resume="auto",
        **rule,
    )
    np.testing.assert_array_equal(expected["learning_rate"], actual["learning_rate"])


PROCESS = """
import sys
import numpy as np
from sandbox.lib import nn
from sandbox.lib.criterion import CrossEntropy
from sandbox.lib.optim import SGD
from sandbox.lib.train import Checkpoints, EverySteps, Trainer, save_model

folder, name = sys.argv[1:]
random = np.random.default_rng(0)
x, y = random.normal(size=(330, 3, 12, 12)).astype("f4"), random.integers(0, 4, 330)
model = nn.Sequential(
    conv=nn.Conv2d(3, 16, 3, padding=1, rng=0), norm=nn.BatchNorm(16), relu=nn.ReLU(),
    pool=nn.MaxPool2d(2), flat=nn.Flatten(), drop=nn.Dropout(0.4), fc=nn.Linear(576, 4, rng=1),
)
kept = None if name == "whole" else Checkpoints(f"{folder}/kept", every=EverySteps(3))
trainer = Trainer(model, CrossEntropy(), SGD(0.02, momentum=0.9), batch_size=32, threads=1,
                  progress=None, checkpoint=kept)
trainer.subscribe(lambda event: event["type"] == "iteration" and print(event["step"], flush=True))
trainer.fit((x, y), steps=150, resume="auto")
save_model(model, f"{folder}/{name}")
"""


@pytest.mark.faults
def test_a_killed_process_resumed_by_another_ends_with_the_same_bits(tmp_path: Path) -> None:
    seed = int.from_bytes(os.urandom(4), "little")
    print(f"seed {seed}")

    def start(name: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", PROCESS, str(tmp_path), name]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    assert start("whole").communicate(timeout=100)[0].split()[-1] == "150"
    for kill_at in np.random.default_rng(seed).integers(2, 140, 2):
        process = start("parts")
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) >= kill_at:
                break
        time.sleep(0.001 * (kill_at % 7))
        process.send_signal(signal.SIGKILL)
        process.communicate()
    steps = start("parts").communicate(timeout=100)[0].split()
    assert steps[-1] == "150"
    assert int(steps[0]) > 1, "went on from a checkpoint"
    assert_same(weights(load_model(tmp_path / "whole")), weights(load_model(tmp_path / "parts")))


def test_a_checkpoint_of_before_with_the_old_names_is_resumed(tmp_path: Path) -> None:
    data = make_data(ROWS)
    whole, first, second = (make_trainer(optimizer=EMA(SGD(0.1, momentum=0.9))) for _ in range(3))
    whole.fit(data, steps=9)
    first.checkpoint = Checkpoints(tmp_path, every=EverySteps(4))
    first.fit(data, steps=4)
    file = Checkpoints(tmp_path).store().files()[-1]
    state = unpack(file.read_bytes(), "checkpoint")
    text = json.dumps(state.meta)
    for new, old in (
        ("optim.EMA", "optim.Averaged"),
        ('"optimizer":', '"method":'),
        ("he_normal", "he"),
    ):
        assert new in text
        text = text.replace(new, old)
    file.write_bytes(pack(json.loads(text), state.tensors, "checkpoint"))
    second.fit(data, steps=9, resume=file)
    assert_same(weights(whole.model), weights(second.model))


@pytest.mark.parametrize("shared", [True, False])
def test_the_same_rows_in_other_partitions_go_on_with_a_warning(shared: bool) -> None:
    x, y = make_data(ROWS)

    def parts(*sizes: int) -> PartitionedDataset:
        ends = np.cumsum((0, *sizes))
        data = PartitionedDataset([(x[a:b], y[a:b]) for a, b in itertools.pairwise(ends)])
        data.shared = shared
        return data

    said: list[str] = []
    trainer = make_trainer()
    trainer.subscribe(lambda event: event["type"] == "log" and said.append(event["text"]))
    trainer.fit(parts(70, 80), steps=7)
    history = trainer.fit(parts(50, 60, 40), steps=20, resume="auto")
    assert history["step"].tolist() == list(range(1, 21))
    assert "the rows lay in other partitions" in said[0]
    assert history["rows"][:10].sum() == 2 * ROWS, "an epoch has as many rows as before"
    if shared:
        x = x + 1
        with pytest.raises(CheckpointError, match=r"partitions of \[100, 50\] rows; got"):
            trainer.fit(parts(100, 50), steps=30, resume="auto")
    with pytest.raises(CheckpointError, match=r"partitions of \[100, 40\] rows; got"):
        trainer.fit(parts(100, 40), steps=30, resume="auto")
