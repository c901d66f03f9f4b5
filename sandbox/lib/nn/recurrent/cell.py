"""What recurrent layers share: weights, layers above each other, directions, lengths."""

from __future__ import annotations

from typing import Any, ClassVar

from ...core import Parameter, ops
from ...core.errors import ShapeError
from ...core.validate import boolean, positive_int
from .. import init
from ..checks import check_axis, check_rank, floating
from ..module import Module


class Recurrence(Module):
    """The weights of one layer in one direction; `Recurrent` makes it and reads with it."""

    def __init__(
        self, kind: type[Recurrent], in_features: int, hidden: int, weight_init: str, rng: init.Rng
    ) -> None:
        super().__init__()
        rows = kind.gates * hidden
        self.weight_input = Parameter(
            init.draw(weight_init, (rows, in_features), rng), "weight_input", copy=False
        )
        self.weight_hidden = Parameter(
            init.draw(weight_init, (rows, hidden), rng), "weight_hidden", copy=False
        )
        self.bias = Parameter(kind.first_bias(hidden), "bias")

    @property
    def weights(self) -> tuple[Parameter, Parameter, Parameter]:
        """All of them, in the order in which the operations take them."""
        return self.weight_input, self.weight_hidden, self.bias


class Recurrent(Module):
    """What recurrent layers share: layers above each other, directions, lengths of rows."""

    gates: ClassVar[int] = 1

    def __init__(
        self,
        in_features: int,
        hidden_features: int,
        *,
        num_layers: int = 1,
        bidirectional: bool = False,
        return_sequences: bool = True,
        weight_init: str = "xavier_uniform",
        rng: init.Rng = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self.in_features = positive_int("in_features", in_features)
        self.hidden_features = positive_int("hidden_features", hidden_features)
        self.num_layers = positive_int("num_layers", num_layers)
        self.bidirectional = boolean("bidirectional", bidirectional)
        self.return_sequences = boolean("return_sequences", return_sequences)
        self.out_features = self.hidden_features * (2 if self.bidirectional else 1)
        rng = init.generator(rng)
        sizes = [self.in_features] + [self.out_features] * (self.num_layers - 1)
        self.layers = tuple(
            Recurrence(type(self), size, self.hidden_features, weight_init, rng)
            for size in sizes
            for _ in range(2 if self.bidirectional else 1)
        )

    @classmethod
    def first_bias(cls, hidden: int) -> Any:
        """Give the first bias of one layer."""
        return init.zeros((cls.gates * hidden,))

    def read(
        self, x: Any, layer: Recurrence, lengths: Any | None, reverse: bool
    ) -> tuple[Any, Any]:
        """Run one layer in one direction; gives all states and the last one."""
        raise NotImplementedError(f"{type(self).__name__} must define read.")

    def call(self, x: Any, lengths: Any | None = None) -> Any:
        """Run all layers over the time axis."""
        x = floating(x, self.layers[0].bias)
        check_rank(x, "(batch, time, in_features)", 3)
        check_axis(x, 2, self.in_features, "in_features")
        if x.shape[1] == 0:
            raise ShapeError(f"input axis 1 must be >= 1 (time); got 0 in shape {x.shape}.")
        directions = (False, True) if self.bidirectional else (False,)
        last = x
        for level in range(self.num_layers):
            parts = [
                self.read(x, self.layers[level * len(directions) + place], lengths, reverse)
                for place, reverse in enumerate(directions)
            ]
            x, last = (
                parts[0]
                if len(parts) == 1
                else (ops.concat([p[0] for p in parts], 2), ops.concat([p[1] for p in parts], 1))
            )
        return x if self.return_sequences else last

    def extra(self) -> str:
        """Give the sizes, then what differs from the defaults."""
        parts = [f"{self.in_features} -> {self.out_features}"]
        if self.num_layers != 1:
            parts.append(f"num_layers={self.num_layers}")
        if self.bidirectional:
            parts.append("bidirectional=True")
        if not self.return_sequences:
            parts.append("return_sequences=False")
        return ", ".join(parts)

    def __repr__(self) -> str:
        """Give class and sizes; the layers inside hold nothing else to tell."""
        return f"{type(self).__name__}({self.extra()})"
