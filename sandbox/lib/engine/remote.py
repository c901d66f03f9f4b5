"""Files of a cluster or an object store by their URL, through pyarrow."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from .errors import ArgumentError, EngineError

__all__ = ["SCHEMES", "RemotePath"]

SCHEMES = ("hdfs", "s3a", "s3")


class RemotePath:
    """A file or folder of a file system that has URLs; it has the methods of `Path` used here.

    It can be pickled: a worker connects by itself.

    Parameters
    ----------
    root : str
        What stands before the path: `s3a://`, `hdfs://host:port`.
    path : str
        As pyarrow takes it: bucket and key of an object store, else from the root.

    Raises
    ------
    OSError : of all methods that ask the file system.

    Examples
    --------
    >>> folder = RemotePath.of("s3a://bucket/states")
    >>> str(folder / "last.json"), folder.name, str(folder.parent)
    ('s3a://bucket/states/last.json', 'states', 's3a://bucket')
    """

    def __init__(self, root: str, path: str) -> None:
        self.root, self.path = root, path
        self._connected: Any = None

    @classmethod
    def of(cls, url: str) -> RemotePath:
        """Return the place of a URL.

        Raises
        ------
        ArgumentError : there is no bucket in it.
        """
        parts = urlsplit(url)
        if parts.scheme.lower() == "hdfs":
            return cls(f"hdfs://{parts.netloc}", "/" + parts.path.strip("/"))
        if not parts.netloc:
            raise ArgumentError(f"a URL of an object store must name a bucket; got {url!r}.")
        return cls(f"{parts.scheme}://", f"{parts.netloc}{parts.path}".rstrip("/"))

    # Names ------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]

    @property
    def parent(self) -> RemotePath:
        """The folder it is in."""
        return self._other(self.path.rpartition("/")[0] or "/")

    def __truediv__(self, name: str) -> RemotePath:
        return self._other(f"{self.path.rstrip('/')}/{name}")

    def with_name(self, name: str) -> RemotePath:
        """Return what has another name beside it."""
        return self.parent / name

    def _other(self, path: str) -> RemotePath:
        other = RemotePath(self.root, path)
        other._connected = self._connected
        return other

    def __fspath__(self) -> str:
        return f"{self.root}{self.path}"

    __str__ = __fspath__

    def __repr__(self) -> str:
        return f"RemotePath({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RemotePath) and str(self) == str(other)

    def __lt__(self, other: RemotePath) -> bool:
        return str(self) < str(other)

    def __hash__(self) -> int:
        return hash(str(self))

    def __reduce__(self) -> tuple[Any, ...]:
        return RemotePath, (self.root, self.path)

    # What is there ----------------------------------------------------------------------------

    @property
    def _system(self) -> Any:
        if self._connected is None:
            self._connected = _connect(self.root)
        return self._connected

    def _kind(self) -> Any:
        return self._system.get_file_info(self.path).type

    def exists(self) -> bool:
        """Tell whether anything is there."""
        from pyarrow.fs import FileType

        return bool(self._kind() != FileType.NotFound)

    def is_dir(self) -> bool:
        """Tell whether it is a folder."""
        from pyarrow.fs import FileType

        return bool(self._kind() == FileType.Directory)

    def modified(self) -> float:
        """Return when it was written, in seconds since 1970."""
        return float(self._system.get_file_info(self.path).mtime_ns or 0) / 1e9

    def iterdir(self) -> Iterator[RemotePath]:
        """Give what is in a folder."""
        from pyarrow.fs import FileSelector

        for found in self._system.get_file_info(FileSelector(self.path)):
            yield self / found.base_name

    def open(self, mode: str = "rb") -> Any:
        """Open a file to read in, anywhere."""
        if mode != "rb":
            raise ValueError(f"a RemotePath is opened to read, 'rb'; got {mode!r}. Use write().")
        return self._system.open_input_file(self.path)

    def read_bytes(self) -> bytes:
        """Return what a file holds."""
        with self.open() as file:
            return bytes(file.read())

    def read_text(self, encoding: str = "utf-8") -> str:
        """Return what a file of text holds."""
        return self.read_bytes().decode(encoding)

    # Changes ----------------------------------------------------------------------------------

    def mkdir(self, mode: int = 0o777, *, parents: bool = False, exist_ok: bool = False) -> None:
        """Make a folder, where the file system has any: an object store has only names."""
        if self.root.startswith("hdfs"):
            self._system.create_dir(self.path, recursive=parents)

    def unlink(self, *, missing_ok: bool = False) -> None:
        """Remove a file."""
        if missing_ok and not self.exists():
            return
        self._system.delete_file(self.path)

    def replace(self, target: RemotePath) -> None:
        """Give it another name."""
        self._system.move(self.path, target.path)

    def write(self, data: bytes | Callable[[BinaryIO], object]) -> None:
        """Write a file in one go.

        An object is seen once it is whole. Under a name that is taken, and in a file system that
        shows what is half written, it is written beside and moved.
        """
        direct = not self.root.startswith("hdfs") and not self.exists()
        half = self if direct else self.with_name(f".{self.name}.{secrets.token_hex(6)}.tmp")
        try:
            with self._system.open_output_stream(half.path) as file:
                if callable(data):
                    data(file)
                else:
                    file.write(data)
            if not direct:
                half.replace(self)
        except BaseException:
            with contextlib.suppress(OSError):
                half.unlink()
            raise


def _connect(root: str) -> Any:
    """Return pyarrow's file system; credentials and region are found as other programs do."""
    try:
        from pyarrow import fs
    except ImportError as error:
        raise EngineError(
            f"{root}: pyarrow must be installed for URLs; got {error}. pip install pyarrow."
        ) from None
    parts = urlsplit(root)
    if parts.scheme != "hdfs":
        endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
        region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
        return fs.S3FileSystem(endpoint_override=endpoint, region=region)
    host, port = parts.hostname or "default", parts.port or (8020 if parts.hostname else 0)
    try:
        return fs.HadoopFileSystem(host, port, user=parts.username)
    except OSError as error:
        if "libhdfs" not in str(error) and "libjvm" not in str(error):
            raise
        raise EngineError(
            f"{root}: Hadoop's client library must be there; got {str(error).splitlines()[0]}",
            [
                "HADOOP_HOME must be the folder of a Hadoop whose lib/native holds libhdfs.so",
                "JAVA_HOME must be that of a Java: libhdfs starts one",
                "CLASSPATH must be what `hadoop classpath --glob` prints",
            ],
        ) from None
