"""`sandbox docker bundle`: image, launcher and checksums in a folder, for a stick or a LAN."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator
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
FOLDER stands for the place where this file lies.

1. Check:   sha256sum -c {sums}          (macOS: shasum -a 256 -c {sums})
2. Load:    docker load -i {image_file}   (once; needs {size:.1f} GB)
3. Start, in the folder where your notebooks shall be kept:

Linux, macOS, WSL:
    bash FOLDER/{launcher} --offline {options}{name}

Windows, PowerShell (its output ends with the address; Ctrl-C stops it):
    {windows}

In a classroom: put this folder on a file server or on sticks; everybody does 1 to 3.
"""
# Only what PowerShell and a shell read alike.
WINDOWS = (
    'docker run --rm -p 127.0.0.1:8888:8888 -v "${{PWD}}:/home/jovyan/work" '
    "-e SANDBOX_OFFLINE=1 {options}{name}"
)


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
            for chunk in tell_progress(found.save(named=image), found.attrs["Size"]):
                packed.write(chunk)
        shutil.copy(ROOT / LAUNCHER, half / LAUNCHER)
        for name, file in sets:
            place = half / Path(name).relative_to("docker")
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, place)
        (half / "README.txt").write_text(read_me(image, found.attrs["Size"], with_data=bool(sets)))
        (half / "image.json").write_text(json.dumps(identity(found), indent=1) + "\n")
        write_sums(half)
        half.rename(target)
    except BaseException:
        shutil.rmtree(half, ignore_errors=True)
        raise
    total = sum(file.stat().st_size for file in target.rglob("*") if file.is_file())
    print(f"{target}: {total / 1e9:.2f} GB; README.txt in it says what to do with it")
    return target


def read_me(image: str, size_bytes: int, *, with_data: bool) -> str:
    """Give the text for whoever is handed the bundle."""
    windows = WINDOWS.format(name=image, options='-v "FOLDER/data:/data:ro" ' if with_data else "")
    return READ_ME.format(
        sums=SUMS,
        image_file=IMAGE_FILE,
        launcher=LAUNCHER,
        options="--data FOLDER/data " if with_data else "",
        name=image,
        size=size_bytes / 1e9,
        windows=windows,
    )


def tell_progress(chunks: Iterable[bytes], size_bytes: int) -> Iterator[bytes]:
    """Hand chunks on, and print a line at each tenth of what is expected.

    Examples
    --------
    >>> sum(map(len, tell_progress([b"12345"] * 2, 10)))
    the image: 50 % of 0.0 GB
    the image: 100 % of 0.0 GB
    10
    """
    written, told = 0, 0
    for chunk in chunks:
        yield chunk
        written += len(chunk)
        share = min(written * 10 // max(size_bytes, 1), 10)
        if share > told:
            told = share
            print(f"the image: {10 * share} % of {size_bytes / 1e9:.1f} GB", flush=True)


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
