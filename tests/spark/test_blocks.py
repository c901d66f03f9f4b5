"""Blocks of rows: packed, dealt and loaded without Spark, in memory and in files."""

from __future__ import annotations

import numpy as np
import pytest

from sandbox.lib.core.errors import ArgumentError, DataError
from sandbox.lib.data import ArrayDataset, EpochOrder
from sandbox.lib.spark import SparkBackend
from sandbox.lib.spark.rows import blocks, room
from sandbox.lib.spark.rows.blocks import Form, Packer, Ragged
from sandbox.lib.spark.rows.loading import Frame, FrameRows, Loader, deal


def table(rows, seed=0):
    random = np.random.default_rng(seed)
    x = {"ids": random.integers(0, 9, (rows, 2)), "row": random.normal(size=(rows, 3)).astype("f4")}
    return x, {"class": random.integers(0, 2, rows), "none": None}


def part(pair, here):
    x, y = pair
    return {k: a[here] for k, a in x.items()}, {"class": y["class"][here], "none": None}


def packed(pair, sizes):
    """Pack partitions of so many rows, a few at a time."""
    found, start = [], 0
    for partition, size in enumerate(sizes):
        packer = Packer(partition)
        for at in range(start, start + size, 7):
            found += packer.add(*part(pair, slice(at, min(at + 7, start + size))))
        found += packer.flush()
        start += size
    return found


def frame_of(found, sizes, ranks, form):
    starts = np.concatenate([[0], np.cumsum(sizes)])
    digests = np.zeros(len(sizes), np.int64)
    for partition, _, _, _, digest, _ in found:
        digests[partition] = digest
    dealt, owner, cut = deal(sizes, ranks)
    return Frame(0, dealt, owner, form, starts, digests, cut)


def load(found, frame, rank, like, tmp_path, budget=1 << 20, **options):
    loader = Loader([frame], rank, budget=budget, folders=[tmp_path], **options)
    for partition, first, rows, form, digest, data in reversed(found):
        start = int(frame.starts[partition]) + first
        loader.take(0, partition, first, rows, start, form, digest, data)
    return FrameRows(frame, like, loader.pair(0), rank)


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 200)


@pytest.mark.parametrize("budget", [1 << 20, 100])
@pytest.mark.parametrize("sizes", [(20, 20), (39, 0, 1)])
def test_ranks_have_all_rows_in_order_however_partitions_lie(tmp_path, sizes, budget):
    pair = table(40)
    like = ArrayDataset(*pair)
    found = packed(pair, sizes)
    assert len(found) > 5
    frame = frame_of(found, sizes, 2, Form(*like.stored()))
    assert frame.sizes == (20, 20)
    for rank in (0, 1):
        mine = load(found, frame, rank, like, tmp_path, budget)
        x, y = mine.load(rank)
        expected, goal = part(pair, slice(20 * rank, 20 * rank + 20))
        for name, array in expected.items():
            np.testing.assert_array_equal(x[name], array)
        np.testing.assert_array_equal(y["class"], goal["class"])
        assert y["none"] is None
        assert np.shares_memory(x["ids"], mine.pair[0]["ids"])
        with pytest.raises(DataError, match="partition must be one held here"):
            mine.load(1 - rank)
    assert list(tmp_path.iterdir()) == []  # files have no names


def test_a_batch_of_many_partitions_is_read_as_one(tmp_path):
    sizes = [1 + k % 3 for k in range(40)]
    pair = table(sum(sizes))
    seen = []

    def noted(ids):
        seen.append(len(ids))
        if (ids == 99).any():
            raise DataError(f"x must be below 99; got 99 in row {int((ids == 99).argmax())}.")
        return ids

    like = ArrayDataset(*pair, transform={"ids": noted})
    found = packed(pair, sizes)
    frame = frame_of(found, sizes, 2, Form(*like.stored()))
    mine = load(found, frame, 1, like, tmp_path)
    order = EpochOrder(frame.sizes, 20, seed=4)
    share = order.share(1, 2, rank=1, size=2, owner=mine.owner)
    assert mine.spec.y["class"].dtype == "int64"
    seen.clear()  # what looked at a row to know the batches' types
    x, y = mine.batch(share)

    assert seen == [share.rows]
    assert len(share) > 5
    expected, goal = mine.batch(list(share))  # partition by partition
    np.testing.assert_array_equal(x["row"], expected["row"])
    np.testing.assert_array_equal(x["ids"], expected["ids"])
    np.testing.assert_array_equal(y["class"], goal["class"])
    starts = np.concatenate([[0], np.cumsum(frame.sizes)])
    np.testing.assert_array_equal(pair[0]["ids"][share.numbers], x["ids"])
    np.testing.assert_array_equal(
        np.concatenate([starts[p] + rows for p, rows in share]), share.numbers
    )
    mine.pair[0]["ids"][...] = 99
    with pytest.raises(DataError, match="got 99 in row 0"):
        mine.batch(share)
    assert seen[-1] < share.rows  # told by the partition it is in


def test_a_long_load_tells_how_far_it_is(tmp_path, monkeypatch):
    import pyarrow as pa

    monkeypatch.setattr("sandbox.lib.spark.rows.loading._TELL_S", 0.0)
    pair, told = table(40), []
    found = packed(pair, (40,))
    frame = frame_of(found, (40,), 2, Form(*ArrayDataset(*pair).stored()))

    def tell(share, text):
        assert text.startswith(f"loading rows: {share:.0%}".replace("%", " %"))
        told.append(share)

    loader = Loader([frame], 0, budget=1 << 20, folders=[tmp_path], tell=tell)
    names = ["tag", "partition", "first", "rows", "start", "form", "digest", "data"]
    batches = [
        pa.RecordBatch.from_pydict(
            {n: [v] for n, v in zip(names, (0, *b[:3], b[1], *b[3:]), strict=True)}
        )
        for b in found
    ]
    loader.read(iter([pa.RecordBatch.from_pydict({"id": [1]}), *batches]))
    assert told == sorted(told)
    assert 0 < told[0] < told[-1] == 1.0
    assert len(loader.pair(0)[0]["ids"]) == 20


def test_types_of_all_blocks_meet_in_the_type_that_holds_them(tmp_path):
    packer = Packer(0)
    found = [*packer.add(np.array([[1], [2]]), np.array([0, 1]))]
    found += [*packer.add(np.array([[0.5]]), np.array([1])), *packer.flush()]
    assert [block[2] for block in found] == [2, 1]
    form = Form.from_json(found[1][3])
    like = ArrayDataset(np.zeros((3, 1)), [0, 1, 1])
    mine = load(found, frame_of(found, (3,), 1, form), 0, like, tmp_path)
    assert mine.load(0)[0].tolist() == [[1.0], [2.0], [0.5]]
    ids = Form.from_json(found[0][3])
    with pytest.raises(DataError, match=r"partition 0: x must hold .* int64 .*0\.5 .*in row 2"):
        load(found, frame_of(found, (3,), 1, ids), 0, like, tmp_path)


def test_rows_of_bytes_of_varying_length_are_packed_as_they_are_and_decoded_by_their_rank(tmp_path):
    random = np.random.default_rng(0)
    texts = [bytes(random.integers(0, 256, n, np.uint8)) for n in random.integers(0, 90, 60)]
    ends = np.cumsum([0, *map(len, texts)])
    whole = Ragged(ends, np.frombuffer(b"".join(texts), np.uint8))
    packer, found = Packer(0), []
    for start in range(0, 60, 7):
        part = slice(start, min(start + 7, 60))
        found += packer.add(whole[part], np.arange(60)[part])
    found += packer.flush()
    assert len(found) > 10
    assert max(len(block[5]) for block in found) < 200 + 60 * 8 + 90

    def decode(text):
        return np.array([len(text), sum(text)])

    like = ArrayDataset(np.array([decode(text) for text in texts]), np.arange(60))
    frame = frame_of(found, (60,), 2, Form(*like.stored()))
    for rank in (0, 1):
        mine = load(found, frame, rank, like, tmp_path, decoders={0: decode})
        here = slice(30 * rank, 30 * rank + 30)
        np.testing.assert_array_equal(mine.load(rank)[0], like.x[here])
        np.testing.assert_array_equal(mine.load(rank)[1], like.y[here])
    with pytest.raises(DataError, match=r"row 0: `decode` must give numbers of shape \(2,\)"):
        load(found[:1], frame, 0, like, tmp_path, decoders={0: len})
    with pytest.raises(DataError, match=r"x, row \d+: its 0 bytes .* got ZeroDivisionError"):
        load(found, frame, 0, like, tmp_path, decoders={0: lambda b: [1 // len(b), 0]})


def test_rows_of_another_form_are_named():
    pair = table(40)
    packer = Packer(3)
    list(packer.add(*pair))
    x, y = pair
    with pytest.raises(DataError, match="partition 3, row 40: features must be a tree like"):
        list(packer.add((x["ids"], x["row"]), y))
    with pytest.raises(DataError, match=r"row 40: features\.row must have shape \(3,\)"):
        list(packer.add({**x, "row": x["row"][:, :2]}, y))
    with pytest.raises(DataError, match="must have the same rows; got 40, 40, 39"):
        list(packer.add(x, {"class": y["class"][1:], "none": None}))


def test_rows_that_were_read_again_and_differ_are_refused(tmp_path):
    pair = table(40)
    like = ArrayDataset(*pair)
    found = packed(pair, (20, 20))
    frame = frame_of(found, (20, 20), 2, Form(*like.stored()))
    for other in (packed(table(40, seed=1), (20, 20)), packed(pair, (19, 21)), found[:-1]):
        with pytest.raises(DataError, match="must be as when it was packed"):
            load(other, frame, 1, like, tmp_path)


def test_a_disk_without_room_is_named_with_the_cure(tmp_path):
    spec = Form(*ArrayDataset(np.zeros((1, 1 << 20)), [0]).stored()).specs
    with pytest.raises(DataError, match=r"MB of rows must be .*spark\.local\.dir.*memory_per_rank"):
        room.make_rooms([(spec[0], 1 << 30)], 100, [tmp_path / "missing", tmp_path])


@pytest.mark.parametrize("given", ["much", "0g", 0, -5, 1.5])
def test_a_memory_that_is_no_size_is_refused(given):
    with pytest.raises(ArgumentError, match="memory_per_rank"):
        SparkBackend(memory_per_rank=given)
