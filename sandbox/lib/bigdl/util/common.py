"""BigDL's `bigdl.util.common`: tensors, samples, random numbers, Spark helpers."""

from __future__ import annotations

import logging
import os  # noqa: F401 - the star import of old notebooks leaks it
import sys  # noqa: F401
import time  # noqa: F401
from typing import Any

import numpy as np
from pyspark import RDD, SparkConf, SparkContext  # noqa: F401
from pyspark.sql import DataFrame, SparkSession  # noqa: F401

from ...core.errors import ArgumentError
from .random import torch_random

INTMAX, INTMIN = 2147483647, -2147483648
DOUBLEMAX = 1.7976931348623157e308


def _dtype(bigdl_type: str) -> Any:
    if bigdl_type not in ("float", "double"):
        raise ArgumentError(f"`bigdl_type` must be 'float' or 'double'; got {bigdl_type!r}.")
    return np.float32 if bigdl_type == "float" else np.float64


class JTensor:
    """An array as BigDL sent it to the JVM: flat storage and a shape; sparse ones with indices.

    Examples
    --------
    >>> JTensor.from_ndarray(np.eye(2)).shape
    [2, 2]
    """

    def __init__(
        self, storage: Any, shape: Any, bigdl_type: str = "float", indices: Any = None
    ) -> None:
        self.storage = np.array(storage, _dtype(bigdl_type)).reshape(-1)
        self.shape = [int(size) for size in np.reshape(shape, -1)]
        self.indices = None if indices is None else np.array(indices, np.int64)
        self.bigdl_type = bigdl_type

    @classmethod
    def from_ndarray(cls, a_ndarray: Any, bigdl_type: str = "float") -> Any:
        """Make one of an array; None stays None."""
        if a_ndarray is None:
            return None
        array = np.asarray(a_ndarray)
        return cls(array, array.shape or (array.size,), bigdl_type)

    @classmethod
    def sparse(cls, a_ndarray: Any, i_ndarray: Any, shape: Any, bigdl_type: str = "float") -> Any:
        """Make a sparse one of values, their indices from 0 (axis by axis) and the shape.

        Raises
        ------
        ArgumentError : there are not as many indices for each axis as values.
        """
        values, indices, sizes = np.asarray(a_ndarray), np.asarray(i_ndarray), np.asarray(shape)
        if indices.size != values.size * sizes.size:
            raise ArgumentError(
                f"`i_ndarray` must hold {values.size} × {sizes.size} indices; got {indices.size}."
            )
        return cls(values, sizes, bigdl_type, indices.reshape(sizes.size, -1))

    def to_ndarray(self) -> Any:
        """Give the array; a sparse one with its zeros."""
        if self.indices is None:
            return self.storage.reshape(self.shape).copy()
        full = np.zeros(self.shape, self.storage.dtype)
        np.add.at(full, tuple(self.indices), self.storage)
        return full

    def __reduce__(self) -> Any:
        return type(self), (self.storage, self.shape, self.bigdl_type, self.indices)

    def __repr__(self) -> str:
        return f"JTensor: storage: {self.storage}, shape: {self.shape}, {self.storage.dtype}"


class Sample:
    """Features and labels of one row.

    Examples
    --------
    >>> Sample.from_ndarray(np.ones((2, 3)), np.array(1.0)).label.to_ndarray()
    array([1.], dtype=float32)
    """

    def __init__(self, features: Any, labels: Any, bigdl_type: str = "float") -> None:
        self.features, self.labels = list(features), list(labels)
        self.feature = self.features[0]
        self.label = self.labels[0] if self.labels else None
        self.bigdl_type = bigdl_type

    @classmethod
    def from_ndarray(cls, features: Any, labels: Any, bigdl_type: str = "float") -> Any:
        """Make one of arrays, or lists of arrays."""
        made = [
            [JTensor.from_ndarray(np.asarray(item), bigdl_type) for item in to_list(items)]
            for items in (features, labels)
        ]
        return cls(made[0], made[1], bigdl_type)

    @classmethod
    def from_jtensor(cls, features: Any, labels: Any, bigdl_type: str = "float") -> Any:
        """Make one of tensors; numbers and arrays as labels are turned."""
        made = [
            [t if isinstance(t, JTensor) else JTensor.from_ndarray(np.asarray(t)) for t in given]
            for given in (to_list(features), to_list(labels))
        ]
        return cls(made[0], made[1], bigdl_type)

    def __reduce__(self) -> Any:
        return type(self), (self.features, self.labels, self.bigdl_type)

    def __repr__(self) -> str:
        return f"Sample: features: {self.features}, labels: {self.labels},"


class EvaluatedResult:
    """What a validation method found: result, number of rows, name of the method."""

    def __init__(self, result: float, total_num: int, method: str) -> None:
        self.result, self.total_num, self.method = result, total_num, method

    def __reduce__(self) -> Any:
        return type(self), (self.result, self.total_num, self.method)

    def __str__(self) -> str:
        """Tell all three."""
        return (
            f"Evaluated result: {self.result}, total_num: {self.total_num}, method: {self.method}"
        )


class JActivity:
    """An array or a table of arrays, as BigDL handed it over."""

    def __init__(self, value: Any) -> None:
        self.value = value


class RNG:
    """Torch's random numbers of this thread.

    Examples
    --------
    >>> rng = RNG()
    >>> rng.set_seed(100)
    >>> rng.uniform(0.1, 0.2, [2])
    array([0.15434049, 0.16711557], dtype=float32)
    """

    def __init__(self, bigdl_type: str = "float") -> None:
        self.bigdl_type = bigdl_type

    def set_seed(self, seed: int) -> None:
        """Begin anew from a seed: layers made from here on have the same first weights."""
        torch_random().set_seed(seed)

    def uniform(self, a: float, b: float, size: Any) -> Any:
        """Draw an array of this size from [a, b)."""
        sizes = [int(n) for n in np.reshape(size, -1)]
        drawn = torch_random().uniform(a, b, int(np.prod(sizes)))
        return drawn.reshape(sizes).astype(_dtype(self.bigdl_type))


def to_list(a: Any) -> list[Any]:
    """Put what is no list into one."""
    return list(a) if isinstance(a, (list, tuple)) else [a]


def to_sample_rdd(x: Any, y: Any, numSlices: int | None = None) -> Any:
    """Make an RDD of samples of two arrays with as many rows.

    Raises
    ------
    ArgumentError : the arrays have not as many rows.
    """
    if len(x) != len(y):
        raise ArgumentError(f"`x` and `y` must have as many rows; got {len(x)} and {len(y)}.")
    rows = [Sample.from_ndarray(a, b) for a, b in zip(x, y, strict=True)]
    return get_spark_context().parallelize(rows, numSlices)


def init_engine(bigdl_type: str = "float") -> None:
    """Do nothing: the engine needs no Spark context to begin with. Kept for old code."""
    _dtype(bigdl_type)


def get_bigdl_conf() -> dict[str, str]:
    """Give Spark's settings that the library needs: none."""
    return {}


def create_spark_conf() -> Any:
    """Give a `SparkConf` to make a context of."""
    return SparkConf().setAll(list(get_bigdl_conf().items()))


def get_spark_context(conf: Any = None) -> Any:
    """Give the running context, or start one as the sandbox does."""
    if SparkContext._active_spark_context is not None or conf is not None:
        return SparkContext.getOrCreate(conf)
    from ...spark import spark_session

    return spark_session().sparkContext


def get_spark_sql_context(sc: Any) -> Any:
    """Give the session of a context, which has all that an `SQLContext` had."""
    return SparkSession(sc)


def get_node_and_core_number(bigdl_type: str = "float") -> tuple[int, int]:
    """Give (1, slots of the running context): any batch size fits."""
    return 1, int(get_spark_context().defaultParallelism)


def redire_spark_logs(bigdl_type: str = "float", log_path: str = "bigdl.log") -> None:
    """Show no Spark log lines below errors; kept for old code."""
    logging.getLogger("py4j").setLevel(logging.ERROR)


def show_bigdl_info_logs(bigdl_type: str = "float") -> None:
    """Show the library's log lines."""
    logging.getLogger("sandbox").setLevel(logging.INFO)


def callBigDlFunc(bigdl_type: str, name: str, *args: Any) -> Any:  # noqa: N802 - BigDL's name
    """Refuse: there is no JVM side.

    Raises
    ------
    ArgumentError : always.
    """
    raise ArgumentError(
        f"callBigDlFunc: {name!r} must be called through its Python class; there is no JVM behind "
        "the layers here."
    )
