"""The network of LeCun et al. 1998, as BigDL's tutorials write it."""

from __future__ import annotations

from typing import Any

from ...nn.layer import (
    Linear,
    LogSoftMax,
    ReLU,
    Reshape,
    Sequential,
    SpatialConvolution,
    SpatialMaxPooling,
)


def build_model(class_num: int) -> Any:
    """Return LeNet-5 for images of 28 x 28; it ends in logarithms of probabilities.

    Examples
    --------
    >>> import numpy as np
    >>> build_model(10).forward(np.zeros((2, 28, 28), "f4")).shape
    (2, 10)
    """
    model = Sequential()
    model.add(Reshape([1, 28, 28]))
    model.add(SpatialConvolution(1, 6, 5, 5)).add(ReLU()).add(SpatialMaxPooling(2, 2, 2, 2))
    model.add(SpatialConvolution(6, 12, 5, 5)).add(ReLU()).add(SpatialMaxPooling(2, 2, 2, 2))
    model.add(Reshape([12 * 4 * 4]))
    model.add(Linear(12 * 4 * 4, 100)).add(ReLU()).add(Linear(100, class_num)).add(LogSoftMax())
    return model
