"""An application that does not answer, and one that is asked too much: clients get 504 or 503, the server goes on."""

from __future__ import annotations

import select

import pytest
from harness import PATIENCE
from harness.client import Truncated
from harness.server import eventually
from harness.signals import Signal

TIMEOUT = (("RICKHOUSE_REQUEST_TIMEOUT", "3s"), ("RICKHOUSE_REQUEST_GRACE", "60s"))
STEPS = 800  # of 5 ms at least: together more than the limit


def test_an_application_that_does_not_answer_gives_504(serve, signal):
    server = serve("fixtures.site:application", settings=TIMEOUT)
    assert server.request("/hello").body == b"hello\n"
    answer = server.request(f"/wait?signal={signal.port}")
    assert answer.status == 504
    assert server.request("/hello").body == b"hello\n"


def test_an_answer_that_stops_is_cut(serve, signal):
    server = serve("fixtures.site:application", settings=TIMEOUT)
    with server.connect() as connection:
        connection.send(server.encode(f"/flush_yield?signal={signal.port}"))
        answer = connection.read_head()
        assert connection.read_chunk() == b"part0"
        with pytest.raises((Truncated, ConnectionResetError)):
            connection.read_body(answer)
    assert server.request("/hello").body == b"hello\n"


def test_an_answer_that_goes_on_is_not_cut(serve, signal):
    """The limit is of standing still, not of the whole."""
    server = serve("fixtures.site:application", settings=TIMEOUT)
    with server.connect() as connection:
        connection.send(server.encode(f"/endless?signal={signal.port}&limit={STEPS}"))
        signal.say()
        assert len(connection.read_answer().body) == len(b"first") + STEPS * 10


def test_siblings_of_a_stuck_thread_finish(serve, signal):
    server = serve("fixtures.site:application", settings=TIMEOUT, threads=2)
    with Signal() as slow, server.connect() as stuck, server.connect() as working:
        stuck.send(server.encode(f"/wait?signal={signal.port}"))
        assert signal.wait() == "called"
        working.send(server.encode(f"/endless?signal={slow.port}&limit={STEPS}"))
        slow.say()
        assert stuck.read_answer().status == 504
        assert len(working.read_answer().body) == len(b"first") + STEPS * 10
    assert server.request("/hello").body == b"hello\n"


def test_a_full_queue_gives_503(serve, signal):
    server = serve("fixtures.site:application", settings=(("RICKHOUSE_QUEUE_LIMIT", "2"),))
    with server.connect() as busy:
        busy.send(server.encode(f"/wait?signal={signal.port}"))
        assert signal.wait() == "called"
        waiting = [server.connect() for _ in range(60)]
        for connection in waiting:
            connection.send(server.encode("/hello", close=True))
        ready, _, _ = select.select([connection.socket for connection in waiting], [], [], PATIENCE)
        refused = next(connection for connection in waiting if connection.socket in ready)
        waiting.remove(refused)
        with refused:
            answer = refused.read_answer()
        assert answer.status == 503
        assert int(answer.get("Retry-After")) > 0
        signal.say("done")
        assert busy.read_answer().body == b"done"
        answers = [connection.read_answer().status for connection in waiting]
        assert 200 in answers
        assert set(answers) <= {200, 503}
        for connection in waiting:
            connection.close()


def test_nobody_waits_for_ever(serve, signal):
    server = serve("fixtures.site:application", settings=(("RICKHOUSE_QUEUE_DEADLINE", "1s"),))
    with server.connect() as busy:
        busy.send(server.encode(f"/wait?signal={signal.port}"))
        assert signal.wait() == "called"
        answer = server.request("/hello")
        assert answer.status == 503
        assert int(answer.get("Retry-After")) > 0
        signal.say("done")
        assert busy.read_answer().body == b"done"
    assert eventually(lambda: server.request("/hello").body == b"hello\n")
