"""States and weights between driver and ranks: in files that both see, or by the line."""

from __future__ import annotations

import gc
import itertools
from pathlib import Path

import numpy as np
import pytest

from sandbox.lib import nn
from sandbox.lib.criterion import CrossEntropy
from sandbox.lib.optim import Adam
from sandbox.lib.spark import SparkBackend, driver, worker
from sandbox.lib.spark.errors import ExchangeError
from sandbox.lib.spark.line import messages as wire
from sandbox.lib.spark.line.states import Desk, RecoveryPoints, _LineFile, _LinePath
from sandbox.lib.spark.rows.travel import pack
from sandbox.lib.train import Checkpoints, EverySteps, Trainer
from sandbox.lib.train.checkpoint import StateFile, unpack
from sandbox.lib.train.tensors import Reader, write
from sandbox.lib.train.triggers import Progress

X = np.random.default_rng(0).normal(size=(64, 256)).astype("f4")
Y = (X[:, 0] > 0).astype("i8")


def wide(seed=0):
    """Make a net of 2.9 million parameters: with Adam its states are 35 MB, which is large."""
    return nn.zoo.mlp([256, 1500, 1700, 2], rng=seed)


def train(backend, model, steps, **changes):
    resume = changes.pop("resume", None)
    trainer = Trainer(
        model,
        CrossEntropy(),
        Adam(0.001),
        batch_size=32,
        threads=1,
        progress=None,
        backend=backend,
        **changes,
    )
    trainer.fit((X, Y), steps=steps, resume=resume)
    return trainer


def numbers(model):
    return {name: np.array(p.data) for name, p in model.named_parameters()}


def assert_same(one, other):
    for name, array in numbers(one).items():
        np.testing.assert_array_equal(array, numbers(other)[name], err_msg=name)


class Straight:
    """The rank's end of a line, without a wire: what it says is heard by a desk at once."""

    def __init__(self, desk):
        self.desk = desk

    def put(self, piece):
        self.desk.put(self, wire.encode(piece))

    def get(self, part):
        return self.desk.get(wire.encode(part))


def test_a_shard_that_is_sent_in_pieces_is_a_file_of_the_driver(tmp_path):
    desk = Desk(None, spool=str(tmp_path))
    folder = _LinePath(Straight(desk), "")
    array = np.random.default_rng(0).normal(size=700_001)
    place = folder / "state-1.safetensors"
    digest = []
    place.write(lambda file: digest.append(write(file, {"step": 3}, {"x": array}, "checkpoint")))
    state = desk.take({"place": str(place)})
    assert Path(state.place) == tmp_path / "state-1.safetensors"
    found = state.open()
    np.testing.assert_array_equal(array, found.tensors["x"])

    desk.latest = state
    desk.begin()
    assert wire.decode(desk.offer())["start"] == {"place": state.place}
    file = _LineFile(Straight(desk), state.place)
    reader = Reader(file, "checkpoint", "by the line")
    assert reader.digest == digest[0]
    part = np.empty(1000)
    reader.read_part("x", 400_000, part)
    np.testing.assert_array_equal(array[400_000:401_000], part)
    del state, found, desk.latest, desk._begun
    gc.collect()
    assert not list(tmp_path.iterdir()), "what nobody holds is removed"


def test_what_a_lost_rank_has_sent_of_a_shard_is_forgotten(tmp_path):
    desk = Desk(None, spool=str(tmp_path))
    line = Straight(desk)
    line.put({"name": "state-1", "end": False, "data": b"half"})
    assert list(tmp_path.iterdir())
    desk.drop(line)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["../state-1", "/etc/state-1", "lock", "state-1/x"])
def test_a_rank_writes_nothing_but_states_into_the_drivers_folder(name, tmp_path):
    with pytest.raises(ExchangeError, match="a name of its own"):
        Straight(Desk(None, spool=str(tmp_path))).put({"name": name, "end": True, "data": b""})


def test_a_rank_reads_no_file_but_those_it_begins_with(tmp_path):
    (tmp_path / "secret").write_bytes(b"1234")
    desk = Desk(StateFile(tmp_path / "other"), spool=str(tmp_path))
    with pytest.raises(ExchangeError, match="none of its files"):
        _LineFile(Straight(desk), str(tmp_path / "secret"))


def test_states_come_early_at_growing_distances_and_when_the_user_asks():
    trigger = RecoveryPoints(EverySteps(37), 10)
    fired = [step for step in range(1, 5001) if trigger(Progress(step=step))]
    asked = RecoveryPoints(EverySteps(37), 10)

    assert fired[:3] == [1, 10, 20]
    assert max(b - a for a, b in itertools.pairwise(fired)) <= 160
    assert all(asked(Progress(step=step)) for step in (37, 74, 3700))
    assert asked(Progress(step=10))
    assert not asked.wanted


@pytest.mark.spark
@pytest.mark.parametrize(
    "near",
    [pytest.param(True, id="files", marks=pytest.mark.campaign), pytest.param(False, id="line")],
)
def test_large_states_and_weights_keep_every_bit(near, sessions, tmp_path, monkeypatch):
    if not near:
        monkeypatch.setattr(driver, "nonce", lambda places: "of another machine")
    sent = []

    def look(plan):
        sent.append(pack(plan))
        return sent[-1]

    monkeypatch.setattr(worker, "pack", look)
    backend = SparkBackend(sessions("local[2]"), ranks=2)
    small = train(backend, wide(), 6)
    assert len(sent[-1]) < 100_000, "the closure has no weights"
    kept = Checkpoints(tmp_path, every=EverySteps(2), keep=2)
    first = train(backend, wide(), 4, checkpoint=kept)
    files = sorted(path.name.partition("-step")[2] for path in tmp_path.iterdir())
    assert files == [
        f"0000000{step}{rest}.safetensors{index}"
        for step in (2, 4)
        for rest, index in (("-00001-of-00002", ""), ("-00002-of-00002", ""), ("", ".index.json"))
    ]
    assert isinstance(first.result.state, StateFile)
    second = train(backend, wide(9), 6, checkpoint=kept, resume="auto")
    assert_same(small.model, second.model)
    assert unpack(second.result.state, "checkpoint").step == 6
    local = train(None, wide(9), 4, resume=kept.store().files()[0], checkpoint=None)
    for name, array in numbers(local.model).items():
        np.testing.assert_allclose(numbers(first.model)[name], array, atol=1e-5)
