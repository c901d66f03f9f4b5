"""From texts to numbers: tokens, a vocabulary, and both in one encoder."""

from __future__ import annotations

import html
import json
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core import validate
from ..core.errors import ArgumentError, DataError

Ids = NDArray[np.int32]

PADDING, UNKNOWN = 0, 1
"""Ids that every vocabulary has."""
_NAMES = ("<pad>", "<unk>")
_TAG = re.compile(r"</?[a-zA-Z][^<>]{0,200}>")
_QUOTES = str.maketrans({"’": "'", "‘": "'", "`": "'", "´": "'", "“": '"', "”": '"', "…": "..."})


class Tokenizer:
    """Cut a text into words, by rules and nothing learned.

    1. HTML entities are read (`&amp;`), tags such as `<br />` become a space.
    2. Unicode NFKC; curly quotes become straight ones; lower case, unless `lower=False`.
    3. Words are letters with apostrophes inside (`isn't`, `century's`); a hyphen separates.
    4. Numbers are digits with points or commas inside (`2.5`); `7/10` is two numbers.
    5. Of all other characters only those in `punctuation` are tokens, each by itself, and `...` if
       a point is among them or `!` or `?`.

    Parameters
    ----------
    lower : bool
        Lower case.
    punctuation : str
        Characters that are tokens; `!` and `?` tell something about a mood.

    Examples
    --------
    >>> Tokenizer()("It isn't <br /><br />a 2.5-hour film ... it's LONGER!")
    ['it', "isn't", 'a', '2.5', 'hour', 'film', '...', "it's", 'longer', '!']
    """

    def __init__(self, *, lower: bool = True, punctuation: str = "!?") -> None:
        if not isinstance(punctuation, str) or any(c.isalnum() or c.isspace() for c in punctuation):
            raise ArgumentError(
                f"Tokenizer: `punctuation` must be signs, no letters, digits or spaces; got "
                f"{punctuation!r}."
            )
        self.lower, self.punctuation = bool(lower), punctuation
        self._pattern = _pattern(punctuation)

    def __call__(self, text: str) -> list[str]:
        """Return the tokens of one text, perhaps none."""
        if not isinstance(text, str):
            raise DataError(
                f"Tokenizer: a text must be a str; got {text!r} of type {type(text).__name__}. "
                "Drop empty rows, or write str(value)."
            )
        if "&" in text:
            text = html.unescape(text)
        if "<" in text:
            text = _TAG.sub(" ", text)
        if not text.isascii():
            text = unicodedata.normalize("NFKC", text).translate(_QUOTES)
        return self._pattern.findall(text.lower() if self.lower else text)

    def config(self) -> dict[str, Any]:
        """Return the rules' settings as JSON-able data."""
        return {"lower": self.lower, "punctuation": self.punctuation}

    def __getstate__(self) -> dict[str, Any]:
        return self.config()

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._pattern = _pattern(self.punctuation)

    def __repr__(self) -> str:
        return f"Tokenizer(lower={self.lower}, punctuation={self.punctuation!r})"


class Vocabulary:
    """Number words, the frequent ones first. Id 0 is padding, id 1 any unknown word.

    Parameters
    ----------
    words : list of str
        Words with the ids 2, 3, ...

    Raises
    ------
    DataError : a word is no text, empty or there twice.

    Examples
    --------
    >>> vocabulary = Vocabulary.build([["a", "good", "film"], ["a", "bad", "film"]], min_count=2)
    >>> vocabulary.words, vocabulary.ids(["a", "good", "film"])
    (('a', 'film'), array([2, 1, 3], dtype=int32))
    """

    def __init__(self, words: Sequence[str]) -> None:
        self.words = tuple(words)
        self._ids: dict[str, int] = {}
        for place, word in enumerate(self.words):
            if not isinstance(word, str) or not word or word in _NAMES or word in self._ids:
                why = "twice" if word in self._ids else "as no word"
                raise DataError(
                    f"Vocabulary: words must be different texts; got {word!r} {why} at place "
                    f"{place}."
                )
            self._ids[word] = place + len(_NAMES)

    @classmethod
    def build(
        cls,
        rows: Iterable[Sequence[str]],
        *,
        min_count: int = 1,
        max_size: int | None = None,
    ) -> Vocabulary:
        """Count the words of tokenized texts, of the training part only.

        Parameters
        ----------
        rows : iterable of lists of tokens
            One list for each text.
        min_count : int > 0
            Rarer words become unknown.
        max_size : int > 2, optional
            Most ids in all, with padding and unknown; the most frequent words stay, of equally
            frequent ones those that come first in the alphabet.
        """
        validate.positive_int("min_count", min_count)
        if max_size is not None and validate.positive_int("max_size", max_size) <= len(_NAMES):
            raise ArgumentError(f"`max_size` must be an int > {len(_NAMES)}; got {max_size}.")
        counts: Counter[str] = Counter()
        for number, row in enumerate(rows):
            if isinstance(row, str):
                raise DataError(
                    f"Vocabulary: row {number} must be a list of tokens; got the text "
                    f"{row[:40]!r}. Use Tokenizer()(text)."
                )
            counts.update(row)
        kept = [(-n, word) for word, n in counts.items() if n >= min_count]
        if not kept:
            raise DataError(
                f"Vocabulary: at least one word must come {min_count} times; got {len(counts)} "
                "different words, all rarer. Lower min_count."
            )
        words = [word for _, word in sorted(kept)]
        return cls(words if max_size is None else words[: max_size - len(_NAMES)])

    def __len__(self) -> int:
        return len(self.words) + len(_NAMES)

    def __contains__(self, word: object) -> bool:
        return word in self._ids

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Vocabulary) and self.words == other.words

    def __hash__(self) -> int:
        return hash(self.words)

    def ids(self, tokens: Sequence[str]) -> Ids:
        """Return the ids of tokens; 1 for unknown ones."""
        found = self._ids
        return np.array([found.get(token, UNKNOWN) for token in tokens], np.int32)

    def tokens(self, ids: ArrayLike) -> list[str]:
        """Return the words of ids, `<pad>` and `<unk>` among them.

        Raises
        ------
        DataError : an id that no word has.
        """
        numbers = check_ids(np.asarray(ids), len(self), "Vocabulary")
        return [(*_NAMES, *self.words)[i] if i < 2 else self.words[i - 2] for i in numbers.tolist()]

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the words as JSON, one to a line; an older file is replaced in one go."""
        lines = ",\n".join(json.dumps(word, ensure_ascii=False) for word in self.words)
        return write_text(Path(path), f'{{"format": "vocabulary 1", "words": [\n{lines}\n]}}\n')

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Vocabulary:
        """Read what `save` wrote.

        Raises
        ------
        DataError : no such file, or not a vocabulary.
        """
        found = read_json(path, "a vocabulary file")
        if found.get("format") != "vocabulary 1" or not isinstance(found.get("words"), list):
            raise DataError(
                f"{path}: must be a vocabulary file; got format {found.get('format')!r}. "
                "Write it with Vocabulary.save."
            )
        return cls(found["words"])

    def __repr__(self) -> str:
        return f"Vocabulary({len(self)} ids, first words {', '.join(self.words[:5])})"


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
        self.vocabulary = vocabulary
        self.tokenizer = Tokenizer() if tokenizer is None else tokenizer
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
        place = Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        self.vocabulary.save(place / "vocabulary.json")
        settings = {"format": "text encoder 1", **self.config()}
        write_text(place / "encoder.json", json.dumps(settings, indent=1) + "\n")

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> TextEncoder:
        """Read what `save` wrote."""
        place = Path(folder)
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
    lengths = np.array([len(np.atleast_1d(row)) for row in rows], np.int64)
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


def check_ids(ids: NDArray[Any], size: int, place: str) -> NDArray[Any]:
    """Return ids in [0, size), or raise `DataError` naming the first wrong one and its place."""
    if ids.size and ids.dtype.kind not in "iu":
        raise DataError(f"{place}: ids must be integers; got dtype {ids.dtype}.")
    if ids.size and (ids.min() < 0 or ids.max() >= size):
        where = tuple(int(i) for i in np.argwhere((ids < 0) | (ids >= size))[0])
        row = f"row {where[0]}" + (f", position {where[1]}" if len(where) > 1 else "")
        raise DataError(
            f"{place}: ids must be in [0, {size}); got {ids[where]} in {row}. "
            "Encode with the vocabulary that the model was made for."
        )
    return ids


def write_text(path: Path, text: str) -> Path:
    """Write a file in one go: temporary file, fsync, rename."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    return path


def read_json(path: str | os.PathLike[str], what: str) -> dict[str, Any]:
    """Read a JSON object, or raise `DataError`."""
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: must be {what}; got {error}.") from None
    if not isinstance(found, Mapping):
        raise DataError(f"{path}: must be {what}; got a {type(found).__name__}.")
    return dict(found)


def _texts(texts: Iterable[str]) -> Iterable[str]:
    if isinstance(texts, str):
        raise DataError(f"texts must be a list of texts; got the single text {texts[:40]!r}.")
    return texts


def _pattern(punctuation: str) -> re.Pattern[str]:
    parts = [r"[^\W\d_]+(?:'[^\W\d_]+)*", r"\d+(?:[.,]\d+)*"]
    if set(punctuation) & set(".!?"):
        parts.append(r"\.{3}")
    if punctuation:
        parts.append(f"[{re.escape(punctuation)}]")
    return re.compile("|".join(parts))
