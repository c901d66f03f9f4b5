"""LSTM, GRU, text CNN, embedding gradient against PyTorch; the price of varying lengths.

A training step is forward, loss, backward and momentum SGD (dense, also of the tables) on arrays
in memory: batch 64, 200 words of 20,000 unless a line says otherwise. Both sides start from the
same weights and see the same batches; their losses after 20 steps must agree. Of PyTorch's two
biases per recurrent gate only one learns, as ours. The data are drawn at random, ids by Zipf's law
as in texts.

The GRU's gradients fade below 1.2e-38 within 200 steps. Ours counts such numbers as zero; PyTorch
computes with them, many times slower on some processors, unless told by `set_flush_denormal`: the
lines that say so show the kernels alone. There each side has a process of its own: a thread that
PyTorch started before it was told would go on as it was.

Varying lengths are ours against ours: an epoch of texts of 10 to 200 words, cut into batches by
`SequenceDataset`, against as many words in batches of one length.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from sandbox.lib import engine, nn
from sandbox.lib.data import SequenceDataset
from sandbox.lib.engine.passes import peaks
from sandbox.lib.nn import zoo

from . import harness, our_side, torch_networks, torch_side

NEEDS_TORCH = True
BATCH, BATCHES = 64, 4
TIME, WORDS, FEATURES, HIDDEN = 200, 20_000, 100, 128


def zipf(rng: np.random.Generator, shape: Any) -> Any:
    """Draw ids from 1..WORDS-1, the k-th with a probability like 1/k."""
    weights = 1 / np.arange(1, WORDS)
    return rng.choice(np.arange(1, WORDS), shape, p=weights / weights.sum())


@dataclass(frozen=True)
class Network:
    """One network on both sides.

    Parameters
    ----------
    ours, theirs : functions
        Make the models.
    draw : function of Generator -> array
        Draws the input of one batch.
    rate : float
        Learning rate, small enough that rounding does not grow in 20 steps.
    """

    ours: Callable[[], Any]
    theirs: Callable[[], Any]
    draw: Callable[[np.random.Generator], Any]
    rate: float = 0.05


def _vectors(rng: np.random.Generator) -> Any:
    return rng.standard_normal((BATCH, 100, HIDDEN), np.float32)


def _ids(rng: np.random.Generator) -> Any:
    return zipf(rng, (BATCH, TIME))


def _lstm() -> Any:
    return nn.Sequential(
        lstm=nn.LSTM(HIDDEN, HIDDEN, return_sequences=False, rng=0), fc=nn.Linear(HIDDEN, 2, rng=1)
    )


def _gru() -> Any:
    return zoo.gru_sentiment(WORDS, 2, 0, features=FEATURES, hidden=HIDDEN, p=0.0)


def _text_cnn() -> Any:
    return zoo.text_cnn(WORDS, 2, 0, p=0.0)


def _bag() -> Any:
    return nn.Sequential(
        embedding=nn.Embedding(WORDS, FEATURES, padding_index=0, with_lengths=True, rng=0),
        mean=nn.GlobalMeanOverTime(),
        fc=nn.Linear(FEATURES, 2, rng=1),
    )


NETWORKS = {
    "lstm": Network(_lstm, lambda: torch_networks.Reader(torch.nn.LSTM, HIDDEN, HIDDEN), _vectors),
    "gru": Network(
        _gru, lambda: torch_networks.Reader(torch.nn.GRU, FEATURES, HIDDEN, WORDS), _ids
    ),
    "text_cnn": Network(_text_cnn, lambda: torch_networks.TextCnn(WORDS), _ids),
}
VARYING = {"gru": _gru, "text_cnn": _text_cnn, "bag": _bag}


def side(name, threads, ours):
    """Give one side's training: the same weights and batches for both."""
    network = NETWORKS[name]
    rng = np.random.default_rng(0)
    inputs = [(network.draw(rng),) for _ in range(BATCHES)]
    labels = [rng.integers(0, 2, BATCH) for _ in range(BATCHES)]
    model = network.ours()
    if ours:
        return our_side.Training(model, network.rate, inputs, labels, threads)
    twin = torch_side.take_weights(network.theirs(), model)
    return torch_side.Training(twin, network.rate, inputs, labels)


def train(report, name, rounds, bar, threads=1, note=""):
    """Compare training steps."""
    with torch_side.threads(threads):
        sides = side(name, threads, ours=True), side(name, threads, ours=False)
        what = f"{name}{note} train, {threads} thread(s)"
        harness.compare_training(report, what, *sides, rounds=rounds, bar=bar)


def flushing_side(name, threads, ours):
    """Give one side in a process of its own, where PyTorch's threads flush from the first."""
    with ExitStack() as settings:
        settings.enter_context(torch_side.flushing())
        settings.enter_context(torch_side.threads(threads))
        made = side(name, threads, ours)
        made.settings = settings.pop_all()  # they hold as long as the side
    return made


def train_flushing(report, name, rounds, bar, threads):
    """Compare training steps; threads that PyTorch started before would not flush."""
    with (
        harness.Apart(flushing_side, name, threads, True) as ours,
        harness.Apart(flushing_side, name, threads, False) as theirs,
    ):
        what = f"{name}, PyTorch flushing too, train, {threads} thread(s)"
        harness.compare_training(report, what, ours, theirs, rounds=rounds, bar=bar)


def embedding_gradient(report, rounds, bar):
    """Compare the gradient of a table of vectors by 32,000 ids."""
    rng = np.random.default_rng(0)
    ids = zipf(rng, 32_000)
    dy = rng.standard_normal((len(ids), FEATURES), np.float32)
    found = np.zeros((WORDS, FEATURES), np.float32)
    attrs = {"num_embeddings": WORDS, "padding_index": None}
    oplist = engine.OpList(
        values=[engine.Spec.of(array) for array in (dy, ids, found)],
        ops=[engine.Op("embedding_grad", (0, 1), (2,), attrs)],
        inputs=[("dy", 0), ("ids", 1)],
        parameters=[],
        gradients=[("table", 2)],
    )
    with torch_side.threads(1), torch.inference_mode():
        program = engine.compile(oplist, {"gradient:table": found})
        tensors = torch.from_numpy(dy), torch.from_numpy(ids)

        def theirs() -> Any:
            return torch.ops.aten.embedding_dense_backward(*tensors, WORDS, -1, False)

        program.run([dy, ids])
        gap = float(np.abs(found - theirs().numpy()).max() / np.abs(found).max())
        what = "embedding gradient, 32,000 ids"
        report(f"{what}: largest difference {gap:.1e} of the largest element")
        if not gap <= 1e-5:  # sums of up to some thousand terms, in another order
            raise harness.RefusedError(f"{what}: the gradients differ by {gap}.")
        times = harness.alternate(lambda: program.run([dy, ids]), theirs, rounds=rounds)
    report.versus(what, *times, bar=bar)


def varying(report, name, rounds, bar):
    """Compare an epoch of texts of 10 to 200 words with as many words in texts of one length."""
    rng = np.random.default_rng(0)
    count = 24 * BATCH
    lengths = rng.integers(10, TIME + 1, count)
    labels = rng.integers(0, 2, count)
    data = SequenceDataset([zipf(rng, n) for n in lengths], labels, ids=WORDS, dtype=np.int64)
    order = data.order(BATCH, seed=0)
    batches = [data.batch(order.batch(0, k)) for k in range(order.steps_per_epoch)]
    words, equal = int(lengths.sum()), round(lengths.mean())
    same = [zipf(rng, (BATCH, equal)) for _ in range(count // BATCH)]
    report(
        f"{name}: {words:,} words as {sum(x.size for x, _ in batches):,} with padding in "
        f"{len({x.shape for x, _ in batches})} shapes; {sum(x.size for x in same):,} in one shape"
    )
    targets = np.split(labels, len(same))
    with torch_side.threads(1):
        ours = our_side.Training(
            VARYING[name](), 0.05, [(x,) for x, _ in batches], [y for _, y in batches]
        )
        fixed = our_side.Training(VARYING[name](), 0.05, [(x,) for x in same], targets)
        times = harness.alternate(ours.epoch, fixed.epoch, rounds=rounds)
    report.versus(f"{name}: an epoch, varying and fixed", *times)
    share = 1 / harness.ratio(*times)
    report.value(f"{name}: varying / fixed lengths", share, at_most=bar)


def main(arguments, report):
    """Run the comparisons."""
    parser = harness.options("sequences", __doc__, rounds=9)
    names = [*NETWORKS, "embedding", "varying"]
    parser.add_argument("--only", choices=[*names, "all"], default="all", help="one part")
    chosen = parser.parse_args(arguments)
    rounds = chosen.rounds

    def dense(threads: int, bar: float) -> None:
        # Compile gradients through a maximum over time like any others.
        with harness.environment(peaks.VARIABLE, "0"):
            train(report, "text_cnn", rounds, bar, threads, ", dense gradient,")

    plan: list[tuple[str, Callable[[], None]]] = [
        ("lstm", lambda: train(report, "lstm", rounds, 1.3)),
        ("gru", lambda: train(report, "gru", rounds, 1.8)),
        ("gru", lambda: train_flushing(report, "gru", rounds, 1 / 1.2, 1)),
        ("text_cnn", lambda: dense(1, 1.4)),
        ("text_cnn", lambda: train(report, "text_cnn", rounds, 2.5)),
        ("embedding", lambda: embedding_gradient(report, rounds, 1.5)),
        # Two threads: nowhere slower than 1.2 times PyTorch's time.
        ("lstm", lambda: train(report, "lstm", rounds, 1 / 1.2, threads=2)),
        ("gru", lambda: train_flushing(report, "gru", rounds, 1 / 1.2, 2)),
        ("text_cnn", lambda: train(report, "text_cnn", rounds, 1 / 1.2, threads=2)),
        *[("varying", lambda n=name: varying(report, n, rounds, 1.3)) for name in VARYING],
    ]
    for name, run in plan:
        if chosen.only in (name, "all"):
            run()
    return report.close()
