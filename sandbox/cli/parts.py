"""The parts of a whole test run: their order, and which tests share a process.

Tests run in several processes, each of which takes a lane of tests at a time. A lane is a file;
but one lane for all that has a Spark session, for it is one a process, and one for the carriers,
whose daemon and image are made once. Lanes of one part begin before those of the next.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

# Part -> the marker that puts a test there; the first one counts.
MARKERS = {
    "virtual machine": "vm",
    "Docker": "docker",
    "browser": "browser",
    "notebooks": "notebook",
    "Spark": "spark",
}
CONTRACTS = "tests/contract/"
# Spark's tests and the carriers' are one lane each, the longest: they begin at once, for the run
# would else end with a process waiting for the other. Behind them the others run, by price.
ORDER = ("Spark", "Docker", "virtual machine", "units", "contracts", "notebooks", "browser")
SHARED = {"Spark": "Spark", "Docker": "carriers", "virtual machine": "carriers"}
# A long file of short tests is cut, so that no process waits for the last one.
LANE_LENGTH = 100


class Place(NamedTuple):
    """Where a test belongs."""

    part: str
    lane: str


def part_of(item: pytest.Item) -> str:
    """Give the part a test belongs to."""
    for part, marker in MARKERS.items():
        if item.get_closest_marker(marker):
            return part
    return "contracts" if item.nodeid.startswith(CONTRACTS) else "units"


def places(items: list[pytest.Item]) -> Iterator[Place]:
    """Give the place of each test."""
    seen: dict[str, int] = {}
    for item in items:
        part = part_of(item)
        lane = SHARED.get(part)
        if lane is None:
            lane = item.nodeid.split("::")[0]
            if part in ("units", "contracts"):
                seen[lane] = seen.get(lane, -1) + 1
                lane = f"{lane} {seen[lane] // LANE_LENGTH}"
        yield Place(part, lane)


class Plan:
    """The place of every test. Processes collect; the one that distributes is told by a file."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._places: dict[str, Place] = {}

    def write(self, items: list[pytest.Item]) -> None:
        """Write down the places of the tests that were collected."""
        found = zip((item.nodeid for item in items), places(items), strict=True)
        from sandbox.lib.engine.files import write_atomic

        # All write the same, at the same time.
        write_atomic(self.file, json.dumps(list(found)).encode(), sync=False)

    @property
    def places(self) -> Mapping[str, Place]:
        """Give the places by the tests' names."""
        if not self._places:
            self._places = {
                name: Place(*place) for name, place in json.loads(self.file.read_text())
            }
        return self._places
