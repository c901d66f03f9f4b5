"""Folders of pictures, plain and zipped."""

from __future__ import annotations

import pickle
import shutil
import zipfile

import numpy as np
import pytest

from sandbox.lib.core.errors import DataError
from sandbox.lib.core.random import RandomKey
from sandbox.lib.data import vision

cv2 = pytest.importorskip("cv2")
MAKE = vision.Pipeline(vision.Decode(), vision.Resize((4, 4)), vision.ToTensor())


@pytest.fixture
def root(tmp_path):
    """Pictures whose red value tells class and number."""
    for kind, name in enumerate(("zebra", "ant", "cow")):
        (tmp_path / "in" / name / "more").mkdir(parents=True)
        for k in range(3):
            pixels = np.zeros((5 + k, 7, 3), "u1")
            pixels[..., 2] = 10 * kind + k  # OpenCV writes blue, green, red
            place = tmp_path / "in" / name / ("more" if k == 2 else "")
            cv2.imwrite(str(place / f"{k}.png"), pixels)
        (tmp_path / "in" / name / "notes.txt").write_text("no picture")
    (tmp_path / "in" / ".hidden").mkdir()
    return tmp_path / "in"


def reds(data):
    x, y = data.rows(0, np.arange(len(data)))
    return np.rint(x[:, 0, 0, 0] * 255).astype(int).tolist(), y.tolist()


def test_folders_are_classes_sorted_by_name(root):
    data = vision.ImageFolder(root, transform=MAKE)
    assert data.classes == ["ant", "cow", "zebra"]
    assert reds(data) == ([10, 11, 12, 20, 21, 22, 0, 1, 2], [0, 0, 0, 1, 1, 1, 2, 2, 2])
    assert data.files[2].endswith("ant/more/2.png")
    chosen = vision.ImageFolder(root, transform=MAKE, classes=["zebra", "ant"])
    assert reds(chosen) == ([0, 1, 2, 10, 11, 12], [0, 0, 0, 1, 1, 1])


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_zip_file_is_read_like_the_folder_in_any_process(root, tmp_path, method):
    with zipfile.ZipFile(tmp_path / "all.zip", "w", method) as archive:
        for path in root.rglob("*"):
            archive.write(path, f"train/{path.relative_to(root)}")
        archive.writestr("test/ant/9.png", b"never read")
    data = vision.ImageFolder(f"{tmp_path}/all.zip/train", transform=MAKE)
    assert reds(data) == reds(vision.ImageFolder(root, transform=MAKE))
    assert reds(pickle.loads(pickle.dumps(data))) == reds(data)


def test_changes_follow_the_position_not_the_cut(root):
    make = vision.Pipeline(vision.Decode(), vision.RandomResizedCrop(4), vision.ToTensor())
    data = vision.ImageFolder(root, transform=make)
    whole, _ = data.rows(0, np.arange(9), random=RandomKey(3, 5, 0))
    part, _ = data.rows(0, np.arange(4, 9), random=RandomKey(3, 5, 4))
    np.testing.assert_array_equal(whole[4:], part)


def test_damaged_pictures_and_archives_are_named(root, tmp_path):
    (root / "cow" / "0.png").write_bytes(b"no picture")
    data = vision.ImageFolder(root, transform=MAKE)
    with pytest.raises(DataError, match=r"row 3 .*cow/0\.png"):
        data.rows(0, [3])
    (root / "cow" / "1.png").unlink()
    with pytest.raises(DataError, match=r"row 4 .*cow/1\.png"):
        data.rows(0, [4])
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.write(root / "ant" / "0.png", "ant/0.png")
    whole = (tmp_path / "all.zip").read_bytes()
    (tmp_path / "all.zip").write_bytes(whole[:60].replace(b"IDAT", b"IDAX") + whole[60:])
    (tmp_path / "cut.zip").write_bytes(whole[:-10])
    with pytest.raises(DataError, match=r"cut.zip: must be a whole zip file"):
        vision.ImageFolder(tmp_path / "cut.zip", transform=MAKE)
    changed = bytearray(whole)
    changed[60] ^= 0xFF
    (tmp_path / "all.zip").write_bytes(bytes(changed))
    with pytest.raises(DataError, match=r"row 0 .*all\.zip/ant/0\.png"):
        vision.ImageFolder(tmp_path / "all.zip", transform=MAKE).rows(0, [0])


def test_what_is_no_folder_of_classes_is_refused(root, tmp_path):
    with pytest.raises(DataError, match="Check the path"):
        vision.ImageFolder(tmp_path / "none", transform=MAKE)
    with pytest.raises(DataError, match=r"Files beside folders of classes: 2"):
        vision.ImageFolder(_only_files(root), transform=MAKE)
    with pytest.raises(DataError, match=r"pictures of class 'cat'.*Folders with pictures: ant"):
        vision.ImageFolder(root, transform=MAKE, classes=["cat"])


def _only_files(root):
    shutil.rmtree(root / "ant" / "more")
    return root / "ant"
