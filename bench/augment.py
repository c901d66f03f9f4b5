"""Photos decoded, cropped, mirrored and normalised at random, against OpenCV in a plain loop.

A batch of JPEG files, as ImageNet's are, becomes (rows, 3, 224, 224) float32. The loop is what one
writes by hand with OpenCV and NumPy; what to crop and mirror is told to it, where ours draws, and
both give the same numbers. Once by one thread, once by two. The bar: at least 0.9 of its speed.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np

from sandbox.lib.data import vision
from sandbox.lib.data.vision.draws import Draws
from sandbox.lib.engine import threads
from sandbox.lib.engine.random import RandomKey

from . import harness

SIZE, SHORTER, QUALITY = 224, 375, 90
MEAN = np.array([0.485, 0.456, 0.406], np.float32)
STD = np.array([0.229, 0.224, 0.225], np.float32)
KEY = RandomKey(seed=0, step=1)


def photos() -> tuple[list[bytes], str]:
    """Give JPEG files whose shorter edge is 375 pixels, and where they are from."""
    folder = Path(os.environ.get("SANDBOX_DATA", "../shared/data")) / "images"
    found = [cv2.imread(str(path)) for path in sorted(folder.glob("*.*g"))]
    source = f"{len(found)} photos of {folder}"
    if not found:
        rng, source = np.random.default_rng(0), "noise, blurred, as there are no photos"
        noise = [rng.integers(0, 256, (375, 500, 3), dtype=np.uint8) for _ in range(8)]
        found = [cv2.normalize(cv2.GaussianBlur(x, (0, 0), 4), None, 0, 255, 32) for x in noise]
    resize = vision.ResizeShorter(SHORTER, interpolation="area")
    options = [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
    return [cv2.imencode(".jpg", resize(x), options)[1].tobytes() for x in found], source


class Ours:
    """A data set's batch."""

    def __init__(self, files: list[bytes], count: int) -> None:
        self.count, rows = count, len(files)
        self.crop, self.flip = vision.RandomResizedCrop(SIZE), vision.HorizontalFlip()
        chain = [vision.Decode(), self.crop, self.flip, vision.ToTensor(MEAN, STD)]
        self.chain = vision.Pipeline(chain)
        self.data = vision.PictureDataset(files, transform=self.chain)
        self.parts = [(0, np.arange(rows))]
        self.out = np.empty((rows, 3, SIZE, SIZE), np.float32), np.empty(rows, np.int64)

    def step(self) -> None:
        with threads.limit(self.count):
            self.data.batch(self.parts, out=self.out, random=KEY)

    def drawn(self) -> list[tuple[tuple[int, int, int, int], bool]]:
        """Give what is cropped and mirrored, for the loop."""
        found = []
        for row, draws in enumerate(
            Draws.of_rows(len(self.data), self.chain.words, KEY, self.chain.stream)
        ):
            picture = vision.Decode().apply(self.data.picture(row), draws)
            place = self.crop._place(picture, draws.take(self.crop.words))
            found.append((place, draws.take(self.flip.words).chance(0.5)))
        return found


class Loop:
    """The same by hand."""

    def __init__(self, files: list[bytes], drawn: list, count: int) -> None:
        self.files, self.drawn = [np.frombuffer(file, np.uint8) for file in files], drawn
        self.out = np.empty((len(files), 3, SIZE, SIZE), np.float32)
        self.pool = ThreadPoolExecutor(count) if count > 1 else None

    def row(self, row: int) -> None:
        image = cv2.imdecode(self.files[row], cv2.IMREAD_COLOR_RGB)
        (x, y, width, height), mirror = self.drawn[row]
        image = cv2.resize(image[y : y + height, x : x + width], (SIZE, SIZE))
        if mirror:
            image = cv2.flip(image, 1)
        for k, plane in enumerate(cv2.split(image)):
            out = self.out[row, k]
            np.multiply(plane, np.float32(1 / 255 / STD[k]), out=out)
            out -= MEAN[k] / STD[k]

    def step(self) -> None:
        if self.pool is not None:
            list(self.pool.map(self.row, range(len(self.files))))
            return
        for row in range(len(self.files)):
            self.row(row)


def main(arguments, report):
    """Run the comparison."""
    parser = harness.options("augment", __doc__, rounds=15)
    parser.add_argument("--rows", type=int, default=48, help="pictures of a batch")
    harness.add_clock(parser)
    chosen = parser.parse_args(arguments)
    files, source = photos()
    files = (files * chosen.rows)[: chosen.rows]
    report(f"data: {source}; {chosen.rows} rows of {np.mean([*map(len, files)]) / 1e3:.0f} kB")
    for count in (1, 2) if chosen.clock == "wall" else (1,):
        ours = Ours(files, count)
        theirs = Loop(files, ours.drawn(), count)
        ours.step()
        theirs.step()
        harness.agree("sum of a batch", np.abs(ours.out[0]).sum(), np.abs(theirs.out).sum())
        harness.agree("one number", ours.out[0][-1, 1, 100, 7], theirs.out[-1, 1, 100, 7])
        times = harness.alternate(ours.step, theirs.step, rounds=chosen.rounds, clock=chosen.clock)
        report.versus(f"batch, {count} thread{'s' * (count > 1)}", *times, bar=0.9)
        report.value("pictures a second", chosen.rows / times[0].fastest)
    return report.close()
