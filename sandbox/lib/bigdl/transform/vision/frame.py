"""Many pictures: in this process, or in the partitions of an RDD."""

from __future__ import annotations

import glob
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ....core import validate
from ....core.errors import DataError
from ....data.formats.sequence_file import read_sequence_file
from .conversion import BytesToMat, PixelBytesToMat
from .feature import BYTES, FLOATS, LABEL, ORIGINAL_SIZE, PREDICT, SAMPLE, URI, ImageFeature
from .transformer import FeatureTransformer, Keys, next_call

_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff"}


def _decoded(uri: str, data: bytes) -> ImageFeature:
    feature = ImageFeature(path=uri)
    feature[BYTES] = data
    return BytesToMat().applied(feature, Keys(0, 0))


def _local_files(path: str) -> list[Path]:
    """Return the pictures of a folder and the folders in it, a file, or those a pattern names."""
    plain = path.removeprefix("file://")
    found = [Path(one) for one in sorted(glob.glob(plain))]
    files = [
        file
        for one in found
        for file in (sorted(one.rglob("*")) if one.is_dir() else [one])
        if file.is_file() and (not one.is_dir() or file.suffix.lower() in _SUFFIXES)
    ]
    if not files:
        raise DataError(f"ImageFrame.read: there must be pictures at the path; got {path!r}.")
    return files


def session_of(sc: Any) -> Any:
    """Return the Spark session of a context, or the session that was given."""
    from ....spark.session.context import running_session

    return sc if hasattr(sc, "createDataFrame") else running_session()


class ImageFrame:
    """Pictures with what is known of them; base of `LocalImageFrame`, `DistributedImageFrame`.

    `features` is a list of `ImageFeature`, or an RDD of them.

    Notes
    -----
    Same as BigDL `ImageFrame`. A local frame is changed at once, a distributed one when its RDD is
    computed.
    """

    features: Any

    def __init__(self, jvalue: Any, bigdl_type: str = "float") -> None:
        self.features = jvalue.features if isinstance(jvalue, ImageFrame) else jvalue

    def __new__(cls, jvalue: Any = None, *args: Any, **others: Any) -> ImageFrame:
        """Return a frame of the kind that fits what it is made of."""
        if cls is ImageFrame:
            given = jvalue.features if isinstance(jvalue, ImageFrame) else jvalue
            made = LocalImageFrame if isinstance(given, list) else DistributedImageFrame
            frame: ImageFrame = object.__new__(made)
            frame.features = given
            return frame
        return object.__new__(cls)

    @classmethod
    def read(
        cls, path: str, sc: Any = None, min_partitions: int = 1, bigdl_type: str = "float"
    ) -> ImageFrame:
        """Read pictures: a folder, a file or a pattern; with a SparkContext as an RDD."""
        if sc is None:
            return LocalImageFrame._of(
                [_decoded(str(f), f.read_bytes()) for f in _local_files(path)]
            )
        files = sc.binaryFiles(str(path), min_partitions)
        return DistributedImageFrame._of(files.map(lambda file: _decoded(file[0], file[1])))

    @classmethod
    def read_parquet(cls, path: str, sc: Any, bigdl_type: str = "float") -> ImageFrame:
        """Read what `write_parquet` wrote: an RDD of pictures."""
        frame = session_of(sc).read.parquet(path)
        return DistributedImageFrame._of(
            frame.select(URI, BYTES).rdd.map(lambda row: _decoded(row[0], bytes(row[1])))
        )

    @classmethod
    def write_parquet(
        cls, path: str, output: str, sc: Any, partition_num: int = 1, bigdl_type: str = "float"
    ) -> None:
        """Write pictures of a folder, file or pattern as Parquet: columns uri, bytes."""
        session = session_of(sc)
        files = session.sparkContext.binaryFiles(str(path), partition_num)
        frame = session.createDataFrame(
            files.map(lambda file: (file[0], bytearray(file[1]))), f"{URI} string, {BYTES} binary"
        )
        frame.coalesce(partition_num).write.parquet(output)

    @classmethod
    def _of(cls, features: Any) -> ImageFrame:
        frame: ImageFrame = object.__new__(cls)
        frame.features = features
        return frame

    @property
    def image_frame(self) -> ImageFrame:
        """The frame itself."""
        return self

    def is_local(self) -> bool:
        """Tell whether the pictures are in this process."""
        return isinstance(self, LocalImageFrame)

    def is_distributed(self) -> bool:
        """Tell whether the pictures are in an RDD."""
        return not self.is_local()

    def transform(self, transformer: Any, bigdl_type: str = "float") -> ImageFrame:
        """Change all pictures; returns this frame."""
        if not isinstance(transformer, FeatureTransformer):
            raise validate.refuse("transformer", "a FeatureTransformer", transformer)
        call = next_call()
        self.features = self._each(
            lambda position, one: transformer.applied(one, Keys(call, position))
        )
        return self

    def map(self, change: Callable[[ImageFeature], Any]) -> Any:
        """Return what a function makes of each picture: a list, or an RDD."""
        return self._each(lambda position, one: change(one))

    def _each(self, change: Callable[[int, ImageFeature], Any]) -> Any:
        raise NotImplementedError(f"{type(self).__name__} must define _each(self, change).")

    def get_image(self, float_key: str = FLOATS, to_chw: bool = True) -> Any:
        """Return the pixels of each picture as floats."""
        return self.map(lambda one: one.get_image(float_key, to_chw))

    def get_label(self) -> Any:
        """Return the label of each picture, None where it has none."""
        return self.map(ImageFeature.get_label)

    def get_predict(self, key: str = PREDICT) -> Any:
        """Return (uri, prediction) of each picture."""
        return self.map(lambda one: (one.get(URI), one.get(key)))

    def get_sample(self, key: str = SAMPLE) -> Any:
        """Return the sample of each picture, None where it has none."""
        return self.map(lambda one: one.get(key))

    def get_uri(self, key: str = URI) -> Any:
        """Return where each picture comes from."""
        return self.map(lambda one: one.get(key))

    def set_label(self, label: Mapping[str, Any], bigdl_type: str = "float") -> ImageFrame:
        """Give pictures labels, by where they come from."""
        known = dict(label)

        def labelled(position: int, one: ImageFeature) -> ImageFeature:
            if one.get(URI) in known:
                one.set_label(known[one[URI]])
            return one

        self.features = self._each(labelled)
        return self

    def random_split(self, weights: Iterable[float]) -> list[ImageFrame]:
        """Return frames of about these shares of the pictures, chosen by chance."""
        raise NotImplementedError(f"{type(self).__name__} must define random_split(self, weights).")


class LocalImageFrame(ImageFrame):
    """Pictures in this process.

    Parameters
    ----------
    image_list : list of arrays (height, width, channels)
    label_list : list of numbers or arrays, optional

    Raises
    ------
    ArgumentError : there are no pictures, or not as many labels.
    """

    def __init__(
        self,
        image_list: Iterable[Any] | None = None,
        label_list: Iterable[Any] | None = None,
        jvalue: Any = None,
        bigdl_type: str = "float",
    ) -> None:
        if jvalue is not None:
            super().__init__(jvalue)
            return
        images = list(image_list if image_list is not None else ())
        labels = [None] * len(images) if label_list is None else list(label_list)
        if not images:
            raise validate.refuse("image_list", "at least one picture", image_list)
        if len(labels) != len(images):
            wanted = f"as many labels as pictures, {len(images)}"
            raise validate.refuse("label_list", wanted, len(labels))
        self.features = [
            ImageFeature(image, label) for image, label in zip(images, labels, strict=True)
        ]

    def _each(self, change: Callable[[int, ImageFeature], Any]) -> Any:
        return [change(position, one) for position, one in enumerate(self.features)]

    def random_split(self, weights: Iterable[float]) -> list[ImageFrame]:
        """Return frames of these shares of the pictures, rounded, chosen by chance."""
        shares = np.cumsum(np.asarray(list(weights), float))
        order = np.random.default_rng(next_call()).permutation(len(self.features))
        cuts = np.rint(shares[:-1] / shares[-1] * len(order)).astype(int)
        return [
            LocalImageFrame._of([self.features[row] for row in np.sort(rows)])
            for rows in np.split(order, cuts)
        ]


class DistributedImageFrame(ImageFrame):
    """Pictures in an RDD.

    Parameters
    ----------
    image_rdd : RDD of arrays (height, width, channels)
    label_rdd : RDD of numbers or arrays, optional
        Zipped with the pictures.

    Raises
    ------
    ArgumentError : there is no RDD.
    """

    def __init__(
        self,
        image_rdd: Any = None,
        label_rdd: Any = None,
        jvalue: Any = None,
        bigdl_type: str = "float",
    ) -> None:
        if jvalue is not None:
            super().__init__(jvalue)
            return
        if not hasattr(image_rdd, "mapPartitionsWithIndex"):
            raise validate.refuse("image_rdd", "an RDD of pictures", image_rdd)
        if label_rdd is None:
            self.features = image_rdd.map(ImageFeature)
        else:
            self.features = image_rdd.zip(label_rdd).map(lambda pair: ImageFeature(*pair))

    def _each(self, change: Callable[[int, ImageFeature], Any]) -> Any:
        def part(index: int, rows: Iterator[ImageFeature]) -> Iterator[Any]:
            for row, one in enumerate(rows):
                yield change((index << 32) + row, one)

        return self.features.mapPartitionsWithIndex(part, preservesPartitioning=True)

    def random_split(self, weights: Iterable[float]) -> list[ImageFrame]:
        """Return frames of about these shares of the pictures."""
        parts = self.features.randomSplit(list(weights), seed=next_call())
        return [DistributedImageFrame._of(one) for one in parts]


class SeqFileFolder:
    """Pictures in Hadoop's sequence files, as the ancestor wrote ImageNet."""

    @classmethod
    def files_to_image_frame(
        cls, url: str, sc: Any, class_num: int, partition_num: int = -1, bigdl_type: str = "float"
    ) -> ImageFrame:
        """Read a folder of `*.seq` files that all executors see.

        Keys end in the label, from 1 on; values are width, height and pixels, blue first. Pictures
        with a label above `class_num` are left out.

        Raises
        ------
        DataError : there are no such files; a record is no picture.
        """
        found = sorted(glob.glob(f"{str(url).removeprefix('file://')}/*.seq"))
        if not found:
            raise DataError(f"SeqFileFolder: there must be *.seq files in the folder; got {url!r}.")
        parts = min(len(found), partition_num) if partition_num > 0 else len(found)
        features = sc.parallelize(found, parts).flatMap(_records)
        return DistributedImageFrame._of(features.filter(lambda one: one[LABEL][0] <= class_num))


def _records(path: str) -> Iterator[ImageFeature]:
    for row, (key, value) in enumerate(read_sequence_file(path)):
        feature = ImageFeature(path=f"{path}:{row}")
        width, height = struct.unpack(">ii", value[:8])
        feature[ORIGINAL_SIZE], feature[BYTES] = (height, width, 3), value[8:]
        try:
            feature.set_label(float(key.split(b"\n")[-1]))
        except ValueError:
            raise DataError(
                f"{path}: keys must end in a label; got {key!r} in row {row}."
            ) from None
        yield PixelBytesToMat().applied(feature, Keys(0, 0))
