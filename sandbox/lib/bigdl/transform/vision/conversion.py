"""From bytes to pixels, from pixels to floats and tensors."""

from __future__ import annotations

import numpy as np

from ....data import vision
from .feature import BYTES, FLOATS, MAT, ORIGINAL_SIZE, TENSOR, ImageFeature
from .transformer import FeatureTransformer, Keys

_decode = vision.Decode("BGR")


class BytesToMat(FeatureTransformer):
    """Decode the bytes of a picture's file, BGR."""

    def __init__(self, byte_key: str = BYTES, bigdl_type: str = "float") -> None:
        self.byte_key = byte_key

    def change(self, feature: ImageFeature, keys: Keys) -> None:
        """Make "mat" of the bytes."""
        feature[MAT] = _decode.one(bytes(feature[self.byte_key])).image
        feature[ORIGINAL_SIZE] = feature[MAT].shape


class PixelBytesToMat(FeatureTransformer):
    """Take bytes as plain pixels of the size in "originalSize"."""

    def __init__(self, byte_key: str = BYTES, bigdl_type: str = "float") -> None:
        self.byte_key = byte_key

    def change(self, feature: ImageFeature, keys: Keys) -> None:
        """Make "mat" of the bytes."""
        height, width, *channels = feature[ORIGINAL_SIZE]
        core = vision.FromPixels(height, width, channels[0] if channels else 3, order="BGR")
        feature[MAT] = core.one(bytes(feature[self.byte_key])).image


class MatToFloats(FeatureTransformer):
    """Keep the pixels as floats, channels last, under `out_key`.

    `valid_*` and `share_buffer` are taken and change nothing: a picture that cannot be read is an
    error here.
    """

    def __init__(
        self,
        valid_height: int = 300,
        valid_width: int = 300,
        valid_channel: int = 300,
        out_key: str = FLOATS,
        share_buffer: bool = True,
        bigdl_type: str = "float",
    ) -> None:
        self.out_key = out_key

    def change(self, feature: ImageFeature, keys: Keys) -> None:
        """Make floats of "mat"."""
        feature[self.out_key] = np.array(feature[MAT], np.float32)


class MatToTensor(FeatureTransformer):
    """Keep the pixels as floats, channels in front, under `tensor_key`; BGR unless `to_rgb`."""

    def __init__(
        self, to_rgb: bool = False, tensor_key: str = TENSOR, bigdl_type: str = "float"
    ) -> None:
        self.to_rgb, self.tensor_key = to_rgb, tensor_key

    def change(self, feature: ImageFeature, keys: Keys) -> None:
        """Make a tensor of "mat"."""
        mat = feature[MAT][:, :, ::-1] if self.to_rgb else feature[MAT]
        feature[self.tensor_key] = np.ascontiguousarray(mat.transpose(2, 0, 1), np.float32)
