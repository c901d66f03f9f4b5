"""Other sizes, parts, grounds, mirrors. Sizes of crops are width first, those of resizes height."""

from __future__ import annotations

from typing import Any

import numpy as np

from ....core import validate
from ....core.errors import DataError
from ....data import vision
from ....data.transforms import Array
from .feature import ImageFeature
from .transformer import FeatureTransformer, Keys, Pixels

_MODES = {0: "nearest", 1: "linear", 2: "cubic", 3: "area", 4: "lanczos"}


def _mode(resize_mode: int, use_scale_factor: bool, *, drawn: bool = False) -> str:
    """Return the name of OpenCV's number for an interpolation."""
    if not use_scale_factor:
        return "linear"
    if resize_mode == -1 and drawn:
        return "random"
    validate.one_of("resize_mode", resize_mode, (*((-1,) if drawn else ()), *_MODES))
    return _MODES[resize_mode]


class Resize(Pixels):
    """Make a picture of a fixed size.

    `resize_mode` is OpenCV's number (0 nearest, 1 linear, 2 cubic, 3 area, 4 Lanczos) or -1, which
    draws one; without `use_scale_factor` it is linear.
    """

    def __init__(
        self,
        resize_h: int,
        resize_w: int,
        resize_mode: int = 1,
        use_scale_factor: bool = True,
        bigdl_type: str = "float",
    ) -> None:
        mode = _mode(resize_mode, use_scale_factor, drawn=True)
        super().__init__(vision.Resize((resize_h, resize_w), interpolation=mode))


class AspectScale(Pixels):
    """Scale so that the shorter edge gets `min_size`, the longer one at most `max_size`.

    Sides become multiples of `scale_multiple_of`; the scale is at least `min_scale`, if that is
    positive.
    """

    def __init__(
        self,
        min_size: int,
        scale_multiple_of: int = 1,
        max_size: int = 1000,
        resize_mode: int = 1,
        use_scale_factor: bool = True,
        min_scale: float = -1.0,
        bigdl_type: str = "float",
    ) -> None:
        self._others: dict[str, Any] = {
            "multiple_of": scale_multiple_of,
            "interpolation": _mode(resize_mode, use_scale_factor),
        }
        self.min_size, self.max_size, self.min_scale = min_size, max_size, min_scale
        super().__init__(vision.ResizeShorter(min_size, longest=max_size, **self._others))

    def fitted(self, mat: Array) -> vision.ImageTransform:
        """Return the scaling, with sizes raised where the scale would be below the least."""
        if self.min_scale <= 0:
            return self.core
        short, long = (round(self.min_scale * side) for side in sorted(mat.shape[:2]))
        size, longest = max(self.min_size, short), max(self.max_size, long)
        return vision.ResizeShorter(size, longest=longest, **self._others)


class RandomAspectScale(Pixels):
    """Scale so that the shorter edge gets one of several lengths."""

    def __init__(
        self,
        scales: list[int],
        scale_multiple_of: int = 1,
        max_size: int = 1000,
        bigdl_type: str = "float",
    ) -> None:
        super().__init__(
            vision.ResizeShorter(list(scales), longest=max_size, multiple_of=scale_multiple_of)
        )


class RandomResize(Pixels):
    """Scale so that the shorter edge gets a length from [min_size, max_size]."""

    def __init__(self, min_size: int, max_size: int, bigdl_type: str = "float") -> None:
        super().__init__(vision.RandomResize(min_size, max_size))


class RandomAlterAspect(Pixels):
    """Take a part of random area and aspect, and make it crop_length x crop_length."""

    def __init__(
        self,
        min_area_ratio: float,
        max_area_ratio: float,
        min_aspect_ratio_change: float,
        interp_mode: str,
        crop_length: int,
        bigdl_type: str = "float",
    ) -> None:
        ratio = validate.in_range("min_aspect_ratio_change", min_aspect_ratio_change, 1e-3, 1)
        validate.one_of("interp_mode", str(interp_mode).lower(), tuple(_MODES.values()))
        super().__init__(
            vision.RandomResizedCrop(
                crop_length,
                scale=(min_area_ratio, max_area_ratio),
                ratio=(ratio, 1 / ratio),
                interpolation=str(interp_mode).lower(),
            )
        )


class _Crop(Pixels):
    """A part of a fixed size; with `is_clip` a smaller picture stays as large as it is."""

    kind: type[vision.CenterCrop] | type[vision.RandomCrop]

    def __init__(
        self, crop_width: int, crop_height: int, is_clip: bool = True, bigdl_type: str = "float"
    ) -> None:
        super().__init__(self.kind((crop_height, crop_width)))
        self.size, self.is_clip = (crop_height, crop_width), is_clip

    def fitted(self, mat: Array) -> vision.ImageTransform:
        """Return the crop, not larger than the picture."""
        inside = (min(self.size[0], mat.shape[0]), min(self.size[1], mat.shape[1]))
        return self.core if not self.is_clip or inside == self.size else self.kind(inside)


class CenterCrop(_Crop):
    """Take the middle of a picture: (crop_width, crop_height)."""

    kind = vision.CenterCrop


class RandomCrop(_Crop):
    """Take a part of a picture, each place equally likely: (crop_width, crop_height)."""

    kind = vision.RandomCrop


class RandomCropper(Pixels):
    """Take a part of (crop_w, crop_h), "Random" or "Center", mirrored as often as not."""

    def __init__(
        self,
        crop_w: int,
        crop_h: int,
        mirror: bool,
        cropper_method: str = "Random",
        channels: int = 3,
        bigdl_type: str = "float",
    ) -> None:
        method = validate.one_of("cropper_method", cropper_method, ("Random", "Center"))
        kind = vision.RandomCrop if method == "Random" else vision.CenterCrop
        flip = [vision.HorizontalFlip()] if mirror else []
        super().__init__(vision.Pipeline(kind((crop_h, crop_w)), *flip))


class FixedCrop(Pixels):
    """Take x1, y1, x2, y2 of a picture, in parts of its sides or (not `normalized`) in pixels."""

    def __init__(
        self,
        x1: float,
        y1: float,
        x2: float,
        y2: float,
        normalized: bool = True,
        is_clip: bool = True,
        bigdl_type: str = "float",
    ) -> None:
        super().__init__(vision.FixedCrop(x1, y1, x2, y2, normalized=normalized, clip=is_clip))


class DetectionCrop(FeatureTransformer):
    """Take what the box in field `roi_key` holds: its last four numbers (of the first row)."""

    def __init__(self, roi_key: str, normalized: bool = True, bigdl_type: str = "float") -> None:
        self.roi_key, self.normalized = roi_key, normalized

    def change(self, feature: ImageFeature, keys: Keys) -> None:
        """Change the pixels to those of the box."""
        rows = np.atleast_2d(np.asarray(feature[self.roi_key], np.float32))
        if rows.size < 4 or rows.ndim != 2:
            raise DataError(
                f"DetectionCrop: {self.roi_key!r} must hold x1, y1, x2, y2; got {rows.tolist()}."
            )
        x1, y1, x2, y2 = (float(number) for number in rows[0, -4:])
        FixedCrop(x1, y1, x2, y2, self.normalized).change(feature, keys)


class HFlip(Pixels):
    """Mirror a picture left to right; by chance: RandomTransformer(HFlip(), 0.5)."""

    def __init__(self, bigdl_type: str = "float") -> None:
        super().__init__(vision.HorizontalFlip(1.0))


class Expand(Pixels):
    """Put a picture somewhere on a ground that is some times larger, of a colour."""

    def __init__(
        self,
        means_r: float = 123,
        means_g: float = 117,
        means_b: float = 104,
        min_expand_ratio: float = 1.0,
        max_expand_ratio: float = 4.0,
        bigdl_type: str = "float",
    ) -> None:
        fill = (means_r, means_g, means_b)
        super().__init__(vision.Expand(min_expand_ratio, max_expand_ratio, fill=fill, p=1))


class FixExpand(Pixels):
    """Put a picture into the middle of a black ground."""

    def __init__(self, expand_height: int, expand_width: int, bigdl_type: str = "float") -> None:
        super().__init__(vision.Pad((expand_height, expand_width)))


class Filler(Pixels):
    """Paint a part of a picture over; edges are parts of its sides."""

    def __init__(
        self,
        start_x: float,
        start_y: float,
        end_x: float,
        end_y: float,
        value: float = 255,
        bigdl_type: str = "float",
    ) -> None:
        super().__init__(vision.FillRegion(start_x, start_y, end_x, end_y, fill=value))
