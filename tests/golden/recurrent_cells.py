"""Cells over time, convolutional and tree LSTMs: PyTorch's own where it has them, else formulas.

The formulas are written with PyTorch's functions, step by step: its gradients are the oracle.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sandbox.lib import nn

from .pairs import Arrays, Pair

TREES = np.array(
    [
        [[-1, -1, 2], [-1, -1, 0], [0, 1, -1], [-1, -1, 1], [2, 3, -1]],
        [[-1, -1, 1], [-1, -1, 1], [1, 0, 2], [-1, 2, 0], [3, 0, -1]],
    ]
)
PARENTS = np.array([[3, 3, 3, 5, 5, -1], [1, 2, 4, 4, 5, -1]])


def holding(torch: Any, names: tuple[str, ...], forward: Callable[..., Any]) -> Any:
    """Return a module with parameters of these names and shapes, `forward(held, *inputs)`."""

    class Held(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            for name in names:
                name, *sizes = name.split()
                shape = [int(size) for size in sizes]
                setattr(self, name, torch.nn.Parameter(torch.zeros(shape)))

        def forward(self, *inputs: Any) -> Any:
            return forward(self, *inputs)

    return Held()


def below(prefix: str) -> tuple[Callable[[Arrays], Arrays], Callable[[Arrays], Arrays]]:
    """Return the ways to names without this beginning, and back."""
    return (
        lambda state: {name.removeprefix(prefix): array for name, array in state.items()},
        lambda state: {prefix + name: array for name, array in state.items()},
    )


def layers_of(
    places: dict[str, str],
) -> tuple[Callable[[Arrays], Arrays], Callable[[Arrays], Arrays]]:
    """Return the ways from cells of ours, by name, to the ends of names of PyTorch's, and back."""
    short = {"weight_input": "weight_ih", "weight_hidden": "weight_hh", "bias": "bias_ih"}

    def there(state: Arrays) -> Arrays:
        found = {}
        for name, array in state.items():
            cell, _, part = name.rpartition(".")
            found[f"{short[part]}_{places[cell]}"] = array
            if part == "bias":
                found[f"bias_hh_{places[cell]}"] = np.zeros_like(array)
        return found

    def back(gradients: Arrays) -> Arrays:
        return {
            f"{cell}.{part}": gradients[f"{name}_{end}"]
            for cell, end in places.items()
            for part, name in short.items()
        }

    return there, back


def lstm(torch: Any, *sizes: int, **options: Any) -> Any:
    """Return PyTorch's layer, which gives its steps alone."""

    class Steps(torch.nn.LSTM):
        def forward(self, x: Any) -> Any:
            return super().forward(x)[0]

    return Steps(*sizes, batch_first=True, **options)


def conv_lstm(torch: Any, spatial: int, kernel: int) -> Any:
    """Return an LSTM of 3 channels over a series of images or volumes of 2, with peepholes."""
    sizes = " ".join([str(kernel)] * spatial)
    convolve = (torch.nn.functional.conv2d, torch.nn.functional.conv3d)[spatial - 2]

    def forward(held: Any, x: Any) -> Any:
        h = c = torch.zeros(len(x), 3, *x.shape[3:], dtype=x.dtype)
        pi, pf, po = held.weight_peephole.reshape(3, 3, *[1] * spatial)
        ys = []
        for t in range(x.shape[1]):
            z = convolve(x[:, t], held.weight_input, held.bias, padding=kernel // 2)
            z = z + convolve(h, held.weight_hidden, padding=kernel // 2)
            i, f, g, o = z.chunk(4, 1)
            c = torch.sigmoid(f + pf * c) * c + torch.sigmoid(i + pi * c) * torch.tanh(g)
            h = torch.sigmoid(o + po * c) * torch.tanh(c)
            ys.append(h)
        return torch.stack(ys, 1)

    names = (f"weight_input 12 2 {sizes}", f"weight_hidden 12 3 {sizes}", "bias 12")
    return holding(torch, (*names, "weight_peephole 9"), forward)


def binary_trees(torch: Any) -> Any:
    """Return the formula of Tai et al. 2015, section 3.2, for `TREES`."""

    def forward(held: Any, x: Any) -> Any:
        rows = []
        for row, tree in zip(x, TREES, strict=True):
            states = []
            for left, right, word in tree:
                none = torch.zeros(2, dtype=x.dtype), torch.zeros(2, dtype=x.dtype)
                (hl, cl), (hr, cr) = (states[k] if k >= 0 else none for k in (left, right))
                z = held.weight_hidden @ torch.cat([hl, hr]) + held.bias
                if word >= 0:
                    z = z + held.weight_input @ row[word]
                i, fl, fr, o, g = z.chunk(5)
                c = torch.sigmoid(i) * torch.tanh(g)
                c = c + torch.sigmoid(fl) * cl + torch.sigmoid(fr) * cr
                states.append((torch.sigmoid(o) * torch.tanh(c), c))
            rows.append(torch.stack([h for h, _ in states]))
        return torch.stack(rows)

    return holding(torch, ("weight_input 10 3", "weight_hidden 10 4", "bias 10"), forward)


def trees_of_sums(torch: Any) -> Any:
    """Return the formula of Tai et al. 2015, section 3.1, for `PARENTS`."""

    def forward(held: Any, x: Any) -> Any:
        rows = []
        for row, parents in zip(x, PARENTS, strict=True):
            states: list[Any] = []
            for node in range(len(parents)):
                under = [states[k] for k in range(node) if parents[k] == node]
                total = sum([h for h, _ in under], torch.zeros(2, dtype=x.dtype))
                z = held.weight_input @ row[node] + held.bias
                i, _, o, g = (z + held.weight_hidden @ total).chunk(4)
                c = torch.sigmoid(i) * torch.tanh(g)
                for h, cell in under:
                    c = c + torch.sigmoid(z[2:4] + held.weight_hidden[2:4] @ h) * cell
                states.append((torch.sigmoid(o) * torch.tanh(c), c))
            rows.append(torch.stack([h for h, _ in states]))
        return torch.stack(rows)

    return holding(torch, ("weight_input 8 3", "weight_hidden 8 2", "bias 8"), forward)


def decoder(torch: Any) -> Any:
    """Return PyTorch's cell, fed with what it gave."""

    class Fed(torch.nn.RNNCell):
        def forward(self, x: Any) -> Any:
            ys, state = [], None
            for _ in range(4):
                x = state = super().forward(x, state)
                ys.append(x)
            return torch.stack(ys, 1)

    return Fed(3, 3)


class OfTrees(nn.Module):
    """A tree LSTM on fixed trees."""

    def __init__(self, layer: Any, trees: np.ndarray) -> None:
        super().__init__()
        self.layer, self.trees = layer, trees

    def call(self, x: Any) -> Any:
        """Read the trees."""
        return self.layer(x, self.trees)


def with_names(ways: tuple[Any, Any]) -> dict[str, Any]:
    """Return the two ways as arguments of a pair."""
    return {"convert": ways[0], "returned": ways[1]}


SERIES = ((2, 5, 3),)
PAIRS = [
    Pair(
        "nn.Recurrent, an LSTMCell",
        lambda: nn.Recurrent(nn.LSTMCell(3, 4)),
        lambda torch: lstm(torch, 3, 4),
        SERIES,
        **with_names(layers_of({"cell": "l0"})),
    ),
    Pair(
        "nn.StackedCells",
        lambda: nn.Recurrent(nn.StackedCells([nn.LSTMCell(3, 4), nn.LSTMCell(4, 4)])),
        lambda torch: lstm(torch, 3, 4, num_layers=2),
        SERIES,
        **with_names(layers_of({"cell.cells.0": "l0", "cell.cells.1": "l1"})),
    ),
    Pair(
        "nn.BiRecurrent",
        lambda: nn.BiRecurrent(nn.LSTMCell(3, 4), nn.LSTMCell(3, 4)),
        lambda torch: lstm(torch, 3, 4, bidirectional=True),
        SERIES,
        **with_names(layers_of({"forward_cell": "l0", "backward_cell": "l0_reverse"})),
    ),
    Pair(
        "nn.RecurrentDecoder",
        lambda: nn.RecurrentDecoder(nn.RNNCell(3, 3), 4),
        decoder,
        ((2, 3),),
        convert=lambda state: {
            "weight_ih": state["cell.weight_input"],
            "weight_hh": state["cell.weight_hidden"],
            "bias_ih": state["cell.bias"],
            "bias_hh": np.zeros(3),
        },
        returned=lambda gradients: {
            "cell.weight_input": gradients["weight_ih"],
            "cell.weight_hidden": gradients["weight_hh"],
            "cell.bias": gradients["bias_ih"],
        },
    ),
    Pair(
        "nn.ConvLSTMCell2d in nn.Recurrent",
        lambda: nn.Recurrent(nn.ConvLSTMCell2d(2, 3, 3, peephole=True)),
        lambda torch: conv_lstm(torch, 2, 3),
        ((2, 4, 2, 3, 4),),
        **with_names(below("cell.")),
    ),
    Pair(
        "nn.ConvLSTMCell3d in nn.Recurrent",
        lambda: nn.Recurrent(nn.ConvLSTMCell3d(2, 3, 3, peephole=True)),
        lambda torch: conv_lstm(torch, 3, 3),
        ((2, 3, 2, 2, 3, 2),),
        **with_names(below("cell.")),
    ),
    Pair(
        "nn.BinaryTreeLSTM",
        lambda: OfTrees(nn.BinaryTreeLSTM(3, 2), TREES),
        binary_trees,
        ((2, 3, 3),),
        **with_names(below("layer.")),
    ),
    Pair(
        "nn.ChildSumTreeLSTM",
        lambda: OfTrees(nn.ChildSumTreeLSTM(3, 2), PARENTS),
        trees_of_sums,
        ((2, 6, 3),),
        **with_names(below("layer.")),
    ),
    Pair(
        "nn.TimeDistributed",
        lambda: nn.TimeDistributed(nn.Linear(3, 4)),
        lambda torch: torch.nn.Linear(3, 4),
        SERIES,
        **with_names(below("module.")),
    ),
    Pair(
        "nn.GlobalMaxOverTime",
        lambda: nn.GlobalMaxOverTime(),
        lambda torch: lambda x: x.amax(1),
        SERIES,
    ),
    Pair(
        "nn.GlobalMeanOverTime",
        lambda: nn.GlobalMeanOverTime(),
        lambda torch: lambda x: x.mean(1),
        SERIES,
    ),
    Pair(
        "nn.TiedLinear",
        lambda: nn.TiedLinear(nn.Embedding(5, 3)),
        lambda torch: torch.nn.Linear(3, 5),
        SERIES,
        convert=lambda state: {name.removeprefix("embedding."): x for name, x in state.items()},
        returned=lambda found: {"embedding.weight": found["weight"], "bias": found["bias"]},
    ),
]
