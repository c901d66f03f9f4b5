"""What LSTM, GRU and RNN share: cells above each other and in both directions."""

from __future__ import annotations

from typing import Any

from ...core import ops
from ...core.errors import ArgumentError
from ...core.validate import boolean, in_range, positive_int
from .. import init
from ..checks import check_axis, check_rank, floating
from ..module import Module
from .cell import check_time, read
from .cells import GatedCell


class RecurrentStack(Module):
    """What these layers share: cells above each other, directions, lengths of rows, states."""

    def __init__(
        self,
        cell: type[GatedCell],
        in_features: int,
        hidden_features: int,
        *,
        num_layers: int,
        bidirectional: bool,
        return_sequences: bool,
        return_state: bool,
        dropout: float,
        rng: init.Rng,
        name: str | None,
        **options: Any,
    ) -> None:
        super().__init__(name=name)
        self.in_features = positive_int("in_features", in_features)
        self.hidden_features = positive_int("hidden_features", hidden_features)
        self.num_layers = positive_int("num_layers", num_layers)
        self.bidirectional = boolean("bidirectional", bidirectional)
        self.return_sequences = boolean("return_sequences", return_sequences)
        self.return_state = boolean("return_state", return_state)
        self.dropout = in_range("dropout", dropout, 0.0, 1.0, closed="left")
        rng = init.generator(rng)
        directions, cells, features = (2 if self.bidirectional else 1), [], self.in_features
        for _ in range(self.num_layers):
            for _ in range(directions):
                cells.append(cell(features, self.hidden_features, rng=rng, **options))
            features = cells[-1].out_features * directions
        self.out_features = features
        self.layers = tuple(cells)

    def call(self, x: Any, lengths: Any = None, state: Any = None) -> Any:
        """Run all layers over the time axis."""
        x = floating(x, self.layers[0].bias)
        check_rank(x, "(batch, time, in_features)", 3)
        check_axis(x, 2, self.in_features, "in_features")
        check_time(x)
        states = [None] * len(self.layers) if state is None else self._checked(state)
        directions = (False, True) if self.bidirectional else (False,)
        lasts: list[Any] = []
        for level in range(self.num_layers):
            if level and self.dropout and self.training:
                x = ops.dropout(x, p=self.dropout)
            ys = []
            for reverse in directions:
                place = len(lasts)
                cell, first = self.layers[place], states[place]
                y, last = read(cell, f"layers.{place}", x, lengths, first, reverse=reverse)
                ys.append(y)
                lasts.append(last)
            x = ys[0] if len(ys) == 1 else ops.concat(ys, 2)
        y = x
        if not self.return_sequences:
            ends = [self._end(last) for last in lasts[-len(directions) :]]
            y = ends[0] if len(ends) == 1 else ops.concat(ends, 1)
        return (y, tuple(lasts)) if self.return_state else y

    def _checked(self, state: Any) -> Any:
        if not isinstance(state, (tuple, list)) or len(state) != len(self.layers):
            count = f"{len(state)}" if isinstance(state, (tuple, list)) else type(state).__name__
            raise ArgumentError(
                f"`state` must be a tuple of {len(self.layers)}, the state of each layer and "
                f"direction; got {count}."
            )
        return state

    @staticmethod
    def _end(state: Any) -> Any:
        """Give h of a last state."""
        return state[0] if isinstance(state, tuple) else state

    def extra(self) -> str:
        """Give the sizes, then what differs from the defaults."""
        parts = [f"{self.in_features} -> {self.out_features}"]
        if self.num_layers != 1:
            parts.append(f"num_layers={self.num_layers}")
        if self.bidirectional:
            parts.append("bidirectional=True")
        if not self.return_sequences:
            parts.append("return_sequences=False")
        if self.return_state:
            parts.append("return_state=True")
        if self.dropout:
            parts.append(f"dropout={self.dropout:g}")
        return ", ".join(parts)

    def __repr__(self) -> str:
        """Give class and sizes; the cells inside hold nothing else to tell."""
        return f"{type(self).__name__}({self.extra()})"
