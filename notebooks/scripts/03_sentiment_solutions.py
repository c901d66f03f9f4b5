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
# # Sentiment of film reviews: solutions
#
# Answers to the exercises of [03_sentiment](../03_sentiment.ipynb).
# Yours may differ and be better.
# It takes about five minutes on two cores; training runs in this process, without Spark (one argument differs).

# %% [markdown]
# ## Setup
# The data, and a function that trains a network and gives its accuracy on rows it has not learned from.

# %%
import os

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from sandbox.lib import data, nn, optim
from sandbox.lib.criterion import CrossEntropy
from sandbox.lib.train import ModelBundle, Trainer
from sandbox.widgets import track, working
from sandbox.widgets.contributions import WordContributions, word_contributions

# %%
FAST = os.environ.get("FAST") == "1"
train, choose = (data.reviews.rt_polarity(part) for part in ("train", "validation"))
print(train.provenance.describe())
encoder = data.TextEncoder.build(train.texts, min_count=2)
size = len(encoder.vocabulary)
each = 8 if FAST else 1
learn = data.SequenceDataset.of_texts(train.texts[::each], train.labels[::each], encoder)
ask = data.SequenceDataset.of_texts(choose.texts, choose.labels, encoder)


# %%
def accuracy(model, learn, ask, epochs=4):
    """Train on some rows and return the accuracy on others, in per cent."""
    optimizer = optim.AdamW(2e-3, weight_decay=0.01, schedule=optim.OneCycle())
    loss = CrossEntropy(label_smoothing=0.1)
    trainer = Trainer(model, loss, optimizer, batch_size=64, progress=None)
    with working("training"):
        trainer.fit(learn, epochs=1 if FAST else epochs)
    return 100 * trainer.evaluate(ask)["top1"]

# %% [markdown]
# ## 1. Convolution or mean
# Alone the two are about equal on these short sentences, and a point is chance here: 1,066 sentences are few.


# %%
def parts(seed):
    """Return the two halves of the network, each with words of its own."""
    rng = np.random.default_rng(seed)
    cnn = nn.Sequential(words=nn.Embedding(size, 128, padding_index=0, rng=rng),
                        hide=nn.Dropout(0.3),
                        turn=nn.Transpose((0, 2, 1)), conv=nn.Conv1d(128, 128, 3, rng=rng),
                        relu=nn.ReLU(), loudest=nn.GlobalMaxOverTime(axis=2))
    bag = nn.Sequential(words=nn.Embedding(size, 128, padding_index=0, with_lengths=True, rng=rng),
                        mean=nn.GlobalMeanOverTime())
    return {"convolution": cnn, "mean": bag}


# %%
for name, half in parts(0).items():
    model = half.append(nn.Dropout(0.5), "drop").append(nn.Linear(128, 2, rng=0), "out")
    print(f"{name}: {accuracy(model, learn, ask):.1f}")

# %% [markdown]
# ## 2. First words or last words
# The last words tell more: people sum up at the end.
# (Only a part of the reviews and the last or first 100 words, so that it is quick.)

# %%
reviews = data.reviews.imdb("train")
chosen = np.random.default_rng(0).permutation(len(reviews.texts))[: 1000 if FAST else 10_000]
texts, labels = [reviews.texts[k] for k in chosen], reviews.labels[chosen]
cut = len(texts) * 8 // 10
for long in ("cut", "cut_start"):
    coder = data.TextEncoder.build(track(texts[:cut], "making the vocabulary"),
                                   max_size=20_000, max_length=100, long=long)
    learned, asked = (data.SequenceDataset.of_texts(texts[a:b], labels[a:b], coder)
                      for a, b in ((0, cut), (cut, None)))
    model = nn.zoo.text_cnn(len(coder.vocabulary), 2, 0, widths=(3,))
    right = accuracy(model, learned, asked, 3)
    print(f"{'first' if long == 'cut' else 'last'} 100 words: {right:.1f}")

# %% [markdown]
# ## 3. From IMDB to rt-polarity
# The network does better than guessing, and worse than at home: sentences of critics are short and use other words than reviews of viewers.
# TF-IDF may gain from the reviews, if they are not left to outvote the sentences.
# (`model` and `coder` are the last ones above.)

# %%
moved = ModelBundle(coder, model, labels=["bad", "good"])
right = moved.probabilities(choose.texts).argmax(axis=1) == choose.labels
print(f"the network of IMDB: {100 * right.mean():.1f}")
weights = np.r_[np.ones(len(train.texts)), np.full(len(texts), 0.5)]
for name, count in (("sentences", len(train.texts)), ("sentences and reviews", None)):
    table = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
    x = table.fit_transform(track([*train.texts, *texts][:count], "counting words"))
    line = LogisticRegression(C=4, max_iter=300)
    with working("weighing the words"):
        line.fit(x, np.r_[train.labels, labels][:count], weights[:count])
    right = line.score(table.transform(choose.texts), choose.labels)
    print(f"TF-IDF from {name}: {100 * right:.1f}")

# %% [markdown]
# ## 4. LSTM, and both directions
# On sentences of 20 words it makes little difference.

# %%
for name, reader in {
    "GRU": nn.zoo.gru_sentiment(size, 2, 0),
    "LSTM": nn.zoo.lstm_sentiment(size, 2, 0),
    "LSTM, both directions": nn.zoo.lstm_sentiment(size, 2, 0, bidirectional=True),
}.items():
    print(f"{name}: {accuracy(reader, learn, ask, 3):.1f}")

# %% [markdown]
# ## 5. A review that fools the network
# Praise for what the film is not, irony, a comparison with a better film: the words are good, the verdict is not.

# %%
irony = "Great actors, a wonderful book, a brilliant director: how could this become such a film?"
told = word_contributions(moved, irony)
print(f"{100 * told.probability:.0f} % good")
WordContributions(moved, irony)
