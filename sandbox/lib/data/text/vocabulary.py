"""From tokens to ids and back."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...core import validate
from ...core.errors import ArgumentError, DataError
from ...engine.files import Place, locate
from ..files import read_json, write_text

Ids = NDArray[np.int32]

PADDING, UNKNOWN = 0, 1
"""Ids that every vocabulary has."""
_NAMES = ("<pad>", "<unk>")


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
        self.words = tuple(validate.several("words", words, "a list of words"))
        self._ids: dict[str, int] = {}
        for place, word in enumerate(self.words):
            known = isinstance(word, str) and word in self._ids
            if not isinstance(word, str) or not word or word in _NAMES or known:
                why = "twice" if known else "as no word"
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
        if not isinstance(rows, Iterator):  # a generator is gone through only once
            rows = validate.several("rows", rows, "a list of lists of tokens")
        for number, row in enumerate(rows):
            if isinstance(row, str):
                raise DataError(
                    f"Vocabulary: row {number} must be a list of tokens; got the text "
                    f"{row[:40]!r}. Use Tokenizer()(text)."
                )
            tokens = validate.several("rows", row, "a list of lists of tokens")
            counts.update(validate.text("rows", token) for token in tokens)
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
        return np.array(
            [
                found.get(validate.text("tokens", token), UNKNOWN)
                for token in validate.several("tokens", tokens, "a list of texts")
            ],
            np.int32,
        )

    def tokens(self, ids: ArrayLike) -> list[str]:
        """Return the words of ids, `<pad>` and `<unk>` among them.

        Raises
        ------
        DataError : an id that no word has.
        """
        numbers = check_ids(validate.numbers("ids", ids).reshape(-1), len(self), "Vocabulary")
        return [(*_NAMES, *self.words)[i] if i < 2 else self.words[i - 2] for i in numbers.tolist()]

    def save(self, path: str | os.PathLike[str]) -> Place:
        """Write the words as JSON, one to a line; an older file is replaced in one go."""
        lines = ",\n".join(json.dumps(word, ensure_ascii=False) for word in self.words)
        return write_text(
            locate(validate.path_like("path", path)),
            f'{{"format": "vocabulary 1", "words": [\n{lines}\n]}}\n',
        )

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Vocabulary:
        """Read what `save` wrote.

        Raises
        ------
        DataError : no such file, or not a vocabulary.
        """
        found = read_json(validate.path_like("path", path), "a vocabulary file")
        if found.get("format") != "vocabulary 1" or not isinstance(found.get("words"), list):
            raise DataError(
                f"{path}: must be a vocabulary file; got format {found.get('format')!r}. "
                "Write it with Vocabulary.save."
            )
        return cls(found["words"])

    def __repr__(self) -> str:
        return f"Vocabulary({len(self)} ids, first words {', '.join(self.words[:5])})"


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
