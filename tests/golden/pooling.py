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


def adapted(kind: str, axes: int, size: tuple[int | None, ...]) -> Pair:
    """Pair pooling to a given size with PyTorch's."""
    name = f"Adaptive{kind}Pool{axes}d"
    return Pair(
        f"nn.{name}, {size}",
        lambda: getattr(nn, name)(size),
        lambda torch: getattr(torch.nn, name)(size),
        (MAPS[axes],),
    )


def unpooled(axes: int) -> Pair:
    """Pair un-pooling behind pooling."""

    def ours() -> Any:
        """Pool and put back."""
        down = getattr(nn, f"MaxPool{axes}d")(2, return_index=True)
        up = getattr(nn, f"MaxUnpool{axes}d")(2, output_size=MAPS[axes][2:])
        return lambda x: up.call(*down.call(x))

    def theirs(torch: Any) -> Any:
        """Pool and put back."""
        down = getattr(torch.nn, f"MaxPool{axes}d")(2, return_indices=True)
        up = getattr(torch.nn, f"MaxUnpool{axes}d")(2)
        return lambda x: up(*down(x), output_size=x.shape)

    return Pair(f"nn.MaxUnpool{axes}d", ours, theirs, (MAPS[axes],))


def framed(axes: int, mode: str, theirs: str, *value: float) -> Pair:
    """Pair padding with one of PyTorch's, which counts the sides from the last axis on."""
    ends = ((1, 2), (0, 2), (2, 1))[:axes]
    turned = tuple(end for pair in ends[::-1] for end in pair)
    return Pair(
        f"nn.Pad{axes}d, {mode}",
        lambda: getattr(nn, f"Pad{axes}d")(ends, mode=mode, value=value[0] if value else 0.0),
        lambda torch: getattr(torch.nn, f"{theirs}{axes}d")(turned, *value),
        (MAPS[axes],),
    )


def alike(name: str, argument: Any, shape: tuple[int, ...], **theirs: Any) -> Pair:
    """Pair a module of one argument with PyTorch's of the same name, or arguments."""
    return Pair(
        f"nn.{name}({argument})",
        lambda: getattr(nn, name)(argument),
        lambda torch: (
            getattr(torch.nn, name)(**theirs) if theirs else getattr(torch.nn, name)(argument)
        ),
        (shape,),
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
        Pair(
            f"nn.LPPool{axes}d",
            lambda axes=axes: getattr(nn, f"LPPool{axes}d")(2, 3, stride=2),
            lambda torch, axes=axes: getattr(torch.nn, f"LPPool{axes}d")(2, 3, stride=2),
            (MAPS[axes],),
        )
        for axes in (1, 2, 3)
    ),
    *(
        adapted(kind, len(size), size)
        for kind in ("Avg", "Max")
        for size in ((4,), (3,), (3, 8), (None, 3), (2, 3, 4))
    ),
    *(
        framed(axes, *how)
        for axes in (1, 2, 3)
        for how in (
            ("constant", "ConstantPad", 0.5),
            ("reflect", "ReflectionPad"),
            ("replicate", "ReplicationPad"),
            ("circular", "CircularPad"),
        )
    ),
    alike("PixelShuffle", 2, (2, 8, 3, 2)),
    alike("PixelUnshuffle", 2, (2, 2, 4, 6)),
    alike("ChannelShuffle", 3, (2, 6, 2, 3)),
    alike("Upsample", 2, MAPS[1], scale_factor=2),
    alike("Upsample", (2, 3), MAPS[2], scale_factor=(2, 3)),
    alike("Upsample", 3, MAPS[3], scale_factor=3),
    Pair(
        "nn.Upsample, linear",
        lambda: nn.Upsample(2, mode="linear"),
        lambda torch: torch.nn.Upsample(scale_factor=2, mode="bilinear"),
        (MAPS[2],),
    ),
    Pair(
        "nn.Resize, corners aligned",
        lambda: nn.Resize((9, 5), coordinates="align_corners"),
        lambda torch: torch.nn.UpsamplingBilinear2d(size=(9, 5)),
        (MAPS[2],),
    ),
    *(unpooled(axes) for axes in (1, 2, 3)),
    Pair(
        "nn.AdaptiveMaxPool2d, with places",
        lambda: nn.AdaptiveMaxPool2d((3, 5), return_index=True),
        lambda torch: torch.nn.AdaptiveMaxPool2d((3, 5), return_indices=True),
        (MAPS[2],),
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
