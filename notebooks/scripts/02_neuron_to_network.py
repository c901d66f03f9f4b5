# ---
# jupyter:
#   jupytext:
#     formats: ipynb,scripts//py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # From a neuron to a network
#
# One sum, one bend, and many of them: how far do they go, and why do networks that see look different?
#
# **You will learn**
# - what a neuron computes, and what a single one cannot do,
# - how layers of neurons do it, and how they are trained,
# - why layers in which everything is connected do not scale to pictures,
# - what the visual cortex of a cat has to do with it,
# - how convolution and pooling work, and how LeNet is made of them.
#
# **It takes** about a minute and 2 GB of memory on two cores.
# No network is needed.
# It can be read before or after [01_lenet_mnist](01_lenet_mnist.ipynb).

# %% [markdown]
# ## Setup
# Run the cells from top to bottom with **Shift + Enter**.
# `FAST=1` in the environment makes everything short (that is how this notebook is tested).

# %%
import os

import numpy as np

from sandbox.lib import data, nn, optim
from sandbox.lib.criterion import CrossEntropy
from sandbox.lib.train import Trainer
from sandbox.widgets import ConvolutionExplorer, digits, feature_maps
from sandbox.widgets.neuron import NeuronExplorer

# %% [markdown]
# A fixed seed makes the run repeatable.

# %%
FAST = os.environ.get("FAST") == "1"
SEED = 0
assert int(np.__version__.split(".")[0]) >= 2, "NumPy 2 is needed"

# %% [markdown]
# ## 1. A neuron is a weighted sum
# A neuron has some inputs, a **weight** for each of them, and a **bias**.
# It multiplies each input by its weight, adds up, and adds the bias.
# That is all.

# %% tags=["keep_output", "nbval-check-output"]
inputs = np.array([0.5, -1.0, 2.0])
weights = np.array([1.0, 0.5, -0.25])
bias = 0.1
print(inputs * weights)
print(round(float(np.sum(inputs * weights) + bias), 3))

# %% [markdown]
# Then it bends the result: below zero it stays silent.
# This is **ReLU** (rectified linear unit), max(0, sum).
# Without a bend, neurons behind neurons would be one weighted sum again, however many there are.

# %% tags=["keep_output", "nbval-check-output"]
sums = np.array([-2.0, -0.4, 0.0, 0.7, 3.0])
print(np.maximum(0, sums))

# %% [markdown]
# ## 2. A neuron draws a line
# With two inputs the neuron can be seen: every place of the plane is a pair of inputs, the colour is the answer.
# It is silent on one side of a straight line and speaks on the other.
#
# **Try it:** move the weights and the bias until it speaks for all triangles and for no circle.
# The weights turn the line, the bias moves it.

# %%
rng = np.random.default_rng(SEED)
places = rng.uniform(-1, 1, (40, 2))
above = (places[:, 1] > 0.6 * places[:, 0] + 0.2).astype(int)
neuron = NeuronExplorer(places, above, weights=(1, 0, 0))
neuron

# %% [markdown]
# Some weights do it.
# The line was hidden in how the points were made: triangles lie above 0.6 · x1 + 0.2.

# %% tags=["keep_output", "nbval-check-output"]
neuron.weights = [-0.6, 1.0, -0.2]
print(neuron.right(), "of", len(above), "points right")

# %% [markdown]
# ## 3. What one neuron cannot do
# Now the triangles lie in two opposite corners.
#
# **Try it:** how many can you get right?
# Minsky and Papert proved in 1969 that no straight line will do, and many gave up on neurons for years.

# %%
crosswise = (places[:, 0] * places[:, 1] > 0).astype(int)
NeuronExplorer(places, crosswise, weights=(1, 1, -0.5))

# %% [markdown]
# Two neurons, one for each corner, and a third that adds them up: that is a **network**.
# A neuron of the first layer looks at one corner only; where one of them speaks, the sum is above zero.

# %% tags=["keep_output", "nbval-check-output"]
corners = np.array([[1, 1], [-1, -1], [1, -1], [-1, 1]])
first = np.array([[1, 1], [-1, -1]])  # a row of weights for each neuron
hidden = np.maximum(0, corners @ first.T - 1)
for corner, parts in zip(corners, hidden, strict=True):
    print(corner, "hidden", parts, "sum", parts.sum())

# %% [markdown]
# ## 4. Learning the weights
# Nobody sets weights by hand.
# A network starts with random ones; for each weight it is computed in which direction the error falls, and the weight moves a little that way, again and again.
# Eight neurons with ReLU and a layer that decides learn the corners in a second.

# %%
many = rng.uniform(-1, 1, (2000, 2)).astype(np.float32)
kinds = (many[:, 0] * many[:, 1] > 0).astype(int)
small = nn.zoo.mlp([2, 8, 2], rng=SEED)
trainer = Trainer(small, CrossEntropy(), optim.Adam(0.02), batch_size=50, seed=SEED, threads=1, progress=None)  # fmt: skip
trainer.fit((many, kinds), epochs=20)
answers = trainer.predict(places.astype(np.float32)).argmax(axis=1)
print(f"corners right: {100 * np.mean(answers == crosswise):.0f} %")

# %% [markdown]
# What do the eight neurons look at?
# Each row is the pair of weights and the bias of one of them.
# Look for those that point to corners, such as (+, +) or (-, +).

# %%
layer = small.fc1
for pair, offset in zip(layer.weight.data, layer.bias.data, strict=True):
    print(f"{pair[0]:6.2f} {pair[1]:6.2f}   bias {offset:5.2f}")

# %% [markdown]
# ## 5. Pictures, the obvious way
# A picture is a list of pixels, so let every neuron see all of them: a **fully connected** layer.
# With the digits of MNIST (28 × 28 pixels) this works.
# The next cell also says **where the data came from**; without the files a small stand-in takes their place, on which the accuracies say nothing about MNIST.

# %%
images, labels, source = data.mnist.load("train")
test_images, test_labels, _ = data.mnist.load("test")
print(source.describe())
stand_in = source.kind != "real"
if stand_in:
    print("\n*** NOT MNIST: a small stand-in is used. Set SANDBOX_DATA to the real files. ***")

# %% [markdown]
# 784 inputs, 100 neurons, 10 answers.

# %%
prepare = data.mnist.transform()
train = data.ArrayDataset(images, labels, transform=prepare)
epochs = (1 if FAST else 3) * (20 if stand_in else 1)


def accuracy_of(model, shift=0):
    """Train a network, then return how well it reads and how well it reads shifted digits."""
    method = optim.SGD(0.1, momentum=0.9, schedule=optim.OneCycle())
    trainer = Trainer(model, CrossEntropy(), method, batch_size=128, seed=SEED, progress=None)
    trainer.fit(train, epochs=epochs)
    seen = [test_images, np.roll(test_images, shift, axis=2)]
    return [np.mean(trainer.predict(prepare(x)).argmax(axis=1) == test_labels) for x in seen]


# %% [markdown]
# It reads well.
# But shift the digits by three pixels, which you would hardly notice, and it gets lost: every pixel has weights of its own, and they learned nothing about the pixel beside.

# %%
connected = nn.zoo.mlp([784, 100, 10], rng=SEED)
straight, shifted = accuracy_of(connected, shift=3)
print(f"fully connected: {100 * straight:.2f} %")
print(f"fully connected, digits shifted by 3 pixels: {100 * shifted:.1f} %")

# %% [markdown]
# ## 6. Why this does not scale
# A picture of 200 × 200 pixels has 40,000 inputs.
# A layer of as many neurons, each connected with every pixel, has 40,000 × 40,000 connections: **1.6 billion** in one layer.
#
# **Try it:** change the side and run the cell again. A photo has 4,000.

# %% tags=["keep_output", "nbval-check-output"]
for side in (28, 200, 1000):
    pixels = side * side
    connections = pixels * pixels
    print(f"{side:5} x {side}: {pixels:9,} inputs, {connections:17,} connections, "
          f"{4 * connections / 1e9:9,.1f} GB")  # fmt: skip

# %% [markdown]
# ## 7. A hint from a cat
# In 1959 David Hubel and Torsten Wiesel listened to single cells in the visual cortex of a cat and found
# - **small fields**: a cell answers to a small patch of what the eye sees, not to all of it,
# - **edges**: it answers to a bar or an edge of one direction, and is silent for others,
# - **simple and complex cells**: some want the edge in an exact place; others behind them accept it anywhere nearby.
#
# It brought them a Nobel prize, and engineers an idea.
# A small field with the same weights everywhere is a **convolution**.
# "Anywhere nearby" is **pooling**.

# %% tags=["keep_output", "nbval-check-output"]
print(f"each neuron sees all:     {200**2 * 200**2:13,} weights")
print(f"each sees 5 x 5 pixels:   {200**2 * 25:13,} weights")
print(f"the same 25 everywhere:   {25:13,} weights")

# %% [markdown]
# ## 8. Convolution, by hand
# This filter is a simple cell for vertical edges: dark on the left, bright on the right.
#
# **Try it:** point at the result to read the sum of products; choose another filter; type your own.

# %%
explorer = ConvolutionExplorer(test_images[0])
explorer

# %% [markdown]
# In code, a filter of 3 × 3 over a picture with one edge.
# The library's operation and a sum over shifted pictures give the same.

# %% tags=["keep_output", "nbval-check-output"]
edge = np.zeros((1, 1, 5, 6), np.float32)
edge[..., 3:] = 1
kernel = np.array([[-1, 0, 1]] * 3, np.float32)
layer = nn.Conv2d(1, 1, 3, bias=False, rng=0)
layer.weight.set(kernel[None, None])
by_hand = sum(kernel[i, j] * edge[0, 0, i : i + 3, j : j + 4] for i in range(3) for j in range(3))
print(by_hand)
print(np.array_equal(layer(edge)[0, 0], by_hand))

# %% [markdown]
# ## 9. Pooling, by hand
# **Max pooling** keeps the largest of each 2 × 2 places: a complex cell.
# Shift the edge by one pixel: the convolution moves, the pooled answer may stay.

# %% tags=["keep_output", "nbval-check-output"]
row = np.array([0, 0, 3, 0, 0, 0, 0, 0])
for shift in (0, 1, 2):
    moved = np.roll(row, shift)
    print(moved, "pooled", moved.reshape(4, 2).max(axis=1))

# %% [markdown]
# On the digit: the filter you set in the explorer, then ReLU, then pooling twice.
# The picture gets small, and what was found is still there.


# %%
def pool(image):
    """Keep the largest of each 2 x 2 pixels."""
    height, width = (n // 2 for n in image.shape)
    return image[: 2 * height, : 2 * width].reshape(height, 2, width, 2).max(axis=(1, 3))


found = np.maximum(0, explorer.result())[:24, :24]
steps = [found, pool(found), pool(pool(found))]
shown = [np.kron(step, np.ones((24 // len(step),) * 2)) for step in steps]
digits(shown, [f"{len(step)} × {len(step)}" for step in steps], columns=3)

# %% [markdown]
# ## 10. All together: LeNet
# Convolution, ReLU, pooling; again; then fully connected layers, which are small now.
# The filters are not set by hand: they are learned like all weights.
# Yann LeCun's network read cheques for banks in the 1990s.

# %%
lenet = nn.zoo.lenet5(SEED)
straight, shifted = accuracy_of(lenet, shift=3)
print(f"LeNet: {100 * straight:.2f} %")
print(f"LeNet, digits shifted by 3 pixels: {100 * shifted:.1f} %")

# %% [markdown]
# It reads better with fewer weights, and shifted digits confuse it less.

# %% tags=["keep_output", "nbval-check-output"]
for name, model in (("fully connected", connected), ("LeNet", lenet)):
    print(f"{name:16} {sum(p.data.size for p in model.parameters()):7,} weights")

# %% [markdown]
# What became of the cat's cells?
# The first rows: edges of some directions, each in its place.
# Further down: maps of *where something was found*, smaller and smaller.
#
# **Try it:** another number instead of 0.

# %%
feature_maps(lenet, prepare(test_images[:1])[0], layers=("conv1", "relu1", "pool1", "relu2", "fc3"))

# %% [markdown]
# ## Summary
# - A neuron is a weighted sum and a bend. It draws one straight line.
# - Layers of neurons draw any border, and their weights are learned from examples.
# - Fully connected layers do not scale to pictures: 200 × 200 pixels need 1.6 billion connections.
# - Convolution (small fields, the same weights everywhere) and pooling (the exact place does not matter) come from the visual cortex, and make the numbers small.
# - LeNet is just that, twice, with a small network behind it.
#
# ## Exercises
# 1. How many hidden neurons does the network of part 4 need at least? Try 2, 3, 4 and several seeds.
# 2. Take the ReLU out of the network of part 4. What can it still learn?
# 3. Draw a filter that answers only to horizontal strokes, and none to vertical ones.
# 4. Shift the digits by 0 to 6 pixels and compare both networks.
# 5. A colour photo of 4,000 × 3,000 pixels: how many weights has a convolution of 64 filters of 3 × 3? And a fully connected layer of 64 neurons?
#
# Solutions: [solutions/02_neuron_to_network.ipynb](solutions/02_neuron_to_network.ipynb)
