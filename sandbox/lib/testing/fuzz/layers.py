"""How layers, normalisation, recurrence, losses and operations on ids are drawn."""

from __future__ import annotations

from typing import Any

import numpy as np

from .graph import Ref
from .maker import Call, Maker, move


@move("linear")
def linear(maker: Maker, x: int) -> Call | None:
    """Draw weight and bias."""
    if not maker.is_float(x) or len(maker.shape(x)) < 2:
        return None
    size = maker.size()
    args = [Ref(x), maker.weight((size, maker.shape(x)[-1]))]
    return (tuple([*args, maker.other((size,))]) if maker.chance(0.6) else tuple(args)), {}


@move("matmul")
def matmul(maker: Maker, x: int) -> Call | None:
    """Draw the other side: a matrix, one for each of a batch, or the value itself, turned."""
    shape = maker.shape(x)
    if not maker.is_float(x) or len(shape) < 2:
        return None
    batch = shape[:-2] if maker.chance(0.5) else ()
    if maker.chance(0.2):
        batch = tuple(1 for _ in batch)
    if maker.chance(0.3):
        return (maker.other((*batch, maker.size(), shape[-2]), 0.5), Ref(x)), {}
    return (Ref(x), maker.other((*batch, shape[-1], maker.size()), 0.5)), {}


def _image(maker: Maker, x: int, axes: int = 2) -> int | None:
    return maker.rank(x, 2 + axes) if maker.is_float(x) else None


def _pads(maker: Maker, largest: int, axes: int = 2) -> Any:
    kind = maker.rng.random()
    if kind < 0.4 or largest < 1:
        return 0
    if kind < 0.7:
        return int(maker.rng.integers(1, largest + 1))
    sides = maker.rng.integers(0, largest + 1, size=(axes, 2)).tolist()
    return tuple(map(tuple, sides)) if kind < 0.9 else tuple(pair[0] for pair in sides)


def _pair(maker: Maker, choices: tuple[int, ...], axes: int = 2) -> Any:
    first = int(maker.one_of(choices))
    if maker.chance(0.6):
        return first
    return (first, *(int(maker.one_of(choices)) for _ in range(axes - 1)))


def _kernel(maker: Maker, sizes: tuple[int, ...]) -> tuple[int, ...]:
    """Return a window that fits."""
    drawn = maker.rng.integers(1, 4, size=len(sizes))
    return tuple(min(int(k), n) for k, n in zip(drawn, sizes, strict=True))


@move("conv1d", "conv2d", "conv3d")
def convolution(maker: Maker, x: int, name: str) -> Call | None:
    """Draw filters and geometry."""
    axes = int(name[-2])
    image = _image(maker, x, axes)
    if image is None:
        return None
    _, channels, *sizes = maker.shape(image)
    groups, out = _groups(maker, channels)
    kernel = _kernel(maker, tuple(sizes))
    attrs = {
        "stride": _pair(maker, (1, 1, 2), axes),
        "padding": _pads(maker, 2, axes),
        "dilation": _pair(maker, (1, 1, 1, 2), axes),
        "groups": groups,
    }
    if any(k == n for k, n in zip(kernel, sizes, strict=True)):
        attrs["dilation"] = 1
    weight = maker.weight((out, channels // groups, *kernel))
    if not _covers(sizes, kernel, attrs["dilation"]):
        return None
    args = [Ref(image), weight]
    return (tuple([*args, maker.other((out,))]) if maker.chance(0.6) else tuple(args)), attrs


@move("conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
def transposed(maker: Maker, x: int, name: str) -> Call | None:
    """Draw filters and geometry."""
    axes = int(name[-2])
    image = _image(maker, x, axes)
    if image is None or max(maker.shape(image)[2:]) > 40:
        return None
    _, channels, *sizes = maker.shape(image)
    groups, out = _groups(maker, channels)
    kernel = tuple(int(k) for k in maker.rng.integers(1, 4, size=axes))
    attrs: dict[str, Any] = {
        "stride": _pair(maker, (1, 1, 2), axes),
        "padding": min(kernel) // 2 if maker.chance(0.5) and min(sizes) > 1 else 0,
        "dilation": _pair(maker, (1, 1, 1, 2), axes),
        "groups": groups,
    }
    if attrs["stride"] == 2 and maker.chance(0.5):
        attrs["output_padding"] = 1
    args = [Ref(image), maker.weight((channels, out // groups, *kernel))]
    return (tuple([*args, maker.other((out,))]) if maker.chance(0.6) else tuple(args)), attrs


def _groups(maker: Maker, channels: int) -> tuple[int, int]:
    """Return groups, and channels of the output."""
    groups = int(maker.one_of([g for g in (1, 1, 1, 2, 3, channels) if channels % g == 0]))
    each = 1 if maker.large and groups > 1 else int(maker.one_of((1, 2, 4)))
    return groups, each * groups if channels < 64 else groups


def _covers(sizes: Any, kernel: Any, dilation: Any) -> bool:
    """Return whether at least one window fits without any padding."""
    steps = dilation if isinstance(dilation, tuple) else (dilation,) * len(kernel)
    return all(n >= d * (k - 1) + 1 for n, k, d in zip(sizes, kernel, steps, strict=True))


@move("unfold")
def unfolded(maker: Maker, x: int) -> Call | None:
    """Draw the window; one, two or three axes."""
    found = maker.rank(x, 3, 4, 5) if maker.is_float(x) else None
    if found is None:
        return None
    sizes = maker.shape(found)[2:]
    padding = _pads(maker, 1, len(sizes))
    return (Ref(found), _kernel(maker, sizes)), {"padding": padding}


@move("fold")
def folded(maker: Maker, x: int) -> Call | None:
    """Draw which windows of a series the columns are."""
    found = maker.rank(x, 3) if maker.is_float(x) else None
    if found is None:
        return None
    places, inner, batch = maker.shape(found)
    kernel = int(maker.one_of([k for k in (1, 2, 3) if inner % k == 0]))
    stride = int(maker.one_of((1, 2)))
    length = (places - 1) * stride + kernel
    return (Ref(found), (batch, inner // kernel, length), kernel), {"stride": stride}


@move("max_pool2d", "avg_pool2d")
def pooling(maker: Maker, x: int, name: str) -> Call | None:
    """Draw window, stride and padding."""
    image = _image(maker, x)
    if image is None:
        return None
    sizes = maker.shape(image)[2:]
    kernel = tuple(int(maker.rng.integers(1, min(3, n) + 1)) for n in sizes)
    attrs: dict[str, Any] = {"padding": _pads(maker, min(kernel) - 1)}
    if maker.chance(0.5):
        attrs["stride"] = _pair(maker, (1, 2))
    if name == "avg_pool2d":
        attrs["include_padding"] = maker.chance(0.5)
    return (Ref(image), kernel), attrs


@move("global_avg_pool2d", "global_max_pool2d")
def whole(maker: Maker, x: int, name: str) -> Call | None:
    """Draw an image."""
    image = _image(maker, x)
    return None if image is None else ((Ref(image),), {})


def _normalised(maker: Maker, x: int) -> int | None:
    """Return a value whose channels have at least 4 numbers each that differ."""
    found = maker.rank(x, 2, 4) if maker.is_float(x) else None
    if found is None:
        return None
    array = maker.numbers[found]
    axes = (0, 2, 3)[: array.ndim - 1]
    count = array.size // array.shape[1]
    return found if count >= 4 and array.std(axis=axes).min() > 0.1 else None


@move("norm")
def norm(maker: Maker, x: int) -> Call | None:
    """Draw batch normalisation with running statistics."""
    found = _normalised(maker, x)
    if found is None:
        return None
    size = maker.shape(found)[1:2]
    mean = Ref(maker.source("buffer", maker.draw(size, 0.3)))
    data = np.asarray(maker.rng.uniform(0.5, 1.5, size=size), np.float32)
    variance = Ref(maker.source("buffer", data))
    return (Ref(found), maker.positive(size), maker.other(size), mean, variance), {}


@move("batch_norm")
def batch_norm(maker: Maker, x: int) -> Call | None:
    """Draw gamma and beta."""
    found = _normalised(maker, x)
    if found is None:
        return None
    size = maker.shape(found)[1:2]
    return (Ref(found), maker.positive(size), maker.other(size)), {}


@move("batch_norm_inference")
def batch_norm_inference(maker: Maker, x: int) -> Call | None:
    """Draw all four vectors: parameters, so that each has a gradient."""
    found = maker.rank(x, 2, 4) if maker.is_float(x) else None
    if found is None:
        return None
    size = maker.shape(found)[1:2]
    vectors = maker.positive(size), maker.other(size), maker.other(size), maker.positive(size)
    return (Ref(found), *vectors), {}


@move("update")
def update(maker: Maker, x: int) -> Call | None:
    """Draw a new pair of buffers and move them towards the value; both stay to be read."""
    if not maker.is_float(x) or len(maker.shape(x)) != 1:
        return None
    shape = maker.shape(x)
    mean = Ref(maker.source("buffer", maker.draw(shape)))
    variance = Ref(maker.source("buffer", maker.draw(shape)))
    return (mean, variance, Ref(x), maker.other(shape)), {}


@move("layer_norm")
def layer_norm(maker: Maker, x: int) -> Call | None:
    """Draw how many axes are normalised."""
    shape = maker.shape(x)
    if not shape or not maker.is_float(x):
        return None
    first = int(maker.rng.integers(len(shape)))
    rows = maker.numbers[x].reshape(int(np.prod(shape[:first])), -1)
    if rows.shape[1] < 3 or rows.std(axis=1).min() < 0.1:
        return None
    return (Ref(x), maker.positive(shape[first:]), maker.other(shape[first:])), {}


@move("dropout")
def dropout(maker: Maker, x: int) -> Call | None:
    """Draw the rate."""
    return ((Ref(x), float(maker.one_of((0.1, 0.5)))), {}) if maker.is_float(x) else None


@move("lstm", "gru", "rnn")
def recurrent(maker: Maker, x: int, name: str) -> Call | None:
    """Draw weights, lengths, direction, the first state, and which kind of GRU."""
    found = maker.rank(x, 3) if maker.is_float(x) else None
    if found is None or maker.shape(found)[1] > 12:
        return None
    size = int(maker.rng.integers(1, 5))
    gates = {"lstm": 4, "gru": 3, "rnn": 1}[name]
    attrs: dict[str, Any] = {"reverse": maker.chance(0.5)}
    if name == "rnn":
        attrs["activation"] = maker.one_of(("tanh", "relu"))
    biases = gates
    if name == "gru":
        attrs["reset_after"] = maker.chance(0.5)
        biases += attrs["reset_after"]
    weights = (
        maker.weight((gates * size, maker.shape(found)[2])),
        maker.weight((gates * size, size)),
        maker.parameter((biases * size,), 0.3),
    )
    if maker.chance(0.5):
        attrs["lengths"] = lengths(maker, found)
    if maker.chance(0.3):
        if name == "lstm":
            attrs["peephole"] = maker.parameter((3 * size,))
        else:
            attrs["state"] = maker.other((maker.shape(found)[0], size))
    return (Ref(found), *weights), attrs


def lengths(maker: Maker, x: int) -> Ref:
    """Return lengths of a value's sequences: an input."""
    batch, time = maker.shape(x)[:2]
    kind = maker.one_of(("int64", "int32"))
    data = np.asarray(maker.rng.integers(1, time + 1, size=batch), kind)
    return Ref(maker.source("input", data))


@move("mask_sequence")
def mask_sequence(maker: Maker, x: int) -> Call | None:
    """Draw lengths and what is put behind them."""
    if not maker.is_float(x) or len(maker.shape(x)) < 2:
        return None
    attrs = {"value": maker.number(-1, 1)} if maker.chance(0.5) else {}
    return (Ref(x), lengths(maker, x)), attrs


@move("masked_mean")
def masked_mean(maker: Maker, x: int) -> Call | None:
    """Draw the axis, or lengths."""
    shape = maker.shape(x)
    if not maker.is_float(x) or len(shape) < 2:
        return None
    if maker.chance(0.5):
        return (Ref(x),), {"lengths": lengths(maker, x)}
    return (Ref(x), int(maker.rng.integers(len(shape)))), {}


@move("sequence_lengths")
def sequence_lengths(maker: Maker, x: int) -> Call | None:
    """Take ids of two axes."""
    if maker.numbers[x].dtype.kind not in "iu" or len(maker.shape(x)) != 2:
        return None
    return (Ref(x),), {"padding_index": int(maker.rng.integers(2))}


@move("embedding")
def embedding(maker: Maker, x: int) -> Call | None:
    """Draw a table that has a row for each id."""
    low, high = maker.range(x)
    if maker.numbers[x].dtype.kind not in "iu" or low < 0 or high > 20:
        return None
    weight = maker.parameter((int(high) + 1 + int(maker.rng.integers(3)), maker.size()))
    attrs = {"padding_index": 0} if maker.chance(0.4) else {}
    return (Ref(x), weight), attrs


@move("embedding_bag")
def embedding_bag(maker: Maker, x: int) -> Call | None:
    """Draw ids, some of them absent, for a value's rows; the value tells how much each counts."""
    shape = maker.shape(x)
    if not maker.is_float(x) or len(shape) != 2:
        return None
    count = int(maker.rng.integers(1, 9))
    data = np.asarray(maker.rng.integers(-1, count, size=shape), maker.one_of(("int64", "int32")))
    ids = Ref(maker.source("input", data))
    return (ids, Ref(x), maker.parameter((count, maker.size()))), {}


@move("attention")
def attention(maker: Maker, x: int) -> Call | None:
    """Draw keys and values, lengths, whether it looks back only."""
    found = _image(maker, x)
    if found is None or maker.large:
        return None
    batch, heads, time, features = maker.shape(found)
    causal = maker.chance(0.4)
    source = time if causal or maker.chance(0.5) else maker.size()
    key = maker.other((batch, heads, source, features))
    value = maker.other((batch, heads, source, maker.size()))
    attrs: dict[str, Any] = {"causal": causal}
    if maker.chance(0.4):
        data = np.asarray(maker.rng.integers(1, source + 1, size=batch), "int64")
        attrs["lengths"] = Ref(maker.source("input", data))
    if maker.chance(0.3):
        attrs["scale"] = maker.number(0.2, 1)
    return (Ref(found), key, value), attrs


@move("softmax_cross_entropy", "nll")
def labelled(maker: Maker, x: int, name: str) -> Call | None:
    """Draw labels (an input) and weights of the classes."""
    shape = maker.shape(x)
    if not maker.is_float(x) or len(shape) != 2 or (name == "nll" and maker.large):
        return None
    kind = maker.one_of(("int64", "int32", "uint8"))
    labels = np.asarray(maker.rng.integers(0, shape[1], size=shape[0]), kind)
    args: list[Any] = [Ref(x), Ref(maker.source("input", labels))]
    if maker.chance(0.4):
        data = np.asarray(maker.rng.uniform(0.5, 1.5, size=shape[1]), np.float32)
        args.append(Ref(maker.source("constant", data)))
    attrs: dict[str, Any] = {"ignore_index": int(labels[0])} if maker.chance(0.3) else {}
    if name == "softmax_cross_entropy" and maker.chance(0.4):
        attrs["label_smoothing"] = 0.1
    return tuple(args), attrs


@move("ctc")
def ctc(maker: Maker, x: int) -> Call | None:
    """Draw sequences of labels that fit into the steps."""
    shape = maker.shape(x)
    if not maker.is_float(x) or len(shape) != 3 or shape[2] < 2:
        return None
    rows, time, classes = shape
    labels = maker.rng.integers(1, classes, size=(rows, max(time // 2, 1)))
    steps = np.full(rows, time, np.int64)
    found = [maker.source("input", np.asarray(item, "int64")) for item in (labels, steps)]
    return (Ref(x), *map(Ref, found)), {}


@move("bce_with_logits")
def bce_with_logits(maker: Maker, x: int) -> Call | None:
    """Draw targets in 0..1 and how much positives weigh."""
    shape = maker.shape(x)
    if not maker.is_float(x):
        return None
    data = np.asarray(maker.rng.uniform(size=shape), np.float32)
    args: list[Any] = [Ref(x), Ref(maker.source("input", data))]
    if shape and maker.chance(0.4):
        weights = np.asarray(maker.rng.uniform(0.5, 2, size=shape[-1:]), np.float32)
        args.append(Ref(maker.source("constant", weights)))
    return tuple(args), {}
