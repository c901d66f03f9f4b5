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
# **It takes** 15 seconds of computing and 2 GB of memory on two cores (a Xeon with AVX-512; older ones: twice that).
# No network is needed.
# Words that are new are explained where they first stand, and again in the [glossary](00_start.ipynb).

# %% [markdown]
# ## Setup
# Run the cells from top to bottom with **Shift + Enter**.
# Every part has something to move: sliders, filters, points.

# %%
import os

import numpy as np

from sandbox.lib import data, nn, optim
from sandbox.lib.criterion import CrossEntropy
from sandbox.lib.train import Trainer
from sandbox.widgets import ConvolutionExplorer, DescentExplorer, NeuronExplorer, ValueExplorer
from sandbox.widgets import digits, feature_maps

# %% [markdown]
# Chance begins at a fixed number, the *seed*: so the run can be repeated.

# %% jupyter={"source_hidden": true}
SEED = 0
FAST = os.environ.get("FAST") == "1"  # the tests set it: everything becomes short

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
# **Try it:** move the third weight.
# Where does the neuron begin to speak?


# %%
def neuron_says(weight):
    """Return the sum with another third weight, before and after the bend."""
    products = inputs * [*weights[:2], weight]
    total = products.sum() + bias
    sums = " ".join(f"{'-' if v < 0 else '+'} {abs(v):g}" for v in [*products, bias])
    return f"{sums.removeprefix('+ ')} = {total:.2f}, after ReLU {max(0, total):.2f}"


ValueExplorer(neuron_says, np.arange(-1, 1.1, 0.25), "third weight", start=-0.25)

# %% [markdown]
# ## 2. A neuron draws a line
# With two inputs the neuron can be seen: every place of the plane is a pair of inputs, the colour is the answer.
# It is silent on one side of a straight line and speaks on the other.
#
# **Try it:** move the weights and the bias until it speaks for all triangles and for no circle.
# The weights turn the line, the bias moves it.

# %%
rng = np.random.default_rng(SEED)
places = rng.uniform(-1, 1, (40, 2)).round(2)
tilt, height = rng.uniform(0.2, 0.8, 2) - [0, 0.4]  # a line that nobody has told you
above = (places[:, 1] > tilt * places[:, 0] + height).astype(int)
neuron = NeuronExplorer(places, above, weights=(1, 0, 0))
neuron

# %% [markdown]
# How far did you get?
# Run this cell again after you have moved the sliders; they stay where you left them.

# %%
print(f"your neuron: {neuron.right()} of {len(above)} points right")
print(f"its weights and bias: {neuron.weights}")

# %% [markdown]
# There are many answers.
# Try for a while before you look at one.
#
# <details><summary>One answer</summary>
#
# Weight 1: −1.3, weight 2: 2, bias: −0.2.
# The triangles lie above a line; the weights say how steep it is, and the bias how high.
#
# </details>

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
# The same for every place of the plane: bright where a neuron speaks.
#
# **Try it:** move the bias.
# Nearer to 0 the neurons speak in more places; at 0 each of them has half of the plane, and the sum tells nothing apart.
# So two neurons find the very corners, but not the whole of the two quarters: that takes more neurons, and nobody wants to set them by hand.

# %%
side = np.linspace(-1, 1, 41)
plane = np.stack(np.meshgrid(side, -side), axis=-1)  # every place: its two inputs


def two_neurons(bias):
    """Draw what the two neurons and their sum make of the plane."""
    hidden = np.maximum(0, plane @ first.T + bias)
    parts = [hidden[..., 0], hidden[..., 1], hidden.sum(axis=-1)]
    return digits(parts, ["neuron 1", "neuron 2", "sum"], columns=3, size=2)


ValueExplorer(two_neurons, [-1.75, -1.5, -1.25, -1.0, -0.75, -0.5, -0.25, 0.0], "bias", start=-1.0)

# %% [markdown]
# ## 4. Learning the weights
# Nobody sets weights by hand.
# Take a single weight first: the line y = w · x shall go through some examples.
# How wrong it is, is one number, the **loss**: here the mean of the squared distances (dotted).
# The **slope** of the loss says in which direction it rises, so a step goes the other way: the next weight is *weight − learning rate × slope*.
# That is **gradient descent**; the gradient is the slopes of all weights together.
#
# **Try it:** press *step* and follow the arithmetic.
# Then *start again* with a learning rate of 0.05, and with 0.6: what goes wrong?

# %%
x = np.array([0.3, 0.6, 0.9, 1.2, 1.5, 1.8, 2.1])
y = 1.4 * x + [0.15, -0.2, 0.1, 0.25, -0.15, 0.1, -0.1]
DescentExplorer(x, y, weight=-0.5, rate=0.2)

# %% [markdown]
# A network does the same with all its weights at once.
# It starts with random ones, and looks at a few examples at a time, a **batch**.
# One pass over all examples is an **epoch**.
# **Adam** is gradient descent that finds a length of step for each weight by itself; **cross entropy** is a loss for kinds of things: it asks how much the network believed in the right one.
#
# Take 2,000 points to learn from, eight neurons with ReLU, and a layer that decides.


# %%
many = rng.uniform(-1, 1, (2000, 2)).astype(np.float32)
kinds = (many[:, 0] * many[:, 1] > 0).astype(int)


def learn(epochs):
    """Train a new network for some epochs; the seed makes it the same network each time."""
    network = nn.zoo.mlp([2, 8, 2], rng=SEED)
    trainer = Trainer(network, CrossEntropy(), optim.Adam(0.02), batch_size=50, seed=SEED,
                      threads=1, progress=None)
    if epochs:
        trainer.fit((many, kinds), epochs=epochs)
    return trainer


# %% [markdown]
# Twenty epochs, then it is asked about the 40 points of part 3.

# %%
trainer = learn(20)
answers = trainer.predict(places.astype(np.float32)).argmax(axis=1)
print(f"corners right: {100 * np.mean(answers == crosswise):.0f} %")

# %% [markdown]
# **Try it:** move the slider and watch it learn.
# Left: bright where the network says *triangle*. Right: what is true.
# With 0 epochs the weights are the random ones; later the corners come out.


# %%
def after(epochs):
    """Draw what the network says about the plane after some epochs."""
    points = plane.reshape(-1, 2).astype(np.float32)
    says = learn(epochs).predict(points).argmax(axis=1).reshape(41, 41)
    truth = plane[..., 0] * plane[..., 1] > 0
    titles = [f"{100 * np.mean(says == truth):.0f} % right", "truth"]
    return digits([says, truth], titles, columns=2, size=2)


ValueExplorer(after, [0, 1, 2, 3, 5, 10, 20], "epochs", start=2)

# %% [markdown]
# What do the eight neurons look at?
# Each row is the pair of weights and the bias of one of them.
# Look for those that point to corners, such as (+, +) or (-, +).

# %%
layer = trainer.model.fc1
for pair, offset in zip(layer.weight.data, layer.bias.data, strict=True):
    print(f"{pair[0]:6.2f} {pair[1]:6.2f}   bias {offset:5.2f}")

# %% [markdown]
# ## 5. Pictures, the obvious way
# A picture is a list of pixels, so let every neuron see all of them: a **fully connected** layer.
# With the digits of MNIST (28 × 28 pixels) this works.
# The next cell also says **where the data came from**; without the files and without a network a stand-in takes their place (1,797 digits of scikit-learn, enlarged), on which the accuracies say nothing about MNIST.

# %%
images, labels, source = data.mnist.load("train")
test_images, test_labels, _ = data.mnist.load("test")
print(source.describe())
stand_in = source.kind != "real"
if stand_in:
    print("\n*** NOT MNIST: a small stand-in is used. Set SANDBOX_DATA to the real files. ***")

# %% jupyter={"source_hidden": true}
epochs = (5 if FAST else 60) if stand_in else (1 if FAST else 3)  # the stand-in is 40 times smaller
rate = 0.05 if stand_in else 0.1  # with so few digits 0.1 can go astray

# %% [markdown]
# 784 inputs, 100 neurons, 10 answers.
# Pixels become numbers around 0 first.

# %%
prepare = data.mnist.transform()
train = data.ArrayDataset(images, labels, transform=prepare)


def move(images, shift):
    """Shift images to the right (to the left below 0); what leaves them is lost."""
    wide = np.pad(images, ((0, 0), (0, 0), (6, 6)))
    return wide[:, :, 6 - shift : 34 - shift]


# %% [markdown]
# Two networks will take this road, so training and asking are functions.
# **SGD** (stochastic gradient descent) is the plain step from above, on a batch of 128 digits; **momentum** lets it keep nine tenths of its last direction, as a ball that rolls does.
# **One cycle** plans the learning rate: it rises during the first quarter of the training and falls to zero at its end.


# %%
def train_on_digits(model):
    """Train a network on the digits and return its trainer."""
    optimizer = optim.SGD(rate, momentum=0.9, schedule=optim.OneCycle())
    trainer = Trainer(model, CrossEntropy(), optimizer, batch_size=128, seed=SEED,
                      threads=1, progress=None)
    trainer.fit(train, epochs=epochs)
    return trainer


def answers_of(trainer, shift=0):
    """Return what a network reads when the test digits are shifted to the right."""
    return trainer.predict(prepare(move(test_images, shift))).argmax(axis=1)


# %% [markdown]
# It reads well.
# But shift the digits by three pixels, which you would hardly notice, and it gets lost: every pixel has weights of its own, and they learned nothing about the pixel beside.

# %%
connected = train_on_digits(nn.zoo.mlp([784, 100, 10], rng=SEED))
share = {k: 100 * np.mean(answers_of(connected, k) == test_labels) for k in (0, 3)}
print(f"fully connected: {share[0]:.2f} %")
print(f"fully connected, shifted by 3 pixels: {share[3]:.1f} %")

# %% [markdown]
# **Try it:** shift the digits yourself.
# The title reads *truth → answer*; what is wrong is marked.


# %%
def shifted(shift, trainer=connected):
    """Draw some shifted digits with what a network reads."""
    found = answers_of(trainer, shift)
    titles = [f"{test_labels[i]} → {found[i]}" for i in range(16)]
    return digits(move(test_images[:16], shift), titles, wrong=found[:16] != test_labels[:16])


ValueExplorer(shifted, range(-6, 7), "shift in pixels", start=3)

# %% [markdown]
# ## 6. Why this does not scale
# A picture of 200 × 200 pixels has 40,000 inputs.
# A layer of as many neurons, each connected with every pixel, has 40,000 × 40,000 connections: **1.6 billion** in one layer.


# %% tags=["keep_output", "nbval-check-output"]
def all_connected(side):
    """Return what a layer needs that has as many neurons as the picture has pixels."""
    connections = side**4
    return (f"{side} × {side}: {side**2:,} inputs, {connections:,} connections, "
            f"{4 * connections / 1e9:,.1f} GB")


for side in (28, 200, 1000):
    print(all_connected(side))

# %% [markdown]
# **Try it:** how large a picture fits into your machine's memory?
# A photo has a side of about 4,000.

# %%
ValueExplorer(all_connected, [28, 50, 100, 200, 400, 1000, 2000, 4000], "side in pixels", start=200)

# %% [markdown]
# ## 7. A hint from a cat
# From 1959 on David Hubel and Torsten Wiesel listened to single cells in the visual cortex of cats and found
# - **small fields**: a cell answers to a small patch of what the eye sees, not to all of it,
# - **edges**: it answers to a bar or an edge of one direction, and is silent for others,
# - **simple and complex cells**: some want the edge in an exact place; others behind them accept it anywhere nearby.
#
# It brought them a Nobel prize, and engineers an idea.
#
# **Try it:** here is a cell that wants a vertical edge, dark on the left and bright on the right.
# It is a neuron like all others: a weighted sum of what its field sees, and a bend.
# Turn the edge: it speaks loudest for its own direction and is silent from 90 degrees on.


# %%
def cell_hears(angle):
    """Draw an edge, the weights of a cell that wants a vertical one, and the products."""
    down, right = np.mgrid[-7:8, -7:8]
    turn = np.deg2rad(angle)
    edge = (right * np.cos(turn) + down * np.sin(turn) > 0.5).astype(float)
    weights = np.sign(right)
    total = np.sum(edge * weights)
    titles = [f"edge at {angle}°", "weights", f"sum {total:.0f} → {max(0, total):.0f}"]
    return digits([edge, weights, edge * weights], titles, columns=3, size=2)


ValueExplorer(cell_hears, range(0, 181, 15), "angle of the edge in degrees", start=0)

# %% [markdown]
# A small field with the same weights everywhere is a **convolution**.
# "Anywhere nearby" is **pooling**.
# Small fields save weights, shared ones save nearly all of them:

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
def pool(image):
    """Keep the largest of each 2 x 2 pixels."""
    height, width = (n // 2 for n in image.shape)
    return image[: 2 * height, : 2 * width].reshape(height, 2, width, 2).max(axis=(1, 3))


rows = np.array([[0, 0, 3, 0, 0, 0, 0, 0]] * 2)
for shift in (0, 1, 2):
    moved = np.roll(rows, shift, axis=1)
    print(moved[0], "pooled", pool(moved)[0])

# %% [markdown]
# On digits: the filter you set in the explorer, then ReLU, then pooling twice.
# The picture gets small, and what was found is still there.
#
# **Try it:** take other digits. (Another filter: set it above, then run this cell again.)


# %%
def pooled(number):
    """Draw what the filter finds in a digit, and the same pooled once and twice."""
    kernel = explorer.arrays()[1]
    patches = np.lib.stride_tricks.sliding_window_view(test_images[number] / 255, kernel.shape)
    found = np.maximum(0, np.einsum("ijkl,kl->ij", patches, kernel))[:24, :24]
    steps = [found, pool(found), pool(pool(found))]
    shown = [np.kron(step, np.ones((24 // len(step),) * 2)) for step in steps]
    return digits(shown, [f"{len(step)} × {len(step)}" for step in steps], columns=3, size=2)


ValueExplorer(pooled, range(10), "number of the test digit")

# %% [markdown]
# ## 10. All together: LeNet
# Convolution, ReLU, pooling; again; then fully connected layers, which are small now.
# The filters are not set by hand: they are learned like all weights.
# Yann LeCun's network read cheques for banks in the 1990s.
#
# **Try it:** shift the digits and compare with part 5.
# Shifted digits confuse this network less.

# %%
lenet = train_on_digits(nn.zoo.lenet5(SEED))
share = {k: 100 * np.mean(answers_of(lenet, k) == test_labels) for k in (0, 3)}
print(f"LeNet: {share[0]:.2f} %")
print(f"LeNet, shifted by 3 pixels: {share[3]:.1f} %")
ValueExplorer(lambda shift: shifted(shift, lenet), range(-6, 7), "shift in pixels", start=3)

# %% [markdown]
# And it reads them with fewer weights.

# %% tags=["keep_output", "nbval-check-output"]
for name, one in (("fully connected", connected), ("LeNet", lenet)):
    print(f"{name:16} {sum(p.data.size for p in one.model.parameters()):7,} weights")

# %% [markdown]
# What became of the cat's cells?
# The first rows: edges of some directions, each in its place.
# Further down: maps of *where something was found*, smaller and smaller.
#
# **Try it:** other digits.


# %%
def maps(number):
    """Draw what LeNet's layers make of a test digit."""
    layers = ("conv1", "relu1", "pool1", "relu2", "fc3")
    return feature_maps(lenet.model, prepare(test_images[number : number + 1])[0], layers=layers)


ValueExplorer(maps, range(10), "number of the test digit")

# %% [markdown]
# ## Summary
# - A neuron is a weighted sum and a bend. It draws one straight line.
# - Layers of neurons draw any border, and their weights are learned from examples.
# - Fully connected layers do not scale to pictures: 200 × 200 pixels need 1.6 billion connections.
# - Convolution (small fields, the same weights everywhere) and pooling (the exact place does not matter) come from the visual cortex, and make the numbers small.
# - LeNet is just that, twice, with a small network behind it.

# %% [markdown]
# ## Exercises
# A cell for each; names from above can be used.

# %% [markdown]
# **1.** How many hidden neurons does the network of part 4 need at least? Try 2, 3, 4 and several seeds.

# %% tags=["exercise"]
# network = nn.zoo.mlp([2, 3, 2], rng=1)

# %% [markdown]
# **2.** Take the ReLU out of the network of part 4. What can it still learn?

# %% tags=["exercise"]
# network = nn.Sequential(fc1=nn.Linear(2, 8, rng=0), fc2=nn.Linear(8, 2, rng=1))

# %% [markdown]
# **3.** Draw a filter that answers only to horizontal strokes, and none to vertical ones.

# %% tags=["exercise"]
# ConvolutionExplorer(test_images[0], [[0, 0, 0], [0, 1, 0], [0, 0, 0]])

# %% [markdown]
# **4.** Shift the digits by 0 to 6 pixels and compare both networks.

# %% tags=["exercise"]
# np.mean(answers_of(lenet, 3) == test_labels)

# %% [markdown]
# **5.** A colour photo of 4,000 × 3,000 pixels: how many weights has a convolution of 64 filters of 3 × 3? And a fully connected layer of 64 neurons?

# %% tags=["exercise"]
# Count the biases, too.

# %% [markdown]
# Answers: [solutions/01_neuron_to_network.ipynb](solutions/01_neuron_to_network.ipynb).
# Next: [02_lenet_mnist](02_lenet_mnist.ipynb), the same LeNet on Spark, with curves you can steer.
