"""Networks as stages of Spark ML, as `zoo.pipeline.nnframes`."""

from __future__ import annotations

from ...feature.common import *  # noqa: F403 - programs import the steps from here, too
from .nn_classifier import NNClassifier as NNClassifier
from .nn_classifier import NNClassifierModel as NNClassifierModel
from .nn_classifier import NNEstimator as NNEstimator
from .nn_classifier import NNModel as NNModel
from .nn_image_reader import NNImageReader as NNImageReader
