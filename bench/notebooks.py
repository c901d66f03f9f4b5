"""The tutorials from top to bottom, as a reader runs them: their key figures and their bars.

Without --full the notebooks run short (FAST=1), which tells that they run, not how well.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from . import harness

FOLDER = Path(__file__).parents[1] / "notebooks"
# Notebook -> key figures as printed, each with what it must be at least (None: shown only).
BARS: dict[str, dict[str, float | None]] = {
    "01_neuron_to_network": {"LeNet": 98.0, "fully connected": None},
    "02_lenet_mnist": {"test accuracy": 99.0, "training": None},
    "03_sentiment": {
        "IMDB, network": 89.0,
        "not a good film": 50.0,  # the lesson says that it is called good
        "rt-polarity, text CNN minus TF-IDF": -1.0,
        "rt-polarity, words and pairs minus TF-IDF": -1.0,
    },
    # What lesson 04 says of thresholds: a choice saves much where prices are not those of the class
    # weights, and nothing beyond chance where they are.
    "04_fraud": {
        "PR-AUC on the test part": 0.80,
        "PR-AUC, logistic regression": None,
        "saved at 5 euros, in chances": -1.0,
        "saved at 50 euros, in chances": 1.0,
    },
    # Lesson 05 says that hidden layers beat a weighted sum, and that trees beat both.
    "05_census": {
        "AUC on the test part": 0.905,
        "AUC, boosted trees": None,
        "AUC, logistic regression": None,
        "network minus regression": 0.005,
        "trees minus network": 0.0,
    },
    # Lesson 06 says that both learned ways beat popularity by far, and that between them lies
    # less than chance.
    "06_recommender": {
        "HitRatio of NCF": None,
        "HitRatio of ALS": None,
        "HitRatio of popularity": None,
        "NCF minus popularity": 10.0,
        "NCF minus ALS": -2.0,
    },
}
AT_MOST = {("02_lenet_mnist", "training"): 60.0}  # seconds


def run(notebook: Path, *, full: bool, timeout: float) -> tuple[float, dict[str, str], str]:
    """Run a notebook; give its seconds, its key figures and its whole output."""
    from sandbox.cli.run import Figures

    environment = {**os.environ, "FAST": "0" if full else "1"}
    started = time.perf_counter()
    answer = subprocess.run(
        [sys.executable, "-m", "sandbox.cli", "run", str(notebook)],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        env=environment,
    )
    seconds = time.perf_counter() - started
    if answer.returncode:
        raise harness.RefusedError(f"{notebook.name} failed:\n{answer.stdout[-2000:]}")
    figures = Figures()
    figures.read(answer.stdout)
    figures.close()
    return seconds, figures.found, answer.stdout


def main(arguments, report):
    """Run the notebooks and compare with their bars."""
    parser = harness.options("notebooks", __doc__)
    parser.add_argument("--full", action="store_true", help="all epochs and seeds, with the bars")
    parser.add_argument("--only", default="", help="notebooks whose name holds this")
    parser.add_argument("--timeout", type=float, default=1200, help="seconds for one notebook")
    chosen = parser.parse_args(arguments)
    for name, bars in BARS.items():
        if chosen.only not in name:
            continue
        seconds, found, text = run(
            FOLDER / f"{name}.ipynb", full=chosen.full, timeout=chosen.timeout
        )
        for line in text.splitlines():
            if " rows from " in line or "***" in line:
                report(f"{name}: {line.strip()}")
        report.value(f"{name}, whole run", seconds, "s")
        judged = chosen.full and "***" not in text  # short runs and stand-ins meet no bar
        for figure, bar in bars.items():
            if figure not in found:
                raise harness.RefusedError(f"{name} did not print {figure!r}; it printed {found}")
            report.value(
                f"{name}, {figure}",
                float(found[figure].split()[0]),
                at_least=bar if judged else None,
                at_most=AT_MOST.get((name, figure)) if judged else None,
            )
    return report.close()
