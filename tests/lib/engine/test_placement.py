"""Where values lie within a run: never two at one place, in little memory, in little time."""

from __future__ import annotations

import time

import numpy as np
import pytest

from sandbox.lib.engine import placement
from sandbox.lib.engine.placement import Life, count_pairs, least, place


def unrolled(steps: int) -> list[Life]:
    """Return lives as of a training program: half of all wait for the backward pass."""
    lives = []
    for step in range(steps):
        lives.append(Life(4096, step, 2 * steps - step))
        lives.append(Life(1024, step, step + 1))
        lives.append(Life(4096, 2 * steps - step, 2 * steps - step + 1))
    return lives


def random_lives(seed: int, count: int) -> list[Life]:
    random = np.random.Generator(np.random.PCG64(seed))
    firsts = random.integers(0, count, count)
    lengths = random.integers(0, 12, count)
    sizes = random.integers(0, 5000, count)
    return [
        Life(int(n), int(first), int(first + length))
        for n, first, length in zip(sizes, firsts, lengths, strict=True)
    ]


def overlaps(lives: list[Life], offsets: list[int]) -> list[tuple[int, int]]:
    found = []
    for i, (a, start) in enumerate(zip(lives, offsets, strict=True)):
        for j in range(i):
            b, other = lives[j], offsets[j]
            together = a.first <= b.last and b.first <= a.last
            if together and start < other + b.nbytes and other < start + a.nbytes:
                found.append((j, i))
    return found


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("pairs", [0, placement.PAIRS])
def test_values_that_live_together_never_share_a_byte(monkeypatch, seed, pairs):
    monkeypatch.setattr(placement, "PAIRS", pairs)
    lives = random_lives(seed, 100)
    offsets, total = place(lives)

    assert overlaps(lives, offsets) == []
    assert all(offset % placement.ALIGNMENT == 0 for offset in offsets)
    assert least(lives) <= max(o + life.nbytes for o, life in zip(offsets, lives, strict=True))
    assert total >= max(o + life.nbytes for o, life in zip(offsets, lives, strict=True))


@pytest.mark.parametrize("seed", range(5))
def test_the_plan_is_at_most_a_tenth_larger_than_what_lives_at_once(seed):
    lives = random_lives(seed, 400)
    rounded = [Life(placement.aligned_size(n), first, last) for n, first, last in lives]

    _, total = place(lives)
    assert total <= 1.1 * least(rounded)


def test_pairs_that_live_together_are_counted():
    lives = random_lives(7, 60)
    expected = sum(
        a.first <= b.last and b.first <= a.last for i, a in enumerate(lives) for b in lives[:i]
    )
    assert count_pairs(lives) == expected


def test_a_long_program_is_planned_in_time_that_grows_with_its_length():
    def seconds(steps: int) -> float:
        lives = unrolled(steps)
        best = float("inf")
        for _ in range(3):
            start = time.process_time()
            place(lives)
            best = min(best, time.process_time() - start)
        return best

    # 8 times the length: 8 to 10 times the time; all pairs compared, it would be 64 times
    assert seconds(4000) < 25 * seconds(500)


def test_a_plan_without_values_needs_no_memory():
    assert place([]) == ([], 0)
