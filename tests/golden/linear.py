"""Linear layers, embeddings, factors and shifts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sandbox.lib import nn

from .pairs import Pair


def held(function: Callable[..., Any], **shapes: tuple[int, ...]) -> Callable[[Any], Any]:
    """Make PyTorch's module of parameters and `function(torch, module, *inputs)`."""

    def make(torch: Any) -> Any:
        class Held(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                for name, shape in shapes.items():
                    self.register_parameter(name, torch.nn.Parameter(torch.zeros(shape)))

            def forward(self, *inputs: Any) -> Any:
                return function(torch, self, *inputs)

        return Held()

    return make


def bag(torch: Any, module: Any, ids: Any, mode: str, values: Any = None) -> Any:
    """Compute PyTorch's bag, where -1 is a padding row behind the others."""
    rows = module.weight.shape[0]
    table = torch.cat([module.weight, torch.zeros(1, module.weight.shape[1])])
    return torch.nn.functional.embedding_bag(
        torch.where(ids < 0, rows, ids),
        table,
        mode=mode,
        per_sample_weights=values,
        padding_idx=rows,
    )


def shortened(torch: Any, vectors: Any, limit: float) -> Any:
    """Return vectors no longer than a limit."""
    norms = vectors.norm(dim=-1, keepdim=True)
    return vectors * torch.clamp(limit / norms, max=1.0)


def highway(torch: Any, module: Any, x: Any) -> Any:
    """Mix the input with a layer of tanh."""
    t = torch.sigmoid(x @ module.gate_weight.T + module.gate_bias)
    return t * torch.tanh(x @ module.hidden_weight.T + module.hidden_bias) + (1 - t) * x


def underscored(state: dict[str, Any]) -> dict[str, Any]:
    return {name.replace(".", "_"): array for name, array in state.items()}


def dotted(state: dict[str, Any]) -> dict[str, Any]:
    return {name.replace("_", "."): array for name, array in state.items()}


PAIRS = [
    Pair(
        "nn.Linear",
        lambda: nn.Linear(5, 3),
        lambda torch: torch.nn.Linear(5, 3),
        ((4, 5),),
    ),
    Pair(
        "nn.Linear without bias",
        lambda: nn.Linear(5, 3, bias=False),
        lambda torch: torch.nn.Linear(5, 3, bias=False),
        ((4, 5),),
    ),
    Pair(
        "nn.Linear of three axes",
        lambda: nn.Linear(5, 3),
        lambda torch: torch.nn.Linear(5, 3),
        ((2, 3, 5),),
    ),
    Pair(
        "nn.Bilinear",
        lambda: nn.Bilinear(3, 4, 2),
        lambda torch: torch.nn.Bilinear(3, 4, 2),
        ((5, 3), (5, 4)),
    ),
    Pair(
        "nn.Maxout",
        lambda: nn.Maxout(5, 3, 2),
        held(
            lambda torch, m, x: (x @ m.weight.T + m.bias).reshape(-1, 2, 3).max(1).values,
            weight=(6, 5),
            bias=(6,),
        ),
        ((4, 5),),
    ),
    Pair(
        "nn.Highway",
        lambda: nn.Highway(3, activation=nn.Tanh()),
        held(highway, hidden_weight=(3, 3), hidden_bias=(3,), gate_weight=(3, 3), gate_bias=(3,)),
        ((4, 3),),
        convert=underscored,
        returned=dotted,
    ),
    Pair(
        "nn.Cosine",
        lambda: nn.Cosine(5, 3),
        held(
            lambda torch, m, x: torch.nn.functional.cosine_similarity(
                x[:, None], m.weight[None], dim=-1
            ),
            weight=(3, 5),
        ),
        ((4, 5),),
    ),
    Pair(
        "nn.Euclidean",
        lambda: nn.Euclidean(5, 3),
        held(lambda torch, m, x: torch.cdist(x, m.weight), weight=(3, 5)),
        ((4, 5),),
    ),
    Pair(
        "nn.Embedding",
        lambda: nn.Embedding(7, 3),
        lambda torch: torch.nn.Embedding(7, 3),
        ((2, 4),),
        integers={0: (0, 7)},
    ),
    Pair(
        "nn.Embedding, shortened",
        lambda: nn.Embedding(7, 3, max_norm=0.8),
        held(lambda torch, m, ids: shortened(torch, m.weight[ids], 0.8), weight=(7, 3)),
        ((2, 4),),
        integers={0: (0, 7)},
    ),
    Pair(
        "nn.EmbeddingBag",
        lambda: nn.EmbeddingBag(7, 3),
        lambda torch: torch.nn.EmbeddingBag(7, 3, mode="sum"),
        ((4, 5),),
        integers={0: (0, 7)},
    ),
    Pair(
        "nn.EmbeddingBag, weighted",
        lambda: nn.EmbeddingBag(7, 3),
        held(lambda torch, m, ids, values: bag(torch, m, ids, "sum", values), weight=(7, 3)),
        ((4, 5), (4, 5)),
        integers={0: (-1, 7)},
    ),
    Pair(
        "nn.EmbeddingBag, mean",
        lambda: nn.EmbeddingBag(7, 3, mode="mean"),
        held(lambda torch, m, ids: bag(torch, m, ids, "mean"), weight=(7, 3)),
        ((4, 5),),
        integers={0: (-1, 7)},
    ),
    Pair(
        "nn.EmbeddingBag, max",
        lambda: nn.EmbeddingBag(7, 3, mode="max"),
        held(lambda torch, m, ids: bag(torch, m, ids, "max"), weight=(7, 3)),
        ((4, 5),),
        integers={0: (-1, 7)},
    ),
    Pair(
        "nn.SparseLinear",
        lambda: nn.SparseLinear(7, 3),
        held(
            lambda torch, m, ids, values: bag(torch, m, ids, "sum", values) + m.bias,
            weight=(7, 3),
            bias=(3,),
        ),
        ((4, 5), (4, 5)),
        integers={0: (-1, 7)},
    ),
    Pair(
        "nn.Scale",
        lambda: nn.Scale((3, 1)),
        held(lambda torch, m, x: x * m.weight + m.bias, weight=(3, 1), bias=(3, 1)),
        ((4, 3, 2),),
    ),
    Pair(
        "nn.AddConstant",
        lambda: nn.AddConstant(0.5),
        lambda torch: lambda x: x + 0.5,
        ((2, 3),),
    ),
    Pair(
        "nn.MultiplyConstant",
        lambda: nn.MultiplyConstant(0.5),
        lambda torch: lambda x: x * 0.5,
        ((2, 3),),
    ),
]
