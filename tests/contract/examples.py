"""One right call of every public callable: what the tests of wrong arguments start from.

An example is a function that gives the arguments anew: `given(*args, **kwargs)`.
"""

from __future__ import annotations

import io
import itertools
from pathlib import Path
from typing import Any

import numpy as np

from sandbox.lib import (
    core,
    criterion,
    data,
    engine,
    metrics,
    nn,
    optim,
    quantize,
    summary,
    train,
)
from sandbox.lib.core import OpList, Spec, ops
from sandbox.lib.data import sources, transforms, vision


def given(*args: Any, **kwargs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return args, kwargs


def f4(*shape: int) -> Any:
    return np.linspace(0.1, 0.9, int(np.prod(shape)), dtype="f4").reshape(shape)


def rows() -> data.ArrayDataset:
    return data.ArrayDataset(f4(6, 3), np.array([0, 1, 0, 1, 1, 0]))


def linear() -> nn.Linear:
    return nn.Linear(3, 2, rng=0)


def walked() -> nn.Linear:
    model = linear()
    model.backward(model.forward(X))
    return model


def oplist() -> OpList:
    return core.to_oplist(linear(), Spec((2, 3)))


def program() -> Any:
    model = linear()
    return core.predict_program(model, model, Spec((2, 3)))


PLAIN = {"keep_first": False, "keep_last": False, "timed": False}


def two_layers() -> nn.Sequential:
    return nn.Sequential(fc1=nn.Linear(3, 4, rng=0), fc2=nn.Linear(4, 2, rng=0))


def small() -> quantize.QuantizedModel:
    return quantize.quantize(two_layers(), f4(2, 3), **PLAIN)


def trainer() -> train.Trainer:
    return train.Trainer(
        linear(), criterion.CrossEntropy(), optim.SGD(0.1), batch_size=3, progress=None, threads=1
    )


def pipeline() -> train.ModelBundle:
    return train.ModelBundle(scaler(), nn.Linear(2, 3, rng=0))


def words() -> data.Vocabulary:
    return data.Vocabulary(["good", "bad"])


def encoder() -> data.TextEncoder:
    return data.TextEncoder(words(), max_length=4)


def scaler() -> data.Scaler:
    return data.Scaler(["a", "b"], [0.0, 1.0], [1.0, 2.0])


def table() -> dict[str, Any]:
    return {"a": f4(4), "b": f4(4), "label": np.array([0, 1, 0, 1])}


X, IMAGE, LABELS = f4(2, 3), f4(2, 3, 5, 5), np.array([0, 2])
VOLUME = f4(1, 2, 3, 4, 4)
BOXES = np.array([[[0, 0, 3, 4]], [[1, 1, 2, 2]]], "f4")
SEQUENCE, LENGTHS = f4(2, 4, 3), np.array([4, 2])
HEADS = f4(2, 2, 4, 3)
MASK = np.array([[True, False, True], [False, True, True]])
FRESH = itertools.count()


def by_name(folder: Path) -> dict[str, Any]:
    """Give what a parameter gets that has no example of its own, by its name."""
    return {
        "x": X, "a": X, "b": X, "xs": [X, X], "shape": (4, 4), "rng": np.random.default_rng(0),
        "learning_rate": 0.1, "name": "mine", "classes": 3, "path": folder / "file",
        "folder": folder, "log_dir": folder / "log", "batch_size": 2, "seed": 0, "gamma": 0.5,
        "steps": 4, "every": 2, "optimizer": optim.SGD(0.1), "criterion": criterion.MSE(),
        "strength": 0.1, "epochs": 2, "value": 0.5, "module": linear(), "model": linear(),
        "input_specs": Spec((2, 3)), "vocabulary": 20, "partition_sizes": (3, 2), "size": 2,
    }  # fmt: skip


def pictures(folder: Path) -> dict[str, Any]:
    """Give the arguments of the transforms of pictures."""
    flip, photos = vision.HorizontalFlip(), [np.zeros((4, 5, 3), "u1")] * 2
    own = {
        "Brightness": (-5, 5), "Contrast": (0.5, 1.5), "Saturation": (0.5, 1.5), "Hue": (-5, 5),
        "FillRegion": (0.1, 0.2, 0.5, 0.6), "FixedCrop": (0.1, 0.2, 0.5, 0.6), "OneOf": (flip,),
        "Pipeline": (flip,), "RandomOrder": (flip,), "FromPixels": (3, 4), "RandomApply": (flip,),
        "PixelNormalize": (np.zeros((4, 5, 3)),), "ChannelNormalize": (0.5,),
        "RandomResize": (3, 6), "RandomRotation": (30,),
        "box_overlaps": (np.array([0, 0, 2, 2]), np.array([[1, 1, 3, 3]])),
    }  # fmt: skip
    found: dict[str, Any] = {
        f"data.vision.{name}": lambda args=args: given(*args) for name, args in own.items()
    }
    (folder / "photos" / "cat").mkdir(parents=True, exist_ok=True)
    decoded = vision.Pipeline(vision.Decode(), flip)
    _, file = vision.opencv.cv.imencode(".png", photos[0])
    (folder / "photos" / "cat" / "1.png").write_bytes(file.tobytes())
    found["data.vision.ImageFolder"] = lambda: given(folder / "photos", transform=decoded)
    found["data.vision.PictureDataset"] = lambda: given(photos, [0, 1], transform=flip)
    return found


def examples(folder: Path) -> dict[str, Any]:
    """Give the arguments by callable, where names do not do."""
    images, labels = folder / "images.gz", folder / "labels.gz"
    data.write_idx(images, np.zeros((4, 3, 3), "u1"))
    data.write_idx(labels, np.arange(4, dtype="u1"))
    saved = train.save_model(linear(), folder / "model")
    optimizer = optim.SGD(0.1)
    return {
        "core.Parameter": lambda: given(X),
        "core.Buffer": lambda: given(X),
        "core.Value": lambda: given(X),
        "core.from_oplist": lambda: given(oplist(), _storage()),
        "core.gradcheck": lambda: given(ops.square, [X.astype("f8")], rng=0),
        "core.in_float64": lambda: given([core.Parameter(X)]),
        "core.operation": lambda: given(
            f"test.wrong{next(FRESH)}", infer=lambda x: (x,), reference=lambda x: x
        ),
        "core.predict_program": lambda: given(model := linear(), model, Spec((2, 3))),
        "core.profile": lambda: given(program(), X),
        "core.trace_training": lambda: given(
            linear(), criterion.MSE(), Spec((2, 3)), Spec((2, 2))
        ),
        "core.train_program": lambda: given(
            model := linear(), criterion.MSE(), core.FlatParameters(model), Spec((2, 3)),
            Spec((2, 2)),
        ),
        "core.ops.arg_max": lambda: given(X),
        "core.ops.all": lambda: given(MASK),
        "core.ops.any": lambda: given(MASK),
        "core.ops.bitwise_and": lambda: given(LABELS, 1),
        "core.ops.bitwise_not": lambda: given(LABELS),
        "core.ops.bitwise_or": lambda: given(LABELS, 1),
        "core.ops.bitwise_xor": lambda: given(LABELS, 1),
        "core.ops.einsum": lambda: given("ij,kj->ik", X, X),
        "core.ops.acosh": lambda: given(1 + X),
        "core.ops.expand_dims": lambda: given(X, 1),
        "core.ops.flip": lambda: given(X, 1),
        "core.ops.gather": lambda: given(X, [[0], [2]]),
        "core.ops.gather_nd": lambda: given(X, [[0, 1], [1, 2]]),
        "core.ops.logical_xor": lambda: given(MASK, MASK),
        "core.ops.masked_fill": lambda: given(X, MASK, 0.5),
        "core.ops.move_axis": lambda: given(X, 0, 1),
        "core.ops.one_hot": lambda: given(LABELS, 3),
        "core.ops.pad": lambda: given(X, [(1, 0), (0, 2)], "constant", 0.5),
        "core.ops.repeat": lambda: given(X, 2, 1),
        "core.ops.roll": lambda: given(X, 1, 1),
        "core.ops.scatter": lambda: given(X, [[0], [2]], f4(2, 1)),
        "core.ops.scatter_nd": lambda: given(X, [[0, 1], [1, 2]], f4(2)),
        "core.ops.split": lambda: given(X, (1, 2)),
        "core.ops.squeeze": lambda: given(f4(2, 1, 3), 1),
        "core.ops.stack": lambda: given([X, X], 1),
        "core.ops.take": lambda: given(X, [0, 2], 1),
        "core.ops.tile": lambda: given(X, (2, 1)),
        "core.ops.top_k": lambda: given(X, 2),
        "core.ops.masked_scatter": lambda: given(X, MASK, f4(4)),
        "core.ops.masked_select": lambda: given(X, MASK),
        "core.ops.box_decode": lambda: given(f4(3, 4), f4(3, 4)),
        "core.ops.box_encode": lambda: given(f4(3, 4), f4(3, 4)),
        "core.ops.box_iou": lambda: given(f4(3, 4), f4(2, 4)),
        "core.ops.detections": lambda: given(f4(1, 3, 4), f4(1, 3, 2)),
        "core.ops.match_boxes": lambda: given(f4(1, 3, 4), f4(1, 2, 5)),
        "core.ops.nms": lambda: given(f4(3, 4), f4(3)),
        "core.ops.nms_padded": lambda: given(f4(3, 4), f4(3), max_outputs=2),
        "core.ops.take_first": lambda: given(X, np.int64(1)),
        "core.ops.atan2": lambda: given(X, X),
        "nn.beam_search": lambda: given(
            lambda words, state, place: (core.ops.one_hot(words, 3), state),
            *((), 2, 3),
            begin=1,
            end=0,
        ),
        "core.ops.attention": lambda: given(HEADS, HEADS, HEADS, LENGTHS),
        "core.ops.adaptive_avg_pool": lambda: given(IMAGE, 2),
        "core.ops.adaptive_max_pool": lambda: given(IMAGE, 2),
        "core.ops.adaptive_max_pool_with_index": lambda: given(IMAGE, 2),
        "core.ops.max_unpool": lambda: given(SEQUENCE, np.zeros((2, 4, 3), int), 5),
        "core.ops.avg_pool1d": lambda: given(SEQUENCE, 2),
        "core.ops.avg_pool2d": lambda: given(IMAGE, 2),
        "core.ops.avg_pool3d": lambda: given(VOLUME, 2),
        "core.ops.max_pool1d": lambda: given(SEQUENCE, 2),
        "core.ops.max_pool2d": lambda: given(IMAGE, 2),
        "core.ops.max_pool3d": lambda: given(VOLUME, 2),
        "core.ops.max_pool_with_index": lambda: given(IMAGE, 2),
        "core.ops.roi_align": lambda: given(IMAGE, BOXES, 2),
        "core.ops.roi_pool": lambda: given(IMAGE, BOXES, 2),
        "core.ops.resize": lambda: given(IMAGE, 4),
        "core.ops.max_with_index": lambda: given(X, 1),
        "core.ops.global_avg_pool2d": lambda: given(IMAGE),
        "core.ops.global_max_pool2d": lambda: given(IMAGE),
        "core.ops.batch_norm": lambda: given(X, f4(3), f4(3)),
        "core.ops.batch_norm_inference": lambda: given(X, f4(3), f4(3), f4(3), f4(3)),
        "core.ops.glu": lambda: given(f4(2, 4)),
        "core.ops.group_norm": lambda: given(IMAGE, f4(3), f4(3)),
        "core.ops.local_response_norm": lambda: given(IMAGE),
        "core.ops.random_normal": lambda: given(X),
        "core.ops.random_uniform": lambda: given(X),
        "core.ops.scale_gradient": lambda: given(X, -1.0),
        "core.ops.layer_norm": lambda: given(X, f4(3), f4(3)),
        "core.ops.bce_with_logits": lambda: given(X, X, f4(3)),
        "core.ops.ctc": lambda: given(f4(2, 4, 3), [[1, 1], [2, 0]], [4, 3]),
        "core.ops.broadcast_to": lambda: given(X, (4, 2, 3)),
        "core.ops.cast": lambda: given(X, "float64"),
        "core.ops.clip": lambda: given(X, 0.2, 0.8),
        "core.ops.cond": lambda: given(True, ops.exp, ops.square, X),
        "core.ops.conv2d": lambda: given(IMAGE, f4(4, 3, 2, 2), f4(4)),
        "core.ops.conv_transpose2d": lambda: given(IMAGE, f4(3, 4, 2, 2), f4(4)),
        "core.ops.conv1d": lambda: given(f4(2, 3, 5), f4(4, 3, 2), f4(4)),
        "core.ops.conv3d": lambda: given(f4(1, 2, 3, 3, 3), f4(2, 2, 2, 2, 2), f4(2)),
        "core.ops.conv_transpose1d": lambda: given(f4(2, 3, 5), f4(3, 4, 2), f4(4)),
        "core.ops.conv_transpose3d": lambda: given(
            f4(1, 2, 2, 2, 2), f4(2, 2, 2, 2, 2), f4(2)
        ),
        "core.ops.fold": lambda: given(f4(4, 12, 2), (2, 3, 3, 3), 2),
        "core.ops.unfold": lambda: given(IMAGE, 2),
        "core.ops.embedding_bag": lambda: given(
            np.array([[0, 3, -1], [2, -1, 1]]), X, f4(4, 3)
        ),
        "core.ops.embedding": lambda: given(LABELS, f4(4, 3)),
        "core.ops.gru": lambda: given(
            SEQUENCE, f4(9, 3), f4(9, 3), f4(12), LENGTHS, state=f4(2, 3)
        ),
        "core.ops.lstm": lambda: given(
            SEQUENCE, f4(12, 3), f4(12, 3), f4(12), LENGTHS, state=(f4(2, 3), f4(2, 3))
        ),
        "core.ops.rnn": lambda: given(SEQUENCE, f4(3, 3), f4(3, 3), f4(3), LENGTHS),
        "core.ops.linear": lambda: given(X, f4(2, 3), f4(2)),
        "core.ops.logical_and": lambda: given(MASK, MASK),
        "core.ops.logical_or": lambda: given(MASK, MASK),
        "core.ops.logical_not": lambda: given(MASK),
        "core.ops.mask_sequence": lambda: given(SEQUENCE, LENGTHS),
        "core.ops.masked_mean": lambda: given(SEQUENCE, 1, LENGTHS),
        "core.ops.matmul": lambda: given(X, f4(3, 2)),
        "core.ops.nll": lambda: given(np.log(X), LABELS, f4(3)),
        "core.ops.softmax_cross_entropy": lambda: given(X, LABELS, f4(3)),
        "core.ops.power": lambda: given(X, 2.0),
        "core.ops.prelu": lambda: given(X, f4(3)),
        "core.ops.reshape": lambda: given(X, (3, 2)),
        "core.ops.scale_add": lambda: given(X, X, 0.5, 0.5),
        "core.ops.scan": lambda: given(lambda s, x: (ops.add(s, x), s), np.float32(0), f4(3)),
        "core.ops.sequence_lengths": lambda: given(np.array([[3, 1, 0], [2, 0, 0]])),
        "core.ops.slice": lambda: given(X, (0, 0), (1, 2)),
        "core.ops.slicing": lambda: given(X, 0),
        "core.ops.sum_to": lambda: given(X, (1, 3)),
        "core.ops.threshold": lambda: given(X, 0.3, 0.0),
        "core.ops.update_running": lambda: given(
            core.Buffer(f4(3)), core.Buffer(f4(3)), core.Value(f4(3)), core.Value(f4(3)),
            momentum=0.1, count=2,
        ),
        "core.ops.where": lambda: given(MASK, X, X),
        "core.ops.while_loop": lambda: given(
            lambda s: ops.less(s, 3.0), lambda s: ops.add(s, 1.0), np.float32(0)
        ),
        "core.random.dropout_mask": lambda: given((2, 3), 0.5, "path", core.RandomKey(0)),
        "core.random.ensure_rng": lambda: given(0),
        "nn.Graph": lambda: given(node := nn.Input(), nn.ReLU()(node)),
        "nn.Branches": lambda: given(nn.ReLU(), last=nn.Tanh()),
        "nn.Parallel": lambda: given(nn.ReLU(), last=nn.Tanh()),
        "nn.Item": lambda: given(0, "inner"),
        "nn.Sequential": lambda: given(nn.ReLU(), last=nn.Tanh()),
        "nn.Node": lambda: given(nn.ReLU(), (nn.Input(),)),
        "nn.Container": given,
        "nn.deserialize": lambda: given(nn.serialize(linear())),
        "nn.serialize": lambda: given(linear()),
        "nn.output_meanings": lambda: given(linear(), Spec((2, 3))),
        "nn.observe": lambda: given(lambda path, module, inputs, output: None),
        "nn.init.current_name": lambda: given("he_normal"),
        "nn.init.deviating": lambda: given((4, 4), np.random.default_rng(0), 0.1),
        "nn.init.draw": lambda: given("he_normal", (4, 4), 0),
        "nn.init.draw_by": lambda: given(nn.init.he_normal, (4, 4), 0),
        "nn.init.drawing": lambda: given(0),
        "nn.init.find": lambda: given("he_normal"),
        "nn.init.bilinear": lambda: given((1, 1, 4, 4)),
        "nn.init.dirac": lambda: given((2, 2, 3)),
        "nn.init.random_normal": lambda: given(0.0, 0.1),
        "nn.init.random_truncated_normal": lambda: given(0.0, 0.1),
        "nn.init.random_uniform": lambda: given(-0.1, 0.1),
        "nn.init.scaled_orthogonal": lambda: given(2.0),
        "nn.init.sparse": lambda: given(0.5),
        "nn.init.variance_scaling": lambda: given(2.0),
        "data.random_shapes": lambda: given(2, 0, size=16),
        "nn.zoo.ssd300": lambda: given(0, image=64, width=1),
        "nn.zoo.tiny_yolo": lambda: given(0, width=1, halvings=2, anchors=[(1, 1)]),
        "nn.zoo.vgg11": lambda: given(0, image=32, width=1, features=2, classes=2),
        "nn.zoo.vgg13": lambda: given(0, image=32, width=1, features=2, classes=2),
        "nn.zoo.vgg19": lambda: given(0, image=32, width=1, features=2, classes=2),
        "nn.zoo.alexnet": lambda: given(0, image=63, width=1, features=2, classes=2),
        "nn.zoo.inception_v2": lambda: given(0, classes=2, width=0.02),
        "nn.zoo.inception_v3": lambda: given(0, classes=2, width=0.02),
        "nn.zoo.densenet": lambda: given(0, classes=2, growth=1, stages=(1, 1)),
        "nn.zoo.unet": lambda: given(0, width=1, depth=1),
        "nn.zoo.resnet18": lambda: given(0, classes=2, width=1),
        "nn.zoo.resnet34": lambda: given(0, classes=2, width=1),
        "nn.zoo.resnet101": lambda: given(0, classes=2, width=1),
        "nn.zoo.preact_resnet": lambda: given(8, 0, width=1),
        "nn.zoo.mobilenet_v1": lambda: given(0, classes=2, width=0.1),
        "nn.zoo.neural_cf": lambda: given(4, 3, 2, 0, features=2, hidden=(3,), factors=2),
        "nn.zoo.session_recommender": lambda: given(5, 0, features=2, hidden=(3,), history=(2,)),
        "nn.zoo.knrm": lambda: given(5, 0, features=2, kernels=3),
        "nn.zoo.anomaly_detector": lambda: given(2, 0, hidden=(2,)),
        "nn.zoo.autoencoder": lambda: given(0, image=(1, 4, 4), hidden=2),
        "nn.zoo.conv_autoencoder": lambda: given(0, widths=(2,)),
        "nn.zoo.variational_autoencoder": lambda: given(0, image=(1, 4, 4), hidden=3, codes=2),
        "nn.zoo.mlp": lambda: given([3, 4, 2], 0),
        "nn.zoo.fraud_mlp": lambda: given(0, features=3, hidden=[4], outputs=2),
        "nn.zoo.googlenet": lambda: given(0, channels=1, classes=2, width=0.1, p=0.1),
        "nn.zoo.Seq2Seq": lambda: given(7, 6, features=3, hidden=4, num_layers=1, p=0.1, rng=0),
        "nn.zoo.lstm_language_model": lambda: given(
            7, 0, features=4, hidden=4, layers=1, p=0.1, tied=True
        ),
        "nn.zoo.tree_lstm_sentiment": lambda: given(7, 2, 0, features=3, hidden=4, p=0.1),
        "nn.zoo.mobilenet_v2": lambda: given(0, channels=1, classes=2, width=0.1, p=0.1),
        "nn.zoo.offsets": lambda: given([3, 2]),
        "nn.zoo.resnet": lambda: given(8, 0, channels=1, classes=2, width=4),
        "nn.zoo.resnet50": lambda: given(0, channels=1, classes=2, width=2),
        "nn.zoo.squeezenet": lambda: given(0, channels=1, classes=2, p=0.1),
        "nn.zoo.vgg": lambda: given(
            0, channels=1, classes=2, widths=[2, 4], features=4, p=0.1
        ),
        "nn.zoo.vgg16": lambda: given(
            0, channels=1, classes=2, image=32, width=2, features=4, p=0.1
        ),
        "nn.zoo.transformer_classifier": lambda: given(
            9, 2, 0, length=8, features=4, heads=2, layers=1, hidden=4, p=0.1
        ),
        "nn.zoo.wide_and_deep": lambda: given(
            [3, 2], 2, 2, 0, dimension=2, hidden=[4]
        ),
        "criterion.Parallel": lambda: given((criterion.MSE(), criterion.MAE())),
        "criterion.WeightedSum": lambda: given([criterion.MSE(), criterion.MAE()]),
        "optim.L1L2": lambda: given(0.1, 0.1),
        "optim.ClipNorm": lambda: given(1.0),
        "optim.MultiStep": lambda: given([2, 4]),
        "optim.Piecewise": lambda: given([2, 4], [1.0, 0.5, 0.1]),
        "optim.InverseTime": lambda: given(0.1),
        "optim.InverseSquareRoot": lambda: given(4),
        "optim.CosineRestarts": lambda: given(4),
        "optim.Cyclic": lambda: given(4),
        "optim.Epochs": lambda: given(optim.Cosine()),
        "optim.SequentialSchedule": lambda: given([optim.Cosine(), optim.Constant()], [3]),
        "optim.Product": lambda: given([optim.Cosine(), optim.Constant()]),
        "optim.SWA": lambda: given(optimizer, start=4),
        "optim.ParameterGroup": lambda: given("weight"),
        "optim.ParameterGroups": lambda: given(optimizer, [optim.ParameterGroup("*bias")]),
        "optim.by_depth": lambda: given(optimizer, ["fc1.weight", "fc2.weight"]),
        "optim.by_name": lambda: given({"fc1": optim.Adam(), "*": optimizer}),
        "optim.from_config": lambda: given(optim.SGD(0.1).config()),
        "optim.regularised": lambda: given(optimizer, optim.L2(0.1)),
        "data.ArrayDataset": lambda: given(X, [0, 1]),
        "data.BlockOrder": lambda: given([3, 4], 2, window=1, seed=0),
        "data.BucketOrder": lambda: given([[0, 1, 1], [0]], [8, 16], 2, seed=0),
        "data.FeatureColumns": lambda: given([data.columns.Number("a", mean=0.0, std=1.0)]),
        "data.CsvDataset": lambda: given(_rows_file(folder, "csv"), features=["a"], label="y"),
        "data.JsonLinesDataset": lambda: given(
            _rows_file(folder, "jsonl"), features=["a"], label="y"
        ),
        "data.TFRecordDataset": lambda: given(_tfrecord(folder), features=["a"], label="y"),
        "data.encode_example": lambda: given({"a": [0.5], "y": 1}),
        "data.read_tfrecord": lambda: given(_tfrecord(folder)),
        "data.write_tfrecord": lambda: given(folder / "written.tfrecord", [b"one"]),
        "data.SequenceFileDataset": lambda: given(_golden("plain.seq"), label="key"),
        "data.SeqFileFolder": lambda: given(_golden("pictures.seq"), decode=np.mean),
        "data.read_sequence_file": lambda: given(_golden("plain.seq")),
        "data.Interactions": lambda: given([0, 1], [1, 0], n_users=2, n_items=3),
        "data.NegativeSampling": lambda: given(data.Interactions([0, 1], [1, 0])),
        "data.RankingLists": lambda: given(
            [0, 1], [1, 0], data.Interactions([0, 1], [1, 0], n_items=4), negatives=2
        ),
        "data.PairInputs": lambda: given(([[0], [1]], [[0.5], [1.0]]), ([[0]], None), [2], [1]),
        "data.leave_last_out": lambda: given([0, 0, 1], [1, 2, 3]),
        "data.BinaryFiles": lambda: given(_rows_file(folder, "csv"), decode=len),
        "data.TextLinesDataset": lambda: given(_rows_file(folder, "csv"), decode=len),
        "data.open_rows": lambda: given(_rows_file(folder, "csv"), label="y"),
        "data.IdxDataset": lambda: given(images, labels),
        "data.ParquetBlocks": lambda: given(_parquet(folder), features=["a", "b"], label="label"),
        "data.ParquetDataset": lambda: given(_parquet(folder), features=["a", "b"], label="label"),
        "data.Preparation": lambda: given(rows()),
        "data.PartitionedDataset": lambda: given([(X, [0, 1]), (X, [1, 1])]),
        "data.Scaler": lambda: given(["a", "b"], [0.0, 1.0], [1.0, 2.0]),
        "data.SequenceDataset": lambda: given([[1, 2], [3], [4, 5, 6]], [0, 1, 1]),
        "data.Share": lambda: given([(0, np.arange(3))]),
        "data.TextEncoder": lambda: given(words()),
        "data.Vocabulary": lambda: given(["good", "bad"]),
        "data.as_dataset": lambda: given((X, [0, 1])),
        "data.bucket_lengths": lambda: given([3, 5, 9, 30]),
        "data.class_weights": lambda: given([0, 1, 1]),
        "data.features": lambda: given(table(), ["a", "b"]),
        "data.labels_of": lambda: given(table(), "label"),
        "data.pad": lambda: given([[1, 2], [3]]),
        "data.read_idx": lambda: given(images),
        "data.write_idx": lambda: given(folder / "new.gz", np.zeros((2, 2), "u1")),
        "data.sequence_lengths": lambda: given([[1, 2, 0], [3, 0, 0]]),
        "data.threshold_costs": lambda: given([0.1, 0.8, 0.6], [0, 1, 0]),
        "data.sparse_rows": lambda: given([0, 0, 2], [7, 3, 5], [1.0, 0.5, 2.0]),
        "data.time_split": lambda: given([1.0, 2.0, 3.0, 4.0]),
        "data.augment.RandomShift": lambda: given(2),
        "data.sets.mnist.stand_in": lambda: given("test"),
        "data.order.permutation": lambda: given(0, 0, 0, 5),
        "data.sets.sources.download": lambda: given(sources.SOURCES["mnist"], []),
        "data.sets.sources.verify": lambda: given("mnist", folder),
        "data.sets.sources.find": lambda: given("mnist", ["t10k-labels-idx1-ubyte.gz"]),
        "data.sets.sources.folders": lambda: given("mnist"),
        "data.sets.sources.in_folder": lambda: given(folder, "images.gz"),
        "data.sets.sources.record": lambda: given(
            data.Provenance("test", "all", "stand-in", "here", 3, "free", True)
        ),
        **pictures(folder),
        "data.transforms.Apply": lambda: given(np.negative),
        "data.transforms.Compose": lambda: given(transforms.Flatten(), transforms.AddChannel()),
        "metrics.Loss": lambda: given(criterion.MSE()),
        "metrics.average_precision": lambda: given(
            np.array([0.9, 0.5]), np.array([1.0, 0.0]), 2.0, "area"
        ),
        "metrics.per_class": lambda: given(np.eye(3)),
        "quantize.QuantizedModel": lambda: given(**small().config()),
        "quantize.quantize": lambda: given(two_layers(), X, **PLAIN),
        "train.And": lambda: given(train.MaxEpoch(1), train.MinLoss(0.1)),
        "train.Or": lambda: given(train.MaxEpoch(1), train.MinLoss(0.1)),
        "train.LambdaCallback": lambda: given(iteration=lambda event: None),
        "train.LearningRates": lambda: given([0.1, 0.2, 0.4], [2.0, 1.0, 3.0]),
        "train.MaxScore": lambda: given(0.5),
        "train.MinLoss": lambda: given(0.5),
        "train.ModelBundle": lambda: given(scaler(), nn.Linear(2, 3, rng=0)),
        "train.TextProgress": lambda: given(io.StringIO()),
        "train.recalibrate": lambda: given(nn.Sequential(norm=nn.BatchNorm(3)), (X, [0, 1])),
        "train.Trainer": lambda: given(linear(), criterion.CrossEntropy(), optim.SGD(0.1)),
        "train.learning_rate_finder": lambda: given(
            trainer(), (X, [0, 1]), low=0.1, high=1.0, steps=10
        ),
        "train.load_model": lambda: given(saved),
        "testing.check_criterion": lambda: given(criterion.MSE),
        "testing.check_module": lambda: given(nn.ReLU),
        "engine.compile": lambda: given(oplist(), _arrays()),
        "engine.tune": lambda: given(oplist(), _arrays(), plan=engine.KernelPlan()),
        "engine.planning": lambda: given(print),
    }  # fmt: skip


def _storage() -> dict[str, Any]:
    return dict(linear().named_parameters())


def _arrays() -> dict[str, Any]:
    return core.FlatParameters(linear()).storage()


def _rows_file(folder: Path, kind: str) -> Path:
    path = folder / f"table.{kind}"
    texts = {"csv": "a,y\n0.5,0\n1.5,1\n", "jsonl": '{"a": 0.5, "y": 0}\n{"a": 1.5, "y": 1}\n'}
    path.write_text(texts[kind])
    return path


def _tfrecord(folder: Path) -> Path:
    path = folder / "rows.tfrecord"
    data.write_tfrecord(path, [data.encode_example({"a": 0.5, "y": k}) for k in range(2)])
    return path


def _golden(name: str) -> Path:
    return Path(__file__).parents[1] / "golden" / "sequence_files" / name


def _parquet(folder: Path) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = folder / "table.parquet"
    if not path.exists():
        pq.write_table(pa.table(table()), path)
    return path


def methods(folder: Path) -> dict[str, Any]:
    """Give what is asked of objects: the method and the arguments, by "Class.method"."""
    y, model = np.array([0, 1, 1, 0]), linear()
    run = trainer()
    run.fit((f4(6, 3), [0, 1, 0, 1, 1, 0]), steps=1)
    order, dataset = rows().order(2, seed=0), rows()
    encoder().save(folder / "encoder")
    scaler().save(folder / "scaler")
    pipeline().save(folder / "pipeline")
    plan = engine.KernelPlan()
    writer = summary.EventWriter(folder / "events")
    wrong = {
        "Value.reshape": (core.Value(X).reshape, given(3, 2)),
        "Value.sum": (core.Value(X).sum, given(0)),
        "Value.mean": (core.Value(X).mean, given(0)),
        "Value.__add__": (core.Value(X).__add__, given(X)),
        "Value.__getitem__": (core.Value(X).__getitem__, given(0)),
        "Value.__pow__": (core.Value(X).__pow__, given(2.0)),
        "Parameter.set": (core.Parameter(X).set, given(X)),
        "Parameter.astype": (core.Parameter(X).astype, given("float32")),
        "Module.astype": (model.astype, given("float32")),
        "Module.train": (model.train, given(True)),
        "Module.freeze": (model.freeze, given(True)),
        "Module.forward": (linear().forward, given(X)),
        "Module.summary": (model.summary, given((2, 3))),
        "Module.predict": (model.predict, given(X, batch_size=2)),
        "Module.predict_class": (model.predict_class, given(X)),
        "Module.set_weights": (linear().set_weights, given(linear().get_weights())),
        "Module.reset": (linear().reset, given(0)),
        "Module.update_parameters": (walked().update_parameters, given(0.1)),
        "Graph.of": (nn.Graph.of, given(two_layers())),
        "Graph.up_to": (nn.Graph.of(two_layers()).up_to, given("fc1", "fc2")),
        "Sequential.insert": (nn.Sequential(nn.ReLU()).insert, given(0, linear(), "new")),
        "Sequential.append": (nn.Sequential().append, given(linear())),
        "program.run": (program().run, given(X)),
        "Optimizer.init_slice": (optim.Adam().init_slice, given(4)),
        "Optimizer.learning_rate_at": (optim.Adam().learning_rate_at, given(3, 10)),
        "Schedule.__call__": (optim.StepDecay(2), given(3, 10)),
        "Cosine.__call__": (optim.Cosine(), given(3, 10)),
        "Dataset.rows": (dataset.rows, given(0, [0, 1])),
        "Dataset.batch": (dataset.batch, given([(0, [0, 1])])),
        "Dataset.load": (dataset.load, given(0)),
        "Dataset.order": (dataset.order, given(2, seed=0)),
        "Dataset.check": (dataset.check, given(classes=2)),
        "PartitionedDataset.only": (data.PartitionedDataset([(X, [0, 1])]).only, given([0])),
        "EpochOrder.at": (order.at, given(1)),
        "EpochOrder.batch": (order.batch, given(0, 1)),
        "EpochOrder.share": (order.share, given(0, 1, 0, 2)),
        "Vocabulary.build": (data.Vocabulary.build, given([["a", "b"], ["a"]])),
        "Vocabulary.ids": (words().ids, given(["good", "new"])),
        "Vocabulary.tokens": (words().tokens, given([2, 3])),
        "Vocabulary.save": (words().save, given(folder / "words.json")),
        "Vocabulary.load": (data.Vocabulary.load, given(folder / "words.json")),
        "Tokenizer.__call__": (data.Tokenizer(), given("a good film")),
        "TextEncoder.build": (data.TextEncoder.build, given(["a good film", "bad"])),
        "TextEncoder.encode": (encoder().encode, given(["good", "bad"])),
        "TextEncoder.padded": (encoder().padded, given(["good", "bad"])),
        "TextEncoder.save": (encoder().save, given(folder / "encoder")),
        "TextEncoder.load": (data.TextEncoder.load, given(folder / "encoder")),
        "Scaler.fit": (data.Scaler.fit, given(table(), ["a", "b"])),
        "Scaler.table": (scaler().table, given(table())),
        "Scaler.__call__": (scaler(), given(f4(2, 2))),
        "Scaler.save": (scaler().save, given(folder / "scaler")),
        "Scaler.load": (data.Scaler.load, given(folder / "scaler")),
        "SequenceDataset.of_texts": (
            data.SequenceDataset.of_texts, given(["good", "bad"], [0, 1], encoder()),
        ),
        "Normalize.__call__": (transforms.Normalize(), given(X)),
        "Compose.__call__": (transforms.Compose(transforms.Flatten()), given(X)),
        "EventWriter.scalar": (writer.scalar, given("loss", 0.5, 1)),
        "EventWriter.histogram": (writer.histogram, given("weights", X, 1)),
        "EventWriter.image": (writer.image, given("image", f4(4, 4), 1)),
        "EventWriter.text": (writer.text, given("note", "a text", 1)),
        "KernelPlan.from_json": (engine.KernelPlan.from_json, given(plan.to_json())),
        "KernelPlan.merge": (plan.merge, given(engine.KernelPlan())),
        "Trainer.fit": (run.fit, given(rows(), steps=1)),
        "Trainer.fit(end)": (run.fit, given(rows(), end=train.MaxSteps(1))),
        "Trainer.fit(epochs)": (run.fit, given(rows(), epochs=1)),
        "Trainer.evaluate": (run.evaluate, given(rows())),
        "Trainer.predict": (run.predict, given(X)),
        "Trainer.set_learning_rate": (run.set_learning_rate, given(0.1)),
        "Trainer.subscribe": (run.subscribe, given(print)),
        "Trainer.wait": (run.wait, given(1.0)),
        "ModelBundle.outputs": (pipeline().outputs, given(table())),
        "ModelBundle.probabilities": (pipeline().probabilities, given(table())),
        "ModelBundle.predict": (pipeline().predict, given(table())),
        "ModelBundle.save": (pipeline().save, given(folder / "pipeline")),
        "ModelBundle.load": (train.ModelBundle.load, given(folder / "pipeline")),
        "History.__getitem__": (run.history.__getitem__, given("loss")),
        "History.rank": (run.history.rank, given(0)),
    }  # fmt: skip
    for metric, output, target in (
        (metrics.Top1(), f4(4, 3), y), (metrics.Top5(), f4(4, 6), y), (metrics.MAE(), X, X),
        (metrics.R2(), f4(4), f4(4)), (metrics.ConfusionMatrix(2), f4(4, 2), y),
        (metrics.F1(), f4(4, 2), y), (metrics.Precision(), f4(4, 2), y),
        (metrics.Recall(), f4(4, 2), y), (metrics.AUC(), f4(4), y), (metrics.PRAUC(), f4(4), y),
        (metrics.Loss(criterion.CrossEntropy()), f4(4, 2), y),
        (metrics.LogLoss(), f4(4, 2), y), (metrics.CalibrationError(), f4(4, 2), y),
        (metrics.NDCG(), f4(4, 2), y), (metrics.MeanAveragePrecision(2), f4(4, 2), y),
        (metrics.MeanIoU(2), f4(4, 2), y), (metrics.RMSE(), X, X),
        (metrics.TreeTop1(), f4(4, 3, 2), np.zeros((4, 3), "i8")),
        (metrics.DetectionMAP(2), np.zeros((2, 3, 6)), np.zeros((2, 1, 5))),
    ):  # fmt: skip
        wrong[f"{type(metric).__name__}.__call__"] = (metric, given(output, target))
    wrong["Metric.on"] = (metrics.Top1().on, given("digit"))
    return wrong
