"""MovieLens 1M from `ratings.dat`: user::movie::rating::time in each line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .base import find


def read_data_sets(data_dir: str) -> NDArray[Any]:
    """Read rows (user, movie, rating, time) of whole numbers."""
    folder = data_dir if (Path(data_dir) / "ratings.dat").exists() else f"{data_dir}/ml-1m"
    lines = find(folder, "ratings.dat").read_text(encoding="latin-1").split()
    return np.array([[int(part) for part in line.split("::")] for line in lines], dtype=np.int64)


def get_id_pairs(data_dir: str) -> NDArray[Any]:
    """Read rows (user, movie)."""
    return read_data_sets(data_dir)[:, :2]


def get_id_ratings(data_dir: str) -> NDArray[Any]:
    """Read rows (user, movie, rating)."""
    return read_data_sets(data_dir)[:, :3]
