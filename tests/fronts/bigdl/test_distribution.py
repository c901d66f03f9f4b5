"""The packages `bigdl` and `zoo`: re-exports, the wheel, a published distribution beside them."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[3]
COMPAT = ROOT / "sandbox" / "compat"
FRONT = "sandbox.lib.bigdl"


# What programs of the ancestors import, by their paths.
TABLE = {
    "bigdl": "kernel py2compat transform.vision.image dlframes.dl_classifier "
    "nn.criterion nn.layer util.common dlframes.dl_image_reader dlframes.dl_image_transformer "
    "models.ml_pipeline.dl_classifier",
    "zoo": "common.nncontext feature.common feature.image pipeline.nnframes",
}


MODULES = [f"{top}.{name}" for top, names in TABLE.items() for name in names.split()]


@pytest.mark.parametrize("name", MODULES)
def test_names_are_those_of_the_library(name):
    theirs = importlib.import_module(name)
    inner = name.removeprefix("bigdl.")
    ours = vars(importlib.import_module(f"{FRONT}.{inner}"))
    public = {one for one, value in ours.items() if not one.startswith("_") and not is_ours(value)}
    assert public
    assert all(getattr(theirs, one) is ours[one] for one in public)


def is_ours(value):
    """Tell whether it is a file of the front."""
    return isinstance(value, ModuleType) and value.__name__.startswith(f"{FRONT}.")


@pytest.mark.parametrize("name", MODULES)
def test_a_star_import_gives_all_names_but_no_files_of_ours(name):
    space = {}
    exec(f"from {name} import *", space)
    assert not [one for one, value in space.items() if is_ours(value)]
    assert not hasattr(importlib.import_module(name), "__all__")


def test_a_star_import_leaks_what_the_ancestors_did():
    space = {}
    exec("from bigdl.nn.criterion import *", space)
    assert {"np", "os", "sys", "ClassNLLCriterion"} <= set(space)


def test_versions_are_told():
    from bigdl.version import __version__

    assert __version__ == "0.13.0"


def test_a_module_that_is_not_there_is_an_error():
    with pytest.raises(ModuleNotFoundError, match=r"No module named 'bigdl\.nothing'"):
        importlib.import_module("bigdl.nothing")


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
import importlib, json
for name in {MODULES!r}:
    importlib.import_module(name)
import bigdl
from bigdl.transform.vision.image import HFlip
ours = importlib.import_module(HFlip.__module__)
print(json.dumps([bigdl.__file__, ours.__name__, HFlip is ours.HFlip]))
"""
    told = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    out = subprocess.check_output([python, "-c", code], text=True, env=told, cwd=tmp_path)
    file, module, same = json.loads(out)
    assert file.startswith(str(packages))
    assert module.startswith(FRONT)
    assert same
    spec = json.loads((tmp_path / "venv/share/jupyter/kernels/bigdl/kernel.json").read_text())
    assert spec["display_name"] == "BigDL (Python 3)"
    assert not list(COMPAT.glob("*.egg-info")) + list(COMPAT.glob("build"))
