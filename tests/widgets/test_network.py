"""The drawing of a network: stages and shapes, windows, what the page makes of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sandbox.lib import nn
from sandbox.widgets import NetworkExplorer
from sandbox.widgets.assets import bundle


def lenet() -> NetworkExplorer:
    image = np.random.default_rng(0).normal(size=(1, 28, 28)).astype("f4")
    return NetworkExplorer(nn.zoo.lenet5(0), image)


def test_the_drawing_of_lenet_tells_28_24_12_8_4() -> None:
    network = lenet()

    assert network.summary == (
        "1 × 28 × 28 → 6 × 24 × 24 → 6 × 12 × 12 → 16 × 8 × 8 → 16 × 4 × 4 → 120 → 84 → 10;"
        " 44,426 weights."
    )
    assert network.picture().text == network.summary
    assert "<script" in network.to_html()


def test_a_number_is_made_of_its_window() -> None:
    network = lenet()
    conv, pool = network.stages[1], network.stages[3]
    values = np.frombuffer(network.values, np.float32)
    image = values[:784].reshape(28, 28)
    maps = values[784:].reshape(-1)[: 6 * 24 * 24].reshape(6, 24, 24)
    filters = np.frombuffer(network.filters, np.float32)[:150].reshape(6, 5, 5)

    row, column, size = network.window(conv["name"], 3, 7)
    part = np.sum(image[row : row + size, column : column + size] * filters[2])
    assert maps[2, 3, 7] == pytest.approx(part, abs=1e-5)  # the bias is 0 at first
    relu = np.maximum(0, maps)
    row, column, size = network.window(pool["name"], 11, 0)
    after = values[784 + 2 * 6 * 576 :][: 6 * 144].reshape(6, 12, 12)
    assert after[4, 11, 0] == relu[4, row : row + size, column : column + size].max()


def test_what_does_not_slide_evenly_is_drawn_without_a_window() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1, rng=0), nn.Conv2d(2, 2, (1, 3), rng=0))
    network = NetworkExplorer(model, np.zeros((1, 6, 6)))

    assert [stage["window"] for stage in network.stages] == [[], [3, 1, 1], []]


def test_a_batch_is_refused() -> None:
    with pytest.raises(ValueError, match=r"three axes .* got shape \(1, 1, 28, 28\)"):
        NetworkExplorer(nn.zoo.lenet5(0), np.zeros((1, 1, 28, 28)))


def test_the_view_finds_what_the_kernel_finds(tmp_path: Path, run_node: Callable[..., str]) -> None:
    network = lenet()
    (tmp_path / "network.mjs").write_text(bundle("network.js"), encoding="utf-8")
    code = f"""
import {{ drawn, offsets, why, windowOf }} from "./network.mjs";
const stages = {json.dumps(network.stages)};
const at = (name) => stages.findIndex((stage) => stage.name === name);
const reasons = ["conv1", "pool1", "conv2", "pool2"]
  .map((name) => why(stages[at(name)], stages[at(name) - 1]));
console.log(JSON.stringify([drawn(stages).map((s) => s.name), offsets(stages).slice(0, 3),
  Object.values(windowOf(stages[at("pool1")], 2, 5)), reasons]));
"""
    (tmp_path / "test.mjs").write_text(code, encoding="utf-8")

    names, starts, window, reasons = json.loads(run_node(str(tmp_path / "test.mjs")))
    assert names == ["image", "conv1", "pool1", "conv2", "pool2", "fc1", "fc2", "fc3"]
    assert starts == [0, 784, 784 + 6 * 576]
    assert tuple(window) == network.window("pool1", 2, 5)
    assert reasons == [
        "28 − 5 + 1 = 24 places for a window of 5",
        "24 : 2 = 12 windows of 2 side by side",
        "12 − 5 + 1 = 8 places for a window of 5",
        "8 : 2 = 4 windows of 2 side by side",
    ]
