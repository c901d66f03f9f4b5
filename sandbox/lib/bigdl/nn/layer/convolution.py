"""Convolutions and pooling: width first, padding -1 for as large as the input."""

from __future__ import annotations

import math
from typing import Any

from .... import nn
from ....core.errors import ArgumentError
from ..adapters import Batched
from ..base import Layer
from ..initialization_method import RandomUniform
from ..weights import Weight


def padding_of(pad_w: int, pad_h: int) -> Any:
    """Give the library's padding: -1 and -1 ask for SAME."""
    return "same" if pad_w == -1 and pad_h == -1 else (pad_h, pad_w)


def channels_first(label: str, data_format: str, module: nn.Module) -> nn.Module:
    """Let a module of images take NHWC too.

    Raises
    ------
    ArgumentError : it is neither NCHW nor NHWC.
    """
    if data_format not in ("NCHW", "NHWC"):
        raise ArgumentError(f"{label}: the format must be 'NCHW' or 'NHWC'; got {data_format!r}.")
    if data_format == "NHWC":
        before, after = nn.Transpose((2, 0, 1)), nn.Transpose((1, 2, 0))
        module = nn.Sequential(before=before, module=module, after=after)
    return Batched(module, 4)


class SpatialConvolution(Layer):
    """Filters that slide over images, (batch, planes, height, width) or one image.

    Weights are (group, out/group, in/group, kernel_h, kernel_w); first numbers come evenly from
    ±1/sqrt(kernel_w · kernel_h · n_input_plane).
    """

    def __init__(
        self,
        n_input_plane: int,
        n_output_plane: int,
        kernel_w: int,
        kernel_h: int,
        stride_w: int = 1,
        stride_h: int = 1,
        pad_w: int = 0,
        pad_h: int = 0,
        n_group: int = 1,
        propagate_back: bool = True,
        wRegularizer: Any = None,
        bRegularizer: Any = None,
        init_weight: Any = None,
        init_bias: Any = None,
        init_grad_weight: Any = None,
        init_grad_bias: Any = None,
        with_bias: bool = True,
        data_format: str = "NCHW",
        bigdl_type: str = "float",
    ) -> None:
        made = nn.Conv2d(
            n_input_plane,
            n_output_plane,
            (kernel_h, kernel_w),
            stride=(stride_h, stride_w),
            padding=padding_of(pad_w, pad_h),
            groups=n_group,
            bias=with_bias,
            weight_init="zeros",
        )
        super().__init__(channels_first("SpatialConvolution", data_format, made), bigdl_type)
        bound = 1.0 / math.sqrt(kernel_w * kernel_h * n_input_plane)
        rule = RandomUniform(upper=bound, lower=-bound)
        outs, ins = n_output_plane // n_group, n_input_plane // n_group
        shape = (n_group, outs, ins, kernel_h, kernel_w)
        window = n_group * kernel_h * kernel_w
        join = part = None
        if data_format == "NHWC":
            inner = (n_group, outs, ins, kernel_h, kernel_w)

            def join(a: Any) -> Any:
                return a.reshape(inner).transpose(0, 3, 4, 2, 1)

            def part(a: Any) -> Any:
                return [a.transpose(0, 4, 3, 1, 2)]

        weights = [
            Weight(
                "weight",
                [made.weight],
                shape=shape,
                join=join,
                part=part,
                fan=(ins * window, outs * window),
                method=rule,
            )
        ]
        if made.bias is not None:
            weights.append(Weight("bias", [made.bias], fan=(n_output_plane, 1), method=rule))
        self.hold(
            weights,
            (init_weight, init_bias),
            (init_grad_weight, init_grad_bias),
            (wRegularizer, bRegularizer),
        )


class SpatialMaxPooling(Layer):
    """The largest number of each window of images."""

    def __init__(
        self,
        kw: int,
        kh: int,
        dw: int,
        dh: int,
        pad_w: int = 0,
        pad_h: int = 0,
        to_ceil: bool = False,
        format: str = "NCHW",
        bigdl_type: str = "float",
    ) -> None:
        made = nn.MaxPool2d(
            (kh, kw), stride=(dh, dw), padding=padding_of(pad_w, pad_h), ceil_mode=to_ceil
        )
        super().__init__(channels_first("SpatialMaxPooling", format, made), bigdl_type)
