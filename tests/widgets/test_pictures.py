from __future__ import annotations

import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from sandbox.lib import nn
from sandbox.lib.core.errors import ArgumentError
from sandbox.widgets import confusion_matrix, digits, feature_maps, heat_map, layer_outputs
from sandbox.widgets.figures import Picture, curves_picture, filters_picture
from sandbox.widgets.state import CurveState, advance


def size(picture: Picture) -> tuple[int, int]:
    return Image.open(io.BytesIO(picture.png)).size


def test_curves_are_drawn_before_the_first_iteration_and_with_one_rank() -> None:
    bare = {"type": "iteration", "step": 1, "loss": 2.0, "seconds": 0.1, "rows": 8}
    for events in ([], [bare], [bare, {"type": "validation", "step": 1, "metrics": {}}]):
        picture = curves_picture(advance(CurveState(), events))
        assert size(picture)[0] > 1000


def test_filters_of_every_shape_are_drawn() -> None:
    for shape in ((6, 1, 5, 5), (16, 6, 3, 3), (4, 3, 7), (10, 84), (12,)):
        zeros = np.zeros(shape, "f4")
        assert filters_picture("w", zeros, zeros + 1).png[:4] == b"\x89PNG"


def test_feature_maps_show_every_layer_of_lenet() -> None:
    model = nn.zoo.lenet5(0)
    picture = feature_maps(model, np.ones((1, 28, 28), "f4"))

    assert "conv1 (6, 24, 24)" in picture.text
    assert "fc3 (10,)" in picture.text
    assert "flatten" not in picture.text


def test_a_layer_that_is_not_there_is_not_left_out_in_silence() -> None:
    model, image = nn.zoo.lenet5(0), np.ones((1, 28, 28), "f4")
    with pytest.raises(ArgumentError, match=r"got 'rellu1'\. Did you mean 'relu1'\?"):
        feature_maps(model, image, layers=("conv1", "rellu1"))
    with pytest.raises(ArgumentError, match=r"a list of layers' paths, such as .*got 'conv1'"):
        feature_maps(model, image, layers="conv1")  # type: ignore[arg-type]


def test_layer_outputs_end_in_the_output_of_the_model() -> None:
    model = nn.zoo.lenet5(0)
    batch = np.random.default_rng(0).normal(size=(2, 1, 28, 28)).astype("f4")
    outputs = layer_outputs(model, batch)

    assert [name for name, _ in outputs][:3] == ["conv1", "relu1", "pool1"]
    np.testing.assert_allclose(outputs[-1][1], model(batch), rtol=1e-4, atol=1e-5)  # float32


def test_a_confusion_matrix_names_its_worst_mistake() -> None:
    counts = np.diag([5, 5, 5])
    counts[2, 0] = 3
    picture = confusion_matrix(counts, ["cat", "dog", "ant"])

    assert picture.text == "15 of 18 right; most often ant was taken for cat (3 times)."


def test_digits_are_drawn_with_titles_and_saved(tmp_path: object) -> None:
    picture = digits(np.zeros((10, 28, 28)), [str(i) for i in range(10)], columns=5)
    path = picture.save(f"{tmp_path}/digits.png")

    assert path.read_bytes() == picture.png
    data, metadata = picture._repr_mimebundle_()
    assert data["image/png"] == picture.png
    assert metadata["image/png"]["width"] < size(picture)[0]


def test_wrong_images_are_marked_each_for_itself() -> None:
    titles = ["7 → 7", "2 → 3", "1 → 1"]
    picture = digits(np.zeros((3, 4, 4)), titles, wrong=[False, True, False])

    assert picture.text == "3 images: 7 → 7, 2 → 3, 1 → 1; wrong: 2 → 3"
    orange = "var(--c6)"
    assert picture.svg.decode().count(orange) > digits(
        np.zeros((3, 4, 4)), titles
    ).svg.decode().count(orange)


def test_a_picture_follows_the_scheme_of_its_page_and_tells_its_text() -> None:
    picture = confusion_matrix(np.array([[3, 1], [0, 2]]), ["<fine>", "fraud"])
    svg = picture.svg.decode()

    assert "prefers-color-scheme: dark" in svg
    rest = svg.partition("<defs>")[2]
    for light in ("#24292f", "#57606a", "#d0d7de", "#000000"):
        assert light not in rest  # named, so that the scheme chooses
    assert "#1f2328" in rest  # on coloured cells text keeps its colour
    assert picture.svg == picture.svg
    html = picture._repr_mimebundle_()[0]["text/html"]
    assert 'alt="5 of 6 right; most often &lt;fine&gt; was taken for fraud (1 times)."' in html
    assert "color-scheme:dark" in html


def test_pyplot_is_never_imported() -> None:
    code = """
import subprocess
import sys
from sandbox.widgets.figures import curves_picture
from sandbox.widgets.state import CurveState
curves_picture(CurveState())
assert "matplotlib.figure" in sys.modules
assert "matplotlib.pyplot" not in sys.modules
"""
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )

    assert answer.returncode == 0, answer.stderr


def test_a_heat_map_tells_its_ends_and_wants_a_name_for_each_line() -> None:
    picture = heat_map([[1.04, 20], [3, 4]], ["HS", "BA"], [20, 30], title="rich (%)", digits=1)
    assert picture.text == "rich (%): from 1.0 (HS, 20) to 20.0 (HS, 30)."
    assert size(picture)[0] > 300
    assert heat_map(np.zeros((1, 1)), ["a"], ["b"]).text == "A table: from 0 (a, b) to 0 (a, b)."
    for wrong in ([[1, 2]], [], [[[1]]]):
        with pytest.raises(ValueError, match=r"must have shape \(2, 2\), one for each name"):
            heat_map(wrong, ["HS", "BA"], [20, 30])
