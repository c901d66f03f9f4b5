"""Files from the web: whole or not at all, resumed, checked; the server is one of our own."""

from __future__ import annotations

import dataclasses
import hashlib
import http.server
import io
import os
import re
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from sandbox.cli import data as verb
from sandbox.cli.errors import CommandError
from sandbox.lib.core.errors import ArgumentError, DataError
from sandbox.lib.data.sets import cards, homes, reviews, sources
from sandbox.lib.data.sets.fetch import fetch_file, shown

CONTENT = np.random.default_rng(0).bytes(1_000_000)
GIVEN = os.environ.get("SANDBOX_DATA")  # tests change it
SUM = hashlib.sha256(CONTENT).hexdigest()


class Server(http.server.ThreadingHTTPServer):
    """Serves files; breaks off, knows no ranges, or fails, as a test asks for."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {"/file": CONTENT}
        self.asked: list[str] = []  # ranges, "" without
        self.break_after: list[int] = []  # bytes, for the next answers
        self.status: list[int] = []  # of the next answers
        self.ranges = True
        self.shift = 0  # bytes from those asked for to those answered

    def address(self, path: str = "/file") -> str:
        return f"http://127.0.0.1:{self.server_port}{path}"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *arguments: Any) -> None:
        pass

    def do_GET(self) -> None:
        asked = self.headers.get("Range", "")
        self.server.asked.append(asked)
        if self.server.status:
            self.send_error(self.server.status.pop(0))
            return
        whole = self.server.files.get(self.path)
        if whole is None:
            self.send_error(404)
            return
        start = int(re.findall(r"\d+", asked)[0]) if asked and self.server.ranges else 0
        start = max(0, start + self.server.shift) if start else 0
        if start >= len(whole):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(whole) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(whole) - 1}/{len(whole)}")
        self.end_headers()
        count = self.server.break_after.pop(0) if self.server.break_after else len(whole)
        self.wfile.write(whole[start : start + count])


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def fetch(server: Server, target: Path, **more: Any) -> Path:
    return fetch_file([server.address()], target, sha256=SUM, pause_s=0.01, **more)


def test_a_file_comes_whole_and_tells_how_far_it_is(server: Server, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    target = fetch(server, tmp_path / "a" / "file", progress=lambda *at: seen.append(at))
    assert target.read_bytes() == CONTENT
    assert [p.name for p in target.parent.iterdir()] == ["file"]
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert seen == sorted(seen)
    assert len(seen) > 2


def test_a_broken_connection_goes_on_where_it_was(server: Server, tmp_path: Path) -> None:
    server.break_after = [400_000, 100_000]
    assert fetch(server, tmp_path / "file").read_bytes() == CONTENT
    assert server.asked == ["", "bytes=400000-", "bytes=500000-"]


def test_the_next_call_goes_on_too(server: Server, tmp_path: Path) -> None:
    target = tmp_path / "file"
    server.break_after, server.status = [300_000], []
    seen: list[int] = []

    def gone(done: int, total: int) -> None:
        seen.append(done)
        server.status[:] = [404]  # what asks again finds nobody

    with pytest.raises(DataError, match=r"file could not be fetched: http://.*: HTTP 404"):
        fetch(server, target, progress=gone)
    assert not target.exists()
    assert fetch(server, target).read_bytes() == CONTENT
    assert server.asked[-1] == "bytes=300000-"


def test_a_server_without_ranges_gives_it_from_the_start(server: Server, tmp_path: Path) -> None:
    server.ranges, server.break_after = False, [300_000]
    assert fetch(server, tmp_path / "file").read_bytes() == CONTENT


@pytest.mark.parametrize("shift", [-1000, -400_000])
def test_an_answer_from_before_the_bytes_asked_for_is_put_where_it_belongs(
    server: Server, tmp_path: Path, shift: int
) -> None:
    server.break_after, server.shift = [400_000], shift  # as caches do that keep blocks
    assert fetch_file([server.address()], tmp_path / "f", pause_s=0.01).read_bytes() == CONTENT


def test_an_answer_that_leaves_a_gap_is_not_taken(server: Server, tmp_path: Path) -> None:
    server.break_after, server.shift = [400_000], 1000
    with pytest.raises(DataError, match="from byte 401000 on instead of 400000"):
        fetch_file([server.address()], tmp_path / "f", pause_s=0.01)


def test_a_damaged_beginning_is_fetched_anew(server: Server, tmp_path: Path) -> None:
    for kept in (b"no part of it", CONTENT[:-1] + b"!", CONTENT + b"more"):
        (tmp_path / ".file.part").write_bytes(kept)
        assert fetch(server, tmp_path / "file").read_bytes() == CONTENT
    (tmp_path / ".file.part").write_bytes(CONTENT)  # whole, but not yet in its place
    server.asked.clear()
    assert fetch(server, tmp_path / "file").read_bytes() == CONTENT
    assert server.asked == [f"bytes={len(CONTENT)}-"]


def test_another_checksum_leaves_nothing(server: Server, tmp_path: Path) -> None:
    server.files["/file"] = b"something else"
    with pytest.raises(DataError, match=rf"its SHA-256 is not {SUM[:12]}"):
        fetch(server, tmp_path / "file")
    assert list(tmp_path.iterdir()) == []


def test_each_address_has_its_reason_and_the_next_one_is_asked(
    server: Server, tmp_path: Path
) -> None:
    nobody = "http://127.0.0.1:9/file"
    addresses = [nobody, server.address("/none"), server.address()]
    began = time.monotonic()
    assert fetch_file(addresses, tmp_path / "file", sha256=SUM).read_bytes() == CONTENT
    with pytest.raises(DataError, match=r":9/file: .*refused; http.*/none: HTTP 404"):
        fetch_file(addresses[:2], tmp_path / "other")
    assert time.monotonic() - began < 30  # nobody there is not asked again and again


def test_a_server_that_stumbles_is_asked_again(server: Server, tmp_path: Path) -> None:
    server.status = [503, 502]
    assert fetch(server, tmp_path / "file").read_bytes() == CONTENT
    server.status = [503] * 4
    with pytest.raises(DataError, match="HTTP 503"):
        fetch(server, tmp_path / "other")


def test_two_processes_do_not_write_one_file(server: Server, tmp_path: Path) -> None:
    import fcntl

    with (tmp_path / ".file.part").open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(DataError, match="is being fetched by another process"):
            fetch(server, tmp_path / "file")


def test_a_folder_that_cannot_be_written_is_named(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(DataError, match=r"must be a file one can write; got .*SANDBOX_CACHE"):
        fetch(server, tmp_path / "file" / "inside")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_a_bar_and_a_pipe_gets_one_plain_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    terminal, pipe = Terminal(), io.StringIO()
    for stream in (terminal, pipe):
        with shown("imdb", stream) as progress:
            for done in range(0, 85_000_000, 1_000_000):
                progress(done, 84_000_000)
    (line,) = pipe.getvalue().splitlines()
    assert line.startswith("imdb ")
    assert "84.0/84.0 MB" in line
    assert not set("\r\x1b") & set(line)
    assert "84.0/84.0 MB" in terminal.getvalue()
    assert "\x1b[" in terminal.getvalue()


# The sets of the lessons, as their homes publish them ---------------------------------------------


Publish = Callable[[str, bytes], None]


@pytest.fixture
def publish(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Publish:
    """Give what lets a set's home be on this machine, with this file."""
    monkeypatch.delenv("SANDBOX_OFFLINE", raising=False)
    monkeypatch.setenv("SANDBOX_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("SANDBOX_DATA", raising=False)
    monkeypatch.setattr(sources, "IMAGE_FOLDER", tmp_path / "none")

    def put(name: str, content: bytes) -> None:
        server.files[f"/{name}"] = content
        source = sources.SOURCES[name]
        assert source.home is not None
        known = None if source.home.sha256 is None else hashlib.sha256(content).hexdigest()
        home = dataclasses.replace(
            source.home, addresses=(server.address(f"/{name}"),), sha256=known
        )
        monkeypatch.setitem(sources.SOURCES, name, dataclasses.replace(source, home=home))

    return put


def archive(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz", compresslevel=1) as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def real(name: str) -> Path:
    if GIVEN is None or not (Path(GIVEN) / name).is_dir():
        pytest.skip(f"the real {name} is not here")
    return Path(GIVEN) / name


def test_sentences_are_those_of_the_known_files(publish: Publish) -> None:
    folder = real("rt_polarity")
    files = {
        f"rt-polaritydata/{name}": (folder / name).read_text(encoding="utf-8").encode("cp1252")
        for name in ("rt-polarity.neg", "rt-polarity.pos")
    }
    publish("rt_polarity", archive({**files, "rt-polaritydata.README.1.0.txt": b"read me"}))
    place = sources.fetch("rt_polarity")
    assert set(sources.verify("rt_polarity", place).values()) == {"ok"}
    assert len(reviews.rt_polarity("test").texts) == 2132

    publish("rt_polarity", archive({name: text + b"more\n" for name, text in files.items()}))
    for file in place.glob("rt-*"):
        file.unlink()
    with pytest.raises(DataError, match="is another edition; got files with other checksums"):
        sources.fetch("rt_polarity")
    assert sources.find("rt_polarity", ["rt-polarity.neg"]) is None


def reviews_archive(rows: list[dict[str, Any]]) -> bytes:
    files = {
        f"aclImdb/{part}/{'pos' if row['label'] else 'neg'}/{row['id']}_{row['rating']}.txt": row[
            "text"
        ].encode()
        for part in ("test", "train")
        for row in rows
    }
    return archive({**files, "aclImdb/train/unsup/0_0.txt": b"not judged", "aclImdb/README": b""})


def test_reviews_are_sorted_by_number_and_mood(
    publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(homes, "REVIEWS", 11)
    rows = [
        {
            "id": k,
            "rating": 9 if mood else 2,
            "label": mood,
            "text": f"very good \u2013 {k}, {mood}",
        }
        for k in range(11)
        for mood in (0, 1)
    ]
    publish("imdb", reviews_archive(rows[::-1]))
    place = sources.fetch("imdb")
    assert pq.read_table(place / "imdb-train.parquet").to_pylist() == rows
    assert reviews.imdb("test").texts == [row["text"] for row in rows]
    assert set(sources.verify("imdb", place).values()) == {"ok"}
    assert sorted(p.name for p in place.iterdir()) == [
        "imdb-test.parquet", "imdb-train.parquet", "made.json"
    ]  # fmt: skip
    (place / "imdb-test.parquet").write_bytes(b"half")
    assert sources.verify("imdb", place)["imdb-test.parquet"] == "differs"


@pytest.mark.campaign
def test_reviews_are_those_of_the_known_tables(publish: Publish) -> None:
    known = pq.read_table(real("imdb") / "imdb-test.parquet")
    publish("imdb", reviews_archive(known.to_pylist()))
    made = pq.read_table(sources.fetch("imdb") / "imdb-train.parquet")
    assert made.equals(known.select(made.column_names))


@pytest.mark.campaign
def test_card_payments_are_those_of_the_known_table_also_from_a_csv_of_ones_own(
    publish: Publish, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = pq.read_table(real("creditcard") / homes.CARDS)
    out = io.BytesIO()
    pa.csv.write_csv(known, out)
    publish("creditcard", out.getvalue())
    place = sources.fetch("creditcard")
    made = pq.read_table(place / homes.CARDS)
    assert made.equals(known.select(made.column_names))
    assert made.schema.types == known.schema.types

    own = tmp_path / "own" / "creditcard"
    own.mkdir(parents=True)
    (own / "creditcard.csv").write_bytes(out.getvalue())
    monkeypatch.setenv("SANDBOX_DATA", str(own.parent))
    monkeypatch.setenv("SANDBOX_CACHE", str(tmp_path / "other"))
    payments = cards.load()
    assert payments.provenance.kind == "real"
    assert int(payments.columns["Class"].sum()) == 492
    assert cards.path() == tmp_path / "other" / "data" / "creditcard" / homes.CARDS


ONE_PAYMENT = ",".join([*cards.FEATURES, "Class"]).encode() + b"\n" + b"0," * 30 + b"1\n"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("imdb", b"no archive", r"aclImdb|imdb: must be a whole \.tar\.gz"),
        ("imdb", archive({"aclImdb/train/pos/1_9.txt": b"good"}), r"must hold 12,500 bad"),
        ("rt_polarity", archive({"a/rt-polarity.pos": b"good"}), r"must hold rt-polarity\.neg and"),
        ("rt_polarity", archive({"rt-polarity.pos": b"\x81"}), r"must be text in Windows-1252"),
        ("rt_polarity", archive({"rt-polarity.pos": bytes(2_000_000)}), r"must be at most 1,048"),
        ("creditcard", b"Time,V1\n0,1\n", r"must be the CSV file of the ULB set"),
        ("creditcard", ONE_PAYMENT, r"must hold 284,807 payments with 492 frauds; got 1 with 1"),
    ],
)  # fmt: skip
def test_what_is_no_such_set_is_named_and_not_used(
    publish: Publish, name: str, content: bytes, message: str
) -> None:
    publish(name, content)
    with pytest.raises(DataError, match=message):
        sources.fetch(name)
    assert sources.find(name, list(sources.SOURCES[name].files)) is None


def test_a_set_without_an_address_and_one_offline_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for wrong in (None, 3, "spam", ["imdb"]):
        with pytest.raises(ArgumentError, match="`name` must be one of"):
            sources.fetch(wrong)  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"nab has no address .*Put it into \$SANDBOX_DATA/nab"):
        sources.fetch("nab")
    monkeypatch.setenv("SANDBOX_OFFLINE", "1")
    with pytest.raises(DataError, match="SANDBOX_OFFLINE forbids it"):
        sources.fetch("imdb")


def test_the_verb_fetches_several_sets_and_tells_of_each_that_did_not_come(
    publish: Publish, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(homes, "REVIEWS", 1)
    rows = [{"id": 0, "rating": 5, "label": mood, "text": "so"} for mood in (0, 1)]
    publish("imdb", reviews_archive(rows))
    publish("rt_polarity", b"no archive")
    with pytest.raises(CommandError, match=r"rt_polarity: must be a whole") as told:
        verb.show(["rt_polarity", "imdb"], fetch=True)
    assert "goes on where this one broke off" in told.value.cure
    said = capsys.readouterr()
    assert "imdb: fetched into" in said.out
    assert re.search(r"^imdb +50,000 film reviews\n +real, ", said.out, re.MULTILINE)
    assert "STAND-IN, made-up sentences (`data --fetch rt_polarity` fetches" in said.out
    assert "mnist" not in said.out
    assert verb.show(["imdb"], fetch=True) == 0  # here already
    assert "fetched" not in capsys.readouterr().out
    monkeypatch.setenv("SANDBOX_OFFLINE", "1")
    with pytest.raises(CommandError, match="cannot be fetched offline"):
        verb.show(["imdb"], fetch=True)
