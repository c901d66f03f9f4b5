"""What becomes of stored arrays in the batches: their transforms and dtypes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core import tree, validate
from ..core.errors import DataError
from ..engine.oplist import Spec
from .transforms import Apply, Transform, into
from .trees import Unsaid, spread

Array = NDArray[Any]


@dataclass(frozen=True)
class Rule:
    """What becomes of one array of x in a tree."""

    path: str
    spec: Spec
    transform: Transform | None
    dtype: np.dtype[Any] | None


def rules(x: Any, transform: Any, dtype: Any, name: str) -> list[Rule]:
    """Return what becomes of each array of a tree x of stored rows' `Spec`.

    `name` is how errors call the data set.
    """
    specs, form = tree.flatten(x)
    changes = spread(transform, x, f"{name}: transform")
    dtypes = spread(dtype, x, f"{name}: dtype")
    found = []
    for path, spec, (change, _), (wanted, alone) in zip(
        form.paths, specs, changes, dtypes, strict=True
    ):
        own = None if change is Unsaid else change
        if wanted is Unsaid:
            wanted, alone = np.dtype(np.float32), False
        if wanted is not None and not alone and _made(spec, own).kind != "f":
            wanted = None
        found.append(Rule(path, spec, own, wanted))
    return found


def as_transforms(given: Any, place: str) -> Any:
    """Return transforms of what is given, functions made into `Apply`; a tree stays one."""
    if given is None or isinstance(given, Transform):
        return given
    if isinstance(given, dict):
        return {key: as_transforms(item, place) for key, item in given.items()}
    if isinstance(given, tuple | list):
        return type(given)(as_transforms(item, place) for item in given)
    if callable(given):
        return Apply(given)
    raise DataError(
        f"{place}: transform must be a Transform or a function of a batch; got {given!r}."
    )


def as_dtypes(given: Any) -> Any:
    """Return NumPy dtypes of what is given; a tree stays one."""
    if given is None:
        return None
    if isinstance(given, dict):
        return {key: as_dtypes(item) for key, item in given.items()}
    if isinstance(given, tuple | list):
        return type(given)(as_dtypes(item) for item in given)
    return validate.number_dtype("dtype", given)


def target_type(stored: Any, is_class: bool) -> np.dtype[Any]:
    """Return what an array of y is in the batches: float32, or int64 for classes and integers."""
    return np.dtype(np.float32 if np.dtype(stored).kind == "f" and not is_class else np.int64)


def take_target(y: Array, picked: Array, out: Array | None, is_class: bool = False) -> Array:
    """Return rows of one array of y as they come in the batches."""
    if out is None:
        out = np.empty((picked.size, *y.shape[1:]), target_type(y.dtype, is_class))
    return into(np.take(y, picked, axis=0, mode="clip"), out)


def input_spec(stored: Spec, transform: Transform | None, dtype: np.dtype[Any] | None) -> Spec:
    """Return what an array of x is in the batches."""
    shape = stored.shape if transform is None else tuple(transform.shape(stored.shape))
    return Spec(shape, (dtype or _made(stored, transform)).name)


def _made(stored: Spec, transform: Transform | None) -> np.dtype[Any]:
    """Return the dtype after a transform; a function is tried out, as for its shape."""
    before = np.dtype(stored.dtype)
    if transform is None:
        return before
    after = transform.dtype(before)
    if after != before:
        return after
    return transform(np.zeros((1, *stored.shape), before)).dtype
