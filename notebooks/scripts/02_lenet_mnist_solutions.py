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
# # LeNet reads handwriting: solutions
#
# Answers to the exercises of [02_lenet_mnist](../02_lenet_mnist.ipynb).
# Yours may differ and be better.
# It takes about a minute on two cores; training runs in this process on one thread, without Spark (one argument differs).

# %% [markdown]
# ## Setup
# The data, and a function that trains a network and tells how well it reads.

# %%
import os

import numpy as np

from sandbox.lib import data, nn, optim
from sandbox.lib.criterion import CrossEntropy
from sandbox.lib.train import Trainer
from sandbox.widgets import ConvolutionExplorer, TrainingCurves, digits, working

# %%
FAST = os.environ.get("FAST") == "1"
train_images, train_labels, source = data.mnist.load("train")
test_images, test_labels, _ = data.mnist.load("test")
stand_in = source.kind != "real"
print(source.describe())
epochs = (10 if FAST else 120) if stand_in else (1 if FAST else 3)
usual = 0.05 if stand_in else 0.1
prepare = data.mnist.transform()
train = data.ArrayDataset(train_images, train_labels, transform=prepare)


# %%
def fit(model, rate=usual):
    """Train with the recipe of the notebook and return the trainer."""
    optimizer = optim.SGD(rate, momentum=0.9, nesterov=True, schedule=optim.OneCycle())
    trainer = Trainer(model, CrossEntropy(), optimizer, batch_size=128, threads=1, progress=None)
    with working("training"):
        trainer.fit(train, epochs=epochs)
    return trainer


def accuracy(trainer, images):
    """Return the share of test images that are read as their label."""
    return np.mean(trainer.predict(prepare(images)).argmax(axis=1) == test_labels)


# %% [markdown]
# ## 1. Strokes that fall from left to right
# Such a stroke is bright on the diagonal from the upper left to the lower right.
# Positive weights there, negative ones beside it, and a sum of zero, so that an even area gives no answer.
# An 8 has strokes of both directions: only one of them lights up.

# %%
falling = [[2, -1, -1], [-1, 2, -1], [-1, -1, 2]]
eight = np.flatnonzero(test_labels == 8)[0]
ConvolutionExplorer(test_images[eight], falling)

# %% [markdown]
# ## 2. Shifted digits
# Pooling forgives one or two pixels.
# But the linear layers have a weight of their own for each place, and never saw a digit that far to the right.
# More pixels, more mistakes.
# (Training on shifted digits is the usual cure.)

# %%
lenet = fit(nn.zoo.lenet5(0))
for pixels in (0, 1, 2, 4):
    shifted = np.roll(test_images, pixels, axis=2)
    print(f"{pixels} pixels to the right: {100 * accuracy(lenet, shifted):.1f} %")

# %% [markdown]
# ## 3. Without the second convolution
# After the first pooling there are 6 maps of 12 × 12, so `fc1` takes 864 numbers.
# The network has *more* weights than LeNet and reads a little worse: the weights are in the wrong place.

# %%
small = nn.Sequential(
    conv1=nn.Conv2d(1, 6, 5, rng=0), relu1=nn.ReLU(), pool1=nn.MaxPool2d(2),
    flatten=nn.Flatten(),
    fc1=nn.Linear(6 * 12 * 12, 120, rng=1), relu2=nn.ReLU(),
    fc2=nn.Linear(120, 84, rng=2), relu3=nn.ReLU(),
    fc3=nn.Linear(84, 10, rng=3),
)

# %%
weights = sum(parameter.data.size for parameter in small.parameters())
print(f"{weights:,} weights; {100 * accuracy(fit(small), test_images):.2f} %")
print(f"LeNet: 44,426 weights; {100 * accuracy(lenet, test_images):.2f} %")

# %% [markdown]
# ## 4. A learning rate of 1
# The steps are so long that they jump over the valley: the loss leaps up, the ReLUs die (their input is below zero for every digit), and the network says the same for all digits.
# About one in ten is right, by chance.
# With the ReLUs dead no gradient reaches the filters, and they stop changing.

# %%
wild = fit(nn.zoo.lenet5(0), rate=1.0)
print(f"learning rate 1: {100 * accuracy(wild, test_images):.1f} %")
TrainingCurves(wild)

# %% [markdown]
# ## 5. Right, but hardly sure
# The largest of the ten numbers is the answer.
# The distance to the second largest says how sure it is.
# These are the right answers with the smallest distance, with the runner-up.

# %%
outputs = lenet.predict(prepare(test_images))
order = np.argsort(outputs, axis=1)
rows = np.arange(len(outputs))
distance = outputs[rows, order[:, -1]] - outputs[rows, order[:, -2]]
right = order[:, -1] == test_labels
unsure = np.argsort(np.where(right, distance, np.inf))[:16]
digits(test_images[unsure], [f"{order[i, -1]}, or {order[i, -2]}?" for i in unsure])
