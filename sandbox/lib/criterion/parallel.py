"""A criterion for each of several outputs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np

from ..core import add_path, tree
from ..core.errors import ArgumentError, DataError, ShapeError
from ..core.validate import non_negative
from ..nn.registry import register
from .base import Criterion, CriterionCase, row_count
from .classification import CrossEntropy
from .combine import weighted_sum
from .regression import MSE


@register("criterion.Parallel")
class Parallel(Criterion):
    """Add up a criterion for each of several outputs, each with a target of its own.

    call = sum_k w_k · call_k(output_k, target_k), weight = number of rows,
    so the loss is sum_k w_k · mean_k

    Parameters
    ----------
    criterions : dict, tuple or list of Criterion, nested freely
        At the places of the outputs; None for an output that has no part in the loss. A criterion
        may take a whole part of the output's tree.
    weights : the same with numbers >= 0, optional
        How much each counts; what is left out counts 1.

    Shapes
    ------
    output : a tree like `criterions`, with what each of them takes; lists and tuples are alike
    target : the same, without what has no criterion

    Raises
    ------
    ArgumentError : there is no criterion, a weight is negative or has no criterion, or a
        criterion's mean is not over rows (class weights).
    ShapeError : output or target is another tree, or the targets differ in their rows; or raised by
        a criterion, with its place.
    DataError : what the criterions raise, with its place.

    Notes
    -----
    Same as BigDL `ParallelCriterion` (0.13). The sums are all divided by the number of rows, so
    they add up exactly over uneven batches and ranks. A mean over class weights is divided by
    another number in each batch, and is refused.

    Examples
    --------
    >>> loss = Parallel({"digit": CrossEntropy(), "size": MSE()}, weights={"size": 0.5})
    >>> output = {"digit": np.zeros((2, 4), "f4"), "size": np.float32([[1.0], [2.0]])}
    >>> target = {"digit": np.array([0, 3]), "size": np.float32([[1.0], [4.0]])}
    >>> round(loss(output, target), 4)  # log(4) + 0.5 · (0 + 4) / 2
    2.3863
    """

    cases: ClassVar[tuple[CriterionCase, ...]] = (
        CriterionCase(
            lambda: Parallel({"digit": CrossEntropy(), "size": MSE()}, weights={"size": 0.5}),
            output={"digit": (5, 4), "size": (5, 1)},
            target=lambda rows, rng: {
                "digit": rng.integers(0, 4, rows),
                "size": rng.normal(size=(rows, 1)).astype(np.float32),
            },
            wrong=(
                ({"digit": [0, 1, 4], "size": [[1.0], [2.0], [3.0]]}, DataError),
                ({"digit": [0, 1, 3], "size": [1.0, 2.0, 3.0]}, ShapeError),
                ({"digit": [0, 1, 3]}, ShapeError),
                ({"digit": [0, 1], "size": [[1.0], [2.0], [3.0]]}, ShapeError),
                ([0, 1, 3], ShapeError),
            ),
        ),
        CriterionCase(
            lambda: Parallel((MSE(), [CrossEntropy(), None]), weights=(2.0, [3.0, None])),
            output=((4, 3), [(4, 2), (4, 7)]),
            target=lambda rows, rng: (
                rng.normal(size=(rows, 3)).astype(np.float32),
                [rng.integers(0, 2, rows), None],
            ),
        ),
    )

    def __init__(self, criterions: Any, weights: Any = None) -> None:
        self.criterions = criterions
        self.weights = weights
        leaves, self._structure = tree.flatten(criterions)
        if not leaves or not all(isinstance(leaf, Criterion) for leaf in leaves):
            raise ArgumentError(
                f"`criterions` must be a dict, tuple or list of criterions; got {criterions!r}."
            )
        for criterion in leaves:
            if not criterion.counts_rows:
                raise ArgumentError(
                    "`criterions` must have means over rows, without class weights; got "
                    f"{criterion!r}. Their sums cannot be added: they are divided by other numbers."
                )
        self._leaves: list[Criterion] = leaves
        self._factors = [*_factors(criterions, weights, "")]

    def config(self) -> dict[str, Any]:
        """Give the criterions, how they are arranged, and a weight for each."""
        return {
            "criterions": list(self._leaves),
            "structure": self._structure.to_json(),
            "weights": list(self._factors),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Parallel:
        """Make a Parallel from what `config` gives."""
        structure = tree.Structure.from_json(config["structure"])
        leaves, weights = list(config["criterions"]), list(config["weights"])
        return cls(structure.unflatten(leaves), weights=structure.unflatten(weights))

    def _parts(self, output: Any, target: Any) -> Iterator[tuple[str, Criterion, Any, Any]]:
        """Go through the criterions with their place, output and target."""
        outputs = [*_split(self.criterions, output, "output", "")]
        targets = [*_split(self.criterions, target, "target", "")]
        self._count(targets)
        return zip(self._structure.paths, self._leaves, outputs, targets, strict=True)

    def _count(self, targets: list[Any]) -> int:
        counts = [row_count(goal) for goal in targets]
        for path, count in zip(self._structure.paths, counts, strict=True):
            if count != counts[0]:
                raise ShapeError(
                    f"{tree.place('target', path)} must have as many rows as the first, "
                    f"{counts[0]}; got {count}."
                )
        return counts[0]

    @property
    def counts_rows(self) -> bool:
        """Whether `weight` is the number of rows: yes."""
        return True

    @property
    def takes_classes(self) -> Any:
        """Whether a target of one number per row is a class, for each criterion."""
        return _each_takes_classes(self.criterions)

    def weight(self, target: Any) -> float:
        """Give the number of rows, which all targets share."""
        return float(self._count([*_split(self.criterions, target, "target", "")]))

    def check(self, output_shape: Any, target: Any) -> None:
        """Refuse what one of them refuses."""
        for path, criterion, shape, goal in self._parts(output_shape, target):
            with _At(path, criterion):
                criterion.check(shape, goal)

    def check_output(self, output: Any) -> None:
        """Refuse what one of them refuses."""
        outputs = _split(self.criterions, output, "output", "")
        for path, criterion, part in zip(self._structure.paths, self._leaves, outputs, strict=True):
            with _At(path, criterion):
                criterion.check_output(part)

    def meanings(self, found: Any) -> Any:
        """Give what each criterion takes its output for, and what is known of the others."""
        return _told(self.criterions, found, "")

    def call(self, output: Any, target: Any) -> Any:
        """Compute the weighted sum over the rows."""
        return weighted_sum(self._factors, self._each("call", output, target))

    def rows(self, output: Any, target: Any) -> Any:
        """Compute the weighted loss of each row."""
        return weighted_sum(self._factors, self._each("rows", output, target))

    def _each(self, method: str, output: Any, target: Any) -> Iterator[Any]:
        """Call a method of each criterion with its output and target."""
        for path, criterion, part, goal in self._parts(output, target):
            with _At(path, criterion):
                value = getattr(criterion, method)(part, goal)
            yield value

    def __repr__(self) -> str:
        """Tell the criterions and the weights that are given."""
        given = "" if self.weights is None else f", weights={self.weights!r}"
        return f"Parallel({self.criterions!r}{given})"


class _At:
    """Puts the place of a criterion in front of its errors."""

    def __init__(self, path: str, criterion: Criterion) -> None:
        self.path, self.kind = path, type(criterion).__name__

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if error is not None and self.path:
            add_path(error, self.path, self.kind)


def _split(criterions: Any, item: Any, what: str, path: str) -> Iterator[Any]:
    """Go through what stands in a tree at the places of the criterions."""
    if criterions is None:
        return
    if isinstance(criterions, Criterion):
        if item is None:
            raise ShapeError(f"{tree.place(what, path)} must be given; got None.")
        yield item
        return
    inside = _items(criterions)
    if isinstance(criterions, dict):
        fits = isinstance(item, dict)
        fits = fits and all(k in item for k, c in inside if c is not None)
        fits = fits and all(k in criterions for k in item)
        wanted = f"a dict of {', '.join([repr(key) for key, _ in inside])}"
    else:
        fits = isinstance(item, tuple | list) and len(item) == len(criterions)
        wanted = f"a tuple or list of {len(criterions)}"
    if not fits:
        raise ShapeError(f"{tree.place(what, path)} must be {wanted}; got {tree.kind(item)}.")
    for key, criterion in inside:
        part = item.get(key) if isinstance(criterions, dict) else item[int(key)]
        yield from _split(criterion, part, what, f"{path}.{key}" if path else key)


def _told(criterions: Any, found: Any, path: str) -> Any:
    """Return what outputs are at the places of the criterions; elsewhere what was found."""
    if criterions is None:
        return found
    if isinstance(criterions, Criterion):
        with _At(path, criterions):
            return criterions.meanings(found)
    inside = _items(criterions)
    parts = dict(_items(found)) if isinstance(found, dict | tuple | list) else {}
    told = {
        key: _told(item, parts.get(key, "unknown"), f"{path}.{key}" if path else key)
        for key, item in inside
    }
    return parts | told if isinstance(criterions, dict) else tuple(told.values())


def _items(criterions: Any) -> list[tuple[str, Any]]:
    if isinstance(criterions, dict):
        return [(key, criterions[key]) for key in sorted(criterions)]
    return [(str(place), item) for place, item in enumerate(criterions)]


def _factors(criterions: Any, weights: Any, path: str) -> Iterator[float]:
    """Go through the weights of the criterions."""
    name = f"weights.{path}" if path else "weights"
    if criterions is None:
        return
    if isinstance(criterions, Criterion):
        yield 1.0 if weights is None else non_negative(name, weights)
        return
    inside = _items(criterions)
    if weights is None:
        given: dict[str, Any] = {}
    elif isinstance(weights, dict) and isinstance(criterions, dict):
        given = weights
    elif isinstance(weights, tuple | list) and isinstance(criterions, tuple | list):
        given = dict(_items(weights))
        if len(weights) != len(criterions):
            raise ArgumentError(
                f"`{name}` must hold {len(criterions)} numbers, one per criterion; got "
                f"{len(weights)}."
            )
    else:
        raise ArgumentError(f"`{name}` must be arranged like `criterions`; got {weights!r}.")
    known = [key for key, _ in inside]
    for key in given:
        if key not in known:
            raise ArgumentError(
                f"`{name}` must name criterions ({', '.join(map(repr, known))}); got {key!r}."
            )
    for key, criterion in inside:
        yield from _factors(criterion, given.get(key), f"{path}.{key}" if path else key)


def _each_takes_classes(criterions: Any) -> Any:
    if isinstance(criterions, Criterion):
        return criterions.takes_classes
    if isinstance(criterions, dict):
        return {k: _each_takes_classes(c) for k, c in criterions.items() if c is not None}
    return type(criterions)(_each_takes_classes(c) for c in criterions if c is not None)
