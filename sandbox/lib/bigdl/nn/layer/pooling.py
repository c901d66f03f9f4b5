"""Averages of windows, neighbours of channels."""

from __future__ import annotations

from typing import Any

from .... import nn
from ....core.errors import ArgumentError
from ..adapters import Batched
from ..base import Layer
from .convolution import channels_first, padding_of


class SpatialAveragePooling(Layer):
    """The mean of each window of images; `divide` False gives the sum."""

    def __init__(
        self,
        kw: int,
        kh: int,
        dw: int = 1,
        dh: int = 1,
        pad_w: int = 0,
        pad_h: int = 0,
        global_pooling: bool = False,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divide: bool = True,
        format: str = "NCHW",
        bigdl_type: str = "float",
    ) -> None:
        if not divide and not count_include_pad:
            raise ArgumentError(
                "SpatialAveragePooling: `divide` False must go with count_include_pad=True."
            )
        made: nn.Module = nn.AvgPool2d(
            (kh, kw),
            stride=(dh, dw),
            padding=padding_of(pad_w, pad_h),
            ceil_mode=ceil_mode,
            include_padding=count_include_pad,
        )
        if global_pooling:
            made = nn.GlobalAvgPool2d(keep_axes=True)
        elif not divide:
            made = nn.Sequential(mean=made, sum=nn.MultiplyConstant(float(kw * kh)))
        super().__init__(channels_first("SpatialAveragePooling", format, made), bigdl_type)


class SpatialCrossMapLRN(Layer):
    """x / (k + alpha/size · sum of squares of the neighbouring channels) ** beta."""

    def __init__(
        self,
        size: int = 5,
        alpha: float = 1.0,
        beta: float = 0.75,
        k: float = 1.0,
        data_format: str = "NCHW",
        bigdl_type: str = "float",
    ) -> None:
        made: Any = nn.LocalResponseNorm(size, alpha=alpha, beta=beta, k=k)
        super().__init__(channels_first("SpatialCrossMapLRN", data_format, made), bigdl_type)


class SpatialZeroPadding(Layer):
    """Zeros around images."""

    def __init__(
        self,
        pad_left: int,
        pad_right: int,
        pad_top: int,
        pad_bottom: int,
        bigdl_type: str = "float",
    ) -> None:
        made = nn.Pad2d(((pad_top, pad_bottom), (pad_left, pad_right)))
        super().__init__(Batched(made, 4), bigdl_type)
