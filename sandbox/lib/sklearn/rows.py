"""Tables: sparse ones as a data set of dense batches, and a network run over any of them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from threadpoolctl import ThreadpoolController

from .. import engine, nn
from ..criterion import Criterion
from ..data import ArrayDataset, Dataset, DataSpec
from ..engine.oplist import Spec
from ..train.programs import Programs

_BLOCK = 256  # rows


@contextmanager
def cores(count: int) -> Iterator[None]:
    """Compute on so many cores: our kernels, and NumPy's products of double precision.

    Examples
    --------
    >>> with cores(1):
    ...     float(np.dot([1.0], [2.0]))
    2.0
    """
    with engine.threads.limit(count), _blas().limit(limits=count):
        yield


@cache
def _blas() -> Any:
    """Return NumPy's libraries alone: afterwards all are put back, OpenMP's would be ours."""
    return ThreadpoolController().select(user_api="blas")


def dataset(x: Any, y: Any, dtype: Any = np.float32) -> Dataset:
    """Return a table and its targets as a data set whose batches have this dtype.

    Examples
    --------
    >>> dataset(sparse.csr_matrix(np.eye(3)), np.array([0, 1, 2])).rows(0, [1])
    (array([[0., 1., 0.]], dtype=float32), array([1]))
    """
    kind = SparseTable if sparse.issparse(x) else ArrayDataset
    return kind(x, y, dtype=dtype)


class SparseTable(ArrayDataset):
    """Rows of a compressed matrix (CSR) that come in dense batches: it is never dense as a whole.

    Parameters
    ----------
    x : CSR matrix or array (rows, features)
    y : array of shape (rows,) or (rows, ...), or a tree of them
    dtype : dtype
        Of the batches.
    """

    def __init__(self, x: Any, y: Any, *, dtype: Any = np.float32) -> None:
        self.table = x.astype(dtype, copy=False)
        numbers = np.arange(x.shape[0]).reshape(-1, 1)  # a row stands for that of the table
        super().__init__(numbers, y, dtype=None)

    def stored(self) -> DataSpec:
        """Return shape and dtype of one row."""
        return DataSpec(Spec((self.table.shape[1],), self.table.dtype.name), super().stored().y)

    def check_types(self, partition: int) -> None:
        """Look at nothing: the table has the batches' dtype."""

    def _take(self, x: Any, picked: Any, *rest: Any) -> Any:
        """Return rows as a dense batch."""
        out = rest[2]
        if out is None:
            out = np.empty((picked.size, self.table.shape[1]), self.table.dtype)
        self.table[picked].toarray(out=out)
        return out


class Runner:
    """Runs a network over tables, in blocks of a fixed number of rows.

    So that what a row gets does not depend on the rows beside it, bit for bit, and one program does
    for all tables.

    Parameters
    ----------
    module, criterion : Module, Criterion
        What is run, and what it was trained with.
    threads : int > 0
        Cores.
    plan : KernelPlan or None
        Choices of kernels to go by; None for the machine's own.
    dtype : dtype, default=float32
        Of the network's numbers.
    """

    def __init__(
        self,
        module: nn.Module,
        criterion: Criterion,
        *,
        threads: int,
        plan: Any = None,
        dtype: Any = np.float32,
    ) -> None:
        self.threads = threads
        self.dtype = np.dtype(dtype)
        self._programs = Programs(module, criterion, None, threads=threads, plan=plan)
        self._lock = threading.Lock()  # an output lives until the next call

    def __call__(self, x: Any) -> NDArray[Any]:
        """Return the network's output for each row of a table, dense or CSR."""
        rows, parts = x.shape[0], []
        with self._lock, cores(self.threads):
            for start in range(0, rows, _BLOCK):
                part = x[start : start + _BLOCK]
                block = np.zeros((_BLOCK, *x.shape[1:]), self.dtype)
                count = part.shape[0]
                block[:count] = part.toarray() if sparse.issparse(part) else part
                parts.append(np.array(self._programs.predict(block)[:count]))
        return np.concatenate(parts)
