# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Sentiment of film reviews
#
# Did they like the film?
# Networks on Spark read 10,662 sentences and 50,000 whole reviews, beside a simple model that is hard to beat.
# In the end you type a review of your own and see which words decided.
#
# **You will learn**
# - how texts become numbers: tokens, a vocabulary, batches of about the same length,
# - what a convolution over words sees, and how a recurrent network reads,
# - why a simple model belongs beside every network, and how to compare them honestly,
# - how to save tokenizer, vocabulary and network together,
# - how to ask a network which words decided.
#
# **It takes** four minutes of computing and 3 GB of memory on two cores (a Xeon with AVX-512; older ones: twice that).
# No network is needed.
# Words that are not explained here stand in the [glossary](00_start.ipynb).

# %% [markdown]
# ## Setup
# Run the cells from top to bottom with **Shift + Enter**.

# %%
import os
import tempfile

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from sandbox.lib import criterion, data, nn, optim
from sandbox.lib.spark import SparkBackend, spark_session
from sandbox.lib.train import ModelBundle, Trainer
from sandbox.widgets import TrainingCurves, ValueExplorer, track, working
from sandbox.widgets.contributions import WordContributions, word_contributions

# %% [markdown]
# Sentences are few, so what is said about them is done three times, with three seeds: other first weights, another order.
# Spark starts here, too.

# %% jupyter={"source_hidden": true}
FAST = os.environ.get("FAST") == "1"  # the tests set it: everything becomes short
SEEDS = (0,) if FAST else (0, 1, 2)
epochs = 1 if FAST else 4
most_epochs, most_reviews = (1, 1500) if FAST else (99, None)
with working("starting Spark"):
    spark = spark_session("local[3]")

# %% [markdown]
# ## 1. Sentences
# **rt-polarity** (Pang and Lee 2005) holds 5,331 bad and 5,331 good sentences out of film reviews.
# The split is fixed: of every ten lines seven are for training, one for choices (validation), two for the test.
#
# The next cell says **where the data came from**.
# Without the files a generator takes their place.
# On its sentences everything below works, but the figures say nothing about real reviews.

# %%
train, choose, test = (data.reviews.rt_polarity(part) for part in ("train", "validation", "test"))
stand_in = train.provenance.kind != "real"
print(train.provenance.describe())
if stand_in:
    print("\n*** NOT REAL REVIEWS: made-up sentences (after Lin and He 2009) are used. ***")
    print("*** Set SANDBOX_DATA to the real files. ***")
for text, label in zip(train.texts[:4], train.labels, strict=False):
    print(("bad ", "good")[label], text[:90])

# %% [markdown]
# ## 2. Tokens
# A network reads numbers.
# First a text is cut into **tokens**, by rules: lower case, words with their apostrophes, numbers, and of the signs only `!`, `?` and `...`.
#
# **Try it:** guess what becomes of this line; then write one of your own, with a smiley and a web address.

# %% tags=["keep_output", "nbval-check-output"]
tokenizer = data.Tokenizer()
print(tokenizer("It isn't <br />a 2.5-hour film ... it's LONGER!"))

# %% [markdown]
# ## 3. A vocabulary
# Every word gets a number, the frequent ones first.
# Two numbers are taken: 0 fills up short texts, 1 stands for any word that is not in the vocabulary.
# It is made from training texts only: at work, too, words will come that were never seen.

# %% tags=["keep_output", "nbval-check-output"]
small = data.TextEncoder.build(["A good film.", "A bad film!"])
print(small.vocabulary.words)
print(small.encode(["A good, daft film"])[0])

# %% [markdown]
# Now the real one.
# Words that come once in the training part only are left out: nothing can be learned from them.
#
# **Try it:** ask for more, or for fewer.
# What becomes of the words that are unknown in the validation part?


# %%
def vocabulary(least):
    """Make a vocabulary of the words that come this often, and see how much it misses."""
    made = data.TextEncoder.build(train.texts, min_count=least)
    ids = np.concatenate(made.encode(choose.texts))
    return f"{made.vocabulary}; unknown in the validation part: {100 * np.mean(ids == 1):.1f} %"


encoder = data.TextEncoder.build(train.texts, min_count=2)
ValueExplorer(vocabulary, [1, 2, 5, 10, 50, 500], "a word must come so often", start=2)

# %% [markdown]
# ## 4. Batches of about the same length
# A batch is a table, and short rows are filled up with 0.
# Mixed at random, a batch is as long as its longest text, and much of the work is for nothing.
# `SequenceDataset` puts texts of about the same length together (which ones is drawn anew in each epoch).
#
# **Try it:** guess how much of the places is padding; then change the size of a batch.

# %%
rows = data.SequenceDataset.of_texts(train.texts, train.labels, encoder)


def padding(batch_size):
    """Tell the shapes of some batches, and how many of their places are filled up."""
    order = rows.order(batch_size, seed=0)
    shapes = [rows.batch(order.batch(1, k))[0].shape for k in range(order.steps_per_epoch)]
    share = 1 - rows.lengths.sum() / sum(n * t for n, t in shapes)
    return f"padding: {100 * share:.0f} % of the places; the first batches: {shapes[:4]}"


ValueExplorer(padding, [1, 16, 64, 256, len(rows.y)], "texts in a batch", start=64)

# %% [markdown]
# ## 5. A simple model first
# **TF-IDF** counts how often each word comes in a text, and weighs rare words more.
# **Logistic regression** is one weighted sum of these counts.
# No order of words, no network, a second of work: what a network must be compared with.
# (`track` and `working` show how far it is: with whole reviews it takes longer.)


# %%
def baseline(known, asked):
    """Return the accuracy of TF-IDF and logistic regression in per cent, and its weights."""
    words = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
    counts = words.fit_transform(track(known.texts, "counting words"))
    with working("weighing the words"):
        model = LogisticRegression(C=4, max_iter=300).fit(counts, known.labels)
    named = dict(zip(words.get_feature_names_out(), model.coef_[0], strict=True))
    exam = words.transform(track(asked.texts, "counting words, test"))
    return 100 * model.score(exam, asked.labels), named


# %% [markdown]
# It learns from the training part and is asked about the validation part; then from both, and about the test part.

# %%
both = data.reviews.rt_polarity("train+validation")
simple, worth = {}, {}
simple["validation"], worth["validation"] = baseline(train, choose)
simple["rt-polarity"], worth["rt-polarity"] = baseline(both, test)
print(f"TF-IDF, validation part: {simple['validation']:.1f}")
print(f"TF-IDF and logistic regression, rt-polarity: {simple['rt-polarity']:.1f}")

# %% [markdown]
# **Try it:** guess five words that speak for a good film and five for a bad one.
# Here are the simple model's; move the slider further down its list.


# %%
def heaviest(count):
    """Tell the words and pairs with the largest weights on both sides."""
    order = sorted(worth["validation"], key=worth["validation"].get)
    return f"bad:  {', '.join(order[:count])}\ngood: {', '.join(order[: -count - 1 : -1])}"


ValueExplorer(heaviest, [5, 10, 20, 40], "words on each side")

# %% [markdown]
# ## 6. A convolution over words
# An **embedding** gives each word a vector; words that do the same get similar ones by training.
# A **filter** looks at three words that follow each other and answers loudly where it finds what it looks for ("not very funny").
# **Max over time** keeps its loudest answer, wherever in the text it was: that is a text CNN (Kim 2014).
# Beside it stands the plain mean of all words: single words count, too.
# **Dropout** hides some of it in each step, so that nothing rests on a single word.


# %%
def build(size, seed, features=128, filters=128):
    """Return a text CNN beside a mean of the words."""
    rng = np.random.default_rng(seed)
    words = {"padding_index": 0, "with_lengths": True, "rng": rng}
    cnn = nn.Sequential(words=nn.Embedding(size, features, padding_index=0, rng=rng),
                        hide=nn.Dropout(0.3), turn=nn.Transpose((0, 2, 1)),
                        conv=nn.Conv1d(features, filters, 3, rng=rng), relu=nn.ReLU(),
                        loudest=nn.GlobalMaxOverTime(axis=2))
    bag = nn.Sequential(words=nn.Embedding(size, features, **words), mean=nn.GlobalMeanOverTime())
    ids = nn.Input("ids")
    both = nn.Dropout(0.5)(nn.Concat()(cnn(ids), bag(ids)))
    return nn.Graph(ids, nn.Linear(filters + features, 2, rng=rng)(both))


# %% [markdown]
# A trainer puts it together, as in lesson 02: Spark starts two **ranks** (processes that train together), each computes half of every batch.
# **Label smoothing** asks for 95 % instead of certainty, for some sentences are hard to tell for people, too.


# %%
def trainer_of(model, seed, rate=2e-3):
    """Return a trainer on Spark."""
    optimizer = optim.AdamW(rate, weight_decay=0.01, schedule=optim.OneCycle())
    return Trainer(model, criterion.CrossEntropy(label_smoothing=0.1), optimizer, batch_size=64,
                   seed=seed, backend=SparkBackend(spark))


# %% [markdown]
# ## 7. Training on Spark
# First on the training part, with curves; the dots are measured on the validation part.
# Watch them part: the sentences learned from are known by heart soon, the others are not.
#
# **Try it:** pause, go on; lower the learning rate on the way. Guess where the dots will end: above the simple model's figure, or below?

# %%
size = len(encoder.vocabulary)
trial = trainer_of(build(size, SEEDS[0]), SEEDS[0])
curves = TrainingCurves(trial, unit="texts")
asked = data.SequenceDataset.of_texts(choose.texts, choose.labels, encoder)
trial.fit(rows, epochs=epochs, validation=asked, background=True)
curves

# %% [markdown]
# This cell waits for the end.

# %%
history = trial.wait()
print(curves.summary)
print(f"training: {history['seconds'].sum():.1f} s for {epochs} epochs")
right = 100 * history.last_validation["top1"]
print(f"validation part, text CNN minus TF-IDF: {right - simple['validation']:.1f}")

# %% [markdown]
# On the real sentences it stays about three points behind TF-IDF here: 7,464 sentences are few to learn a language from.
# What has TF-IDF that our network has not?
# It counts **pairs** of words ("too long", "not funny"), and a word that comes seldom does no harm there: it starts with weight 0.
#
# ## 8. Words and pairs
# So here is a second network: each word and each pair gets a vector, all of them 0 in the beginning, and a text is their mean (after Joulin et al. 2016).
# That is a small step from logistic regression, and no filter is left.


# %%
def with_pairs(text):
    """Return the words of a text and the pairs that follow each other."""
    words = data.Tokenizer(punctuation="!?.,")(text)
    return words + [f"{words[k]}_{words[k + 1]}" for k in range(len(words) - 1)]


def mean_of_words(size, seed):
    """Return a network that judges by the mean of all vectors."""
    rng = np.random.default_rng(seed)
    words = nn.Embedding(size, 64, padding_index=0, with_lengths=True, weight_init="zeros")
    return nn.Sequential(words=words, mean=nn.GlobalMeanOverTime(), dropout=nn.Dropout(0.5),
                         out=nn.Linear(64, 2, rng=rng))


# %% [markdown]
# All choices (dropout, epochs, rates, what stands beside what) were made on validation parts, cut from the training parts.
# Now they are fixed: three networks of each kind learn from training and validation part together, and **the test part is looked at here**.

# %%
pairs = data.Vocabulary.build(map(with_pairs, both.texts), min_count=2)
kinds = {"text CNN": (encoder.encode, size, build, 2e-3, 4),
         "words and pairs": (lambda texts: [pairs.ids(with_pairs(t)) for t in texts],
                             len(pairs), mean_of_words, 4e-3, 5)}
found = {name: [] for name in kinds}
for name, (encode, ids, make, rate, passes) in kinds.items():
    learned, exam = (data.SequenceDataset(encode(r.texts), r.labels, ids=ids) for r in (both, test))
    for seed in SEEDS:
        one = trainer_of(make(ids, seed), seed, rate)
        one.fit(learned, epochs=min(passes, most_epochs))
        found[name].append(100 * one.evaluate(exam)["top1"])

# %% [markdown]
# Who wins?
# With 2,132 test sentences one point is chance: differences below that say nothing.

# %%
print(f"rt-polarity, TF-IDF: {simple['rt-polarity']:.2f}")
for name, values in found.items():
    print(f"rt-polarity, {name}: {np.mean(values):.2f}")
    print(f"  each seed: {', '.join(f'{value:.1f}' for value in values)}")
for name, values in found.items():
    print(f"rt-polarity, {name} minus TF-IDF: {np.mean(values) - simple['rt-polarity']:.2f}")

# %% [markdown]
# On the real sentences nobody wins: the text CNN comes out half a point above TF-IDF, words and pairs half a point below.
# On the validation part it was the other way round: there the CNN was three points below, and words and pairs a little above.
# So much is chance with a thousand sentences, whatever the seeds; who chose by this test would fool himself.
# For few short texts take the simple model, which needs a second.
#
# ## 9. Whole reviews
# **IMDB** (Maas et al. 2011): 25,000 reviews to learn from, 25,000 for the test, 230 words each on average, the longest 2,500.
# Of the very long ones only the last 1,000 words are kept: people sum up at the end.
#
# **Guess:** who wins here, with so much more to learn from?


# %%
def some(reviews, count):
    """Return a few of the reviews if this run is to be short."""
    chosen = np.random.default_rng(0).permutation(len(reviews.texts))[:count]
    return reviews._replace(texts=[reviews.texts[k] for k in chosen], labels=reviews.labels[chosen])


reviews, later = (some(data.reviews.imdb(part), most_reviews) for part in ("train", "test"))
print(reviews.provenance.describe())
imdb = data.TextEncoder.build(track(reviews.texts, "making the vocabulary"),
                              max_size=30_000, max_length=1000, long="cut_start")
simple["IMDB"], worth["IMDB"] = baseline(reviews, later)
print(f"TF-IDF and logistic regression, IMDB: {simple['IMDB']:.1f}")

# %% jupyter={"source_hidden": true}
rounds = 1 if FAST else 12 if stand_in else 3  # the stand-in has few reviews

# %% [markdown]
# The text CNN of section 6, with a larger vocabulary; the last twentieth of the training part is kept for the dots.

# %%
codes = imdb.encode(track(reviews.texts, "words to numbers"))
cut, words = len(codes) * 19 // 20, len(imdb.vocabulary)
part = data.SequenceDataset(codes[:cut], reviews.labels[:cut], ids=words)
kept = data.SequenceDataset(codes[cut:], reviews.labels[cut:], ids=words)
reader = trainer_of(build(words, 0), 0)
watch = TrainingCurves(reader, unit="texts")
reader.fit(part, epochs=rounds, validation=kept, background=True)
watch

# %% [markdown]
# Meanwhile: each rank (one of Spark's two processes) reads half of every batch, and in each step the ranks add up their gradients.
# The network is the same on all of them at any time.
#
# **Try it:** you are a network, too. Good or bad?
# The answers stand at the end of the slider.


# %%
def asked_of_you(place):
    """Show the end of a review without its label; at the last place all labels."""
    if place == "answers":
        return ", ".join(f"{k + 1}: {('bad', 'good')[later.labels[k * 97]]}" for k in range(8))
    return "... " + later.texts[(place - 1) * 97][-600:].replace("<br />", " ")


ValueExplorer(asked_of_you, [*range(1, 9), "answers"], "review")

# %% [markdown]
# And the network, on 25,000 reviews it has not seen?


# %%
def accuracy(trainer, rows):
    """Return the accuracy in per cent."""
    with working("reading the test"):
        return 100 * trainer.evaluate(rows)["top1"]


reader.wait()
later_codes = imdb.encode(track(later.texts, "words to numbers"))
last = data.SequenceDataset(later_codes, later.labels, ids=words)
print(f"IMDB, network: {accuracy(reader, last):.2f}")
print(f"IMDB, TF-IDF: {simple['IMDB']:.2f}")

# %% [markdown]
# On the real reviews TF-IDF wins: it reads pairs of words, and 25,000 texts are enough for it.
# Nobody is perfect: while this lesson was written its authors saw a test figure, too (of a network that read fewer words), and kept more words after that.
#
# ## 10. Reading word by word
# A **recurrent network** reads as we do: word after word, with a state that remembers.
# A **GRU** has gates that decide what to keep and what to forget.
# It must go one step after the other, so it takes longer for the same text; it gets the last 200 words only.

# %%
gru = trainer_of(nn.zoo.gru_sentiment(words, 2, 0), 0)
short = [[row[-200:] for row in rows] for rows in (codes, later_codes)]
gru.fit(data.SequenceDataset(short[0], reviews.labels, ids=words), epochs=rounds)
ends = data.SequenceDataset(short[1], later.labels, ids=words)
print(f"IMDB, GRU on 200 words: {accuracy(gru, ends):.2f}")
for name, one in (("CNN", reader), ("GRU", gru)):
    print(f"{name}, seconds for an epoch: {one.history['seconds'].sum() / rounds:.0f}")

# %% [markdown]
# ## 11. Save what belongs together
# A network without its vocabulary is worth nothing: word 17 would be another word.
# A **bundle** keeps tokenizer, vocabulary, network and the names of the classes in one folder, as plain files.

# %%
bundle = ModelBundle(imdb, reader.model, labels=["bad", "good"])
folder = bundle.save(tempfile.mkdtemp(prefix="reviews-"))
print(sorted(os.listdir(folder)))
again = ModelBundle.load(folder)
before, after = (one.probabilities(later.texts[:100]) for one in (bundle, again))
print("same probabilities:", np.allclose(before, after, atol=1e-5))

# %% [markdown]
# Read back it takes plain texts.
#
# **Guess** first: what will it say of the last four? Then put in lines of your own.

# %%
lines = ("I loved every minute of it!", "What a waste of time.", "Not bad at all.",
         "a good film", "not a good film", "not good", "zyxwv qqq xxyz")
for text, share in zip(lines, again.probabilities(list(lines))[:, 1], strict=True):
    print(f"{text}: {100 * share:.1f} % good")

# %% [markdown]
# On the real reviews it calls "not a good film" good (with 83 %), and "Not bad at all" bad without a doubt.
# It has read whole reviews of some 230 words, and counts what speaks for either side; in three or four words one "good" outweighs a "not", which in long reviews stands as often in praise ("not only funny") as in blame.
# And it is quite sure about words that do not exist: to it they are all the same one, *unknown*, and it must say something.
# Whoever puts a model to work looks for such texts, keeps them as tests, and refuses to judge where too little is known.
# **A probability of a network is not a promise.**

# %% [markdown]
# ## 12. Which words decided?
# A word is left out, the network reads the rest, and the difference is the word's share (*leave-one-out*).
# Differences of probabilities would mislead: from 50 to 60 % is a small step, from 90 to 100 % an infinite one.
# So **log-odds** are compared: the logarithm of *probability / (1 − probability)*.
# 0 stands for 50 %, and each unit multiplies the odds by 2.7, wherever one stands.

# %% tags=["keep_output", "nbval-check-output"]
for odds in (-4, -2, -1, 0, 1, 2, 4):
    print(f"log-odds {odds:2} is a probability of {100 / (1 + np.exp(-odds)):4.1f} %")

# %% [markdown]
# **Try it:** type a review of your own, as long as you like.
# Orange speaks for *good*, blue for *bad*; the arrow keys go from word to word.
# Try `not`: "not a good film" and "a good film".
# Then words that nobody knows: here the view refuses to judge.

# %%
review = "The story is slow and the ending is a mess, but the actors are wonderful and I liked it."
WordContributions(again, review)

# %% [markdown]
# The same as figures, in log-odds.
# Such figures describe what *this network* does, no more: a name may count as good because a good film had it.

# %%
told = word_contributions(again, "A boring film with a great cast.")
for word, value in zip(told.words, told.values, strict=True):
    print(f"{word:8} {value:+.2f}")

# %% [markdown]
# ## 13. What if there is nothing to read?
# An empty text is refused, with its row, instead of being judged.

# %%
try:
    again.predict(["fine", " -- <br />"])
except ValueError as error:
    print(str(error)[:200])

# %% [markdown]
# ## Summary
# - Tokens, a vocabulary from the training part, batches of about the same length: so texts become tables of numbers.
# - A text CNN listens for a few words in a row, a recurrent network reads them one by one.
# - Compare with a simple model, choose on a validation part, look at the test part once.
# - Tokenizer, vocabulary and network are saved together.
# - Leaving words out tells which ones decided.
# - A network answers to anything, also to "not a good film" and to nonsense: look for where it is wrong.

# %% [markdown]
# ## Exercises
# A cell for each; names from above can be used.

# %% [markdown]
# **1.** Take the mean away and keep the convolution; then the other way round. What is each of them worth on the validation part of rt-polarity?

# %% tags=["exercise"]
# nn.Sequential(words=..., turn=..., conv=..., relu=..., loudest=..., out=nn.Linear(128, 2, rng=0))

# %% [markdown]
# **2.** Keep the first words of a review instead of the last. Do people sum up at the end?

# %% tags=["exercise"]
# data.TextEncoder.build(reviews.texts, max_size=20_000, max_length=100, long="cut")

# %% [markdown]
# **3.** Ask the network of IMDB about rt-polarity. And does TF-IDF read sentences better if it learned from some reviews, too?

# %% tags=["exercise"]
# again.probabilities(choose.texts)[:, 1]

# %% [markdown]
# **4.** Replace the GRU by an LSTM, or let it read in both directions.

# %% tags=["exercise"]
# nn.zoo.lstm_sentiment(words, 2, 0, bidirectional=True)

# %% [markdown]
# **5.** Find a review that fools the network. Which words fooled it?

# %% tags=["exercise"]
# WordContributions(again, "...")

# %% [markdown]
# Answers: [solutions/03_sentiment.ipynb](solutions/03_sentiment.ipynb).
# Next: [04_fraud](04_fraud.ipynb), where mistakes cost money.
