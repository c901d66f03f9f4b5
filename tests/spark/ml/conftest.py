from __future__ import annotations

import numpy as np
import pytest

COLUMNS = "features array one city word number truth total weight kept a b c"


@pytest.fixture(scope="session")
def numbers():
    """Rows of three numbers, and whether a rule holds for them."""
    x = np.random.default_rng(0).normal(size=(240, 3)).round(3)
    return x, (x[:, 0] + x[:, 1] * x[:, 2] > 0).astype(int)


@pytest.fixture
def frame(local, numbers):
    """The same rows in columns of all kinds, two partitions."""
    from pyspark.ml.linalg import Vectors

    rows = []
    for i, (values, label) in enumerate(zip(*(part.tolist() for part in numbers), strict=True)):
        vector = Vectors.dense(values) if i % 3 else Vectors.sparse(3, [0, 1, 2], values)
        word, truth = ("no", "yes")[label], bool(label)
        kinds = (vector, values, values[0], i % 5, word, float(label), truth, sum(values))
        rows.append((*kinds, 1.0 + label, i % 4 == 0, *values))
    return local.createDataFrame(rows, COLUMNS.split()).coalesce(2)
