"""Everything a trainer writes, behind a URL: moto plays S3 for pyarrow."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from train_kit import assert_same, make_data, make_model, make_trainer, unmarked, weights

from sandbox.lib.core.errors import ArgumentError, CheckpointError
from sandbox.lib.data import Scaler
from sandbox.lib.engine.files import locate, write_atomic
from sandbox.lib.train import (
    Checkpoints,
    CheckpointStore,
    EverySteps,
    ModelBundle,
    TrainJob,
    load_model,
    save_model,
)
from sandbox.lib.train.checkpoint import StateFile
from sandbox.lib.train.job import CheckpointPolicy, StatePlaces

DATA = make_data()


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(port=0, verbose=False)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "test")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        server.start()
        patch.setenv("AWS_ENDPOINT_URL", "http://{}:{}".format(*server.get_host_and_port()))
        boto3.client("s3").create_bucket(Bucket="states")
        yield "s3a://states"
        server.stop()


def test_a_run_is_kept_and_goes_on_behind_a_url(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = f"{bucket}/lenet/states"
    whole = make_trainer()
    whole.fit(DATA, steps=9)
    kept = Checkpoints(folder, every=EverySteps(2), keep=2)
    first = make_trainer(checkpoint=kept)
    first.fit(DATA, steps=5)
    names = [unmarked(path) for path in kept.store().files()]
    assert names == ["run0000-step00000004.safetensors", "run0000-step00000005.safetensors"]

    second = make_trainer(make_model(9), checkpoint=folder, summary=f"{bucket}/lenet/curves")
    history = second.fit(DATA, steps=9, resume="auto")
    assert_same(weights(whole.model), weights(second.model))
    assert history["step"].tolist() == list(range(1, 10))
    assert second.history["loss"][:5].tolist() == first.history["loss"].tolist()
    by_path = make_trainer(make_model(9))
    by_path.fit(DATA, steps=9, resume=str(kept.store().files()[0]))
    assert_same(weights(whole.model), weights(by_path.model))
    (events,) = locate(f"{bucket}/lenet/curves").iterdir()
    assert b"train/loss" in events.read_bytes()
    assert not list(tmp_path.iterdir()), "no local folder named s3a:"


@pytest.mark.parametrize("ranks", [1, 2])
def test_ranks_write_and_read_their_parts_behind_a_url(
    ranks: int, bucket: str, run_ranks: Callable[..., Any], tmp_path: Path
) -> None:
    folder = f"{bucket}/large{ranks}"
    store = CheckpointStore(folder, keep=1)
    store.new_run()
    places = StatePlaces(str(tmp_path), folder, str(store.run), 0)

    def job(steps: int, **changes: Any) -> TrainJob:
        made = make_trainer(make_model())._job(DATA, None, steps, None, None, "epoch", None)
        policy = CheckpointPolicy(EverySteps(2))
        return replace(made, checkpoint=policy, places=places, **changes)

    first = run_ranks(job(4), ranks)
    assert first.errors == [None] * ranks
    for event in first.of("checkpoint"):
        store.save(event["data"], event["step"])
    latest = store.latest()
    assert latest is not None
    assert str(latest[0]).startswith(f"{folder}/{store.run}-step00000004.safetensors")
    assert len(list(store.folder.iterdir())) == (1 if ranks == 1 else 3)
    assert not list(tmp_path.iterdir())
    again = run_ranks(job(9, start=StateFile(latest[0])), ranks)
    whole = run_ranks(replace(job(9), places=None), ranks)
    assert_same(weights(whole.models[0]), weights(again.models[0]))


def test_models_and_pipelines_are_saved_and_loaded_behind_a_url(bucket: str) -> None:
    model = make_model()
    place = save_model(model, f"{bucket}/models/net.safetensors")
    assert str(place) == f"{bucket}/models/net.safetensors"
    assert_same(weights(model), weights(load_model(place)))
    save_model(make_model(5), place)  # an older file is replaced
    assert_same(weights(make_model(5)), weights(load_model(str(place))))

    table = {name: np.arange(6.0) + k for k, name in enumerate("abcd")}
    pipeline = ModelBundle(Scaler.fit(table), model, labels=["no", "yes"])
    again = ModelBundle.load(pipeline.save(f"{bucket}/pipelines/one"))
    np.testing.assert_array_equal(pipeline.probabilities(table), again.probabilities(table))


def test_what_breaks_while_it_is_written_leaves_the_old_object(bucket: str) -> None:
    place = locate(f"{bucket}/notes/a")
    write_atomic(place, b"old")

    def breaks(file: object) -> None:
        file.write(b"ne")  # type: ignore[attr-defined]
        raise RuntimeError("in the middle")

    for name in ("a", "b"):
        with pytest.raises(RuntimeError, match="in the middle"):
            write_atomic(place.with_name(name), breaks)  # type: ignore[arg-type]
    assert [path.name for path in place.parent.iterdir()] == ["a"]
    assert place.read_bytes() == b"old"


def test_a_bucket_that_is_not_there_is_named_before_anything_is_trained(bucket: str) -> None:
    trainer = make_trainer(checkpoint=Checkpoints("s3a://nobody/states", every=EverySteps(1)))
    with pytest.raises(CheckpointError, match=r"s3a://nobody/states: must be a folder for"):
        trainer.fit(DATA, steps=2)
    assert len(trainer.history) == 0
    assert CheckpointStore(f"{bucket}/empty").latest() is None


def test_a_url_of_another_kind_is_refused_by_the_trainer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for given in ("gs://bucket/states", Path("hdfs://host/states")):
        with pytest.raises(ArgumentError, match="a place must be"):
            make_trainer(checkpoint=given)
    with pytest.raises(ArgumentError, match="a place must be"):
        save_model(make_model(), "ftp://host/net.safetensors")
    assert not list(tmp_path.iterdir())
