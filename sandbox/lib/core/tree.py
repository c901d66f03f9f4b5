"""Trees: tuples, lists and dicts of values, flattened once where they enter and rebuilt at the end.

A leaf is whatever is no tuple, list, dict or None: an array, a value, a `Spec`. None is an absent
optional part: it has no leaves. Keys of dicts are text, in sorted order, so that two dicts with the
same keys have the same structure. Same rules as JAX's pytrees.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from . import validate
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

    def match(self, tree: Tree, what: str = "tree") -> list[Any]:
        """Return what stands in a tree where this structure has its leaves.

        A leaf takes whatever is there, a list of numbers too, but for None.

        Parameters
        ----------
        tree : tree
            Must have this structure.
        what : str
            What a message calls one leaf, such as "input".

        Raises
        ------
        ShapeError : the tree has another structure; names the place.

        Examples
        --------
        >>> _, structure = flatten({"image": 0, "pair": (0, 0)})
        >>> structure.match({"pair": ([1, 2], 3), "image": 4})
        [4, [1, 2], 3]
        >>> structure.match({"pair": (1, 2)}, "input")
        Traceback (most recent call last):
        sandbox.lib.core.errors.ShapeError: input 'image' must be given; got 'pair'.
        """
        found: list[Any] = []
        _match(self._shape, tree, what, "", found)
        return found

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


def lone(inputs: Tree) -> Tree:
    """Return inputs, and for a tuple of one argument this argument: both mean the same call.

    A tuple or dict stays wrapped: by itself it would be several arguments.

    Examples
    --------
    >>> lone((1,)), lone((1, 2)), lone(({"x": 1},))
    (1, (1, 2), ({'x': 1},))
    """
    if isinstance(inputs, tuple) and len(inputs) == 1:
        item = inputs[0]
        return inputs if item is None or isinstance(item, tuple | dict) else item
    return inputs


def with_arrays(tree: Tree) -> Tree:
    """Return the tree with an array for each list or tuple that holds plain numbers only.

    Examples
    --------
    >>> with_arrays({"x": [[1, 2], [3, 4]], "y": [Structure("leaf")]})["x"].shape
    (2, 2)
    """
    if isinstance(tree, list | tuple):
        if is_numbers(tree):
            return validate.numbers("x", tree)
        items = [with_arrays(item) for item in tree]
        return items if isinstance(tree, list) else tuple(items)
    if isinstance(tree, dict):
        return {key: with_arrays(item) for key, item in tree.items()}
    return tree


def is_numbers(item: list[Any] | tuple[Any, ...]) -> bool:
    """Tell whether a list or tuple holds plain numbers and nothing else, however deep.

    Examples
    --------
    >>> is_numbers([[1, 2.5], [True]]), is_numbers([1, None]), is_numbers([])
    (True, False, False)
    """
    if not item:
        return False
    for part in item:
        if isinstance(part, list | tuple):
            if not is_numbers(part):
                return False
        elif not isinstance(part, int | float | np.number | np.bool_):
            return False
    return True


def place(what: str, path: str) -> str:
    """Return how a message calls the leaf at a path.

    Examples
    --------
    >>> place("input", "image"), place("target", "")
    ("input 'image'", 'target')
    """
    return f"{what} {path!r}" if path else what


def _match(shape: Any, tree: Tree, what: str, path: str, found: list[Any]) -> None:
    where = place(what, path)
    if shape == _LEAF:
        if tree is None:
            raise ShapeError(f"{where} must be given; got None.")
        found.append(tree)
        return
    if shape == _NONE:
        if tree is not None:
            raise ShapeError(f"{where} must be None, as it was before; got {kind(tree)}.")
        return
    container, count = shape[0], len(shape) - 1
    if container == "dict":
        keys = [key for key, _ in shape[1:]]
        if not isinstance(tree, dict):
            raise ShapeError(f"{where} must be a dict of {_quoted(keys)}; got {kind(tree)}.")
        for key in tree:
            if key not in keys:
                raise ShapeError(
                    f"{where} must be a dict of {_quoted(keys)}; got the key {key!r} as well."
                )
        for key, inner in shape[1:]:
            if key not in tree and inner != _NONE:
                raise ShapeError(
                    f"{place(what, _join(path, key))} must be given; got {_quoted(tree)}."
                )
            _match(inner, tree.get(key), what, _join(path, key), found)
        return
    if not isinstance(tree, tuple if container == "tuple" else list) or len(tree) != count:
        raise ShapeError(f"{where} must be a {container} of {count}; got {kind(tree)}.")
    for index, (inner, item) in enumerate(zip(shape[1:], tree, strict=True)):
        _match(inner, item, what, _join(path, str(index)), found)


def kind(tree: Tree) -> str:
    """Return what a message says that it got.

    Examples
    --------
    >>> kind((1, 2)), kind({"a": 1}), kind(np.ones(3))
    ('a tuple of 2', "a dict of 'a'", 'one ndarray of shape (3,)')
    """
    if isinstance(tree, tuple | list):
        return f"a {type(tree).__name__} of {len(tree)}"
    if isinstance(tree, dict):
        return f"a dict of {_quoted(tree)}"
    shape = getattr(tree, "shape", None)
    return type(tree).__name__ if shape is None else f"one {type(tree).__name__} of shape {shape}"


def _quoted(keys: Iterable[Any]) -> str:
    return ", ".join([repr(key) for key in keys]) or "nothing"


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


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
            yield from _paths(inner, _join(path, key))


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
        # Pairs: a key may be any text, also one that means something to who reads the file.
        return {"dict": [[key, _to_json(inner)] for key, inner in shape[1:]]}
    return {shape[0]: [_to_json(inner) for inner in shape[1:]]}


def _from_json(data: Any) -> Any:
    if data in (_LEAF, _NONE):
        return data
    if isinstance(data, dict) and len(data) == 1:
        container, items = next(iter(data.items()))
        if container in ("tuple", "list") and isinstance(items, list | tuple):
            return (container, *[_from_json(item) for item in items])
        pairs = isinstance(items, list | tuple) and all(
            isinstance(pair, list | tuple) and len(pair) == 2 and isinstance(pair[0], str)
            for pair in items
        )
        if container == "dict" and pairs:
            return ("dict", *[(key, _from_json(inner)) for key, inner in sorted(items, key=_first)])
    raise ArgumentError(
        f"a tree's structure must be tuples, lists, dicts and leaves; got {data!r}."
    )


def _first(pair: Any) -> str:
    return str(pair[0])
