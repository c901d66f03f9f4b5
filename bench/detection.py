"""Detectors learn drawn shapes: mean average precision of SSD and tiny YOLO on new images.

Both see 1,000 images of 96 pixels with one to three circles, squares and triangles on noise
(`data.random_shapes`), and are asked about 300 new ones; for each seed there are other images and
other weights. Both have 8 channels in the first stage; Adam, batches of 25, one cycle of the
learning rate. A detection is right at an overlap of 0.5; the figure is the area under precision and
recall, mean of the three classes, of the worst seed. Seconds are for orientation.
"""

from __future__ import annotations

import time

import numpy as np

from sandbox.lib import criterion, nn, optim
from sandbox.lib.data import SHAPES, random_shapes
from sandbox.lib.metrics import DetectionMAP
from sandbox.lib.nn import zoo
from sandbox.lib.train import Trainer

from . import harness

SIZE, BATCH, BAR = 96, 25, 0.8
ANCHORS = ((2.3, 2.3), (3.2, 3.2), (4.2, 4.2))


def ssd(seed: int):
    """Give a narrow SSD, its loss, what makes its output into objects, and the learning rate."""
    model = zoo.ssd300(
        seed, channels=1, classes=len(SHAPES), image=SIZE, width=8, dilation=1, batch_norm=True
    )
    return model, criterion.MultiBox(), nn.DetectionOutputSSD(max_outputs=50), 0.005


def yolo(seed: int):
    """Give a narrow tiny YOLO in the same parts."""
    classes = len(SHAPES)
    model = zoo.tiny_yolo(seed, channels=1, classes=classes, width=8, halvings=3, anchors=ANCHORS)
    output = nn.DetectionOutputYOLO(ANCHORS, classes, max_outputs=50)
    return model, criterion.Yolo(ANCHORS, classes), output, 0.005


def learn(make, seed: int, images: int, epochs: int, report) -> float:
    """Train a detector; tell and give its mean average precision on new images."""
    x, y = random_shapes(images, 2 * seed, size=SIZE)
    new, there = random_shapes(300, 2 * seed + 1, size=SIZE)
    model, loss, output, rate = make(seed)
    trainer = Trainer(
        model,
        loss,
        optim.Adam(rate, schedule=optim.OneCycle(warm=0.2, start=0.1, final=0.01)),
        batch_size=BATCH,
        seed=seed,
        threads=1,
        metrics=(),
        progress=None,
    )
    started = time.perf_counter()
    losses = trainer.fit((x, y), epochs=epochs)["loss"]
    seconds = time.perf_counter() - started
    found = nn.Sequential(model, output).predict(new)
    size = sum(parameter.size for parameter in model.parameters())
    areas = DetectionMAP(len(SHAPES), average="none")(found, there)
    coco = DetectionMAP.coco(len(SHAPES))(found, there)
    each = ", ".join(f"{shape} {area:.3f}" for shape, area in zip(SHAPES, areas, strict=True))
    report(
        f"{make.__name__}, seed {seed}: {size:,} parameters, {epochs} epochs, {seconds:.0f} s on "
        f"one thread; loss {losses[0]:.3f} ... {losses[-1]:.3f}"
    )
    report(f"  {each}; mAP {np.mean(areas):.3f}, at 0.5 ... 0.95 {coco:.3f}")
    return float(np.mean(areas))


def main(arguments, report):
    """Train both and tell their figures."""
    parser = harness.options("detection", __doc__)
    parser.add_argument("--images", type=int, default=1000, help="to learn from")
    parser.add_argument("--epochs", type=int, default=20, help="of them")
    parser.add_argument("--seeds", type=int, default=2, help="how many")
    chosen = parser.parse_args(arguments)
    figures = {make: [] for make in (ssd, yolo)}
    for seed in range(chosen.seeds):
        for make, found in figures.items():
            found.append(learn(make, seed, chosen.images, chosen.epochs, report))
    for make, found in figures.items():
        report.value(f"{make.__name__}, mAP at 0.5", min(found), at_least=BAR)
    return report.close()
