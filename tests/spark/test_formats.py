"""Files read by the ranks block by block, and pictures that come through Spark."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from sandbox.lib import criterion, nn, optim
from sandbox.lib.core.errors import ArgumentError, DataError
from sandbox.lib.data import CsvDataset, vision
from sandbox.lib.spark import SparkBackend, SparkDataset
from sandbox.lib.train import Trainer

cv2 = pytest.importorskip("cv2")
pytestmark = pytest.mark.spark


def fit(data, backend=None, columns=3):
    model = nn.Sequential(nn.Linear(columns, 4, rng=0), nn.ReLU(), nn.Linear(4, 2, rng=1))
    options = {"batch_size": 32, "progress": None} | ({"backend": backend} if backend else {})
    trainer = Trainer(model, criterion.CrossEntropy(), optim.SGD(0.1), **options)
    trainer.fit(data, epochs=2, validation=data)
    return trainer


def test_ranks_read_blocks_for_themselves_to_the_weights_of_one_process(local, tmp_path):
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(rng.normal(size=(400, 3)), columns=list("abc"))
    for part in range(3):
        frame.assign(y=rng.integers(0, 2, 400)).to_csv(tmp_path / f"{part}.csv", index=False)
    data = CsvDataset(tmp_path, label="y", block_bytes=3000, window=4, memory=1)
    assert len(data.blocks) > 20
    alone = fit(data)
    ranks = fit(data, SparkBackend(local, ranks=2))
    for ours, theirs in zip(ranks.model.parameters(), alone.model.parameters(), strict=True):
        np.testing.assert_allclose(ours.data, theirs.data, atol=1e-5 * np.abs(theirs.data).max())
    np.testing.assert_allclose(
        ranks.evaluate(data)["loss"], alone.evaluate(data)["loss"], rtol=1e-5
    )


def test_packing_tells_rows_and_bytes_to_who_watches_the_run(local, monkeypatch):
    monkeypatch.setattr("sandbox.lib.spark.rows.counts.EVERY_S", 0.01)
    frame = local.range(0, 20000, 1, 4).selectExpr(
        "double(id) / 20000 a", "double(1) b", "double(2) c", "int(id % 2) label"
    )
    told = []
    model = nn.Sequential(nn.Linear(3, 2, rng=0))
    trainer = Trainer(
        model,
        criterion.CrossEntropy(),
        optim.SGD(0.1),
        batch_size=1000,
        progress=None,
        backend=SparkBackend(local, ranks=2),
    )
    trainer.subscribe(lambda event: event["type"] == "stage" and told.append(event["text"]))
    trainer.fit(SparkDataset(frame, features=["a", "b", "c"]), epochs=1)
    packing = [text for text in told if text.startswith("packing rows: ")]
    assert packing
    assert packing[-1].startswith("packing rows: 100 %, 20,000 rows, 0 MB, ")
    assert told.index("sending the data") > told.index(packing[-1])


def test_pictures_of_sparks_image_source_and_binary_files_are_features(local, tmp_path):
    for k in range(12):
        pixels = np.zeros((4 + k % 3, 5, 3), "u1")
        pixels[..., 2], pixels[..., 0] = 20 * k, 7  # OpenCV writes blue, green, red
        cv2.imwrite(str(tmp_path / f"{k:02}.png"), pixels)
    images = (
        local.read.format("image")
        .load(str(tmp_path))
        .selectExpr("image", "cast(regexp_extract(image.origin, '(\\\\d+).png', 1) as int) k")
    )
    small = vision.Resize((2, 2))
    data = SparkDataset(images, features="image", label="k", decode=small, dtype=None)
    parts = [data.load(p) for p, n in enumerate(data.partition_sizes) if n]
    x, y = (np.concatenate([part[side] for part in parts]) for side in (0, 1))
    assert x.shape == (12, 2, 2, 3)
    assert sorted(y.tolist()) == list(range(12))
    np.testing.assert_array_equal(x[:, 0, 0], [[20 * k, 0, 7] for k in y])
    files = local.read.format("binaryFile").load(str(tmp_path)).selectExpr("content", "0 k")
    decode = vision.Pipeline(vision.Decode(), small)
    same = SparkDataset(files, features="content", label="k", decode=decode, dtype=None)
    reds = np.concatenate([same.load(p)[0] for p, n in enumerate(same.partition_sizes) if n])
    assert sorted(reds[:, 0, 0, 0].tolist()) == [20 * k for k in range(12)]
    with pytest.raises(DataError, match=r"`decode` must give numbers of shape"):
        SparkDataset(images, features="image", label="k").load(0)
    with pytest.raises(ArgumentError, match="must be the only features; got image, k"):
        SparkDataset(images, features={"a": "image", "b": "k"}, label="k")
