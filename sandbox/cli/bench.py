"""`sandbox bench`: hand over to the bench folder of the checkout."""

from __future__ import annotations

import os
import subprocess
import sys

from .errors import CommandError
from .places import ROOT


def measure(arguments: list[str]) -> int:
    """Run `python -m bench` from the checkout; give its status."""
    if not (ROOT / "bench" / "__main__.py").is_file():
        raise CommandError(f"there is no bench folder in {ROOT}.", "Run it from a checkout.")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-m", "bench", *arguments], env=environment, check=False
    ).returncode
