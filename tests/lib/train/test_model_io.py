from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from train_kit import assert_same, make_data, make_model, make_trainer, weights

from sandbox.lib import nn
from sandbox.lib.core import ops
from sandbox.lib.core.errors import ArgumentError, CheckpointError
from sandbox.lib.train import load_model, save_model
from sandbox.lib.train.checkpoint import pack, unpack


def test_a_trained_model_comes_back_with_its_statistics(tmp_path: Path) -> None:
    trainer = make_trainer()
    x, y = make_data()
    trainer.fit((x, y), steps=10)
    path = save_model(trainer.model, tmp_path / "model.safetensors")
    loaded = load_model(path)
    assert_same(weights(trainer.model), weights(loaded))
    np.testing.assert_array_equal(trainer.model(x), loaded(x))
    assert repr(trainer.model) == repr(loaded)


def test_another_process_reads_it(tmp_path: Path) -> None:
    model = nn.zoo.lenet5(rng=3)
    save_model(model, tmp_path / "lenet.safetensors")
    x = np.random.default_rng(0).normal(size=(2, 1, 28, 28)).astype("f4")
    np.save(tmp_path / "x.npy", x)
    script = (
        "import sys, numpy as np; from sandbox.lib.train import load_model; import os;"
        "os.chdir(sys.argv[1]); m = load_model('lenet.safetensors');"
        "np.save('y.npy', m(np.load('x.npy')))"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True, timeout=60)
    np.testing.assert_array_equal(model(x), np.load(tmp_path / "y.npy"))


def test_a_registered_module_of_ones_own_is_saved_and_another_is_refused(tmp_path: Path) -> None:
    @nn.register("tests.Twice")
    class Twice(nn.Module):
        def call(self, x: Any) -> Any:
            return ops.multiply(x, 2.0)

    class Thrice(nn.Module):
        def call(self, x: Any) -> Any:
            return ops.multiply(x, 3.0)

    path = save_model(nn.Sequential(Twice()), tmp_path / "twice.safetensors")
    assert load_model(path)(np.ones((1, 1), "f4")) == 2.0
    with pytest.raises(ArgumentError, match="Thrice must be registered"):
        save_model(nn.Sequential(Thrice()), tmp_path / "thrice.safetensors")
    assert not (tmp_path / "thrice.safetensors").exists()


def test_damage_is_told_with_the_file(tmp_path: Path) -> None:
    path = save_model(make_model(), tmp_path / "model.safetensors")
    data = path.read_bytes()
    random = np.random.default_rng(0)
    for cut in (0, 5, 100, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:cut])
        with pytest.raises(CheckpointError, match=r"model\.safetensors"):
            load_model(path)
    for place in random.integers(0, len(data), 50):
        changed = bytearray(data)
        changed[place] ^= 0x10
        path.write_bytes(changed)
        try:
            model = load_model(path)
        except CheckpointError:
            continue
        assert_same(weights(make_model()), weights(model))  # a bit that means nothing


def test_a_file_with_an_unknown_module_is_refused(tmp_path: Path) -> None:
    data = unpack(save_model(make_model(), tmp_path / "m").read_bytes(), "model")
    spec = {"module": "os.system", "config": {"command": "true"}}
    (tmp_path / "evil").write_bytes(pack({"model": spec}, data.tensors, "model"))
    with pytest.raises(CheckpointError, match=r"evil: the model cannot be built.*os\.system"):
        load_model(tmp_path / "evil")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("parameter/fc1.weight"), "must hold parameter/fc1.weight"),
        (lambda t: t.update({"parameter/fc9.weight": np.zeros(1, "f4")}), "got parameter/fc9"),
        (lambda t: t.update({"parameter/fc1.bias": np.zeros(3, "f4")}), r"shape \(16,\); got"),
    ],
)
def test_tensors_that_do_not_fit_are_named(change: Any, message: str, tmp_path: Path) -> None:
    file = unpack(save_model(make_model(), tmp_path / "m").read_bytes(), "model")
    change(file.tensors)
    (tmp_path / "m").write_bytes(pack({"model": file.meta["model"]}, file.tensors, "model"))
    with pytest.raises(CheckpointError, match=message):
        load_model(tmp_path / "m")


def test_a_missing_file_or_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="nowhere"):
        load_model(tmp_path / "nowhere")
    with pytest.raises(CheckpointError, match="nowhere"):
        save_model(make_model(), tmp_path / "nowhere" / "model")


def test_a_checkpoint_is_no_model(tmp_path: Path) -> None:
    make_trainer(checkpoint=tmp_path).fit(make_data(), epochs=1)
    with pytest.raises(CheckpointError, match="must be a model file; got a checkpoint file"):
        load_model(next(tmp_path.iterdir()))


def test_a_file_of_an_earlier_version_gives_the_outputs_of_that_version() -> None:
    golden = Path(__file__).parent / "golden"
    expected = np.load(golden / "model.npz")
    model = load_model(golden / "model.safetensors")
    assert {p.dtype.name for p in (*model.parameters(), *model.buffers())} == {"float32"}
    # Another processor may add up in another order; float32 has 7 digits.
    np.testing.assert_allclose(model(expected["x"]), expected["y"], rtol=1e-5, atol=1e-6)
