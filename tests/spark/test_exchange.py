"""The exchange with plain processes: no Spark, no Java."""

from __future__ import annotations

import os
import socket
import threading
import time

import numpy as np
import pytest
from launch import Ranks, run

from sandbox.lib.core.errors import ArgumentError
from sandbox.lib.spark.errors import AuthenticationError, ExchangeError
from sandbox.lib.spark.exchange import tcp
from sandbox.lib.spark.exchange.group import Group
from sandbox.lib.spark.exchange.mesh import Link, Mesh
from sandbox.lib.spark.exchange.slices import family, join, rounds

pytestmark = pytest.mark.processes


def campaign(value):
    """More of what the other cases check already: left to `test --all`."""
    return pytest.param(value, marks=pytest.mark.campaign)


@pytest.mark.parametrize("size", [campaign(2), 3, campaign(4)])
def test_shared_memory_and_tcp_give_the_same_bits(size):
    shm = run("verbs", size, exchange="shm", n=12_000)
    tcp_ = run("verbs", size, exchange="tcp", n=12_000)

    assert {answer["digest"] for answer in shm + tcp_} == {shm[0]["digest"]}
    assert [0] * 2 * size == [answer["wrong"] for answer in shm + tcp_]
    assert [size - 1] * size == [answer["sent"] for answer in shm]
    assert all("shared memory" in answer["how"] and "TCP" not in answer["how"] for answer in shm)
    assert all("TCP" in answer["how"] for answer in tcp_)


def test_ranks_on_two_hosts_mix_both_ways_and_give_the_same_bits():
    mixed = run("verbs", 4, hosts=[0, 0, 1, 1])
    plain = run("verbs", 4, exchange="tcp")

    assert {plain[0]["digest"]} == {answer["digest"] for answer in mixed}
    assert all("shared memory" in a["how"] and "TCP" in a["how"] for a in mixed)


def test_training_that_gathers_whole_parameters_is_the_same_on_any_ranks():
    (alone,) = run("trains", 1)
    mixed = run("trains", 3, hosts=[0, 0, 1])  # shared memory and TCP

    assert {mixed[0]["digest"]} == {answer["digest"] for answer in mixed}
    # float32 sums in another order, and small singular values are made large
    np.testing.assert_allclose(mixed[0]["weights"], alone["weights"], atol=1e-4)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 6, 8, 13, 64, 100])
def test_rounds_give_every_rank_the_same_sum_in_few_messages(size):
    values = np.random.default_rng(size).standard_normal((size, 3)) * 10.0 ** np.arange(3)
    sums = [row.copy() for row in values]
    met = [rounds(rank, size) for rank in range(size)]
    for number in range(len(met[0])):
        before = [row.copy() for row in sums]
        for rank, (partner, gives, takes) in enumerate(each[number] for each in met):
            if partner is None:
                continue
            assert met[partner][number] == (rank, takes, gives)
            if takes and (gives or partner > rank):
                join(sums[rank], before[partner], 1, first=rank < partner)
            elif takes:
                sums[rank] = before[partner].copy()

    assert {row.tobytes() for row in sums} == {sums[0].tobytes()}
    np.testing.assert_allclose(sums[0][:2], values.sum(axis=0)[:2])
    assert sums[0][2] == values[:, 2].max()
    assert len(met[0]) <= np.ceil(np.log2(size)) + 1


@pytest.mark.parametrize("size", [1, 2, 3, 6, 8, 13, 64])
def test_what_a_root_tells_comes_to_every_rank_once(size):
    for root in {0, size // 2, size - 1}:
        told = {root: 0}
        for _ in range(size):
            for rank, depth in list(told.items()):
                for child in family(rank, size, root)[1]:
                    assert family(child, size, root)[0] == rank
                    told.setdefault(child, depth + 1)

        assert sorted(told) == list(range(size))
        assert max(told.values()) <= np.ceil(np.log2(size))
        assert sum(len(family(rank, size, root)[1]) for rank in range(size)) == size - 1


@pytest.mark.parametrize("exchange", ["shm", campaign("tcp")])
def test_a_rank_that_has_done_its_part_may_leave_before_the_others(exchange):
    answers = run("parts", 4, exchange=exchange)

    assert answers == [{"left": True}] * 4


def test_many_small_and_empty_buckets_are_legal():
    many = run("verbs", 3, n=9_000, count=1500, steps=2)

    assert [answer["wrong"] for answer in many] == [0, 0, 0]


def test_no_room_for_shared_memory_falls_back_to_tcp_with_one_line():
    answers = run("verbs", 3, no_memory=1, n=60_000)
    plain = run("verbs", 3, exchange="tcp", n=60_000)

    assert {plain[0]["digest"]} == {answer["digest"] for answer in answers}
    assert answers[0]["notes"] == answers[2]["notes"] == []
    assert "No space left" in answers[1]["notes"][0]
    assert "exchanging by TCP" in answers[1]["notes"][0]


def test_shm_asked_for_but_not_possible_is_an_error_naming_the_ranks():
    answers = run("verbs", 2, hosts=[0, 1], exchange="shm")

    assert "does not share memory with rank 1" in answers[0]["error"]
    assert "exchange='auto'" in answers[0]["error"]


@pytest.mark.parametrize("exchange", ["shm", "tcp"])
def test_a_killed_peer_is_noticed_and_named_within_two_seconds(exchange):
    answers = [lines[-1] for lines in Ranks("dies", 3, exchange=exchange).go()]

    for rank in (0, 2):
        assert "PeerLost" in answers[rank]["error"]
        assert answers[rank]["at"] - answers[1]["died"] < 2
    assert any("rank 1 at 127.0.0.1" in answers[rank]["error"] for rank in (0, 2))


@pytest.mark.parametrize("exchange", [campaign("shm"), "tcp"])
def test_a_rank_that_leaves_tells_the_others_why(exchange):
    answers = run("leaves", 3, exchange=exchange)

    assert answers[1]["error"] == "ValueError: the loss is NaN"
    assert all("the loss is NaN" in answers[rank]["error"] for rank in (0, 2))


@pytest.mark.parametrize("exchange", ["shm", campaign("tcp")])
def test_a_hanging_peer_ends_the_wait_at_the_deadline(exchange):
    begin = time.monotonic()
    answers = run("hangs", 2, exchange=exchange, deadline_s=1)

    assert "ExchangeTimeout" in answers[0]["error"]
    assert "rank 1 at" in answers[0]["error"]
    assert time.monotonic() - begin < 60  # of which the deadline is one second


@pytest.mark.parametrize("exchange", ["shm", campaign("tcp")])
def test_ranks_in_different_verbs_are_told_so(exchange):
    answers = run("disagrees", 2, exchange=exchange)

    assert all("same operations in the same order" in answer["error"] for answer in answers)


@pytest.mark.parametrize("exchange", ["shm", campaign("tcp")])
def test_waiting_costs_no_processor_time_and_is_counted_as_wait(exchange):
    answers = run("waits", 3, exchange=exchange, seconds=1.0)

    for answer in answers[1:]:
        assert answer["cpu"] < 0.1
        assert answer["wait"] == pytest.approx(1.0, abs=0.2)
        assert answer["exchange"] < 0.05


def test_a_wrong_token_is_refused():
    answers = run("verbs", 2, tokens={"1": "guessed"}, deadline_s=2)

    assert "refused the token of rank 1" in answers[1]["error"]
    assert "rank 1 did not connect" in answers[0]["error"]


def test_garbage_and_silent_strangers_on_the_port_do_no_harm():
    ranks = Ranks("verbs", 2)
    stop = threading.Event()
    random = np.random.default_rng(3)
    silent = [socket.create_connection(tuple(address)) for address in ranks.addresses]

    def fuzz() -> None:
        while not stop.is_set():
            for address in ranks.addresses:
                try:
                    with socket.create_connection(tuple(address), timeout=1) as stranger:
                        size = int(random.integers(1, 5000))
                        stranger.sendall(random.bytes(size))
                        stranger.sendall(tcp.MAGIC + random.bytes(200))
                except OSError:
                    pass

    thread = threading.Thread(target=fuzz)
    thread.start()
    try:
        time.sleep(0.2)
        answers = [lines[-1] for lines in ranks.go()]
    finally:
        stop.set()
        thread.join()
        for stranger in silent:
            stranger.close()

    assert [answer.get("wrong", answer) for answer in answers] == [0, 0]


def test_a_listener_that_is_no_rank_is_refused():
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = server.accept()
        with connection:
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" + bytes(100))
            time.sleep(0.2)

    thread = threading.Thread(target=serve)
    thread.start()
    with pytest.raises(AuthenticationError, match="not a rank of ours"):
        tcp.connect(server.getsockname(), b"token", rank=0, deadline_s=2)
    thread.join()
    server.close()


def test_garbage_inside_an_authenticated_connection_is_an_error_not_data():
    left, right = socket.socketpair()
    mesh = Mesh({1: Link(1, ("127.0.0.1", 1), left)}, deadline_s=2)
    right.sendall(b"\x00" * 200)
    buffer = bytearray(16)
    with pytest.raises(ExchangeError, match=r"rank 1 at .* sent bytes that are no frame"):
        mesh.transfer(3, 1, {}, {1: [memoryview(buffer)]}, "test")
    mesh.close()
    right.close()


def test_an_unreachable_peer_is_named_with_its_address():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(ExchangeError, match=rf"rank 0 \(127.0.0.1:{port}\) could not be reached"):
        Group(1, 2, [("127.0.0.1", port), ("127.0.0.1", 0)], b"t", deadline_s=2)


def test_a_group_of_one_needs_nobody():
    with Group(0, 1, [("127.0.0.1", 0)], b"t") as group:
        vector = group.allocate(5)
        group.reduce_scatter(vector, [])
        group.all_gather(vector, [])
        group.barrier()
        group.broadcast(vector)

    assert vector.ctypes.data % 64 == 0
    assert vector.tolist() == [0.0] * 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((2, 2, [("h", 1)] * 2, b"t"), "rank"),
        ((0, 2, [("h", 1)], b"t"), "addresses"),
    ],
)
def test_impossible_groups_are_refused(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        Group(*arguments)


def test_an_unknown_exchange_is_refused_with_the_choices():
    with pytest.raises(ArgumentError, match=r"auto.*rdma"):
        Group(0, 1, [("h", 1)], b"t", exchange="rdma")


def test_nothing_is_left_in_shared_memory_after_kills():
    before = set(os.listdir("/dev/shm"))
    Ranks("dies", 3, exchange="shm", victim=0).go()

    assert before == set(os.listdir("/dev/shm"))
