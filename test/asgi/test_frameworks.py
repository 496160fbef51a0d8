"""The same pages made with five frameworks, asked for with httpx and websockets."""

from __future__ import annotations

import asyncio
import hashlib

import httpx
import pytest
import websockets
from harness import PATIENCE
from harness.server import eventually
from websockets.sync.client import connect

SITES = {
    "channels": "fixtures.django_site:application",
    "fastapi": "fixtures.fastapi_site:application",
    "litestar": "fixtures.litestar_site:application",
    "quart": "fixtures.quart_site:application",
    "starlette": "fixtures.starlette_site:application",
}


@pytest.fixture(params=sorted(SITES))
def site(request, serve):
    """A server; a traceback in the log is an error."""
    server = serve(SITES[request.param])
    since = server.log_size()
    yield server
    assert "Traceback" not in server.log(since), server.log(since)


@pytest.fixture
def client(site):
    with httpx.Client(base_url=site.url, timeout=PATIENCE) as made:
        yield made


def test_hello(client):
    answer = client.get("/hello/wor%6Cd", params={"greeting": "Hello"})
    assert (answer.status_code, answer.text) == (200, "Hello, world!")
    answer = client.get("/hello/猫", params={"greeting": "Grüß dich"})
    assert answer.text == "Grüß dich, 猫!"
    assert client.head("/hello/world", params={"greeting": "Hello"}).status_code in (200, 405)
    assert client.get("/nothing").status_code == 404


@pytest.mark.parametrize("size", [0, 1000, 3_000_000])
def test_upload(client, size):
    content = bytes(number % 251 for number in range(1000)) * (size // 1000)
    answer = client.post("/upload", files={"file": ("notes.bin", content)})
    assert answer.status_code == 200
    assert answer.json() == {"name": "notes.bin", "size": size, "sha256": hashlib.sha256(content).hexdigest()}


def test_chunked_upload(client, site):
    if "django" in site.spec.target:
        pytest.skip("Django reads no form without Content-Length")
    boundary = "b"

    def pieces():
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        yield b"x" * 100_000
        yield b"\r\n--b--\r\n"

    fields = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    assert client.post("/upload", content=pieces(), headers=fields).json()["size"] == 100_000


def test_stream(client):
    with client.stream("GET", "/stream") as answer:
        assert "".join(answer.iter_text()) == "".join(f"line {number}\n" for number in range(10))
        assert "content-length" not in answer.headers


def test_state(client, site):
    if "django" in site.spec.target:
        pytest.skip("Django has no lifespan")
    assert client.get("/state").json()["started"] == "yes"


def test_many_at_once(site):
    async def all_of_them():
        async with httpx.AsyncClient(base_url=site.url, timeout=PATIENCE) as client:
            return await asyncio.gather(
                *(client.get(f"/hello/{number}", params={"greeting": "Hello"}) for number in range(100))
            )

    assert [answer.text for answer in asyncio.run(all_of_them())] == [f"Hello, {number}!" for number in range(100)]


def test_websocket(site):
    with connect(
        site.url.replace("http", "ws") + "/ws", subprotocols=["other", "chat"], open_timeout=PATIENCE
    ) as socket:
        assert socket.subprotocol == "chat"
        for text in ("hello", "grüße 🎉", "x" * 300_000):
            socket.send(text)
            assert socket.recv(timeout=PATIENCE) == text.upper()


@pytest.mark.parametrize("name", sorted(SITES))
def test_a_websocket_that_nobody_serves(serve, name):
    server = serve(SITES[name])
    since = server.log_size()
    with pytest.raises(websockets.exceptions.InvalidStatus) as raised:
        connect(server.url.replace("http", "ws") + "/nothing", open_timeout=PATIENCE)
    assert raised.value.response.status_code in (403, 404, 500)
    if name == "channels":  # which raises
        server.wait_log("ValueError: No route found", since)


@pytest.mark.parametrize("name", sorted(set(SITES) - {"channels"}))
def test_lifespan_ends(serve_own, name):
    server = serve_own(SITES[name])
    assert httpx.get(server.url + "/state", timeout=PATIENCE).json()["started"] == "yes"
    assert server.stop() == 0
    assert "stopped" in server.log()


def test_fastapi(serve):
    server = serve(SITES["fastapi"])
    with httpx.Client(base_url=server.url, timeout=PATIENCE) as client:
        assert client.post("/sum", json={"numbers": [1, 2, 3]}).json() == {"sum": 6, "where": "from a thread"}
        assert client.post("/sum", json={"numbers": "x"}).status_code == 422
        assert client.get("/missing").json() == {"detail": "not here"}
        assert "/sum" in client.get("/openapi.json").json()["paths"]
        assert "swagger" in client.get("/docs").text


def test_starlette(serve):
    server = serve(SITES["starlette"])
    with httpx.Client(base_url=server.url, timeout=PATIENCE) as client:
        answer = client.get("/file")
        assert (answer.content, answer.headers["content-length"]) == (b"line\n" * 100_000, "500000")
        answer = client.get("/file", headers={"Range": "bytes=10-19"})
        assert (answer.status_code, answer.content) == (206, b"line\nline\n")
        assert client.get("/background").text == "answered"
        assert eventually(lambda: client.get("/state").json()["done"] == ["background"])
        assert client.get("/fails").status_code == 500
    server.wait_log("RuntimeError: on purpose")


def test_a_room_of_channels(serve):
    url = serve(SITES["channels"]).url.replace("http", "ws") + "/room"
    sockets = [connect(url, open_timeout=PATIENCE) for _ in range(5)]
    try:
        for i, socket in enumerate(sockets):
            socket.send(f"hello {i}")
            for other in sockets:
                assert other.recv(timeout=PATIENCE) == f"hello {i}"
    finally:
        for socket in sockets:
            socket.close()
