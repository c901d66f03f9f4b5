"""Modules that add, drop, cut, repeat, turn and lengthen one axis."""

from __future__ import annotations

from typing import Any, ClassVar

from ...core import ops
from ...core.errors import ShapeError
from ...core.validate import integer, non_negative_int, number, one_of, positive_int
from ...engine.ops.arrange import PAD_MODES
from ..case import Case
from ..checks import check_inner_axis, inner_axis
from ..module import Module
from ..registry import register


class OneAxis(Module):
    """What these modules share: an axis that is not the batch axis; subclasses write `function`."""

    def __init__(self, axis: int = 1, *, name: str | None = None) -> None:
        super().__init__(name=name)
        self.axis = inner_axis(axis)

    def call(self, x: Any) -> Any:
        """Check that the axis exists and change it."""
        return self.function(x, check_inner_axis(x, self.axis))

    def function(self, x: Any, axis: int) -> Any:
        """Compute the change with `core.ops`."""
        raise NotImplementedError(f"{type(self).__name__} must define function(self, x, axis).")

    def extra(self) -> str:
        """Give the axis."""
        return f"axis={self.axis}"


@register("nn.Squeeze")
class Squeeze(OneAxis):
    """Drop an axis of size 1.

    y[n, j] = x[n, 0, j], for axis 1

    Parameters
    ----------
    axis : int
        Which axis; 0, the batch axis, cannot.

    Shapes
    ------
    input : any, of size 1 along `axis`
    output : the same without it

    Raises
    ------
    ArgumentError : `axis` is 0.
    ShapeError : in `call`, the input has no such axis, or it is longer.

    Notes
    -----
    Same as BigDL `Squeeze` (0.13, where dimensions count from 1), PyTorch `squeeze` and ONNX
    `Squeeze`-13. It costs nothing in a Program.

    Examples
    --------
    >>> import numpy as np
    >>> Squeeze()(np.ones((2, 1, 3), "f4")).shape
    (2, 3)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(lambda rng: Squeeze(), inputs=((2, 1, 3),), output=(2, 3), wrong=((2, 2, 3), (2,))),
        Case(lambda rng: Squeeze(-1), inputs=((2, 3, 1),), output=(2, 3), sizes=("axis=-1",)),
    )

    def function(self, x: Any, axis: int) -> Any:
        """Drop it."""
        return ops.squeeze(x, axis)


@register("nn.Unsqueeze")
class Unsqueeze(Module):
    """Add an axis of size 1.

    y[n, 0, j] = x[n, j], for axis 1

    Parameters
    ----------
    axis : int
        Its place in the output; 0, the batch axis, cannot.

    Shapes
    ------
    input : any
    output : with one axis more

    Raises
    ------
    ArgumentError : `axis` is 0.
    ShapeError : in `call`, the output has no such axis.

    Notes
    -----
    Same as BigDL `Unsqueeze` (0.13, where dimensions count from 1), PyTorch `unsqueeze` and ONNX
    `Unsqueeze`-13. It costs nothing in a Program.

    Examples
    --------
    >>> import numpy as np
    >>> Unsqueeze()(np.ones((2, 3), "f4")).shape
    (2, 1, 3)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(lambda rng: Unsqueeze(), inputs=((2, 3),), output=(2, 1, 3), wrong=((),)),
        Case(lambda rng: Unsqueeze(-1), inputs=((2, 3),), output=(2, 3, 1), sizes=("axis=-1",)),
    )

    def __init__(self, axis: int = 1, *, name: str | None = None) -> None:
        super().__init__(name=name)
        self.axis = inner_axis(axis)

    def call(self, x: Any) -> Any:
        """Add it."""
        rank = len(x.shape) + 1
        if rank < 2 or not -rank < self.axis < rank:
            raise ShapeError(
                f"input must have at least {max(abs(self.axis), 1)} axes for an axis {self.axis} "
                f"(axis) behind the batch axis; got shape {x.shape}."
            )
        return ops.expand_dims(x, self.axis)

    def extra(self) -> str:
        """Give the axis."""
        return f"axis={self.axis}"


@register("nn.Select")
class Select(OneAxis):
    """Take one element along an axis, which goes away.

    y[n, j] = x[n, index, j], for axis 1

    Parameters
    ----------
    axis : int
        Which axis; 0, the batch axis, cannot.
    index : int
        Which element; -1 is the last one, as of a sequence.

    Shapes
    ------
    input : any
    output : the same without `axis`

    Raises
    ------
    ArgumentError : `axis` is 0.
    ShapeError : in `call`, the input has no such axis, or it is too short.

    Notes
    -----
    Same as BigDL `Select` (0.13, where both count from 1) and PyTorch `select`.

    Examples
    --------
    >>> import numpy as np
    >>> Select(1, -1)(np.float32([[[1, 2], [3, 4]]]))
    array([[3., 4.]], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(lambda rng: Select(1, 2), inputs=((2, 3, 4),), output=(2, 4), wrong=((2, 2, 4), (2,))),
        Case(lambda rng: Select(-1, -1), inputs=((2, 3),), output=(2,), sizes=("index=-1",)),
    )

    def __init__(self, axis: int, index: int, *, name: str | None = None) -> None:
        super().__init__(axis, name=name)
        self.index = integer("index", index)

    def function(self, x: Any, axis: int) -> Any:
        """Take it."""
        length = x.shape[axis]
        if not -length <= self.index < length:
            raise ShapeError(
                f"input axis {axis} must have an element {self.index} (index); got {length} in "
                f"shape {x.shape}."
            )
        return x[(slice(None),) * axis + (self.index,)]

    def extra(self) -> str:
        """Give axis and index."""
        return f"axis={self.axis}, index={self.index}"


@register("nn.Narrow")
class Narrow(OneAxis):
    """Take a block of elements along an axis.

    y[n, k, j] = x[n, start + k·step, j], for axis 1

    Parameters
    ----------
    axis : int
        Which axis; 0, the batch axis, cannot.
    start : int
        The first element; negative: counted from the end.
    length : int > 0 or -1
        How many elements are taken; -1: all that are left.
    step : int > 0
        Every which one.

    Shapes
    ------
    input : any
    output : the same but for `length` along `axis`

    Raises
    ------
    ArgumentError : `axis` is 0, or a size is out of its range.
    ShapeError : in `call`, the input has no such axis, or it is too short.

    Notes
    -----
    Same as BigDL `Narrow` (0.13, where dimension and offset count from 1), PyTorch `narrow` and
    ONNX `Slice`-13.

    Examples
    --------
    >>> import numpy as np
    >>> Narrow(1, 1, 2)(np.float32([[1, 2, 3, 4]]))
    array([[2., 3.]], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: Narrow(1, 1, 2),
            inputs=((2, 4, 3),),
            output=(2, 2, 3),
            wrong=((2, 2, 3), (2,)),
            wrong_axis=1,
            sizes=("start=1", "length=2"),
        ),
        Case(lambda rng: Narrow(-1, -5, -1, 2), inputs=((2, 3, 5),), output=(2, 3, 3)),
    )

    def __init__(
        self, axis: int, start: int, length: int = 1, step: int = 1, *, name: str | None = None
    ) -> None:
        super().__init__(axis, name=name)
        self.start = integer("start", start)
        self.length = integer("length", length)
        if self.length != -1:
            positive_int("length", length, "Or -1: all that are left.")
        self.step = positive_int("step", step)

    def function(self, x: Any, axis: int) -> Any:
        """Take it."""
        size = x.shape[axis]
        start = self.start + size if self.start < 0 else self.start
        reach = 1 if self.length == -1 else (self.length - 1) * self.step + 1
        if not 0 <= start <= size - reach:
            raise ShapeError(
                f"input axis {axis} must have the elements from {self.start} on (start) for "
                f"{self.length} (length); got {size} in shape {x.shape}."
            )
        stop = size if self.length == -1 else start + reach
        return x[(slice(None),) * axis + (slice(start, stop, self.step),)]

    def extra(self) -> str:
        """Give axis, start and length."""
        step = "" if self.step == 1 else f", step={self.step}"
        return f"axis={self.axis}, start={self.start}, length={self.length}{step}"


@register("nn.Replicate")
class Replicate(Module):
    """Add an axis along which the input is repeated.

    y[n, k, j] = x[n, j], for axis 1

    Parameters
    ----------
    count : int > 0
        How often.
    axis : int
        The place of the new axis in the output; 0, the batch axis, cannot.

    Shapes
    ------
    input : any
    output : with one axis more, of size `count`

    Raises
    ------
    ArgumentError : `count` is not positive, or `axis` is 0.
    ShapeError : in `call`, the output has no such axis.

    Notes
    -----
    Same as BigDL `Replicate` (0.13, where dimensions count from 1) and Keras `RepeatVector`: one
    vector for each step of a decoder.

    Examples
    --------
    >>> import numpy as np
    >>> Replicate(2)(np.float32([[1, 2]]))
    array([[[1., 2.],
            [1., 2.]]], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: Replicate(4), inputs=((2, 3),), output=(2, 4, 3), wrong=((),), sizes=("4",)
        ),
        Case(lambda rng: Replicate(2, -1), inputs=((2, 3),), output=(2, 3, 2)),
    )

    def __init__(self, count: int, axis: int = 1, *, name: str | None = None) -> None:
        super().__init__(name=name)
        self.count = positive_int("count", count)
        self.axis = inner_axis(axis)

    def call(self, x: Any) -> Any:
        """Repeat it."""
        rank = len(x.shape) + 1
        if rank < 2 or not -rank < self.axis < rank:
            raise ShapeError(
                f"input must have at least {max(abs(self.axis), 1)} axes for an axis {self.axis} "
                f"(axis) behind the batch axis; got shape {x.shape}."
            )
        y = ops.expand_dims(x, self.axis)
        axis = self.axis % rank
        return ops.broadcast_to(y, (*y.shape[:axis], self.count, *y.shape[axis + 1 :]))

    def extra(self) -> str:
        """Give count and axis."""
        return f"{self.count}" + ("" if self.axis == 1 else f", axis={self.axis}")


@register("nn.Tile")
class Tile(OneAxis):
    """Lay copies of the input one behind the other along an axis.

    y[n, k, j] = x[n, k mod size, j], for axis 1

    Parameters
    ----------
    copies : int > 0
        How many.
    axis : int
        Which axis; 0, the batch axis, cannot.

    Shapes
    ------
    input : any
    output : the same, `copies` times as long along `axis`

    Raises
    ------
    ArgumentError : `copies` is not positive, or `axis` is 0.
    ShapeError : in `call`, the input has no such axis.

    Notes
    -----
    Same as BigDL `Tile` (0.13, where dimensions count from 1), PyTorch `tile` and ONNX `Tile`-13.
    The gradient is the sum over the copies, which BigDL's was not.

    Examples
    --------
    >>> import numpy as np
    >>> Tile(2)(np.float32([[1, 2]]))
    array([[1., 2., 1., 2.]], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(lambda rng: Tile(3), inputs=((2, 3, 4),), output=(2, 9, 4), wrong=((2,),)),
        Case(lambda rng: Tile(2, -1), inputs=((2, 3),), output=(2, 6), sizes=("2", "axis=-1")),
    )

    def __init__(self, copies: int = 2, axis: int = 1, *, name: str | None = None) -> None:
        super().__init__(axis, name=name)
        self.copies = positive_int("copies", copies)

    def function(self, x: Any, axis: int) -> Any:
        """Lay them."""
        return ops.tile(x, [self.copies if k == axis else 1 for k in range(len(x.shape))])

    def extra(self) -> str:
        """Give copies and axis."""
        return f"{self.copies}" + ("" if self.axis == 1 else f", axis={self.axis}")


@register("nn.Flip")
class Flip(OneAxis):
    """Turn the order of the elements along an axis round.

    y[n, k, j] = x[n, size - 1 - k, j], for axis 1

    Parameters
    ----------
    axis : int
        Which axis; 0, the batch axis, cannot.

    Shapes
    ------
    input : any
    output : the same

    Raises
    ------
    ArgumentError : `axis` is 0.
    ShapeError : in `call`, the input has no such axis.

    Notes
    -----
    Same as BigDL `Reverse` (0.13, where dimensions count from 1) and PyTorch `flip`.

    Examples
    --------
    >>> import numpy as np
    >>> Flip()(np.float32([[1, 2, 3]]))
    array([[3., 2., 1.]], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(lambda rng: Flip(), inputs=((2, 3, 4),), output=(2, 3, 4), wrong=((2,),)),
        Case(lambda rng: Flip(-1), inputs=((2, 3),), output=(2, 3), sizes=("axis=-1",)),
    )

    def function(self, x: Any, axis: int) -> Any:
        """Turn it."""
        return ops.flip(x, axis)


@register("nn.Roll")
class Roll(OneAxis):
    """Move the elements on along an axis; what leaves comes in at the other end.

    y[n, (k + shift) mod size, j] = x[n, k, j], for axis 1

    Parameters
    ----------
    shift : int
        By how many places; negative: back.
    axis : int
        Which axis; 0, the batch axis, cannot.

    Shapes
    ------
    input : any
    output : the same

    Raises
    ------
    ArgumentError : `axis` is 0.
    ShapeError : in `call`, the input has no such axis.

    Notes
    -----
    Same as PyTorch `roll`.

    Examples
    --------
    >>> import numpy as np
    >>> Roll(1)(np.float32([[1, 2, 3]]))
    array([[3., 1., 2.]], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(lambda rng: Roll(-2), inputs=((2, 3, 4),), output=(2, 3, 4), wrong=((2,),)),
    )

    def __init__(self, shift: int, axis: int = 1, *, name: str | None = None) -> None:
        super().__init__(axis, name=name)
        self.shift = integer("shift", shift)

    def function(self, x: Any, axis: int) -> Any:
        """Move them."""
        return ops.roll(x, self.shift, axis)

    def extra(self) -> str:
        """Give shift and axis."""
        return f"{self.shift}" + ("" if self.axis == 1 else f", axis={self.axis}")


@register("nn.PadAxis")
class PadAxis(OneAxis):
    """Lengthen an axis in front and behind.

    Parameters
    ----------
    before, after : int >= 0
        How many elements are added.
    axis : int
        Which axis; 0, the batch axis, cannot.
    mode : "constant", "reflect", "edge" or "circular"
        What they hold: `value`, the mirrored elements, the outermost one, those of the other end.
    value : float

    Shapes
    ------
    input : any
    output : longer by `before` + `after` along `axis`

    Raises
    ------
    ArgumentError : a number is negative, the mode is unknown, or `axis` is 0.
    ShapeError : in `call`, the input has no such axis, or too few elements to reflect.

    Notes
    -----
    Same as BigDL `Padding` (0.13, where dimensions count from 1 and a negative `pad` is in front).
    Frames around images are `nn.ZeroPad2d` and the like.

    Examples
    --------
    >>> import numpy as np
    >>> PadAxis(1, 2)(np.float32([[5, 6]]))
    array([[0., 5., 6., 0., 0.]], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: PadAxis(1, 2, value=0.5),
            inputs=((2, 3, 4),),
            output=(2, 6, 4),
            wrong=((2,),),
            sizes=("before=1", "after=2"),
        ),
        Case(
            lambda rng: PadAxis(2, 1, -1, mode="reflect"),
            inputs=((2, 3),),
            output=(2, 6),
            wrong=((2, 2),),
        ),
    )

    def __init__(
        self,
        before: int = 0,
        after: int = 0,
        axis: int = 1,
        *,
        mode: str = "constant",
        value: float = 0.0,
        name: str | None = None,
    ) -> None:
        super().__init__(axis, name=name)
        self.before = non_negative_int("before", before)
        self.after = non_negative_int("after", after)
        self.mode = one_of("mode", mode, PAD_MODES)
        self.value = number("value", value)

    def function(self, x: Any, axis: int) -> Any:
        """Lengthen it."""
        widths = [(0, 0)] * len(x.shape)
        widths[axis] = (self.before, self.after)
        return ops.pad(x, widths, self.mode, self.value)

    def extra(self) -> str:
        """Give the widths, the axis and the mode."""
        return f"before={self.before}, after={self.after}, axis={self.axis}, mode={self.mode!r}"
