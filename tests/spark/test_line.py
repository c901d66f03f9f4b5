"""The line between driver and ranks, and the bytes on it: no Spark needed."""

from __future__ import annotations

import itertools
import socket
import threading
import time

import numpy as np
import pytest

from sandbox.lib.spark import tcp, wire
from sandbox.lib.spark.errors import AuthenticationError, ExchangeError, RendezvousError, Stopped
from sandbox.lib.spark.progress import Line, LineServer
from sandbox.lib.spark.rendezvous import agree
from sandbox.lib.spark.worker import Survival
from sandbox.lib.train import EverySteps
from sandbox.lib.train.job import Command
from sandbox.lib.train.triggers import Progress


@pytest.fixture
def server():
    server = LineServer("127.0.0.1", b"secret", start=b"first state")
    yield server
    server.close()


def call(server, rank=0, token=b"secret", on_stop=lambda: None):
    return Line(server.address, token, rank, pid=100 + rank, on_stop=on_stop)


def heard(server, kind):
    while True:
        message = server.messages.get(timeout=5)
        if message.kind == kind:
            return message


def test_events_arrive_with_their_arrays_and_the_newest_state_is_kept(server):
    line = call(server)
    generation = line.begin({"pids": [1]})
    assert line.fetch(generation) == b"first state"
    line.emit({"type": "snapshot", "values": {"w": np.arange(6, dtype="f4").reshape(2, 3)}})
    line.emit({"type": "checkpoint", "step": 7, "data": b"later state"})
    line.finish({"step": 8, "state": b"end"})

    assert heard(server, "begin").value["pids"] == [1]
    assert heard(server, "event").value["values"]["w"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert heard(server, "finish").value == {"step": 8, "state": b"end"}
    assert (server.latest, server.latest_step) == (b"later state", 7)
    line.close()


def test_ranks_that_start_again_get_the_newest_state_and_old_ones_are_not_heard(server):
    old = call(server)
    old.fetch(old.begin({"pids": []}))
    old.emit({"type": "checkpoint", "step": 5, "data": b"five"})
    old._drain()
    while server.latest_step != 5:
        time.sleep(0.01)
    new = call(server)
    generation = new.begin({"pids": []})
    assert generation == 2
    assert new.fetch(generation) == b"five"
    old.emit({"type": "checkpoint", "step": 6, "data": b"of a lost rank"})
    old._drain()
    time.sleep(0.2)

    assert server.latest == b"five"
    old.close()
    new.close()


def test_commands_go_down_to_rank_zero_only(server):
    zero, one = call(server, 0), call(server, 1)
    while len(server.ranks()) < 2:
        time.sleep(0.01)
    server.command(Command("learning_rate", 0.5))
    until = time.monotonic() + 5
    while (command := zero.poll()) is None and time.monotonic() < until:
        time.sleep(0.01)

    assert Command("learning_rate", 0.5) == command
    assert one.poll() is None
    zero.close()
    one.close()


def test_a_rank_leaves_when_the_driver_says_so_or_is_gone(server):
    stopped = threading.Event()
    line = call(server, on_stop=stopped.set)
    while not server.ranks():
        time.sleep(0.01)
    server.stop()

    assert stopped.wait(5)
    with pytest.raises(Stopped):
        line.poll()
    line.close()
    assert server.wait_gone(5)


def test_a_stranger_gets_nothing_and_harms_nothing(server):
    with pytest.raises(AuthenticationError, match="refused the token"):
        call(server, token=b"guessed")
    random = np.random.default_rng(0)
    for _ in range(40):
        with socket.create_connection(server.address) as stranger:
            stranger.sendall(random.bytes(int(random.integers(1, 4000))))
    line = call(server)
    assert line.begin({"pids": []}) == 1
    line.close()


def test_a_driver_that_is_not_there_is_named_with_its_address():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = taken.getsockname()
    with pytest.raises(ExchangeError, match=rf"the driver \(127.0.0.1:{address[1]}\)"):
        Line(address, b"t", 0, pid=1, on_stop=lambda: None)


def test_random_bytes_are_no_event():
    random = np.random.default_rng(1)
    whole = wire.encode({"a": np.ones(3), "b": b"xyz"})
    for _ in range(300):
        with pytest.raises(ExchangeError):
            wire.decode(random.bytes(int(random.integers(0, 200))))
        cut = int(random.integers(0, len(whole)))
        with pytest.raises(ExchangeError):
            wire.decode(whole[:cut])


@pytest.mark.parametrize("value", [object(), np.array([object()]), {1, 2}])
def test_what_is_no_plain_data_does_not_travel(value):
    with pytest.raises(ExchangeError):
        wire.encode({"value": value})


def test_garbage_on_an_authenticated_line_closes_it_only(server):
    connection = tcp.connect(server.address, b"secret", rank=0, purpose=tcp.LINE)
    connection.sendall(b"\x01" * 100)
    assert connection.recv(10) == b""
    connection.close()


@pytest.mark.parametrize("field", ["plan", "numpy", "data", "model"])
def test_ranks_that_disagree_are_told_who_and_what(field):
    facts = {"plan": "a", "numpy": "2.0", "data": [1], "model": "m"}
    with pytest.raises(RendezvousError, match=rf"rank 2: `{field}` must be .* got 'other'"):
        agree([{"facts": facts}, {"facts": facts}, {"facts": {**facts, field: "other"}}])


def test_states_come_early_at_growing_distances_and_when_the_user_asks():
    trigger = Survival(EverySteps(37), 10)
    fired = [step for step in range(1, 5001) if trigger(Progress(step=step))]
    asked = Survival(EverySteps(37), 10)

    assert fired[:3] == [1, 10, 20]
    assert max(b - a for a, b in itertools.pairwise(fired)) <= 160
    assert all(asked(Progress(step=step)) for step in (37, 74, 3700))
    assert asked(Progress(step=10))
    assert not asked.wanted
