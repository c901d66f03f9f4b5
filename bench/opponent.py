"""The environment of the opponents: PyTorch and others beside the sandbox's own packages.

PyTorch, ONNX Runtime and OpenVINO are opponents here and never dependencies, so they live in
`.venv-bench`: an environment with nothing else in it (but `onnx`, by which PyTorch writes files for
the other two), which looks into the sandbox's environment for all the rest. Both sides so run in
one process, with the same NumPy, Spark and Java.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

PACKAGES = ("torch==2.13.0", "onnxruntime==1.32.0", "openvino==2026.4.1", "onnx==1.23.2")
STAMP = "sandbox-stamp"
ROOT = Path(__file__).resolve().parents[1]


def is_here() -> bool:
    """Tell whether this process can import the opponents."""
    return all(importlib.util.find_spec(entry.split("==")[0]) for entry in PACKAGES)


def folder() -> Path:
    """Give the place of the environment: beside the sandbox's own one."""
    beside = Path(sys.prefix).parent
    return Path(os.environ.get("SANDBOX_VENV_BENCH", beside / ".venv-bench"))


def stamp() -> str:
    """Tell what a finished environment was made of; it says the same in a file."""
    return f"{' '.join(PACKAGES)} over {sys.prefix}"


def is_set_up() -> bool:
    """Tell whether the environment is there and finished."""
    mark = folder() / STAMP
    return mark.is_file() and mark.read_text() == stamp()


def python() -> str:
    """Give the Python of the environment; make the environment where there is none yet."""
    place = folder()
    program = place / "bin" / "python"
    if not is_set_up():
        print(f"Setting up {place} with {', '.join(PACKAGES)} (once) ...", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(place)], check=True)
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        own = place / "lib" / version / "site-packages"
        # addsitedir: also the .pth files of the sandbox's environment count.
        sandbox = sysconfig.get_path("purelib")
        (own / "sandbox.pth").write_text(f"import site; site.addsitedir({sandbox!r})\n")
        install = [str(program), "-m", "pip", "install", "-q", *PACKAGES]
        if subprocess.run(install, check=False).returncode:
            message = (
                f"bench: {', '.join(PACKAGES)} could not be installed into {place}.\n"
                "  It needs a network, or wheels that pip is told of (PIP_FIND_LINKS=FOLDER)."
            )
            raise SystemExit(message)
        (place / STAMP).write_text(stamp())
    return str(program)
