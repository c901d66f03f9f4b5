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
# # From a neuron to a network: solutions
#
# Answers to the exercises of [01_neuron_to_network](../01_neuron_to_network.ipynb).
# Yours may differ and be better.
# It takes about half a minute on two cores.

# %% [markdown]
# ## Setup
# The points of part 4, and the digits.

# %%
import os

import numpy as np

from sandbox.lib import data, nn, optim
from sandbox.lib.criterion import CrossEntropy
from sandbox.lib.train import Trainer
from sandbox.widgets import ConvolutionExplorer, working

# %%
FAST = os.environ.get("FAST") == "1"
rng = np.random.default_rng(0)
points = rng.uniform(-1, 1, (2000, 2)).astype(np.float32)
kinds = (points[:, 0] * points[:, 1] > 0).astype(int)
images, labels, source = data.mnist.load("train")
test_images, test_labels, _ = data.mnist.load("test")
print(source.describe())


# %%
def corners(model, seed=0):
    """Train on the points and return the share that is right."""
    trainer = Trainer(model, CrossEntropy(), optim.Adam(0.02), batch_size=50, seed=seed,
                      threads=1, progress=None)
    trainer.fit((points, kinds), epochs=5 if FAST else 20)
    return np.mean(trainer.predict(points).argmax(axis=1) == kinds)


# %% [markdown]
# ## 1. How many neurons
# Two are enough on paper (part 3 had them), but learning seldom finds them: a start where both look at the same corner does not get away.
# More neurons than needed make learning easy.

# %%
for hidden in (2, 3, 4, 8):
    found = [corners(nn.zoo.mlp([2, hidden, 2], rng=seed), seed) for seed in range(3)]
    print(hidden, "hidden neurons:", ", ".join(f"{100 * share:.0f} %" for share in found))

# %% [markdown]
# ## 2. Without the bend
# Two layers without ReLU are one weighted sum again: a straight line, whatever the weights.
# It gets about two thirds of the points (half would be chance).

# %%
straight = nn.Sequential(fc1=nn.Linear(2, 8, rng=0), fc2=nn.Linear(8, 2, rng=1))
print(f"without ReLU: {100 * corners(straight):.0f} %")

# %% [markdown]
# ## 3. Horizontal strokes
# Bright in the middle row, dark above and below, and a sum of zero.
# A vertical stroke meets one weight of each row, and they cancel out.

# %%
ConvolutionExplorer(test_images[0], [[-1, -1, -1], [2, 2, 2], [-1, -1, -1]])

# %% [markdown]
# ## 4. Shifted digits
# Both get worse; LeNet later, because pooling forgives a pixel or two.
# It is not free of the place either: its last layers are fully connected.

# %%
prepare = data.mnist.transform()
train = data.ArrayDataset(images, labels, transform=prepare)
epochs = (1 if FAST else 2) if source.kind == "real" else (5 if FAST else 40)
rate = 0.1 if source.kind == "real" else 0.05
wide = np.pad(test_images, ((0, 0), (0, 0), (6, 6)))  # what is shifted out is lost
models = {"fully connected": nn.zoo.mlp([784, 100, 10], rng=0), "LeNet": nn.zoo.lenet5(0)}

# %%
for name, model in models.items():
    optimizer = optim.SGD(rate, momentum=0.9, schedule=optim.OneCycle())
    trainer = Trainer(model, CrossEntropy(), optimizer, batch_size=128, threads=1, progress=None)
    with working(f"training, {name}"):
        trainer.fit(train, epochs=epochs)
    moved = [prepare(wide[:, :, 6 - shift : 34 - shift]) for shift in range(7)]
    shares = [np.mean(trainer.predict(x).argmax(axis=1) == test_labels) for x in moved]
    print(f"{name:16}", ", ".join(f"{100 * share:.0f} %" for share in shares))

# %% [markdown]
# ## 5. A photo
# The convolution does not care how large the picture is: 3 colours × 3 × 3 weights and a bias for each filter.
# The fully connected layer needs 36 million weights for each neuron.

# %% tags=["keep_output", "nbval-check-output"]
print(f"convolution:     {64 * (3 * 3 * 3 + 1):13,}")
print(f"fully connected: {64 * (4000 * 3000 * 3 + 1):13,}")
