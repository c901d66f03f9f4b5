"""The descent widget: its steps, what it refuses, that the page walks as the kernel does."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sandbox.widgets.assets import bundle
from sandbox.widgets.descent import DescentExplorer

X, Y = [0.5, 1.0, 2.0], [1.1, 1.9, 4.2]


def test_small_steps_come_to_the_weight_of_least_squares() -> None:
    descent = DescentExplorer(X, Y, weight=-1, rate=0.1)
    losses = [descent.loss()]
    for _ in range(60):
        descent.step()
        losses.append(descent.loss())

    best = np.dot(X, Y) / np.dot(X, X)
    assert losses == sorted(losses, reverse=True)
    # The slope is rounded to hundredths: it is 0 within 0.005 / (2 mean x^2) of the lowest place.
    assert descent.weight == pytest.approx(best, abs=0.002)


def test_steps_that_are_too_long_climb() -> None:
    descent = DescentExplorer(X, Y, weight=1, rate=0.9)
    before = descent.loss()
    descent.step()

    assert descent.loss() > before


def test_the_picture_tells_where_the_weight_is() -> None:
    descent = DescentExplorer([1, 2], [2, 4], rate=0.1)
    descent.step()

    assert descent.picture().text == "After 1 steps the weight is 1, the loss 2.5."
    assert "<script" in descent.to_html()


def test_lists_of_different_lengths_are_refused() -> None:
    for x, y in (([1, 2], [1]), ([], []), ([[1]], [[1]])):
        with pytest.raises(ValueError, match="same length; got shapes"):
            DescentExplorer(x, y)


def test_the_view_walks_as_the_kernel_does(tmp_path: Path, run_node: Callable[..., str]) -> None:
    descent = DescentExplorer(X, Y, weight=-0.5, rate=0.37)
    slope = descent.slope()
    for _ in range(5):
        descent.step()
    (tmp_path / "descent.mjs").write_text(bundle("descent.js"), encoding="utf-8")
    code = f"""
import {{ reach, slopeAt, step }} from "./descent.mjs";
const table = {{ x: {X}, y: {Y} }};
let w = -0.5;
const path = [w];
for (let i = 0; i < 5; i++) path.push(w = step(w, 0.37, table));
console.log(JSON.stringify([slopeAt(-0.5, table), path, reach(path, table).best]));
"""
    (tmp_path / "test.mjs").write_text(code, encoding="utf-8")

    found = json.loads(run_node(str(tmp_path / "test.mjs")))
    assert found[0] == slope
    assert found[1] == descent.path
    assert found[2] == pytest.approx(np.dot(X, Y) / np.dot(X, X))
