"""Spark underneath: many ranks, a large state, a large DataFrame, Ctrl-C, the user's own jobs.

Each part is a file `_cluster_PART.py` with `run(asked, report)`; `--only` takes some of them.
"""

from __future__ import annotations

import importlib

from . import harness

PARTS = ("ranks", "state", "rows", "driver")


def main(arguments, report):
    """Run the parts, one after the other."""
    parser = harness.options("cluster", __doc__, rounds=5)
    parser.add_argument("--only", choices=PARTS, nargs="+", default=[*PARTS], help="parts")
    parser.add_argument("--gigabytes", type=float, default=6.0, help="of the large DataFrame")
    asked = parser.parse_args(arguments)
    for part in asked.only:
        report(f"-- {part}")
        importlib.import_module(f"bench._cluster_{part}").run(asked, report)
    return report.close()
