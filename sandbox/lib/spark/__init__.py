"""Training on Spark: sessions, the exchange between ranks, the backend. See README.md.

The names are resolved on first use, so that the exchange can be used without pyspark.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..engine.names import missing

if TYPE_CHECKING:
    from .backend import SparkBackend
    from .exchange.group import Group
    from .recommend import Catalog, Recommender
    from .rows.dataset import SparkDataset
    from .session.context import java_home, spark_session

__all__ = [
    "Catalog",
    "Group",
    "Recommender",
    "SparkBackend",
    "SparkDataset",
    "java_home",
    "spark_session",
]

_HOMES = {
    "Catalog": "recommend",
    "Recommender": "recommend",
    "Group": "exchange.group",
    "SparkBackend": "backend",
    "SparkDataset": "rows.dataset",
    "java_home": "session.java",
    "spark_session": "session.context",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    return missing(__name__)(name)
