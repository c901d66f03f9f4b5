"""One of each transform of pictures, and pictures to try them on."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from sandbox.lib.data import vision as v

# What moves pixels, for pictures of 40 x 30 and more.
MOVES = {
    "Resize": v.Resize((25, 50)),
    "Resize random": v.Resize((25, 50), interpolation="random"),
    "Resize nearest": v.Resize(24, interpolation="nearest"),
    "ResizeShorter": v.ResizeShorter(20),
    "ResizeShorter list": v.ResizeShorter([20, 30, 45], longest=50, multiple_of=4),
    "RandomResize": v.RandomResize(15, 45),
    "HorizontalFlip": v.HorizontalFlip(),
    "VerticalFlip": v.VerticalFlip(),
    "RandomRotation": v.RandomRotation(45),
    "CenterCrop": v.CenterCrop((24, 28)),
    "CenterCrop filled": v.CenterCrop((90, 20), fill=3),
    "RandomCrop": v.RandomCrop((24, 28)),
    "FixedCrop": v.FixedCrop(0.1, 0.2, 0.8, 0.9),
    "CropToBox": v.CropToBox(margin=0.3),
    "RandomResizedCrop": v.RandomResizedCrop(32),
    "RandomIoUCrop": v.RandomIoUCrop(),
    "Expand": v.Expand(1, 3),
    "Pad": v.Pad((60, 70), fill=(1, 2, 3)),
    "Pipeline": v.Pipeline(
        v.Expand(), v.RandomIoUCrop(), v.Resize(32), v.HorizontalFlip(), v.HorizontalFlip()
    ),
    "OneOf": v.OneOf(v.HorizontalFlip(1), v.VerticalFlip(1)),
    "RandomApply": v.RandomApply(v.CenterCrop(20), 0.5),
}
# What changes colours alone.
COLORS = {
    "Brightness": v.Brightness(-50, 50),
    "Contrast": v.Contrast(0.2, 2),
    "Saturation": v.Saturation(0.2, 2),
    "Hue": v.Hue(-90, 90),
    "ChannelShuffle": v.ChannelShuffle(),
    "ColorJitter": v.ColorJitter(),
    "ColorJitter shuffled": v.ColorJitter(shuffle=True, channels_p=0.5),
    "Grayscale": v.Grayscale(),
    "Grayscale 1": v.Grayscale(1),
    "SwapChannels": v.SwapChannels(),
    "Lighting": v.Lighting(),
    "GaussianBlur": v.GaussianBlur(),
    "GaussianNoise": v.GaussianNoise(),
    "FillRegion": v.FillRegion(0.1, 0.2, 0.5, 0.6),
    "RandomErasing": v.RandomErasing(),
    "RandomErasing noise": v.RandomErasing(fill="noise"),
    "RandomOrder": v.RandomOrder(v.Brightness(-50, 50), v.Contrast(0.5, 2)),
    "ChannelNormalize": v.ChannelNormalize((123, 117, 104), 50),
    "PixelNormalize": v.PixelNormalize(np.arange(40 * 30 * 3).reshape(40, 30, 3)),
    "ToFloat": v.ToFloat(),
    "ToTensor": v.ToTensor((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "ClipBoxes": v.ClipBoxes(),
}
ALL = MOVES | COLORS
BYTES_ONLY = {"Saturation", "Hue", "ColorJitter", "ColorJitter shuffled"}
FIXED_SIZE = [
    name for name, one in ALL.items()
    if name not in {"ResizeShorter list", "RandomResize", "CropToBox", "RandomIoUCrop", "Expand",
                    "RandomApply"}
]  # fmt: skip


def picture(seed=0, height=40, width=30, channels=3, dtype="u1"):
    """Give a smooth picture with a little noise, so that moved pixels can be told apart."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    waves = [
        np.sin(x / (5 + 2 * c) + rng.uniform(0, 6)) * np.cos(y / (7 + c) + rng.uniform(0, 6))
        for c in range(channels)
    ]
    made = 128 + 90 * np.stack(waves, 2) + rng.normal(0, 5, (height, width, channels))
    return np.clip(np.rint(made), 0, 255).astype(dtype)


def photos():
    """Give the real photos of the shared data, by name."""
    folder = Path(os.environ.get("SANDBOX_DATA", "../shared/data")) / "images"
    return {path.stem: path for path in sorted(folder.glob("*.*g"))}
