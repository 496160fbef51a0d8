"""What a framework would hide: disconnects, timeouts, extensions, streams, WebSockets."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import httpx
import pytest
import websockets
from harness import PATIENCE
from harness.server import eventually
from websockets.sync.client import connect

PLAIN = Path(__file__).resolve().parent / "fixtures" / "plain.py"


def history(server, want):
    """Wait until the application has noted something, and return all of it."""
    seen = ""

    def look():
        nonlocal seen
        seen += server.request("/log").body.decode() + "\n"
        return want in seen

    assert eventually(look), seen
    return seen


def test_disconnect(plain):
    """A client that goes while the application waits: receive says so, and nothing else has to come for it."""
    with plain.connect() as connection:
        connection.send(plain.encode("/waits"))
        history(plain, "waits")
        connection.reset()
        history(plain, "disconnected")


def test_a_client_that_does_not_read(plain):
    """Backpressure holds the application back, and the client's end ends it."""
    with plain.connect() as connection:
        connection.send(plain.encode("/endless"))
        connection.read_head()
        last = ""
        while (now := plain.request("/log").body.decode() or last) != last:
            last = now
            time.sleep(0.2)
        connection.reset()
    assert "DisconnectedError" in history(plain, "DisconnectedError")


def test_timeout(serve_own):
    """An application that takes too long is cancelled, and the client is told."""
    server = serve_own("fixtures.plain:application", settings=(("RICKHOUSE_REQUEST_TIMEOUT", "3s"),))
    assert server.request("/too_long").status == 504
    assert server.request("/log").status == 200


@pytest.mark.parametrize("size", [0, 1000, 100_000, 5_000_000])
def test_uploads(plain, size):
    answer = plain.request("/upload", "POST", body=b"x" * size)
    got, pieces = answer.body.split()
    assert int(got) == size
    assert int(pieces) >= max(1, -(-size // 65536))


def test_pathsend(plain):
    answer = plain.request("/path")
    assert answer.body == PLAIN.read_bytes()
    assert answer.framing == "length"


def test_zerocopysend(plain):
    assert plain.request("/part").body == PLAIN.read_bytes()[4:16]


def test_early_hint(plain):
    answer = plain.request("/hint")
    assert [(i.status, i.get("link")) for i in answer.interim] == [(103, "</style.css>; rel=preload; as=style")]
    assert answer.body == b"hinted"
    assert plain.request("/hint", version="1.0").interim == []


def test_trailers(plain):
    """They go to who takes them."""
    assert plain.request("/trailers").body == b"content"
    with plain.connect() as connection:
        connection.send(plain.encode("/trailers", fields={"TE": "trailers", "Connection": "TE"}))
        answer = connection.read_head()
        assert answer.framing == "chunked"
        assert connection.read_line() == b"7"
        assert connection.read_exactly(9) == b"content\r\n"
        assert connection.read_line() == b"0"
        assert connection.read_fields() == [("x-sum", "42")]


@pytest.mark.parametrize("n", [1000])
def test_server_sent_events(serve_own, n):
    """Many clients hear what is published, and the server has forgotten them when they are gone."""
    server = serve_own("fixtures.plain:application")

    async def listen(begun):
        reader, writer = await asyncio.open_connection(*server.address)
        writer.write(server.encode("/events"))
        heard = await reader.readuntil(b"hello\n\n\r\n")
        begun.append(None)
        if len(begun) == n:
            for event in (b"one", b"two", b"end"):
                publisher, out = await asyncio.open_connection(*server.address)
                out.write(server.encode(b"/publish?" + event, close=True))
                assert b"published" in await publisher.read()
                out.close()
        heard = await reader.readuntil(b"0\r\n\r\n")
        writer.close()
        return heard

    async def everybody():
        begun = []
        return await asyncio.wait_for(asyncio.gather(*(listen(begun) for _ in range(n))), PATIENCE)

    for heard in asyncio.run(everybody()):
        assert [line for line in heard.split(b"\r\n") if line.startswith(b"data")] == [
            b"data: one\n\n",
            b"data: two\n\n",
            b"data: end\n\n",
        ]
    assert eventually(lambda: server.request("/count").body == b"0")


def test_websocket_closes(plain):
    url = plain.url.replace("http", "ws") + "/echo"
    with connect(url, open_timeout=PATIENCE) as socket:
        for message in ("text", b"octets", "", b"", "x" * 1_000_000):
            socket.send(message)
            assert socket.recv(timeout=PATIENCE) == message
        socket.send("close")
        with pytest.raises(websockets.exceptions.ConnectionClosed) as raised:
            socket.recv(timeout=PATIENCE)
    assert (raised.value.rcvd.code, raised.value.rcvd.reason) == (4321, "as told")
    with connect(url, open_timeout=PATIENCE) as socket:
        socket.close(4000, "tschüß")
    assert "closed 4000 tschüß" in history(plain, "closed 4000")


@pytest.mark.parametrize(("query", "status", "body"), [("refuse", 403, b""), ("teapot", 418, b"short and stout")])
def test_websockets_that_are_refused(plain, query, status, body):
    with pytest.raises(websockets.exceptions.InvalidStatus) as raised:
        connect(plain.url.replace("http", "ws") + "/echo?" + query, open_timeout=PATIENCE)
    assert raised.value.response.status_code == status
    assert raised.value.response.body == body


def test_many_websockets(plain):
    async def talk(i):
        async with websockets.connect(plain.url.replace("http", "ws") + "/echo", open_timeout=PATIENCE) as socket:
            for turn in range(20):
                await socket.send(f"{i} {turn}")
                assert await socket.recv() == f"{i} {turn}"

    async def everybody():
        await asyncio.wait_for(asyncio.gather(*(talk(i) for i in range(100))), PATIENCE)

    asyncio.run(everybody())


def test_who_is_who_on_a_stop(serve_own):
    """A stop lets an answer end that is on its way."""
    server = serve_own("fixtures.plain:application")
    with httpx.Client(base_url=server.url, timeout=PATIENCE) as client, client.stream("GET", "/events") as answer:
        lines = answer.iter_text()
        assert next(lines) == ": hello\n\n"
        httpx.get(server.url + "/publish?one", timeout=PATIENCE)
        assert next(lines) == "data: one\n\n"
        server.terminate()
    assert server.stop() == 0
    assert "Traceback" not in server.log()
