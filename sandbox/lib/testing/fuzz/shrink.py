"""Make a graph that fails shorter, as long as it fails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from .graph import Graph, Source

Fails = Callable[[Graph], bool]


def shrink(graph: Graph, fails: Fails, *, tries: int = 200) -> Graph:
    """Return a graph with fewer outputs and steps that still fails.

    A step that is dropped leaves what it made behind as parameters (or inputs, if they are no
    floats).

    Parameters
    ----------
    graph : Graph
    fails : function of a graph
        Whether it still does; what it raises counts as no.
    tries : int
        How often it is asked at most.
    """
    left = tries

    def holds(smaller: Graph) -> bool:
        nonlocal left
        left -= 1
        try:
            return left >= 0 and fails(smaller)
        except Exception:
            return False

    while True:
        for smaller in _smaller(graph):
            if holds(smaller):
                graph = smaller
                break
        else:
            return graph
        if left <= 0:
            return graph


def _smaller(graph: Graph) -> list[Graph]:
    found = []
    if len(graph.outputs) > 1:
        for n in graph.outputs:
            if graph.numbers[n].dtype == np.float32:
                found.append(replace(graph, outputs=(n,), labels=None).pruned())
        for n in graph.outputs[1:]:
            rest = tuple(m for m in graph.outputs if m != n)
            found.append(replace(graph, outputs=rest).pruned())
    if graph.labels is not None:
        found.append(replace(graph, labels=None))
    if graph.forms != ("places", "places"):
        found.append(replace(graph, forms=("places", "places")))
    if graph.timed:
        found.append(replace(graph, timed=False))
    for step in graph.steps:
        if not set(step.outputs).isdisjoint(graph.outputs) and len(graph.steps) > 1:
            # End earlier: with what this step reads.
            reads = [n for n in step.reads if any(n in other.outputs for other in graph.steps)]
            for n in reads:
                if graph.numbers[n].dtype == np.float32:
                    found.append(replace(graph, outputs=(n,), labels=None).pruned())
    for place, step in enumerate(graph.steps):
        if len(graph.steps) == 1 or not set(step.outputs).isdisjoint(graph.outputs):
            continue
        sources = dict(graph.sources)
        for n in step.outputs:
            data = graph.numbers[n]
            sources[n] = Source("parameter" if data.dtype == np.float32 else "input", data)
        steps = graph.steps[:place] + graph.steps[place + 1 :]
        found.append(replace(graph, sources=sources, steps=steps).pruned())
    return found
