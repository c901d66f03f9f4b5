"""Pictures of any size as a data set, and training on them."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from sandbox.lib import criterion, nn, optim, train
from sandbox.lib.core.errors import ArgumentError, DataError
from sandbox.lib.core.random import RandomKey
from sandbox.lib.data import random_shapes
from sandbox.lib.data import vision as v

sys.path.insert(0, str(Path(__file__).parent))
import vision_kit as kit

MAKE = v.Pipeline(v.Decode(), v.RandomResizedCrop(16), v.HorizontalFlip(), v.ToTensor(0.5, 0.25))


@pytest.fixture
def files(tmp_path):
    paths = []
    for row in range(6):
        image = kit.picture(row, height=30 + 5 * row, width=60 - 5 * row)
        paths.append(tmp_path / f"{row}.{'png' if row % 2 else 'jpg'}")
        cv2.imwrite(str(paths[-1]), image)
    return paths


def test_paths_bytes_and_arrays_are_the_same_pictures(files):
    key = RandomKey(1, 2, 3)
    arrays = [v.Decode()(path.read_bytes()) for path in files]
    sources = [files, [str(p) for p in files], [p.read_bytes() for p in files], arrays]
    made = [
        v.PictureDataset(source, np.arange(6), transform=MAKE).batch([(0, [4, 1, 0])], random=key)
        for source in sources
    ]
    for x, y in made:
        assert x.shape == (3, 3, 16, 16)
        np.testing.assert_array_equal(made[0][0], x)
        np.testing.assert_array_equal([4, 1, 0], y)
    first = MAKE(files[4].read_bytes(), random=key)
    np.testing.assert_array_equal(first, made[0][0][0])


def test_cuts_do_not_matter_and_copies_are_the_same(files):
    data = v.PictureDataset(files, np.arange(6) / 10, transform=MAKE)
    whole, y = data.batch([(0, np.arange(6))], random=RandomKey(0, 5))
    assert y.dtype == np.float32
    copy = pickle.loads(pickle.dumps(data))
    room = np.empty((4, 3, 16, 16), "f4"), np.empty(4, "f4")
    made = copy.batch([(0, np.arange(2, 6))], out=room, random=RandomKey(0, 5, 2))
    assert made[0] is room[0]
    np.testing.assert_array_equal(whole[2:], room[0])
    assert data.spec == copy.spec
    assert len(data) == 6
    plain = v.PictureDataset(files, transform=MAKE, dtype=None)
    assert plain.batch([(0, [])])[0].shape == (0, 3, 16, 16)
    small = v.PictureDataset(files, transform=v.Pipeline(v.Decode(), v.Resize(4)), dtype=None)
    assert small.spec.x.dtype == "uint8"


def test_wrong_files_are_named_with_row_and_path(files):
    files[3].write_bytes(b"no picture")
    data = v.PictureDataset(files, np.arange(6), transform=MAKE)
    with pytest.raises(DataError, match=r"row 3 \(.*3\.png\): Decode: a file must be"):
        data.batch([(0, [1, 3])])
    files[2].unlink()
    with pytest.raises(DataError, match=r"row 2 \(.*2\.jpg\): the file must be readable"):
        data.batch([(0, [1, 2])])
    with pytest.raises(DataError, match=r"Decode\(\) in front"):
        v.PictureDataset(files, transform=v.Resize(4)).batch([(0, [0])])
    with pytest.raises(DataError, match=r"row 1 \(.*one size"):
        v.PictureDataset(files[:2], transform=v.Decode()).batch([(0, [0, 1])])


def test_wrong_settings_are_refused(files):
    with pytest.raises(DataError, match="for each of 6 pictures; got 5"):
        v.PictureDataset(files, np.arange(5), transform=MAKE)
    with pytest.raises(DataError, match="at least one row"):
        v.PictureDataset([], transform=MAKE)
    with pytest.raises(DataError, match=r"row 1: Picture: image must be .* got float64"):
        v.PictureDataset([files[0], np.zeros((4, 4, 3))], transform=MAKE)
    with pytest.raises(DataError, match=r"objects of row 0 must be \(n, 5\)"):
        v.PictureDataset(files[:1], objects=[np.zeros((2, 4))], transform=MAKE)
    with pytest.raises(ArgumentError, match="`most`"):
        v.PictureDataset(files[:1], objects=[np.zeros((2, 5))], most=1, transform=MAKE)
    with pytest.raises(ArgumentError, match="`objects` must be None where `labels` are given"):
        v.PictureDataset(files, np.arange(6), objects=[[]] * 6, transform=MAKE)
    with pytest.raises(ArgumentError, match="`transform`"):
        v.PictureDataset(files, transform=np.log)


def test_objects_move_with_their_pictures():
    images, objects = random_shapes(4, 0, size=64, channels=3)
    pictures = [(255 * np.clip(x, 0, 1)).astype("u1").transpose(1, 2, 0) for x in images]
    chain = v.Pipeline(v.DenormalizeBoxes(), v.HorizontalFlip(1), v.Expand(2, 2, p=1), v.ToTensor())
    data = v.PictureDataset(pictures, objects=objects, transform=chain)
    x, y = data.batch([(0, [2, 0])])
    assert x.shape == (2, 3, 128, 128)
    assert data.spec.y.shape == y.shape[1:] == (data.most, 5)
    for row, given in zip(y, objects[[2, 0]], strict=True):
        real = given[given[:, 0] >= 0]
        np.testing.assert_array_equal(real[:, 0], row[: len(real), 0])
        # mirrored, and in the middle of a ground of twice its sides
        x1, y1, x2, y2 = real[:, 1:].T
        expected = np.stack([1 - x2, y1, 1 - x1, y2], 1) / 2 + 0.25
        np.testing.assert_allclose(row[: len(real), 1:], expected, atol=1e-6)
        assert (row[len(real) :, 0] == -1).all()


def test_masks_are_the_classes_of_the_pixels_of_changed_pictures(files, tmp_path):
    pictures = [v.Decode()(path.read_bytes()) for path in files]
    classes = [(picture[:, :, 0] > 128).astype("u1") * 3 for picture in pictures]
    masks = []
    for row, one in enumerate(classes):
        masks.append(tmp_path / f"mask{row}.png")
        cv2.imwrite(str(masks[-1]), one)
    chain = v.Pipeline(v.Decode(), v.HorizontalFlip(), v.RandomCrop(20), v.ToTensor(scale=1))
    data = v.PictureDataset(files, masks=masks, transform=chain)
    assert data.spec.y.shape == (20, 20)
    x, y = data.batch([(0, np.arange(6))], random=RandomKey(0))
    assert y.dtype == np.int64
    np.testing.assert_array_equal((x[:, 0] > 128) * 3, y)
    again = v.PictureDataset(pictures, masks=classes, transform=chain)
    np.testing.assert_array_equal(y, again.batch([(0, np.arange(6))], random=RandomKey(0))[1])
    scaled = v.PictureDataset(
        files, masks=masks, transform=v.Pipeline(v.Decode(), v.RandomResizedCrop(64), v.ToTensor())
    )
    assert set(np.unique(scaled.batch([(0, [0, 3])], random=RandomKey(0))[1])) == {0, 3}
    turned = v.PictureDataset(files, masks=classes[::-1], transform=chain)
    with pytest.raises(DataError, match=r"row 0 \(.*masks must be \(n, 30, 60\) like the picture"):
        turned.batch([(0, [1])])
    with pytest.raises(DataError, match="row 0: the mask must have one channel"):
        v.PictureDataset(pictures, masks=pictures, transform=chain).batch([(0, [0])])


def test_training_on_files_learns(tmp_path):
    """Horizontal against vertical stripes, in files of many sizes."""
    rng = np.random.default_rng(0)
    files, labels = [], np.arange(64) % 2
    for row, label in enumerate(labels):
        stripes = np.sin(np.arange(40 + row) * 1.5 + rng.uniform(0, 6)) * 90 + 128
        image = np.broadcast_to(stripes[:, None, None], (40 + row, 40 + row, 3))
        path = tmp_path / f"{row}.png"
        cv2.imwrite(str(path), image.swapaxes(0, 1) if label else image)
        files.append(path)
    chain = v.Pipeline(v.Decode(), v.RandomCrop(16), v.Brightness(-20, 20), v.ToTensor(0.5, 0.25))
    model = nn.Sequential(
        nn.Conv2d(3, 4, 5, rng=0), nn.ReLU(), nn.GlobalMaxPool2d(), nn.Linear(4, 2, rng=1)
    )
    data = v.PictureDataset(files, labels, transform=chain)
    trainer = train.Trainer(
        model, criterion.CrossEntropy(), optim.Adam(0.02), batch_size=16, seed=3, progress=None,
        threads=1,
    )  # fmt: skip
    trainer.fit(data, epochs=12)
    predicted = trainer.predict(v.PictureDataset(files, labels, transform=chain)).argmax(1)
    assert (predicted == labels).mean() > 0.9
