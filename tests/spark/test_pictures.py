"""Pictures that ranks decode and change at random: the same training as alone."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from sandbox.lib import criterion, nn, optim
from sandbox.lib.core.errors import DataError
from sandbox.lib.data import PartitionedDataset, vision
from sandbox.lib.spark import SparkBackend, SparkDataset
from sandbox.lib.train import Trainer

pytestmark = pytest.mark.spark

STORED = vision.Pipeline(vision.Decode(), vision.ResizeShorter(14), vision.CenterCrop(12))
DRAWN = vision.Pipeline(vision.RandomCrop(8), vision.HorizontalFlip(), vision.ToTensor(0.5, 0.25))
WHOLE = vision.Pipeline(
    vision.Decode(), vision.RandomResizedCrop(8), vision.ColorJitter(), vision.ToTensor(0.5, 0.25)
)


def trained(data, backend=None):
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3, rng=0), nn.ReLU(), nn.GlobalMaxPool2d(), nn.Linear(4, 2, rng=1)
    )
    trainer = Trainer(
        model, criterion.CrossEntropy(), optim.SGD(0.1), batch_size=16, seed=3, threads=1,
        progress=None, backend=backend,
    )  # fmt: skip
    trainer.fit(data, epochs=1)
    return np.concatenate([p.data.ravel() for _, p in model.named_parameters()])


def alike(ours, theirs):
    """Ranks add their gradients up in another order than one process does."""
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_ranks_draw_for_the_same_pictures_as_one_process(local, tmp_path):
    rng, paths, labels = np.random.default_rng(0), [], np.arange(40) % 2
    for row in range(40):
        path = tmp_path / f"{row}.jpg"
        size = (int(rng.integers(15, 40)), int(rng.integers(15, 40)), 3)
        cv2.imwrite(str(path), rng.integers(0, 256, size, dtype=np.uint8))
        paths.append(path)
    backend = SparkBackend(local, ranks=2)

    files = [path.read_bytes() for path in paths]
    rows = local.sparkContext.parallelize(list(zip(files, labels.tolist(), strict=True)), 2)
    frame = local.createDataFrame(rows, "content binary, label long")
    data = SparkDataset(frame, features="content", decode=STORED, transform=DRAWN)
    assert data.stored().x.shape == (12, 12, 3)
    assert data.spec.x.shape == (3, 8, 8)
    decoded = np.stack([STORED(file) for file in files])
    parts = [(decoded[:20], labels[:20]), (decoded[20:], labels[20:])]
    alike(trained(data, backend), trained(PartitionedDataset(parts, transform=DRAWN)))

    lazily = vision.PictureDataset(paths, labels, transform=WHOLE)
    alike(trained(lazily, backend), trained(lazily))

    bad = local.createDataFrame([(files[0], 0), (b"no picture", 1)], "content binary, label long")
    with pytest.raises(DataError, match=r"row \d: its 10 bytes .*Decode: a file must be a JPEG"):
        SparkDataset(bad, features="content", decode=STORED, transform=DRAWN).load(0)
