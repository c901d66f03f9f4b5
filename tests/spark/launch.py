"""Starts ranks of a group as plain processes and collects what they say."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).with_name("rank_process.py")


class Ranks:
    """The processes of one group, listening but not yet connected."""

    def __init__(self, scenario: str, size: int, **options: Any) -> None:
        self.processes = [
            subprocess.Popen(
                [sys.executable, str(SCRIPT), scenario, str(rank), str(size), json.dumps(options)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for rank in range(size)
        ]
        self.addresses = [json.loads(p.stdout.readline()) for p in self.processes]

    def go(self, timeout: float = 60) -> list[list[dict]]:
        """Tell all ranks the addresses; return the JSON lines of each."""
        pids = [p.pid for p in self.processes]
        answers = []
        try:
            for process in self.processes:
                process.stdin.write(f"{json.dumps(self.addresses)}\n{json.dumps(pids)}\n")
                process.stdin.flush()
            for process in self.processes:
                out, _ = process.communicate(timeout=timeout)
                answers.append([json.loads(line) for line in out.splitlines()])
        finally:
            for process in self.processes:
                process.kill()
                process.wait()
                process.stdin.close()
                process.stdout.close()
        return answers


def run(scenario: str, size: int, **options: Any) -> list[dict]:
    """Run a scenario and return the last answer of each rank."""
    return [lines[-1] for lines in Ranks(scenario, size, **options).go()]
