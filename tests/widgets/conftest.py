from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

FILTERS = "conv1.weight"


def iteration(step: int, **changes: Any) -> dict[str, Any]:
    mean = {"compute": 0.008, "wait": 0.001, "exchange": 0.001, "bytes": 9, "rows": 64}
    event = {
        "type": "iteration", "epoch": (step - 1) // 10 + 1, "step": step, "loss": 1 / step,
        "learning_rate": 0.1, "rows": 128, "seconds": 0.01, "rate": 12800.0,
        "metrics": {"top1": 0.5, "loss": 1 / step}, "ranks": 2,
        "mean": mean, "slowest": {"rank": 1, **mean},
    }  # fmt: skip
    return {**event, **changes}


def ranks(step: int, size: int = 2) -> dict[str, Any]:
    """What comes before an iteration of several ranks."""
    mean = iteration(step)["mean"]
    timings = [{"rank": rank, **mean} for rank in range(size)]
    return {"type": "ranks", "step": step, "steps": 1, "timings": timings}


class Parameter:
    def __init__(self, data: np.ndarray) -> None:
        self.data = data


class Model:
    def __init__(self) -> None:
        self.weight = np.linspace(-1, 1, 150, dtype="f4").reshape(6, 1, 5, 5)

    def named_parameters(self) -> list[tuple[str, Parameter]]:
        return [(FILTERS, Parameter(self.weight))]


class FakeTrainer:
    """The part of a trainer that widgets use; `emit` plays the training thread."""

    watch = (FILTERS,)
    state = "idle"

    def __init__(self) -> None:
        self.model = Model()
        self.history: list[Any] = []
        self.listeners: list[Any] = []
        self.calls: list[Any] = []

    def subscribe(self, listener: Any) -> Any:
        self.listeners.append(listener)
        return lambda: self.listeners.remove(listener)

    def emit(self, *events: dict[str, Any]) -> None:
        for event in events:
            for listener in self.listeners:
                listener(event)

    def pause(self) -> None:
        self.calls.append("pause")

    def resume_training(self) -> None:
        self.calls.append("resume")

    def stop(self) -> None:
        self.calls.append("stop")

    def set_learning_rate(self, value: float) -> None:
        self.calls.append(value)


@pytest.fixture
def trainer() -> FakeTrainer:
    return FakeTrainer()


@pytest.fixture
def make_iteration() -> Any:
    return iteration


@pytest.fixture
def make_ranks() -> Any:
    return ranks


@pytest.fixture
def run_node() -> Callable[..., str]:
    """Run node with these arguments and give what it prints."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed: the JavaScript unit tests cannot run")

    def run(*arguments: str, **environment: str) -> str:
        answer = subprocess.run(
            [node, *arguments],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert answer.returncode == 0, answer.stdout + answer.stderr
        return answer.stdout

    return run
