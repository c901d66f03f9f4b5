"""Draws follow the global position of a picture; whatever is done in between does not matter."""

from __future__ import annotations

import itertools
import pickle
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from sandbox.lib.core.errors import ArgumentError, DataError
from sandbox.lib.core.random import RandomKey
from sandbox.lib.data import ArrayDataset, PartitionedDataset, transforms
from sandbox.lib.data import vision as v
from sandbox.lib.engine import threads

sys.path.insert(0, str(Path(__file__).parent))
import vision_kit as kit

ONE_SIZE = [name for name in kit.FIXED_SIZE if name != "Pipeline"]
TO_MODEL = v.Pipeline(
    v.RandomResizedCrop(16),
    v.HorizontalFlip(),
    v.ColorJitter(),
    v.Lighting(),
    v.RandomErasing(fill="noise"),
    v.GaussianNoise(),
    v.ToTensor(0.5, 0.25),
)


def batch(rows=7, dtype="u1"):
    return np.stack([kit.picture(seed, dtype=dtype) for seed in range(rows)])


@pytest.mark.parametrize("name", ONE_SIZE)
def test_a_row_is_what_its_picture_is_alone(name):
    one, x = kit.ALL[name], batch()
    whole = one(x, random=RandomKey(5, 2, 100))
    for row in range(7):
        alone = one(x[row], random=RandomKey(5, 2, 100 + row))
        np.testing.assert_array_equal(whole[row], alone)
    with threads.limit(3):
        np.testing.assert_array_equal(whole, one(x, random=RandomKey(5, 2, 100)))
    parts = [one(x[:2], random=RandomKey(5, 2, 100)), one(x[2:], random=RandomKey(5, 2, 102))]
    np.testing.assert_array_equal(whole, np.concatenate(parts))


@pytest.mark.parametrize("name", kit.ALL)
def test_steps_and_seeds_draw_anew(name):
    one, image = kit.ALL[name], kit.picture()
    given = v.Picture(image, boxes=[[5, 6, 20, 30]], labels=[1])
    made = {
        key: one(given, random=RandomKey(*key)).image.tobytes()
        for key in [(0, 0, k) for k in range(12)] + [(0, k, 0) for k in range(1, 12)]
    }
    assert (len(set(made.values())) > 1) == one.needs_random
    again = one(given, random=RandomKey(0, 0, 3)).image.tobytes()
    assert made[0, 0, 3] == again
    if not one.needs_random:
        assert made[0, 0, 0] == one(given).image.tobytes()


@pytest.mark.parametrize(
    ("name", "dtype"),
    [(n, t) for n in kit.ALL for t in ("u1", "f4") if t == "u1" or n not in kit.BYTES_ONLY],
)
def test_dtype_and_shape_are_as_told_and_the_input_stays(name, dtype):
    one, x = kit.ALL[name], batch(3, dtype)
    before = x.copy()
    if name == "CropToBox":
        made = one(v.Picture(x[0], boxes=[[1, 2, 10, 11]])).image[None]
    else:
        made = one(x)
        assert made.shape[1:] == one.shape(x.shape[1:])
    assert made.dtype == one.dtype(x.dtype)
    if name in kit.FIXED_SIZE:
        assert one(x, random=RandomKey(1)).shape == made.shape
        room = np.full(made.shape, 77, "f4")
        assert one(x, out=room) is room
        np.testing.assert_array_equal(made.astype("f4"), room)
    np.testing.assert_array_equal(before, x)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", [n for n in kit.ALL if n != "PixelNormalize"])
def test_a_single_pixel_is_a_picture(name, channels):
    one = kit.ALL[name]
    image = np.full((1, 1, channels), 100, "u1")
    given = v.Picture(image, boxes=[[0, 0, 1, 1]], masks=np.ones((1, 1, 1)))
    for key in [None, *(RandomKey(0, 0, k) for k in range(10))]:
        try:
            made = one(given, random=key)
        except DataError as error:  # a sized crop, three fills of one channel
            assert "must be at least" in str(error) or "must have" in str(error) or channels == 1  # noqa: PT017
        else:
            assert made.image.size


@pytest.mark.parametrize("name", kit.ALL)
def test_transforms_travel(name):
    one = kit.ALL[name]
    copy = pickle.loads(pickle.dumps(one))
    given = v.Picture(kit.picture(), boxes=[[5, 6, 20, 30]])
    key = RandomKey(1, 2, 3)
    np.testing.assert_array_equal(one(given, random=key).image, copy(given, random=key).image)
    assert repr(copy) == repr(one)


def test_equal_transforms_of_a_chain_draw_differently():
    image = np.array([[[0], [1]]], "u1")
    chain = v.Pipeline(v.HorizontalFlip(), v.HorizontalFlip())
    turned = [chain(image, random=RandomKey(0, 0, k))[0, 0, 0] for k in range(200)]
    assert 60 < sum(map(int, turned)) < 140  # never, if both drew the same
    twice = transforms.Compose(v.HorizontalFlip(), v.VerticalFlip())
    corner = np.array([[[0], [1]], [[2], [3]]], "u1")
    made = [int(twice(corner[None], random=RandomKey(0, 0, k))[0, 0, 0, 0]) for k in range(100)]
    assert set(made) == {0, 1, 2, 3}


def test_what_is_left_out_by_chance_does_not_move_the_others():
    image = kit.picture()
    always, never = (
        v.Pipeline(v.RandomApply(v.Brightness(-9, 9), p), v.RandomCrop(20)) for p in (1, 0)
    )
    for k in range(20):
        key = RandomKey(0, 0, k)
        difference = always(image, random=key).astype(int) - never(image, random=key)
        assert np.ptp(difference) <= 1  # one shift of all pixels, but for rounding and the ends


@pytest.mark.parametrize("partitions", [1, 3])
def test_batches_of_a_data_set_do_not_depend_on_partitions_or_cuts(partitions):
    x, y = batch(12), np.arange(12)
    sizes = [12] if partitions == 1 else [5, 1, 6]
    starts = np.cumsum([0, *sizes])
    data = PartitionedDataset(
        [(x[a:b], y[a:b]) for a, b in itertools.pairwise(starts)],
        transform=TO_MODEL,
    )
    parts = [(p, np.arange(size)) for p, size in enumerate(sizes)]
    made, labels = data.batch(parts, random=RandomKey(4, 9))
    assert made.shape == (12, 3, 16, 16)
    assert made.dtype == np.float32
    assert data.spec.x.shape == (3, 16, 16)
    np.testing.assert_array_equal(y, labels)
    np.testing.assert_array_equal(TO_MODEL(x, random=RandomKey(4, 9)), made)
    # as a rank with the rows from 5 on sees it
    np.testing.assert_array_equal(
        made[5:],
        ArrayDataset(x, y, transform=TO_MODEL).rows(0, np.arange(5, 12), random=RandomKey(4, 9, 5))[
            0
        ],
    )
    assert TO_MODEL(x[:0], random=RandomKey(0)).shape == (0, 3, 16, 16)


def test_gray_pictures_and_channels_in_front_are_told_what_to_do():
    with pytest.raises(DataError, match=r"1 to 4 channels.*ChannelsLast\(\) in front"):
        v.Resize(4)(batch().transpose(0, 3, 1, 2))
    with pytest.raises(DataError, match="Give them a last axis"):
        v.Resize(4)(np.zeros((5, 28, 28), "u1"))
    assert v.Resize(4)(np.zeros((28, 28), "u1")).shape == (4, 4, 1)
    last = v.Pipeline(v.ChannelsLast(), v.RandomCrop(8), v.ToTensor())
    assert last(batch().transpose(0, 3, 1, 2)).shape == (7, 3, 8, 8)


@pytest.mark.parametrize(
    ("x", "said"),
    [
        (np.zeros((2, 4, 4, 3)), "float64 of shape"),
        (np.zeros((2, 4, 4, 3), "i8"), "int64 of shape"),
        (np.zeros((4, 4, 5), "u1"), "1 to 4 channels"),
        (np.zeros((0, 4, 3), "u1"), "must have pixels"),
        (np.zeros((1, 4, 0, 3), "u1"), "row 0: Resize: a picture must have pixels"),
        (np.zeros(4, "f4"), "a batch must be"),
        (np.zeros((1, 1, 4, 4, 3), "u1"), "a batch must be"),
    ],
)
def test_other_arrays_are_refused(x, said):
    with pytest.raises(DataError, match=said):
        v.Resize(4)(x)


def test_what_is_no_picture_or_no_key_is_told_what_to_do():
    with pytest.raises(ArgumentError, match=r"read_bytes\(\); or PictureDataset"):
        v.Decode()("photo.jpg")
    with pytest.raises(ArgumentError, match=r"`random` must be a RandomKey.*got 3\. Its seed"):
        v.RandomCrop(4)(kit.picture(), random=3)
    file = cv2.imencode(".png", kit.picture())[1].ravel()
    assert v.Decode()(file).shape == (40, 30, 3)
    assert v.Pad(50, fill=300)(kit.picture(dtype="f4")).max() == 300
    for fill in (300, -3):
        with pytest.raises(DataError, match="`fill` must be numbers from 0 to 255"):
            v.Pad(50, fill=fill)(kit.picture())


def test_the_room_is_imported_on_its_own():
    script = (
        "from sandbox.lib import data; import sys; assert 'cv2' not in sys.modules; data.vision"
    )
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "it is imported on its own: from sandbox.lib.data import vision" in answer.stderr


def test_rows_of_unlike_size_are_named():
    crop = v.RandomResize(5, 30)
    with pytest.raises(
        DataError, match=r"row [1-9]: pictures of a batch must come out in one size"
    ):
        crop(batch(), random=RandomKey(0))
    with threads.limit(3), pytest.raises(DataError, match=r"row \d: pictures of a batch"):
        crop(batch(), random=RandomKey(0))


def test_the_first_wrong_row_is_named_whatever_the_threads():
    x = [kit.picture() for _ in range(9)]

    def give(row):
        return v.Picture(data=b"spam") if row in (4, 7) else v.Picture(x[row])

    from sandbox.lib.data.vision.base import run_rows

    for count in (1, 2, 4):
        with (
            threads.limit(count),
            pytest.raises(DataError, match=r"^row 4: Decode: a file must be"),
        ):
            run_rows(v.Pipeline(v.Decode(), v.Resize(8)), 9, give)
