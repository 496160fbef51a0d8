"""The ASGI counterpart of wsgi.hello, for servers that speak ASGI only."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

HELLO = b"Hello, World!"
TEN_KB = b"0123456789abcdef" * 640

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


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
    await _text(HELLO, send)


async def ten_kb(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Answer 10,240 octets that exist already."""
    await _text(TEN_KB, send)


async def echo(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Answer the content of the request."""
    parts = []
    while True:
        event = await receive()
        if event["type"] == "http.disconnect":
            return
        parts.append(event.get("body", b""))
        if not event.get("more_body"):
            break
    await _text(b"".join(parts), send)
