"""Criterions of BigDL 0.13: their names and conventions over `sandbox.lib.criterion`."""

from __future__ import annotations

import os as os
import sys as sys

import numpy as np  # noqa: F401 - notebooks have it from a star import

from .base import Criterion as Criterion
from .combined import MultiCriterion as MultiCriterion
from .combined import ParallelCriterion as ParallelCriterion
from .combined import TimeDistributedCriterion as TimeDistributedCriterion
from .combined import TimeDistributedMaskCriterion as TimeDistributedMaskCriterion
from .elementwise import AbsCriterion as AbsCriterion
from .elementwise import BCECriterion as BCECriterion
from .elementwise import CategoricalCrossEntropy as CategoricalCrossEntropy
from .elementwise import CosineDistanceCriterion as CosineDistanceCriterion
from .elementwise import CosineProximityCriterion as CosineProximityCriterion
from .elementwise import DiceCoefficientCriterion as DiceCoefficientCriterion
from .elementwise import DistKLDivCriterion as DistKLDivCriterion
from .elementwise import DotProductCriterion as DotProductCriterion
from .elementwise import HingeEmbeddingCriterion as HingeEmbeddingCriterion
from .elementwise import KullbackLeiblerDivergenceCriterion as KullbackLeiblerDivergenceCriterion
from .elementwise import L1Cost as L1Cost
from .elementwise import MarginCriterion as MarginCriterion
from .elementwise import MeanAbsolutePercentageCriterion as MeanAbsolutePercentageCriterion
from .elementwise import MeanSquaredLogarithmicCriterion as MeanSquaredLogarithmicCriterion
from .elementwise import MSECriterion as MSECriterion
from .elementwise import MultiLabelMarginCriterion as MultiLabelMarginCriterion
from .elementwise import MultiLabelSoftMarginCriterion as MultiLabelSoftMarginCriterion
from .elementwise import PGCriterion as PGCriterion
from .elementwise import PoissonCriterion as PoissonCriterion
from .elementwise import SmoothL1Criterion as SmoothL1Criterion
from .elementwise import SoftMarginCriterion as SoftMarginCriterion
from .labels import ClassNLLCriterion as ClassNLLCriterion
from .labels import ClassSimplexCriterion as ClassSimplexCriterion
from .labels import CrossEntropyCriterion as CrossEntropyCriterion
from .labels import MultiMarginCriterion as MultiMarginCriterion
from .labels import SoftmaxWithCriterion as SoftmaxWithCriterion
from .pairs import CosineEmbeddingCriterion as CosineEmbeddingCriterion
from .pairs import GaussianCriterion as GaussianCriterion
from .pairs import KLDCriterion as KLDCriterion
from .pairs import L1HingeEmbeddingCriterion as L1HingeEmbeddingCriterion
from .pairs import MarginRankingCriterion as MarginRankingCriterion
from .pairs import SmoothL1CriterionWithWeights as SmoothL1CriterionWithWeights
from .pairs import TransformerCriterion as TransformerCriterion
