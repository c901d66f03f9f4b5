"""The packages `bigdl` and `zoo`: re-exports, the wheel, a published distribution beside them."""

from __future__ import annotations

import ast
import importlib
import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
COMPAT = ROOT / "sandbox" / "compat"
FRONT = "sandbox.lib.bigdl"


def modules():
    """Return each module of the distribution with the one of the library that it stands for."""
    found = {}
    for file in sorted(COMPAT.rglob("*.py")):
        parts = file.relative_to(COMPAT).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if parts[0] in ("bigdl", "zoo"):
            inner = parts[1:] if parts[0] == "bigdl" else parts
            found[name] = ".".join([FRONT, *(one for one in inner if one != "__init__")])
    return found


RENAMED = {"zoo.feature.image.imagePreprocessing": f"{FRONT}.zoo.feature.image.steps"}
MODULES = modules() | RENAMED
# What programs of the ancestors import, by their paths.
TABLE = {
    "bigdl": "kernel py2compat version transform.vision.image dlframes.dl_classifier "
    "dlframes.dl_image_reader dlframes.dl_image_transformer models.ml_pipeline.dl_classifier",
    "zoo": "common.nncontext feature.common feature.image pipeline.nnframes",
}


def test_all_modules_of_the_table_are_there():
    wanted = {f"{top}.{name}" for top, names in TABLE.items() for name in names.split()}
    assert wanted - set(MODULES) == set()


@pytest.mark.parametrize("name", MODULES)
def test_names_are_those_of_the_library(name):
    ours, theirs = importlib.import_module(MODULES[name]), importlib.import_module(name)
    public = [one for one in vars(ours) if not one.startswith("_")]
    packages = {one for one in public if f"{MODULES[name]}.{one}" in sys.modules}
    wrong = [
        one
        for one in public
        if one not in packages and getattr(theirs, one, None) is not getattr(ours, one)
    ]
    assert wrong == [] or name in ("bigdl", "zoo")


@pytest.mark.parametrize("name", MODULES)
def test_a_module_defines_nothing(name):
    file = importlib.import_module(name).__file__
    kinds = {type(one) for one in ast.parse(Path(file).read_text()).body}
    assert kinds <= {ast.Expr, ast.ImportFrom, ast.Import}  # a docstring, imports, a refusal


def test_the_library_does_not_know_the_distribution():
    for file in (ROOT / "sandbox" / "lib").rglob("*.py"):
        text = file.read_text()
        assert "sandbox.compat" not in text, file
        for line in text.splitlines():
            assert not line.startswith(("import bigdl", "from bigdl", "from zoo")), (file, line)


def fresh(code, *paths, **environment):
    """Run Python in a process of its own, with these folders on its path."""
    told = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths)), **environment}
    command = [sys.executable, "-W", "error", "-c", code]
    return subprocess.run(command, env=told, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize(
    ("package", "published"),
    [("bigdl", "bigdl-dllib"), ("bigdl", "BigDL"), ("zoo", "analytics_zoo")],
)
def test_a_published_distribution_beside_it_is_refused(package, published, tmp_path):
    info = tmp_path / f"{published.replace('-', '_')}-2.4.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {published}\nVersion: 2.4.0\n")
    done = fresh(f"import {package}", COMPAT, ROOT, tmp_path)
    said = done.stderr.strip().splitlines()[-1]
    assert said.startswith("ImportError: sandbox-bigdl: the distribution ")
    assert "2.4.0 is installed beside it" in said
    assert "pip uninstall" in said


@pytest.mark.campaign
def test_the_wheel_is_built_installed_and_imported(tmp_path):
    venv.create(tmp_path / "venv", with_pip=False)
    python = tmp_path / "venv/bin/python"
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    packages = Path(subprocess.check_output([python, "-c", where], text=True).strip())
    beside = sysconfig.get_path("purelib")  # the product's environment: pip, setuptools, NumPy
    (packages / "beside.pth").write_text(f"{beside}\n{ROOT}\n")
    subprocess.run([COMPAT / "install.sh", python], check=True, timeout=120, cwd=tmp_path)
    code = f"""
import importlib, json, sys
files = [importlib.import_module(name).__file__ for name in {list(MODULES)!r}]
from bigdl.transform.vision.image import HFlip
ours = importlib.import_module(HFlip.__module__)
print(json.dumps([files, ours.__name__, HFlip is ours.HFlip]))
"""
    told = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    out = subprocess.check_output([python, "-c", code], text=True, env=told, cwd=tmp_path)
    files, module, same = json.loads(out)
    assert all(file.startswith(str(packages)) for file in files)
    assert module.startswith(FRONT)
    assert same
    spec = json.loads((tmp_path / "venv/share/jupyter/kernels/bigdl/kernel.json").read_text())
    assert spec["display_name"] == "BigDL (Python 3)"
    assert not list(COMPAT.glob("*.egg-info")) + list(COMPAT.glob("build"))
