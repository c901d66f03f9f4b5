"""From pictures to samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ....core.errors import DataError
from ...util.common import Sample
from .feature import SAMPLE, TENSOR, ImageFeature
from .transformer import FeatureTransformer, Keys


class ImageFrameToSample(FeatureTransformer):
    """Make a `Sample` of tensors, kept under `sample_key`.

    Parameters
    ----------
    input_keys, target_keys : list of str
        Which fields are its features and its labels.
    """

    def __init__(
        self,
        input_keys: Sequence[str] = (TENSOR,),
        target_keys: Sequence[str] | None = None,
        sample_key: str = SAMPLE,
        bigdl_type: str = "float",
    ) -> None:
        self.input_keys, self.sample_key = list(input_keys), sample_key
        self.target_keys = list(target_keys or ())

    def change(self, feature: ImageFeature, keys: Keys) -> None:
        """Make a sample of the fields."""
        inputs: list[Any] = [np.asarray(feature[key], np.float32) for key in self.input_keys]
        targets: list[Any] = [np.asarray(feature[key], np.float32) for key in self.target_keys]
        if not inputs:
            raise DataError("ImageFrameToSample: there must be at least one key of an input.")
        feature[self.sample_key] = Sample.from_ndarray(
            inputs if len(inputs) > 1 else inputs[0],
            (targets if len(targets) > 1 else targets[0]) if targets else np.zeros(1, np.float32),
        )
