"""Made-up film reviews, for when the real ones are not there.

After the joint sentiment/topic model (Lin and He 2009: "Joint sentiment/topic model for sentiment
analysis", CIKM), a generative model of reviews: a review draws its mix of moods, each clause draws
a mood from that mix, a topic, and words of that topic and mood. Clauses here are small sentences of
a grammar, with negations, so that order matters. Mixed moods keep anybody from being right always.
"""

from __future__ import annotations

import numpy as np

Generator = np.random.Generator

_TOPICS = {
    "story": ["plot", "story", "script", "ending", "premise", "twist", "dialogue", "pacing"],
    "actors": ["cast", "lead", "acting", "performance", "chemistry", "villain", "heroine"],
    "craft": ["direction", "camera work", "editing", "score", "soundtrack", "photography", "sets"],
    "mood": ["humor", "romance", "suspense", "atmosphere", "action", "drama", "satire"],
}
_GOOD = {
    "story": ["clever", "gripping", "moving", "surprising", "tight", "wise", "original"],
    "actors": ["wonderful", "convincing", "brilliant", "subtle", "charming", "superb"],
    "craft": ["beautiful", "elegant", "inventive", "stunning", "precise", "lovely"],
    "mood": ["funny", "touching", "warm", "thrilling", "haunting", "delightful"],
}
_BAD = {
    "story": ["predictable", "muddled", "stale", "contrived", "pointless", "thin", "silly"],
    "actors": ["wooden", "flat", "annoying", "miscast", "lifeless", "hammy"],
    "craft": ["clumsy", "ugly", "sloppy", "amateurish", "murky", "choppy"],
    "mood": ["boring", "tedious", "cheap", "painful", "forced", "dreary"],
}
_PLAIN = ["long", "short", "familiar", "loud", "quiet", "strange", "simple", "modern", "serious"]
_CLOSE = {
    1: ["worth every minute", "a real treat", "see it twice", "i loved it", "a small gem"],
    0: ["a waste of time", "skip it", "i wanted my money back", "a mess", "wait for the video"],
}
_NAMES = ["smith", "garcia", "chen", "miller", "rossi", "novak", "tanaka", "olsen", "dubois"]
_PLACES = ["in the city", "on a farm", "during the war", "at sea", "in space", "in a small town"]


def sentences(each: int, *, seed: int) -> tuple[list[str], list[str]]:
    """Return `each` bad and `each` good sentences, tokens set apart by spaces as in rt-polarity."""
    return _sentences(0, each, seed), _sentences(1, each, seed)


def _sentences(label: int, count: int, seed: int) -> list[str]:
    rng = np.random.Generator(np.random.PCG64([seed, label]))
    found = []
    for _ in range(count):
        mix = _mix(label, rng)
        clauses = [_clause(mix, rng) for _ in range(int(rng.integers(1, 4)))]
        if rng.random() < 0.15:
            clauses.append(_pick(_CLOSE[_mood(mix, rng)], rng))
        found.append(" , ".join(clauses) + " .")
    return found


def reviews(count: int, *, seed: int) -> tuple[list[str], np.ndarray]:
    """Return reviews of 5 to 40 sentences with `<br />` between paragraphs, half of them good."""
    rng = np.random.Generator(np.random.PCG64([seed]))
    labels = rng.permutation(np.arange(count) % 2).astype(np.int64)
    texts = []
    for label in labels:
        mix = _mix(int(label), rng)
        text = ""
        for k in range(int(np.clip(rng.lognormal(2.4, 0.5), 5, 40))):
            close = rng.random() < 0.05
            clause = _pick(_CLOSE[_mood(mix, rng)], rng) if close else _clause(mix, rng)
            gap = "" if not k else "<br /><br />" if rng.random() < 0.1 else " "
            text += gap + clause[0].upper() + clause[1:] + ("!" if rng.random() < 0.1 else ".")
        texts.append(text)
    return texts, labels


def _mix(label: int, rng: Generator) -> float:
    """Return the share of good clauses of a review."""
    share = float(rng.beta(5.0, 0.9))
    return share if label else 1 - share


def _mood(mix: float, rng: Generator) -> int:
    return int(rng.random() < mix)


def _clause(mix: float, rng: Generator) -> str:
    topic = _pick(list(_TOPICS), rng)
    noun, kind = _pick(_TOPICS[topic], rng), rng.random()
    mood = _mood(mix, rng)
    if kind < 0.2:
        return (
            f"it is a {_pick(_PLAIN, rng)} film by {_pick(_NAMES, rng)} set {_pick(_PLACES, rng)}"
        )
    if kind < 0.35:  # a negation turns the word round
        word = _pick((_BAD if mood else _GOOD)[topic], rng)
        return f"the {noun} is {_pick(['not', 'never', 'hardly'], rng)} {word}"
    word = _pick((_GOOD if mood else _BAD)[topic], rng)
    if kind < 0.5:
        link = _pick(["despite", "beyond"], rng)
        return f"{link} its {_pick(_PLAIN, rng)} start the {noun} is {word}"
    if kind < 0.7:
        return f"a {word} {noun} from {_pick(_NAMES, rng)}"
    return f"the {noun} is {_pick(['really', 'so', 'mostly', 'rather'], rng)} {word}"


def _pick(words: list[str], rng: Generator) -> str:
    return words[int(rng.integers(len(words)))]
