"""How long layers and whole models take, in bytes and in float32, in turns."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from .. import nn
from ..core import predict_program, tree
from ..core.program import PredictProgram
from ..engine.oplist import Spec
from .model import QuantizedModel

TURNS = 7


class Times:
    """Seconds a batch takes: by path of the layers, and as a whole.

    Parameters
    ----------
    layers, layers_f32 : dict of path -> seconds
        Of the quantized model and of the given one.
    whole, whole_f32 : float
        The least of several turns.
    """

    def __init__(
        self,
        layers: dict[str, float],
        layers_f32: dict[str, float],
        whole: float,
        whole_f32: float,
    ) -> None:
        self._layers = layers
        self._layers_f32 = layers_f32
        self.whole = whole
        self.whole_f32 = whole_f32

    @property
    def share(self) -> float:
        """The quantized model's time relative to the other's."""
        return self.whole / self.whole_f32

    def layer(self, path: str) -> float:
        """Return the time of a layer in the quantized model, with what turns its values."""
        return sum(self._layers.get(name, 0.0) for name in (path, f"{path}_pad"))

    def layer_f32(self, path: str, parts: Sequence[str]) -> float:
        """Return the time of a layer in the given model, with all it stands for."""
        return sum(self._layers_f32.get(part, 0.0) for part in dict.fromkeys((path, *parts)))


def compare(model: nn.Module, made: QuantizedModel, batch: tree.Tree, threads: int) -> Times:
    """Time both models on a batch."""
    specs = tree.map(Spec.of, batch)
    programs = [predict_program(m, m, specs, threads=threads) for m in (made, model)]
    by_path = []
    for program in programs:
        found: dict[str, float] = {}
        if isinstance(program, PredictProgram):  # SANDBOX_EAGER=1 makes none
            for step in program.executable.profile(program.check(batch), TURNS):
                found[step.path] = found.get(step.path, 0.0) + (step.seconds or 0.0)
        by_path.append(found)
    best = [np.inf, np.inf]
    for turn in range(1 + TURNS):
        for place, program in enumerate(programs):
            start = time.perf_counter()
            program.run(batch)
            if turn:
                best[place] = min(best[place], time.perf_counter() - start)
    return Times(by_path[0], by_path[1], best[0], best[1])
