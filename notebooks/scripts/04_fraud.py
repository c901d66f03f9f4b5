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
# # Fraud in card payments
#
# 284,807 payments of two days, 492 of them frauds.
# A small network on Spark finds most of the frauds it has never seen, and you decide how many false alarms that is worth.
#
# **You will learn**
# - why accuracy lies when one class is rare, and what to measure instead,
# - why such data are split by time, and what else must not look into the future,
# - how to weight a rare class, and to train from a Spark DataFrame,
# - how to choose a threshold by what mistakes cost,
# - how to save what belongs together, and to score a DataFrame with it.
#
# **It takes** a minute and a half of computing and 3 GB of memory on two cores (a Xeon with AVX-512; older ones: twice that).
# No network is needed.
# Words that are not explained here stand in the [glossary](00_start.ipynb).

# %% [markdown]
# ## Setup
# Run the cells from top to bottom with **Shift + Enter**.

# %%
import os
import tempfile

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from sandbox.lib import criterion, data, metrics, nn, optim
from sandbox.lib.spark import SparkBackend, SparkDataset, spark_session
from sandbox.lib.train import Trainer, load_model, save_model
from sandbox.widgets import ThresholdExplorer, TrainingCurves, ValueExplorer
from sandbox.widgets import confusion_matrix, working

# %% [markdown]
# What counts is done three times, with three seeds: other first weights, another order of the rows.
# With so few frauds a single run says little.

# %% jupyter={"source_hidden": true}
FAST = os.environ.get("FAST") == "1"  # the tests set it: everything becomes short
SEEDS = (0,) if FAST else (0, 1, 2)

# %% [markdown]
# ## 1. The payments
# The set of the Université Libre de Bruxelles holds card payments of two days in September 2013.
# What was bought and where is secret: 28 columns `V1` to `V28` are mixtures of the original ones (principal components).
# `Time` is seconds since the first payment, `Amount` is in euros, `Class` is 1 for a fraud.
#
# The next cell says **where the data came from**.
# Without the file a simulation takes its place: card holders, shops and thieves that do not exist.
# On it everything below works, but the figures say nothing about real frauds.

# %%
payments = data.cards.load()
columns, source = payments.columns, payments.provenance
stand_in = source.kind != "real"
print(source.describe())
if stand_in:
    print("\n*** NOT REAL PAYMENTS: a simulation (after Le Borgne et al. 2022) is used. ***")
    print("*** Set SANDBOX_DATA to the real files. ***")

# %% [markdown]
# Spark reads the table itself: a DataFrame on this machine here, on a cluster with another master.
# `local[3]` gives it three places: two for training, one stays free for what else you ask.
# (Arrow is how a table of this process reaches Spark fast.)

# %%
with working("starting Spark"):
    spark = spark_session("local[3]", conf={"spark.sql.execution.arrow.pyspark.enabled": True})
path = data.cards.path()
frame = spark.createDataFrame(pd.DataFrame(columns)) if stand_in else spark.read.parquet(str(path))
frame.groupBy("Class").agg({"*": "count", "Amount": "avg"}).show()

# %% [markdown]
# ## 2. Why accuracy lies
# Here is the simplest fraud detector of all.
# It says "fine" to every payment.
#
# **Guess:** how often is it right?

# %%
label = columns["Class"]
always_fine = np.zeros_like(label)
print(f"accuracy of saying fine: {100 * np.mean(always_fine == label):.2f} %")
print(f"frauds found: {np.sum((always_fine == 1) & (label == 1))} of {label.sum()}")

# %% [markdown]
# A nearly perfect accuracy, and no use at all.
# Two questions are better:
# - **Recall**: of all frauds, how many are flagged?
# - **Precision**: of all flagged payments, how many are frauds?
#
# A network gives a *score*; flag more and the recall rises while the precision falls.
# **PR-AUC** (average precision) sums up all thresholds: the mean of the precision at each fraud, from the highest score down.
# By hand: frauds on ranks 1, 3 and 4 have 1/1, 2/3 and 3/4.

# %% tags=["keep_output", "nbval-check-output"]
scores = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4])
truth = np.array([1, 0, 1, 1, 0, 0])
print(f"by hand  {np.mean([1 / 1, 2 / 3, 3 / 4]):.4f}")
print(f"PRAUC    {metrics.PRAUC()(scores, truth):.4f}")

# %% [markdown]
# Scores drawn at random get the share of frauds: about 0.002.
#
# **Try it:** here a single column is the score: the more negative `V14`, the more suspicious.
# Flag the 10 most suspicious payments, or 10,000: which of the two figures suffers?


# %%
def flag(count):
    """Flag the payments with the lowest V14 and tell how many are frauds."""
    flagged = np.argsort(columns["V14"])[:count]
    hits = label[flagged].sum()
    precision, recall = 100 * hits / count, 100 * hits / label.sum()
    return f"{hits} frauds: precision {precision:.1f} %, recall {recall:.1f} %"


ValueExplorer(flag, [10, 100, 300, 1000, 3000, 10_000, 100_000], "payments flagged", start=300)

# %% [markdown]
# ## 3. Split by time
# The model will be used on tomorrow's payments, so it is tested on the later ones: the first 70 % in time to learn from, the last 30 % for the test.
# A random split would let it look at frauds of the same thief, an hour later.
# Many things must be chosen on the way, such as the size of the network or the threshold, and who chooses by the test has no test any more.
# So the first 70 % are cut once more: a choice learns on the first half of the payments (*early*) and is compared on the 20 % that follow (*choose*).
# Only then the network learns from all 70 % (*train*).

# %%
times = columns["Time"]
until = {share: int(times[data.time_split(times, share)[1][0]]) for share in (0.5, 0.7)}
place = {
    "early": times < until[0.5],
    "choose": (times >= until[0.5]) & (times < until[0.7]),
    "train": times < until[0.7],
    "test": times >= until[0.7],
}
for name, rows in place.items():
    print(f"{name:7} {rows.sum():8,} payments, {label[rows].sum():4} frauds")

# %% [markdown]
# The same cuts in Spark.
# Two partitions, one for each rank, and cached: the rows keep their order from run to run, so a seed gives the same weights again.

# %%
frames = {}
for name, share in (("early", 0.5), ("train", 0.7)):
    frames[name] = frame.where(f"Time < {until[share]}").repartitionByRange(2, "Time").cache()
    print(f"{name:6} {frames[name].count():8,} rows")

# %% [markdown]
# ## 4. One scale for all columns
# Amounts go from 0 to 25,000, components from -100 to 100.
# A **scaler** brings every column to mean 0 and deviation 1 (of the amount it takes the logarithm first).
# Spark measures means and deviations, **on the early part only**: those of the test are the future, too.

# %%
inputs = [*(f"V{k}" for k in range(1, 29)), "Amount"]
with working("measuring means and deviations"):
    scaler = data.Scaler.fit(frames["early"], inputs, log=["Amount"])
x = {n: scaler.table({k: columns[k][rows] for k in inputs}) for n, rows in place.items()}
y = {name: label[rows] for name, rows in place.items()}
print(scaler)
print("deviation of V1, V2, V3 before:", scaler.std[:3].round(2))

# %% [markdown]
# ## 5. A weight for the rare class
# In a batch of 1,024 payments there are about two frauds: their voice is lost.
# A **class weight** multiplies the loss of a fraud.
# The full weight would make both classes count alike, and many false alarms; its square root goes half of the way.
#
# **Try it:** how many times shall a fraud count?
# Remember the figure for power 0.5, with which we go on: it comes back in part 9.


# %%
def weigh(power):
    """Tell how much more a fraud counts than another payment."""
    fine, fraud = data.class_weights(y["early"], power=power)
    return f"a fraud counts {fraud / fine:.0f} times"


weights = data.class_weights(y["early"], power=0.5)
ValueExplorer(weigh, [0.0, 0.25, 0.5, 0.75, 1.0], "power of the class weights", start=0.5)

# %% [markdown]
# ## 6. The network
# 29 numbers in, two hidden layers, two numbers out: one for "fine", one for "fraud".
# **Guess** from the first line of code how many weights and biases `fc1` has; the table below tells.
# **Dropout** switches off three of ten neurons at random in each step, so that nothing rests on a single one.


# %% tags=["keep_output", "nbval-check-output"]
def build(seed):
    """Return the network with first weights of its own."""
    rng = np.random.default_rng(seed)
    return nn.Sequential(
        fc1=nn.Linear(29, 64, rng=rng), relu1=nn.ReLU(), dropout1=nn.Dropout(0.3),
        fc2=nn.Linear(64, 32, rng=rng), relu2=nn.ReLU(), dropout2=nn.Dropout(0.3),
        out=nn.Linear(32, 2, rng=rng),
    )


print(build(0).summary((1, 29)))

# %% [markdown]
# `SparkDataset` names the columns of the DataFrame; the scaler is applied to each batch, where the rank is that trains on it.
# `predict` would apply it, too: `x` has been through it, which `prepared=True` says.
# AdamW adapts the length of the step to each weight.

# %%
early, train = (
    SparkDataset(frames[name], features=inputs, label="Class", transform=scaler)
    for name in ("early", "train")
)
choose = data.ArrayDataset(x["choose"], y["choose"])

# %% jupyter={"source_hidden": true}
epochs = 2 if FAST else 20 * (2 if stand_in else 1)  # the stand-in is smaller

# %% [markdown]
# A trainer puts it together, as in lesson 02.


# %%
def trainer_of(model, seed):
    """Return a trainer on Spark."""
    optimizer = optim.AdamW(2e-3, weight_decay=0.01, schedule=optim.OneCycle())
    return Trainer(model, criterion.CrossEntropy(class_weights=weights), optimizer, batch_size=1024,
                   seed=seed, metrics=(metrics.PRAUC(),), backend=SparkBackend(spark))


# %% [markdown]
# ## 7. Training on Spark
# First on the early part, with curves.
# The score is PR-AUC, not accuracy: the dots are measured on the part that is kept for choices.
#
# **Try it:** pause, and set a learning rate ten times as high; *stop* is there, too. (Run the cell again for the figures below: it starts anew.)

# %%
trial = trainer_of(build(SEEDS[0]), SEEDS[0])
curves = TrainingCurves(trial, unit="payments")
trial.fit(early, epochs=epochs, validation=choose, background=True)
curves

# %% [markdown]
# This cell waits for the end.

# %%
history = trial.wait()
print(curves.summary)
print(f"training: {history['seconds'].sum():.1f} s for {epochs} epochs")

# %% [markdown]
# **How was the recipe found?**
# In this way, on the real payments: 27 recipes (with and without hidden layers and dropout, three class weights, 5, 10 and 20 epochs) learned on the early part and were compared by the PR-AUC on the part for choices, three seeds each.
# The best of the networks is the one above, with 0.836 (mean of the seeds).
# Five other networks and four weighted sums without hidden layers came within 0.01 of it: with so few frauds that is a tie, and other seeds might have chosen another one.
# Exercise 1 repeats some of it.
#
# Nobody is perfect: while this lesson was written its authors had seen scores of the test part, too.
# Only payments of another month would be a test that is quite clean.
#
# Now the recipe is fixed, and three networks learn from all of the first 70 %.
# The test part is looked at here, and not before.

# %%
trainers = [trainer_of(build(seed), seed) for seed in SEEDS]
for one in trainers:
    one.fit(train, epochs=epochs)
areas = [metrics.PRAUC()(one.predict(x["test"], prepared=True), y["test"]) for one in trainers]
print("PR-AUC of each seed:", ", ".join(f"{area:.3f}" for area in areas))
print(f"PR-AUC on the test part: {np.mean(areas):.3f}")

# %% [markdown]
# ## 8. Is the network worth it?
# Always ask a simpler model, too.
# **Logistic regression** is one weighted sum.
# **Guess:** how far behind the network will it be?
# First as scikit-learn gives it; then one as a network without hidden layers, trained on Spark as the network was: the same class weights, steps and scale.

# %%
with working("scikit-learn's regression"):
    plain = LogisticRegression(max_iter=300).fit(x["train"], y["train"])
linear = trainer_of(nn.Sequential(out=nn.Linear(29, 2, rng=0)), 0)
linear.fit(train, epochs=epochs)
outputs = linear.predict(x["test"], prepared=True)
found = {
    "logistic regression": metrics.PRAUC()(plain.decision_function(x["test"]), y["test"]),
    "the same, weighted and trained as ours": metrics.PRAUC()(outputs, y["test"]),
    "network": np.mean(areas),
}
for name, area in found.items():
    print(f"PR-AUC, {name}: {area:.3f}")

# %% [markdown]
# On the real payments scikit-learn's regression stays far behind.
# But look at the second line: the weighted sum that was trained like the network comes **most of the way**.
# More of the gain came from how we trained than from the hidden layers; the columns were already mixed by people who knew the data.
# If you need to explain each decision, the weighted sum may be the better choice.
#
# ## 9. A threshold and what it costs
# Who uses the scores must draw a line.
# Say a false alarm costs 5 euros (somebody calls the card holder), and a missed fraud 120, about what a fraud takes on average.
#
# **Try it:** move the threshold, change the price of an alarm, press *cheapest*.
# This is a choice again: it is made on the part for choices, with the network that has not learned from it.
# A threshold chosen on the test would flatter us.


# %%
def probability(outputs):
    """Return the probability of fraud that two outputs stand for."""
    return 1 / (1 + np.exp(np.clip(outputs[:, 0] - outputs[:, 1], -50, 50)))


def cheapest(alarm):
    """Draw the line where the part for choices costs least."""
    missed = np.full(len(chosen), 120)
    return ThresholdExplorer(chosen, y["choose"], missed, alarm=alarm, unit="€")


# %%
chosen = probability(trial.predict(x["choose"], prepared=True))
explorer = cheapest(alarm=5)
explorer

# %% [markdown]
# The class weights push all scores up, so they are no true probabilities; and the two kinds of mistakes do not cost the same.
# Now the test part, with the threshold fixed and the first of the final networks.

# %%
score = probability(trainers[0].predict(x["test"], prepared=True))


def costs(limit, alarm=5):
    """Return what each payment of the test costs, flagged from a score on."""
    return np.where(score >= limit, alarm * (y["test"] == 0), 120 * (y["test"] == 1))


limits = {"nothing flagged": np.inf, "threshold 0.02": 0.02, "threshold 0.5": 0.5}
for name, limit in (limits | {"chosen": explorer.threshold}).items():
    right = np.mean((score >= limit) == y["test"])
    print(f"{name:15} costs {costs(limit).sum():8,.0f} euros, accuracy {100 * right:.2f} %")

# %% [markdown]
# The accuracies hardly differ, the costs do: looking costs, and looking away costs more.
#
# But is the chosen threshold better than 0.5, which nobody has chosen?
# **Guess**, then compare three prices of an alarm.
# *Chance* is what the difference would vary by with other payments of the same kind (two standard errors).

# %%
for alarm in (1, 5, 50):
    limit = cheapest(alarm).threshold
    saved = costs(0.5, alarm) - costs(limit, alarm)
    chance = 2 * np.sqrt(len(saved)) * saved.std()
    print(f"alarm {alarm:2} euros: threshold {limit:.2f} instead of 0.50 saves"
          f" {saved.sum():6,.0f} euros, chance {chance:,.0f}")
    print(f"saved at {alarm} euros, in chances: {saved.sum() / max(chance, 1):.1f}")

# %% [markdown]
# On the real payments: at 50 euros for an alarm the choice saves a third of the cost; at 5 euros it saves **nothing**, it may even cost a fraud or two more, which is chance.
# Why?
# Because 0.5 was chosen after all, in part 5: there a missed fraud was made to count 23 times as much as a false alarm, and 120 to 5 euros is 24 times.
# For a network trained with class weight *w*, prices *a* (alarm) and *m* (miss) the best threshold is about *w a / (w a + m)*:

# %%
w = weights[1] / weights[0]
for alarm in (1, 5, 50):
    print(f"alarm {alarm:2} euros: by arithmetic {w * alarm / (w * alarm + 120):.2f},"
          f" chosen {cheapest(alarm).threshold:.2f}")

# %% [markdown]
# So know what your 0.5 stands for; when prices change, move the threshold and not the network.
# And with a hundred frauds a choice is as blunt as a test: it finds the large differences, not the small ones.
#
# The **confusion matrix** at the chosen threshold: a row is what a payment is, a column is what we say.

# %%
flagged = (score >= explorer.threshold).astype(int)
counts = np.zeros((2, 2), int)
np.add.at(counts, (y["test"], flagged), 1)
print(f"recall: {100 * counts[1, 1] / counts[1].sum():.1f} %")
print(f"precision: {100 * counts[1, 1] / max(1, counts[:, 1].sum()):.1f} %")
confusion_matrix(counts, ("fine", "fraud"))

# %% [markdown]
# ## 10. Save what belongs together
# A network without its scaler is worth nothing, so both go into one folder.
# Read back, they give the same scores.
#
# **Guess:** what goes wrong if the scaler is fitted anew on the payments that come in?

# %%
folder = tempfile.mkdtemp(prefix="fraud-")
scaler.save(folder)
save_model(trainers[0].model, f"{folder}/model.safetensors")
again = load_model(f"{folder}/model.safetensors")
some = {k: columns[k][:1000] for k in inputs}
outputs = again(data.Scaler.load(folder).table(some))
same = np.allclose(outputs, trainers[0].predict(scaler.table(some), prepared=True), atol=1e-4)
print(sorted(os.listdir(folder)), "same scores:", same)

# %% [markdown]
# And so a DataFrame of any size is scored: each of Spark's processes reads the folder once and then works through its rows.


# %%
def add_scores(tables):
    """Add a score to each table of payments."""
    scaler, model = data.Scaler.load(folder), load_model(f"{folder}/model.safetensors")
    for table in tables:
        outputs = np.asarray(model(scaler.table(table)))
        yield table[["Time", "Amount", "Class"]].assign(score=probability(outputs))


later = frame.where(f"Time >= {until[0.7]}")
scored = later.mapInPandas(add_scores, "Time long, Amount double, Class long, score double")
scored.orderBy("score", ascending=False).show(8)

# %% [markdown]
# What if a column is missing?
# The scaler knows the names and says so, instead of scoring nonsense.

# %%
try:
    scaler.table({"V1": [1.0], "Amount": [9.5]})
except ValueError as error:
    print(str(error)[:80], "...")

# %% [markdown]
# ## Summary
# - With 2 frauds in 1,000 payments accuracy says nothing; precision, recall and PR-AUC do.
# - Split by time, and measure the scale on what was learned from only.
# - Class weights give a rare class a voice; here they helped a little.
# - Recipe and threshold are choices. Choose on payments that were not learned from and are not the test.
# - Class weights move the threshold: 0.5 fits prices that stand to each other as the weights did.
# - Always ask a simpler model, too: a weighted sum, trained well, comes close.
# - Scaler and network are saved together.

# %% [markdown]
# ## Exercises
# A cell for each; names from above can be used.

# %% [markdown]
# **1.** Train on the early part with full class weights (`power=1`) and with none (`power=0`). What happens on the part for choices to the PR-AUC and to the cheapest threshold?

# %% tags=["exercise"]
# criterion.CrossEntropy(class_weights=data.class_weights(y["early"], power=1))

# %% [markdown]
# **2.** Split at random instead of by time. How does the PR-AUC change, and which of the two figures would you promise your boss?

# %% tags=["exercise"]
# mixed = np.random.default_rng(0).permutation(len(label))

# %% [markdown]
# **3.** A false alarm costs 1, 5 or 50 euros, and a missed fraud its own amount. How many frauds are worth finding?

# %% tags=["exercise"]
# ThresholdExplorer(score, y["test"], columns["Amount"][place["test"]], alarm=5, unit="€")

# %% [markdown]
# **4.** Leave the scaler out. What does the network learn?

# %% tags=["exercise"]
# data.features({k: columns[k][place["early"]] for k in inputs}, inputs)

# %% [markdown]
# **5.** Which single column tells most about frauds?

# %% tags=["exercise"]
# metrics.PRAUC()(-columns["V14"][place["train"]].astype(float), y["train"])

# %% [markdown]
# Answers: [solutions/04_fraud.ipynb](solutions/04_fraud.ipynb).
