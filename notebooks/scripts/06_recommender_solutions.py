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
# # A recommender of films: solutions
#
# Answers to the exercises of [06_recommender](../06_recommender.ipynb).
# Yours may differ and be better.
# It takes about three minutes on two cores; training runs in this process on one thread, without Spark (one argument differs).

# %% [markdown]
# ## Setup
# The data, numbered and split by NumPy, and a function that trains a network.

# %%
import os

import numpy as np

from sandbox.lib import data, nn, optim
from sandbox.lib.criterion import BCEWithLogits
from sandbox.lib.metrics import HitRatio
from sandbox.lib.train import Trainer
from sandbox.widgets import working

# %%
FAST = os.environ.get("FAST") == "1"
epochs = 2 if FAST else 15
columns, films, source = data.movielens.load()
print(source.describe())
people, user = np.unique(columns["userId"], return_inverse=True)
ids, item = np.unique(columns["movieId"], return_inverse=True)
sizes = {"n_users": len(people), "n_items": len(ids)}
known = data.Interactions(user, item, **sizes)


# %%
def split(rows):
    """Return pairs to learn from, and lists of the last film, of some rows of the table."""
    before, last = data.leave_last_out(user[rows], columns["timestamp"][rows])
    pairs = data.Interactions(user[rows][before], item[rows][before], **sizes)
    return pairs, data.RankingLists(user[rows][last], item[rows][last], known)


every = np.arange(len(user))
pairs, lists = split(every)
hit = HitRatio(10, negatives=99)


# %%
def fit(pairs, **options):
    """Train a network and return its trainer."""
    settings = {"factors": 32, "features": 8, "hidden": (8,), "weighted": False, "l2": 0.001}
    sizes = known.n_users, known.n_items
    model = nn.zoo.neural_cf(*sizes, 1, 0, item_bias=True, **settings | options)
    optimizer = optim.Adam(0.01, schedule=optim.OneCycle())
    trainer = Trainer(model, BCEWithLogits(), optimizer, batch_size=4096, threads=1, metrics=(),
                      progress=None)
    with working("training"):
        trainer.fit(data.NegativeSampling(pairs, negatives=8), epochs=epochs)
    return trainer


# %%
def judge(trainer, lists):
    """Return HitRatio@10 in percent."""
    return 100 * float(hit(trainer.predict(lists), lists.y))


# %% [markdown]
# ## 1. Without the penalty
# The loss falls much lower, and the HitRatio with it: the network learns by heart who watched what.

# %%
trainers = {l2: fit(pairs, l2=l2) for l2 in (0.0, 0.001)}
for l2, one in trainers.items():
    loss = one.history["loss"][-100:].mean()
    print(f"l2 {l2}: loss {loss:.3f}, HitRatio@10 {judge(one, lists):.1f}")

# %% [markdown]
# ## 2. The parts
# The factors carry nearly everything; neurons alone are some points behind.
# The film's own number is popularity, learned.

# %%
trainer = trainers[0.001]
neurons = fit(pairs, factors=0, weighted=True, features=32, hidden=(32, 16))
bias = np.asarray(trainer.model.item_bias.weight)[lists.items.ravel()]
print(f"all {judge(trainer, lists):.1f}, neurons alone {judge(neurons, lists):.1f}, "
      f"the film's number alone {100 * float(hit(bias, lists.y)):.1f}")

# %% [markdown]
# ## 3. Liked instead of watched
# Half of the rows are left, and another question is asked: other films come last, and fewer people have enough of them.
# So the figure may not be set beside the first one; popularity on the same lists may.

# %%
liked = split(np.flatnonzero(columns["rating"] >= 4))
popular = liked[0].counts()[liked[1].items].reshape(-1, 1)
print(f"liked: network {judge(fit(liked[0]), liked[1]):.1f}, "
      f"popularity {100 * float(hit(popular, liked[1].y)):.1f}")

# %% [markdown]
# ## 4. Among all films
# The place of the last film among all that the person has not watched: ten are few of thousands.

# %%
model, hits = trainer.model, []
for person, film in zip(lists.users[:, -1], lists.items[:, -1], strict=True):
    left = known.left([person])[0]
    others = known.unmet(np.full(left, person), np.arange(left))
    both = np.append(others, film)
    scores = np.asarray(model(np.full(len(both), person), both))[:, 0]
    hits.append((scores[:-1] >= scores[-1]).sum() < 10)
print(f"among all films: HitRatio@10 {100 * np.mean(hits):.1f}")

# %% [markdown]
# ## 5. Neighbours of a film
# Films of the same kind and years: the network was told neither.
# (Among films that few have watched, neighbours mean nothing.)

# %%
weights = np.asarray(trainer.model.item_factors.weight)
often = np.flatnonzero(known.counts() >= 30)
first = often[0]
lengths = np.linalg.norm(weights, axis=1)
cosine = weights[often] @ weights[first] / lengths[often] / lengths[first]
names = dict(zip(films["movieId"].tolist(), films["title"], strict=True))
for place in np.argsort(-cosine)[:8]:
    print(f"{cosine[place]:.2f} {names[int(ids[often[place]])]}")
