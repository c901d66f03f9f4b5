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
# # Spark ML: solutions
#
# Answers to the exercises of [05_census](../05_census.ipynb).
# Yours may differ and be better.
# It takes about a minute on two cores; training runs in this process on one thread, without Spark: feature columns are fitted on pandas tables as well.

# %% [markdown]
# ## Setup
# The people, the kinds of the lesson, and a function that trains and gives probabilities.

# %%
import os

import numpy as np
import pandas as pd

from sandbox.lib import criterion, data, metrics, nn, optim
from sandbox.lib.data.tables.columns import Buckets, Category, Cross, Number
from sandbox.lib.train import Trainer
from sandbox.widgets import working

# %%
FAST = os.environ.get("FAST") == "1"
people, source = data.census.load("train")
print(source.describe())
people = people.sample(frac=0.1 if FAST else 1.0, random_state=0)
kept = np.random.default_rng(1).random(len(people)) < 0.2
learn, choose = people[~kept], people[kept]
EPOCHS = 2 if FAST else 12
SEEDS = (0,) if FAST else (0, 1)

# %%
kinds = [
    *(Number(name) for name in ("age", "education_num", "hours_per_week")),
    *(Number(name, log=True) for name in ("capital_gain", "capital_loss")),
    *(Category(name, min_count=10) for name in data.census.CATEGORIES),
    Buckets("age", 10),
    Buckets("capital_gain", boundaries=[1, *range(1000, 9000, 1000), 10_000, 15_000, 20_000]),
    Buckets("capital_loss", boundaries=[1, *range(1400, 2600, 100)]),
    Cross(["education", "occupation"]), Cross(["age", "education"]),
    Cross(["marital_status", "occupation"]),
]


# %%
def trained(kinds, seed=0):
    """Return the fitted features and a trainer that has learned."""
    features = data.FeatureColumns.fit(learn, kinds)
    model = nn.zoo.wide_and_deep(features.fields, features.numbers, 2, seed, dropout=0.2,
                                 embedded=features.embedded)
    optimizer = optim.AdamW(2e-3, weight_decay=0.01, schedule=optim.OneCycle())
    trainer = Trainer(model, criterion.CrossEntropy(), optimizer, batch_size=256, seed=seed,
                      threads=1, progress=None)
    trainer.fit((features.table(learn), label(learn)), epochs=EPOCHS)
    return features, trainer


# %% [markdown]
# Labels, probabilities, and what the exercises compare.


# %%
def label(table):
    """Return 1 for who earns more than 50,000 dollars."""
    return (table.income == ">50K").to_numpy().astype(int)


def rich(fitted, table):
    """Return the probability for each row."""
    features, trainer = fitted
    outputs = trainer.predict(features.table(table))
    return 1 / (1 + np.exp(outputs[:, 0] - outputs[:, 1]))


# %%
def compare(name, kinds):
    """Print the AUC on the part for choices, for each seed, and return the last network."""
    with working(name):
        fits = [trained(kinds, seed) for seed in SEEDS]
    areas = [metrics.AUC()(rich(fit, choose), label(choose)) for fit in fits]
    print(f"{name:28} AUC {', '.join(f'{area:.4f}' for area in areas)}")
    return fits[-1]


# %% [markdown]
# ## 1. Without crosses
# Nothing is lost: the difference is that of two seeds.
# The deep part finds by itself what school and occupation are together.
# Crosses are for pairs that are too many and too rare for that, as a user and a product.

# %%
whole = compare("all kinds", kinds)
plain = compare("without crosses", [kind for kind in kinds if not isinstance(kind, Cross)])

# %% [markdown]
# ## 2. Without sex, race and relationship
# The AUC falls by a hair.
# But men keep a much higher mean probability than women, without the network having been told who is who: occupation, hours and marital status tell it.
# The gap in the labels is as large: the network says what was, not what should be.

# %%
kept = [kind for kind in kinds if kind.name not in ("sex", "race", "relationship")]
blind = compare("without sex, race, relation", kept)
for name, fit in {"all kinds": whole, "blind": blind}.items():
    means = [100 * rich(fit, choose[choose.sex == sex]).mean() for sex in ("Male", "Female")]
    print(f"{name:10} men {means[0]:.0f} %, women {means[1]:.0f} %")
shares = choose.assign(rich=label(choose)).groupby("sex").rich.mean()
print(f"{'truth':10} men {100 * shares['Male']:.0f} %, women {100 * shares['Female']:.0f} %")

# %% [markdown]
# ## 3. Gains as a number alone
# More is lost than with any other change: who has gained a little is *poorer* than who has gained nothing, and from some amounts on nearly all are rich.
# That is no line, and no smooth curve either; buckets say it at once.

# %%
fewer = [kind for kind in kinds if not (isinstance(kind, Buckets) and kind.name == "capital_gain")]
smooth = compare("gains as a number alone", fewer)
edges = [-1, 0, 3000, 5000, 7000, 1e6]
gains = pd.cut(learn.capital_gain, edges)
print(learn.assign(rich=label(learn)).groupby(gains, observed=True).rich.mean())

# %% [markdown]
# ## 4. Unknown occupations
# "Nothing there" has an id of its own (0), and training saw many such people: they tend to be poorer.
# A word that never came is one of the others (1), like all that were too rare to be known; few or none were in training, so the network hardly knows this id.
# It answers all the same. In use, count how often that happens.

# %%
someone = choose.iloc[[0]]
for job in (someone.occupation.iloc[0], None, "Astronaut"):
    probability = rich(whole, someone.assign(occupation=pd.Series([job], someone.index)))[0]
    print(f"{job!s:18} {100 * probability:.1f} %")

# %% [markdown]
# ## 5. Are the probabilities true?
# In each row below the two figures are close, so they are: cross entropy rewards true probabilities, and there were no class weights.
# Summed up by occupation they come much closer to the truth than counting who is above 50 %.

# %%
table = choose.assign(said=rich(whole, choose), rich=label(choose))
table["flagged"] = table.said > 0.5
tenths = np.minimum(table.said * 10 // 1 / 10, 0.9)
print(table.groupby(tenths.rename("from"))[["said", "rich"]].mean().round(2))
print(table.groupby("occupation")[["rich", "said", "flagged"]].mean().round(2).head(8))
