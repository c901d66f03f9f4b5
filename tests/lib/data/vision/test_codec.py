"""Files of pictures: what they hold, cut off, damaged, made to harm."""

from __future__ import annotations

import io
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sandbox.lib.core.errors import DataError
from sandbox.lib.data import vision as v
from sandbox.lib.data.vision.codec import jpeg_size

sys.path.insert(0, str(Path(__file__).parent))
import vision_kit as kit

FORMATS = {
    "JPEG": {"quality": 90},
    "PNG": {},
    "WEBP": {"lossless": True},
    "BMP": {},
    "TIFF": {},
    "GIF": {},
}


def encoded(image, kind, **options):
    file = io.BytesIO()
    mode = Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image)
    mode.save(file, kind, **{**FORMATS[kind], **options})
    return file.getvalue()


@pytest.mark.parametrize("kind", FORMATS)
def test_files_of_another_library_are_read(kind):
    image = kit.picture(height=61, width=37)
    file = encoded(image, kind)
    theirs = np.asarray(Image.open(io.BytesIO(file)).convert("RGB")).astype(int)
    made = v.Decode()(file)
    assert made.dtype == np.uint8
    # decoders of JPEG may round differently
    assert np.abs(made - theirs).max() <= (2 if kind == "JPEG" else 0)
    np.testing.assert_array_equal(made[:, :, ::-1], v.Decode("BGR")(file))
    gray = v.Decode("GRAY")(file)
    assert gray.shape == (61, 37, 1)
    assert np.abs(gray[:, :, 0] - made @ [0.299, 0.587, 0.114]).mean() < 1


def test_gray_files_have_as_many_channels_as_asked():
    file = encoded(kit.picture(channels=1), "PNG")
    assert v.Decode()(file).shape == (40, 30, 3)
    assert v.Decode("GRAY")(file).shape == (40, 30, 1)


def test_pictures_are_turned_as_their_camera_says():
    file, image = io.BytesIO(), kit.picture(height=20, width=30)
    exif = Image.Exif()
    exif[0x0112] = 6  # turn clockwise to view
    Image.fromarray(image).save(file, "JPEG", quality=95, exif=exif)
    made = v.Decode()(file.getvalue())
    assert made.shape == (30, 20, 3)
    assert np.abs(np.rot90(image, -1).astype(int) - made).mean() < 6


def test_large_jpeg_files_are_decoded_smaller():
    image = kit.picture(height=400, width=600)
    file = encoded(image, "JPEG")
    assert jpeg_size(file) == (400, 600)
    for least, side in (
        (400, 400),
        (200, 200),
        (199, 200),
        (100, 100),
        (60, 100),
        (50, 50),
        (1, 50),
    ):
        small = v.Decode(at_least=least)(file)
        assert small.shape[0] == side
        assert small.shape == (*v.Decode("GRAY", at_least=least)(file).shape[:2], 3)
    means = image.reshape(200, 2, 300, 2, 3).mean((1, 3))
    assert np.abs(v.Decode(at_least=200)(file) - means).mean() < 3
    assert v.Decode(at_least=10)(encoded(image, "PNG")).shape == (400, 600, 3)


def test_plain_pixels_are_taken_as_they_are():
    image = kit.picture()
    np.testing.assert_array_equal(image, v.FromPixels(40, 30)(image.tobytes()))
    bgr = v.FromPixels(40, 30, order="BGR").one(image.tobytes())
    assert bgr.order == "BGR"
    with pytest.raises(DataError, match="there must be 3600 bytes; got 3599"):
        v.FromPixels(40, 30)(image.tobytes()[1:])


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_files_that_are_cut_off_are_refused(kind):
    file = encoded(kit.picture(height=200, width=200), kind)
    for size in (0, 1, 12, 100, len(file) // 2, len(file) - 1):
        with pytest.raises(DataError, match=r"a file must be a JPEG|must be whole|undamaged"):
            v.Decode()(file[:size])
    assert v.Decode()(file + b"what cameras append" * 10_000).shape == (200, 200, 3)


def test_the_end_of_a_thumbnail_is_not_that_of_the_picture():
    thumbnail = encoded(kit.picture(), "JPEG")
    file = encoded(kit.picture(height=200, width=200), "JPEG", comment=thumbnail)
    assert file.index(b"\xff\xd9") < len(file) // 2
    assert v.Decode()(file).shape == (200, 200, 3)
    assert jpeg_size(file) == (200, 200)
    with pytest.raises(DataError, match="must be whole"):
        v.Decode()(file[: len(file) * 3 // 4])


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "got 0 bytes"),
        (b"<html>404</html>", "begin with b'<html>404</h'"),
        (b"GIF89a" + bytes(20), "GIF file must be undamaged"),
    ],
)
def test_what_is_no_picture_is_told_apart(data, said):
    with pytest.raises(DataError, match=said):
        v.Decode()(data)


def test_a_file_that_claims_too_many_pixels_is_refused():
    file = bytearray(encoded(kit.picture(), "PNG"))
    file[16:24] = struct.pack(">II", 60000, 60000)
    with pytest.raises(DataError, match="must hold the pixels that it claims"):
        v.Decode()(bytes(file))
    file = bytearray(encoded(kit.picture(), "PNG"))
    file[33:37] = b"\xff" * 4  # a chunk of 4 GB
    with pytest.raises(DataError, match="must be whole"):
        v.Decode()(bytes(file))


@pytest.mark.parametrize("rounds", [100, pytest.param(5000, marks=pytest.mark.campaign)])
@pytest.mark.parametrize("kind", FORMATS)
def test_mutated_files_give_a_picture_or_an_error_with_the_row(kind, rounds):
    rng = np.random.default_rng(sum(map(ord, kind)))
    file = encoded(kit.picture(height=48, width=48), kind)
    read, refused = 0, 0
    for _ in range(rounds):
        data = bytearray(file)
        for _ in range(rng.integers(1, 8)):
            at = int(rng.integers(0, len(data)) if rng.random() < 0.6 else rng.integers(0, 64))
            how = rng.integers(4)
            if how == 0:
                data[at] = rng.integers(256)
            elif how == 1:
                data[at : at + int(rng.integers(1, 40))] = b""
            elif how == 2:
                data[at:at] = rng.bytes(int(rng.integers(1, 40)))
            else:
                data[at : at + 4] = b"\xff" * 4
        given = v.PictureDataset(
            [file, bytes(data)], [0, 1], transform=v.Pipeline(v.Decode(), v.Resize(8))
        )
        try:
            x, _ = given.batch([(0, [0, 1])])
        except DataError as error:
            assert str(error).startswith("row 1: ")  # noqa: PT017
            refused += 1
        else:
            assert x.shape == (2, 8, 8, 3)
            read += 1
    assert refused > 0
    assert read + refused == rounds
