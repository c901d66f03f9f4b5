"""Every operation behind every other one, and threes of them, in programs against the reference.

No reshape is put between them, but reshapes are among them. Chains that begin alike stand side by
side in one program, each with an output of its own; what differs is made short and printed.
"""

from __future__ import annotations

import random

import pytest

from sandbox.lib.testing import fuzz

pytestmark = pytest.mark.usefixtures("native")

TRIPLES = 6  # of each first operation; `bench fuzz --triples` runs all of them
QUICK = 8  # a sample begins with every eighth operation
FIRST = [
    pytest.param(name, marks=[pytest.mark.campaign] if place % QUICK else [])
    for place, name in enumerate(fuzz.names())
]


def differences(chains):
    """Compile all chains that fit into one program; return how many do and what differs."""
    graphs = [graph for graph in map(fuzz.sequence, chains) if graph is not None]
    texts = []
    for graph, _ in fuzz.check_together(graphs):
        small = fuzz.shrink(graph, lambda smaller: fuzz.check(smaller, programs_only=True))
        texts += [small.listing(), *map(str, fuzz.check(small, programs_only=True))]
    return len(graphs), texts


@pytest.mark.parametrize("first", FIRST)
def test_every_operation_behind_this_one_gives_what_the_reference_gives(first):
    count, texts = differences([(first, second) for second in fuzz.names()])
    # Booleans are taken by moves, casts and logic; floats by nearly all.
    assert count >= (8 if first != "sequence_lengths" else 4)
    assert not texts, "\n".join(texts)


@pytest.mark.campaign
@pytest.mark.parametrize("first", fuzz.names())
def test_threes_of_operations_give_what_the_reference_gives(first):
    draw = random.Random(first)
    names = fuzz.names()
    chains = [(first, draw.choice(names), draw.choice(names)) for _ in range(TRIPLES)]
    turned = [(first, draw.choice(("reshape", "slice")), draw.choice(("concat", "equal", *names)))]
    turned.append((first, "reshape", "slice"))
    count, texts = differences(chains + turned)
    assert count > 0
    assert not texts, "\n".join(texts)
