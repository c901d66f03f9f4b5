"""Recurrent layers and cells.

PyTorch has two biases where ours have one: the second one is 0, except that of a GRU's output gate,
and what is compared is the gradient of the first. Its GRU has the gates r, u, o.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sandbox.lib import nn

from .pairs import Arrays, Pair

Convert = Callable[[Arrays], Arrays]


class Ours(nn.Module):
    """One of our layers, given states one by one; gives y and the last states."""

    def __init__(self, layer: Any, lengths: bool = False) -> None:
        super().__init__()
        self.layer, self.lengths = layer, lengths

    def call(self, x: Any, *rest: Any) -> Any:
        """Give it lengths and states as it takes them."""
        given = list(rest)
        lengths = given.pop(0) if self.lengths else None
        if isinstance(self.layer, nn.LSTM):
            given = list(zip(given[::2], given[1::2], strict=True))
        return self.layer(x, lengths, given or None)


def theirs(kind: str, *sizes: int, lengths: bool = False, **options: Any) -> Callable[[Any], Any]:
    """Return the maker of PyTorch's layer, with the same inputs and outputs."""

    def make(torch: Any) -> Any:
        packing = torch.nn.utils.rnn

        class Theirs(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.layer = getattr(torch.nn, kind)(*sizes, batch_first=True, **options)

            def forward(self, x: Any, *rest: Any) -> Any:
                given, time = list(rest), x.shape[1]
                if lengths:
                    x = packing.pack_padded_sequence(
                        x, given.pop(0), batch_first=True, enforce_sorted=False
                    )
                step = 2 if kind == "LSTM" else 1
                stacked = [torch.stack(given[k::step]) for k in range(step)] if given else []
                state = (tuple(stacked) if step == 2 else stacked[0]) if stacked else None
                y, last = self.layer(x, state)
                if lengths:
                    y, _ = packing.pad_packed_sequence(y, batch_first=True, total_length=time)
                lasts = last if step == 2 else (last,)
                return (y, *(part for parts in zip(*lasts, strict=True) for part in parts))

        return Theirs()

    return make


def gates_ruo(array: np.ndarray) -> np.ndarray:
    """Exchange the first two of three gates."""
    u, r, o = np.split(array, 3)
    return np.concatenate((r, u, o))


def renamed(kind: str, directions: int = 1, cell: bool = False) -> tuple[Convert, Convert]:
    """Return the ways from our names to PyTorch's, and back."""
    turn = gates_ruo if kind == "GRU" else np.asarray

    def names(name: str) -> tuple[str, str, str]:
        if cell:
            return "", name, ""
        _, _, place, part = name.split(".")
        level, backwards = divmod(int(place), directions)
        return "layer.", part, f"_l{level}" + "_reverse" * backwards

    def there(state: Arrays) -> Arrays:
        found = {}
        for name, array in state.items():
            before, part, behind = names(name)
            if part == "bias":
                size = len(array) // 4
                second = np.zeros_like(array)
                if kind == "GRU":
                    second = np.concatenate((np.zeros(2 * size), array[3 * size :]))
                    array = array[: 3 * size]
                found[f"{before}bias_ih{behind}"] = turn(array)
                found[f"{before}bias_hh{behind}"] = second
            elif part == "weight_projection":
                found[f"{before}weight_hr{behind}"] = array
            else:
                short = {"weight_input": "weight_ih", "weight_hidden": "weight_hh"}[part]
                found[f"{before}{short}{behind}"] = turn(array)
        return found

    def back(gradients: Arrays) -> Arrays:
        found = {}
        for name, array in gradients.items():
            before = "" if cell else "layer."
            short, _, behind = name.removeprefix(before).partition("_l")
            if cell:
                start = ""
            else:
                level, _, backwards = behind.partition("_")
                start = f"layer.layers.{int(level) * directions + bool(backwards)}."
            if short == "bias_ih":
                if kind == "GRU":
                    second = gradients[f"{before}bias_hh" + ("" if cell else f"_l{behind}")]
                    array = np.concatenate((gates_ruo(array), second[2 * len(second) // 3 :]))
                found[f"{start}bias"] = array
            elif short != "bias_hh":
                part = {
                    "weight_ih": "weight_input",
                    "weight_hh": "weight_hidden",
                    "weight_hr": "weight_projection",
                }[short]
                found[start + part] = array if short == "weight_hr" else turn(array)
        return found

    return there, back


def pair(
    name: str,
    kind: str,
    *,
    lengths: bool = False,
    given: bool = False,
    layers: int = 1,
    bidirectional: bool = False,
    projected: int | None = None,
    activation: str = "tanh",
) -> Pair:
    """Return a pair of layers of 3 features and 4 hidden units, 2 rows of 5 steps."""
    options: dict[str, Any] = {"num_layers": layers, "bidirectional": bidirectional}
    own = dict(options, return_state=True)
    if kind == "RNN":
        options["nonlinearity"] = own["activation"] = activation
    if projected is not None:
        options["proj_size"] = own["projected_features"] = projected
    directions = 2 if bidirectional else 1
    shapes: tuple[tuple[int, ...], ...] = ((2, 5, 3),)
    if lengths:
        shapes += ((2,),)
    if given:
        state = ((2, projected or 4), (2, 4))[: 2 if kind == "LSTM" else 1]
        shapes += state * (layers * directions)
    there, back = renamed(kind, directions)
    return Pair(
        name,
        lambda: Ours(getattr(nn, kind)(3, 4, **own), lengths),
        theirs(kind, 3, 4, lengths=lengths, **options),
        shapes,
        integers={1: (1, 6)} if lengths else {},
        convert=there,
        returned=back,
    )


def cell_pair(kind: str, ours: Callable[[], Any]) -> Pair:
    """Return a pair of cells that are given a state, and give it back."""
    there, back = renamed(kind.removesuffix("Cell"), cell=True)

    class OneStep(type(ours())):  # type: ignore[misc]
        def call(self, x: Any, *state: Any) -> Any:
            """Take the state in parts, and give it alone."""
            return super().call(x, state if len(state) > 1 else state[0])[1]

    def theirs_of(torch: Any) -> Any:
        class Theirs(getattr(torch.nn, kind)):  # type: ignore[misc]
            def forward(self, x: Any, *state: Any) -> Any:
                return super().forward(x, state if len(state) > 1 else state[0])

        return Theirs(3, 4)

    states = ((2, 4),) * (2 if kind == "LSTMCell" else 1)
    return Pair(
        f"nn.{kind}",
        lambda: OneStep(3, 4),
        theirs_of,
        ((2, 3), *states),
        convert=there,
        returned=back,
    )


PAIRS = [
    pair("nn.LSTM", "LSTM"),
    pair(
        "nn.LSTM from states, two layers, bidirectional",
        "LSTM",
        given=True,
        layers=2,
        bidirectional=True,
    ),
    pair("nn.LSTM of lengths, bidirectional", "LSTM", lengths=True, bidirectional=True),
    pair("nn.LSTM with a projection, two layers", "LSTM", given=True, layers=2, projected=2),
    pair("nn.GRU", "GRU"),
    pair(
        "nn.GRU from states, two layers, bidirectional",
        "GRU",
        given=True,
        layers=2,
        bidirectional=True,
    ),
    pair("nn.GRU of lengths from a state", "GRU", lengths=True, given=True),
    pair("nn.RNN", "RNN"),
    pair(
        "nn.RNN with relu, of lengths, bidirectional",
        "RNN",
        lengths=True,
        given=True,
        bidirectional=True,
        activation="relu",
    ),
    cell_pair("LSTMCell", lambda: nn.LSTMCell(3, 4)),
    cell_pair("GRUCell", lambda: nn.GRUCell(3, 4)),
    cell_pair("RNNCell", lambda: nn.RNNCell(3, 4)),
]
