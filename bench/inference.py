"""Inference of eleven networks against ONNX Runtime and OpenVINO, batch 1 and 8, 1 and 2 threads.

The rivals get the network as an ONNX file that PyTorch wrote of its twin, with our weights and
fixed shapes, and compute in float32. Each side has a process of its own and takes turns with the
others; one step is one call with an array and a result. The outputs are compared first: where one
differs from ours by more than rounding explains, no ratio is given. `--profile` also tells where
each side spends its time, by its own account.
"""

from __future__ import annotations

import math
import tempfile
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from . import harness, our_side, rivals, subjects, torch_side

NEEDS_TORCH = True
# Of the largest logit: sums of up to 4,608 float32 products in another order, 50 layers deep.
NEAR = 1e-4
LEAST = 0.9
MEANS = {"ONNX Runtime": 1.10, "OpenVINO": 1.0}


def compare(report, name, batch, threads, path, asked):
    """Time one network on all sides; give how many times faster ours is than each rival."""
    what = f"{name} batch {batch}, {threads} thread(s)"
    with ExitStack() as open_sides:
        ours = open_sides.enter_context(harness.Apart(our_side.inference, name, batch, threads))
        mine, sides = ours.get("output"), [ours]
        for rival, make in rivals.RIVALS.items():
            side = open_sides.enter_context(harness.Apart(make, path, name, batch, threads))
            sides.append(side)
            gap = float(np.abs(mine - side.get("output")).max() / np.abs(mine).max())
            if not gap <= NEAR:
                raise harness.RefusedError(f"{what}: {rival}'s output differs by {gap} of its most")
        times = harness.alternate(*sides, rounds=asked.rounds, clock=asked.clock)
        ratios = {}
        for rival, theirs in zip(rivals.RIVALS, times[1:], strict=True):
            # The bar of each single network is that against ONNX Runtime.
            bar = LEAST if rival == "ONNX Runtime" else None
            ratios[rival] = report.versus(f"{what}, {rival}", times[0], theirs, bar=bar)
        if asked.profile:
            for rival, side in zip(("ours", *rivals.RIVALS), sides, strict=True):
                tell(report, f"{what}, {rival}", side.get("profile"), asked.profile)
    return ratios


def tell(report, what, steps, count):
    """Print where one side's time goes: by kind of step, and its slowest steps."""
    report(f"  {what}: {1e3 * sum(seconds for _, seconds in steps):.3f} ms in {len(steps)} steps")
    kinds = {}
    for label, seconds in steps:
        number, total = kinds.get(label.split()[0], (0, 0.0))
        kinds[label.split()[0]] = number + 1, total + seconds
    for kind, (number, seconds) in sorted(kinds.items(), key=lambda item: -item[1][1]):
        report(f"    {1e3 * seconds:9.4f} ms  {number} {kind}")
    for label, seconds in sorted(steps, key=lambda step: -step[1])[:count]:
        report(f"      {1e3 * seconds:9.4f} ms  {label}")


def main(arguments, report):
    """Run the comparisons."""
    parser = harness.options("inference", __doc__, rounds=9)
    parser.add_argument("--networks", default="all", help="names, separated by commas")
    parser.add_argument("--threads", default="1,2", help="numbers, separated by commas")
    parser.add_argument("--batches", help="instead of each network's own two")
    parser.add_argument("--profile", type=int, default=0, metavar="N", help="the N slowest steps")
    harness.add_clock(parser)
    asked = parser.parse_args(arguments)
    names = subjects.chosen(asked.networks, subjects.SUBJECTS)
    found = {rival: [] for rival in MEANS}
    for name in names:
        own = subjects.SUBJECTS[name].batches
        for batch in map(int, asked.batches.split(",")) if asked.batches else own:
            with tempfile.TemporaryDirectory() as folder:
                path = str(Path(folder) / "network.onnx")
                torch_side.export(name, batch, path)
                for threads in map(int, asked.threads.split(",")):
                    ratios = compare(report, name, batch, threads, path, asked)
                    for rival, ratio in ratios.items():
                        found[rival].append(ratio)
    for rival, ratios in found.items():
        mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
        report.value(f"geometric mean against {rival}", mean, "x", at_least=MEANS[rival])
        report(f"  of {len(ratios)}, from {min(ratios):.2f}x to {max(ratios):.2f}x")
    return report.close()
