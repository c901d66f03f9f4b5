"""Trees: tuples, lists and dicts of values, flattened once where they enter and rebuilt at the end.

A leaf is whatever is no tuple, list, dict or None: an array, a value, a `Spec`. None is an absent
optional part: it has no leaves. Keys of dicts are text, in sorted order, so that two dicts with the
same keys have the same structure. Same rules as JAX's pytrees.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from .errors import ArgumentError, ShapeError

Tree = Any

_LEAF, _NONE = "leaf", "none"


class Structure:
    """What a tree is without its leaves: hashable, comparable, plain data for a file.

    Attributes
    ----------
    size : int
        Number of leaves.

    Examples
    --------
    >>> leaves, structure = flatten({"image": 1, "pair": (2, 3)})
    >>> leaves, structure.paths
    ([1, 2, 3], ('image', 'pair.0', 'pair.1'))
    >>> structure.unflatten([10, 20, 30])
    {'image': 10, 'pair': (20, 30)}
    >>> Structure.from_json(structure.to_json()) == structure
    True
    """

    __slots__ = ("_shape", "size")

    def __init__(self, shape: Any) -> None:
        self._shape = shape
        self.size = sum(1 for _ in _paths(shape, ""))

    @property
    def is_leaf(self) -> bool:
        """Whether the tree is one leaf, not wrapped into anything."""
        return bool(self._shape == _LEAF)

    @property
    def paths(self) -> tuple[str, ...]:
        """Where each leaf is, keys and places joined by dots; "" for a leaf that stands alone."""
        return tuple(_paths(self._shape, ""))

    def unflatten(self, leaves: Sequence[Any]) -> Tree:
        """Return the tree with these leaves."""
        if len(leaves) != self.size:
            raise ArgumentError(
                f"a tree like {self} must get {self.size} leaves; got {len(leaves)}."
            )
        return _build(self._shape, iter(leaves))

    def to_json(self) -> Any:
        """Return plain data that `from_json` understands."""
        return _to_json(self._shape)

    @classmethod
    def from_json(cls, data: Any) -> Structure:
        """Rebuild what `to_json` gave; anything else is an `ArgumentError`."""
        return cls(_from_json(data))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Structure) and self._shape == other._shape

    def __hash__(self) -> int:
        return hash(self._shape)

    def __repr__(self) -> str:
        return repr(_build(self._shape, iter([_Star()] * self.size)))


class _Star:
    def __repr__(self) -> str:
        return "*"


def flatten(tree: Tree) -> tuple[list[Any], Structure]:
    """Return the leaves in order, and the structure that takes them back.

    Examples
    --------
    >>> flatten((1, [2, None], {"b": 3, "a": 4}))
    ([1, 2, 4, 3], (*, [*, None], {'a': *, 'b': *}))
    """
    leaves: list[Any] = []
    return leaves, Structure(_take(tree, leaves))


def leaves(tree: Tree) -> list[Any]:
    """Return the leaves in order."""
    return flatten(tree)[0]


def map(function: Callable[..., Any], tree: Tree, *others: Tree) -> Tree:
    """Return the tree of `function(leaf, *leaves of the others)`; all must have one structure.

    Raises
    ------
    ShapeError : another tree has another structure.

    Examples
    --------
    >>> map(lambda a, b: a + b, (1, [2]), (10, [20]))
    (11, [22])
    """
    first, structure = flatten(tree)
    columns = [first]
    for other in others:
        found, its = flatten(other)
        if its != structure:
            raise ShapeError(f"trees must have the structure {structure}; got {its}.")
        columns.append(found)
    return structure.unflatten([function(*row) for row in zip(*columns, strict=True)])


def call(function: Callable[..., Any], inputs: Tree) -> Any:
    """Call a function with inputs: a tuple's parts by place, a dict's by name, else one argument.

    A function that takes one dict gets it as a tuple of one: `({"a": x},)`.

    Examples
    --------
    >>> call(lambda *a, **k: (a, k), (1, 2)), call(lambda *a, **k: (a, k), {"x": 1})
    (((1, 2), {}), ((), {'x': 1}))
    """
    if isinstance(inputs, tuple):
        return function(*inputs)
    if isinstance(inputs, dict):
        return function(**inputs)
    return function(inputs)


def _take(tree: Tree, found: list[Any]) -> Any:
    if tree is None:
        return _NONE
    if isinstance(tree, tuple):
        return ("tuple", *[_take(item, found) for item in tree])
    if isinstance(tree, list):
        return ("list", *[_take(item, found) for item in tree])
    if isinstance(tree, dict):
        if not all(isinstance(key, str) for key in tree):
            raise ArgumentError(f"keys of a tree must be text; got {list(tree)}.")
        return ("dict", *[(key, _take(tree[key], found)) for key in sorted(tree)])
    found.append(tree)
    return _LEAF


def _paths(shape: Any, path: str) -> Iterator[str]:
    if shape == _LEAF:
        yield path
    elif shape != _NONE:
        for place, item in enumerate(shape[1:]):
            key, inner = item if shape[0] == "dict" else (str(place), item)
            yield from _paths(inner, f"{path}.{key}" if path else key)


def _build(shape: Any, found: Iterator[Any]) -> Tree:
    if shape == _LEAF:
        return next(found)
    if shape == _NONE:
        return None
    if shape[0] == "dict":
        return {key: _build(inner, found) for key, inner in shape[1:]}
    items = [_build(inner, found) for inner in shape[1:]]
    return tuple(items) if shape[0] == "tuple" else items


def _to_json(shape: Any) -> Any:
    if shape in (_LEAF, _NONE):
        return shape
    if shape[0] == "dict":
        return {"dict": {key: _to_json(inner) for key, inner in shape[1:]}}
    return {shape[0]: [_to_json(inner) for inner in shape[1:]]}


def _from_json(data: Any) -> Any:
    if data in (_LEAF, _NONE):
        return data
    if isinstance(data, dict) and len(data) == 1:
        kind, items = next(iter(data.items()))
        if kind in ("tuple", "list") and isinstance(items, list):
            return (kind, *[_from_json(item) for item in items])
        if kind == "dict" and isinstance(items, dict):
            return ("dict", *[(str(key), _from_json(items[key])) for key in sorted(items)])
    raise ArgumentError(
        f"a tree's structure must be tuples, lists, dicts and leaves; got {data!r}."
    )
