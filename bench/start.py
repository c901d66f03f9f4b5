"""Seconds until JupyterLab answers, when the environment stands already: median of 5 starts.

From the call of run-bigdl-native.sh to the first good answer of the page, by a clock outside.
"""

from __future__ import annotations

import re
import statistics
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

from . import harness

SCRIPT = Path(__file__).resolve().parents[1] / "run-bigdl-native.sh"
ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+/lab\?token=\w+")
PATIENCE = 120.0


def once(port: int) -> float:
    """Start, wait for the page, stop; give the seconds until the page."""
    started = time.perf_counter()
    command = [str(SCRIPT), "lab", "--no-browser", "--port", str(port)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as server:
        try:
            said = ""
            while not (found := ADDRESS.search(said)):
                line = server.stdout.readline()
                if not line or time.perf_counter() - started > PATIENCE:
                    raise harness.RefusedError(f"JupyterLab did not start:\n{said}{line}")
                said += line
            answer(found[0], started + PATIENCE)
            return time.perf_counter() - started
        finally:
            server.terminate()
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()


def answer(address: str, until: float) -> None:
    """Wait for a page."""
    while True:
        try:
            with urllib.request.urlopen(address, timeout=5) as page:
                if page.status == 200 and b"jupyter-config-data" in page.read():
                    return
        except (urllib.error.URLError, OSError) as error:
            if time.perf_counter() > until:
                raise harness.RefusedError(f"no answer: {error}") from None
        time.sleep(0.02)


def main(arguments, report):
    """Measure."""
    parser = harness.options("start", __doc__)
    parser.add_argument("--starts", type=int, default=5, help="how many")
    parser.add_argument("--port", type=int, default=18888, help="a free one")
    chosen = parser.parse_args(arguments)
    once(chosen.port)  # the first start after an installation compiles the packages
    seconds = [once(chosen.port) for _ in range(chosen.starts)]
    report("seconds of each start: " + ", ".join(f"{value:.2f}" for value in seconds))
    report.value("start of JupyterLab, median", statistics.median(seconds), "s", at_most=5.0)
    return report.close()
