"""Pictures in a folder for each class, also in a zip file."""

from __future__ import annotations

import os
import re
import threading
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...core import validate
from ...core.errors import DataError
from ..formats.places import PathLike, located, opened
from .base import ImageTransform, as_picture
from .dataset import PictureDataset
from .picture import Picture

__all__ = ["ImageFolder"]

_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")
_WHAT = "picture files"
_MOST = 1 << 30  # bytes of a picture's file


class ImageFolder(PictureDataset):
    """Pictures in folders named by their class: `root/cat/1.jpg`, `root/dog/7.png`.

    A batch is read, decoded and changed when it is asked for, by the rank that needs it: the
    pictures may be larger than memory.

    Parameters
    ----------
    root : path or URL
        The folder of the classes' folders; `photos.zip`, or a folder in it: `photos.zip/train`.
    transform : ImageTransform
        Makes pictures of one size, `Decode()` first.
    classes : list of str, optional
        Names of the folders in the order of the labels; by default all of them, sorted.
    dtype
        See `PictureDataset`.

    Attributes
    ----------
    classes : list of str
    files : list of str
        Of each row: the classes' files, one class after the other, sorted by name.

    Raises
    ------
    DataError : nothing is there, or a class has no picture; later, a file cannot be read or
        decoded. Names the file.

    Notes
    -----
    Like BigDL `LocalImgReader` and `ImageFrame.read` with labels by folder (there from 1 on, here
    from 0), and torchvision `ImageFolder`. Names that begin with a dot or `_` are left out.

    Examples
    --------
    >>> from sandbox.lib.data import vision
    >>> import cv2, tempfile
    >>> root = tempfile.mkdtemp()
    >>> for name in ("cat", "dog"):
    ...     os.makedirs(f"{root}/{name}")
    ...     _ = cv2.imwrite(f"{root}/{name}/1.png", np.full((5, 7, 3), len(name), "u1"))
    >>> make = vision.Pipeline(vision.Decode(), vision.Resize((4, 4)), vision.ToTensor())
    >>> data = ImageFolder(root, transform=make)
    >>> data.classes, data.rows(0, [1])[0].shape, data.rows(0, [1])[1]
    (['cat', 'dog'], (1, 3, 4, 4), array([1]))
    """

    def __init__(
        self,
        root: PathLike,
        *,
        transform: ImageTransform,
        classes: Sequence[str] | None = None,
        dtype: Any = np.float32,
    ) -> None:
        self.root = os.fspath(validate.path_like("root", root))
        self.archive, inside = _archive(self.root)
        self._zip: zipfile.ZipFile | None = None
        self._lock = threading.Lock()
        found = sorted(self._members(inside) if self.archive else _walk(located(self.root), ""))
        kinds: dict[str, list[str]] = {}
        for relative, name in found:
            kind, _, rest = relative.partition("/")
            if rest:
                kinds.setdefault(kind, []).append(name)
        if not kinds:
            cure = f" Files beside folders of classes: {len(found)}." if found else ""
            raise DataError(
                f"{self.root}: must hold a folder of pictures for each class; got none.{cure}"
            )
        if classes is None:
            self.classes = sorted(kinds)
        else:
            given = validate.several("classes", classes, "a list of texts")
            self.classes = [validate.text("classes", one) for one in given]
        for kind in self.classes:
            if kind not in kinds:
                raise DataError(
                    f"{self.root}: must hold pictures of class {kind!r}; got none. Folders with "
                    f"pictures: {', '.join(sorted(kinds))}."
                )
        self.files = [name for kind in self.classes for name in kinds[kind]]
        labels = [label for label, kind in enumerate(self.classes) for _ in kinds[kind]]
        paths = [Path(name) for name in self.files]
        super().__init__(paths, labels, transform=transform, dtype=dtype)

    def picture(self, row: int) -> Picture:
        """Return a row's picture before the transform, its file read."""
        name = self.files[row]
        if not self.archive:
            with opened(name, _WHAT) as file:
                return as_picture(bytes(file.read()))
        try:
            archive = self._opened()
            if archive.getinfo(name).file_size > _MOST:
                raise DataError(f"the file must have at most {_MOST} bytes; got more.")
            return as_picture(archive.read(name))
        except (OSError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise DataError(f"the file must be readable; got {error}.") from None

    def place(self, partition: int, row: int) -> str:
        """Return how errors call a row: with its file."""
        inside = f"{self.archive}/" if self.archive else ""
        return f"row {row} ({inside}{self.files[row]})"

    def _opened(self) -> zipfile.ZipFile:
        """Return the archive, opened once in a process; several threads may read it."""
        with self._lock:
            if self._zip is None:
                self._zip = _open_zip(self.archive)
        return self._zip

    def _members(self, inside: str) -> Iterator[tuple[str, str]]:
        before = f"{inside}/" if inside else ""
        for info in self._opened().infolist():
            parts = info.filename.split("/")
            hidden = any(part[:1] in (".", "_") for part in parts)
            if info.filename.startswith(before) and _is_picture(parts[-1]) and not hidden:
                yield info.filename.removeprefix(before), info.filename

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_zip": None, "_lock": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return (
            f"ImageFolder({self.root!r}, {len(self.files)} pictures, {len(self.classes)} classes)"
        )

    __str__ = __repr__


def _archive(root: str) -> tuple[str, str]:
    """Return the zip file that is named, and the folder in it; texts without anything if none."""
    found = re.fullmatch(r"(.*\.zip)(?:/+(.*?))?/*", root, re.IGNORECASE | re.DOTALL)
    if found is None or located(root).is_dir():
        return "", ""
    return found[1], found[2] or ""


def _open_zip(path: str) -> zipfile.ZipFile:
    try:
        place = located(path)
        # Of a path it closes the file itself.
        return zipfile.ZipFile(place if isinstance(place, Path) else place.open("rb"))
    except (OSError, zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise DataError(f"{path}: must be a whole zip file; got {error}. Fetch it again.") from None


def _walk(folder: Any, before: str) -> Iterator[tuple[str, str]]:
    """Give the pictures below a folder: path in it, name."""
    try:
        inside = sorted(folder.iterdir(), key=lambda place: place.name)
    except OSError as error:
        raise DataError(
            f"{folder}: must be a folder of folders of pictures; got {error}. Check the path."
        ) from None
    for place in inside:
        if place.name[0] in "._":
            continue
        if _is_picture(place.name):
            yield before + place.name, str(place)
        elif place.is_dir():
            yield from _walk(place, f"{before}{place.name}/")


def _is_picture(name: str) -> bool:
    return name.lower().endswith(_SUFFIXES)
