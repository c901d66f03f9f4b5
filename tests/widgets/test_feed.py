from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from sandbox.widgets.feed import EventFeed


def test_everything_arrives_in_order_from_many_threads() -> None:
    seen: list[Any] = []
    feed = EventFeed(seen.extend, interval=0.001)

    def work(name: int) -> None:
        for i in range(200):
            feed.put({"type": "log", "name": name, "i": i})

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert feed.flush()
    assert len(seen) == 800
    for name in range(4):
        assert [e["i"] for e in seen if e["name"] == name] == list(range(200))


def test_batches_come_at_most_as_often_as_the_interval_says() -> None:
    batches: list[float] = []
    feed = EventFeed(lambda events: batches.append(time.monotonic()), interval=0.05)
    end = time.monotonic() + 0.5
    while time.monotonic() < end:
        feed.put({"type": "iteration"})
        time.sleep(0.001)
    feed.flush()

    assert 2 <= len(batches) <= 12


def test_a_slow_reader_costs_iterations_but_never_the_end_of_the_run() -> None:
    gate, seen = threading.Event(), []

    def slow(events: list[Any]) -> None:
        gate.wait(5)
        seen.extend(events)

    feed = EventFeed(slow, interval=0, capacity=50)
    feed.put({"type": "state", "state": "running"})
    time.sleep(0.05)  # the reader holds the first batch now
    feed.put({"type": "validation"})
    began = time.monotonic()
    for step in range(1000):
        feed.put({"type": "iteration", "step": step})
    feed.put({"type": "state", "state": "done"})
    took = time.monotonic() - began
    gate.set()

    assert feed.flush()
    assert took < 0.5
    assert feed.dropped == 952
    assert [e["type"] for e in seen if e["type"] != "iteration"] == ["state", "validation", "state"]
    assert seen[-2]["step"] == 999


def test_an_error_of_the_reader_is_logged_and_the_feed_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    seen: list[Any] = []

    def handle(events: list[Any]) -> None:
        if events[0]["type"] == "bad":
            raise ValueError("broken picture")
        seen.extend(events)

    feed = EventFeed(handle, interval=0)
    feed.put({"type": "bad"})
    feed.flush()
    feed.put({"type": "good"})

    assert feed.flush()
    assert [e["type"] for e in seen] == ["good"]
    assert "broken picture" in caplog.text


def test_the_thread_ends_when_nothing_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandbox.widgets.feed._LINGER", 0.01)
    feed = EventFeed(lambda events: None, interval=0)
    feed.put({"type": "iteration"})
    feed.flush()
    time.sleep(0.2)

    assert feed._thread is None
    feed.put({"type": "iteration"})
    assert feed.flush()
