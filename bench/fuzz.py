"""Random models in every mode: native against eager against reference; whatever differs is printed.

    bench fuzz [--graphs 20000] [--seed 0]       random graphs of up to 12 steps over all operations
    bench fuzz --triples                         every pair and triple of operations that fit

Each graph trains and predicts: as a program and eagerly, by native kernels and by the reference.
The two reference modes must give the same bits; native ones may be as far from a float64 run as
rounding explains. A graph that differs is made shorter, and printed with its seed: `--seed N
--graphs 1` runs it again. To go on after an interruption, give the last seed that was shown.
"""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Iterable, Iterator

from sandbox.lib import engine
from sandbox.lib.testing import fuzz

from .harness import Report, options

SHOWN = 20.0  # seconds between two lines of progress


Named = tuple[str, fuzz.Graph]


def drawn(first: int, count: int) -> Iterator[list[Named]]:
    """Yield the graphs of some seeds, one at a time."""
    for seed in range(first, first + count):
        yield [(f"seed {seed}", fuzz.generate(seed))]


def chains(seed: int) -> Iterator[list[Named]]:
    """Yield every pair and triple of operations that fit each other, those that begin alike."""
    names = fuzz.names()
    fits = set()
    for first in names:
        for group in ([(first,)], itertools.product([first], names)):
            found = list(fitting(group, seed))
            fits |= {name for name, _ in found}
            yield found
    for a, b in itertools.product(names, repeat=2):
        if f"{a} > {b}" in fits:
            yield list(fitting([(a, b, c) for c in names if f"{b} > {c}" in fits], seed))


def fitting(group: Iterable[tuple[str, ...]], seed: int) -> Iterator[Named]:
    """Yield the chains whose operations take what the one before gives."""
    for chain in group:
        graph = fuzz.sequence(chain, seed)
        if graph is not None:
            yield " > ".join(chain), graph


def differing(
    group: list[Named], *, together: bool
) -> Iterator[tuple[str, fuzz.Graph, list[fuzz.Difference]]]:
    """Yield the graphs of a group that differ: run side by side in one program, or each alone."""
    if together:
        names = {id(graph): name for name, graph in group}
        for graph, found in fuzz.check_together([graph for _, graph in group]):
            yield names.get(id(graph), "side by side"), graph, found
        return
    for name, graph in group:
        found = failing(graph)
        if found:
            yield name, graph, found


def failing(graph: fuzz.Graph) -> list[fuzz.Difference]:
    """Run a graph; an error of the reference itself is a finding, too."""
    try:
        return fuzz.check(graph)
    except Exception as error:
        return [fuzz.Difference("reference", type(error).__name__, str(error))]


def shorter(graph: fuzz.Graph, found: list[fuzz.Difference]) -> fuzz.Graph:
    """Shrink a graph that differs, as long as one of its differences is of the same kind."""
    kinds = {(item.mode, item.what.split()[0]) for item in found}

    def same(smaller: fuzz.Graph) -> bool:
        return any((item.mode, item.what.split()[0]) in kinds for item in failing(smaller))

    return fuzz.shrink(graph, same)


def main(arguments: list[str], report: Report) -> int:
    """Run the graphs."""
    parser = options("fuzz", __doc__)
    parser.add_argument("--graphs", type=int, default=20_000, help="how many")
    parser.add_argument("--seed", type=int, default=0, help="of the first one")
    parser.add_argument("--triples", action="store_true", help="chains of 2 and 3 operations")
    given = parser.parse_args(arguments)
    if not engine.is_native():
        report("no native library: the reference is compared with itself")
    groups = chains(given.seed) if given.triples else drawn(given.seed, given.graphs)
    started = shown = time.perf_counter()
    steps: Counter[str] = Counter()
    count = different = 0
    for group in groups:
        count += len(group)
        for _, graph in group:
            steps.update(step.name for step in graph.steps)
        for name, graph, found in differing(group, together=given.triples):
            different += 1
            small = shorter(graph, found)
            report(f"--- {name} differs; shortened:\n{small.listing()}")
            for item in failing(small):
                report(f"    {item}")
        if time.perf_counter() - shown > SHOWN:
            shown = time.perf_counter()
            rate, last = count / (shown - started), group[-1][0] if group else ""
            print(f"{count} graphs, {different} differ, {rate:.0f}/s, at {last}", flush=True)
    seconds = time.perf_counter() - started
    report(f"{count} graphs of {sum(steps.values())} steps in {seconds:.0f} s")
    rare = ", ".join(f"{name} {n}" for name, n in steps.most_common()[-5:])
    missing = sorted(set(fuzz.names()) - set(steps))
    report(f"the rarest of {len(steps)} operations: {rare}; never: {', '.join(missing) or 'none'}")
    report.value("graphs that differ", different, at_most=0)
    return report.close()
