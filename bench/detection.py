"""Detectors learn drawn shapes: mean average precision of SSD and tiny YOLO on new images.

Both see 1,500 images of one to three circles, squares and triangles on noise (`random_shapes`, 64
pixels) and are asked about 300 new ones. SSD has 8 and tiny
YOLO 8 channels in the first stage; Adam, batches of 25, one cycle of the learning rate. A detection
is right at an overlap of 0.5; the figure is the area under precision and recall, mean of the three
classes.
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

SIZE, BATCH, BAR = 64, 25, 0.8
ANCHORS = ((1.5, 1.5), (2.3, 2.3), (3.0, 3.0))


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


def main(arguments, report):
    """Train both and tell their figures."""
    parser = harness.options("detection", __doc__)
    parser.add_argument("--images", type=int, default=1500, help="to learn from")
    parser.add_argument("--epochs", type=int, default=20, help="of them")
    parser.add_argument("--seed", type=int, default=0, help="of images and weights")
    parser.add_argument("--only", choices=["ssd", "yolo"], help="one of the two")
    chosen = parser.parse_args(arguments)
    x, y = random_shapes(chosen.images, chosen.seed, size=SIZE)
    new, there = random_shapes(300, chosen.seed + 1, size=SIZE)
    for name, make in (("ssd", ssd), ("yolo", yolo)):
        if chosen.only not in (None, name):
            continue
        model, loss, output, rate = make(chosen.seed)
        size = sum(parameter.size for parameter in model.parameters())
        trainer = Trainer(
            model,
            loss,
            optim.Adam(rate, schedule=optim.OneCycle(warm=0.2, start=0.1, final=0.01)),
            batch_size=BATCH,
            seed=chosen.seed,
            threads=1,
            metrics=(),
            progress=None,
        )
        started = time.perf_counter()
        losses = trainer.fit((x, y), epochs=chosen.epochs)["loss"]
        seconds = time.perf_counter() - started
        found = nn.Sequential(model, output).predict(new)
        report(f"{name}: {size:,} parameters, {chosen.epochs} epochs of {len(x)} images")
        report(f"  loss {losses[0]:.3f} ... {losses[-1]:.3f}; {seconds:.0f} s on one thread")
        areas = DetectionMAP(len(SHAPES), average="none")(found, there)
        each = ", ".join(f"{shape} {area:.3f}" for shape, area in zip(SHAPES, areas, strict=True))
        report(f"  average precision: {each}")
        report.value(f"{name}, mAP at 0.5", float(np.mean(areas)), at_least=BAR)
        coco = DetectionMAP.coco(len(SHAPES))(found, there)
        report.value(f"{name}, mAP at 0.5 ... 0.95", float(coco))
    return report.close()
