"""Pooling over windows and over whole maps, with channels last or first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ... import nn
from ...core.validate import boolean, one_of, window
from ..spelling import Spelled
from .base import FORMATS, Layer, Shape

__all__ = [
    "AveragePooling1D",
    "AveragePooling2D",
    "AveragePooling3D",
    "GlobalAveragePooling1D",
    "GlobalAveragePooling2D",
    "GlobalAveragePooling3D",
    "GlobalMaxPooling1D",
    "GlobalMaxPooling2D",
    "GlobalMaxPooling3D",
    "MaxPooling1D",
    "MaxPooling2D",
    "MaxPooling3D",
]


class Pooling(Layer):
    """Base of pooling over windows; without `strides` they do not overlap.

    Parameters
    ----------
    pool_size : int or tuple, default=2
        Size of the window; `pool_length` in Keras 1.
    strides : int or tuple, optional
        `stride` in Keras 1.
    padding : "valid" or "same"
        `border_mode` in Keras 1; what is padded never counts.
    data_format : "channels_last" or "channels_first"
    """

    aliases: ClassVar[Mapping[str, str]] = {
        "pool_length": "pool_size",
        "stride": "strides",
        "border_mode": "padding",
    }
    handles = "spatial"
    axes: ClassVar[int]
    core: ClassVar[type[nn.Module]]
    settings: ClassVar[Mapping[str, Any]]

    def __init__(
        self,
        pool_size: int | tuple[int, ...] = 2,
        strides: int | tuple[int, ...] | None = None,
        padding: str = "valid",
        data_format: str = "channels_last",
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.pool_size = window("pool_size", pool_size, self.axes)
        self.strides = strides if strides is None else window("strides", strides, self.axes)
        self.padding = one_of("padding", padding, ("valid", "same"))
        self.data_format = one_of("data_format", data_format, FORMATS)

    def make(self, *shapes: Shape) -> nn.Module:
        """Make the core's pooling."""
        make: Any = self.core
        made: nn.Module = make(
            self.pool_size, stride=self.strides, padding=self.padding, **self.settings
        )
        return made


class GlobalPooling(Layer):
    """Base of pooling over whole maps.

    Parameters
    ----------
    data_format : "channels_last" or "channels_first"
    keepdims : bool, default=False
        Whether the pooled axes stay, of size 1.
    """

    handles = "spatial"
    core: ClassVar[type[nn.Module]]

    def __init__(
        self, data_format: str = "channels_last", keepdims: bool = False, **options: Any
    ) -> None:
        super().__init__(**options)
        self.data_format = one_of("data_format", data_format, FORMATS)
        self.keepdims = boolean("keepdims", keepdims)

    def make(self, *shapes: Shape) -> nn.Module:
        """Make the core's pooling."""
        make: Any = self.core
        made: nn.Module = make(keep_axes=self.keepdims)
        return made


def _made(base: type[Layer], name: str, core: str, says: str, **more: Any) -> Any:
    """Make the layer of a name that is a recipe for a module of the core."""
    body = {
        "__doc__": f"{says}: a recipe for `nn.{core}`.",
        "__module__": __name__,
        "core": getattr(nn, core),
        **more,
    }
    return Spelled(name, (base,), body)


_MEAN, _MOST = "Take the mean of each window", "Take the largest element of each window"
_COUNTED: dict[str, Any] = {"settings": {"include_padding": False}}
AveragePooling1D = _made(Pooling, "AveragePooling1D", "AvgPool1d", _MEAN, axes=1, **_COUNTED)
AveragePooling2D = _made(Pooling, "AveragePooling2D", "AvgPool2d", _MEAN, axes=2, **_COUNTED)
AveragePooling3D = _made(Pooling, "AveragePooling3D", "AvgPool3d", _MEAN, axes=3, **_COUNTED)
MaxPooling1D = _made(Pooling, "MaxPooling1D", "MaxPool1d", _MOST, axes=1, settings={})
MaxPooling2D = _made(Pooling, "MaxPooling2D", "MaxPool2d", _MOST, axes=2, settings={})
MaxPooling3D = _made(Pooling, "MaxPooling3D", "MaxPool3d", _MOST, axes=3, settings={})

_MEAN, _MOST = "Take the mean of each channel", "Take the largest element of each channel"
GlobalAveragePooling1D = _made(GlobalPooling, "GlobalAveragePooling1D", "GlobalAvgPool1d", _MEAN)
GlobalAveragePooling2D = _made(GlobalPooling, "GlobalAveragePooling2D", "GlobalAvgPool2d", _MEAN)
GlobalAveragePooling3D = _made(GlobalPooling, "GlobalAveragePooling3D", "GlobalAvgPool3d", _MEAN)
GlobalMaxPooling1D = _made(GlobalPooling, "GlobalMaxPooling1D", "GlobalMaxPool1d", _MOST)
GlobalMaxPooling2D = _made(GlobalPooling, "GlobalMaxPooling2D", "GlobalMaxPool2d", _MOST)
GlobalMaxPooling3D = _made(GlobalPooling, "GlobalMaxPooling3D", "GlobalMaxPool3d", _MOST)
