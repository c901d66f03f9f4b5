"""Python's workers on this machine, forked from a process that has loaded the library already.

Spark runs `python -m` this module in place of `pyspark.daemon`, which it calls. Each rank, and each
partition of a DataFrame, has a process of its own: to load the library there took more time than a
short training itself. Whatever each of them would do alike is done here, once.
"""

from __future__ import annotations

import gc
import os
import sys
import zipimport
from contextlib import suppress

# A thread is not forked with its process. Arrow starts one, for a pool of memory that is not used.
os.environ.setdefault("JE_ARROW_MALLOC_CONF", "background_thread:false")

import numpy as np
import pyarrow
from pyspark import worker
from pyspark.daemon import manager

from ... import criterion, data, metrics, nn, optim, summary, train
from ...engine import compiler, dnnl
from ...engine.errors import EngineError
from ...train import loop
from .. import worker as rank

__all__ = [
    "compiler",
    "criterion",
    "data",
    "loop",
    "metrics",
    "nn",
    "optim",
    "pyarrow",
    "rank",
    "summary",
    "train",
    "worker",
]

if __name__ == "__main__":
    # For each task Spark has Python forget what it knows of folders, and look again: 0.1 s for the
    # archive that holds pyspark, read once for each package in it. It does not change.
    for place, finder in list(sys.path_importer_cache.items()):
        if isinstance(finder, zipimport.zipimporter):
            del sys.path_importer_cache[place]
    # oneDNN writes the code of its products when it first makes one: 40 ms, spent once here.
    with suppress(EngineError):  # a rank says it, if it needs what is missing
        one = np.ones((1, 1), np.float32)
        dnnl.sgemm(one, one, one.copy())
    gc.freeze()  # what is there now stays, in memory that all processes share
    manager()
