"""Film reviews with their mood: rt-polarity and IMDB, or stand-ins that say so."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...core import validate
from ...core.errors import DataError
from ...engine import names as _names
from . import sources, standin_reviews
from .sources import Provenance

_RT = ("rt-polarity.neg", "rt-polarity.pos")
_PARTS = {"train": range(7), "validation": range(7, 8), "test": range(8, 10)}
_STAND_IN_ROWS = {"rt_polarity": 5331, "imdb": 2000}


class Reviews(NamedTuple):
    """What the loaders return: texts, labels (0 bad, 1 good) and where they come from."""

    texts: list[str]
    labels: NDArray[np.int64]
    provenance: Provenance


def rt_polarity(split: str = "train") -> Reviews:
    """Return sentences of film reviews (Pang and Lee 2005): 5,331 bad and 5,331 good ones.

    The set has no split of its own. Ours: of each of the two files, the lines whose number (from 0)
    ends in 0 to 6 are for training (7,464 rows in all), in 7 for validation (1,066), in 8 or 9 for
    the test (2,132). Rows alternate between bad and good.

    Parameters
    ----------
    split : "train", "validation", "test" or "train+validation"

    Raises
    ------
    ArgumentError : another split.
    DataError : files were found but are damaged.

    Examples
    --------
    >>> texts, labels, provenance = rt_polarity("test")  # doctest: +SKIP
    >>> len(texts), labels.mean()  # doctest: +SKIP
    (2132, 0.5)
    """
    validate.one_of("split", split, (*_PARTS, "train+validation"))
    folder = sources.find("rt_polarity", list(_RT))
    if folder is None:
        files = standin_reviews.sentences(_STAND_IN_ROWS["rt_polarity"], seed=2005)
        place = "a seeded generator of sentences"
    else:
        files = _lines(folder / _RT[0]), _lines(folder / _RT[1])
        place = str(folder)
    wanted = {digit for part in split.split("+") for digit in _PARTS[part]}
    kept = [[text for i, text in enumerate(file) if i % 10 in wanted] for file in files]
    texts = [text for pair in zip(*kept, strict=True) for text in pair]
    labels = np.tile(np.arange(2), len(kept[0]))
    return Reviews(texts, labels, _record("rt_polarity", split, place, folder, len(texts)))


def imdb(split: str = "train") -> Reviews:
    """Return whole film reviews (Maas et al. 2011): 25,000 to train with, 25,000 to test.

    The texts hold `<br />` as they come; `Tokenizer` reads over it.

    Parameters
    ----------
    split : "train" or "test"

    Raises
    ------
    ArgumentError : another split.
    DataError : files were found but are damaged.
    """
    validate.one_of("split", split, ("train", "test"))
    file = f"imdb-{split}.parquet"
    folder = sources.find("imdb", [file])
    if folder is None:
        rows = _STAND_IN_ROWS["imdb"]
        texts, labels = standin_reviews.reviews(rows, seed=2011 + (split == "test"))
        place = "a seeded generator of reviews"
    else:
        texts, labels = _parquet(folder / file)
        place = str(folder)
    return Reviews(texts, labels, _record("imdb", split, place, folder, len(texts)))


def _lines(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: must be text in UTF-8; got byte {error.object[error.start]:#04x} at place "
            f"{error.start}. Convert it: iconv -f latin1 -t utf-8."
        ) from None
    lines = [line.strip() for line in lines if line.strip()]
    if len(lines) != 5331:
        raise DataError(f"{path}: must hold 5331 lines; got {len(lines)}. Fetch the file again.")
    return lines


def _parquet(path: Path) -> tuple[list[str], NDArray[np.int64]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path, columns=["text", "label"])
    except (pa.ArrowException, OSError) as error:
        reason = (str(error).splitlines() or [""])[0]
        raise DataError(
            f"{path}: must be a Parquet file with columns text and label; got {reason}. "
            "Fetch the file again."
        ) from None
    labels = np.asarray(table["label"].to_numpy())
    if labels.dtype.kind not in "iu" or not np.isin(labels, (0, 1)).all() or not len(labels):
        raise DataError(
            f"{path}: column 'label' must hold 0 and 1; got {labels.dtype} "
            f"{np.unique(labels)[:5].tolist()}. Fetch the file again."
        )
    texts = table["text"].to_pylist()
    del table
    pa.default_memory_pool().release_unused()  # it would keep 90 MB for the next table
    return texts, labels.astype(np.int64)


def _record(name: str, split: str, place: str, folder: Path | None, rows: int) -> Provenance:
    source = sources.SOURCES[name]
    if folder is not None:
        found = Provenance(name, split, "real", place, rows, source.terms, source.redistributable)
    else:
        found = Provenance(
            name,
            split,
            "stand-in",
            place,
            rows,
            "made up by sandbox after the model of Lin and He 2009; no terms",
            True,
            "Nobody wrote these reviews; accuracies on them say nothing about real ones. What the "
            "lesson finds on real ones need not hold: here a simple model may beat the networks.",
        )
    return sources.record(found)


_names.suggest(__name__)
