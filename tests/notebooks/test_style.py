"""The rules of notebooks/README.md, checked without running anything."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import jupytext
import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "notebooks"
NOTEBOOKS = sorted([*FOLDER.glob("*.ipynb"), *FOLDER.glob("solutions/*.ipynb")])


def twin(path: Path) -> Path:
    suffix = "_solutions" if path.parent.name == "solutions" else ""
    return FOLDER / "scripts" / f"{path.stem}{suffix}.py"


def cells(notebook: Any, kind: str) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == kind]


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: str(path.relative_to(FOLDER)))
def path(request: pytest.FixtureRequest) -> Path:
    return request.param


@pytest.fixture
def notebook(path: Path) -> Any:
    return nbformat.read(path, as_version=4)


def test_there_are_notebooks_and_each_has_solutions() -> None:
    tutorials = [path for path in NOTEBOOKS if path.parent == FOLDER]

    assert tutorials
    for tutorial in tutorials:
        assert FOLDER / "solutions" / tutorial.name in NOTEBOOKS
        assert f"solutions/{tutorial.name}" in tutorial.read_text(encoding="utf-8")


def test_the_notebook_is_valid_and_names_a_kernel_that_every_machine_has(notebook: Any) -> None:
    nbformat.validate(notebook)

    assert notebook.metadata.kernelspec.name == "python3"


def test_code_comes_in_small_bites_and_with_as_much_prose(notebook: Any) -> None:
    code = cells(notebook, "code")

    assert len(code) <= 30
    assert len(cells(notebook, "markdown")) >= len(code) - 3  # setup and parts may be two cells
    for cell in code:
        assert len(cell.source.splitlines()) <= 12, cell.source


def test_a_tutorial_has_more_prose_than_code_and_ends_in_exercises(path: Path) -> None:
    if path.parent != FOLDER:
        return
    notebook = nbformat.read(path, as_version=4)
    prose = cells(notebook, "markdown")

    assert len(prose) >= len(cells(notebook, "code"))
    assert prose[0].source.startswith("# ")
    assert "It takes" in prose[0].source
    assert "## Summary" in prose[-1].source
    assert "## Exercises" in prose[-1].source


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

    def plain(book: Any) -> list[tuple[str, str, list[str]]]:
        return [(c.cell_type, c.source, c.metadata.get("tags", [])) for c in book.cells]

    assert plain(script) == plain(notebook)
