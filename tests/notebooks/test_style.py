"""The rules of notebooks/README.md, checked without running anything."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import jupytext
import nbformat
import numpy as np
import pytest

from sandbox.widgets import NeuronExplorer

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "notebooks"
NOTEBOOKS = sorted([*FOLDER.glob("*.ipynb"), *FOLDER.glob("solutions/*.ipynb")])
START = FOLDER / "00_start.ipynb"
TUTORIALS = [path for path in NOTEBOOKS if path.parent == FOLDER and path != START]
LONGEST_READ = 6  # cells in a row that only have to be run; then comes something to do


def twin(path: Path) -> Path:
    suffix = "_solutions" if path.parent.name == "solutions" else ""
    return FOLDER / "scripts" / f"{path.stem}{suffix}.py"


def cells(notebook: Any, kind: str) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == kind]


def hidden(cell: Any) -> bool:
    return bool(cell.metadata.get("jupyter", {}).get("source_hidden"))


def exercise(cell: Any) -> bool:
    return "exercise" in cell.metadata.get("tags", [])


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: str(path.relative_to(FOLDER)))
def path(request: pytest.FixtureRequest) -> Path:
    return request.param


@pytest.fixture
def notebook(path: Path) -> Any:
    return nbformat.read(path, as_version=4)


def test_there_are_notebooks_and_each_has_solutions() -> None:
    assert [path.stem for path in TUTORIALS] == [
        "01_neuron_to_network", "02_lenet_mnist", "03_sentiment", "04_fraud",
        "05_census", "06_recommender",
    ]  # fmt: skip
    for tutorial in TUTORIALS:
        assert f"]({tutorial.name})" in START.read_text(encoding="utf-8")
        assert FOLDER / "solutions" / tutorial.name in NOTEBOOKS
        assert f"solutions/{tutorial.name}" in tutorial.read_text(encoding="utf-8")


def test_the_notebook_is_valid_and_names_a_kernel_that_every_machine_has(notebook: Any) -> None:
    nbformat.validate(notebook)

    assert notebook.metadata.kernelspec.name == "python3"


def test_code_comes_in_small_bites_and_with_as_much_prose(notebook: Any) -> None:
    code = cells(notebook, "code")

    assert sum(not hidden(cell) and not exercise(cell) for cell in code) <= 30
    assert len(cells(notebook, "markdown")) >= len(code) - 3  # setup and parts may be two cells
    for cell in code:
        assert len(cell.source.splitlines()) <= 12, cell.source
        # In a window of 1280 pixels, beside the list of files, more would be cut off.
        assert max(map(len, cell.source.splitlines()), default=0) <= 100, cell.source


@pytest.mark.parametrize("tutorial", TUTORIALS, ids=lambda path: path.stem)
def test_a_tutorial_has_more_prose_than_code_and_ends_in_exercises(tutorial: Path) -> None:
    notebook = nbformat.read(tutorial, as_version=4)
    prose = cells(notebook, "markdown")
    code = [cell for cell in cells(notebook, "code") if not hidden(cell)]

    assert len(prose) >= len(code)
    assert prose[0].source.startswith("# ")
    assert "It takes" in prose[0].source
    assert any("## Summary" in cell.source for cell in prose)
    at = next(k for k, c in enumerate(notebook.cells) if c.source.startswith("## Exercises"))
    *exercises, last = notebook.cells[at + 1 :]
    # A cell that asks and one to answer in, each; then the way to the answers.
    assert len(exercises) == 10
    for number, (asks, answers) in enumerate(zip(exercises[::2], exercises[1::2], strict=True), 1):
        assert asks.source.startswith(f"**{number}.** ")
        assert exercise(answers)
        assert all(line.startswith("#") for line in answers.source.splitlines())
    assert f"(solutions/{tutorial.name})" in last.source


@pytest.mark.parametrize("tutorial", TUTORIALS, ids=lambda path: path.stem)
def test_there_is_something_to_do_every_few_cells(tutorial: Path) -> None:
    run = 0
    for cell in nbformat.read(tutorial, as_version=4).cells:
        if cell.cell_type == "code":
            run += not hidden(cell) and not exercise(cell)
            assert run <= LONGEST_READ, cell.source
        elif any(word in cell.source for word in ("**Try it:**", "**Guess", "## Exercises")):
            run = 0


def test_plumbing_is_folded_away(path: Path, notebook: Any) -> None:
    for cell in cells(notebook, "code"):
        assert "fmt:" not in cell.source
        assert "assert " not in cell.source
        if path.parent == FOLDER and re.search(r"(epochs|rate|rounds|SEEDS|FAST) = ", cell.source):
            assert hidden(cell), cell.source


def test_the_answer_to_the_puzzle_of_the_neuron_is_one() -> None:
    notebook = nbformat.read(FOLDER / "01_neuron_to_network.ipynb", as_version=4)
    puzzle = next(c.source for c in notebook.cells if "neuron = NeuronExplorer" in c.source)
    answer = next(c.source for c in notebook.cells if "<summary>One answer" in c.source)
    made: dict[str, Any] = {"np": np, "NeuronExplorer": NeuronExplorer, "SEED": 0}
    exec(puzzle, made)

    told = re.search(r"Weight 1: ([−.\d]+), weight 2: ([−.\d]+), bias: ([−.\d]+)\.", answer)
    assert told
    assert made["neuron"].right() < 40  # as it begins
    made["neuron"].weights = [float(number.replace("−", "-")) for number in told.groups()]
    assert made["neuron"].right() == 40


# Words of the field, and the code that uses them.
JARGON = {
    "seed": r"SEED\b", "weight": "Linear", "ReLU": "ReLU", "epoch": "epochs=",
    "batch": "batch_size=",
    "loss": "CrossEntropy", "learning rate": r"rate=|SGD\(|Adam\(", "momentum": "momentum=",
    "one cycle": "OneCycle", "weight decay": "weight_decay=", "rank": "SparkBackend\\(",
    "convolution": "Conv2d", "pooling": "MaxPool2d", "dropout": r"Dropout\(",
    "embedding": "Embedding", "label smoothing": "label_smoothing", "class weight": "class_weights",
    "softmax": r"np\.exp\(logits", "Adam": r"Adam\(", "token": "Tokenizer",
    "bucket": r"Buckets\(", "cross": r"Cross\(", "AUC": r"area\.evaluate",
}  # fmt: skip


@pytest.mark.parametrize("word", JARGON)
def test_a_word_is_explained_before_code_uses_it_and_stands_in_the_glossary(word: str) -> None:
    glossary = nbformat.read(START, as_version=4).cells[-1].source
    assert re.search(rf"^\| .*\*\*{word}\*\*", glossary, re.MULTILINE)
    told = False
    for tutorial in TUTORIALS:
        for cell in nbformat.read(tutorial, as_version=4).cells:
            if cell.cell_type == "markdown":
                told = told or word.lower() in cell.source.lower()
            elif re.search(JARGON[word], cell.source) and "import" not in cell.source:
                assert told, f"{tutorial.stem}: {cell.source}"
                return
    raise AssertionError(f"no lesson uses {word}")


def test_imports_are_explicit_and_stand_in_one_cell(notebook: Any) -> None:
    importing = []
    for cell in cells(notebook, "code"):
        tree = ast.parse(cell.source)
        found = [n for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom)]
        assert not any(alias.name == "*" for node in found for alias in node.names)
        if found:
            importing.append(cell)

    assert len(importing) == 1


def test_no_cell_reaches_around_the_library(notebook: Any) -> None:
    for cell in cells(notebook, "code"):
        for word in ("http://", "https://", "!pip", "%pip", "pyplot", "urlopen", "/home/"):
            assert word not in cell.source


def test_only_stable_outputs_are_kept_and_they_are_compared(notebook: Any) -> None:
    kept = []
    for cell in cells(notebook, "code"):
        tags = cell.metadata.get("tags", [])
        assert ("keep_output" in tags) == ("nbval-check-output" in tags)
        if "keep_output" in tags:
            kept.append(cell)
            assert cell.outputs
            assert {output.output_type for output in cell.outputs} == {"stream"}
        else:
            assert cell.outputs == []
    assert all(cell.execution_count for cell in kept)


def test_the_script_twin_holds_the_same_cells(path: Path, notebook: Any) -> None:
    script = jupytext.read(twin(path))

    def plain(book: Any) -> list[Any]:
        return [
            (c.cell_type, c.source, c.metadata.get("tags", []), dict(c.metadata.get("jupyter", {})))
            for c in book.cells
        ]

    assert plain(script) == plain(notebook)
