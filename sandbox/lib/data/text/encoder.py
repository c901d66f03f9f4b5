"""From texts to numbers: a tokenizer and a vocabulary in one encoder."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...core import validate
from ...core.errors import ArgumentError, DataError
from ...engine.files import locate
from ..files import made_folder, read_json, write_text
from .tokens import Tokenizer
from .vocabulary import UNKNOWN, Ids, Vocabulary


class TextEncoder:
    """Turn texts into ids: a tokenizer and a vocabulary.

    Parameters
    ----------
    vocabulary : Vocabulary
        Words known to the model.
    tokenizer : Tokenizer, optional
        The one the vocabulary was built with.
    max_length : int > 0, optional
        Most tokens of a text.
    long : "error", "cut" or "cut_start"
        What happens to longer ones: they are refused, or their end or their start is left out.
    empty : "error" or "unknown"
        A text without tokens is refused, or becomes one unknown word.
    unknown : "keep" or "error"
        A word that is not in the vocabulary becomes id 1, or is refused.

    Raises
    ------
    DataError : in `encode`, names the row and the cure.

    Examples
    --------
    >>> encoder = TextEncoder.build(["A good film.", "A bad film!"], max_length=3, long="cut")
    >>> encoder.encode(["A good film!", "An awful film"])
    [array([2, 6, 3], dtype=int32), array([1, 1, 3], dtype=int32)]
    >>> encoder.padded(["good", "a bad film"])
    (array([[6, 0, 0],
           [2, 5, 3]], dtype=int32), array([1, 3]))
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        tokenizer: Tokenizer | None = None,
        *,
        max_length: int | None = None,
        long: str = "error",
        empty: str = "error",
        unknown: str = "keep",
    ) -> None:
        self.vocabulary = validate.instance("vocabulary", vocabulary, Vocabulary)
        self.tokenizer = Tokenizer() if tokenizer is None else tokenizer
        validate.function("tokenizer", self.tokenizer)
        if max_length is not None:
            validate.positive_int("max_length", max_length)
        self.max_length = max_length
        self.long = validate.one_of("long", long, ("cut", "cut_start", "error"))
        self.empty = validate.one_of("empty", empty, ("unknown", "error"))
        self.unknown = validate.one_of("unknown", unknown, ("keep", "error"))

    @classmethod
    def build(
        cls,
        texts: Iterable[str],
        tokenizer: Tokenizer | None = None,
        *,
        min_count: int = 1,
        max_size: int | None = None,
        **options: Any,
    ) -> TextEncoder:
        """Make the vocabulary from the training texts; `options` are those of the class."""
        tokenizer = Tokenizer() if tokenizer is None else tokenizer
        validate.function("tokenizer", tokenizer)
        rows = (tokenizer(text) for text in _texts(texts))
        vocabulary = Vocabulary.build(rows, min_count=min_count, max_size=max_size)
        return cls(vocabulary, tokenizer, **options)

    def encode(self, texts: Iterable[str]) -> list[Ids]:
        """Return the ids of each text."""
        return [self._row(text, number) for number, text in enumerate(_texts(texts))]

    def padded(self, texts: Iterable[str], *, length: int | None = None) -> tuple[Ids, Any]:
        """Return (N, T) ids, zeros behind the end of each text, and the N lengths."""
        return pad(self.encode(texts), length=length)

    def _row(self, text: str, number: int) -> Ids:
        try:
            tokens = self.tokenizer(text)
        except DataError as error:
            raise DataError(f"row {number}: {error}") from None
        if not tokens and self.empty == "error":
            raise DataError(
                f"TextEncoder: row {number} must have at least one word; got {text[:60]!r}. "
                "Drop it, or use empty='unknown'."
            )
        ids = self.vocabulary.ids(tokens) if tokens else np.array([UNKNOWN], np.int32)
        if self.unknown == "error" and tokens and (ids == UNKNOWN).any():
            word = tokens[int((ids == UNKNOWN).argmax())]
            raise DataError(
                f"TextEncoder: row {number}: words must be in the vocabulary of "
                f"{len(self.vocabulary)}; got {word!r}. Use unknown='keep', or build the "
                "vocabulary from these texts too."
            )
        if self.max_length is None or len(ids) <= self.max_length:
            return ids
        if self.long == "error":
            raise DataError(
                f"TextEncoder: row {number} must have at most {self.max_length} words; got "
                f"{len(ids)}. Use long='cut', or a larger max_length."
            )
        return ids[: self.max_length] if self.long == "cut" else ids[-self.max_length :]

    def config(self) -> dict[str, Any]:
        """Return the settings, without the vocabulary, as JSON-able data."""
        names = ("max_length", "long", "empty", "unknown")
        return {"tokenizer": self.tokenizer.config(), **{n: getattr(self, n) for n in names}}

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write `vocabulary.json` and `encoder.json` into a folder."""
        place = made_folder(folder)
        self.vocabulary.save(place / "vocabulary.json")
        settings = {"format": "text encoder 1", **self.config()}
        write_text(place / "encoder.json", json.dumps(settings, indent=1) + "\n")

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> TextEncoder:
        """Read what `save` wrote."""
        place = locate(validate.path_like("folder", folder))
        found = read_json(place / "encoder.json", "a text encoder's settings")
        if found.pop("format", None) != "text encoder 1":
            raise DataError(f"{place / 'encoder.json'}: must be written by TextEncoder.save.")
        try:
            tokenizer = Tokenizer(**found.pop("tokenizer"))
            return cls(Vocabulary.load(place / "vocabulary.json"), tokenizer, **found)
        except (TypeError, KeyError, ArgumentError) as error:
            raise DataError(
                f"{place / 'encoder.json'}: settings must be those of a TextEncoder; {error}."
            ) from None

    def __repr__(self) -> str:
        return f"TextEncoder({self.vocabulary!r}, {self.tokenizer!r}, max_length={self.max_length})"


def pad(
    rows: Sequence[ArrayLike], *, length: int | None = None, dtype: Any = np.int32
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return sequences as one array, zeros (padding) behind their ends, and their lengths.

    Parameters
    ----------
    rows : list of 1-D ints
        The sequences.
    length : int > 0, optional
        Length of the result's rows; that of the longest sequence by default.

    Raises
    ------
    DataError : a sequence is longer than `length`; names its row.

    Examples
    --------
    >>> pad([[5, 6, 7], [8]], length=4)
    (array([[5, 6, 7, 0],
           [8, 0, 0, 0]], dtype=int32), array([3, 1]))
    """
    dtype = validate.number_dtype("dtype", dtype)
    found = [
        np.atleast_1d(validate.numbers("rows", row))
        for row in validate.several("rows", rows, "a list of sequences of ints")
    ]
    if any(row.ndim > 1 for row in found):
        raise DataError("pad: each sequence must have one axis; got an array with more.")
    lengths = np.array([len(row) for row in found], np.int64)
    width = (
        int(lengths.max(initial=0)) if length is None else validate.positive_int("length", length)
    )
    if lengths.size and lengths.max() > width:
        row = int(lengths.argmax())
        raise DataError(
            f"pad: sequences must have at most {width} elements; got {lengths[row]} in row {row}. "
            "Cut them (TextEncoder(max_length=...)), or give a larger length."
        )
    padded = np.zeros((len(rows), width), dtype)
    for k, values in enumerate(rows):
        padded[k, : lengths[k]] = values
    return padded, lengths


def _texts(texts: Iterable[str]) -> Iterable[str]:
    if isinstance(texts, str):
        raise DataError(f"texts must be a list of texts; got the single text {texts[:40]!r}.")
    try:
        return iter(texts)
    except TypeError:
        raise DataError(f"texts must be a list of texts; got {texts!r}.") from None
