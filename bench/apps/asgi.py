"""The ASGI applications of the benchmark. None has a lifespan: servers are told so or find out."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

HELLO = b"Hello, World!"
TEN_KB = b"0123456789abcdef" * 640

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


def _only(scope: dict[str, Any], kind: str) -> None:
    if scope["type"] != kind:
        raise RuntimeError(f"this application serves {kind} only")


async def _text(body: bytes, send: Send) -> None:
    await send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [
                (b"content-type", b"text/plain"),
                (b"content-length", str(len(body)).encode()),
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})


async def hello(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Answer 13 octets."""
    _only(scope, "http")
    await _text(HELLO, send)


async def ten_kb(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Answer 10,240 octets that exist already."""
    _only(scope, "http")
    await _text(TEN_KB, send)


async def echo(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Answer the content of the request."""
    _only(scope, "http")
    parts = []
    while True:
        event = await receive()
        if event["type"] == "http.disconnect":
            return
        parts.append(event.get("body", b""))
        if not event.get("more_body"):
            break
    await _text(b"".join(parts), send)


async def wait(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Answer after 10 ms, as one does that asks a database."""
    _only(scope, "http")
    await asyncio.sleep(0.01)
    await _text(HELLO, send)


async def echo_socket(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Answer each message of a WebSocket with the same; to HTTP say hello."""
    if scope["type"] == "http":
        await _text(HELLO, send)
        return
    _only(scope, "websocket")
    await receive()
    await send({"type": "websocket.accept"})
    while (event := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": event["text"]})


_crowd: dict[str, Any] = {}


async def _beat() -> None:
    """Wake every stream ten times a second."""
    loop = asyncio.get_running_loop()
    due = loop.time()
    while True:
        due += 0.1
        await asyncio.sleep(max(0.0, due - loop.time()))
        done, _crowd["tick"] = _crowd["tick"], loop.create_future()
        done.set_result(None)


async def events(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Send a Server-Sent Event to every client ten times a second; to who does not ask for events say hello."""
    _only(scope, "http")
    if (b"accept", b"text/event-stream") not in [tuple(pair) for pair in scope["headers"]]:
        await _text(HELLO, send)
        return
    if not _crowd:
        _crowd["tick"] = asyncio.get_running_loop().create_future()
        _crowd["task"] = asyncio.create_task(_beat())
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
    with contextlib.suppress(OSError):  # the client has gone
        while True:
            await asyncio.shield(_crowd["tick"])
            await send({"type": "http.response.body", "body": b"data: a thing has happened\n\n", "more_body": True})
