"""Finding and opening the native library, and what happens when that fails."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings

import numpy as np
import pytest

from sandbox.lib import engine
from sandbox.lib.engine import _load, mkl, threads

LENET = """
import sys
sys.path.insert(0, {folder!r})
import numpy as np
from oplists import lenet
from sandbox.lib import engine
oplist, storage = lenet(4)
x = np.random.Generator(np.random.PCG64(0)).standard_normal((4, 1, 28, 28), np.float32)
program = engine.compile(oplist, storage)
loss = float(program.run([x, np.arange(4)])[1])
with engine.use_reference():
    expected = float(engine.compile(oplist, storage).run([x, np.arange(4)])[1])
assert abs(loss - expected) < 1e-4, (loss, expected)
print(sorted({{step.implementation for step in program.steps if step.name == "conv2d"}}))
"""


def python(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def _not_loaded(monkeypatch):
    from sandbox.lib.engine.dnnl import library

    monkeypatch.setattr(library, "_native", None)
    monkeypatch.setattr(engine, "_available", None)


@pytest.mark.usefixtures("_not_loaded")
def test_a_missing_library_is_one_warning_and_numpy(monkeypatch):
    monkeypatch.setattr(_load, "_find", lambda package, stem: None)
    monkeypatch.delenv(_load.PATH_VARIABLE, raising=False)
    with pytest.warns(RuntimeWarning, match="pip install onednn-cpu-gomp") as caught:
        (y,) = engine.execute("relu", [np.array([-1, 2], np.float32)], {})
    assert len(caught) == 1
    assert y.tolist() == [0, 2]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not engine.is_native()
        assert "pip install" in engine.describe().reason


def test_a_missing_openmp_is_one_warning_and_numpy(tmp_path, native_path):
    broken = tmp_path / "libdnnl.so.3"
    broken.write_bytes(native_path.read_bytes().replace(b"libgomp.so.1", b"libgomp.so.9"))
    code = (
        "from sandbox.lib import engine\nfound = engine.describe()\n"
        "print(found.native, found.reason)\nengine.is_native()"
    )
    found = python(code, SANDBOX_DNNL_PATH=str(broken))
    cure = "libgomp.so.9: must be installed for libdnnl.so.3; the system finds none. "
    cure += "Cure: install GNU OpenMP: apt-get install libgomp1."
    assert found.stdout.strip() == f"False NumPy; {cure}", found.stderr
    assert found.stderr.count("RuntimeWarning") == 1
    assert cure in found.stderr


@pytest.mark.usefixtures("_not_loaded")
@pytest.mark.parametrize("kept", [0, 10, 100_000, -1])
def test_a_truncated_library_is_a_clear_error(monkeypatch, tmp_path, native_path, kept):
    broken = tmp_path / "libdnnl.so.3"
    broken.write_bytes(native_path.read_bytes()[:kept])
    monkeypatch.setenv(_load.PATH_VARIABLE, str(broken))
    with pytest.raises(engine.EngineError, match=r"libdnnl\.so\.3: must be a whole") as error:
        engine.execute("relu", [np.ones(3, np.float32)], {})
    assert "damaged or cut short" in str(error.value)


@pytest.mark.usefixtures("_not_loaded")
@pytest.mark.parametrize("path", ["relative/libdnnl.so.3", "/nowhere/libdnnl.so.3"])
def test_a_path_that_leads_nowhere_is_a_clear_error(monkeypatch, path):
    monkeypatch.setenv(_load.PATH_VARIABLE, path)
    with pytest.raises(engine.EngineError, match="must be the absolute path of a libdnnl file"):
        engine.is_native()


@pytest.mark.usefixtures("_not_loaded")
def test_another_library_is_refused_by_name(monkeypatch):
    from ctypes.util import find_library

    other = next(
        (
            path
            for path in ("/lib/x86_64-linux-gnu/libm.so.6", "/usr/lib64/libm.so.6")
            if os.path.isfile(path)
        ),
        None,
    )
    if other is None or find_library("m") is None:
        pytest.skip("no other library at hand")
    monkeypatch.setenv(_load.PATH_VARIABLE, other)
    with pytest.raises(engine.EngineError, match=r"must be oneDNN 3\.x"):
        engine.is_native()


@pytest.fixture
def native_path(monkeypatch, request):
    """Give where the library lies, without loading it."""
    monkeypatch.delenv(_load.PATH_VARIABLE, raising=False)
    try:
        return _load.find_dnnl()
    except _load.LibraryMissingError:
        request.getfixturevalue("native")  # skips, or fails in CI
        raise


def test_the_path_variable_chooses_the_library(native_path):
    code = "from sandbox.lib.engine import dnnl; print(dnnl.native().path)"
    found = python(code, SANDBOX_DNNL_PATH=str(native_path))
    assert str(native_path) == found.stdout.strip(), found.stderr


def test_the_reference_variable_turns_native_kernels_off():
    code = "from sandbox.lib import engine; print(engine.is_native(), engine.describe().reason)"
    found = python(code, SANDBOX_ENGINE="reference")
    assert found.stdout.strip() == "False NumPy, because SANDBOX_ENGINE=reference", found.stderr


@pytest.mark.usefixtures("native")
@pytest.mark.parametrize("sets", ["SSE41", "AVX2"])
def test_lenet_runs_with_older_instruction_sets(sets, tmp_path):
    code = LENET.format(folder=os.path.dirname(__file__))
    found = python(code, ONEDNN_MAX_CPU_ISA=sets, SANDBOX_CACHE=str(tmp_path))
    assert found.returncode == 0, found.stderr
    assert "ref" not in found.stdout


@pytest.mark.usefixtures("native")
def test_the_interpreter_ends_cleanly_after_threads_ran():
    code = LENET.format(folder=os.path.dirname(__file__)).replace(
        "engine.compile(oplist, storage)\nloss", "engine.compile(oplist, storage, threads=2)\nloss"
    )
    found = python(code, OMP_WAIT_POLICY="active")
    assert found.returncode == 0, found.stderr


@pytest.mark.usefixtures("native")
def test_a_forked_process_does_not_wait_for_threads_it_lacks():
    code = LENET.format(folder=os.path.dirname(__file__)).replace(
        "engine.compile(oplist, storage)\nloss", "engine.compile(oplist, storage, threads=2)\nloss"
    )
    code += """
import os, signal
before = [array.copy() for array in program.run([x, np.arange(4)])]
child = os.fork()
if child == 0:
    signal.alarm(30)
    after = program.run([x, np.arange(4)])
    os._exit(0 if all(np.array_equal(a, b) for a, b in zip(before, after)) else 3)
assert os.waitpid(child, 0)[1] == 0
"""
    found = python(code)
    assert found.returncode == 0, found.stderr


@pytest.mark.usefixtures("native")
def test_describe_tells_libraries_and_kernels():
    found = engine.describe()
    text = str(found)
    assert found.native
    assert "oneDNN" in text
    assert "conv2d" in text
    names = {kernel["operation"]: kernel for kernel in found.to_dict()["kernels"]}
    assert names["linear"]["served_by"] == "oneDNN"
    told = {name for name, kernel in names.items() if kernel["served_by"] == "oneDNN"}
    assert not any(names[name]["implementation"].startswith("ref") for name in told)
    products = {
        f"conv{axes}d{part}" for axes in (2, 3) for part in ("", "_grad_input", "_grad_weight")
    }
    turned = {name.replace("conv", "conv_transpose") for name in products}
    assert products | turned <= told
    assert names["conv_transpose3d"]["why"].startswith("as conv3d_grad_input")


@pytest.mark.usefixtures("native")
def test_describe_tells_of_every_operation_who_serves_it_and_why():
    from sandbox.lib.engine.ops import OPERATIONS

    kernels = {kernel.operation: kernel for kernel in engine.describe().kernels}
    assert {name for name in OPERATIONS if "." not in name} == set(kernels)
    assert all(kernel.why for kernel in kernels.values())
    records = {name: OPERATIONS[name] for name in kernels}
    bare = {n for n, record in records.items() if record.lower is None and record.sample is None}
    assert bare == {n for n, kernel in kernels.items() if kernel.implementation == "reference"}


def test_mkl_multiplies_matrices_beside_the_other_library():
    try:
        version = mkl.version()
    except _load.LibraryMissingError:
        pytest.skip("MKL is not installed")
    assert "Math Kernel Library" in version
    random = np.random.Generator(np.random.PCG64(0))
    a, b = random.standard_normal((7, 5), np.float32), random.standard_normal((5, 9), np.float32)
    out = np.empty((7, 9), np.float32)
    mkl.sgemm(a, b, out)
    np.testing.assert_allclose(a @ b, out, rtol=1e-5, atol=1e-6)
    mkl.sgemm(
        np.ascontiguousarray(a.T),
        np.ascontiguousarray(b.T),
        out,
        transpose_a=True,
        transpose_b=True,
    )
    np.testing.assert_allclose(a @ b, out, rtol=1e-5, atol=1e-6)


def test_the_gemm_variable_must_name_a_library(monkeypatch):
    monkeypatch.setenv("SANDBOX_GEMM", "cublas")
    with pytest.raises(engine.EngineError, match="must be 'onednn' or 'mkl'; got 'cublas'"):
        mkl.preferred_gemm()


def test_thread_counts_are_checked_and_restored():
    threads.set_threads(1)
    with threads.limit(2):
        assert threads.get_threads() == 2
    assert threads.get_threads() == 1
    with pytest.raises(ValueError, match="`threads` must be an int > 0; got 0"):
        threads.set_threads(0)
