"""From a seed to a graph."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from . import arrange, layers, simple, windows
from .graph import Graph, Ref
from .maker import MOVES, Maker

__all__ = ["EXCEPTIONS", "arrange", "generate", "layers", "names", "sequence", "simple", "windows"]

# Operations of core.ops that no step of the list above stands for, and why.
EXCEPTIONS = {
    "cond": "runs lists: tests/lib/core/test_control.py",
    "scan": "runs lists: tests/lib/core/test_control.py",
    "while_loop": "runs lists: tests/lib/core/test_control.py",
    **dict.fromkeys(
        (
            *("bitwise_and", "bitwise_not", "bitwise_or", "bitwise_xor", "floor_divide"),
            *("any", "all", "count_nonzero", "logical_xor", "is_finite", "is_inf", "is_nan"),
            *("arg_max", "arg_min", "arg_sort", "one_hot", "shape_of"),
            *("ceil", "floor", "round", "trunc"),
        ),
        "gives whole numbers or steps, no slopes: tests/lib/core/test_indexing.py",
    ),
    **dict.fromkeys(
        ("acos", "acosh", "asin", "atanh", "tan", "fmod", "remainder", "hard_shrink"),
        "has poles or jumps within what is drawn: tests/lib/core/test_gradients.py",
    ),
    **dict.fromkeys(
        ("masked_select", "nonzero", "take_first", "unique", "nms", "nms_padded"),
        "gives as many elements as numbers say: tests/lib/core/test_host_steps.py",
    ),
    **dict.fromkeys(
        ("box_decode", "box_encode", "box_iou", "detections", "match_boxes"),
        "takes boxes, which random numbers are not: tests/lib/nn/test_detection.py",
    ),
    "masked_scatter": "is made of others that are drawn: tests/lib/core/test_host_steps.py",
    **dict.fromkeys(
        ("max_unpool", "adaptive_max_pool_with_index", "roi_align", "roi_pool"),
        "takes or gives places that must fit others: tests/lib/core/test_gradients.py",
    ),
    **dict.fromkeys(
        ("penalize", "penalty", "random_normal", "random_uniform"),
        "is for training alone, as modules use it: tests/contract/test_modules.py",
    ),
    "update_running": "is a part of the steps `norm` and `update`, which bring its buffers along",
}
OFTEN = ("reshape", "transpose", "slice", "slicing", "concat", "add", "multiply", "conv2d", "relu")
# Chains that the passes over a list look for, and that nobody would draw soon.
CHAINS = (
    ("conv2d", "relu", "max_pool2d"),
    ("conv2d", "norm", "relu"),
    ("norm", "relu", "conv2d"),
    ("conv2d", "reshape", "relu", "max_with_index"),
    ("linear", "reshape", "relu"),
    ("conv_transpose2d", "relu", "flatten"),
    ("embedding", "transpose", "reshape", "conv2d", "relu", "max"),
    ("add", "relu", "transpose"),
    ("transpose", "reshape", "linear"),
    ("dropout", "relu", "max_pool2d"),
)
SHAPES = (
    (4,),
    (3, 5),
    (2, 6),
    (4, 3),
    (2, 3, 4),
    (3, 4, 2),
    (2, 2, 6, 6),
    (3, 4, 5, 4),
    (2, 1, 4, 6),
    (2, 2, 3, 4, 3),
)
LARGE = ((128, 80), (16, 640), (16, 32, 24), (8, 16, 10, 10), (4, 32, 9, 9), (16, 8, 1, 96))
STEPS = 12
FORMS = ("places", "places", "names", "nested")


def names() -> list[str]:
    """Return what steps are drawn from, in a fixed order."""
    return sorted(MOVES)


def generate(seed: int) -> Graph:
    """Return the graph of a seed: up to 12 steps, one graph in eight on large arrays.

    Examples
    --------
    >>> generate(5).listing() == generate(5).listing()
    True
    """
    for attempt in range(100):
        graph = _generate(seed, attempt)
        if graph is not None:
            return graph
    raise AssertionError(f"seed {seed}: no graph was found in 100 attempts")


def _generate(seed: int, attempt: int) -> Graph | None:
    maker = Maker(seed if not attempt else seed * 1000 + attempt + 10**9, large=seed % 8 == 7)
    maker.seed = seed
    shapes = LARGE if maker.large else SHAPES
    for _ in range(1 + maker.chance(0.4)):
        shape = maker.one_of(shapes)
        kind = maker.one_of(("input", "input", "parameter"))
        maker.source(kind, maker.draw(shape))
    if maker.chance(0.3) or not any(s.kind == "input" for s in maker.sources.values()):
        shape = maker.one_of(shapes)[:2] if not maker.large else (16, 24)
        kind = maker.one_of(("int64", "int32", "uint8"))
        ids = np.asarray(maker.rng.integers(0, 6, size=shape), kind)
        maker.source("input", ids)
    wanted = int(maker.rng.integers(3, (6 if maker.large else STEPS) + 1))
    last, queue = max(maker.numbers), list[str]()
    for _ in range(8 * wanted):
        if len(maker.steps) >= wanted:
            break
        there = sorted(maker.numbers)
        if not queue and maker.chance(0.1):
            queue = list(maker.one_of(CHAINS))
        if queue:
            name, x = queue.pop(0), last
        else:
            name = maker.one_of(OFTEN) if maker.chance(0.25) else maker.one_of(names())
            x = last if maker.chance(0.6) else maker.one_of(there)
        made = maker.attempt(name, x)
        if made is not None and made >= 0:
            last = made
    return _finish(maker, last)


def _finish(maker: Maker, last: int) -> Graph | None:
    """Choose outputs among what steps made; a graph without any has failed."""
    made = [n for step in maker.steps for n in step.outputs]
    floats = [n for n in made if maker.is_float(n)]
    if not floats:
        return None
    outputs = [last if last in floats else floats[-1]]
    read = {n for step in maker.steps for n in step.reads}
    ends = [n for n in made if n not in read]
    while maker.chance(0.6) and len(outputs) < 4:
        extra = maker.one_of(ends if ends and maker.chance(0.7) else made)
        if extra not in outputs:
            outputs.append(extra)
    threads = 2 if maker.large and maker.chance(0.3) else 1
    forms = maker.one_of(FORMS), maker.one_of(FORMS)
    return maker.graph(outputs, timed=maker.chance(0.05), threads=threads, forms=forms)


def sequence(chain: Sequence[str], seed: int = 0) -> Graph | None:
    """Return a graph of these operations one behind the other, None if they do not fit.

    No reshape is put between them; the input's shape is what the first one that fits needs.
    """
    for number, shape in enumerate((*reversed(SHAPES), "ids")):
        for attempt in range(2):
            maker = Maker(1000 * seed + 10 * number + attempt, strict=True)
            if isinstance(shape, str):  # "ids"
                last = maker.source("input", np.asarray(maker.rng.integers(0, 6, (3, 4)), "int64"))
            else:
                last = maker.source("input", maker.draw(shape))
                last = maker.attempt("add", last) or last
            for name in chain:
                found = maker.attempt(name, last)
                if found is None:
                    break
                last = found if found >= 0 else last
            else:
                if not maker.is_float(last):  # booleans and integers, so that the loss takes them
                    last = maker.apply("cast", ((Ref(last), "float32"), {})) or last
                return maker.graph([last])
    return None
