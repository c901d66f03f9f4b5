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
# # Start here
# In these lessons you train real networks, on ordinary processors and on Spark: they read handwriting, judge film reviews, find fraud and tell incomes.
# You need no account, no graphics card and, once this page is open, no network.
# Some Python helps; of neural networks you need to know nothing.
#
# **It takes** five minutes to read this page; the lessons take half an hour to an hour each.
#
# | lesson | you will | the computing takes |
# |---|---|---|
# | [01 From a neuron to a network](01_neuron_to_network.ipynb) | set a neuron by hand, walk down a loss curve, see why pictures need convolution | 15 s |
# | [02 LeNet reads handwriting](02_lenet_mnist.ipynb) | train LeNet on Spark, steer it while it learns, look at what it has learned | 30 s |
# | [03 Sentiment of film reviews](03_sentiment.ipynb) | turn texts into numbers, compare networks with a simple model, type a review of your own | 4 min |
# | [04 Fraud in card payments](04_fraud.ipynb) | find what is rare, split by time, draw a line where mistakes cost least | 1½ min |
# | [05 Spark ML: from a table to a pipeline](05_census.ipynb) | make a network a stage of a Spark pipeline, feed it words and numbers, meet boosted trees | 4 min |
# | [06 A recommender of films](06_recommender.ipynb) | learn from what people watched, measure with one film left out, meet two simpler ways | 3 min |
#
# Take them in this order; each explains the words that it brings.

# %% [markdown]
# ## How a notebook works
# Text and *cells* of code take turns. Click into a cell and press **Shift + Enter**: it runs, what it makes stands below, and the next cell is chosen.
# Code runs in a *kernel*, a Python that remembers what cells have made, so run them from top to bottom.
#
# | you want to | do this |
# |---|---|
# | run everything | menu *Run*, *Run All Cells* |
# | know whether it still works | `[*]` beside a cell: it runs, or waits for its turn |
# | stop a cell | the ■ above |
# | begin anew | menu *Kernel*, *Restart Kernel and Run All Cells* |
# | see code that is folded away | click on the dots; it is plumbing, or an answer |
# | have a lesson back as it was | in a terminal: `sandbox reset 01` (yours is kept beside it) |
#
# **Try it:** run the next two cells.
# In the first you choose; in the second a slider asks the kernel.

# %%
import platform

from sandbox.cli import data
from sandbox.widgets import ValueExplorer

print("Python", platform.python_version(), "is at work.")

# %%
ValueExplorer(lambda k: f"{k} × {k} = {k * k}", range(1, 13), "a number", start=7)

# %% [markdown]
# The slider moves and the line below it answers? Then everything works.
# Views like this one need the cell to be run: if you come back tomorrow, run it again.
#
# ## The data on this machine
# The lessons use published data sets where they are, and stand-ins where they are not; each says which.
# On stand-ins everything works, but figures say nothing about the real world.

# %%
sets = {"01, 02": "mnist", "03": "rt_polarity", "03 too": "imdb", "04": "creditcard", "05": "adult"}
sets["06"] = "movielens"
for lesson, name in sets.items():
    print(f"{lesson:7} {name:12} {data.state(name)}")

# %% [markdown]
# ## Glossary
# | word | what it means | first in |
# |---|---|---|
# | **accuracy** | the share of examples that are judged rightly | 01 |
# | **Adam**, **AdamW** | gradient descent that finds a length of step for each weight by itself (with W: and with weight decay) | 01, 03 |
# | **AUC** | of one example of each of two classes, how often the right one gets the higher score: 0.5 is chance | 05 |
# | **batch** | the few examples that are looked at together in one step | 01 |
# | **bias** | what a neuron adds to its weighted sum | 01 |
# | **boosted trees** | many small trees of questions, each of which corrects those before | 05 |
# | **bucket** | a span of numbers that is treated as a category | 05 |
# | **category** | a word, or a number that only names something, as an id | 05 |
# | **class weight** | how many times the examples of a class count in the loss | 04 |
# | **convolution** | a small filter that slides over a picture or a text, with the same weights everywhere | 01 |
# | **cross** | what two columns are together, as a category of its own | 05 |
# | **cross entropy** | a loss for kinds of things: how little the network believed in the right one | 01 |
# | **cross-validation** | training on all parts (folds) but one and measuring on that one, in turn | 05 |
# | **dropout** | hiding a random part of the numbers in each step, so that nothing rests on a single one | 03 |
# | **embedding** | a vector for each word, learned like all weights | 03 |
# | **epoch** | one pass over all examples | 01 |
# | **filter**, **kernel** | the small table of weights of a convolution (a notebook's kernel is something else: its Python) | 01 |
# | **gradient** | the slopes of the loss for all weights: in which direction, and how steeply, it rises | 01 |
# | **gradient descent** | moving all weights against the gradient, step by step | 01 |
# | **HitRatio@10** | how often what is wanted stands among the first ten of a list | 06 |
# | **implicit feedback** | what people did, without what they thought of it | 06 |
# | **label smoothing** | asking for 95 % instead of certainty | 03 |
# | **layer** | neurons that work side by side on the same inputs | 01 |
# | **learning rate** | how long a step is: the weight moves by learning rate × slope | 01 |
# | **log-odds** | the logarithm of probability / (1 − probability): 0 is 50 % | 03 |
# | **loss** | how wrong the network is, as one number | 01 |
# | **matrix factorisation** | a vector for each person and each thing, whose product says how well they fit | 06 |
# | **momentum** | a step keeps some of its last direction, as a ball that rolls does | 01 |
# | **NDCG@10** | the same as HitRatio@10, but higher places count more | 06 |
# | **negatives** | examples of "no" that are drawn, where only "yes" was written down | 06 |
# | **one cycle** | a plan for the learning rate: it rises at first and falls to zero at the end | 01 |
# | **pipeline**, **stage** | steps from a raw table to predictions, fitted and saved as one; one of the steps | 05 |
# | **pooling** | keeping the largest of some neighbours: what was found counts, its exact place does not | 01 |
# | **precision**, **recall** | of what was flagged, how much is right; of what is there, how much was flagged | 04 |
# | **rank** | one of the processes that train together, each on its part of every batch | 02 |
# | **ReLU** | max(0, sum): below zero a neuron stays silent | 01 |
# | **seed** | the number at which chance begins: the same seed, the same run | 01 |
# | **softmax** | exponentials divided by their sum: numbers become probabilities | 02 |
# | **Spark** | software that spreads data and work over many machines; here over two processes | 02 |
# | **stand-in** | data that take the place of a published set that is not here | 01 |
# | **token** | a piece of text, mostly a word | 03 |
# | **validation part**, **test part** | examples to compare choices on; examples to look at once, at the very end | 03 |
# | **weight** | a number of a network that is learned | 01 |
# | **weight decay** | pulling all weights a little towards zero in each step | 02 |
# | **wide & deep** | a weighted sum and a network with embeddings, added up | 05 |
#
# Next: [01 From a neuron to a network](01_neuron_to_network.ipynb).
