from __future__ import annotations

import logging
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
from train_kit import assert_same, make_data, make_model, make_trainer, unmarked, weights

from sandbox.lib import nn
from sandbox.lib.core.errors import CheckpointError
from sandbox.lib.train import Checkpoints, CheckpointStore, EverySteps
from sandbox.lib.train.checkpoint import pack, unpack


def packed(step: int = 1) -> bytes:
    tensors = {
        "parameter/w": np.arange(6, dtype="f4").reshape(2, 3),
        "buffer/m": np.full((), 0.25, "f4"),
        "history/step": np.arange(step, dtype="i8"),
        "slot/empty": np.zeros((0, 3), "f4"),
    }
    return pack({"step": step, "note": "é", "best": float("inf")}, tensors, "checkpoint")


def test_what_was_packed_comes_back() -> None:
    checkpoint = unpack(packed(3), "checkpoint")
    assert checkpoint.step == 3
    assert checkpoint.meta["best"] == float("inf")
    assert checkpoint.tensors["slot/empty"].shape == (0, 3)
    np.testing.assert_array_equal([[0, 1, 2], [3, 4, 5]], checkpoint.group("parameter")["w"])


def test_equal_states_are_equal_bytes() -> None:
    assert packed() == packed()


def test_every_cut_is_noticed() -> None:
    data = packed()
    for length in [*range(0, 40), *range(40, len(data), 13), len(data) - 1]:
        with pytest.raises(CheckpointError, match="cut off or damaged"):
            unpack(data[:length], "checkpoint")


def test_every_changed_byte_is_noticed_or_harmless() -> None:
    data = packed()
    good = unpack(data, "checkpoint")
    for place in range(len(data)):
        for bit in (1, 128):
            changed = bytearray(data)
            changed[place] ^= bit
            try:
                found = unpack(bytes(changed), "checkpoint")
            except CheckpointError:
                continue
            assert found.meta == good.meta
            for name, tensor in good.tensors.items():
                np.testing.assert_array_equal(tensor, found.tensors[name])


def test_a_foreign_safetensors_file_is_refused() -> None:
    import safetensors.numpy

    foreign = safetensors.numpy.save({"w": np.zeros(2, "f4")})
    with pytest.raises(CheckpointError, match="of another program"):
        unpack(foreign, "checkpoint")


def test_a_model_file_is_no_checkpoint() -> None:
    with pytest.raises(CheckpointError, match="must be a checkpoint file; got a model file"):
        unpack(pack({"model": {}}, {}, "model"), "checkpoint")


def test_a_newer_format_is_refused_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandbox.lib.train.tensors.VERSION", 99)
    data = packed()
    monkeypatch.undo()
    with pytest.raises(CheckpointError, match="at most 2; got 99"):
        unpack(data, "checkpoint")


def test_the_last_files_are_kept(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path / "new" / "folder", keep=2)
    for step in (5, 10, 15, 20):
        store.save(packed(step), step)
    assert [unmarked(path) for path in store.files()] == [
        "run0000-step00000015.safetensors",
        "run0000-step00000020.safetensors",
    ]
    latest = store.latest()
    assert latest is not None
    assert unpack(latest[1], "checkpoint").step == 20


def test_a_new_run_is_newer_than_the_old_one_whatever_its_steps(tmp_path: Path) -> None:
    CheckpointStore(tmp_path).save(packed(500), 500)
    store = CheckpointStore(tmp_path)
    store.new_run()
    store.save(packed(5), 5)
    latest = CheckpointStore(tmp_path).latest()
    assert latest is not None
    assert unpack(latest[1], "checkpoint").step == 5


def test_a_damaged_file_is_skipped_with_a_warning_that_names_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = CheckpointStore(tmp_path)
    for step in (1, 2, 3):
        last = store.save(packed(step), step)
    last.write_bytes(last.read_bytes()[:-7])
    with caplog.at_level(logging.WARNING, "sandbox.train"):
        latest = store.latest()
    assert latest is not None
    assert unpack(latest[1], "checkpoint").step == 2
    assert str(last) in caplog.text


def test_an_empty_or_missing_folder_has_no_latest(tmp_path: Path) -> None:
    assert CheckpointStore(tmp_path).latest() is None
    assert CheckpointStore(tmp_path / "none").latest() is None


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"gone\.safetensors: must be a checkpoint file"):
        CheckpointStore.read(tmp_path / "gone.safetensors")


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    place = tmp_path / "file"
    place.write_text("not a folder")
    with pytest.raises(CheckpointError, match=re.escape(str(place))):
        CheckpointStore(place / "checkpoints").save(packed(), 1)


WRITER = """
import sys, numpy as np
from sandbox.lib.train import Checkpoints, CheckpointStore, EverySteps
from sandbox.lib.train.checkpoint import pack
store, step = CheckpointStore(sys.argv[1], keep=2), int(sys.argv[2])
print("ready", flush=True)
while True:
    step += 1
    tensors = {"parameter/w": np.full(500_000, step, "f4")}
    store.save(pack({"step": step}, tensors, "checkpoint"), step)
    print(step, flush=True)
"""


@pytest.mark.faults
@pytest.mark.parametrize("kills", [2, pytest.param(10, marks=pytest.mark.campaign)])
def test_a_killed_writer_leaves_the_newest_or_the_previous_checkpoint(
    tmp_path: Path, kills: int
) -> None:
    seed = int.from_bytes(os.urandom(4), "little")
    print(f"seed {seed}")
    random = np.random.default_rng(seed)
    step = 0
    for _ in range(kills):
        writer = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(WRITER), str(tmp_path), str(step)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
        told = int(writer.stdout.readline())
        time.sleep(random.uniform(0, 0.06))
        writer.send_signal(signal.SIGKILL)
        rest = writer.communicate()[0].split()
        told = int(rest[-1]) if rest else told
        store = CheckpointStore(tmp_path, keep=2)
        latest = store.latest()
        assert latest is not None
        assert latest[0] == store.files()[-1], "the newest file is whole"
        checkpoint = unpack(latest[1], "checkpoint")
        assert checkpoint.step in (told, told + 1)
        assert (checkpoint.tensors["parameter/w"] == checkpoint.step).all()
        step = checkpoint.step
    CheckpointStore(tmp_path, keep=2).save(packed(step + 1), step + 1)
    assert len(list(tmp_path.iterdir())) == 2, "leftovers of killed writers are gone"


# Runs that share a folder -------------------------------------------------------------------------


def test_two_trainers_in_one_folder_leave_each_others_files_alone(tmp_path: Path) -> None:
    wide = nn.zoo.mlp([4, 8, 2], rng=0)
    first = make_trainer(checkpoint=Checkpoints(tmp_path, every=EverySteps(1), keep=2))
    second = make_trainer(wide, checkpoint=Checkpoints(tmp_path, every=EverySteps(1), keep=1))
    first.fit(make_data(), steps=5)
    second.fit(make_data(), steps=7)
    steps = [path.name.partition("-step")[2] for path in CheckpointStore(tmp_path).files()]
    assert steps == ["00000004.safetensors", "00000005.safetensors", "00000007.safetensors"]

    again = make_trainer(make_model(9), checkpoint=tmp_path)
    assert len(again.fit(make_data(), steps=6, resume="auto")) == 6
    assert again.history["step"][0] == 1
    whole = make_trainer()
    whole.fit(make_data(), steps=6)
    assert_same(weights(whole.model), weights(again.model))


def test_stores_that_begin_together_never_write_one_name(tmp_path: Path) -> None:
    first, second = CheckpointStore(tmp_path), CheckpointStore(tmp_path)
    first.new_run()
    second.new_run()
    paths = {store.save(packed(step), step) for store in (first, second) for step in (1, 2)}
    assert len(paths) == 4
    assert len(CheckpointStore(tmp_path).files()) == 4


def test_a_run_that_went_back_removes_what_it_overtakes_and_nothing_newer(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path, keep=5)
    for step in (1, 2, 3, 4):
        store.save(packed(step), step)
    ahead = tmp_path / f"{store.run}-step00000009.safetensors"
    ahead.write_bytes(packed(9))  # ranks write their files before the driver hears of them
    store.save(packed(2), 2)
    assert [unmarked(path)[-14:-12] for path in store.files()] == ["01", "02", "09"]


def test_a_checkpoint_of_version_1_goes_on() -> None:
    golden = Path(__file__).parent / "golden"
    expected = dict(np.load(golden / "checkpoint.npz"))
    trainer = make_trainer(make_model(9))
    history = trainer.fit(make_data(150), steps=9, resume=golden / "checkpoint.safetensors")
    # Another processor may add up in another order; float32 has 7 digits.
    np.testing.assert_allclose(history["loss"], expected.pop("loss"), rtol=1e-4)
    for name, array in weights(trainer.model).items():
        np.testing.assert_allclose(array, expected[name], rtol=1e-3, atol=1e-5)
