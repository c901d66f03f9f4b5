"""Modules of several values, and containers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from sandbox.lib import nn

from .pairs import Pair

TWO = ((3, 4), (3, 4))


def plain(function: Callable[..., Any]) -> Callable[[Any], Any]:
    """Make PyTorch's side of `function(torch, *inputs)`."""
    return lambda torch: lambda *inputs: function(torch, *inputs)


def of_modules(
    function: Callable[..., Any], **modules: Callable[[Any], Any]
) -> Callable[[Any], Any]:
    """Make PyTorch's module of modules and `function(torch, modules, *inputs)`."""

    def make(torch: Any) -> Any:
        class Whole(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                for name, module in modules.items():
                    self.add_module(name, module(torch))

            def forward(self, *inputs: Any) -> Any:
                return function(torch, [self.get_submodule(name) for name in modules], *inputs)

        return Whole()

    return make


def linear(sizes: tuple[int, int]) -> Callable[[Any], Any]:
    return lambda torch: torch.nn.Linear(*sizes)


def graph() -> nn.Graph:
    x, fc = nn.Input(), nn.Linear(3, 3, name="fc")
    return nn.Graph(x, nn.Add()(fc(nn.Tanh()(fc(x))), x))


def interactions(torch: Any, *inputs: Any) -> Any:
    pairs = [(i, j) for i in range(len(inputs)) for j in range(i + 1, len(inputs))]
    return torch.stack([(inputs[i] * inputs[j]).sum(1) for i, j in pairs], 1)


def distance(p: float) -> Pair:
    return Pair(
        f"nn.PairwiseDistance, p={p:g}",
        lambda: nn.PairwiseDistance(p),
        lambda torch: torch.nn.PairwiseDistance(p, eps=0.0, keepdim=True),
        TWO,
    )


PAIRS = [
    Pair("nn.Add", lambda: nn.Add(), plain(lambda torch, a, b: a + b), ((3, 4), (3, 1))),
    Pair("nn.Subtract", lambda: nn.Subtract(), plain(lambda torch, a, b: a - b), TWO),
    Pair("nn.Multiply", lambda: nn.Multiply(), plain(lambda torch, a, b: a * b), TWO),
    Pair(
        "nn.Divide",
        lambda: nn.Divide(),
        plain(lambda torch, a, b: a / b),
        TWO,
        within={1: (0.5, 2.0)},
    ),
    Pair("nn.Maximum", lambda: nn.Maximum(), plain(lambda torch, a, b: torch.maximum(a, b)), TWO),
    Pair("nn.Minimum", lambda: nn.Minimum(), plain(lambda torch, a, b: torch.minimum(a, b)), TWO),
    Pair(
        "nn.Average",
        lambda: nn.Average(),
        plain(lambda torch, *xs: torch.stack(xs).mean(0)),
        ((3, 4), (3, 4), (3, 4)),
    ),
    Pair(
        "nn.Concat",
        lambda: nn.Concat(),
        plain(lambda torch, a, b: torch.cat([a, b], 1)),
        ((3, 4, 2), (3, 1, 2)),
    ),
    Pair("nn.Stack", lambda: nn.Stack(), plain(lambda torch, a, b: torch.stack([a, b], 1)), TWO),
    Pair(
        "nn.Unstack", lambda: nn.Unstack(), plain(lambda torch, x: torch.unbind(x, 1)), ((2, 3, 4),)
    ),
    Pair(
        "nn.Split",
        lambda: nn.Split((1, 3), -1),
        plain(lambda torch, x: torch.split(x, [1, 3], -1)),
        ((2, 3, 4),),
    ),
    Pair(
        "nn.MatMul",
        lambda: nn.MatMul(),
        plain(lambda torch, a, b: torch.bmm(a, b)),
        ((2, 3, 4), (2, 4, 5)),
    ),
    Pair(
        "nn.MatMul of vectors",
        lambda: nn.MatMul(transpose_a=True),
        plain(lambda torch, a, b: torch.einsum("nkm,nk->nm", a, b)),
        ((2, 4, 3), (2, 4)),
    ),
    Pair(
        "nn.MatMul of three",
        lambda: nn.MatMul(transpose_b=True, alpha=0.5, beta=2.0),
        plain(lambda torch, a, b, c: torch.baddbmm(c, a, b.mT, alpha=0.5, beta=2.0)),
        ((2, 3, 4), (2, 5, 4), (2, 3, 5)),
    ),
    Pair("nn.Dot", lambda: nn.Dot(), plain(lambda torch, a, b: (a * b).sum(1, keepdim=True)), TWO),
    Pair(
        "nn.Dot, normalize",
        lambda: nn.Dot(normalize=True),
        plain(lambda torch, a, b: torch.nn.CosineSimilarity()(a, b)[:, None]),
        TWO,
    ),
    distance(1),
    distance(2),
    distance(3.5),
    distance(math.inf),
    Pair(
        "nn.DotInteraction",
        lambda: nn.DotInteraction(),
        plain(interactions),
        ((3, 4), (3, 4), (3, 4)),
    ),
    Pair(
        "nn.Mixture",
        lambda: nn.Mixture(),
        plain(lambda torch, gates, experts: torch.einsum("nk,nkf->nf", gates, experts)),
        ((3, 2), (3, 2, 4)),
    ),
    Pair(
        "nn.Branches",
        lambda: nn.Branches(a=nn.Linear(3, 2), b=nn.Linear(3, 4), merge=nn.Concat()),
        of_modules(
            lambda torch, m, x: torch.cat([m[0](x), m[1](x)], 1), a=linear((3, 2)), b=linear((3, 4))
        ),
        ((5, 3),),
    ),
    Pair(
        "nn.Parallel",
        lambda: nn.Parallel(a=nn.Linear(3, 2), b=nn.Linear(4, 2)),
        of_modules(lambda torch, m, x, y: (m[0](x), m[1](y)), a=linear((3, 2)), b=linear((4, 2))),
        ((5, 3), (5, 4)),
    ),
    Pair(
        "nn.Map",
        lambda: nn.Map(nn.Linear(3, 2)),
        of_modules(lambda torch, m, x, y: (m[0](x), m[0](y)), module=linear((3, 2))),
        ((5, 3), (5, 3)),
    ),
    Pair(
        "nn.Bottle",
        lambda: nn.Bottle(nn.Linear(3, 2)),
        of_modules(lambda torch, m, x: m[0](x), module=linear((3, 2))),
        ((2, 4, 5, 3),),
    ),
    Pair(
        "nn.Sequential",
        lambda: nn.Sequential(fc=nn.Linear(3, 4), tanh=nn.Tanh(), out=nn.Linear(4, 2)),
        of_modules(
            lambda torch, m, x: m[1](torch.tanh(m[0](x))), fc=linear((3, 4)), out=linear((4, 2))
        ),
        ((5, 3),),
    ),
    Pair(
        "nn.Graph, a module used twice",
        lambda: graph(),
        of_modules(lambda torch, m, x: m[0](torch.tanh(m[0](x))) + x, fc=linear((3, 3))),
        ((5, 3),),
    ),
    Pair(
        "nn.StopGradient",
        lambda: nn.Branches(nn.Sequential(), nn.StopGradient(), merge=nn.Multiply()),
        plain(lambda torch, x: x * x.detach()),
        ((3, 4),),
    ),
    Pair("nn.Item", lambda: nn.Item(1), plain(lambda torch, a, b: b + 0 * a), TWO),
    Pair(
        "nn.Items", lambda: nn.Items(1), plain(lambda torch, a, b, c: (b + 0 * a, c)), (*TWO, (2,))
    ),
    Pair("nn.Leaves", lambda: nn.Leaves(), plain(lambda torch, a, b: (a, b)), TWO),
    Pair(
        "nn.Expand",
        lambda: nn.Expand((-1, 4)),
        plain(lambda torch, x: x.expand(-1, -1, 4)),
        ((2, 3, 1),),
    ),
]
