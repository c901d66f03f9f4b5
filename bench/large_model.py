"""Peak memory of making, saving and loading a model of 100 million parameters, as a multiple of it.

Each is done by a process of its own: the peak of its resident memory, less what it held before the
model was there, over the bytes of the model. The bar: at most 1.3 times, for many layers and for a
single one. The peak is the kernel's own count (VmHWM, which unlike ru_maxrss does not begin with
the parent's), so this runs on Linux only.
"""

from __future__ import annotations

import multiprocessing
import tempfile
from pathlib import Path

from sandbox.lib import nn
from sandbox.lib.train import load_model, save_model

from . import harness

BAR = 1.3
DOINGS = ("make", "save", "load")


def stack(numbers, layers):
    """Make linear layers, one after the other, of about so many weights together."""
    width = round((numbers / layers) ** 0.5)
    return nn.Sequential(*[nn.Linear(width, width, bias=False, rng=0) for _ in range(layers)])


def _child(pipe, doing, numbers, layers, path):
    small = save_model(stack(100, 1), f"{path}.small")  # what is imported and made only once
    load_model(small)
    before = harness.memory("VmRSS")
    harness.forget_peak()
    model = load_model(path) if doing == "load" else stack(numbers, layers)
    if doing == "save":
        save_model(model, path)
    pipe.send((harness.memory("VmHWM") - before, sum(p.data.nbytes for p in model.parameters())))


def measure(doing, numbers, layers, path):
    """Do it in a process of its own: give the peak and the model's size, in bytes.

    The peak of saving counts the model that is saved.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_child, args=(theirs, doing, numbers, layers, str(path)))
    process.start()
    theirs.close()
    try:
        found = ours.recv()
    except EOFError:
        raise harness.RefusedError(f"the process that had to {doing} a model died") from None
    process.join()
    return found


def main(arguments, report):
    """Measure."""
    parser = harness.options("large_model", __doc__)
    parser.add_argument("--millions", type=int, default=100, help="parameters")
    chosen = parser.parse_args(arguments)
    numbers = chosen.millions * 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        for layers in (25, 1):
            for doing in DOINGS:
                path = Path(folder) / f"{layers}.safetensors"
                grown, size = measure(doing, numbers, layers, path)
                report(f"{layers} layers, {doing}: {size / 1e6:.0f} MB, peak {grown / 1e6:.1f} MB")
                report.value(f"{layers} layers, {doing}: peak / model", grown / size, at_most=BAR)
            path.unlink()
    return report.close()
