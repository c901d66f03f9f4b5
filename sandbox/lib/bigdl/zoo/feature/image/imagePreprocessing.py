"""Steps on pictures, as `zoo.feature.image.imagePreprocessing`: in the order BGR."""

from __future__ import annotations

from typing import Any

from .....data import vision
from ....transform.vision import colors as _colors
from ....transform.vision import geometry as _geometry
from ....transform.vision.transformer import Pixels
from ..common import Preprocessing


class ImagePreprocessing(Preprocessing):
    """A step on pictures."""

    def __init__(self, *transforms: vision.ImageTransform) -> None:
        self._transforms = list(transforms)

    def transforms(self) -> list[vision.ImageTransform]:
        """Return what it does."""
        return list(self._transforms)

    def __repr__(self) -> str:
        return f"{type(self).__name__}{tuple(self._transforms)}"


class RowToImageFeature(Preprocessing):
    """Take the picture of a column of image records."""

    def __init__(self, bigdl_type: str = "float") -> None: ...


class ImageFeatureToTensor(Preprocessing):
    """Take the tensor of a picture."""

    def __init__(self, bigdl_type: str = "float") -> None: ...


class ImageFeatureToSample(ImageFeatureToTensor):
    """Take the sample of a picture."""


class ImageSetToSample(ImagePreprocessing):
    """Make samples of pictures; rows are samples here."""

    def __init__(
        self,
        input_keys: Any = ("imageTensor",),
        target_keys: Any = None,
        sample_key: str = "sample",
    ) -> None:
        super().__init__()


class ImageMatToTensor(ImagePreprocessing):
    """Put the channels in front; `to_RGB` turns their order round. "NHWC" leaves them last."""

    def __init__(
        self,
        to_RGB: bool = False,
        tensor_key: str = "imageTensor",
        share_buffer: bool = True,
        format: str = "NCHW",
        bigdl_type: str = "float",
    ) -> None:
        # Stages give red first.
        turned = [] if to_RGB else [vision.SwapChannels()]
        tensor = vision.ToTensor(scale=1.0) if format == "NCHW" else vision.ToFloat()
        super().__init__(*turned, tensor)


def _step(name: str, kind: type[Pixels], doc: str) -> type[ImagePreprocessing]:
    """Return the step that does what a transformer of `transform.vision.image` does."""

    def start(self: Any, *arguments: Any, **named: Any) -> None:
        ImagePreprocessing.__init__(self, kind(*arguments, **named).core)

    return type(
        name, (ImagePreprocessing,), {"__init__": start, "__doc__": doc, "__module__": __name__}
    )


ImageBrightness = _step("ImageBrightness", _colors.Brightness, "As `Brightness`.")
ImageChannelNormalize = _step(
    "ImageChannelNormalize", _colors.ChannelNormalize, "As `ChannelNormalize`."
)
ImageChannelOrder = _step("ImageChannelOrder", _colors.ChannelOrder, "As `ChannelOrder`.")
ImageColorJitter = _step("ImageColorJitter", _colors.ColorJitter, "As `ColorJitter`.")
ImageContrast = _step("ImageContrast", _colors.Contrast, "As `Contrast`.")
ImageHue = _step("ImageHue", _colors.Hue, "As `Hue`.")
ImageSaturation = _step("ImageSaturation", _colors.Saturation, "As `Saturation`.")
ImageAspectScale = _step("ImageAspectScale", _geometry.AspectScale, "As `AspectScale`.")
ImageCenterCrop = _step("ImageCenterCrop", _geometry.CenterCrop, "As `CenterCrop`: width first.")
ImageExpand = _step("ImageExpand", _geometry.Expand, "As `Expand`.")
ImageFiller = _step("ImageFiller", _geometry.Filler, "As `Filler`.")
ImageFixedCrop = _step("ImageFixedCrop", _geometry.FixedCrop, "As `FixedCrop`.")
ImageHFlip = _step("ImageHFlip", _geometry.HFlip, "As `HFlip`.")
ImageRandomCrop = _step("ImageRandomCrop", _geometry.RandomCrop, "As `RandomCrop`: width first.")
ImageResize = _step("ImageResize", _geometry.Resize, "As `Resize`: height first.")
