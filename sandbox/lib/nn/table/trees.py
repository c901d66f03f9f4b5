"""Modules that take values apart: pieces of an array, parts of a tuple, list or dict."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, ClassVar

from ...core import ops, tree
from ...core.errors import ArgumentError, ShapeError
from ...core.validate import integer, integers, positive_int
from ..case import Case
from ..checks import check_inner_axis, inner_axis
from ..module import Module
from ..registry import register


@register("nn.Split")
class Split(Module):
    """Cut a value into pieces along an axis.

    Parameters
    ----------
    pieces : int > 0, or sequence of int > 0
        How many pieces, as equal as can be with the longer ones last; or their lengths.
    axis : int
        Which axis is cut; 0, the batch axis, cannot.

    Shapes
    ------
    input : any
    output : tuple of the pieces

    Raises
    ------
    ArgumentError : `axis` is 0, or a number of pieces or a length is not positive.
    ShapeError : in `call`, the input has no such axis, or it is too short or not the sum of the
        lengths.

    Notes
    -----
    Same as BigDL `BifurcateSplitTable` (0.13) with two pieces, PyTorch `split` and `chunk` (which
    has the longer ones first) and ONNX `Split`-18. The way back is `nn.Concat`.

    Examples
    --------
    >>> import numpy as np
    >>> [y.shape for y in Split(2)(np.ones((2, 5, 3), "f4"))]
    [(2, 2, 3), (2, 3, 3)]
    >>> [y.shape for y in Split([1, 4])(np.ones((2, 5, 3), "f4"))]
    [(2, 1, 3), (2, 4, 3)]
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: Split(2),
            inputs=((2, 5, 3),),
            output=((2, 2, 3), (2, 3, 3)),
            wrong=((2, 1, 3), (2,)),
            wrong_axis=1,
            sizes=("2",),
        ),
        Case(
            lambda rng: Split((1, 2), -1),
            inputs=((2, 5, 3),),
            output=((2, 5, 1), (2, 5, 2)),
            wrong=((2, 5, 4),),
            wrong_axis=2,
            sizes=("(1, 2)", "axis=-1"),
        ),
    )

    def __init__(
        self, pieces: int | Sequence[int], axis: int = 1, *, name: str | None = None
    ) -> None:
        super().__init__(name=name)
        self.pieces: int | tuple[int, ...]
        if isinstance(pieces, (list, tuple)):
            self.pieces = integers("pieces", pieces, "an int > 0 or a list of them", 1)
            if not pieces:
                raise ArgumentError("`pieces` must be an int > 0 or a list of them; got none.")
        else:
            self.pieces = positive_int("pieces", pieces, "Or give a list of lengths.")
        self.axis = inner_axis(axis)

    def call(self, x: Any) -> Any:
        """Cut the pieces."""
        axis = check_inner_axis(x, self.axis)
        size = x.shape[axis]
        if isinstance(self.pieces, tuple):
            sizes = list(self.pieces)
            fits, wanted = sum(sizes) == size, f"{sum(sizes)} (the sum of the pieces)"
        else:
            ends = [size * k // self.pieces for k in range(self.pieces + 1)]
            sizes = [stop - start for start, stop in pairwise(ends)]
            fits, wanted = size >= self.pieces, f">= {self.pieces} (pieces)"
        if not fits:
            raise ShapeError(f"input axis {axis} must be {wanted}; got {size} in shape {x.shape}.")
        return ops.split(x, sizes, axis)

    def extra(self) -> str:
        """Give the pieces, and the axis if it is not 1."""
        return repr(self.pieces) + ("" if self.axis == 1 else f", axis={self.axis}")


@register("nn.Unstack")
class Unstack(Module):
    """Take a value apart along an axis, which goes away.

    y_k = x[:, k]

    Parameters
    ----------
    axis : int
        Which axis; 0, the batch axis, cannot.

    Shapes
    ------
    input : any
    output : tuple of as many values as the axis has elements, without it

    Raises
    ------
    ArgumentError : `axis` is 0.
    ShapeError : in `call`, the input has no such axis.

    Notes
    -----
    Same as BigDL `SplitTable` (0.13) and PyTorch `unbind`. The way back is `nn.Stack`.

    Examples
    --------
    >>> import numpy as np
    >>> [y.shape for y in Unstack()(np.ones((2, 3, 4), "f4"))]
    [(2, 4), (2, 4), (2, 4)]
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: Unstack(),
            inputs=((2, 3, 4),),
            output=((2, 4), (2, 4), (2, 4)),
            wrong=((2,),),
        ),
        Case(lambda rng: Unstack(-1), inputs=((2, 2),), output=((2,), (2,)), sizes=("axis=-1",)),
    )

    def __init__(self, axis: int = 1, *, name: str | None = None) -> None:
        super().__init__(name=name)
        self.axis = inner_axis(axis)

    def call(self, x: Any) -> Any:
        """Take the slices."""
        return ops.unstack(x, check_inner_axis(x, self.axis))

    def extra(self) -> str:
        """Give the axis if it is not 1."""
        return "" if self.axis == 1 else f"axis={self.axis}"


class Parts(Module):
    """What modules share that get several inputs: arguments, one tuple or list, or one dict."""

    def call(self, *inputs: Any, **named: Any) -> Any:
        """Gather the inputs and give parts of them."""
        if named and inputs:
            raise ShapeError("inputs must be given by place or by name; got both.")
        one = named or (inputs[0] if len(inputs) == 1 else inputs)
        return self.part(one if isinstance(one, (tuple, list, dict)) else (one,))

    def part(self, inputs: Any) -> Any:
        """Give what is wanted of a tuple, list or dict."""
        raise NotImplementedError(f"{type(self).__name__} must define part(self, inputs).")


@register("nn.Item")
class Item(Parts):
    """Give one of several inputs.

    Parameters
    ----------
    key : int or str
        Its place, from the end if below 0, or its name. For what is nested give several keys.
    inner : int or str
        Places or names within.

    Shapes
    ------
    inputs : several, or one tuple, list or dict
    output : what stands there, itself perhaps a tuple, list or dict

    Raises
    ------
    ArgumentError : a key is neither an int nor text.
    ShapeError : in `call`, there is no such input.

    Notes
    -----
    Same as BigDL `SelectTable` (0.13, where places count from 1).

    Examples
    --------
    >>> import numpy as np
    >>> a, b = np.zeros(1, "f4"), np.ones(1, "f4")
    >>> Item(-1)(a, b), Item("boxes", 0)({"boxes": (b, a)})
    (array([1.], dtype=float32), array([1.], dtype=float32))
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: Item(1),
            inputs=((2, 3), (2, 4)),
            output=(2, 4),
            sizes=("1",),
        ),
        Case(
            lambda rng: Item("boxes", -1),
            inputs={"boxes": ((2, 3), (2, 4)), "size": (2, 1)},
            output=(2, 4),
            sizes=("'boxes', -1",),
        ),
    )

    def __init__(self, key: int | str, *inner: int | str, name: str | None = None) -> None:
        super().__init__(name=name)
        self.keys: tuple[Any, ...] = tuple(
            item if isinstance(item, str) else integer("key", item, "Or give a name as text.")
            for item in (key, *inner)
        )

    def part(self, inputs: Any) -> Any:
        """Go to the input."""
        found = inputs
        for key in self.keys:
            named = isinstance(found, dict)
            there = isinstance(found, (tuple, list, dict)) and isinstance(key, str) == named
            if not there or (key not in found if named else not -len(found) <= key < len(found)):
                raise ShapeError(
                    f"inputs must have {key!r} (of the keys {self.keys}); got {tree.kind(found)}."
                )
            found = found[key]
        return found

    def config(self) -> dict[str, Any]:
        """Give the keys."""
        return {"keys": list(self.keys)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Item:
        """Make an Item from what `config` gives."""
        return cls(*config["keys"], name=config.get("name"))

    def extra(self) -> str:
        """Give the keys."""
        return ", ".join(repr(key) for key in self.keys)


@register("nn.Items")
class Items(Parts):
    """Give some inputs of several that follow each other.

    y = inputs[start:stop]

    Parameters
    ----------
    start, stop : int or None
        The first one, and the one behind the last, as Python counts in slices.

    Shapes
    ------
    inputs : several, or one tuple or list
    output : tuple of inputs, of at least one

    Raises
    ------
    ArgumentError : `start` or `stop` is no int.
    ShapeError : in `call`, nothing is left, or the inputs come by name.

    Notes
    -----
    Same as BigDL `NarrowTable` (0.13, by first place and number, from 1).

    Examples
    --------
    >>> import numpy as np
    >>> a, b, c = np.zeros(1, "f4"), np.ones(1, "f4"), np.ones(1, "f4")
    >>> len(Items(1)(a, b, c)), len(Items(0, -2)(a, b, c))
    (2, 1)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: Items(1, 3),
            inputs=((2, 3), (2, 4), (2, 5), (2, 6)),
            output=((2, 4), (2, 5)),
            sizes=("1, 3",),
        ),
        Case(lambda rng: Items(-1), inputs=((2, 3), ((2, 4), (2, 5))), output=(((2, 4), (2, 5)),)),
    )

    def __init__(
        self, start: int | None = 0, stop: int | None = None, *, name: str | None = None
    ) -> None:
        super().__init__(name=name)
        self.start = None if start is None else integer("start", start)
        self.stop = None if stop is None else integer("stop", stop)

    def part(self, inputs: Any) -> Any:
        """Give the slice."""
        found = () if isinstance(inputs, dict) else tuple(inputs)[self.start : self.stop]
        if not found:
            raise ShapeError(
                f"inputs must have places {self.start} to {self.stop}; got {tree.kind(inputs)}."
            )
        return found

    def extra(self) -> str:
        """Give the places."""
        return repr(self.start) if self.stop is None else f"{self.start!r}, {self.stop!r}"


@register("nn.Leaves")
class Leaves(Parts):
    """Give all arrays of nested inputs as one flat tuple.

    Shapes
    ------
    inputs : trees: tuples, lists and dicts (in the order of their keys), in any depth
    output : tuple of their leaves

    Raises
    ------
    ShapeError : in `call`, there are none.

    Notes
    -----
    Same as BigDL `FlattenTable` (0.13).

    Examples
    --------
    >>> import numpy as np
    >>> a, b, c = np.zeros(1, "f4"), np.ones(1, "f4"), np.zeros(1, "f4")
    >>> [float(y[0]) for y in Leaves()(a, {"inner": [b, c]})]
    [0.0, 1.0, 0.0]
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: Leaves(),
            inputs=((2, 3), {"b": [(2, 4), (2, 5)], "a": (2, 6)}),
            output=((2, 3), (2, 6), (2, 4), (2, 5)),
        ),
    )

    def __init__(self, *, name: str | None = None) -> None:
        super().__init__(name=name)

    def part(self, inputs: Any) -> Any:
        """Give the leaves."""
        found = tuple(tree.leaves(inputs))
        if not found:
            raise ShapeError("inputs must hold at least one array; got none.")
        return found
