"""`sandbox docker bundle`: image, launcher and checksums in a folder, for a stick or a LAN."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

from ..errors import CommandError
from ..places import ROOT
from .daemon import connect, make_folder, need_disk, need_image
from .image import data_files
from .launch import LAUNCHER

IMAGE_FILE = "bigdl-sandbox.tar.gz"
SUMS = "SHA256SUMS"
READ_ME = """The BigDL sandbox, complete: no network is needed after Docker itself is installed.

1. Check:   sha256sum -c {sums}          (macOS: shasum -a 256 -c {sums})
2. Load:    docker load -i {image_file}   (once; needs {size:.1f} GB)
3. Start:   {folder}/{launcher} --offline {options}{name}
            in the folder where your notebooks shall be kept ({folder}: where this file lies).

In a classroom: put this folder on a file server or on sticks; everybody does 1 to 3.
"""


def bundle(target: Path, *, image: str, data: Path | None = None, level: int = 1) -> Path:
    """Write a bundle into a folder that is not there yet, or give nothing at all.

    Raises
    ------
    CommandError : Docker, the image or the room on the disk is missing; the folder is there.

    Notes
    -----
    Whoever is given the bundle is given the data: the same sets as may go into an image.
    """
    client = connect()
    found = need_image(client, image, pull=False)
    if target.exists():
        raise CommandError(f"{target} is there already.", "Name a folder that is not there yet.")
    sets = list(data_files(data)) if data else []
    make_folder(target.parent)
    room = found.attrs["Size"] * 0.8 + sum(file.stat().st_size for _, file in sets)
    need_disk(target.parent, room, "the bundle")
    half = target.with_name(f".{target.name}.half")
    shutil.rmtree(half, ignore_errors=True)
    try:
        half.mkdir()
        with gzip.GzipFile(half / IMAGE_FILE, "wb", compresslevel=level, mtime=0) as packed:
            for chunk in found.save(named=image):
                packed.write(chunk)
        shutil.copy(ROOT / LAUNCHER, half / LAUNCHER)
        for name, file in sets:
            place = half / Path(name).relative_to("docker")
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, place)
        text = READ_ME.format(
            sums=SUMS,
            image_file=IMAGE_FILE,
            launcher=LAUNCHER,
            folder="FOLDER",
            options="--data FOLDER/data " if sets else "",
            name=image,
            size=found.attrs["Size"] / 1e9,
        )
        (half / "README.txt").write_text(text)
        (half / "image.json").write_text(json.dumps(identity(found), indent=1) + "\n")
        write_sums(half)
        half.rename(target)
    except BaseException:
        shutil.rmtree(half, ignore_errors=True)
        raise
    total = sum(file.stat().st_size for file in target.rglob("*") if file.is_file())
    print(f"{target}: {total / 1e9:.2f} GB; README.txt in it says what to do with it")
    return target


def identity(image: Any) -> dict[str, Any]:
    """Give what tells one image from another."""
    return {
        "id": image.id,
        "tags": image.tags,
        "digests": image.attrs.get("RepoDigests") or [],
        "bytes": image.attrs["Size"],
        "labels": image.labels,
    }


def write_sums(folder: Path) -> None:
    """Write the checksums of everything in a folder, in the form of sha256sum."""
    lines = []
    for file in sorted(folder.rglob("*")):
        if file.is_file() and file.name != SUMS:
            with file.open("rb") as content:
                digest = hashlib.file_digest(content, "sha256").hexdigest()
            lines.append(f"{digest}  {file.relative_to(folder)}\n")
    (folder / SUMS).write_text("".join(lines))
