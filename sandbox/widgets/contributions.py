"""What each word of a text adds to a network's verdict: by leaving it out."""

from __future__ import annotations

import threading
from typing import Any, NamedTuple

import numpy as np
import traitlets
from numpy.typing import NDArray

from ..lib.data import TextEncoder, pad
from ..lib.data.text.vocabulary import UNKNOWN
from ..lib.engine.oplist import Spec
from ..lib.train import ModelBundle
from .assets import bundle, read
from .figures import _tidy
from .live import LiveWidget
from .picture import BLUE, INK, ORANGE, Picture, new_figure

__all__ = ["Contributions", "WordContributions", "word_contributions"]

_SMALLEST = 1e-7  # probability: its log-odds stay finite
_ROWS = 128  # texts at once
_SHORTEST = 16  # ids; filters need at least their width, and few lengths need few programs


class Contributions(NamedTuple):
    """The words of a text, what each one adds, and the verdict on the whole."""

    words: list[str]
    values: NDArray[np.float64]
    known: list[bool]
    probability: float


def word_contributions(pipeline: ModelBundle, text: str) -> Contributions:
    """Leave out one word of a text after the other and see how the verdict changes.

    contribution[k] = log-odds(text) - log-odds(text without word k)

    Log-odds are log(p / (1 - p)) of the second class. A positive contribution speaks for that
    class. What a network makes of several words together ("not bad") is seen at each of them; the
    contributions need not add up to the whole.

    Parameters
    ----------
    pipeline : ModelBundle
        A text encoder and a model with two classes.
    text : str
        What is judged; if it is longer than the encoder allows, the part that the encoder keeps.

    Raises
    ------
    ValueError : the pipeline reads no texts, or has not two classes; the text has no words.

    Notes
    -----
    Called erasure or leave-one-out: Li, Monroe and Jurafsky 2016.

    Examples
    --------
    >>> from sandbox.lib import nn
    >>> encoder = TextEncoder.build(["a good film", "a bad film"])
    >>> model = nn.zoo.text_cnn(len(encoder.vocabulary), 2, 0, features=4, filters=4)
    >>> found = word_contributions(ModelBundle(encoder, model), "A good, daft film")
    >>> found.words, found.known, found.values.shape
    (['a', 'good', 'daft', 'film'], [True, True, False, True], (4,))
    """
    encoder = _encoder(pipeline)
    ids = encoder.encode([text])[0]
    words = encoder.tokenizer(text)
    if not words:
        raise ValueError("There must be at least one word; got none.")
    words = words[-len(ids) :] if encoder.long == "cut_start" else words[: len(ids)]
    # One word alone leaves nothing: then a word that nobody knows stands for it.
    without = [np.delete(ids, k) for k in range(len(ids))]
    rows = [ids, *(row if len(row) else np.array([UNKNOWN], np.int32) for row in without)]
    odds = _log_odds(pipeline, rows)
    probability = 1 / (1 + np.exp(-np.clip(odds[0], -500, 500)))
    return Contributions(words, odds[0] - odds[1:], (ids != UNKNOWN).tolist(), float(probability))


class WordContributions(LiveWidget):
    """Type a text and see the verdict, and what each word adds to it.

    A text without words, or with none that the vocabulary knows, gets no verdict but a notice: a
    network answers to anything, also where it has nothing to go by.

    Parameters
    ----------
    pipeline : ModelBundle
        A text encoder and a model with two classes.
    text : str
        What stands there to begin with.

    Raises
    ------
    ValueError : the pipeline reads no texts, or has not two classes.

    Examples
    --------
    >>> from sandbox.lib import nn
    >>> encoder = TextEncoder.build(["a good film", "a bad film"])
    >>> model = nn.zoo.text_cnn(len(encoder.vocabulary), 2, 0, features=4, filters=4)
    >>> bundle = ModelBundle(encoder, model, labels=["bad", "good"])
    >>> widget = WordContributions(bundle, "a good film")
    >>> widget.words, widget.labels
    (['a', 'good', 'film'], ['bad', 'good'])
    """

    _esm = bundle("contributions.js")
    _css = read("widgets.css") + read("contributions.css")
    text = traitlets.Unicode().tag(sync=True)
    words = traitlets.List(traitlets.Unicode()).tag(sync=True)
    values = traitlets.List(traitlets.Float()).tag(sync=True)
    known = traitlets.List(traitlets.Bool()).tag(sync=True)
    probability = traitlets.Float().tag(sync=True)
    labels = traitlets.List(traitlets.Unicode()).tag(sync=True)
    notice = traitlets.Unicode(help="what the verdict does not rest on").tag(sync=True)

    def __init__(self, pipeline: ModelBundle, text: str) -> None:
        super().__init__()
        self._pipeline = pipeline
        self._turn = threading.Lock()  # one text after the other: the model has one set of buffers
        self.labels = [str(name) for name in pipeline.labels or ("class 0", "class 1")]
        self.live = True
        self.judge(text)

    def judge(self, text: str) -> None:
        """Show another text."""
        with self._turn:
            empty = not _encoder(self._pipeline).tokenizer(text)
            found = _NOTHING if empty else word_contributions(self._pipeline, text)
            with self._state_lock, self.hold_sync():
                self.text, self.words, self.known = text, found.words, found.known
                self.values = [float(value) for value in found.values]
                self.probability = found.probability
                self.notice = _notice(found.known)
                self.summary = self._tell()
        self.refresh_picture()

    def command(self, message: dict[str, Any]) -> str:
        """Judge what the reader typed."""
        if message.get("type") != "judge":
            return super().command(message)
        self.judge(str(message.get("text", "")))
        return ""

    def take(self, events: list[Any]) -> None:
        """Pass over events: this widget follows nobody."""

    def publish(self) -> None:
        """Write nothing: the traits are the state."""

    def strongest(self, count: int = 12) -> list[int]:
        """Return the places of the words that add most, in the order of the text."""
        order = np.argsort(-np.abs(self.values), kind="stable")[:count]
        return sorted(int(place) for place in order)

    def picture(self) -> Picture:
        """Draw the strongest words with what they add."""
        places = self.strongest() if any(self.known) else []
        values = [self.values[k] for k in places]
        figure = new_figure(5.6, 0.9 + 0.24 * len(places))
        axes = figure.subplots()
        _tidy(axes, f"{self._verdict()}: what a word adds, seen by leaving it out")
        colors = [ORANGE if value > 0 else BLUE for value in values]
        axes.barh(range(len(places)), values, color=colors)
        axes.set_yticks(range(len(places)), [self.words[k] for k in places])
        axes.invert_yaxis()
        axes.axvline(0, color=INK, lw=0.8)
        axes.set_xlabel(
            f"log-odds: left for {self.labels[0]}, right for {self.labels[1]}", fontsize=8.5
        )
        return Picture(figure, self.summary)

    def _verdict(self) -> str:
        if not any(self.known):
            return "no verdict"
        sure = max(self.probability, 1 - self.probability)
        return f"{self.labels[int(self.probability >= 0.5)]} ({100 * sure:.1f} %)"

    def _tell(self) -> str:
        parts = [self._verdict()]
        if not any(self.known):
            return f"{parts[0]}: {self.notice}"
        for side, sign in ((1, 1), (0, -1)):
            order = np.argsort(-sign * np.array(self.values), kind="stable")[:4]
            found = [k for k in order if sign * self.values[k] >= 0.005]
            told = [f"{self.words[k]} {self.values[k]:+.2f}" for k in found]
            parts.append(f"for {self.labels[side]}: {', '.join(told) or 'nothing'}")
        told = "; ".join(parts) + " (log-odds, each word left out once)."
        return f"{told} {self.notice}".strip()


_NOTHING = Contributions([], np.zeros(0), [], 0.5)


def _notice(known: list[bool]) -> str:
    """Say what a verdict does not rest on."""
    unknown = known.count(False)
    if not known:
        return "There is nothing to read yet: type some words."
    if unknown == len(known):
        return (
            "None of these words is in the vocabulary. To the network they are all the same word, "
            "and what it would say of them means nothing."
        )
    if 2 * unknown < len(known):
        return ""
    return f"{unknown} of {len(known)} words are not in the vocabulary; the others decide."


def _encoder(pipeline: ModelBundle) -> TextEncoder:
    encoder = pipeline.before
    if not isinstance(encoder, TextEncoder):
        raise ValueError(
            "word_contributions: the pipeline must begin with a TextEncoder; got "
            f"{type(encoder).__name__}."
        )
    return encoder


def _log_odds(pipeline: ModelBundle, rows: list[NDArray[np.int32]]) -> NDArray[np.float64]:
    longest = max(len(row) for row in rows)
    width = max(_SHORTEST, -(-longest // 16) * 16)
    made = []
    for at in range(0, len(rows), _ROWS):
        part = rows[at : at + _ROWS]
        # All batches have one form: the last one is filled up, and what is made of that forgotten.
        filler = [rows[0]] * ((_ROWS if len(rows) > _ROWS else 0) - len(part))
        x, _ = pad([*part, *filler], length=width)
        made.append(np.asarray(pipeline.model(x), np.float64)[: len(part)])
    logits = np.concatenate(made)
    meaning = pipeline.meaning(Spec((width,), x.dtype.name))
    if meaning in ("probabilities", "logarithms"):
        shares = np.exp(logits) if meaning == "logarithms" else logits
        shares = np.clip(shares, _SMALLEST, 1 - _SMALLEST)
        single = shares.ndim == 1 or shares.shape[1] == 1
        logits = np.log(shares) - (np.log1p(-shares) if single else 0.0)
    if logits.ndim == 1 or logits.shape[1] == 1:
        return logits.reshape(-1)
    if logits.shape[1] != 2:
        raise ValueError(
            f"word_contributions: the model must have two classes; got {logits.shape[1]}."
        )
    return np.asarray(logits[:, 1] - logits[:, 0])
