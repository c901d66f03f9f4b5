"""Frames around series, images and volumes: added, or taken away."""

from __future__ import annotations

from typing import Any, ClassVar

from ...core import ops
from ...core.errors import ShapeError
from ...core.validate import number, one_of, sides
from ..case import Case
from ..checks import check_rank
from ..convolution.base import LAYOUTS, Padding
from ..module import Module
from ..registry import register

MODES = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "circular"}


class Frame(Module):
    """What padding and cropping share: how much on each side. Subclasses tell their `axes`."""

    axes: ClassVar[int]

    def __init__(self, amount: Padding, what: str, *, name: str | None = None) -> None:
        super().__init__(name=name)
        self._sides = sides(what, amount, self.axes)

    def _shown(self) -> str:
        return str(self._sides if self.axes > 1 else self._sides[0])


class Padded(Frame):
    """What paddings over any number of axes share."""

    def __init__(
        self,
        padding: Padding,
        *,
        mode: str = "constant",
        value: float = 0.0,
        name: str | None = None,
    ) -> None:
        super().__init__(padding, "padding", name=name)
        self.mode: str = one_of("mode", mode, MODES)
        self.value = number("value", value)

    @property
    def padding(self) -> tuple[tuple[int, int], ...]:
        """How many elements come to each axis, before and behind."""
        return self._sides

    def call(self, x: Any) -> Any:
        """Put the frame around."""
        check_rank(x, LAYOUTS[self.axes], 2 + self.axes)
        if self.mode in ("reflect", "circular"):
            spare = 1 if self.mode == "reflect" else 0
            for axis, ends in enumerate(self._sides, start=2):
                if x.shape[axis] < max(ends) + spare:
                    raise ShapeError(
                        f"input axis {axis} must be at least {max(ends) + spare} (padding {ends}, "
                        f"mode={self.mode!r}); got {x.shape[axis]} in shape {x.shape}."
                    )
        return ops.pad(x, ((0, 0), (0, 0), *self._sides), MODES[self.mode], self.value)

    def extra(self) -> str:
        """Give the frame, then what differs from the defaults."""
        text = self._shown()
        if self.mode != "constant":
            return f"{text}, mode={self.mode}"
        return text + (f", value={self.value:g}" if self.value else "")


class Cropped(Frame):
    """What croppings over any number of axes share."""

    def __init__(self, cropping: Padding, *, name: str | None = None) -> None:
        super().__init__(cropping, "cropping", name=name)

    @property
    def cropping(self) -> tuple[tuple[int, int], ...]:
        """How many elements go from each axis, before and behind."""
        return self._sides

    def call(self, x: Any) -> Any:
        """Take the frame away."""
        check_rank(x, LAYOUTS[self.axes], 2 + self.axes)
        starts, stops = [0, 0], list(x.shape[:2])
        for axis, (before, after) in enumerate(self._sides, start=2):
            if x.shape[axis] <= before + after:
                raise ShapeError(
                    f"input axis {axis} must be at least {before + after + 1} (cropping "
                    f"{(before, after)}); got {x.shape[axis]} in shape {x.shape}."
                )
            starts.append(before)
            stops.append(x.shape[axis] - after)
        return ops.slice(x, starts, stops)

    def extra(self) -> str:
        """Give the frame."""
        return self._shown()


@register("nn.Pad1d")
class Pad1d(Padded):
    """Put a frame around a series.

    y[n, c, i + before] = x[n, c, i]

    Parameters
    ----------
    padding : int or (before, after)
        Steps that come to each side.
    mode : "constant", "reflect", "replicate" or "circular"
        What they hold: `value`, the mirror image without the element at the edge, the element at
        the edge, or what is at the other end.
    value : float
        Of the frame, where it is constant.

    Shapes
    ------
    input : (batch, channels, length) of any dtype
    output : (batch, channels, length + before + after)

    Raises
    ------
    ArgumentError : a number is negative, or there is no such mode.
    ShapeError : in `call`, the input has not three axes, or too few elements to mirror.

    Notes
    -----
    Same as Keras `ZeroPadding1D`,
    PyTorch `ZeroPad1d`, `ConstantPad1d`, `ReflectionPad1d`, `ReplicationPad1d`,
    `CircularPad1d` and ONNX `Pad`-19 (there "replicate" is "edge" and "circular" "wrap").

    Examples
    --------
    >>> import numpy as np
    >>> Pad1d(2, mode="reflect")(np.array([[[1, 2, 3]]], "f4"))
    array([[[3., 2., 1., 2., 3., 2., 1.]]], dtype=float32)
    """

    axes = 1
    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: Pad1d((1, 2)),
            inputs=((2, 3, 4),),
            output=(2, 3, 7),
            wrong=((2, 3),),
            sizes=("(1, 2)",),
        ),
        Case(
            lambda rng: Pad1d(2, mode="reflect"),
            inputs=((2, 3, 4),),
            output=(2, 3, 8),
            wrong=((2, 3, 2),),
            wrong_axis=2,
            sizes=("mode=reflect",),
        ),
        Case(
            lambda rng: Pad1d((0, 3), mode="circular"),
            inputs=((2, 3, 4),),
            output=(2, 3, 7),
            wrong=((2, 3, 2),),
            wrong_axis=2,
            sizes=("mode=circular",),
        ),
    )


@register("nn.Pad2d")
class Pad2d(Padded):
    """Put a frame around an image.

    y[n, c, i + before] = x[n, c, i] along each axis

    Parameters
    ----------
    padding : int, (height, width) or ((top, bottom), (left, right))
        Pixels that come to each side.
    mode : "constant", "reflect", "replicate" or "circular"
        What they hold: `value`, the mirror image without the element at the edge, the element at
        the edge, or what is at the other end.
    value : float
        Of the frame, where it is constant.

    Shapes
    ------
    input : (batch, channels, height, width) of any dtype
    output : (batch, channels, height + top + bottom, width + left + right)

    Raises
    ------
    ArgumentError : a number is negative, or there is no such mode.
    ShapeError : in `call`, the input has not four axes, or too few elements to mirror.

    Notes
    -----
    Same as BigDL `SpatialZeroPadding` (0.13), whose negative numbers are `Crop2d`'s,
    Keras `ZeroPadding2D`, PyTorch `ZeroPad2d`, `ConstantPad2d`, `ReflectionPad2d`,
    `ReplicationPad2d`, `CircularPad2d` and ONNX `Pad`-19 (there "replicate" is "edge" and
    "circular" "wrap").

    Examples
    --------
    >>> import numpy as np
    >>> Pad2d((0, 1))(np.array([[[[1, 2], [3, 4]]]], "f4"))
    array([[[[0., 1., 2., 0.],
             [0., 3., 4., 0.]]]], dtype=float32)
    """

    axes = 2
    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: Pad2d(((1, 2), (0, 1)), value=0.5),
            inputs=((2, 3, 4, 5),),
            output=(2, 3, 7, 6),
            wrong=((2, 3, 4),),
            sizes=(
                "((1, 2), (0, 1))",
                "value=0.5",
            ),
        ),
        Case(
            lambda rng: Pad2d((1, 2), mode="replicate"),
            inputs=((2, 2, 3, 4),),
            output=(2, 2, 5, 8),
            sizes=("mode=replicate",),
        ),
        Case(
            lambda rng: Pad2d(1, mode="reflect"),
            inputs=((2, 2, 3, 4),),
            output=(2, 2, 5, 6),
            wrong=((2, 2, 1, 4),),
            wrong_axis=2,
            sizes=("mode=reflect",),
        ),
    )


@register("nn.Pad3d")
class Pad3d(Padded):
    """Put a frame around a volume.

    y[n, c, i + before] = x[n, c, i] along each axis

    Parameters
    ----------
    padding : int, (depth, height, width) or three pairs (before, after)
        Elements that come to each side.
    mode : "constant", "reflect", "replicate" or "circular"
        What they hold: `value`, the mirror image without the element at the edge, the element at
        the edge, or what is at the other end.
    value : float
        Of the frame, where it is constant.

    Shapes
    ------
    input : (batch, channels, depth, height, width) of any dtype
    output : (batch, channels, depth + front + back, height + top + bottom, width + left + right)

    Raises
    ------
    ArgumentError : a number is negative, or there is no such mode.
    ShapeError : in `call`, the input has not five axes, or too few elements to mirror.

    Notes
    -----
    Same as Keras `ZeroPadding3D`,
    PyTorch `ZeroPad3d`, `ConstantPad3d`, `ReflectionPad3d`, `ReplicationPad3d`,
    `CircularPad3d` and ONNX `Pad`-19 (there "replicate" is "edge" and "circular" "wrap").

    Examples
    --------
    >>> import numpy as np
    >>> Pad3d(1)(np.ones((1, 1, 2, 3, 4), "f4")).shape
    (1, 1, 4, 5, 6)
    """

    axes = 3
    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: Pad3d(1),
            inputs=((2, 2, 2, 3, 1),),
            output=(2, 2, 4, 5, 3),
            wrong=((2, 2, 2, 3),),
            sizes=("((1, 1), (1, 1), (1, 1))",),
        ),
        Case(
            lambda rng: Pad3d((0, 1, 2), mode="circular"),
            inputs=((2, 2, 2, 3, 3),),
            output=(2, 2, 2, 5, 7),
            wrong=((2, 2, 2, 0, 3),),
            wrong_axis=3,
            sizes=("mode=circular",),
        ),
    )


@register("nn.Crop1d")
class Crop1d(Cropped):
    """Take a frame away from a series.

    y[n, c, i] = x[n, c, i + before]

    Parameters
    ----------
    cropping : int or (before, after)
        Steps that go from each side.

    Shapes
    ------
    input : (batch, channels, length) of any dtype
    output : (batch, channels, length - before - after)

    Raises
    ------
    ArgumentError : a number is negative.
    ShapeError : in `call`, the input has not three axes, or nothing is left.

    Notes
    -----
    Same as Keras `Cropping1D`.

    Examples
    --------
    >>> import numpy as np
    >>> Crop1d((1, 0))(np.array([[[1, 2, 3]]], "f4"))
    array([[[2., 3.]]], dtype=float32)
    """

    axes = 1
    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: Crop1d((1, 2)),
            inputs=((2, 3, 5),),
            output=(2, 3, 2),
            wrong=((2, 3, 3), (2, 3)),
            wrong_axis=2,
            sizes=("(1, 2)",),
        ),
    )


@register("nn.Crop2d")
class Crop2d(Cropped):
    """Take a frame away from an image.

    y[n, c, i] = x[n, c, i + before] along each axis

    Parameters
    ----------
    cropping : int, (height, width) or ((top, bottom), (left, right))
        Pixels that go from each side.

    Shapes
    ------
    input : (batch, channels, height, width) of any dtype
    output : (batch, channels, height - top - bottom, width - left - right)

    Raises
    ------
    ArgumentError : a number is negative.
    ShapeError : in `call`, the input has not four axes, or nothing is left.

    Notes
    -----
    Same as BigDL `Cropping2D` (0.13) and Keras `Cropping2D`.

    Examples
    --------
    >>> import numpy as np
    >>> Crop2d((0, 1))(np.array([[[[1, 2, 3], [4, 5, 6]]]], "f4"))
    array([[[[2.],
             [5.]]]], dtype=float32)
    """

    axes = 2
    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: Crop2d(((1, 0), (0, 2))),
            inputs=((2, 3, 4, 5),),
            output=(2, 3, 3, 3),
            wrong=((2, 3, 1, 5), (2, 3, 4)),
            wrong_axis=2,
            sizes=("((1, 0), (0, 2))",),
        ),
    )


@register("nn.Crop3d")
class Crop3d(Cropped):
    """Take a frame away from a volume.

    y[n, c, i] = x[n, c, i + before] along each axis

    Parameters
    ----------
    cropping : int, (depth, height, width) or three pairs (before, after)
        Elements that go from each side.

    Shapes
    ------
    input : (batch, channels, depth, height, width) of any dtype
    output : (batch, channels, depth - front - back, height - top - bottom, width - left - right)

    Raises
    ------
    ArgumentError : a number is negative.
    ShapeError : in `call`, the input has not five axes, or nothing is left.

    Notes
    -----
    Same as BigDL `Cropping3D` (0.13) and Keras `Cropping3D`.

    Examples
    --------
    >>> import numpy as np
    >>> Crop3d(1)(np.ones((1, 1, 4, 5, 6), "f4")).shape
    (1, 1, 2, 3, 4)
    """

    axes = 3
    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: Crop3d((1, 0, 1)),
            inputs=((2, 2, 3, 2, 4),),
            output=(2, 2, 1, 2, 2),
            wrong=((2, 2, 2, 2, 4), (2, 3, 4)),
            wrong_axis=2,
            sizes=("((1, 1), (0, 0), (1, 1))",),
        ),
    )
