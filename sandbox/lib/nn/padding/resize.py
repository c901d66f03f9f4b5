"""Maps of another size."""

from __future__ import annotations

from typing import Any, ClassVar

from ...core import ops
from ...core.errors import ShapeError
from ...core.validate import boolean, finite, one_of, positive, positive_int, refuse
from ...engine.ops.resize import COORDINATES, MODES, ROUNDING
from ..case import Case
from ..checks import check_rank, floating, window_text
from ..module import Module
from ..registry import register

_LAYOUT = "(batch, channels, then length, height and width, or depth, height and width)"


def _checked(x: Any, given: tuple[Any, ...] | None, what: str) -> Any:
    """Give maps as floats; refuse what has other axes than the argument names, or no elements."""
    x = floating(x)
    ranks = (3, 4, 5) if given is None else (2 + len(given),)
    cure = "" if given is None else f"`{what}` is {given}."
    check_rank(x, _LAYOUT, *ranks, cure=cure)
    for axis, size in enumerate(x.shape[2:], start=2):
        if size < 1:
            raise ShapeError(
                f"input axis {axis} must be at least 1; got {size} in shape {x.shape}."
            )
    return x


def _several(name: str, value: Any, check: Any) -> Any:
    """Return a number, or one for each of one to three axes."""
    if not isinstance(value, list | tuple):
        return check(name, value)
    if not 1 <= len(value) <= 3:
        raise refuse(name, "a number, or one for each of one to three axes", value)
    return tuple(check(name, item) for item in value)


@register("nn.Upsample")
class Upsample(Module):
    """Make maps a whole number of times as large.

    y[n, c, i] = x[n, c, i // factor] along each axis, or what lies between

    Parameters
    ----------
    factor : int > 0 or one for each axis
        How many times as large.
    mode : "nearest", "linear" or "cubic"
        Elements are repeated, or found between the next two or four along each axis.

    Shapes
    ------
    input : (batch, channels, one to three axes) float32
    output : (batch, channels, size · factor of each axis)

    Raises
    ------
    ArgumentError : a factor is not positive, or there is no such mode.
    ShapeError : in `call`, the input has other axes than `factor` names, or no elements.

    Notes
    -----
    Same as BigDL `UpSampling1D`, `UpSampling2D`, `UpSampling3D` (0.13), Keras `UpSampling1D`,
    `UpSampling2D` (interpolation), `UpSampling3D` and PyTorch `Upsample` (scale_factor),
    `UpsamplingNearest2d`. Native kernel: oneDNN resampling; cubic weights are products with a
    matrix for each axis.

    Examples
    --------
    >>> import numpy as np
    >>> Upsample((1, 2))(np.array([[[[1, 2], [3, 4]]]], "f4"))
    array([[[[1., 1., 2., 2.],
             [3., 3., 4., 4.]]]], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: Upsample((2, 3)),
            inputs=((2, 3, 4, 2),),
            output=(2, 3, 8, 6),
            wrong=((2, 3, 0, 2), (2, 3, 4)),
            sizes=("2x3",),
        ),
        Case(
            lambda rng: Upsample(2, mode="linear"),
            inputs=((2, 3, 4),),
            output=(2, 3, 8),
            wrong=((2, 3), (1, 1, 1, 1, 1, 1)),
            sizes=("2", "mode=linear"),
        ),
        Case(
            lambda rng: Upsample((1, 2, 2), mode="cubic"),
            inputs=((2, 1, 2, 3, 2),),
            output=(2, 1, 2, 6, 4),
            sizes=("1x2x2", "mode=cubic"),
        ),
    )

    def __init__(
        self, factor: int | tuple[int, ...], *, mode: str = "nearest", name: str | None = None
    ) -> None:
        super().__init__(name=name)
        self.factor = _several("factor", factor, positive_int)
        self.mode: str = one_of("mode", mode, ("nearest", "linear", "cubic"))

    def call(self, x: Any) -> Any:
        """Make the maps larger."""
        several = self.factor if isinstance(self.factor, tuple) else None
        x = _checked(x, several, "factor")
        factors = several or (self.factor,) * (len(x.shape) - 2)
        size = tuple(n * factor for n, factor in zip(x.shape[2:], factors, strict=True))
        return ops.resize(x, size, mode=self.mode)

    def extra(self) -> str:
        """Give the factors, then what differs from the defaults."""
        text = window_text(self.factor if isinstance(self.factor, tuple) else (self.factor,))
        return text + ("" if self.mode == "nearest" else f", mode={self.mode}")


@register("nn.Resize")
class Resize(Module):
    """Bring maps to a given size, or by given factors.

    y[n, c, i] = sum_k w_ik · x[n, c, k], and so along each axis

    Parameters
    ----------
    size : int or one for each axis, optional
        The new sizes.
    scale : number > 0 or one for each axis, optional
        How many times as large; the sizes are rounded down. Either `size` or `scale` is given.
    mode : "nearest", "linear", "cubic" or "area"
        The nearest element, what lies between the next two or four along each axis, or the mean of
        what an element covers.
    coordinates : str
        Where element i lies in the input: "half_pixel" at (i + 1/2) / scale - 1/2, "asymmetric" at
        i / scale, "align_corners" puts the outer elements onto each other; further ones as in ONNX.
    rounding : "round_prefer_floor", "round_prefer_ceil", "floor" or "ceil"
        To the nearest element.
    cubic : float
        The slope of the cubic kernel at 1: -0.75 in PyTorch and ONNX, -0.5 in TensorFlow.
    exclude_outside : bool
        Whether cubic weights of elements beyond the edge are shared among the others; they count
        as the element at the edge otherwise.

    Shapes
    ------
    input : (batch, channels, one to three axes) float32
    output : (batch, channels, *size), or floor(size · scale) of each axis

    Raises
    ------
    ArgumentError : a size is not positive, both or none of `size` and `scale` are given, or there
        is no such mode.
    ShapeError : in `call`, the input has other axes than the arguments name, or no elements.

    Notes
    -----
    Like BigDL `ResizeBilinear` (0.13), which is coordinates="asymmetric", or "align_corners" where
    it says so. Same as Keras `Resizing` (half_pixel), PyTorch `Upsample` (whose nearest is
    coordinates="asymmetric", rounding="floor"), `UpsamplingBilinear2d` (align_corners) and ONNX
    `Resize`-19 without antialias.
    Native kernel: oneDNN resampling on the grid of half pixels. Others are products with a matrix
    for each axis. The cubic kernel is that of Keys 1981.

    Examples
    --------
    >>> import numpy as np
    >>> Resize((1, 3), coordinates="align_corners")(np.array([[[[1, 2]]]], "f4"))
    array([[[[1. , 1.5, 2. ]]]], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: Resize((3, 7)),
            inputs=((2, 3, 4, 5),),
            output=(2, 3, 3, 7),
            wrong=((2, 3, 0, 5), (2, 3, 4)),
            sizes=("3x7",),
        ),
        Case(
            lambda rng: Resize(scale=1.5, mode="cubic", coordinates="align_corners"),
            inputs=((2, 3, 5),),
            output=(2, 3, 7),
            wrong=((2, 3),),
            sizes=("scale=1.5", "mode=cubic", "coordinates=align_corners"),
        ),
    )

    def __init__(
        self,
        size: int | tuple[int, ...] | None = None,
        *,
        scale: float | tuple[float, ...] | None = None,
        mode: str = "linear",
        coordinates: str = "half_pixel",
        rounding: str = "round_prefer_floor",
        cubic: float = -0.75,
        exclude_outside: bool = False,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        if (size is None) == (scale is None):
            raise refuse("size", "given, or `scale` instead", size)
        self.size = None if size is None else _several("size", size, positive_int)
        self.scale = None if scale is None else _several("scale", scale, positive)
        self.mode: str = one_of("mode", mode, MODES)
        self.coordinates: str = one_of("coordinates", coordinates, COORDINATES)
        self.rounding: str = one_of("rounding", rounding, ROUNDING)
        self.cubic = finite("cubic", cubic)
        self.exclude_outside = boolean("exclude_outside", exclude_outside)

    def call(self, x: Any) -> Any:
        """Resize the maps."""
        given = self.size if self.scale is None else self.scale
        x = _checked(x, given if isinstance(given, tuple) else None, "size or scale")
        return ops.resize(
            x,
            self.size,
            scale=self.scale,
            mode=self.mode,
            coordinates=self.coordinates,
            rounding=self.rounding,
            cubic=self.cubic,
            exclude_outside=self.exclude_outside,
        )

    def extra(self) -> str:
        """Give the size, then what differs from the defaults."""
        given = self.size if self.scale is None else self.scale
        text = window_text(given if isinstance(given, tuple) else (given,))
        parts = [text if self.scale is None else f"scale={text}"]
        for key, default in (
            ("mode", "linear"),
            ("coordinates", "half_pixel"),
            ("rounding", "round_prefer_floor"),
            ("cubic", -0.75),
            ("exclude_outside", False),
        ):
            if getattr(self, key) != default:
                parts.append(f"{key}={getattr(self, key)}")
        return ", ".join(parts)
