"""U-Net, a network of volumes and a language model against PyTorch: training steps.

A step is forward, cross entropy, backward and momentum SGD on arrays in memory, of one thread. Both
sides start from the same weights and see the same batches; their losses after 20 steps must agree.
"""

from __future__ import annotations

import numpy as np
import torch

from sandbox.lib import criterion
from sandbox.lib import nn as ours_nn
from sandbox.lib.nn import zoo

from . import harness, our_side, torch_side

NEEDS_TORCH = True
BATCHES, WORDS, TIME = 4, 10_000, 35
nn = torch.nn


class UNet(nn.Module):
    """The twin of `zoo.unet`."""

    def __init__(self, channels, classes, width, depth):
        super().__init__()
        sizes = [width << level for level in range(depth + 1)]
        self.down = nn.ModuleList(map(self.pair, [channels, *sizes], sizes))
        ups = []
        for size in reversed(sizes[:-1]):
            ups += [nn.ConvTranspose2d(2 * size, size, 2, stride=2), self.pair(2 * size, size)]
        self.up = nn.ModuleList(ups)
        self.classes = nn.Conv2d(width, classes, 1)

    @staticmethod
    def pair(before, after):
        return nn.Sequential(
            *(nn.Conv2d(before, after, 3, padding=1), nn.ReLU()),
            *(nn.Conv2d(after, after, 3, padding=1), nn.ReLU()),
        )

    def forward(self, x):
        across = []
        for number, pair in enumerate(self.down):
            x = pair(x if not number else nn.functional.max_pool2d(x, 2))
            across.append(x)
        across.pop()
        for up, pair in zip(self.up[::2], self.up[1::2], strict=True):
            x = pair(torch.cat([across.pop(), up(x)], 1))
        return self.classes(x)


def volumes(room):
    """Build a small network of three-dimensional convolutions, of either side's modules."""
    layers, before = [], 1
    norm = getattr(room, "BatchNorm3d", None) or room.BatchNorm
    for size in (16, 32, 64):
        layers += [room.Conv3d(before, size, 3, padding=1, bias=False), norm(size), room.ReLU()]
        layers += [room.MaxPool3d(2)] if size < 64 else []
        before = size
    if room is nn:
        layers += [nn.AdaptiveAvgPool3d(1), nn.Flatten()]
    else:
        layers += [ours_nn.GlobalAvgPool3d()]
    return room.Sequential(*layers, room.Linear(before, 10))


class LanguageModel(nn.Module):
    """The twin of `zoo.lstm_language_model`; gives the scores of all words as rows."""

    def __init__(self, size):
        super().__init__()
        self.words = nn.Embedding(WORDS, size)
        self.first = nn.LSTM(size, size, batch_first=True)
        self.second = nn.LSTM(size, size, batch_first=True)
        self.scores = nn.Linear(size, WORDS)

    def forward(self, ids):
        x = self.second(self.first(self.words(ids))[0])[0]
        return self.scores(x).flatten(0, 1)


def batches(draw, label):
    """Draw the batches of a run."""
    rng = np.random.default_rng(0)
    return [(draw(rng),) for _ in range(BATCHES)], [label(rng) for _ in range(BATCHES)]


def unet():
    """Give both sides of U-Net."""
    model = zoo.unet(0, channels=3, width=16, depth=3)
    inputs, labels = batches(
        lambda rng: rng.standard_normal((8, 3, 64, 64), np.float32),
        lambda rng: rng.integers(0, 2, (8, 64, 64)),
    )
    return model, UNet(3, 2, 16, 3), inputs, labels, labels, criterion.CrossEntropy(), 0.01


def volume():
    """Give both sides of the network of volumes."""
    inputs, labels = batches(
        lambda rng: rng.standard_normal((8, 1, 16, 32, 32), np.float32),
        lambda rng: rng.integers(0, 10, 8),
    )
    return volumes(ours_nn), volumes(nn), inputs, labels, labels, criterion.CrossEntropy(), 0.01


def language():
    """Give both sides of the language model."""
    model = zoo.lstm_language_model(WORDS, 0)
    inputs, labels = batches(
        lambda rng: rng.integers(0, WORDS, (20, TIME)),
        lambda rng: rng.integers(0, WORDS, (20, TIME)),
    )
    flat = [label.reshape(-1) for label in labels]
    loss = criterion.TimeDistributed(criterion.CrossEntropy())
    return model, LanguageModel(200), inputs, labels, flat, loss, 0.5


FAMILIES = {"unet": (unet, 1.0), "volumes": (volume, 1.0), "language": (language, 1.3)}


def main(arguments, report):
    """Run the comparisons."""
    parser = harness.options("families", __doc__, rounds=11)
    parser.add_argument("--only", choices=[*FAMILIES, "all"], default="all", help="one network")
    harness.add_clock(parser)
    asked = parser.parse_args(arguments)
    for name, (make, bar) in FAMILIES.items():
        if asked.only not in (name, "all"):
            continue
        model, twin, inputs, labels, theirs_labels, loss, rate = make()
        torch_side.take_weights(twin, model)
        layouts = {"volumes": torch.channels_last_3d, "unet": torch.channels_last}
        layout = layouts.get(name, torch.contiguous_format)
        with torch_side.threads(1):
            ours = our_side.Training(model, rate, inputs, labels, 1, loss=loss)
            theirs = torch_side.Training(twin, rate, inputs, theirs_labels, layout)
            what = f"{name} train, 1 thread"
            harness.same_losses(report, what, ours, theirs, steps=20)
            times = harness.alternate(
                *(ours.step, theirs.step), rounds=asked.rounds, clock=asked.clock
            )
            report.versus(what, *times, bar=bar)
    return report.close()
