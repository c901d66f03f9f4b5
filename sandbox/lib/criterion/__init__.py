"""Criterions: what training makes small. See README.md of this room."""

from __future__ import annotations

from ..engine import names as _names
from .base import Criterion as Criterion
from .base import CriterionCase as CriterionCase
from .base import ElementwiseCriterion as ElementwiseCriterion
from .base import check_numbers as check_numbers
from .binary import BCE as BCE
from .binary import BCEWithLogits as BCEWithLogits
from .binary import MultiLabelSoftMargin as MultiLabelSoftMargin
from .binary import Shares as Shares
from .binary import check_shares as check_shares
from .classification import NLL as NLL
from .classification import CrossEntropy as CrossEntropy
from .classification import Labelled as Labelled
from .classification import check_labels as check_labels
from .combine import WeightedSum as WeightedSum
from .parallel import Parallel as Parallel
from .regression import MAE as MAE
from .regression import MSE as MSE
from .regression import Huber as Huber
from .regression import KLDivergence as KLDivergence
from .regression import Regression as Regression
from .regression import SmoothL1 as SmoothL1

_names.suggest(__name__)
