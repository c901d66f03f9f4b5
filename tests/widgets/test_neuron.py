"""The neuron widget: sums, the points it gets right, what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sandbox.widgets.assets import bundle
from sandbox.widgets.neuron import NeuronExplorer

POINTS = [[1, 1], [1, -1], [-1, 1], [-1, -1]]


def test_relu_cuts_what_is_below_zero() -> None:
    neuron = NeuronExplorer(POINTS, [1, 0, 0, 0], weights=(1, 1, -1))

    assert neuron.answer(POINTS).tolist() == [1, 0, 0, 0]
    assert neuron.right() == 4
    assert "4 of 4 points right" in neuron.picture().text


def test_one_neuron_cannot_tell_crosswise_points_apart() -> None:
    found = {
        NeuronExplorer(POINTS, [1, 0, 0, 1], weights=(a, b, c)).right()
        for a in (-1, 0, 1)
        for b in (-1, 0, 1)
        for c in (-1.5, -0.5, 0.5, 1.5)
    }

    assert max(found) == 3


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="shape \\(rows, 2\\)"):
        NeuronExplorer([[1, 2, 3]], [1])
    with pytest.raises(ValueError, match="w1, w2 and the bias; got 2 numbers"):
        NeuronExplorer(POINTS, [1, 0, 0, 0], weights=(1, 2))


def test_the_view_counts_as_the_kernel_does(tmp_path: Path, run_node: Callable[..., str]) -> None:
    (tmp_path / "neuron.mjs").write_text(bundle("neuron.js"), encoding="utf-8")
    code = """
import { right, weighted } from "./neuron.mjs";
const table = { x1: [1, 1, -1, -1], x2: [1, -1, 1, -1], label: [1, 0, 0, 0] };
console.log(weighted([2, -1, 0.5], 1, 3), right([1, 1, -1], table), right([-1, -1, 1], table));
"""
    (tmp_path / "test.mjs").write_text(code, encoding="utf-8")

    assert run_node(str(tmp_path / "test.mjs")).split() == ["-0.5", "4", "0"]
