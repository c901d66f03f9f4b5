"""Python's workers on this machine, forked from a process that has loaded the library already.

Spark runs `python -m` this module in place of `pyspark.daemon`, which it calls. Each rank, and each
partition of a DataFrame, has a process of its own: to load the library there took more time than a
short training itself. What starts threads when it is loaded (pyarrow, pandas) is left to the
forked processes, for a thread is not forked with its process.
"""

from __future__ import annotations

import gc

from pyspark import worker
from pyspark.daemon import manager

from .. import criterion, data, metrics, nn, optim, summary, train

__all__ = ["criterion", "data", "metrics", "nn", "optim", "summary", "train", "worker"]

if __name__ == "__main__":
    gc.freeze()  # what is there now stays, in memory that all processes share
    manager()
