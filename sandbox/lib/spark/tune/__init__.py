"""Model selection: random and grid search, successive halving, in this process or over Spark.

`tune.search(model_fn, space, data, validation=...)`. See README.md of the room above.
"""

from __future__ import annotations

from ...engine import names as _names
from ...train.finder import LearningRates, learning_rate_finder
from .found import Coordinates, Found, Trial
from .records import Result
from .rungs import Rungs
from .search import SearchInterrupted, search
from .space import choice, integers, log_uniform, uniform

__all__ = [
    "Coordinates",
    "Found",
    "LearningRates",
    "Result",
    "Rungs",
    "SearchInterrupted",
    "Trial",
    "choice",
    "integers",
    "learning_rate_finder",
    "log_uniform",
    "search",
    "uniform",
]

_names.suggest(__name__)
