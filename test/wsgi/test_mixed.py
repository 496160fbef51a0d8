"""Nothing of one request gets into another: under load, with clients that leave, and with applications that cling."""

from __future__ import annotations

import hashlib
import json
import random
import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from harness.client import Connection
from harness.server import Server


@pytest.mark.unvalidated("keeps what it was given")
@pytest.mark.parametrize("written", ["", "1"])
@pytest.mark.parametrize("size", [100, 200_000])
def test_what_an_application_keeps_is_dead(site, written, size):
    with site.connect() as connection:
        connection.send(site.encode(f"/keep?written={written}", "POST", body=b"first " * (size // 6)))
        assert connection.read_answer().body == b"kept"
        connection.send(site.encode("/use_kept", "POST", body=b"second" * (size // 6)))
        answer = connection.read_answer()
        assert answer.status == 200
        assert answer.get("X-Leak") is None
        assert b"leak" not in answer.body
        assert b"second" not in answer.body, "the input of an earlier request gave this one's content"
        assert answer.body.startswith(b"mine [")


@pytest.mark.parametrize("size", [100, 200_000])
def test_what_an_application_keeps_is_dead_when_streamed(streaming, size):
    with streaming.connect() as connection:
        for _ in range(2):
            connection.send(streaming.encode("/keep", "POST", body=b"first " * (size // 6)))
            answer = connection.read_answer()
            assert answer.body == b"kept"
            if (answer.get("Connection") or "").lower() == "close" or size > 100_000:
                break
    with streaming.connect() as connection:
        connection.send(streaming.encode("/use_kept", "POST", body=b"second" * (size // 6)))
        answer = connection.read_answer()
        assert answer.status == 200
        assert b"leak" not in answer.body
        assert b"second" not in answer.body


def _one(server: Server, connection: Connection, chance: random.Random, word: bytes) -> None:
    """Make a request of a random kind on the connection, and see that the answer is its own."""
    kind = chance.randrange(6)
    if kind == 0:
        body = word * chance.choice((0, 1, 100, 5000, 20000))
        connection.send(server.encode("/echo", "POST", body=body))
        assert connection.read_answer().body == body
    elif kind == 1:
        connection.send(server.encode("/environ?" + word.decode(), fields={"X-Word": word, "Cookie": b"w=" + word}))
        items = json.loads(connection.read_answer().body)["items"]
        assert items["HTTP_X_WORD"][1] == items["QUERY_STRING"][1] == word.decode()
        assert items["HTTP_COOKIE"][1] == "w=" + word.decode()
    elif kind == 2:
        size = chance.choice((0, 10, 70_000, 400_000))
        connection.send(server.encode(f"/sized?n={size}" if size < 100 else f"/big?n={size}"))
        assert len(connection.read_answer().body) == size
    elif kind == 3:
        body = word * chance.choice((1, 3000))
        connection.send(server.encode("/said", "POST", {"Transfer-Encoding": "chunked"}))
        connection.send(b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
        got = json.loads(connection.read_answer().body)
        assert got["digest"] == ["bytes", len(body), hashlib.sha256(body).hexdigest()[:16]]
    elif kind == 4:
        words = [word + b"-%d" % number for number in range(chance.randint(2, 8))]
        connection.send(*(server.encode("/echo", "POST", body=each) for each in words))
        for each in words:
            assert connection.read_answer().body == each
    else:
        connection.send(server.encode("/generated?n=5", "HEAD"), server.encode("/echo", "POST", body=word))
        assert connection.read_answer("HEAD").body == b""
        assert connection.read_answer().body == word


def _leave(server: Server, chance: random.Random, word: bytes) -> None:
    """Begin a request and go away in the middle of it or of its answer."""
    connection = server.connect()
    octets = server.encode("/echo", "POST", {"X-Word": word}, word * 3000)
    connection.send(octets[: chance.choice((10, 100, 5000, len(octets)))])
    if chance.random() < 0.3:
        connection.send(server.encode("/big?n=3000000"))
    if chance.random() < 0.5:
        connection.reset()
    else:
        connection.close()


def _client(server: Server, number: int) -> int:
    """Be a client for a while; return how many requests were answered."""
    chance, answered = random.Random(number), 0
    for turn in range(12):
        with server.connect() as connection:
            for step in range(chance.randint(1, 12)):
                _one(server, connection, chance, b"client%d.%d.%d" % (number, turn, step))
                answered += 1
        if chance.random() < 0.5:
            _leave(server, chance, b"gone%d.%d" % (number, turn))
    return answered


@pytest.mark.parametrize(("workers", "threads"), [(1, 1), (2, 1), (1, 4)])
@pytest.mark.parametrize("stream", [False, True])
def test_answers_are_never_mixed_up(serve, workers, threads, stream):
    settings = (("RICKHOUSE_STREAM_INPUT", "true"),) if stream else ()
    server = serve("fixtures.site:application", workers=workers, threads=threads, settings=settings)
    since = server.log_size()
    with ThreadPoolExecutor(8) as clients:
        answered = list(clients.map(lambda number: _client(server, number), range(8)))
    assert all(answered)
    assert server.request("/hello").body == b"hello\n"
    assert not re.search(r"worker ended|protocol|malformed", server.log(since)), server.log(since)
