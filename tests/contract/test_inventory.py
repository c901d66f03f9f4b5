"""Every name of the ancestor has a counterpart here, which its docstring names."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.lib.testing import inventory

SECTIONS = inventory.inventory()
# What reads and writes the files of other frameworks does not exist yet.
FILES = "bigdl.nn.layer: files of other frameworks"


@pytest.fixture(scope="module")
def known():
    return inventory.counterparts()


@pytest.mark.parametrize("section", [section for section in SECTIONS if section != FILES])
def test_every_name_has_a_counterpart(section, known):
    assert [name for name in SECTIONS[section] if name not in known] == []


def test_names_without_a_counterpart_are_those_of_files_alone(known):
    assert [name for name in SECTIONS[FILES] if name in known] == []


def test_the_table_is_that_of_the_docstrings():
    written = Path(__file__).parents[2] / "docs/inventory.md"
    assert written.read_text(encoding="utf-8") == inventory.table(), (
        "run: python -m sandbox.lib.testing.inventory"
    )


def test_there_are_as_many_names_as_the_ancestor_had():
    layers = [s for s in SECTIONS if s.startswith("bigdl.nn.layer")]
    classes = [n for s in layers for n in SECTIONS[s] if "." not in n]
    assert len(classes) >= 160
    assert len(SECTIONS["bigdl.nn.criterion"]) == 38
