"""Pooling, padding, resizing."""

from __future__ import annotations

from typing import Any

from sandbox.lib import nn
from sandbox.lib.core import ops

from .pairs import Pair

MAPS = {1: (2, 3, 9), 2: (2, 2, 7, 8), 3: (1, 2, 5, 6, 7)}
WINDOWS: dict[str, dict[str, Any]] = {
    "halves": {"kernel_size": 2},
    "overlapping, ceil": {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True},
}


def pool(name: str, what: str, axes: int, **arguments: Any) -> Pair:
    """Pair a module with PyTorch's of the same name; only the padding's counting is renamed."""
    theirs = {
        "count_include_pad" if key == "include_padding" else
        "return_indices" if key == "return_index" else key: value
        for key, value in arguments.items()
    }  # fmt: skip
    return Pair(
        f"nn.{name}{axes}d, {what}",
        lambda: getattr(nn, f"{name}{axes}d")(**arguments),
        lambda torch: getattr(torch.nn, f"{name}{axes}d")(**theirs),
        (MAPS[axes],),
    )


def resized(axes: int, what: str, ours: dict[str, Any], **theirs: Any) -> Pair:
    """Pair `ops.resize` with PyTorch's `interpolate`."""
    return Pair(
        f"ops.resize over {axes} axes, {what}",
        lambda: lambda x: ops.resize(x, **ours),
        lambda torch: lambda x: torch.nn.functional.interpolate(x, **theirs),
        (MAPS[axes],),
    )


SIZES: dict[int, tuple[int, ...]] = {1: (14,), 2: (5, 16), 3: (3, 9, 14)}
LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}

PAIRS = [
    *(
        pool(name, what, axes, **window)
        for name in ("MaxPool", "AvgPool")
        for axes in (1, 2, 3)
        for what, window in WINDOWS.items()
    ),
    *(
        pool("MaxPool", "gaps", axes, kernel_size=2, stride=1, dilation=2, padding=1)
        for axes in (1, 2, 3)
    ),
    *(
        pool("MaxPool", "with places", axes, kernel_size=3, stride=2, padding=1, return_index=True)
        for axes in (1, 2, 3)
    ),
    *(
        pool("AvgPool", "without padding", axes, kernel_size=3, padding=1, include_padding=False)
        for axes in (1, 2, 3)
    ),
    *(
        resized(
            axes,
            "linear",
            {"size": SIZES[axes]},
            size=SIZES[axes],
            mode=LINEAR[axes],
            align_corners=False,
        )
        for axes in (1, 2, 3)
    ),
    *(
        resized(
            axes,
            "linear, corners aligned",
            {"size": SIZES[axes], "coordinates": "align_corners"},
            size=SIZES[axes],
            mode=LINEAR[axes],
            align_corners=True,
        )
        for axes in (1, 2, 3)
    ),
    *(
        resized(
            axes,
            "nearest",
            {"size": SIZES[axes], "mode": "nearest", "coordinates": "asymmetric",
             "rounding": "floor"},
            size=SIZES[axes],
            mode="nearest",
        )
        for axes in (1, 2, 3)
    ),
    resized(
        2,
        "nearest exact",
        {"size": (5, 16), "mode": "nearest", "rounding": "round_prefer_ceil"},
        size=(5, 16),
        mode="nearest-exact",
    ),
    resized(2, "area", {"size": (3, 5), "mode": "area"}, size=(3, 5), mode="area"),
    resized(
        2,
        "cubic",
        {"size": (5, 16), "mode": "cubic"},
        size=(5, 16),
        mode="bicubic",
        align_corners=False,
    ),
    resized(
        2,
        "cubic, corners aligned",
        {"size": (5, 16), "mode": "cubic", "coordinates": "align_corners"},
        size=(5, 16),
        mode="bicubic",
        align_corners=True,
    ),
    resized(
        2,
        "linear by a scale",
        {"scale": (1.3, 0.6)},
        scale_factor=(1.3, 0.6),
        mode="bilinear",
        align_corners=False,
        recompute_scale_factor=False,
    ),
    resized(2, "twice", {"scale": 2, "mode": "nearest"}, scale_factor=2, mode="nearest"),
]  # fmt: skip
