"""Criterions, as sums over the batch."""

from __future__ import annotations

import numpy as np

from sandbox.lib import criterion
from sandbox.lib.core import Value

from .pairs import Pair


def functional(name, per_row=1, **given):
    """Give PyTorch's function of this name; where ours takes the mean of a row, `per_row` is it."""

    def theirs(torch):
        function = getattr(torch.nn.functional, name)
        return lambda *xs: function(*xs, reduction="sum", **given) / per_row

    return theirs


def targetless(make):
    """Give our criterion that looks at no target as a function of the outputs."""

    def ours():
        made = make()
        return lambda *xs: made.call(xs, Value(np.zeros(xs[0].shape[0])))

    return ours


def judged(make, *, pair=False):
    """Give ours as a function that makes -1 and 1 of targets 0 and 1."""

    def ours():
        made = make()

        def call(*xs):
            goal = Value(2 * xs[-1].data - 1)
            return made.call(xs[:-1] if pair else xs[0], goal)

        return call

    return ours


def judging(name, per_row=1, **given):
    """Give PyTorch's function of targets -1 and 1, of 0 and 1."""

    def theirs(torch):
        function = getattr(torch.nn.functional, name)
        return lambda *xs: function(*xs[:-1], 2 * xs[-1] - 1, reduction="sum", **given) / per_row

    return theirs


def label_lists(torch):
    """Turn rows of 0 and 1 into lists of labels, filled up with -1."""

    def turned(t):
        order = torch.argsort(t, dim=1, descending=True, stable=True)
        return torch.where(torch.gather(t, 1, order) > 0, order, -1)

    return turned


def multilabel_margin(torch):
    turned = label_lists(torch)
    function = torch.nn.functional.multilabel_margin_loss
    return lambda y, t: function(y, turned(t), reduction="sum")


def weighted(name, key, values, **given):
    """Give PyTorch's function with weights of classes."""
    return lambda torch: (
        lambda y, t: getattr(torch.nn.functional, name)(
            y, t, reduction="sum", **{key: torch.tensor(values, dtype=y.dtype)}, **given
        )
    )


def shares(torch, x):
    return x / x.sum(1, keepdim=True)


WEIGHTS = [1.0, 0.5, 3.0, 2.0]


def ctc(torch):
    """Take the logits and two sequences of ours; PyTorch's has time first, and logarithms."""

    def theirs(x, labels):
        logs = torch.log_softmax(x, dim=2).transpose(0, 1)
        steps, lengths = torch.tensor([6, 5, 7, 7]), torch.tensor([3, 1, 2, 0])
        return torch.nn.functional.ctc_loss(logs, labels + 1, steps, lengths, reduction="sum")

    return theirs


def our_ctc():
    made = criterion.CTC()

    def call(x, labels):
        filled = (labels.data + 1) * (np.arange(3) < np.array([[3], [1], [2], [0]]))
        return made.call(x, (Value(filled), Value(np.array([6, 5, 7, 7]))))

    return call


LABELS = {"inputs": ((5, 4), (5,)), "integers": {1: (0, 4)}}
NUMBERS = {"inputs": ((4, 3), (4, 3)), "constant": (1,)}
ANSWERS = {"inputs": ((4, 3), (4, 3)), "integers": {1: (0, 2)}}

PAIRS = [
    Pair(
        "criterion.MSE, the mean over each row",
        lambda: criterion.MSE(),
        lambda torch: lambda y, t: torch.nn.functional.mse_loss(y, t, reduction="sum") / 3,
        ((4, 3), (4, 3)),
        constant=(1,),
    ),
    Pair(
        "criterion.CrossEntropy",
        lambda: criterion.CrossEntropy(),
        lambda torch: torch.nn.CrossEntropyLoss(reduction="sum"),
        ((5, 4), (5,)),
        integers={1: (0, 4)},
    ),
    Pair("criterion.MAE", lambda: criterion.MAE(), functional("l1_loss", 3), **NUMBERS),
    Pair(
        "criterion.SmoothL1",
        lambda: criterion.SmoothL1(0.5),
        functional("smooth_l1_loss", 3, beta=0.5),
        **NUMBERS,
    ),
    Pair(
        "criterion.Huber",
        lambda: criterion.Huber(0.5),
        functional("huber_loss", 3, delta=0.5),
        **NUMBERS,
    ),
    Pair(
        "criterion.CrossEntropy, weights and smoothing",
        lambda: criterion.CrossEntropy(WEIGHTS, label_smoothing=0.2),
        weighted("cross_entropy", "weight", WEIGHTS, label_smoothing=0.2),
        **LABELS,
    ),
    Pair(
        "criterion.CrossEntropy, ignored labels, weights and smoothing",
        lambda: criterion.CrossEntropy(WEIGHTS, label_smoothing=0.2, ignore_index=2),
        weighted("cross_entropy", "weight", WEIGHTS, label_smoothing=0.2, ignore_index=2),
        ((5, 4), (5,)),
        integers={1: (0, 4)},
    ),
    Pair(
        "criterion.CrossEntropy, maps",
        lambda: criterion.CrossEntropy(),
        functional("cross_entropy", 6),
        ((3, 4, 2, 3), (3, 2, 3)),
        integers={1: (0, 4)},
    ),
    Pair(
        "criterion.CrossEntropy, maps with ignored labels",
        lambda: criterion.CrossEntropy(ignore_index=0),
        functional("cross_entropy", ignore_index=0),
        ((3, 4, 2, 3), (3, 2, 3)),
        integers={1: (0, 4)},
    ),
    Pair(
        "criterion.NLL, weights and ignored labels",
        lambda: criterion.NLL(WEIGHTS, ignore_index=1),
        weighted("nll_loss", "weight", WEIGHTS, ignore_index=1),
        **LABELS,
    ),
    Pair(
        "criterion.SparseCategoricalCrossEntropy",
        lambda: criterion.SparseCategoricalCrossEntropy(WEIGHTS),
        lambda torch: (
            lambda y, t: torch.nn.functional.nll_loss(
                torch.log(shares(torch, y + 1e-7)),
                t,
                weight=torch.tensor(WEIGHTS, dtype=y.dtype),
                reduction="sum",
            )
        ),
        ((5, 4), (5,)),
        integers={1: (0, 4)},
        within={0: (0.1, 0.9)},
    ),
    Pair(
        "criterion.CategoricalCrossEntropyWithLogits",
        lambda: criterion.CategoricalCrossEntropyWithLogits(label_smoothing=0.1),
        functional("cross_entropy", label_smoothing=0.1),
        ((4, 3), (4, 3)),
        within={1: (0.0, 1.0)},
        constant=(1,),
    ),
    Pair(
        "criterion.BCEWithLogits",
        lambda: criterion.BCEWithLogits([2.0, 1.0, 0.5]),
        lambda torch: (
            lambda y, t: (
                torch.nn.functional.binary_cross_entropy_with_logits(
                    y,
                    t.to(y.dtype),
                    pos_weight=torch.tensor([2.0, 1.0, 0.5], dtype=y.dtype),
                    reduction="sum",
                )
                / 3
            )
        ),
        **ANSWERS,
    ),
    Pair(
        "criterion.BCE",
        lambda: criterion.BCE([2.0, 1.0, 0.5]),
        lambda torch: (
            lambda y, t: (
                torch.nn.functional.binary_cross_entropy(
                    y + 1e-7 * (2 * t - 1),
                    t.to(y.dtype),
                    weight=torch.tensor([2.0, 1.0, 0.5], dtype=y.dtype),
                    reduction="sum",
                )
                / 3
            )
        ),
        ((4, 3), (4, 3)),
        integers={1: (0, 2)},
        within={0: (0.1, 0.9)},
    ),
    Pair(
        "criterion.MultiLabelSoftMargin",
        lambda: criterion.MultiLabelSoftMargin([2.0, 1.0, 0.5]),
        weighted("multilabel_soft_margin_loss", "weight", [2.0, 1.0, 0.5]),
        **ANSWERS,
    ),
    Pair(
        "criterion.MultiLabelMargin",
        lambda: criterion.MultiLabelMargin(),
        multilabel_margin,
        ((5, 4), (5, 4)),
        integers={1: (0, 2)},
    ),
    Pair(
        "criterion.MultiMargin",
        lambda: criterion.MultiMargin(),
        functional("multi_margin_loss"),
        **LABELS,
    ),
    Pair(
        "criterion.MultiMargin, squares and weights",
        lambda: criterion.MultiMargin(2, margin=0.5, class_weights=WEIGHTS),
        weighted("multi_margin_loss", "weight", WEIGHTS, p=2, margin=0.5),
        **LABELS,
    ),
    Pair(
        "criterion.SoftMargin",
        judged(lambda: criterion.SoftMargin()),
        judging("soft_margin_loss", 3),
        **ANSWERS,
    ),
    Pair(
        "criterion.HingeEmbedding",
        judged(lambda: criterion.HingeEmbedding(0.8)),
        judging("hinge_embedding_loss", 3, margin=0.8),
        **ANSWERS,
    ),
    Pair(
        "criterion.MarginRanking",
        judged(lambda: criterion.MarginRanking(0.5), pair=True),
        judging("margin_ranking_loss", 3, margin=0.5),
        ((4, 3), (4, 3), (4, 3)),
        integers={2: (0, 2)},
    ),
    Pair(
        "criterion.CosineEmbedding",
        judged(lambda: criterion.CosineEmbedding(0.1), pair=True),
        judging("cosine_embedding_loss", margin=0.1),
        ((6, 3), (6, 3), (6,)),
        integers={2: (0, 2)},
    ),
    Pair(
        "criterion.TripletMargin",
        targetless(lambda: criterion.TripletMargin(0.7)),
        functional("triplet_margin_loss", margin=0.7),
        ((5, 3), (5, 3), (5, 3)),
    ),
    Pair(
        "criterion.TripletMargin, swapped",
        targetless(lambda: criterion.TripletMargin(0.7, swap=True)),
        functional("triplet_margin_loss", margin=0.7, swap=True),
        ((5, 3), (5, 3), (5, 3)),
    ),
    Pair(
        "criterion.CosineDistance",
        lambda: criterion.CosineDistance(),
        lambda torch: lambda y, t: (1 - torch.nn.functional.cosine_similarity(y, t)).sum(),
        **NUMBERS,
    ),
    Pair(
        "criterion.CosineSimilarity",
        lambda: criterion.CosineSimilarity(),
        lambda torch: lambda y, t: -torch.nn.functional.cosine_similarity(y, t, dim=2).sum() / 2,
        ((4, 2, 3), (4, 2, 3)),
        constant=(1,),
    ),
    Pair(
        "criterion.CategoricalCrossEntropy",
        lambda: criterion.CategoricalCrossEntropy(label_smoothing=0.2),
        # The softmax of logarithms is the share of each number.
        lambda torch: (
            lambda y, t: torch.nn.functional.cross_entropy(
                torch.log(y + 1e-7), t, label_smoothing=0.2, reduction="sum"
            )
        ),
        ((4, 3), (4, 3)),
        within={0: (0.1, 0.9), 1: (0.0, 1.0)},
        constant=(1,),
    ),
    Pair(
        "criterion.KullbackLeibler",
        lambda: criterion.KullbackLeibler(),
        lambda torch: lambda y, t: torch.nn.functional.kl_div(torch.log(y), t, reduction="sum"),
        ((4, 3), (4, 3)),
        within={0: (0.1, 0.9), 1: (0.1, 0.9)},
        constant=(1,),
    ),
    Pair(
        "criterion.PolicyGradient",
        lambda: criterion.PolicyGradient(),
        lambda torch: lambda y, t: -(torch.log(y + 1e-7) * t).sum(),
        ((5, 4), (5, 4)),
        within={0: (0.1, 0.9)},
        constant=(1,),
    ),
    Pair(
        "criterion.KLDivergence",
        lambda: criterion.KLDivergence(),
        lambda torch: lambda y, t: torch.nn.functional.kl_div(y, t, reduction="sum"),
        ((4, 3), (4, 3)),
        within={1: (0.1, 1.0)},
        constant=(1,),
    ),
    Pair(
        "criterion.PoissonNLL, of logarithms",
        lambda: criterion.PoissonNLL(full=True),
        # In the outputs' type: of whole numbers PyTorch takes float32 logarithms.
        lambda torch: (
            lambda y, t: (
                torch.nn.functional.poisson_nll_loss(y, t.to(y.dtype), full=True, reduction="sum")
                / 3
            )
        ),
        ((4, 3), (4, 3)),
        integers={1: (0, 6)},
    ),
    Pair(
        "criterion.PoissonNLL",
        lambda: criterion.PoissonNLL(log_input=False),
        functional("poisson_nll_loss", 3, log_input=False),
        ((4, 3), (4, 3)),
        integers={1: (0, 6)},
        within={0: (0.1, 3.0)},
    ),
    Pair(
        "criterion.GaussianNLL, of variances",
        lambda: (
            lambda mean, variance, t: criterion.GaussianNLL(log_variance=False).call(
                (mean, variance), t
            )
        ),
        lambda torch: (
            lambda mean, variance, t: torch.nn.functional.gaussian_nll_loss(
                mean, t, variance, full=True, reduction="sum"
            )
        ),
        ((4, 3), (4, 3), (4, 3)),
        within={1: (0.2, 2.0)},
        constant=(2,),
    ),
    Pair(
        "criterion.GaussianNLL, of logarithms",
        lambda: lambda mean, logs, t: criterion.GaussianNLL(full=False).call((mean, logs), t),
        lambda torch: (
            lambda mean, logs, t: torch.nn.functional.gaussian_nll_loss(
                mean, t, torch.exp(logs), reduction="sum"
            )
        ),
        ((4, 3), (4, 3), (4, 3)),
        constant=(2,),
    ),
    Pair(
        "criterion.CTC",
        our_ctc,
        ctc,
        ((4, 7, 4), (4, 3)),
        integers={1: (0, 3)},
    ),
    Pair(
        "criterion.GaussianKL",
        targetless(lambda: criterion.GaussianKL()),
        lambda torch: (
            lambda mean, logs: torch.distributions.kl_divergence(
                torch.distributions.Normal(mean, torch.exp(logs / 2)),
                torch.distributions.Normal(torch.zeros_like(mean), torch.ones_like(mean)),
            ).sum()
        ),
        ((4, 3), (4, 3)),
    ),
]
