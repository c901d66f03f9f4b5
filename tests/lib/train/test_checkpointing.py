"""Activations forgotten and computed again: less memory, the same bits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from train_kit import assert_same, make_data, make_trainer, weights

from sandbox.lib import core, criterion, engine, nn
from sandbox.lib.core import ops
from sandbox.lib.core.errors import ArgumentError

Found = tuple[float, dict[str, Any], int]


def residual() -> nn.Module:
    """Build blocks with everything a forward pass of images has: norms, joins, pooling, dropout."""
    image = nn.Input("image")
    x = nn.Conv2d(3, 16, 3, padding=1, rng=0, name="first")(image)
    for k in range(4):
        y = nn.ReLU(name=f"relu{k}a")(nn.BatchNorm(16, name=f"bn{k}a")(x))
        y = nn.Conv2d(16, 16, 3, padding=1, bias=False, rng=k, name=f"conv{k}a")(y)
        y = nn.ReLU6(name=f"relu{k}b")(nn.BatchNorm(16, name=f"bn{k}b")(y))
        y = nn.Conv2d(16, 16, 1, rng=k, name=f"conv{k}b")(nn.Dropout(0.2, name=f"drop{k}")(y))
        x = nn.ReLU(name=f"join{k}")(nn.Add(name=f"add{k}")(x, y))
        if k % 3 == 1:
            x = nn.MaxPool2d(2, name=f"pool{k}")(x)
    x = nn.Flatten(name="flat")(nn.GlobalAvgPool2d(name="mean")(x))
    return nn.Graph(image, nn.Linear(16, 5, rng=1, name="fc")(x))


class Attention(nn.Module):
    """Let a text look at itself, and add what it sees."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.attention = nn.MultiHeadAttention(size, 4, rng=3)
        self.norm = nn.LayerNorm(size)

    def call(self, x: Any) -> Any:
        seen = self.norm(x)
        return x + self.attention(seen)


class Twice(nn.Module):
    """Call an operation of the user's between two of ours."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function

    def call(self, x: Any) -> Any:
        return ops.tanh(self.function(ops.tanh(x)))


def reader() -> nn.Module:
    """Build what texts go through."""
    return nn.Sequential(
        embedding=nn.Embedding(50, 24, rng=0),
        dropout=nn.Dropout(0.3),
        first=nn.LSTM(24, 32, rng=1),
        second=nn.GRU(32, 32, rng=2),
        attention=Attention(32),
        last=nn.LSTM(32, 16, return_sequences=False, rng=4),
        fc=nn.Linear(16, 5, rng=5),
    )


def perceptron() -> nn.Module:
    """Build a chain of wide layers."""
    parts: dict[str, nn.Module] = {}
    for k in range(9):
        parts[f"fc{k}"] = nn.Linear(64, 64, rng=k)
        parts[f"act{k}"] = nn.Tanh() if k % 2 else nn.GELU()
        parts[f"drop{k}"] = nn.Dropout(0.1)
    return nn.Sequential(**parts, out=nn.Linear(64, 5, rng=1))


def images(rng: np.random.Generator) -> Any:
    return rng.standard_normal((8, 3, 32, 32), np.float32)


def texts(rng: np.random.Generator) -> Any:
    return rng.integers(0, 50, (16, 20))


def rows(rng: np.random.Generator) -> Any:
    return rng.standard_normal((512, 64), np.float32)


def bent() -> nn.Module:
    """Build a chain whose parameters are seen through views, and read over and over."""
    parts: dict[str, nn.Module] = {}
    for k in range(3):
        parts[f"fc{k}"] = nn.Linear(64, 64, rng=k)
        parts[f"bend{k}"] = nn.SReLU(64)
    return nn.Sequential(**parts, out=nn.Linear(64, 5, rng=1))


NETWORKS: dict[str, tuple[Callable[[], nn.Module], Callable[[np.random.Generator], Any]]] = {
    "residual": (residual, images),
    "reader": (reader, texts),
    "perceptron": (perceptron, rows),
    "bent": (bent, rows),
}


def run(name: str, checkpointing: str, plan: Any, **settings: Any) -> Found:
    """Return loss, gradients and statistics of one step, and the bytes that live within it."""
    make, draw = NETWORKS[name]
    model, rng = make(), np.random.default_rng(0)
    x = draw(rng)
    y = rng.integers(0, 5, len(x))
    flat = core.FlatParameters(model)
    program = core.train_program(
        model,
        criterion.CrossEntropy(),
        flat,
        engine.Spec.of(x),
        engine.Spec.of(y),
        plan=plan,
        checkpointing=checkpointing,
        **settings,
    )
    loss, _, output = program.run(x, y, engine.RandomKey(3, 5, 0))
    # The memory of a run comes first among what a program holds.
    arrays = {"gradients": flat.gradients, "buffers": flat.buffers, "output": np.array(output)}
    return loss, arrays, next(iter(program.pieces()))[1]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("name", "threads"),
    [("residual", 1), ("perceptron", 2), ("reader", 1), ("perceptron", 1), ("bent", 1)],
)
def test_gradients_statistics_and_output_are_equal_bit_for_bit(name: str, threads: int) -> None:
    plan = engine.KernelPlan(fingerprint=engine.fingerprint())
    loss, arrays, _ = run(name, "off", plan, threads=threads)
    for kind in ("light", "full"):
        other_loss, others, _ = run(name, kind, plan, threads=threads)
        assert other_loss == loss
        assert_same(arrays, others)


def test_bf16_gives_the_same_bits_as_well() -> None:
    if engine.is_native():
        from sandbox.lib.engine import dnnl

        if not dnnl.has_bf16():
            pytest.skip(f"the processor has no bf16 instructions: {dnnl.isa()}")
    plan = engine.KernelPlan(fingerprint=engine.fingerprint())
    found = [run("residual", kind, plan, precision="bf16") for kind in ("off", "light", "full")]
    for loss, arrays, _ in found[1:]:
        assert loss == found[0][0]
        assert_same(found[0][1], arrays)


@pytest.mark.skipif(not engine.is_native(), reason="NumPy's kernels plan no memory")
@pytest.mark.parametrize(
    ("name", "light", "full"), [("residual", 0.8, 0.6), ("perceptron", 1, 0.8)]
)
def test_programs_hold_less_memory(name: str, light: float, full: float) -> None:
    plan = engine.KernelPlan(fingerprint=engine.fingerprint())
    sizes = [run(name, kind, plan)[2] for kind in ("off", "light", "full")]
    assert sizes[1] <= light * sizes[0]
    assert sizes[2] <= full * sizes[0]


def test_an_operation_of_the_users_is_not_done_twice() -> None:
    calls: list[int] = []

    def count(x: Any) -> Any:
        calls.append(1)
        return x * 2

    twice = core.operation(
        "test.counted", infer=lambda x: (x,), reference=count, gradient=lambda entry, dy: (dy * 2,)
    )
    model = nn.Sequential(
        **{f"fc{k}": nn.Linear(32, 32, rng=k) for k in range(8)},
        mine=Twice(twice),
        **{f"more{k}": nn.Linear(32, 32, rng=k) for k in range(8)},
    )
    x, y = np.ones((64, 32), np.float32), np.zeros(64, np.int64)
    flat = core.FlatParameters(model)
    specs = engine.Spec.of(x), engine.Spec.of(y)
    program = core.train_program(
        model, criterion.CrossEntropy(), flat, *specs, checkpointing="full"
    )
    calls.clear()
    program.run(x, y)
    assert len(calls) == 1


def test_a_trainer_ends_with_the_same_weights() -> None:
    data = make_data(200)
    trainers = [make_trainer(checkpointing=kind) for kind in ("off", "light", "full")]
    for trainer in trainers:
        trainer.fit(data, epochs=2)
    first, *others = (weights(trainer.model) for trainer in trainers)
    for other in others:
        assert_same(first, other)


def test_what_it_may_be_is_told() -> None:
    with pytest.raises(ArgumentError, match=r"checkpointing.*off.*light.*full.*got 'some'"):
        make_trainer(checkpointing="some")


def test_a_model_that_runs_eagerly_is_refused() -> None:
    class Looks(nn.Module):
        def call(self, x: Any) -> Any:
            return x * 2 if float(x.data.sum()) > 0 else x

    model = nn.Sequential(fc=nn.Linear(3, 5, rng=0), looks=Looks())
    x, y = engine.Spec((4, 3)), engine.Spec((4,), "int64")
    flat = core.FlatParameters(model)
    with pytest.raises(ArgumentError, match=r"`checkpointing` must be 'off' .* runs eagerly"):
        core.train_program(model, criterion.CrossEntropy(), flat, x, y, checkpointing="full")


@pytest.mark.skipif(not engine.is_native(), reason="NumPy's kernels plan no memory")
def test_clipped_activations_lie_where_their_input_was() -> None:
    """A block keeps what its convolution and its activation give, not the norm between them."""
    blocks = 8
    parts: dict[str, nn.Module] = {}
    for k in range(blocks):
        parts[f"conv{k}"] = nn.Conv2d(16, 16, 1, bias=False, rng=k)
        parts[f"bn{k}"] = nn.BatchNorm(16)
        parts[f"act{k}"] = nn.LeakyReLU(0.1) if k % 2 else nn.ReLU6()
    model = nn.Sequential(**parts, mean=nn.GlobalAvgPool2d(), flat=nn.Flatten())
    flat = core.FlatParameters(model)
    x = np.random.default_rng(0).standard_normal((8, 16, 32, 32), np.float32)
    specs = engine.Spec.of(x), engine.Spec((8,), "int64")
    plan = engine.KernelPlan(frozen=True)  # whose layouts need no copies
    program = core.train_program(model, criterion.CrossEntropy(), flat, *specs, plan=plan)
    held = next(iter(program.pieces()))[1]  # type: ignore[union-attr]
    assert held < (2 * blocks + 4) * x.nbytes  # three a block, were the norm kept as well
