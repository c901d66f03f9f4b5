"""Training of large networks against PyTorch, eager channels_last and compiled; peak memory.

ResNet-50, Inception-v1, MobileNetV2 and VGG-16 on images 224x224, batch 8, and a Transformer
encoder on texts of 128 words, batch 32. A step is forward, loss, backward and momentum SGD on
arrays in memory. Each side has a process of its own and takes turns with the others; all start from
the same weights and see the same batches, and their losses after `--steps` steps must agree: early
ones, for a fresh ResNet-50 on 8 images multiplies rounding by some 30 in each step (its third loss
in PyTorch is 1e-3 off the one that PyTorch computes in float64, ours 3e-3). The bar counts against
the faster of PyTorch's two sides, as does that of the memory: the peak of the process from where
the model is there (planning and compiling included). Linux only.
"""

from __future__ import annotations

import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path

from . import harness, our_side, subjects, torch_side

NEEDS_TORCH = True
BATCHES = 2
BAR = 1.15
NETWORKS = ("resnet50", "googlenet", "mobilenet_v2", "vgg16", "transformer")


def compiled(report, what, sides, name, arguments, asked):
    """Give PyTorch's compiled side after the first steps; None where it cannot run, and say why."""
    if asked.eager:
        return None
    if not (shutil.which("g++") or shutil.which("clang++")):
        report(f"{what}: torch.compile needs a C++ compiler and there is none: eager only")
        return None
    side = sides.enter_context(harness.Apart(torch_side.subject, name, *arguments, True))
    try:
        for _ in range(asked.steps):
            side.step()
    except harness.RefusedError as error:
        report(f"{what}: torch.compile cannot run here ({error}): eager only")
        return None
    return side


def compare(report, name, threads, asked):
    """Time one network on all sides."""
    batch = asked.batch or subjects.SUBJECTS[name].training
    what = f"{name} train, batch {batch}, {threads} thread(s)"
    with ExitStack() as sides, tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "weights.safetensors")
        torch_side.save(name, path)
        common = (batch, threads, BATCHES)
        ours = sides.enter_context(harness.Apart(our_side.subject, name, *common))
        arguments = (*common, path)
        eager = sides.enter_context(harness.Apart(torch_side.subject, name, *arguments, False))
        harness.same_losses(report, f"{what}, eager", ours, eager, steps=asked.steps)
        theirs = {"eager": eager}
        other = compiled(report, what, sides, name, arguments, asked)
        if other is not None:
            harness.agree(f"{what}: loss of torch.compile", ours.loss, other.loss)
            theirs["torch.compile"] = other
        times = harness.alternate(
            ours, *theirs.values(), rounds=asked.rounds, warm=1, clock=asked.clock
        )
        medians = dict(zip(theirs, times[1:], strict=True))
        faster = min(medians, key=lambda kind: medians[kind].median)
        for kind, timing in medians.items():
            bar = BAR if kind == faster else None
            report.versus(f"{what}, {kind}", times[0], timing, bar=bar)
        for kind, side in theirs.items():
            report(f"{what}: peak of PyTorch {kind} {side.peak() / 1e6:.0f} MB")
        limit = theirs[faster].peak() / 1e6
        report.value(f"{what}: our peak", ours.peak() / 1e6, "MB", at_most=limit)


def main(arguments, report):
    """Run the comparisons."""
    parser = harness.options("large", __doc__, rounds=5)
    parser.add_argument("--networks", default="all", help="names, separated by commas")
    parser.add_argument("--threads", default="1,2", help="numbers, separated by commas")
    parser.add_argument("--batch", type=int, help="instead of each network's own")
    parser.add_argument("--steps", type=int, default=2, help="until the losses are compared")
    parser.add_argument("--eager", action="store_true", help="leave torch.compile out")
    harness.add_clock(parser)
    asked = parser.parse_args(arguments)
    for name in subjects.chosen(asked.networks, NETWORKS):
        for threads in map(int, asked.threads.split(",")):
            compare(report, name, threads, asked)
    return report.close()
