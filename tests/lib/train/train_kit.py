"""What the tests of this room share: data, nets, ranks as threads."""

from __future__ import annotations

import pickle
import re
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from sandbox.lib import nn
from sandbox.lib.criterion import CrossEntropy
from sandbox.lib.data import ArrayDataset
from sandbox.lib.optim import SGD
from sandbox.lib.train import Command, Result, SingleGroup, Trainer, TrainJob, loop


def make_data(rows: int = 200, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Two noisy half planes in four dimensions."""
    x = np.random.default_rng(seed).normal(size=(rows, 4)).astype("f4")
    return x, (x[:, 0] + 0.3 * x[:, 1] > 0).astype("i8")


class Unseen(ArrayDataset):
    """Rows that only a run reads, as those of a cluster: the driver cannot look at them first."""

    def held(self, partition: int) -> Any:
        return None


def make_model(seed: int = 0) -> nn.Module:
    """A net with everything a checkpoint must keep: batch norm, dropout."""
    return nn.Sequential(
        fc1=nn.Linear(4, 16, rng=seed),
        norm=nn.BatchNorm(16),
        relu=nn.ReLU(),
        drop=nn.Dropout(0.3),
        fc2=nn.Linear(16, 2, rng=seed + 1),
    )


def weights(model: nn.Module) -> dict[str, np.ndarray]:
    holders = [*model.named_parameters(), *model.named_buffers()]
    return {name: np.array(holder.data) for name, holder in holders}


def assert_same(expected: dict[str, np.ndarray], actual: dict[str, np.ndarray]) -> None:
    assert expected.keys() == actual.keys()
    for name in expected:
        np.testing.assert_array_equal(expected[name], actual[name], err_msg=name)


def make_trainer(model: nn.Module | None = None, **changes: Any) -> Trainer:
    settings = {"batch_size": 32, "threads": 1, "progress": None, "seed": 7} | changes
    optimizer = settings.pop("optimizer", None) or SGD(0.1, momentum=0.9)
    criterion = settings.pop("criterion", None) or CrossEntropy()
    return Trainer(model or make_model(), criterion, optimizer, **settings)


def unmarked(path: Any) -> str:
    """Name a checkpoint without the mark that is drawn for its run."""
    return re.sub(r"^(run\d+)-[0-9a-f]{8}", r"\1", path.name)


class ThreadGroup(SingleGroup):
    """Ranks as threads of this process: slow, plain, and the sums in rank order."""

    def __init__(self, rank: int, size: int, shared: dict[str, Any]) -> None:
        super().__init__()
        self.rank, self.size, self.shared = rank, size, shared

    def _swap(self, value: Any) -> list[Any]:
        self.shared["wall"].wait(30)
        self.shared["slots"][self.rank] = value
        self.shared["wall"].wait(30)
        return list(self.shared["slots"])

    def reduce_scatter(self, vector: np.ndarray, buckets: Any) -> None:
        vectors = self._swap(vector.copy())
        for start, stop in buckets:
            n = (stop - start) // self.size
            mine = slice(start + self.rank * n, start + (self.rank + 1) * n)
            total = vectors[0][mine].copy()
            for other in vectors[1:]:
                total += other[mine]
            vector[mine] = total

    def all_gather(self, vector: np.ndarray, buckets: Any) -> None:
        vectors = self._swap(vector.copy())
        for start, stop in buckets:
            n = (stop - start) // self.size
            for rank, other in enumerate(vectors):
                part = slice(start + rank * n, start + (rank + 1) * n)
                vector[part] = other[part]

    def all_reduce(self, values: np.ndarray, record: int = 0) -> np.ndarray:
        given = self._swap(values.copy())
        total = sum(given)
        if record:
            total[-record:] = max(given, key=lambda each: each[-record])[-record:]
        return total

    def broadcast(self, vector: np.ndarray, root: int = 0) -> None:
        vector[...] = self._swap(vector.copy())[root]

    def barrier(self) -> None:
        self._swap(None)


class Ranks:
    """Runs one job on several ranks at once and keeps what each of them has to say."""

    def __init__(self, job: TrainJob, size: int, poll: Callable[[], Command | None]) -> None:
        shared = {"wall": threading.Barrier(size), "slots": [None] * size}
        self.events: list[dict[str, Any]] = []
        self.models: list[nn.Module] = [None] * size
        self.results: list[Result | None] = [None] * size
        self.errors: list[BaseException | None] = [None] * size

        def work(rank: int) -> None:
            own = pickle.loads(pickle.dumps(job))
            self.models[rank] = own.model
            emit = self.events.append if rank == 0 else lambda event: None
            try:
                self.results[rank] = loop.run(own, ThreadGroup(rank, size, shared), emit, poll)
            except BaseException as error:
                self.errors[rank] = error

        threads = [threading.Thread(target=work, args=(rank,)) for rank in range(size)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["type"] == kind]
