"""Writer of TensorBoard event files: scalars, histograms, images and text."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import socket
import struct
import tempfile
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..core import validate
from ..core.errors import ArgumentError, DataError
from ..engine import wire
from ..engine.crc32c import masked_crc32c
from ..engine.files import locate, write_atomic
from ..engine.remote import RemotePath
from . import png

_numbers = itertools.count()
_UPLOAD_S = 30.0


class EventWriter:
    """Append events to a file that TensorBoard shows while it grows.

    Each record goes to the operating system whole, so a killed process leaves a file that can be
    read up to its last complete record; `flush` also asks for it to be on the disk.

    Parameters
    ----------
    log_dir : path or URL
        Folder of one run; made if it is missing. Each writer opens a file of its own in it. Behind
        a URL the file is sent anew every half minute, for nothing can be appended there.
    flush_seconds : float
        Longest time a record stays in this process.
    purge_step : int, optional
        After a resume: readers forget what earlier files say about this step and later ones.

    Raises
    ------
    ArgumentError : the folder cannot be made, the writer is closed, a tag or step is wrong.

    Notes
    -----
    Events are protocol buffers written by hand (`engine/wire.py`), in records guarded by masked
    CRC-32C. Safe to use from several threads.

    Examples
    --------
    >>> with EventWriter("runs/demo") as events:
    ...     events.scalar("loss", 0.25, step=1)
    ...     events.histogram("conv1.weight", np.arange(10.0), step=1)
    >>> events.path.name.startswith("events.out.tfevents.")
    True
    """

    def __init__(
        self,
        log_dir: str | os.PathLike[str],
        *,
        flush_seconds: float = 2.0,
        purge_step: int | None = None,
    ) -> None:
        folder = locate(validate.path_like("log_dir", log_dir))
        self.flush_seconds = validate.non_negative("flush_seconds", flush_seconds)
        if purge_step is not None:
            purge_step = validate.non_negative_int("purge_step", purge_step)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            # Readers take the files of a folder in the order of their names: 10 must stand after 9.
            name = (
                f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}"
                f".{os.getpid():07d}.{next(_numbers):06d}"
            )
            self.path = folder / name
            self._file: Any = (
                self.path.open("xb", buffering=0)
                if isinstance(self.path, Path)
                else _Uploaded(self.path)
            )
        except OSError as error:
            raise ArgumentError(
                f"EventWriter: log_dir must be a folder one can write to; got {folder} "
                f"({error.strerror or error})."
            ) from None
        self.log_dir = folder
        self._lock = threading.Lock()
        self._waiting: list[bytes] = []
        self._oldest = 0.0
        self._write(wire.text(3, "brain.Event:2"), None)
        if purge_step is not None:
            self._write(wire.text(7, wire.integer(1, 1)), purge_step)  # a session's start
        self.flush()

    def scalar(self, tag: str, value: float, step: int) -> None:
        """Write one number."""
        found = validate.numbers("value", value, "a number")
        if found.size != 1:
            raise validate.refuse("value", "a number", value)
        number = float(found.reshape(()))
        self._summary(tag, wire.single(2, number), step)

    def histogram(self, tag: str, values: ArrayLike, step: int, *, bins: int = 30) -> None:
        """Write the distribution of an array's numbers; those that are not finite are left out."""
        validate.positive_int("bins", bins)
        array = validate.numbers("values", values).astype(np.float64).ravel()
        array = array[np.isfinite(array)]
        if not array.size:
            raise DataError(f"EventWriter: histogram {tag!r} must have finite values; got none.")
        counts, edges = np.histogram(array, bins=bins)
        body = b"".join(
            (
                wire.double(1, float(array.min())),
                wire.double(2, float(array.max())),
                wire.double(3, float(array.size)),
                wire.double(4, float(array.sum())),
                wire.double(5, float(np.dot(array, array))),
                wire.doubles(6, [float(edges[0]), *edges[1:].tolist()]),
                wire.doubles(7, [0.0, *counts.tolist()]),
            )
        )
        self._summary(tag, wire.text(5, body), step)

    def image(self, tag: str, image: ArrayLike, step: int) -> None:
        """Write a picture: bytes or floats in 0..1, (height, width) with 1, 3, 4 or no channels."""
        pixels = png.as_pixels(validate.numbers("image", image))
        body = b"".join(
            (
                *(wire.integer(i + 1, n) for i, n in enumerate(pixels.shape)),
                wire.text(4, png.encode_png(pixels)),
            )
        )
        self._summary(tag, wire.text(4, body), step)

    def text(self, tag: str, text: str, step: int) -> None:
        """Write some text; TensorBoard reads it as Markdown."""
        if not isinstance(text, str):
            raise ArgumentError(f"EventWriter: text must be a str; got {text!r}.")
        plugin = wire.text(9, wire.text(1, wire.text(1, "text")))
        tensor = wire.integer(1, 7) + wire.text(2, b"") + wire.text(8, text)  # a string scalar
        self._summary(tag, plugin + wire.text(8, tensor), step)

    def flush(self) -> None:
        """Bring all records to the disk."""
        with self._lock:
            self._push()
            if isinstance(self._file, _Uploaded):
                self._file.upload()
            elif not self._file.closed:
                os.fsync(self._file.fileno())

    def close(self) -> None:
        """Flush and close; may be called again."""
        with self._lock:
            self._push()
            self._file.close()

    def _summary(self, tag: str, value: bytes, step: int) -> None:
        if not isinstance(tag, str) or not tag:
            raise ArgumentError(f"EventWriter: tag must be a text that is not empty; got {tag!r}.")
        if isinstance(step, bool | np.ndarray) or not hasattr(type(step), "__index__"):
            raise ArgumentError(f"EventWriter: step must be an int; got {step!r}.")
        self._write(wire.text(5, wire.text(1, wire.text(1, tag) + value)), step.__index__())

    def _write(self, body: bytes, step: int | None) -> None:
        now = time.time()
        event = wire.double(1, now) + (b"" if step is None else wire.integer(2, step)) + body
        length = struct.pack("<Q", len(event))
        record = b"".join(
            (
                length,
                struct.pack("<I", masked_crc32c(length)),
                event,
                struct.pack("<I", masked_crc32c(event)),
            )
        )
        with self._lock:
            if self._file.closed:
                raise ArgumentError(f"EventWriter: must be open to write; {self.path} is closed.")
            if not self._waiting:
                self._oldest = now
            self._waiting.append(record)
            if now - self._oldest >= self.flush_seconds:
                self._push()

    def _push(self) -> None:
        if self._waiting:
            body, self._waiting = b"".join(self._waiting), []
            while body:
                body = body[self._file.write(body) or 0 :]

    def __enter__(self) -> EventWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if hasattr(self, "_file") and not self._file.closed:
            self.close()

    def __getstate__(self) -> dict[str, Any]:
        raise ArgumentError(
            "EventWriter: must stay in the process that made it; got a pickle. "
            "Let the driver write the events."
        )


class _Uploaded:
    """An event file behind a URL: it grows here, and is sent as a whole from time to time."""

    def __init__(self, path: RemotePath) -> None:
        self._path, self._file = path, tempfile.TemporaryFile()  # noqa: SIM115
        self.upload()

    @property
    def closed(self) -> bool:
        return bool(self._file.closed)

    def write(self, body: bytes) -> int:
        written = self._file.write(body)
        if time.monotonic() - self._sent > _UPLOAD_S:
            with contextlib.suppress(OSError):  # the next one may succeed, and `close` must
                self.upload()
        return int(written)

    def upload(self) -> None:
        self._sent = time.monotonic()
        if not self.closed:
            self._file.seek(0)
            write_atomic(self._path, lambda target: shutil.copyfileobj(self._file, target))

    def close(self) -> None:
        try:
            self.upload()
        finally:
            self._file.close()
