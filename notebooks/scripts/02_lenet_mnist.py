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
# # LeNet reads handwriting
#
# A network of 44,426 numbers learns to read digits, on Spark, while you watch.
#
# **You will learn**
# - what a convolution is, by setting a filter with your own hands,
# - how LeNet-5 is put together, layer by layer, and why 256 numbers reach its first linear layer,
# - how Spark trains it on several processes at once, and how to read the curves,
# - how well it reads, which digits it gets wrong, and what its filters look for.
#
# **It takes** half a minute of computing and 2 GB of memory on two cores (a Xeon with AVX-512; older ones: twice that).
# No network is needed.
# Neurons, loss, gradient and epochs are explained in [01_neuron_to_network](01_neuron_to_network.ipynb); all words stand in the [glossary](00_start.ipynb).

# %% [markdown]
# ## Setup
# Run the cells from top to bottom with **Shift + Enter**.

# %%
import os
import time

import numpy as np

from sandbox.lib import data, nn, optim
from sandbox.lib.criterion import CrossEntropy
from sandbox.lib.spark import SparkBackend
from sandbox.lib.train import Trainer
from sandbox.widgets import ConvolutionExplorer, FilterViewer, NetworkExplorer, TrainingCurves
from sandbox.widgets import confusion_matrix, digits, feature_maps

# %% [markdown]
# Chance begins at a fixed number, the *seed*: the same seed, the same weights, to the last bit.

# %% jupyter={"source_hidden": true}
SEED = 0
FAST = os.environ.get("FAST") == "1"  # the tests set it: everything becomes short

# %% [markdown]
# ## 1. The data
# MNIST holds 70,000 digits written by clerks and pupils, scanned to 28 × 28 grey pixels: 60,000 to learn from and 10,000 to be tested on.
# The next cell also says **where the data came from**.
# Without the files and without a network a stand-in takes their place: 1,797 handwritten digits that come with scikit-learn (Alpaydin and Kaynak 1998), enlarged.
# On those everything below works, but the accuracies say nothing about MNIST.

# %%
train_images, train_labels, source = data.mnist.load("train")
test_images, test_labels, _ = data.mnist.load("test")
stand_in = source.kind != "real"
print(source.describe())
if stand_in:
    print("\n*** NOT MNIST: a small stand-in is used. Set SANDBOX_DATA to the real files. ***")

# %%
digits(train_images[:16], [str(label) for label in train_labels[:16]])

# %% [markdown]
# To the computer a digit is a table of numbers from 0 (paper) to 255 (ink).
# Here is the middle of the first one.
# Can you see it?

# %%
print(train_images[0][10:18, 8:22])

# %% [markdown]
# ## 2. What a convolution is
# A **filter** is a small table of numbers, the weights.
# Lay it on a corner of the image, multiply each weight by the pixel under it, add up the products, and write the sum down.
# Move the filter by one pixel and do it again, until it has been everywhere.
# The sums form a new image: large where the image looks like the filter.
#
# **Try it:** point at the result and read the sum of products below.
# Press *horizontal edges*, then type weights of your own.

# %%
explorer = ConvolutionExplorer(test_images[0])
explorer

# %% [markdown]
# The whole operation is four lines of Python.
# This is the definition; the library leaves the same sums to oneDNN.


# %%
def convolve(image, kernel):
    """Slide the kernel over the image without leaving it."""
    size = len(kernel)
    places = range(len(image) - size + 1)
    return np.array([[np.sum(image[i:i+size, j:j+size] * kernel) for j in places] for i in places])


# %% [markdown]
# Check it on an image that is dark on the left and bright on the right.
# The filter answers at the edge and nowhere else.

# %% tags=["keep_output", "nbval-check-output"]
image = np.array([[0, 0, 9, 9]] * 4)
print(convolve(image, np.array([[-1, 1], [-1, 1]])))

# %% [markdown]
# ### ReLU and pooling
# Two simple steps follow each convolution in LeNet.
# **ReLU** turns what is below zero into zero: the filter either found something, or it did not.
# **Max pooling** keeps the largest of every 2 × 2 pixels: what was found counts, its exact place does not.
# The image gets smaller, and a digit that is shifted by a pixel looks nearly the same.

# %%
found = explorer.result()
positive = np.maximum(found, 0)
pooled = positive.reshape(13, 2, 13, 2).max(axis=(1, 3))
padded = np.zeros_like(found)
padded[:13, :13] = pooled
digits([found, positive, padded], ["26 × 26", "after ReLU", "pooled: 13 × 13"], columns=3, size=2)

# %% [markdown]
# ## 3. The network
# LeNet-5 (Yann LeCun, 1998) repeats this twice, with 6 filters and then 16, and lets three layers of ordinary neurons decide.
# Nobody sets its filters: they start as noise and are learned.
#
# Each line below is a layer.
# Convolution: channels in, channels out, size of the filter.
# Linear: numbers in, numbers out.

# %%
def lenet():
    """Return a LeNet-5 whose weights are noise, the same one each time."""
    rng = np.random.default_rng(SEED)
    return nn.Sequential(
        conv1=nn.Conv2d(1, 6, 5, rng=rng), relu1=nn.ReLU(), pool1=nn.MaxPool2d(2),
        conv2=nn.Conv2d(6, 16, 5, rng=rng), relu2=nn.ReLU(), pool2=nn.MaxPool2d(2),
        flatten=nn.Flatten(),
        fc1=nn.Linear(16 * 4 * 4, 120, rng=rng), relu3=nn.ReLU(),
        fc2=nn.Linear(120, 84, rng=rng), relu4=nn.ReLU(), fc3=nn.Linear(84, 10, rng=rng),
    )


# %% [markdown]
# Why does `fc1` take 16 * 4 * 4 numbers?
# - A filter of 5 pixels has 28 − 5 + 1 = **24** places side by side: `conv1` makes 6 maps of 24 × 24.
# - Pooling halves that: **12**.
# - `conv2` finds 12 − 5 + 1 = **8** places and has 16 filters, each of which looks at all 6 maps: 16 maps of 8 × 8.
# - Pooling again: **4**. So 16 maps of 4 × 4 are left, 256 numbers, which `flatten` puts in one row.
#
# Here it is drawn, with a digit inside; the filters are noise still.
#
# **Try it:** press *slide* and watch the window on the digit make the numbers of `conv1`; then choose `pool1`, and `conv2`, whose filters look at all 6 maps.

# %%
prepare = data.mnist.transform()  # bytes to numbers around 0, and a channel axis: (N, 1, 28, 28)
NetworkExplorer(lenet(), prepare(test_images[:1])[0])

# %% [markdown]
# **Guess** before you run the next cell: which layer has most of the weights?
# Its table shows the shape of what comes out of each layer (of one image) beside the number of its weights.

# %% tags=["keep_output", "nbval-check-output"]
print(lenet().summary((1, 1, 28, 28)))

# %% [markdown]
# The 44,426 numbers do not sit in the filters: the two convolutions together have 2,572.
# Shared weights are the point of a convolution: one filter of 25 numbers reads the whole image.

# %% [markdown]
# ## 4. Training on Spark
# **Training** means: show 128 digits (a *batch*), measure how wrong the answers are (the *loss*), ask for every weight in which direction the loss falls (the *gradient*), and move all weights a little that way.
# How little is the *learning rate*: it rises during the first quarter and falls to zero at the end (*one cycle*).
# The steps also keep some of their direction (*momentum*), and all weights are pulled a little towards zero (*weight decay*), so that nothing is learned by heart.
# One pass over all digits is an *epoch*.
#
# **Spark** starts two processes (*ranks*).
# `local[3]` gives it three places on this machine: two for the ranks, one stays free for what else you ask Spark.
# Each takes one half of every 128 digits, computes its gradient, and both add their gradients up before they move the weights.
# So both always hold the same network, and the result is that of one process with the same 128 digits (but for rounding).
#
# `backend=` is the only argument that makes the difference between this machine alone and a cluster: with `SparkBackend("spark://host:7077")` the same cell trains there.

# %%
train = data.ArrayDataset(train_images, train_labels, transform=prepare)
test = data.ArrayDataset(test_images, test_labels, transform=prepare)

# %% jupyter={"source_hidden": true}
epochs = (1 if FAST else 6) * (40 if stand_in else 1)  # the stand-in is 40 times smaller
rate = 0.05 if stand_in else 0.1  # the highest; with so few digits 0.1 can go astray

# %% [markdown]
# A **trainer** puts it together: the network, the measure of wrongness (cross entropy), the way the weights move, and where it runs.
# `watch` asks for copies of the first layer's filters while they are learned.


# %%
def new_trainer():
    """Return a trainer of a network that has learned nothing yet."""
    optimizer = optim.SGD(rate, momentum=0.9, nesterov=True, weight_decay=5e-4,
                          schedule=optim.OneCycle())
    return Trainer(lenet(), CrossEntropy(), optimizer, batch_size=128, seed=SEED,
                   backend=SparkBackend("local[3]"), watch=("conv1.weight",), progress=None)


# %% [markdown]
# The next cell starts the training in the background and shows its curves at once.
# Run again, it starts from noise: the trainer is a new one.
# Spark needs some seconds before the first step (Java's warning about an incubator module is harmless); then watch
# - the **loss** fall (each step is one small group of digits, so it jitters; the scale is logarithmic),
# - the **accuracy** rise: the line on the last digits it learned from, the dots on digits it has never seen,
# - the **images per second** of each rank.
#
# **Try it:** pause it, go on, set another learning rate, stop.

# %%
trainer = new_trainer()
curves = TrainingCurves(trainer)
trainer.fit(train, epochs=epochs, validation=test, background=True)
curves

# %% [markdown]
# And these are the six filters of the first layer, as they are learned.
# They start as noise.
# Drag the slider to go back in time; click a filter to read its numbers.

# %%
FilterViewer(trainer, "conv1.weight")

# %% [markdown]
# The notebook is free while Spark works.
# This cell keeps one line up to date, waits for the end, and shows a table of the epochs: *top1* is the accuracy, *rate* the images per second.

# %%
while trainer.running:
    print(f"{curves.summary:140}", end="\r")  # the next one takes its place
    time.sleep(1)
history = trainer.wait()
print(f"{curves.summary:140}")
print(f"training: {history['seconds'].sum():.1f} s for {epochs} epochs")
history

# %% [markdown]
# ## 5. How well does it read?
# The test digits were never used to move a weight, so they are the honest measure.

# %%
answers = trainer.predict(prepare(test_images)).argmax(axis=1)
accuracy = np.mean(answers == test_labels)
print(f"test accuracy: {100 * accuracy:.2f} %")

# %% [markdown]
# Where does it go wrong?
# In the **confusion matrix** a row is what the digit is, a column is what the network says.
# The colour shows the mistakes only.

# %%
counts = np.zeros((10, 10), int)
np.add.at(counts, (test_labels, answers), 1)
confusion_matrix(counts)

# %% [markdown]
# Look at them before you blame the network.
# The title reads *truth → answer*.

# %%
wrong = np.flatnonzero(answers != test_labels)[:24]
titles = [f"{test_labels[i]} → {answers[i]}" for i in wrong]
digits(test_images[wrong], titles, wrong=True)

# %% [markdown]
# ## 6. What it has learned
# What do the layers make of one digit?
# **Try it:** choose another one with `shown`.
# Row by row: orange where a filter answers, blue where it answers with the opposite.
# The first maps still look like the digit; later ones say *where something was found*; the last row holds one number for each digit, and the largest is the answer.

# %%
shown = 0
picked = ("conv1", "relu1", "pool1", "conv2", "relu2", "pool2", "fc3")
digit = prepare(test_images[shown : shown + 1])[0]
feature_maps(trainer.model, digit, layers=picked)

# %% [markdown]
# And the drawing again, with filters that have been learned.
# **Try it:** let a filter of `conv1` slide. Which edges does it look for?

# %%
NetworkExplorer(trainer.model, digit)

# %% [markdown]
# The last row as probabilities: exponentials, divided by their sum (*softmax*).
# How sure is the network when it is right, and how sure when it is wrong?

# %%
logits = trainer.predict(prepare(test_images))
shares = np.exp(logits - logits.max(axis=1, keepdims=True))
shares /= shares.sum(axis=1, keepdims=True)
sure, right = 100 * shares.max(axis=1), answers == test_labels
print(f"sure of right answers: {sure[right].mean():.1f} % on average")
if not right.all():
    print(f"sure of wrong answers: {sure[~right].mean():.1f} % on average")

# %% [markdown]
# The digit shown, and one of the mistakes.

# %%
for i in [shown, *wrong[:1]]:
    best = np.argsort(-shares[i])[:3]
    said = ", ".join(f"{k} with {100 * shares[i, k]:.1f} %" for k in best)
    print(f"number {i} is a {test_labels[i]}; the network says {said}")

# %% [markdown]
# ## Summary
# - A convolution slides a small filter over an image; the sums are large where the image looks like the filter.
# - LeNet-5 is convolution, ReLU, pooling, twice, and three linear layers: 44,426 weights, all of them learned.
# - Training moves the weights against the gradient, a batch at a time. Two Spark ranks share the work of each batch, and the result is that of one process.
# - About 99 of 100 test digits of MNIST are read. Many of the others are hard for us, too.

# %% [markdown]
# ## Exercises
# A cell for each; names from above can be used.

# %% [markdown]
# **1.** Find a filter for the explorer that answers only to strokes that fall from left to right.

# %% tags=["exercise"]
# ConvolutionExplorer(test_images[61], [[0, 0, 0], [0, 1, 0], [0, 0, 0]])

# %% [markdown]
# **2.** Shift the test digits by one, two, four pixels. How fast does the accuracy fall, and why?

# %% tags=["exercise"]
# shifted = np.roll(test_images, 1, axis=2)

# %% [markdown]
# **3.** Take the second convolution out, with its ReLU and its pooling. What does `fc1` take now? How many weights has the network, and how well does it read?

# %% tags=["exercise"]
# Count as in part 3: the places of conv1, then pool1.

# %% [markdown]
# **4.** Run the training cell again (it starts from noise) and set the learning rate to 1 while it trains. What do the curves do, and what do the filters?

# %% tags=["exercise"]
# Nothing to write: go back to part 4.

# %% [markdown]
# **5.** Which digits is the network least sure about although it is right?

# %% tags=["exercise"]
# unsure = np.argsort(np.where(right, sure, 100))[:16]

# %% [markdown]
# Answers: [solutions/02_lenet_mnist.ipynb](solutions/02_lenet_mnist.ipynb).
# Next: [03_sentiment](03_sentiment.ipynb), networks that read.
