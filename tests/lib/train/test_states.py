"""Large states: written by all ranks as shards, read in parts by any number of ranks."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from train_kit import assert_same, make_data, make_model, make_trainer, unmarked, weights

from sandbox.lib.core.errors import CheckpointError
from sandbox.lib.optim import EMA, SGD, Adam
from sandbox.lib.train import (
    Checkpoints,
    CheckpointStore,
    EarlyStopping,
    EverySteps,
    TrainJob,
    recorder,
)
from sandbox.lib.train.checkpoint import StateFile, unpack
from sandbox.lib.train.job import CheckpointPolicy, StatePlaces

DATA = make_data(150)  # five batches of 32, the last one odd


def make_job(folder: Path | None, steps: int, every: int = 4, **changes: Any) -> TrainJob:
    """Train the small net; its states count as large where a folder is given."""
    job = make_trainer(make_model(), optimizer=Adam(0.01))._job(
        DATA, None, steps, None, None, "epoch", None
    )
    places = None if folder is None else StatePlaces(str(folder), str(folder), "run0000", 0)
    return replace(job, checkpoint=CheckpointPolicy(EverySteps(every)), places=places, **changes)


def last_of(run: Any) -> Any:
    assert run.errors == [None] * len(run.errors)
    return run.results[0].state


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_a_state_in_files_holds_the_numbers_of_one_in_memory(
    ranks: int, run_ranks: Callable[..., Any], tmp_path: Path
) -> None:
    small = unpack(last_of(run_ranks(make_job(None, 6), ranks)), "checkpoint")
    state = last_of(run_ranks(make_job(tmp_path, 6), ranks))
    assert isinstance(state, StateFile)
    large = state.open()
    assert {**small.meta, "settings": 0} == {
        **{k: v for k, v in large.meta.items() if k != "shards"},
        "settings": 0,
    }
    assert set(small.tensors) == set(large.tensors)
    for name, array in small.tensors.items():
        if name not in ("history/seconds", "history/rate"):
            np.testing.assert_array_equal(array, large.tensors[name], err_msg=name)


def test_shards_and_index_are_what_other_programs_read(
    run_ranks: Callable[..., Any], tmp_path: Path
) -> None:
    state = last_of(run_ranks(make_job(tmp_path, 4), 2))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "run0000-step00000004-00001-of-00002.safetensors",
        "run0000-step00000004-00002-of-00002.safetensors",
        "run0000-step00000004.safetensors.index.json",
    ]
    index = json.loads(Path(state.place).read_text())
    files = {path.name: safetensors.numpy.load_file(path) for path in tmp_path.glob("*-of-*")}
    for name, file in index["weight_map"].items():
        assert name in files[file]
    whole = state.open().tensors["parameter/fc1.weight"]
    np.testing.assert_array_equal(
        whole, files[index["weight_map"]["parameter/fc1.weight"]]["parameter/fc1.weight"]
    )
    sizes = [path.stat().st_size for path in tmp_path.glob("*.safetensors")]
    assert max(sizes) < 2 * min(sizes), "both ranks write"


@pytest.mark.parametrize(("writers", "readers"), [(1, 3), (2, 2), (3, 1), (3, 2)])
def test_any_number_of_ranks_goes_on_from_what_others_wrote(
    writers: int, readers: int, run_ranks: Callable[..., Any], tmp_path: Path
) -> None:
    state = last_of(run_ranks(make_job(tmp_path, 4), writers))
    small = last_of(run_ranks(make_job(None, 4), writers))
    expected = run_ranks(make_job(None, 9, start=small), readers)
    found = run_ranks(make_job(tmp_path, 9, start=state), readers)
    last_of(expected), last_of(found)
    for one, other in zip(expected.models, found.models, strict=True):
        assert_same(weights(one), weights(other))
    whole = run_ranks(make_job(None, 9), readers)
    if writers == readers:
        assert_same(weights(whole.models[0]), weights(found.models[0]))


@pytest.mark.parametrize(
    "which", ["00001-of-00002.safetensors", "00002-of-00002.safetensors", "json"]
)
def test_every_changed_byte_of_a_shard_or_the_index_is_noticed(
    which: str, run_ranks: Callable[..., Any], tmp_path: Path
) -> None:
    state = last_of(run_ranks(make_job(tmp_path, 2), 2))
    (path,) = tmp_path.glob(f"*{which}")
    data = path.read_bytes()
    good = {name: state.open().tensors[name] for name in state.open().tensors}
    places = np.random.default_rng(0).integers(0, len(data), 150)
    for place in [*range(0, 40), *places.tolist()]:
        changed = bytearray(data)
        changed[place] ^= 0x10
        path.write_bytes(changed)
        try:
            found = CheckpointStore.read(state.place).open().tensors
        except CheckpointError:
            continue
        assert which == "json", "a shard has no byte that means nothing"
        for name, array in good.items():
            np.testing.assert_array_equal(array, found[name])
    for length in (0, 7, 100, len(data) - 1):
        path.write_bytes(data[:length])
        with pytest.raises(CheckpointError):
            CheckpointStore.read(state.place)
    path.unlink()
    with pytest.raises(CheckpointError, match=r"must be a checkpoint file"):
        CheckpointStore.read(state.place)


def test_a_shard_of_another_state_is_refused(run_ranks: Callable[..., Any], tmp_path: Path) -> None:
    one = last_of(run_ranks(make_job(tmp_path / "a", 2), 2))
    last_of(run_ranks(make_job(tmp_path / "b", 2, seed=8), 2))
    name = "run0000-step00000002-00002-of-00002.safetensors"
    (tmp_path / "b" / name).replace(tmp_path / "a" / name)
    with pytest.raises(CheckpointError, match=r"must be the shard that .* was written for"):
        one.open()
    with pytest.raises(CheckpointError, match="must be a checkpoint file; got a shard file"):
        CheckpointStore.read(tmp_path / "a" / name)


def test_a_rank_that_cannot_write_ends_the_run_on_all_with_the_folder(
    run_ranks: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("no folder")
    run = run_ranks(make_job(tmp_path / "file", 6), 2)
    assert [type(error) for error in run.errors] == [CheckpointError] * 2
    assert all("file: a checkpoint" in str(error) for error in run.errors)


def test_a_spool_that_cannot_be_written_leaves_the_run_its_memory(
    run_ranks: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("no folder")
    places = StatePlaces(str(tmp_path / "file"), large=0)
    run = run_ranks(replace(make_job(None, 6), places=places), 2)
    assert isinstance(last_of(run), bytes)
    (said,) = [event["text"] for event in run.of("log") if event["level"] == "warning"]
    assert "States are handed over in memory" in said


# Trainers ----------------------------------------------------------------------------------------


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let any state count as large."""
    monkeypatch.setattr(recorder, "_MAYBE_LARGE", 0)
    monkeypatch.setattr(recorder, "StatePlaces", lambda *places: StatePlaces(*places, large=0))
    monkeypatch.setattr("sandbox.lib.train.store._SMALL", 0)


@pytest.mark.usefixtures("large")
def test_a_trainer_keeps_resumes_and_sweeps_states_in_files(tmp_path: Path) -> None:
    whole = make_trainer(optimizer=Adam(0.01))
    whole.fit(DATA, steps=9)
    kept = Checkpoints(tmp_path, every=EverySteps(2), keep=2)
    first = make_trainer(checkpoint=kept, optimizer=Adam(0.01))
    first.fit(DATA, steps=5)
    names = [unmarked(path) for path in kept.store().files()]
    assert names == ["run0000-step00000004.safetensors", "run0000-step00000005.safetensors"]
    second = make_trainer(make_model(9), checkpoint=tmp_path, optimizer=Adam(0.01))
    second.fit(DATA, steps=9, resume="auto")
    assert_same(weights(whole.model), weights(second.model))
    assert isinstance(second.result.state, StateFile)
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.usefixtures("large")
def test_states_of_no_folder_lie_in_a_private_one_and_go_with_the_trainer() -> None:
    whole, parts = (make_trainer(optimizer=EMA(SGD(0.1), decay=0.9)) for _ in range(2))
    whole.fit(DATA, steps=9)
    parts.fit(DATA, steps=4)
    early = parts.result.state
    folder = Path(early.place).parent
    assert folder.stat().st_mode & 0o077 == 0
    parts.fit(DATA, steps=9, resume="auto")
    assert_same(weights(whole.model), weights(parts.model))
    with whole.averaged() as one, parts.averaged() as other:
        assert_same(weights(one), weights(other))
    assert early.open().step == 4, "what somebody holds is there"
    del early
    assert len(list(folder.glob("state*"))) == 1, "what nobody holds is removed"
    (folder / "state-00000000-1-step00000004-00001-of-00002.safetensors").write_bytes(b"lost")
    parts.fit(DATA, steps=9, resume="auto")
    assert len(list(folder.glob("state*"))) == 1, "and what lost ranks have left"
    del parts, other
    gc.collect()
    assert not folder.exists()


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize("memory", [True, False])
def test_the_best_state_is_put_back_from_its_file(memory: bool, tmp_path: Path) -> None:
    rule = EarlyStopping("loss", patience=3)
    trainer = make_trainer(optimizer=SGD(3.0), checkpoint=None if memory else tmp_path)
    history = trainer.fit(DATA, epochs=50, validation=make_data(60, 3), early_stop=rule)
    best = min(v["metrics"]["loss"] for v in history.validations)
    assert trainer.result.reason == "early_stop"
    assert trainer.evaluate(make_data(60, 3))["loss"] == pytest.approx(best)
    if not memory:
        assert CheckpointStore(tmp_path).best() is not None


@pytest.mark.usefixtures("large")
def test_a_folder_that_was_removed_is_no_error_for_the_next_run(tmp_path: Path) -> None:
    trainer = make_trainer(checkpoint=tmp_path / "a")
    trainer.fit(DATA, steps=3)
    for path in (tmp_path / "a").iterdir():
        path.unlink()
    assert trainer.fit(DATA, steps=2, resume="auto")["step"].tolist() == [1, 2]


def test_shards_of_killed_writers_go_and_those_of_others_stay(
    run_ranks: Callable[..., Any], tmp_path: Path
) -> None:
    run = "run0000-0123abcd"
    places = StatePlaces(str(tmp_path), str(tmp_path), run, 0)
    mine, other = (
        tmp_path / f"{name}-step00000002-00001-of-00002.safetensors"
        for name in (run, "run0000-ffffffff")
    )
    for path in (mine, other):
        path.write_bytes(b"half")
    store = CheckpointStore(tmp_path, keep=1)
    for steps in (4, 8):
        state = last_of(run_ranks(replace(make_job(None, steps), places=places), 2))
        store.run = run
        store.save(state, steps)
    assert not mine.exists()
    assert other.exists()
    assert len(list(tmp_path.iterdir())) == 4
    os.utime(other, (0, 0))
    store.save(state, 8)
    assert not other.exists()


def test_a_state_of_a_private_folder_is_taken_into_the_checkpoints(
    run_ranks: Callable[..., Any], tmp_path: Path
) -> None:
    for ranks in (1, 2):
        places = StatePlaces(str(tmp_path / f"spool{ranks}"), large=0)
        state = last_of(run_ranks(replace(make_job(None, 4), places=places), ranks))
        store = CheckpointStore(tmp_path / f"kept{ranks}")
        path = store.save(state, 4, best=True)
        assert store.best() == path
        found, expected = CheckpointStore.read(path), state.open()
        tensors = unpack(found, "checkpoint").tensors
        for name in expected.tensors:
            np.testing.assert_array_equal(expected.tensors[name], tensors[name])


WRITER = """
import sys, threading
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from dataclasses import replace
from train_kit import Ranks
from test_states import make_job
job = make_job(Path(sys.argv[1]), 10_000, every=1)
print("ready", flush=True)
Ranks(job, 2, lambda: None)
"""


@pytest.mark.faults
@pytest.mark.campaign  # test_faults has a sample
def test_killed_ranks_leave_the_state_before_whole(tmp_path: Path) -> None:
    seed = int.from_bytes(os.urandom(4), "little")
    print(f"seed {seed}")
    random = np.random.default_rng(seed)
    newest = 0
    for _ in range(4):
        command = [sys.executable, "-c", textwrap.dedent(WRITER), str(tmp_path)]
        writer = subprocess.Popen(
            [*command, str(Path(__file__).parent)], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
        until = time.monotonic() + 30
        while not list(tmp_path.glob("*.json")) and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(random.uniform(0, 0.3))
        writer.send_signal(signal.SIGKILL)
        writer.communicate()
        store = CheckpointStore(tmp_path)
        latest = store.latest()
        assert latest is not None
        assert latest[0] == store.files()[-1], "the newest one with an index is whole"
        newest = unpack(latest[1], "checkpoint").step
        for path in tmp_path.iterdir():
            path.unlink()
    assert newest > 0
