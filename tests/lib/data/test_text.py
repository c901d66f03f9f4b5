"""Tokens, vocabulary, encoder: the rules word by word, files and back, bad texts named."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.lib.core.errors import ArgumentError, DataError
from sandbox.lib.data import TextEncoder, Tokenizer, Vocabulary, pad
from sandbox.lib.data.text.vocabulary import check_ids

TEXTS = ["A good film, isn't it?", "a bad film !", "the film"]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Great!<br /><br />Loved it...", "great ! loved it ..."),
        ("isn't the century's 'best'", "isn't the century's best"),
        ("isn’t “this” good…", "isn't this good ..."),
        ("jean-claud van damme , 7/10 or 2.5 stars", "jean claud van damme 7 10 or 2.5 stars"),
        ("fish &amp; chips &lt;3", "fish chips 3"),
        ("Amélie costs €8 ﬁne", "amélie costs 8 fine"),
        ("a < b and c > d", "a b and c d"),
        ("<a href='x'>link</a> text", "link text"),
        ("under_score x9", "under score x 9"),
        ("東京 物語", "東京 物語"),
        (" \t\n", ""),
        ("", ""),
        ("....", "..."),
        ("--- *** ,;", ""),
    ],
)
def test_tokens_follow_the_rules(text, tokens):
    assert tokens.split() == Tokenizer()(text)


def test_case_and_signs_are_options():
    assert Tokenizer(lower=False, punctuation="")("Oh NO! It... ends.") == [
        *("Oh", "NO", "It", "ends")
    ]
    assert Tokenizer(punctuation=".,")("a, b.") == ["a", ",", "b", "."]


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=80))
def test_any_text_gives_tokens_without_spaces_and_the_same_twice(text):
    tokenizer = pickle.loads(pickle.dumps(Tokenizer()))
    tokens = tokenizer(text)
    assert tokens == Tokenizer()(text)
    assert all(token and not any(c.isspace() for c in token) for token in tokens)


def test_vocabulary_counts_sorts_and_cuts():
    rows = [["b", "a", "c"], ["b", "a", "d"], ["b"]]
    assert Vocabulary.build(rows).words == ("b", "a", "c", "d")
    assert Vocabulary.build(rows, min_count=2).words == ("b", "a")
    assert Vocabulary.build(rows, max_size=5).words == ("b", "a", "c")
    small = Vocabulary.build(iter(rows), min_count=2, max_size=3)
    assert (small.words, len(small), "b" in small, "a" in small) == (("b",), 3, True, False)
    assert small.ids(["b", "a", "<unk>", "<pad>"]).tolist() == [2, 1, 1, 1]
    assert small.tokens([2, 1, 0]) == ["b", "<unk>", "<pad>"]


@settings(max_examples=50, deadline=None)
@given(words=st.lists(st.text(min_size=1, max_size=6), unique=True, max_size=20))
def test_vocabulary_comes_back_from_its_file(words, tmp_path_factory):
    words = [w for w in words if w not in ("<pad>", "<unk>") and w.isprintable()]
    path = tmp_path_factory.mktemp("v") / "vocabulary.json"
    vocabulary = Vocabulary(words)
    vocabulary.save(path)
    assert vocabulary == Vocabulary.load(path)
    assert json.loads(path.read_text(encoding="utf-8"))["words"] == list(words)


def test_encoder_comes_back_from_its_folder(tmp_path):
    encoder = TextEncoder.build(
        TEXTS, Tokenizer(punctuation="?"), min_count=2, max_length=3, long="cut_start"
    )
    encoder.save(tmp_path / "encoder")
    again = TextEncoder.load(tmp_path / "encoder")
    assert encoder.config() == again.config()
    assert encoder.vocabulary == again.vocabulary
    for a, b in zip(encoder.encode(TEXTS), again.encode(TEXTS), strict=True):
        np.testing.assert_array_equal(a, b)
    assert [file.name for file in sorted((tmp_path / "encoder").iterdir())] == [
        *("encoder.json", "vocabulary.json")
    ]


def test_long_texts_are_cut_where_asked():
    words = "one two three four"
    front = TextEncoder.build([words], max_length=2, long="cut")
    back = TextEncoder.build([words], max_length=2, long="cut_start")
    assert front.vocabulary.tokens(front.encode([words])[0]) == ["one", "two"]
    assert back.vocabulary.tokens(back.encode([words])[0]) == ["three", "four"]


def test_padding_fills_with_zeros():
    encoder = TextEncoder.build(TEXTS)
    ids, lengths = encoder.padded(TEXTS)
    assert ids.dtype == np.int32
    assert lengths.tolist() == [6, 4, 2]
    for row, n in zip(ids, lengths, strict=True):
        assert (row[:n] > 1).all()
        assert not row[n:].any()
    assert encoder.padded(["film"], length=5)[0].shape == (1, 5)
    assert pad([])[0].shape == (0, 0)


def build(**options):
    return TextEncoder.build(TEXTS, **options)


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (
            lambda: build().encode(["good", " ,.; "]),
            r"row 1 must have at least one word; got ' ,.; '",
        ),
        (
            lambda: build().encode(["good", None]),
            "row 1: Tokenizer: a text must be a str; got None",
        ),
        (lambda: build().encode(["good", 3.5]), "got 3.5 of type float"),
        (lambda: build().encode("good"), "a list of texts; got the single text 'good'"),
        (
            lambda: build(unknown="error").encode(["good", "a goood film"]),
            "row 1: words must be in the vocabulary of 11; got 'goood'.*unknown='keep'",
        ),
        (
            lambda: build(max_length=2).encode(["a", "a good film"]),
            "row 1 must have at most 2 words; got 3. Use long='cut'",
        ),
        (lambda: build().vocabulary.tokens([2, 99]), r"ids must be in \[0, 11\); got 99 in row 1"),
        (lambda: build().vocabulary.tokens([-1]), r"got -1 in row 0"),
        (lambda: build().vocabulary.tokens([0.5]), "ids must be integers; got dtype float64"),
        (
            lambda: check_ids(np.array([[1, 2], [3, 40]]), 9, "Embedding"),
            "Embedding: ids must be .* got 40 in row 1, position 1",
        ),
        (lambda: Vocabulary.build([["a"]], min_count=2), "at least one word must come 2 times"),
        (lambda: Vocabulary.build(["a text"]), "row 0 must be a list of tokens; got the text"),
        (lambda: Vocabulary(["a", "b", "a"]), "got 'a' twice at place 2"),
        (lambda: Vocabulary(["a", ""]), "got '' as no word at place 1"),
        (lambda: pad([[1], [2, 3, 4]], length=2), "at most 2 elements; got 3 in row 1"),
    ],
)
def test_bad_texts_and_ids_are_named(act, message):
    with pytest.raises(DataError, match=message):
        act()


def test_empty_texts_may_become_one_unknown_word():
    assert build(empty="unknown").encode([""])[0].tolist() == [1]


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: Tokenizer(punctuation="a!"), "`punctuation` must be signs"),
        (lambda: build(long="trim"), "`long` must be one of 'cut'"),
        (lambda: build(max_length=0), "`max_length` must be an int > 0"),
        (lambda: Vocabulary.build([["a"]], max_size=2), "`max_size` must be an int > 2"),
    ],
)
def test_arguments_out_of_range_are_named(act, message):
    with pytest.raises((ArgumentError, DataError), match=message):
        act()


@pytest.mark.parametrize("text", ["", "[]", '{"words": 3}', '{"format": "vocabulary 1"}'])
def test_files_that_are_no_vocabulary_are_named(tmp_path, text):
    path = tmp_path / "vocabulary.json"
    path.write_text(text)
    with pytest.raises(DataError, match=r"vocabulary\.json: must be a vocabulary file"):
        Vocabulary.load(path)
    with pytest.raises(DataError, match=r"encoder\.json: must be a text encoder's settings"):
        TextEncoder.load(tmp_path)


def test_a_folder_where_a_file_is_to_be_written_is_named(tmp_path):
    (tmp_path / "words.json").mkdir()
    with pytest.raises(DataError, match=r"words\.json: must be a file one can write; got Is a dir"):
        build().vocabulary.save(tmp_path / "words.json")
    assert [path.name for path in tmp_path.iterdir()] == ["words.json"]
