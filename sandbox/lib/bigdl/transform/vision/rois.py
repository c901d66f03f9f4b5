"""Boxes follow their picture: labels whose rows end in x1, y1, x2, y2."""

from __future__ import annotations

from typing import Any

import numpy as np

from ....core.errors import DataError
from ....data import vision
from .feature import BOUNDING_BOX, LABEL, MAT, ORIGINAL_SIZE, ImageFeature
from .transformer import FeatureTransformer, Keys


class _Rois(FeatureTransformer):
    """Changes the boxes of a label."""

    def change(self, feature: ImageFeature, keys: Keys) -> None:
        """Change the boxes; rows are dropped where `boxes` drops them."""
        label = np.asarray(feature[LABEL], np.float32)
        if label.ndim != 2 or label.shape[1] < 4:
            raise DataError(
                f"{type(self).__name__}: a label must be rows that end in x1, y1, x2, y2; got "
                f"shape {label.shape}."
            )
        boxes, stay = self.boxes(label[:, -4:], feature)
        feature[LABEL] = np.concatenate([label[:, :-4], boxes], 1)[stay]

    def boxes(self, boxes: Any, feature: ImageFeature) -> tuple[Any, Any]:
        """Return the changed boxes, and which of them stay."""
        raise NotImplementedError(f"{type(self).__name__} must define boxes(self, boxes, feature).")


def _sides(feature: ImageFeature) -> Any:
    height, width = feature[MAT].shape[:2]
    return np.array([width, height] * 2, np.float32)


class RoiNormalize(_Rois):
    """Give boxes as parts of width and height."""

    def __init__(self, bigdl_type: str = "float") -> None: ...

    def boxes(self, boxes: Any, feature: ImageFeature) -> tuple[Any, Any]:
        """Return boxes from 0 to 1."""
        return boxes / _sides(feature), slice(None)


class RoiHFlip(_Rois):
    """Mirror boxes left to right, as `HFlip` does the picture."""

    def __init__(self, normalized: bool = True, bigdl_type: str = "float") -> None:
        self.normalized = normalized

    def boxes(self, boxes: Any, feature: ImageFeature) -> tuple[Any, Any]:
        """Return mirrored boxes."""
        width = np.float32(1) if self.normalized else _sides(feature)[0]
        made = boxes.copy()
        made[:, 0], made[:, 2] = width - boxes[:, 2], width - boxes[:, 0]
        return made, slice(None)


class RoiResize(_Rois):
    """Scale boxes in pixels as `Resize` did the picture; parts of it stay as they are."""

    def __init__(self, normalized: bool = True, bigdl_type: str = "float") -> None:
        self.normalized = normalized

    def boxes(self, boxes: Any, feature: ImageFeature) -> tuple[Any, Any]:
        """Return scaled boxes."""
        if self.normalized:
            return boxes, slice(None)
        height, width = feature[ORIGINAL_SIZE][:2]
        return boxes * (_sides(feature) / np.array([width, height] * 2, np.float32)), slice(None)


class RoiProject(_Rois):
    """Give boxes as parts of what the last crop took, or of the ground around the picture.

    Boxes, from 0 to 1, are cut at its edges; those of which nothing is left go, and with
    `need_meet_center_constraint` those whose centre lies outside.
    """

    def __init__(self, need_meet_center_constraint: bool = True, bigdl_type: str = "float") -> None:
        self.centers = bool(need_meet_center_constraint)

    def boxes(self, boxes: Any, feature: ImageFeature) -> tuple[Any, Any]:
        """Return moved boxes, and which of them stay."""
        part = np.asarray(feature[BOUNDING_BOX], np.float32)
        corner, sides = np.tile(part[:2], 2), np.tile(part[2:] - part[:2], 2)
        moved = (boxes - corner) / sides
        cut = np.clip(moved, 0, 1)
        stay = (cut[:, 2:] > cut[:, :2]).all(1)
        if self.centers:
            middle = (moved[:, :2] + moved[:, 2:]) / 2
            stay &= ((middle >= 0) & (middle < 1)).all(1)
        return cut, stay


class RandomSampler(FeatureTransformer):
    """Take a random part that overlaps a box by a drawn amount (Liu et al. 2016), boxes with it."""

    def __init__(self, bigdl_type: str = "float") -> None:
        self.core = vision.RandomIoUCrop()

    def change(self, feature: ImageFeature, keys: Keys) -> None:
        """Change pixels and boxes, which are parts of width and height."""
        mat, label = feature[MAT], np.asarray(feature[LABEL], np.float32)
        if label.ndim != 2 or label.shape[1] < 4:
            raise DataError(
                "RandomSampler: a label must be rows that end in x1, y1, x2, y2; got shape "
                f"{label.shape}."
            )
        picture = vision.Picture(
            mat, boxes=label[:, -4:] * _sides(feature), labels=np.arange(len(label)), order="BGR"
        )
        made = self.core.one(picture, random=keys.next())
        feature[MAT] = made.image
        rows = label[made.labels, :-4]
        feature[LABEL] = np.concatenate([rows, made.boxes / _sides(feature)], 1)
