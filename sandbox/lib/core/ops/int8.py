"""Operations on 8-bit integers, for models that `quantize` makes; they have no gradients."""

from __future__ import annotations

from ..function import function

__all__: list[str] = []

for _name in (
    "add_int8",
    "avg_pool2d_int8",
    "concat_int8",
    "conv2d_int8",
    "dequantize_int8",
    "linear_int8",
    "max_pool2d_int8",
    "pad_int8",
    "quantize_int8",
):
    function(_name)
