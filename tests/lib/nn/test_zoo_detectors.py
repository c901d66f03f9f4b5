"""SSD-300 and tiny YOLO: their sizes, their boxes, that they are compiled and learn."""

from __future__ import annotations

import numpy as np
import pytest

from sandbox.lib import core, criterion, nn, optim, train
from sandbox.lib.core.errors import ArgumentError
from sandbox.lib.data import random_shapes
from sandbox.lib.metrics import DetectionMAP

zoo = nn.zoo
ANCHORS = ((1.5, 1.5), (2.5, 2.5))


def size(model):
    return sum(parameter.size for parameter in model.parameters())


def conv(before, after, side):
    return before * after * side * side + after


def test_ssd_is_as_large_as_the_papers():
    widths = [64, 64, 128, 128, *[256] * 3, *[512] * 6]
    base = sum(conv(a, b, 3) for a, b in zip([3, *widths[:-1]], widths, strict=True))
    scale = 512  # of the lengths behind conv4_3
    wide = conv(512, 1024, 3) + conv(1024, 1024, 1)  # fc6, dilated, and fc7
    extra = conv(1024, 256, 1) + conv(256, 512, 3) + conv(512, 128, 1) + conv(128, 256, 3)
    extra += 2 * (conv(256, 128, 1) + conv(128, 256, 3))
    maps = ((512, 4), (1024, 6), (512, 6), (256, 6), (256, 4), (256, 4))
    outputs = sum(conv(channels, boxes * (4 + 21), 3) for channels, boxes in maps)
    assert (base, wide, extra, outputs) == (14_714_688, 5_769_216, 2_459_520, 3_341_550)
    assert base + scale + wide + extra + outputs == 26_285_486 == size(zoo.ssd300(0))


def test_ssd_judges_8732_boxes_of_the_papers_sizes():
    model = zoo.ssd300(0, width=1)
    shapes = [y.shape for y in model(np.zeros((1, 3, 300, 300), "f4"))]
    assert shapes == [(1, 8732, 4), (1, 8732, 21), (1, 8732, 4)]
    sides = [module.sizes[0] for module in model if isinstance(module, nn.PriorBox)]
    larger = [module.larger[0] for module in model if isinstance(module, nn.PriorBox)]
    assert sides == [30, 60, 111, 162, 213, 264]
    assert larger == [60, 111, 162, 213, 264, 315]


def test_tiny_yolo_is_as_large_as_the_papers():
    widths = [16, 32, 64, 128, 256, 512, 1024, 1024]
    layers = [9 * a * b + 2 * b for a, b in zip([3, *widths[:-1]], widths, strict=True)]
    assert sum(layers) + conv(1024, 5 * 25, 1) == 15_861_773 == size(zoo.tiny_yolo(0))


def ssd():
    model = zoo.ssd300(0, channels=1, classes=3, image=64, width=2, dilation=1, batch_norm=True)
    return model, criterion.MultiBox(), nn.DetectionOutputSSD(max_outputs=10)


def yolo():
    model = zoo.tiny_yolo(0, channels=1, classes=3, width=2, halvings=3, anchors=ANCHORS)
    output = nn.DetectionOutputYOLO(ANCHORS, 3, max_outputs=10)
    return model, criterion.Yolo(ANCHORS, 3), output


@pytest.mark.parametrize("make", [ssd, yolo])
def test_a_detector_is_compiled_to_its_end_and_training_lowers_the_loss(make):
    model, loss, output = make()
    x, there = random_shapes(16, 0, size=64)
    whole = nn.Sequential(model, output)
    program = core.predict_program(whole, whole, core.Spec.of(x))
    assert program.reason is None
    trainer = train.Trainer(
        model, loss, optim.Adam(0.01), batch_size=8, metrics=[], progress=None, threads=1
    )
    losses = trainer.fit((x, there), epochs=6)["loss"]
    assert np.isfinite(losses).all()
    assert losses[-1] < 0.8 * losses[0]
    found = whole.predict(x)
    assert found.shape == (16, 10, 6)
    assert 0 <= DetectionMAP(3)(found, there) <= 1


@pytest.mark.parametrize(
    "build",
    [
        lambda: zoo.ssd300(0, image=32),
        lambda: zoo.ssd300(0, classes=0),
        lambda: zoo.tiny_yolo(0, anchors=[(1,)]),
        lambda: zoo.tiny_yolo(0, halvings=0),
    ],
)
def test_wrong_arguments_are_refused(build):
    with pytest.raises(ArgumentError, match="must be"):
        build()
