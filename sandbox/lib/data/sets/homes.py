"""What the public homes of data sets publish, made into the files that the loaders read."""

from __future__ import annotations

import re
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ...core.errors import DataError
from ...engine.files import replacing

__all__ = [
    "UNPACK",
    "cards_to_parquet",
    "ratings_from_zip",
    "reviews_to_parquet",
    "sentences_to_utf8",
]

CARDS = "creditcard-full-f32.parquet"
PAYMENTS, FRAUDS = 284_807, 492
REVIEWS = 12_500  # of each mood, in each part
_REVIEW = re.compile(r"aclImdb/(train|test)/(neg|pos)/(\d+)_(\d+)\.txt$")
_SENTENCES = re.compile(r"(?:^|/)(rt-polarity\.(?:neg|pos))$")
_LARGEST = 1 << 20  # bytes of one review or half of the sentences
RATING_TYPES = {"userId": "int64", "movieId": "int64", "rating": "double", "timestamp": "int64"}
FILM_TYPES = {"movieId": "int64", "title": "string", "genres": "string"}
_RATINGS = ("ratings.csv", "movies.csv", "README.txt")
_LARGEST_TABLE = 8 << 20


def _members(archive: Path, pattern: re.Pattern[str]) -> Iterator[tuple[re.Match[str], bytes]]:
    """Go through the files of an archive whose names fit; nothing is written by these names."""
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member in tar:
                found = pattern.search(member.name)
                if found is None or not member.isfile():
                    continue
                if member.size > _LARGEST:
                    raise DataError(
                        f"{archive}: {member.name} must be at most {_LARGEST:,} bytes; got "
                        f"{member.size:,}."
                    )
                content = tar.extractfile(member)
                if content is not None:
                    yield found, content.read()
    except (tarfile.TarError, EOFError, OSError) as error:
        raise DataError(
            f"{archive}: must be a whole .tar.gz; got {error}. Fetch it again."
        ) from None


def sentences_to_utf8(archive: Path, folder: Path) -> None:
    """Take the two files out of `rt-polaritydata.tar.gz`; they come in Windows' encoding."""
    found = {}
    for name, content in _members(archive, _SENTENCES):
        try:
            found[name[1]] = content.decode("cp1252").encode("utf-8")
        except UnicodeDecodeError as error:
            raise DataError(
                f"{archive}: {name[1]} must be text in Windows-1252; got byte "
                f"{content[error.start]:#04x} at place {error.start}."
            ) from None
    if len(found) != 2:
        raise DataError(f"{archive}: must hold rt-polarity.neg and .pos; got {sorted(found)}.")
    for file, text in found.items():
        with replacing(folder / file) as half:
            half.write_bytes(text)


def reviews_to_parquet(archive: Path, folder: Path) -> None:
    """Make `imdb-train.parquet` and `imdb-test.parquet` of `aclImdb_v1.tar.gz`.

    Columns id, rating (1 to 10), label (0 bad, 1 good), text; rows by id, the bad one first.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows: dict[str, list[tuple[int, int, int, str]]] = {"train": [], "test": []}
    for name, content in _members(archive, _REVIEW):
        part, mood, number, rating = name.groups()
        label = int(mood == "pos")
        rows[part].append((int(number), label, int(rating), content.decode("utf-8")))
    for part, found in rows.items():
        counts = [sum(row[1] == label for row in found) for label in (0, 1)]
        if counts != [REVIEWS, REVIEWS]:
            raise DataError(
                f"{archive}: {part} must hold {REVIEWS:,} bad and {REVIEWS:,} good reviews; got "
                f"{counts}."
            )
        ids, labels, ratings, texts = zip(*sorted(found), strict=True)
        table = pa.table(
            {
                "id": pa.array(ids, pa.int32()),
                "rating": pa.array(ratings, pa.int8()),
                "label": pa.array(labels, pa.int8()),
                "text": pa.array(texts, pa.large_string()),
            }
        )
        with replacing(folder / f"imdb-{part}.parquet") as half:
            pq.write_table(table, half, compression="zstd")


def cards_to_parquet(csv: Path, folder: Path) -> None:
    """Make the Parquet file of the card payments of their published CSV: V1 to V28 as float32.

    Raises
    ------
    DataError : it is no CSV of these columns, or has another number of payments or frauds.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.csv
    import pyarrow.parquet as pq

    kinds: dict[str, Any] = {"Time": pa.float64(), "Amount": pa.float64(), "Class": pa.int8()}
    kinds |= {f"V{k}": pa.float64() for k in range(1, 29)}
    order = ["Time", *(f"V{k}" for k in range(1, 29)), "Amount", "Class"]
    options = pyarrow.csv.ConvertOptions(column_types=kinds, include_columns=order)
    try:
        table = pyarrow.csv.read_csv(csv, convert_options=options)
    except (pa.ArrowException, OSError, KeyError) as error:
        reason = (str(error).splitlines() or [""])[0]
        raise DataError(
            f"{csv}: must be the CSV file of the ULB set; got {reason}. Fetch it again."
        ) from None
    frauds = int(pc.sum(table["Class"]).as_py() or 0)
    if (table.num_rows, frauds) != (PAYMENTS, FRAUDS):
        raise DataError(
            f"{csv}: must hold {PAYMENTS:,} payments with {FRAUDS} frauds; got {table.num_rows:,} "
            f"with {frauds}. Fetch it again."
        )
    small = [pa.field("Time", pa.int32())]
    small += [pa.field(f"V{k}", pa.float32()) for k in range(1, 29)]
    small += [pa.field("Amount", pa.float64()), pa.field("Class", pa.int8())]
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(folder / CARDS) as half:
        pq.write_table(table.cast(pa.schema(small)), half, compression="zstd")


def ratings_from_zip(archive: Path, folder: Path) -> None:
    """Take ratings, films and the README with the terms out of `ml-latest-small.zip`."""
    try:
        with zipfile.ZipFile(archive) as opened:
            for file in _RATINGS:
                member = opened.getinfo(f"ml-latest-small/{file}")
                if member.file_size > _LARGEST_TABLE:
                    raise DataError(
                        f"{archive}: {file} must be at most {_LARGEST_TABLE:,} bytes; got "
                        f"{member.file_size:,}."
                    )
                with replacing(folder / file) as half:
                    half.write_bytes(opened.read(member))
    except (zipfile.BadZipFile, KeyError, OSError) as error:
        raise DataError(f"{archive}: must be a whole .zip; got {error}. Fetch it again.") from None


UNPACK: dict[str, Callable[[Path, Path], None]] = {
    "rt_polarity": sentences_to_utf8,
    "imdb": reviews_to_parquet,
    "creditcard": cards_to_parquet,
    "movielens": ratings_from_zip,
}
"""By data set: what makes its files, in a folder, of what its home publishes."""
