"""The line between driver and ranks, and the bytes on it: no Spark needed."""

from __future__ import annotations

import re
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from sandbox.lib.spark.errors import AuthenticationError, ExchangeError, RendezvousError, Stopped
from sandbox.lib.spark.exchange import tcp
from sandbox.lib.spark.exchange.door import MAX_STRANGERS
from sandbox.lib.spark.exchange.ports import Ports
from sandbox.lib.spark.line import messages as wire
from sandbox.lib.spark.line.caller import AHEAD, Line
from sandbox.lib.spark.line.rendezvous import digests, disagreement
from sandbox.lib.spark.line.server import LineServer
from sandbox.lib.spark.line.states import Desk
from sandbox.lib.train.control import Wanted
from sandbox.lib.train.job import Command


@pytest.fixture
def server():
    server = LineServer("127.0.0.1", b"secret", 1, Desk(b"first state"))
    server.open(1)
    yield server
    server.close()


@pytest.fixture
def two():
    server = LineServer("127.0.0.1", b"secret", 2)
    server.open(1)
    yield server
    server.close()


def call(server, rank=0, token=b"secret", on_stop=lambda: None, **hello):
    words = {"pid": 100 + rank, "submission": 1, "attempt": 0} | hello
    return Line(server.address, token, rank, hello=words, on_stop=on_stop)


def join(line, **facts):
    told = {"address": ("127.0.0.1", 1000 + line.rank), "facts": digests(facts)}
    return line.meet(told, facts)


def heard(server, kind):
    while True:
        message = server.messages.get(timeout=5)
        if message.kind == kind:
            return message


def until(what, seconds=5):
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_events_arrive_with_their_arrays_and_the_newest_state_is_kept(server):
    line = call(server)
    join(line)
    assert line.fetch()["start"] == b"first state"
    line.emit({"type": "snapshot", "values": {"w": np.arange(6, dtype="f4").reshape(2, 3)}})
    line.emit({"type": "checkpoint", "step": 7, "data": b"later state"})
    line.finish({"step": 8, "state": b"end"})

    assert heard(server, "begin").value["pids"] == [100]
    assert heard(server, "event").value["values"]["w"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert heard(server, "finish").value == {"step": 8, "state": b"end"}
    assert (server.desk.latest, server.latest_step) == (b"later state", 7)
    line.close()


def test_ranks_that_start_again_get_the_newest_state_and_old_ones_are_not_heard(server):
    old = call(server)
    join(old)
    old.emit({"type": "checkpoint", "step": 5, "data": b"five"})
    old._drain()
    until(lambda: server.latest_step == 5)
    new = call(server)  # Spark runs the stage anew: the old process has to leave
    join(new)
    assert old.stopped.wait(5)
    assert (server.generation, new.fetch()["start"]) == (2, b"five")
    other = call(server, attempt=1)
    other._generation = 1
    other.emit({"type": "checkpoint", "step": 6, "data": b"of a lost rank"})
    other._drain()
    time.sleep(0.2)

    assert server.desk.latest == b"five"
    for line in (old, new, other):
        line.close()


def test_a_rank_joins_again_on_the_same_line_when_another_was_lost(two):
    zero, one = call(two, 0), call(two, 1)
    with ThreadPoolExecutor(2) as pool:
        first = [met.result(5) for met in [pool.submit(join, line) for line in (zero, one)]]
        assert first[0] == first[1]
        assert first[0]["addresses"] == [["127.0.0.1", 1000], ["127.0.0.1", 1001]]
        one.close()
        assert heard(two, "gone").rank == 1
        until(zero.broken)
        late = call(two, 1, attempt=1)
        again = [pool.submit(join, line) for line in (zero, late)]
        second = [met.result(5) for met in again]
    assert second[0] == second[1]
    assert second[0]["salt"] != first[0]["salt"]
    assert two.generation == 2
    zero.close()
    late.close()


def test_a_copy_of_a_rank_waits_and_steps_in_when_the_first_is_lost(two):
    zero, one, copy = call(two, 0), call(two, 1), call(two, 1, attempt=1, pid=7)
    with ThreadPoolExecutor(3) as pool:
        spare = pool.submit(join, copy)
        for met in [pool.submit(join, line) for line in (zero, one)]:
            met.result(5)
        assert heard(two, "begin").value["pids"] == [100, 101]
        assert not spare.done()
        one.close()
        for met in (pool.submit(join, zero), spare):
            met.result(5)
        assert heard(two, "begin").value["pids"] == [100, 7]
    zero.close()
    copy.close()


def test_what_is_wanted_reaches_rank_zero_now_and_at_each_begin(two):
    zero, one = call(two, 0), call(two, 1)
    two.want(Wanted(1, learning_rate=0.5))
    with ThreadPoolExecutor(2) as pool:
        for _ in range(2):  # the second time as after a lost rank: all of it again
            for met in [pool.submit(join, line) for line in (zero, one)]:
                met.result(5)
            assert zero.poll() == Command("learning_rate", 0.5)
            assert zero.poll() is None
    two.want(Wanted(2, pause=True, learning_rate=0.5))
    commands = []
    until(lambda: commands.append(zero.poll()) or commands[-1])
    assert commands[-1] == Command("pause")
    assert one.poll() == Command("learning_rate", 0.5)  # it was told, and is not asked
    zero.close()
    one.close()


def test_rank_zero_holds_while_the_driver_is_too_far_behind(server):
    line = call(server)
    join(line)
    for step in range(1, AHEAD - 4):
        line.emit({"type": "iteration", "step": step})
        assert line.poll() is None
    line.emit({"type": "iteration", "step": AHEAD - 4})
    assert line.poll() == Command("hold")
    assert line.poll() is None
    server.handled(10)
    time.sleep(0.1)
    assert line.poll() is None
    server.handled(AHEAD // 2)
    commands = []
    until(lambda: commands.append(line.poll()) or commands[-1])
    assert commands[-1] == Command("go")
    line.close()


def test_a_rank_leaves_when_the_driver_says_so_or_is_gone(server):
    stopped = threading.Event()
    line = call(server, on_stop=stopped.set)
    until(server.ranks)
    server.stop()

    assert stopped.wait(5)
    with pytest.raises(Stopped):
        line.poll()
    with pytest.raises(Stopped):
        join(line)
    line.close()
    until(lambda: not server.ranks())
    late = call(server)
    assert late.stopped.wait(5)
    late.close()


def test_a_rank_of_an_older_submission_is_told_to_leave(server):
    server.open(2)
    line = call(server, submission=1)
    assert line.stopped.wait(5)
    line.close()


def test_a_stranger_gets_nothing_and_harms_nothing(server):
    with pytest.raises(AuthenticationError, match="refused the token"):
        call(server, token=b"guessed")
    random = np.random.default_rng(0)
    for _ in range(40):
        with socket.create_connection(server.address) as stranger:
            stranger.sendall(random.bytes(int(random.integers(1, 4000))))
    line = call(server)
    join(line)
    line.close()


def test_idle_strangers_do_not_lock_ranks_out_and_cost_no_threads(server):
    threads = threading.active_count()
    strangers = [socket.create_connection(server.address) for _ in range(3 * MAX_STRANGERS)]
    until(lambda: len(server._door._strangers) == server._door.room)
    assert threading.active_count() == threads
    begin = time.monotonic()
    line = call(server)
    join(line)
    assert time.monotonic() - begin < 5
    line.close()
    strangers[0].settimeout(5)
    assert len(strangers[0].recv(1000)) < 1000  # the greeting
    assert strangers[0].recv(1000) == b""  # the oldest was sent away
    for stranger in strangers:
        stranger.close()


def test_a_driver_that_is_not_there_is_named_with_its_address():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = taken.getsockname()
    hello = {"pid": 1, "submission": 1, "attempt": 0}
    with pytest.raises(ExchangeError, match=rf"the driver \(127.0.0.1:{address[1]}\)"):
        Line(address, b"t", 0, hello=hello, on_stop=lambda: None)


def test_the_line_listens_within_the_range_of_ports_or_says_that_it_is_full():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ExchangeError, match=f"none of the ports {port} to {port} is free"):
            LineServer("127.0.0.1", b"secret", 1, ports=Ports(port, port))
    server = LineServer("127.0.0.1", b"secret", 1, ports=Ports(port, port))
    assert server.address[1] == port
    server.close()


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
def test_ranks_that_disagree_are_told_who_and_what(two, field):
    facts = {"plan": "a", "numpy": "2.0", "data": [1] * 1000, "model": "m"}
    zero, one = call(two, 0), call(two, 1)
    with ThreadPoolExecutor(2) as pool:
        told = [pool.submit(join, zero, **facts), pool.submit(join, one, **{**facts, field: "x"})]
        message = heard(two, "disagree")
        two.stop()
        for met in told:
            with pytest.raises(Stopped):
                met.result(5)
    error = disagreement(message.rank, **message.value)
    assert isinstance(error, RendezvousError)
    assert re.match(rf"rank 1: `{field}` must be .* as on rank 0; got 'x'", str(error))
    zero.close()
    one.close()


def test_what_a_rank_announces_is_as_long_for_many_partitions_as_for_few():
    few, many = ({"data": [[7] * count, "spec"]} for count in (1, 10_000))
    assert len(wire.encode(digests(few))) == len(wire.encode(digests(many)))
