"""The words' contributions: a model whose answers are known, what is shown, what is refused."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sandbox.lib import nn
from sandbox.lib.data import Scaler, TextEncoder
from sandbox.lib.train import ModelBundle
from sandbox.widgets.assets import bundle
from sandbox.widgets.contributions import WordContributions, word_contributions

WORTH = {"good": 2.0, "bad": -3.0, "film": 0.0, "a": 0.25}


def pipeline(**options: Any) -> ModelBundle:
    """Make a pipeline whose log-odds are the sum of what its words are worth."""
    encoder = TextEncoder.build([" ".join(WORTH)], **options)
    words = nn.Embedding(len(encoder.vocabulary), 1, padding_index=0, rng=0)
    table = np.zeros((len(encoder.vocabulary), 1), np.float32)
    table[encoder.vocabulary.ids(list(WORTH))] = np.array([*WORTH.values()])[:, None]
    words.weight.set(table)
    model = nn.Sequential(words=words, sum=nn.Sum(axis=1))
    return ModelBundle(encoder, model, labels=["bad", "good"])


def test_of_a_sum_each_word_adds_what_it_is_worth() -> None:
    found = word_contributions(pipeline(), "A good film, not bad!")

    assert found.words == ["a", "good", "film", "not", "bad", "!"]
    assert found.known == [True, True, True, False, True, False]
    # Sums of few float32: exact here, up to the conversion of the last digit.
    np.testing.assert_allclose(found.values, [0.25, 2, 0, 0, -3, 0], atol=1e-6)
    assert found.probability == pytest.approx(1 / (1 + np.exp(0.75)))


def test_two_outputs_are_read_as_their_difference() -> None:
    one = pipeline()
    assert one.before is not None
    twice = nn.Linear(1, 2, rng=0)
    assert twice.bias is not None
    twice.weight.set(np.array([[-0.5], [0.5]], np.float32))
    twice.bias.set(np.zeros(2, np.float32))
    both = ModelBundle(
        one.before, nn.Sequential(one=one.model, twice=twice), labels=["bad", "good"]
    )

    a, b = (word_contributions(p, "a good bad film") for p in (one, both))

    np.testing.assert_allclose(a.values, b.values, atol=1e-6)
    assert a.probability == pytest.approx(b.probability)


@pytest.mark.parametrize("end", [nn.Sigmoid(), nn.LogSigmoid()], ids=["sigmoid", "log-sigmoid"])
def test_a_model_that_ends_in_probabilities_has_the_same_log_odds(end: nn.Module) -> None:
    one = pipeline()
    ended = ModelBundle(one.before, nn.Sequential(one=one.model, end=end), labels=["bad", "good"])

    a, b = (word_contributions(p, "a good bad film") for p in (one, ended))

    np.testing.assert_allclose(a.values, b.values, atol=1e-4)
    assert a.probability == pytest.approx(b.probability, abs=1e-5)


def test_long_texts_go_through_in_parts_and_a_single_word_has_a_stand_in() -> None:
    long = word_contributions(pipeline(), " ".join(["good", "bad"] * 200))
    single = word_contributions(pipeline(), "good")

    # Log-odds are about -200 here; float32 keeps 1e-5 of that.
    np.testing.assert_allclose(long.values, [2, -3] * 200, atol=1e-3)
    assert single.values.tolist() == [2.0]


@pytest.mark.parametrize(("long", "kept"), [("cut", ["a", "good"]), ("cut_start", ["bad", "film"])])
def test_of_a_text_that_is_too_long_only_the_part_that_is_read_is_shown(
    long: str, kept: list[str]
) -> None:
    found = word_contributions(pipeline(max_length=2, long=long), "a good bad film")

    assert found.words == kept
    assert len(found.values) == 2


def test_what_cannot_be_judged_is_refused() -> None:
    encoder = pipeline().before
    assert isinstance(encoder, TextEncoder)
    three = nn.Sequential(words=nn.Embedding(9, 3, rng=0), sum=nn.Sum(axis=1))
    table = ModelBundle(Scaler.fit({"x": [1.0, 2.0]}), nn.Linear(1, 2, rng=0))

    with pytest.raises(ValueError, match="two classes; got 3"):
        word_contributions(ModelBundle(encoder, three), "good")
    with pytest.raises(ValueError, match="begin with a TextEncoder; got Scaler"):
        word_contributions(table, "good")
    with pytest.raises(ValueError, match="at least one word"):
        word_contributions(pipeline(), " , ")
    with pytest.raises(ValueError, match="at least one word; got none"):
        word_contributions(pipeline(empty="unknown"), " , ")


def test_the_reader_types_a_text_and_errors_come_back_to_the_reader() -> None:
    widget = WordContributions(pipeline(), "a good film")
    sent: list[Any] = []
    widget.send = lambda content, buffers=None: sent.append(content)

    widget._on_message(None, {"type": "judge", "text": "A bad, bad film"}, [])
    assert widget.words == ["a", "bad", "bad", "film"]
    assert widget.text == "A bad, bad film"
    assert "bad (99.7 %)" in widget.summary
    assert "for bad: bad -3.00, bad -3.00" in widget.summary

    widget._on_message(None, {"type": "dance"}, [])
    assert [reply["ok"] for reply in sent] == [True, False]
    assert "no command 'dance'" in sent[1]["text"]


def test_a_text_without_words_takes_the_old_verdict_away() -> None:
    widget = WordContributions(pipeline(), "a good film")
    widget.judge(" -- <br />")

    assert (widget.words, widget.values, widget.known) == ([], [], [])
    assert widget.notice == "There is nothing to read yet: type some words."
    assert widget.summary == f"no verdict: {widget.notice}"
    assert widget.picture().text == widget.summary
    widget.judge("a bad film")
    assert (widget.words, widget.notice) == (["a", "bad", "film"], "")


def test_words_that_nobody_knows_get_no_verdict() -> None:
    widget = WordContributions(pipeline(), "zyxwv qqq")

    assert widget.known == [False, False]
    assert widget.summary.startswith("no verdict: None of these words is in the vocabulary.")
    widget.judge("zyxwv qqq good")
    assert widget.notice == "2 of 3 words are not in the vocabulary; the others decide."
    assert widget.summary.startswith("good (88.1 %)")


def test_the_saved_picture_and_the_page_tell_the_words() -> None:
    widget = WordContributions(pipeline(), "a good film")
    data, _ = widget._repr_mimebundle_()

    assert "for good: good +2.00, a +0.25; for bad: nothing" in data["text/plain"]
    assert data["image/png"]
    page = widget.to_html()
    assert '"words": ["a", "good", "film"]' in page
    assert "http://" not in page.replace("http://www.w3.org/", "")


def test_the_view_counts_as_the_kernel_does(tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed: the JavaScript unit tests cannot run")
    (tmp_path / "contributions.mjs").write_text(bundle("contributions.js"), encoding="utf-8")
    code = """
import { foot, signed, strongest, verdict, without } from "./contributions.mjs";
console.log(without(0.5, 0), without(1 / (1 + Math.exp(-2)), 2).toFixed(6), without(1, 3) < 1);
console.log(foot(1.25, 2), foot(-12.4, 20), signed(-0.126));
console.log(`[${foot(0.01, 2)}] [${foot(-0.03, 0.5)}] [${foot(0.9, 20)}]`);
const names = ["bad", "good"];
console.log(verdict(names, 0.2, [true, false]), "/", verdict(names, 0.2, [false, false]));
console.log(strongest([1, -2, 3, 1e-7], 1).join(), strongest([1, -2, 3, 0], -1).join());
"""
    (tmp_path / "test.mjs").write_text(code, encoding="utf-8")
    result = subprocess.run(
        [node, str(tmp_path / "test.mjs")], capture_output=True, text=True, timeout=60, check=True
    )

    assert result.stdout.splitlines() == [
        "0.5 0.500000 true",
        "+1.3 −12 −0.13",
        "[] [] []",
        "bad, 80.0 % / no verdict",
        "2,0 1",
    ]
