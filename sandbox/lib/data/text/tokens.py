"""From texts to tokens, by rules."""

from __future__ import annotations

import html
import re
import unicodedata
from typing import Any

from ...core import validate
from ...core.errors import ArgumentError, DataError

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
        self.lower, self.punctuation = validate.boolean("lower", lower), punctuation
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


def _pattern(punctuation: str) -> re.Pattern[str]:
    parts = [r"[^\W\d_]+(?:'[^\W\d_]+)*", r"\d+(?:[.,]\d+)*"]
    if set(punctuation) & set(".!?"):
        parts.append(r"\.{3}")
    if punctuation:
        parts.append(f"[{re.escape(punctuation)}]")
    return re.compile("|".join(parts))
