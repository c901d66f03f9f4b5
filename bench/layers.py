"""Every layer that PyTorch has, too: forward alone, and forward and backward, same threads.

Backward means: from a given gradient of the output to those of the parameters and of the input.
Ours are programs, theirs are eager modules, in float32, in processes of their own. The layers stand
in `_layer_table.py`.
"""

from __future__ import annotations

import statistics
from contextlib import ExitStack

import numpy as np

from sandbox.lib import core, criterion, engine, nn
from sandbox.lib.core import tree
from sandbox.lib.core.function import as_value

from . import _layer_table, harness

NEEDS_TORCH = True
LEAST, MEDIAN = 0.8, 1.2
SECONDS = 0.03  # of a turn


def draw(layer):
    """Draw the inputs of a layer."""
    rng = np.random.default_rng(0)
    return [
        rng.integers(0, layer.below, shape) if layer.below else rng.standard_normal(shape, "f4")
        for shape in layer.shapes
    ]


class Held(nn.Module):
    """A layer and its inputs as parameters, so that these get gradients."""

    def __init__(self, layer, arrays):
        super().__init__()
        self.layer = layer
        self.inputs = [core.Parameter(x, "input") if x.dtype.kind == "f" else None for x in arrays]

    def call(self, *given):
        """Apply the layer to what is held, and to the ids which are given."""
        rest = iter(given)
        return self.layer(*[next(rest) if x is None else as_value(x) for x in self.inputs])


start = core.operation(
    "bench.start",
    infer=lambda y, dy: (engine.Spec(()),),
    reference=lambda y, dy: np.zeros((), "f4"),
    gradient=lambda entry, loss: (entry.inputs[1], None),
)


class Start(criterion.Criterion):
    """No loss at all: the gradient of the output is what is given as the target."""

    def call(self, output, target):
        """Give 0."""
        return start(tree.leaves(output)[0], target)


class Ours:
    """Our side: programs of one thread count."""

    def __init__(self, threads):
        self.threads = threads
        self.settings = ExitStack()  # they hold as long as the side
        self.settings.enter_context(engine.threads.limit(threads))

    def choose(self, name, trains):
        """Make the step of a layer; give the shape of its output."""
        layer = next(layer for layer in _layer_table.LAYERS if layer.name == name)
        arrays, module = draw(layer), layer.ours(nn)
        specs = tuple(map(engine.Spec.of, arrays))
        program = core.predict_program(module, module, specs, threads=self.threads)
        output = np.array(program.run(tuple(arrays)))
        if not trains:
            self.step = lambda: program.run(tuple(arrays))
            return output.shape
        held, weights = Held(module, arrays), np.random.default_rng(1).standard_normal(output.shape)
        given = tuple(x for x in arrays if x.dtype.kind != "f")
        flat, key = core.FlatParameters(held), engine.random.RandomKey(0, 0, 0)
        weights = weights.astype("f4")
        training = core.ProgramCache().train(
            held, Start(), flat, given, weights, threads=self.threads
        )
        if training.reason is not None:
            raise harness.RefusedError(f"{name}: ours was not compiled: {training.reason}")
        # The program itself: its output, made of parameters here, is not to be copied.
        leaves, executable = training.check(given, weights), training.executable
        self.step = lambda: executable.run_checked(leaves, random=key)
        return output.shape


class Theirs:
    """PyTorch's side."""

    def __init__(self, threads):
        import torch

        torch.set_num_threads(threads)
        torch.set_flush_denormal(True)
        self.torch = torch

    def choose(self, name, trains):
        """Make the step of a layer; give the shape of its output."""
        torch = self.torch
        layer = next(layer for layer in _layer_table.LAYERS if layer.name == name)
        module = layer.theirs(torch.nn)
        given = [torch.from_numpy(x).requires_grad_(x.dtype.kind == "f") for x in draw(layer)]

        def forward():
            output = module(*given)
            return output[0] if isinstance(output, tuple) else output

        with torch.inference_mode():
            shape = tuple(forward().shape)
        if not trains:
            self.step = torch.inference_mode()(forward)
            return shape
        weights = torch.randn(shape)
        taught = [p for p in (*given, *getattr(module, "parameters", list)()) if p.requires_grad]

        def step():
            for tensor in taught:
                tensor.grad = None
            forward().backward(weights)

        self.step = step
        return shape


def main(arguments, report):
    """Compare layer by layer."""
    parser = harness.options("layers", __doc__, rounds=5)
    parser.add_argument("--only", default="", help="layers whose name holds this")
    parser.add_argument("--threads", type=int, default=1)
    harness.add_clock(parser)
    asked = parser.parse_args(arguments)
    ratios, unlike = [], []
    with harness.Apart(Ours, asked.threads) as ours, harness.Apart(Theirs, asked.threads) as theirs:
        for layer in _layer_table.LAYERS:
            if asked.only.lower() not in layer.name.lower():
                continue
            for trains in (True,) if layer.noise else (False, True):
                shapes = [side.call("choose", layer.name, trains) for side in (ours, theirs)]
                if shapes[0] != shapes[1]:
                    unlike.append(f"{layer.name}: ours {shapes[0]}, theirs {shapes[1]}")
                times = harness.alternate(
                    *(ours, theirs), rounds=asked.rounds, seconds=SECONDS, clock=asked.clock
                )
                what = f"{layer.name}, {'forward and backward' if trains else 'forward'}"
                ratios.append(report.versus(what, *times, bar=LEAST))
    if unlike:
        raise harness.RefusedError("the outputs differ in shape: " + "; ".join(unlike))
    report.value(f"median of {len(ratios)}", statistics.median(ratios), "x", at_least=MEDIAN)
    return report.close()
