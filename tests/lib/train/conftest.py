from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # train_kit: what these tests share

from train_kit import Ranks

from sandbox.lib.train import Command, TrainJob


@pytest.fixture
def run_ranks() -> Callable[..., Ranks]:
    def run(job: TrainJob, size: int, poll: Callable[[], Command | None] = lambda: None) -> Ranks:
        return Ranks(replace(job), size, poll)

    return run
