"""A source's rows in Spark, read once: packed into blocks that stay on the executors' disks."""

from __future__ import annotations

import contextlib
import threading
import weakref
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...data.casting import common_type
from ...engine.oplist import Spec
from .blocks import Form, check_alike
from .counts import Counts, told
from .loading import Frame
from .sessions import own_session, rebased

__all__ = ["Packed", "pack_table", "small_batches"]

_BLOCKS_AT_ONCE = 4  # of a megabyte, in an Arrow batch


@dataclass(eq=False)
class Packed:
    """The blocks of a source.

    Parameters
    ----------
    table : DataFrame of `blocks.SCHEMA`
        Kept by Spark until this object is gone, or `release`.
    sizes : tuple of int
        Rows of each partition.
    digests : (partitions,) ints
        Of each partition's last block.
    form : Form or None
        Of a row: shapes of the first, types that hold all. None without rows.
    """

    table: Any
    sizes: tuple[int, ...]
    digests: NDArray[np.int64]
    form: Form | None

    def __post_init__(self) -> None:
        self.released = False
        self._finalizer = weakref.finalize(self, _forget_soon, self.table)
        self._finalizer.atexit = False  # Spark is on its own way out then

    @property
    def usable(self) -> bool:
        """Whether Spark still has the blocks, as far as this object knows."""
        return not self.released and self.table.sparkSession.sparkContext._jsc is not None

    def content(self) -> str:
        """Return a digest of the rows, their order and their partitions."""
        from pyspark.sql import functions as f

        block = f.xxhash64("partition", "first", "rows", "form", "data")
        found = self.table.agg(f.bit_xor(block), f.sum("rows")).collect()[0]
        return f"{found[0]} of {found[1]}"

    def first(self) -> tuple[bytes, int]:
        """Return the bytes of the first block, and how many rows it holds."""
        found = self.table.where("first = 0").select("data", "rows").take(1)[0]
        return found["data"], found["rows"]

    def release(self) -> None:
        """Let Spark remove the blocks."""
        self.released = True
        if self._finalizer.detach() is not None:
            _forget(self.table)

    def dealt(self, frame: Frame, ranks: int) -> Any:
        """Return the blocks as a table with `tag`, `rank` and `start`, the number of its first row.

        A block whose rows belong to two ranks is there for both.
        """
        from pyspark.sql import functions as f

        start = f.element_at(_numbers(frame.starts), f.col("partition") + 1) + f.col("first")
        lows = _numbers(frame.bounds(rank)[0] for rank in range(ranks))

        def rank_of(row: Any) -> Any:
            return f.size(f.filter(lows, lambda low: low <= row)) - 1

        last = f.col("start") + f.col("rows") - 1
        return (
            self.table.withColumn("start", start)
            .withColumn("rank", f.explode(f.sequence(rank_of(f.col("start")), rank_of(last))))
            .withColumn("tag", f.lit(frame.tag))
        )

    def pieces(self, frame: Frame, part_bytes: int) -> Any:
        """Return the blocks for one rank, in partitions of about so many bytes."""
        table = self.dealt(frame, 1)
        whole = sum(self.sizes) * (self.form.row_bytes if self.form is not None else 0)
        return table.coalesce(max(1, -(-whole // part_bytes)))


def _numbers(values: Any) -> Any:
    """Return a column with an array of whole numbers, one literal however many there are."""
    from pyspark.sql import functions as f

    return f.split(f.lit(",".join(str(int(v)) for v in values)), ",").cast("array<bigint>")


def pack_table(table: Any, names: tuple[str, str], counts: Counts | None = None) -> Packed:
    """Run the one job that reads a source, and keep what it packs.

    Parameters
    ----------
    table : DataFrame of `blocks.SCHEMA`, of the user's session
    names : (str, str)
        How errors call x and y.
    counts : Counts, optional
        What the tasks count, for whoever listens (`data.progress`).

    Raises
    ------
    DataError : rows differ in structure or shape.
    """
    from pyspark.storagelevel import StorageLevel

    own = rebased(table, own_session(table.sparkSession)).persist(StorageLevel.DISK_ONLY)
    try:
        count = int(own._jdf.queryExecution().toRdd().getNumPartitions())
        with told(counts, count):
            found = own.select("partition", "first", "rows", "form", "digest").toArrow()
    except BaseException:
        _forget(own)
        raise
    partition, first, rows, digest = (
        found.column(name).to_numpy() for name in ("partition", "first", "rows", "digest")
    )
    order = np.lexsort((first, partition))
    sizes, digests = np.zeros(count, np.int64), np.zeros(count, np.int64)
    np.add.at(sizes, partition, rows)
    digests[partition[order]] = digest[order]  # the last of each stays
    try:
        form = _joint(found.column("form").to_pylist(), partition, first, order, names)
    except BaseException:
        _forget(own)
        raise
    return Packed(own, tuple(sizes.tolist()), digests, form)


def _joint(
    texts: list[str],
    partition: NDArray[Any],
    first: NDArray[Any],
    order: NDArray[Any],
    names: tuple[str, str],
) -> Form | None:
    """Return the form of all blocks."""
    at: dict[str, int] = {}
    for k in order:
        at.setdefault(texts[k], k)
    if not at:
        return None
    forms = {text: Form.from_json(text) for text in at}
    model = next(iter(forms.values()))
    for text, form in forms.items():
        place = f"partition {partition[at[text]]}, row {first[at[text]]}"
        check_alike(form, model, names, place)
    specs = [
        Spec(alike[0].shape, common_type(np.dtype(spec.dtype) for spec in alike).name)
        for alike in zip(*(form.specs for form in forms.values()), strict=True)
    ]
    return model.like(specs)


def _forget(table: Any) -> None:
    with contextlib.suppress(Exception):  # the session may be gone
        table.unpersist()


def _forget_soon(table: Any) -> None:
    """Ask Spark from another thread: the one that collects garbage may be amid a call to it."""
    threading.Thread(target=_forget, args=(table,), name="sandbox-unpersist", daemon=True).start()


def small_batches(table: Any) -> Any:
    """Return a table of blocks that is handed to Python few blocks at a time."""
    return rebased(table, own_session(table.sparkSession, _BLOCKS_AT_ONCE))
