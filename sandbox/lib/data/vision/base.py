"""What all transforms of pictures share: one picture, a batch, threads, rows named in errors."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np

from ...core import validate
from ...core.errors import DataError, SandboxError
from ...engine import threads
from ...engine.random import RandomKey
from ..transforms import Array, Transform, into
from .draws import MIDDLE, Draws
from .opencv import cv, named
from .picture import Picture, with_fields

__all__ = ["ImageTransform", "run_rows"]

_pools: dict[int, ThreadPoolExecutor] = {}
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pools.clear)  # a pool's threads stay with the parent


class ImageTransform(Transform):
    """Base of transforms of pictures; they see (height, width, channels) in uint8 or float32.

    Called with one picture (an array, the bytes of a file, a `Picture`) it gives one; called with a
    batch (rows, height, width, channels) it gives a batch, whose pictures must be of one size then.
    As the `transform` of a data set it draws anew for each row of each step; as `decode` of a
    `SparkDataset` it makes arrays of files.

    `random` is the `RandomKey` of the first row. What a row draws depends on seed, step and its
    position in the global batch: not on ranks, threads or the cuts of batches. Without a key
    nothing is drawn: each random number is the middle of its range, what happens by chance does
    not.

    A subclass tells in `words` how many random numbers a picture takes, and makes the changed
    picture in `apply`.

    Notes
    -----
    Like BigDL `FeatureTransformer`: chains by `Pipeline`, and the random numbers are the
    picture's own. Where x is a tree, equal chains draw alike for all pictures of a row.
    """

    words: int = 0
    """How many random numbers a picture takes."""

    @abstractmethod
    def apply(self, picture: Picture, draws: Draws) -> Picture:
        """Return the changed picture; never writes into the given one."""

    @property
    def needs_random(self) -> bool:  # type: ignore[override]
        """Whether it draws random numbers."""
        return self.words > 0

    @property
    def stream(self) -> str:
        """Names the stream of draws; each transform of a `Pipeline` has its own part of one."""
        return type(self).__name__

    def shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of a picture after this transform, where nothing is drawn."""
        blank = Picture(np.zeros(shape, np.uint8))
        made: tuple[int, ...] = self.apply(blank, MIDDLE).image.shape
        return made

    def one(self, picture: Any, *, random: RandomKey | None = None) -> Picture:
        """Return one changed picture, with its boxes and masks; from bytes or an array, too."""
        given = as_picture(picture)
        draws = Draws.of_rows(1, self.words, random, self.stream)[0]
        return _applied(self, given, draws, None)

    def __call__(self, x: Any, *, out: Array | None = None, random: Any = None) -> Any:
        """Return a changed batch, or one changed picture of the kind that was given."""
        if isinstance(x, Picture):
            return self.one(x, random=random)
        alone = isinstance(x, np.ndarray) and (x.ndim in (2, 3) or _is_file(x))
        if alone or isinstance(x, bytes | bytearray | memoryview):
            return into(self.one(x, random=random).image, out)
        if isinstance(x, str | os.PathLike):
            cure = "Read the file: Path(...).read_bytes(); or PictureDataset(paths, ...)."
            raise validate.refuse("x", "pictures: arrays, or the bytes of a file", x, cure)
        return super().__call__(x, out=out, random=random)

    def call(self, x: Array, *, out: Array | None = None, random: Any = None) -> Array:
        """Return the changed batch."""
        if x.ndim != 4:
            raise DataError(
                f"{type(self).__name__}: a batch must be (rows, height, width, channels); got "
                f"shape {x.shape}."
            )
        if not len(x):
            shape = self.shape(x.shape[1:])
            return np.zeros((0, *shape), self.dtype(x.dtype)) if out is None else out
        return run_rows(self, len(x), lambda row: Picture(x[row]), out=out, random=random)[0]


def as_picture(given: Any) -> Picture:
    """Return a picture of the bytes of a file, of an array or of itself."""
    if isinstance(given, Picture):
        return given
    if isinstance(given, bytes | bytearray | memoryview):
        return Picture(data=bytes(given))
    if isinstance(given, np.ndarray):
        return Picture(data=given.tobytes()) if _is_file(given) else Picture(given)
    raise validate.refuse("picture", "an array, the bytes of a file or a Picture", given)


def _is_file(array: Array) -> bool:
    """Tell whether an array is the bytes of a file."""
    return array.ndim == 1 and array.dtype == np.uint8


def _applied(
    transform: ImageTransform, picture: Any, draws: Draws, place: Callable[[], str] | None
) -> Picture:
    """Return the changed picture, which a function may give; errors name its place."""
    try:
        return transform.apply(picture() if callable(picture) else picture, draws)
    except (SandboxError, cv.error) as error:
        known = error if isinstance(error, SandboxError) else named(error)
        if place is None and known is error:
            raise
        raise DataError(f"{place()}: {known}" if place else str(known)) from error


def run_rows(
    transform: ImageTransform,
    rows: int,
    picture: Callable[[int], Picture],
    *,
    out: Array | None = None,
    random: RandomKey | None = None,
    place: Callable[[int], str] | None = None,
) -> tuple[Array, list[Picture]]:
    """Return the changed pictures as one batch, and each of them with its boxes.

    The rows are shared among as many threads as this one may use (`engine.threads`); OpenCV leaves
    Python's lock alone while it works.

    Parameters
    ----------
    transform : ImageTransform
    rows : int > 0
        How many consecutive rows of a global batch there are.
    picture : function of a row's number
        Gives its picture, in one of the threads: it may read a file.
    out : array (rows, ...), optional
        Takes the result.
    random : RandomKey, optional
        Of the first row.
    place : function of a row's number, optional
        How errors call a row.

    Raises
    ------
    DataError : a picture cannot be read or changed, or they come out in different sizes. Names the
        first such row.
    """
    call = place or (lambda row: f"row {row}")
    all_draws = Draws.of_rows(rows, transform.words, random, transform.stream)

    def made(row: int, room: Array | None) -> Picture:
        def given() -> Picture:
            return with_fields(picture(row), room=room)

        return _applied(transform, given, all_draws[row], partial(call, row))

    first = made(0, None if out is None else out[0])
    shape = first.image.shape
    room = np.empty((rows, *shape), first.image.dtype) if out is None else out
    if room.shape != (rows, *shape):
        raise DataError(
            f"{type(transform).__name__}: pictures must come out in the shape of `out`, "
            f"{room.shape[1:]}; got {shape} in {call(0)}."
        )

    def put(row: int, one: Picture) -> Picture:
        if not np.may_share_memory(one.image, room):
            room[row] = one.image
        return with_fields(one, room=None)

    kept: list[Picture] = [put(0, first)] * rows
    wrong: dict[int, Exception] = {}

    def run(start: int, step: int) -> None:
        for row in range(start, rows, step):
            try:
                one = made(row, room[row])
                if one.image.shape != shape:
                    raise DataError(
                        f"{call(row)}: pictures of a batch must come out in one size, {shape} as "
                        f"that of {call(0)}; got {one.image.shape}. End with a transform that "
                        "makes one size: Resize, RandomCrop, RandomResizedCrop, Pad."
                    )
                kept[row] = put(row, one)
            except Exception as error:  # the first of them is raised below, whatever the threads
                wrong[row] = error
                return

    count = min(threads.get_threads(), rows - 1)
    if count > 1:
        if count not in _pools:
            _pools[count] = ThreadPoolExecutor(count, "vision")
        pool = _pools[count]
        list(pool.map(run, range(1, count + 1), [count] * count))
    elif count:
        run(1, 1)
    if wrong:
        raise wrong[min(wrong)]
    return room, kept
