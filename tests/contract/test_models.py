"""Whole models: eager == Program == reference, for the ready ones and for random graphs."""

from __future__ import annotations

import numpy as np
import pytest

from sandbox.lib import nn, testing

# 1e-3 of the largest gradient: many layers of float32 in another order; batch norm's gradient is a
# difference of sums that are larger than it.
READY = {
    "lenet5": nn.Case(nn.zoo.lenet5, ((4, 1, 28, 28),), (4, 10), tolerance=1e-4, kinks=True),
    "fast_mnist": nn.Case(
        nn.zoo.fast_mnist, ((3, 1, 28, 28),), (3, 10), tolerance=1e-4, kinks=True
    ),
    "cifar_net": nn.Case(
        nn.zoo.cifar_net,
        ((4, 3, 32, 32),),
        (4, 10),
        tolerance=1e-3,
        kinks=True,
        stochastic=True,
        batch_statistics=True,
    ),
    "text_cnn": nn.Case(
        lambda rng: nn.zoo.text_cnn(50, 3, rng, features=16, filters=16),
        ((4, 25),),
        (4, 3),
        integers=((0, 50),),
        tolerance=1e-4,
        stochastic=True,
    ),
    "lstm_sentiment": nn.Case(
        lambda rng: nn.zoo.lstm_sentiment(50, 2, rng, features=6, hidden=5, bidirectional=True),
        ((4, 12),),
        (4, 2),
        integers=((0, 3),),
        tolerance=1e-4,
        stochastic=True,
    ),
    "gru_sentiment": nn.Case(
        lambda rng: nn.zoo.gru_sentiment(50, 2, rng, features=6, hidden=5),
        ((4, 12),),
        (4, 2),
        integers=((0, 3),),
        tolerance=1e-4,
        stochastic=True,
    ),
    "resnet8": nn.Case(
        lambda rng: nn.zoo.resnet(8, rng, width=8),
        ((4, 3, 16, 16),),
        (4, 10),
        tolerance=1e-3,
        kinks=True,
        batch_statistics=True,
    ),
    "vgg": nn.Case(
        lambda rng: nn.zoo.vgg(rng, widths=(8, 16), features=20),
        ((3, 3, 32, 32),),
        (3, 10),
        tolerance=1e-4,
        kinks=True,
        stochastic=True,
    ),
    "vgg16": nn.Case(
        lambda rng: nn.zoo.vgg16(rng, image=32, width=4, features=8, classes=5),
        ((3, 3, 32, 32),),
        (3, 5),
        tolerance=1e-4,
        kinks=True,
        stochastic=True,
    ),
    "transformer_classifier": nn.Case(
        lambda rng: nn.zoo.transformer_classifier(
            50, 3, rng, length=16, features=8, heads=2, layers=2, hidden=12
        ),
        ((4, 12),),
        (4, 3),
        integers=((0, 50),),
        tolerance=1e-4,
        stochastic=True,
    ),
    "fraud_mlp": nn.Case(nn.zoo.fraud_mlp, ((5, 29),), (5, 2), tolerance=1e-4, kinks=True),
    "wide_and_deep": nn.Case(
        lambda rng: nn.zoo.wide_and_deep((5, 7, 3), 4, 2, rng),
        ((6, 3), (6, 4)),
        (6, 2),
        integers=((0, 15), None),
        tolerance=1e-4,
    ),
    "upsampling": nn.Case(
        lambda rng: nn.Sequential(
            nn.Conv2d(3, 16, 3, stride=2, padding=1, rng=rng),
            nn.PReLU(16),
            nn.Conv2d(16, 16, 3, padding="same", groups=16, rng=rng),
            nn.GELU(),
            nn.ConvTranspose2d(16, 8, 4, stride=2, padding=1, rng=rng),
            nn.Scale((8, 1, 1)),
            nn.SiLU(),
            nn.Conv2d(8, 2, 3, dilation=2, padding="same", rng=rng),
        ),
        ((2, 3, 12, 12),),
        (2, 2, 12, 12),
        tolerance=1e-3,
        kinks=True,
    ),
    "mlp": nn.Case(
        lambda rng: nn.zoo.mlp((20, 16, 8, 10), rng),
        ((5, 20),),
        (5, 10),
        tolerance=1e-4,
        kinks=True,
    ),
}
CLAUSES = (
    "shape_follows_the_rule",
    "native_equals_reference",
    "threads_do_not_disturb",
    "same_seed_same_result",
    "config_and_weights_come_back",
    "pickle_comes_back",
    "prediction_program_equals_eager",
    "training_program_equals_eager",
)


@pytest.mark.parametrize("clause", CLAUSES)
@pytest.mark.parametrize("name", READY)
def test_ready_models_keep_the_contract(name, clause):
    testing.MODULE_CLAUSES[clause](nn.Sequential, READY[name])


def random_graph(seed: int) -> nn.Graph:
    """Make a graph of 4 to 12 random modules on images 6x6, with branches and shared modules."""
    choose = np.random.default_rng(seed)
    rng = np.random.default_rng(seed + 1)
    x = nn.Input()
    open_nodes = [(x, 2)]
    shared: dict[tuple[str, int], nn.Module] = {}
    for _ in range(int(choose.integers(4, 13))):
        node, channels = open_nodes[int(choose.integers(len(open_nodes)))]
        other, others = open_nodes[int(choose.integers(len(open_nodes)))]
        kind = str(choose.choice(["conv", "bn", "relu", "tanh", "pool", "add", "concat", "again"]))
        if kind in ("conv", "again"):
            width = channels if kind == "again" else int(choose.integers(1, 5))
            layer = shared.get((kind, channels))
            if layer is None or kind == "conv":
                layer = nn.Conv2d(channels, width, 3, padding=1, rng=rng)
                shared[kind, channels] = layer
            made = (layer(node), width)
        elif kind == "bn":
            made = (nn.BatchNorm(channels)(node), channels)
        elif kind == "pool":
            made = (nn.MaxPool2d(3, stride=1, padding=1)(node), channels)
        elif kind == "add" and channels == others:
            made = (nn.ReLU()(nn.Add()(node, other)), channels)
        elif kind == "concat" and channels + others < 12:
            made = (nn.Concat()(node, other), channels + others)
        else:
            made = ((nn.Tanh() if kind == "tanh" else nn.ReLU())(node), channels)
        open_nodes.append(made)
    joined = nn.Concat()(*[node for node, _ in open_nodes[1:]])
    width = sum(channels for _, channels in open_nodes[1:])
    dropped = nn.Dropout(0.2)(nn.Flatten()(nn.AvgPool2d(2)(joined)))
    return nn.Graph(x, nn.Linear(width * 9, 3, rng=rng)(dropped))


@pytest.mark.parametrize(
    "seed",
    [pytest.param(k, marks=[pytest.mark.campaign] if k >= 12 else []) for k in range(24)],
)
@pytest.mark.parametrize(
    "clause",
    [
        "native_equals_reference",
        "prediction_program_equals_eager",
        "training_program_equals_eager",
        "config_and_weights_come_back",
    ],
)
def test_random_graphs_are_equal_eager_compiled_and_by_reference(seed, clause):
    # 1e-3: batch norm over nearly constant channels divides by small deviations.
    case = nn.Case(
        lambda rng: random_graph(seed),
        inputs=((5, 2, 6, 6),),
        output=(5, 3),
        stochastic=True,
        tolerance=1e-3,
    )
    testing.MODULE_CLAUSES[clause](nn.Graph, case)
