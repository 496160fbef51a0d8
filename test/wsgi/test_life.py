"""How requests end: close() always, disconnects delivered, slow clients no burden."""

from __future__ import annotations

import json
import time
from urllib.parse import quote

import pytest
from harness.client import Truncated
from harness.signals import Signal


@pytest.mark.parametrize("kind", ["iterator", "list"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_close_is_called_once(site, signal, kind, method, version):
    site.request(f"/closing?kind={kind}&signal={signal.port}", method, version=version)
    assert signal.wait() == "closed"
    assert site.request("/hello").body == b"hello\n"
    assert not signal.pending(), "close() was called again"


@pytest.mark.parametrize("line", ["204 No Content", "304 Not Modified"])
@pytest.mark.unvalidated("a body where none may be")
def test_close_is_called_where_no_body_is_sent(site, signal, line):
    assert site.request(f"/closing?status={quote(line)}&signal={signal.port}").body == b""
    assert signal.wait() == "closed"


@pytest.mark.breaks
@pytest.mark.parametrize("kind", ["failing", "failing-late"])
def test_close_is_called_after_a_failure(site, signal, kind):
    with site.connect() as connection:
        connection.send(site.encode(f"/closing?kind={kind}&signal={signal.port}"))
        try:
            answer = connection.read_answer()
            assert (kind, answer.status) == ("failing", 500)
        except (Truncated, ConnectionResetError):
            assert kind == "failing-late"
    assert signal.wait() == "closed"


@pytest.mark.breaks
@pytest.mark.unvalidated("longer or shorter than Content-Length, or never started")
@pytest.mark.parametrize("path", ["closing?length=4", "closing?length=20", "closing_bad_start?"])
def test_close_is_called_whatever_was_wrong(site, signal, path):
    with site.connect() as connection:
        connection.send(site.encode(f"/{path}&signal={signal.port}"))
        try:
            connection.read_answer()
        except (Truncated, ConnectionResetError):
            assert "20" in path
    assert signal.wait() == "closed"


def test_the_answer_is_whole_before_close_returns(site, signal):
    with site.connect() as connection:
        connection.send(site.encode(f"/slow_close?signal={signal.port}"))
        answer = connection.read_head()
        if answer.framing == "length":  # behind the validator the end is known only after close()
            assert connection.read_body(answer) == b"whole"
        else:
            assert connection.read_chunk() == b"whole"
        assert signal.wait() == "closing"
        signal.say()
        if answer.framing == "chunked":
            assert connection.read_chunk() == b""


@pytest.mark.parametrize("end", ["reset", "close"])
def test_a_disconnect_reaches_a_generator(site, signal, end):
    connection = site.connect()
    connection.send(site.encode(f"/endless?signal={signal.port}"))
    connection.read_head()
    assert connection.read_chunk() == b"first"
    assert signal.wait() == "first taken"
    getattr(connection, end)()
    signal.say()
    assert signal.wait() == "closed"


@pytest.mark.breaks
@pytest.mark.parametrize("end", ["reset", "close"])
def test_a_disconnect_reaches_write(site, signal, end):
    connection = site.connect()
    connection.send(site.encode(f"/endless_write?signal={signal.port}"))
    connection.read_head()
    assert connection.read_chunk() == b"first"
    assert signal.wait() == "first taken"
    getattr(connection, end)()
    signal.say()
    assert signal.wait() == "raised True"


def test_a_disconnect_in_a_large_answer_ends_it(site, signal):
    """The client stops reading, the spool takes what it may, the client goes: the application must not wait forever."""
    connection = site.connect()
    connection.send(site.encode(f"/endless?signal={signal.port}&size=100000&limit=4000"))
    connection.read_head()
    assert signal.wait() == "first taken"
    signal.say()
    connection.reset()
    assert signal.wait() == "closed"


@pytest.mark.unvalidated("counts in the worker")
def test_a_request_nobody_waits_for_is_not_started(serve, signal, request):
    """The client of a queued request goes away: whoever notices late may start it, so some tries are allowed."""
    server = serve("fixtures.site:application")
    for attempt in range(5):
        name = f"{request.node.name}-{attempt}"
        with Signal() as blocker, server.connect() as busy:
            busy.send(server.encode(f"/wait?signal={blocker.port}"))
            assert blocker.wait() == "called"
            gone = server.connect()
            gone.send(server.encode(f"/count?name={name}"))
            time.sleep(0.05 * 4**attempt)
            gone.reset()
            time.sleep(0.05 * 4**attempt)
            blocker.say("done")
            assert busy.read_answer().body == b"done"
        if json.loads(server.request(f"/counted?name={name}").body) == 0:
            return
    pytest.fail("the request was started each time")


def test_a_half_closed_connection_gets_the_answer_that_was_begun(site, signal):
    with site.connect() as connection:
        connection.send(site.encode(f"/wait?signal={signal.port}"))
        assert signal.wait() == "called"
        connection.half_close()
        signal.say("all the same")
        assert connection.read_answer().body == b"all the same"
        assert connection.closed()


def test_a_half_closed_connection_gets_every_answer_if_that_is_wanted(serve):
    server = serve("fixtures.site:application", settings=(("RICKHOUSE_HALF_CLOSE", "true"),))
    for _ in range(20):
        with server.connect() as connection:
            connection.send(server.encode("/generated"), server.encode("/hello"))
            connection.half_close()
            assert connection.read_answer().body == b"chunk 0\nchunk 1\nchunk 2\n"
            assert connection.read_answer().body == b"hello\n"
            assert connection.closed()


def test_slow_requests_do_not_occupy_the_worker(site):
    """Clients that stop in the head or in the content, while the one worker serves others."""
    slow = [site.connect() for _ in range(12)]
    half = site.encode("/echo", "POST", body=b"0123456789")
    for number, connection in enumerate(slow):
        connection.send(half[: -5 if number % 2 else 20])
    for _ in range(20):
        assert site.request("/hello").body == b"hello\n"
    for number, connection in enumerate(slow):
        connection.send(half[-5 if number % 2 else 20 :])
        assert connection.read_answer().body == b"0123456789"
        connection.close()


def test_preconnected_clients_do_not_occupy_the_worker(site):
    idle = [site.connect() for _ in range(50)]
    assert site.request("/hello").body == b"hello\n"
    for connection in idle:
        connection.close()


def test_slow_readers_do_not_occupy_the_worker(site):
    """Large answers that nobody reads yet are taken off the worker."""
    size = 8_000_000
    slow = [site.connect() for _ in range(3)]
    for connection in slow:
        connection.send(site.encode(f"/big?n={size}"))
    for _ in range(20):
        assert site.request("/hello").body == b"hello\n"
    for connection in slow:
        answer = connection.read_answer()
        assert len(answer.body) == size
        connection.close()


def test_octets_one_at_a_time(site):
    with site.connect() as connection:
        for octet in site.encode("/echo", "POST", {"X-A": "b"}, b"body"):
            connection.send(bytes([octet]))
        assert connection.read_answer().body == b"body"


def test_a_second_request_waits_for_the_first_on_one_connection(site, signal):
    with site.connect() as connection:
        connection.send(site.encode(f"/wait?signal={signal.port}"), site.encode("/hello"))
        assert signal.wait() == "called"
        signal.say("first")
        assert connection.read_answer().body == b"first"
        assert connection.read_answer().body == b"hello\n"


def test_threads_run_requests_at_the_same_time(serve):
    server = serve("fixtures.site:application", threads=4)
    connections = [server.connect() for _ in range(4)]
    for connection in connections:
        connection.send(server.encode("/barrier"))
    names = {connection.read_answer().body for connection in connections}
    assert len(names) == 4
    for connection in connections:
        connection.close()


def test_workers_run_requests_at_the_same_time(serve):
    """Each free worker takes the next request."""
    server = serve("fixtures.site:application", workers=2)
    with Signal() as one, Signal() as two, server.connect() as first, server.connect() as second:
        first.send(server.encode(f"/wait?signal={one.port}"))
        assert one.wait() == "called"
        second.send(server.encode(f"/wait?signal={two.port}"))
        assert two.wait() == "called"
        two.say("second")
        assert second.read_answer().body == b"second"
        one.say("first")
        assert first.read_answer().body == b"first"


def test_a_request_is_not_parked_behind_a_slow_one(serve):
    server = serve("fixtures.site:application", workers=2)
    with Signal() as blocker, server.connect() as busy:
        busy.send(server.encode(f"/wait?signal={blocker.port}"))
        assert blocker.wait() == "called"
        for _ in range(50):
            assert server.request("/hello").body == b"hello\n"
        blocker.say("done")
        assert busy.read_answer().body == b"done"


@pytest.mark.one_thread("what it is about")
def test_one_thread_runs_on_the_main_thread(site):
    """So that applications may use signal handlers."""
    assert json.loads(site.request("/thread").body)["main"] is True
