from __future__ import annotations

import inspect

import cv2
import numpy as np
import pytest

from sandbox.lib.bigdl.transform.vision import image as v
from sandbox.lib.core.errors import ArgumentError, DataError

RAMP = np.arange(6 * 8 * 3, dtype=np.uint8).reshape(6, 8, 3)
BOXES = np.array([[1, 0, 0.25, 0.5, 0.5, 1], [2, 0, 0, 0, 0.125, 0.25]], np.float32)


def changed(transformer, mat=RAMP, label=None, **fields):
    feature = v.ImageFeature(mat, label, "picture.png")
    for key, value in fields.items():
        feature[key] = value
    assert transformer.transform(feature) is feature
    return feature


# Each class with what it gives for RAMP, (height, width, channels) bytes in the order BGR.
PIXELS = [
    (v.Resize(3, 4), cv2.resize(RAMP, (4, 3))),
    (v.Resize(3, 4, 3), cv2.resize(RAMP, (4, 3), interpolation=cv2.INTER_AREA)),
    (v.Resize(3, 4, 0, False), cv2.resize(RAMP, (4, 3))),
    (v.AspectScale(12), cv2.resize(RAMP, (16, 12))),
    (v.AspectScale(12, max_size=12), cv2.resize(RAMP, (12, 9))),
    (v.AspectScale(9, scale_multiple_of=4), cv2.resize(RAMP, (12, 8))),
    (v.AspectScale(3, min_scale=2.0), cv2.resize(RAMP, (16, 12))),
    (v.RandomAspectScale([12]), cv2.resize(RAMP, (16, 12))),
    (v.RandomResize(12, 12), cv2.resize(RAMP, (16, 12), interpolation=cv2.INTER_CUBIC)),
    (v.CenterCrop(4, 2), RAMP[2:4, 2:6]),
    (v.CenterCrop(20, 2), RAMP[2:4]),
    (v.RandomCrop(8, 6), RAMP),
    (v.RandomCropper(8, 6, False, "Random", 3), RAMP),
    (v.RandomCropper(4, 2, False, "Center", 3), RAMP[2:4, 2:6]),
    (v.FixedCrop(0.25, 0.5, 0.75, 1.0), RAMP[3:, 2:6]),
    (v.FixedCrop(2, 3, 6, 6, False), RAMP[3:, 2:6]),
    (v.RandomAlterAspect(1.0, 1.0, 1.0, "CUBIC", 6), None),
    (v.HFlip(), RAMP[:, ::-1]),
    (v.Brightness(10, 10), cv2.add(RAMP, np.full_like(RAMP, 10))),
    (v.Contrast(2, 2), np.minimum(RAMP.astype(int) * 2, 255)),
    (v.Hue(0, 0), RAMP),
    (v.Saturation(0, 0), np.repeat(RAMP.max(2, keepdims=True), 3, 2)),
    (v.ColorJitter(1, 0, 1, 2, 2, 0, 0, 0), np.minimum(RAMP.astype(int) * 2, 255)),
    (v.ChannelNormalize(3, 2, 1, 4, 2, 1), (RAMP - np.float32([1, 2, 3])) / np.float32([1, 2, 4])),
    (v.ChannelScaledNormalizer(3, 2, 1, 0.5), (RAMP - np.float32([1, 2, 3])) * np.float32(0.5)),
    (v.PixelNormalize(RAMP.ravel() / 2.0), RAMP - RAMP / np.float32(2)),
    (v.Expand(max_expand_ratio=1.0), RAMP),
    (v.FixExpand(8, 8), np.pad(RAMP, ((1, 1), (0, 0), (0, 0)))),
    (v.Filler(0.5, 0, 1, 1, 7), np.where(np.arange(8)[:, None] < 4, RAMP, 7)),
    (v.RandomTransformer(v.HFlip(), 1), RAMP[:, ::-1]),
    (v.RandomTransformer(v.HFlip(), 0), RAMP),
    (v.Pipeline([v.HFlip(), v.CenterCrop(4, 2)]), RAMP[2:4, 5:1:-1]),
]


@pytest.mark.parametrize(("transformer", "expected"), PIXELS, ids=lambda one: repr(one)[:40])
def test_pixels_are_those_of_opencv(transformer, expected):
    made = changed(transformer)["mat"]
    if expected is None:
        assert made.shape == (6, 6, 3)
    else:
        # the same arithmetic in float32, up to the order of a product
        np.testing.assert_allclose(made, expected, rtol=1e-5, atol=1e-5)


def test_a_hue_counts_half_degrees():
    blue = np.array([[[200, 0, 0]]], np.uint8)
    assert changed(v.Hue(60, 60), blue)["mat"].ravel().tolist() == [0, 0, 200]


def test_random_changes_are_drawn_within_their_ranges():
    frame = v.LocalImageFrame([np.full((4, 4, 3), 100.0)] * 50)
    frame.transform(v.Pipeline([v.Brightness(0.0, 32.0), v.Contrast(0.5, 1.5), v.ChannelOrder()]))
    first = np.array([one[0, 0, 0] for one in frame.get_image()])
    assert 50 <= first.min() < 80
    assert 140 < first.max() <= 198
    assert len(set(first)) > 40


def test_steps_of_one_chain_and_pictures_of_one_frame_draw_differently():
    frame = v.LocalImageFrame([np.zeros((2, 2, 3))] * 3)
    frame.transform(v.Brightness(0, 1)).transform(v.Brightness(0, 1))
    sums = [float(one[0, 0, 0]) for one in frame.get_image()]
    both = [
        float(one[0, 0, 0])
        for one in v.LocalImageFrame([np.zeros((2, 2, 3))] * 3)
        .transform(v.Pipeline([v.Brightness(0, 1), v.Brightness(0, 1)]))
        .get_image()
    ]
    assert len(set(sums + both)) == 6


def test_float_mats_keep_their_kind():
    floats = RAMP.astype(np.float32)
    for transformer in (v.Resize(3, 4), v.ColorJitter(), v.Saturation(0.5, 1.5), v.FixExpand(9, 9)):
        assert changed(transformer, floats)["mat"].dtype == np.float32


def test_bytes_become_a_mat_floats_and_a_tensor():
    feature = v.ImageFeature(label=3, path="a.png")
    feature["bytes"] = cv2.imencode(".png", RAMP)[1].tobytes()
    v.Pipeline(
        [
            v.BytesToMat(),
            v.MatToFloats(),
            v.MatToTensor(to_rgb=True),
        ]
    ).transform(feature)
    np.testing.assert_array_equal(feature.get_image(to_chw=False), RAMP)
    np.testing.assert_array_equal(feature.get_image(), RAMP.transpose(2, 0, 1))
    rgb = RAMP[:, :, ::-1].transpose(2, 0, 1)
    np.testing.assert_array_equal(feature["imageTensor"], rgb)


def test_a_tensor_and_its_label_becomes_a_sample():
    frame = v.LocalImageFrame([RAMP], [3])
    frame.transform(v.Pipeline([v.MatToTensor(), v.ImageFrameToSample(target_keys=["label"])]))
    (sample,) = frame.get_sample()
    np.testing.assert_array_equal(sample.feature.to_ndarray(), RAMP.transpose(2, 0, 1))
    assert sample.label.to_ndarray().tolist() == [3.0]


def test_plain_pixels_become_a_mat():
    feature = v.ImageFeature()
    feature["bytes"], feature["originalSize"] = RAMP.tobytes(), (6, 8, 3)
    np.testing.assert_array_equal(v.PixelBytesToMat().transform(feature)["mat"], RAMP)


def test_a_detection_is_cropped():
    made = changed(v.DetectionCrop("roi"), roi=np.array([[9, 1, 0.25, 0.5, 0.75, 1.0]]))
    np.testing.assert_array_equal(made["mat"], RAMP[3:, 2:6])


ROIS = {
    "normalize": (v.RoiNormalize(), BOXES * [1, 1, 8, 6, 8, 6], BOXES),
    "mirror": (
        v.RoiHFlip(),
        BOXES,
        [[1, 0, 0.5, 0.5, 0.75, 1], [2, 0, 0.875, 0, 1, 0.25]],
    ),
    "mirror pixels": (v.RoiHFlip(False), [[1, 0, 1, 2, 3, 4]], [[1, 0, 5, 2, 7, 4]]),
    "resize": (
        v.Pipeline([v.Resize(12, 4), v.RoiResize(False)]),
        [[1, 0, 2, 3, 4, 6]],
        [[1, 0, 1, 6, 2, 12]],
    ),
    "resize parts": (v.Pipeline([v.Resize(12, 4), v.RoiResize()]), BOXES, BOXES),
    "crop": (
        v.Pipeline([v.FixedCrop(0.25, 0.5, 0.75, 1), v.RoiProject(False)]),
        BOXES,
        [[1, 0, 0, 0, 0.5, 1]],
    ),
    "ground": (
        v.Pipeline([v.FixExpand(12, 16), v.RoiProject(True)]),
        [[1, 0, 0, 0, 1, 1]],
        [[1, 0, 0.25, 0.25, 0.75, 0.75]],
    ),
}


@pytest.mark.parametrize("name", ROIS)
def test_boxes_follow_their_picture(name):
    transformer, before, after = ROIS[name]
    made = changed(transformer, label=np.asarray(before, np.float32))
    np.testing.assert_allclose(made.get_label(), after, atol=1e-6)  # one division in float32


def test_sampled_parts_keep_a_box():
    large = np.zeros((64, 64, 3), np.uint8)
    for _ in range(10):
        made = changed(v.RandomSampler(), large, np.array([[1, 0, 0.2, 0.2, 0.8, 0.8]]))
        assert made.get_label().shape == (1, 6)
        assert (made.get_label()[:, -4:] >= 0).all()
        assert (made.get_label()[:, -4:] <= 1).all()


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "cats").mkdir()
    for name in ("a.png", "cats/b.png"):
        cv2.imwrite(str(tmp_path / name), RAMP)
    (tmp_path / "notes.txt").write_text("no picture")
    return tmp_path


def test_a_local_frame_is_read_labelled_and_split(folder):
    frame = v.ImageFrame.read(str(folder))
    assert frame.is_local()
    assert not frame.is_distributed()
    assert isinstance(frame, v.LocalImageFrame)
    assert frame.get_label() == [None, None]
    np.testing.assert_array_equal(frame.get_image(to_chw=False)[1], RAMP)
    frame.set_label(dict.fromkeys(frame.get_uri(), 4))
    assert [one.tolist() for one in frame.get_label()] == [[4.0], [4.0]]
    assert v.HFlip()(frame) is frame
    assert frame.get_sample() == [None, None]
    assert frame.get_predict() == [(uri, None) for uri in frame.get_uri()]
    one, two = frame.random_split([0.5, 0.5])
    assert sorted(one.get_uri() + two.get_uri()) == sorted(frame.get_uri())
    assert len(v.ImageFrame.read(str(folder / "*.png")).get_uri()) == 1


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: v.ImageFrame.read("/no/such/folder"), "pictures at the path"),
        (lambda: v.LocalImageFrame([]), "at least one picture"),
        (lambda: v.LocalImageFrame([RAMP], [1, 2]), "as many labels"),
        (lambda: v.Pipeline([v.HFlip(), "flip"]), "FeatureTransformer"),
        (lambda: v.RandomTransformer(v.HFlip(), 2), "prob"),
        (lambda: v.ImageFeature(np.zeros(3)), "height, width, channels"),
        (lambda: v.Resize(3, 4, 9), "resize_mode"),
        (lambda: v.RandomCropper(2, 2, True, "Middle", 3), "cropper_method"),
        (lambda: changed(v.RoiHFlip(), label=3), "picture.png.*x1, y1, x2, y2"),
        (lambda: changed(v.PixelNormalize([1.0])), "picture.png.*144 numbers"),
        (lambda: changed(v.CenterCrop(9, 9, False)), "picture.png"),
        (lambda: v.HFlip().transform(v.ImageFeature(path="b")), "b: the picture must have 'mat'"),
        (lambda: v.HFlip()(v.LocalImageFrame([RAMP])).transform(3), "FeatureTransformer"),
    ],
)
def test_wrong_input_is_named(wrong, said):
    with pytest.raises((ArgumentError, DataError), match=said):
        wrong()


def test_all_names_of_the_room_are_there():
    classes = [one for _, one in inspect.getmembers(v, inspect.isclass)]
    assert len(classes) == 41


@pytest.mark.spark
@pytest.mark.campaign
def test_a_distributed_frame_does_the_same(folder, local, tmp_path):
    sc = local.sparkContext
    frame = v.ImageFrame.read(f"{folder}/*.png", sc)
    assert frame.is_distributed()
    frame.set_label({frame.get_uri().first(): 10}).transform(
        v.Pipeline([v.HFlip(), v.MatToTensor()])
    )
    assert frame.get_label().first().tolist() == [10.0]
    np.testing.assert_array_equal(frame.get_image("mat").first(), RAMP[:, ::-1].transpose(2, 0, 1))
    parts = frame.random_split([0.5, 0.5])
    assert sum(part.get_uri().count() for part in parts) == 1
    v.ImageFrame.write_parquet(f"{folder}/*.png", f"{tmp_path}/frame", sc)
    again = v.ImageFrame.read_parquet(f"{tmp_path}/frame", sc)
    np.testing.assert_array_equal(again.get_image(to_chw=False).first(), RAMP)
    arrays = v.DistributedImageFrame(sc.parallelize([RAMP]), sc.parallelize([2.0]))
    assert arrays.get_label().first().tolist() == [2.0]
